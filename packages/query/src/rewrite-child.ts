/**
 * One of the two processes by which a database file is written anew (rewrite.ts).
 *
 *     no cursor   database ─► checkpoint ─► Parquet; says the cursor
 *     a cursor    Parquet ─► new database; says the cursor again
 *
 * It does what it is told first, says how that went, and ends; without its parent it ends at once.
 */

import { rm } from "node:fs/promises"
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api"
import { COLUMNS } from "./columns.js"
import {
  CURSOR_TABLE,
  createTables,
  EVENTS_TABLE,
  freshPaths,
  LAYOUT,
  orDamaged,
  ownSettings,
  quoted,
} from "./database.js"
import type { RewriteAnswer, RewriteTask, RewrittenCursor } from "./rewrite.js"

/** Rows on their way are in memory by so many. */
const GROUP_ROWS = 16_384

async function perform({ path, memoryMb, cursor }: RewriteTask): Promise<RewriteAnswer> {
  // One thread fills row group after row group; two leave some of them short.
  const instance = await DuckDBInstance.create(":memory:", ownSettings(memoryMb, 1))
  const connection = await instance.connect()
  try {
    return cursor === undefined ? await copyOut(connection, path) : await copyIn(connection, path, cursor)
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

async function copyOut(connection: DuckDBConnection, path: string): Promise<RewriteAnswer> {
  const layouts = await orDamaged(async () => {
    await connection.run(`ATTACH ${quoted(path)} AS old`)
    return connection.runAndReadAll(`SELECT layout FROM old.${CURSOR_TABLE}`)
  })
  if (layouts?.getRows().join() !== LAYOUT) return "nothing"
  await connection.run("CHECKPOINT old")
  const format = `FORMAT parquet, COMPRESSION uncompressed, ROW_GROUP_SIZE ${GROUP_ROWS}, USE_TMP_FILE false`
  await connection.run(`COPY old.${EVENTS_TABLE} TO ${quoted(freshPaths(path).rows)} (${format})`)
  const read = await connection.runAndReadAll(`SELECT through, cursor, forgotten FROM old.${CURSOR_TABLE}`)
  const [through, cursor, forgotten] = read.getRows()[0] as [bigint, string | null, string | null]
  await connection.run("DETACH old")
  return { through: Number(through), cursor, forgotten }
}

async function copyIn(
  connection: DuckDBConnection,
  path: string,
  cursor: RewrittenCursor,
): Promise<RewriteAnswer> {
  const { fresh, rows } = freshPaths(path)
  await connection.run(`ATTACH ${quoted(fresh)} AS fresh`)
  await connection.run("BEGIN")
  await createTables(connection, "fresh.")
  await connection.run(`INSERT INTO fresh.${EVENTS_TABLE} SELECT * FROM read_parquet(${quoted(rows)})`)
  const counts = COLUMNS.map(({ name }) => `count("${name}")`).join(", ")
  const counted = await connection.runAndReadAll(`SELECT ${counts} FROM fresh.${EVENTS_TABLE}`)
  const filled = COLUMNS.filter((_, i) => counted.getRows()[0]?.[i] !== 0n).map(({ name }) => name)
  await connection.run(`INSERT INTO fresh.${CURSOR_TABLE} VALUES ($1, $2, $3, $4, $5, 0)`, [
    BigInt(cursor.through),
    cursor.cursor,
    LAYOUT,
    filled.join(),
    cursor.forgotten,
  ])
  await connection.run("COMMIT")
  await connection.run("CHECKPOINT fresh")
  await connection.run("DETACH fresh")
  await rm(rows)
  return cursor
}

process.once("message", async (task: RewriteTask) => {
  const answer = await perform(task).catch((error: Error) => ({ failure: error.message }))
  process.send?.(answer, undefined, undefined, () => process.disconnect())
})
// Without a parent nobody would know what to do with the file. A query that runs would hold up an exit.
process.once("disconnect", () => process.kill(process.pid, "SIGKILL"))
