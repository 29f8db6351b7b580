/**
 * A database file written anew, without a byte of the rows that were forgotten.
 *
 *     path, path.wal ─ first process ─► path.new.parquet ─ second process ─► path.new ─► synced ─► renamed to path
 *
 * DuckDB marks deleted rows, and leaves their bytes where they are. So what is left is copied
 * into a new file, in its order, in whole row groups, and that takes the place of the old. Two processes do it, since
 * DuckDB leaves gaps in the blocks of a database, and writes there what its memory happened to hold: the one that
 * writes the new file must never have seen a row that was forgotten. Nothing of that kind is in Parquet.
 *
 * For the same reason a process that had the store open must not open it again afterwards, or the gaps of what it
 * writes next may hold what was forgotten: its owner ends it, has the file written anew, and begins another. Whoever asks
 * meanwhile waits, or asks again.
 *
 * If we die before the rename, the old file is there, and whole; after it, the new. What was half written is removed when
 * the store is opened, or is written anew again.
 */

import { fork } from "node:child_process"
import { rename, stat } from "node:fs/promises"
import { resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { deleteFresh, freshPaths } from "./database.js"
import { syncFile, syncFolderOf } from "./durable.js"
import { QueryError } from "./error.js"

/** What was done last: rows copied out, rows copied in, the old file replaced. */
export type RewriteStep = "copied out" | "copied in" | "renamed"

export interface RewriteOptions {
  /** The database file, which nobody has open. */
  readonly path: string
  /** Most memory DuckDB may use, in MiB. */
  readonly memoryMb: number
  /** Is told after each step. Must not throw. */
  readonly onStep?: (step: RewriteStep) => void
}

/** What each process is told, and says at its end. */
export interface RewriteTask {
  readonly path: string
  readonly memoryMb: number
  /** What stands in the cursor; only the second process is told. */
  readonly cursor?: RewrittenCursor
}

export interface RewrittenCursor {
  readonly through: number
  readonly cursor: string | null
  readonly forgotten: string | null
}

/** What the first process found: where the rows end, or nothing that is worth copying. */
export type RewriteAnswer = RewrittenCursor | "nothing" | { readonly failure: string }

const CHILD = fileURLToPath(new URL("./rewrite-child.js", import.meta.url))

/**
 * Writes a database file anew. The caller's process touches none of it.
 *
 * @returns whether it did: there is nothing to be done if there is no file, or one that the next opening throws away
 * @throws {@link QueryError} `QUERY_UNAVAILABLE` if another process keeps it, or it cannot be read or written, as when
 * the disk is full: the file is as it was
 */
export async function rewriteDatabase(options: RewriteOptions): Promise<boolean> {
  try {
    return await rewrite({ ...options, path: resolve(options.path) })
  } catch (cause) {
    throw new QueryError("QUERY_UNAVAILABLE", "the query store could not be written anew", { cause })
  }
}

async function rewrite({ path, memoryMb, onStep }: RewriteOptions): Promise<boolean> {
  const { fresh } = freshPaths(path)
  await deleteFresh(path)
  if (!(await exists(path))) return false
  try {
    const cursor = await inProcess({ path, memoryMb })
    if (cursor === "nothing") return false
    onStep?.("copied out")
    await inProcess({ path, memoryMb, cursor })
    onStep?.("copied in")
    // A log that was written ahead for one file must never meet the other.
    for (const file of [path, fresh]) if (await exists(`${file}.wal`)) throw new Error("bug: a log is left")
    await syncFile(fresh)
    // Should we die before this, the old file is there; after it, the new one. Neither needs anything else.
    await rename(fresh, path)
    onStep?.("renamed")
    await syncFolderOf(path)
    return true
  } finally {
    await deleteFresh(path)
  }
}

/** Does a half of it in a process of its own, which ends with ours. */
async function inProcess(task: RewriteTask): Promise<RewrittenCursor | "nothing"> {
  const child = fork(CHILD, { execArgv: [], stdio: ["ignore", "ignore", "inherit", "ipc"] })
  const answer = await new Promise<RewriteAnswer>((resolve, reject) => {
    let said: RewriteAnswer | undefined
    child.once("error", reject)
    child.once("message", (message: RewriteAnswer) => {
      said = message
    })
    child.once("exit", (code, signal) => {
      if (said !== undefined) resolve(said)
      else reject(new Error(`the process that copies rows ended: ${signal ?? code}`))
    })
    child.send(task)
  })
  if (typeof answer === "object" && "failure" in answer) throw new Error(answer.failure)
  return answer
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false
    throw error
  }
}
