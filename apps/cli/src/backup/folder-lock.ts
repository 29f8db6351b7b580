/**
 * A folder for one run at a time: a file in it holds the number of the process that has it. Of one that is no more, it is
 * taken over.
 *
 * Effects: makes one file.
 */

import { open, readFile, rm } from "node:fs/promises"
import { dirname } from "node:path"
import { CliError } from "../error.js"
import { unlessAbsent } from "./durable-folder.js"

/** @throws {@link CliError} `CLI_FILE` if another run has it */
export async function takeLock(path: string): Promise<void> {
  while (!(await isMade(path))) {
    const text = await unlessAbsent(readFile(path, "utf8"))
    if (text === undefined) continue
    // Empty: it is just being made.
    if (text === "" || (Number(text) !== process.pid && isRunning(Number(text))))
      throw new CliError(
        "CLI_FILE",
        `process ${text || "?"} writes to ${dirname(path)} (if it does not, remove ${path})`,
      )
    await releaseLock(path)
  }
}

export async function releaseLock(path: string): Promise<void> {
  await rm(path, { force: true })
}

/** Makes the file; `false` if it is there already. */
async function isMade(path: string): Promise<boolean> {
  let handle: Awaited<ReturnType<typeof open>>
  try {
    handle = await open(path, "wx", 0o600)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false
    throw error
  }
  try {
    await handle.writeFile(String(process.pid))
  } catch (error) {
    await releaseLock(path)
    throw error
  } finally {
    await handle.close()
  }
  return true
}

function isRunning(pid: number): boolean {
  if (!(pid > 0)) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
}
