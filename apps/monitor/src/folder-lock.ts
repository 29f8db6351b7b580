/**
 * One process in a folder: two would write each other's state, and a witness could be taken back.
 *
 *     <folder>/lock      {"pid": 4711, "started": "8412345"}
 *
 * A process that died leaves the file behind. It counts only while a process of that number runs, and on Linux only
 * if that process was started when the file says: numbers are given again.
 *
 * Effects: a file in the folder; reads /proc.
 */

import { link, readFile, rename, unlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { MonitorError, systemCode } from "./error.js"

/**
 * Takes the folder, or refuses.
 *
 * @returns what gives it back
 * @throws {@link MonitorError} `MONITOR_FOLDER_IN_USE`
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, "lock")
  const own = JSON.stringify({ pid: process.pid, started: await startOf(process.pid) })
  for (;;) {
    if (await place(path, own)) return () => unlink(path)
    const text = await readFile(path, "utf8").catch((error: unknown) => {
      if (systemCode(error) === "ENOENT") return ""
      throw error
    })
    if (await isHeld(text)) {
      throw new MonitorError("MONITOR_FOLDER_IN_USE", `another process has the folder: ${path}`)
    }
    await takeAway(path, text)
  }
}

/** Puts the file there with all that is in it at once; false if there is one. */
async function place(path: string, text: string): Promise<boolean> {
  const draft = `${path}.${process.pid}.new`
  await writeFile(draft, text, { mode: 0o600 })
  try {
    await link(draft, path)
    return true
  } catch (error) {
    if (systemCode(error) === "EEXIST") return false
    throw error
  } finally {
    await unlink(draft)
  }
}

/** Moves a dead lock away; if it is another by now, someone was faster, and it is put back. */
async function takeAway(path: string, dead: string): Promise<void> {
  const aside = `${path}.${process.pid}`
  try {
    await rename(path, aside)
    if ((await readFile(aside, "utf8")) === dead) await unlink(aside)
    else await rename(aside, path)
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error
  }
}

async function isHeld(text: string): Promise<boolean> {
  const [, digits, started] = /^\{"pid":(\d{1,10}),"started":"(\d*)"\}$/.exec(text) ?? []
  if (digits === undefined) return false
  const pid = Number(digits)
  if (!isRunning(pid)) return false
  return started === (await startOf(pid))
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return systemCode(error) !== "ESRCH"
  }
}

/** When a process was started, in ticks since boot; "" where nothing says so. */
async function startOf(pid: number): Promise<string> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8")
    // The name, in brackets, may hold anything; the rest is fields, of which the twentieth is the start.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? ""
  } catch (error) {
    if (systemCode(error) === "ENOENT") return ""
    throw error
  }
}
