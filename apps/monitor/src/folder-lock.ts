/**
 * One process in a folder: two would write each other's state, and a witness could be taken back.
 *
 *     <folder>/lock      {"pid": 4711, "started": "8412345", "boot": "0f3c…", "space": "pid:[4026531836]", "id": "…"}
 *     <folder>/lock.ID   a lock that was moved aside, and holds all the same
 *
 * A process that died leaves the file behind. Of one on this machine that counts processes as we do (the same boot, the
 * same PID namespace) the kernel knows whether it runs; on Linux its start is compared, too: numbers are given again.
 *
 * Of any other nobody here can ask: another container or machine may share the volume, and process 1 there is not ours.
 * Its lock is held as long as it is touched. Whoever has the lock touches it every few seconds, and whoever wants it
 * watches for longer than that before it takes it.
 *
 * A dead lock is moved aside before it is removed: between the look at it and the move another may have taken its place.
 * A living one that was moved by mistake stays where it is, and is a lock as before. So whoever has put its own lock
 * there looks once more, at all names: of two that are there at a time, the later one sees the earlier one and gives up.
 *
 * A holder that was frozen for longer still can lose its lock without knowing. What must not go wrong even then is
 * guarded where it is written: witness-state.ts.
 *
 * Effects: a file in the folder, and a timer that touches it; reads /proc.
 */

import { randomUUID } from "node:crypto"
import {
  type FileHandle,
  link,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  stat,
  unlink,
} from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { MonitorError, systemCode } from "./error.js"

/** All in milliseconds. */
export interface LockTimes {
  /** Between two touches of a lock that is held. */
  readonly touchMs: number
  /** How long a stranger's lock is watched before it counts as dead; several touches. */
  readonly watchMs: number
  /** A stranger's lock of that age is dead without watching: more than clocks of machines that share a volume differ. */
  readonly deadAfterMs: number
}

const TIMES: LockTimes = { touchMs: 3_000, watchMs: 15_000, deadAfterMs: 3_600_000 }

/** Between two glances while a lock is watched. */
const GLANCES = 50

/**
 * Takes the folder, or refuses. It takes some seconds if the lock of a stranger has to be watched.
 *
 * @returns what gives it back
 * @throws {@link MonitorError} `MONITOR_FOLDER_IN_USE`
 */
export async function lockFolder(folder: string, times: LockTimes = TIMES): Promise<() => Promise<void>> {
  return await lockAt(join(folder, "lock"), times)
}

/** The same, of a folder whose lock has a name of its own: no other name in it may begin with that and a full stop. */
export async function lockAt(path: string, times: LockTimes = TIMES): Promise<() => Promise<void>> {
  const here = await placeOf()
  const own = format({ pid: process.pid, started: await startOf(process.pid), ...here }, randomUUID())
  for (;;) {
    await removeDead(path, own, here, times)
    const file = await place(path, own)
    // Someone was faster, and is looked at.
    if (file === undefined) continue
    const unlock = hold(file, path, own, times)
    try {
      await removeDead(path, own, here, times)
      return unlock
    } catch (error) {
      await unlock()
      throw error
    }
  }
}

/** Where a process number means something. Empty where the system does not say: then it is taken to be here. */
interface Place {
  readonly boot: string
  readonly space: string
}

interface Holder extends Place {
  readonly pid: number
  readonly started: string
}

/** Puts our lock there with all that is in it at once, and keeps it open; `undefined` if there is one of that name. */
async function place(path: string, text: string): Promise<FileHandle | undefined> {
  const draft = `${path}.${randomUUID()}.new`
  const file = await open(draft, "wx", 0o600)
  try {
    await file.writeFile(text)
    await link(draft, path)
    return file
  } catch (error) {
    await file.close()
    if (systemCode(error) === "EEXIST") return undefined
    throw error
  } finally {
    await unlink(draft)
  }
}

/** Touches the file that was placed, and no other that may have come to its name, until it is given back. */
function hold(file: FileHandle, path: string, own: string, { touchMs }: LockTimes): () => Promise<void> {
  let touching: Promise<unknown> = Promise.resolve()
  const timer = setInterval(() => {
    const now = new Date()
    // A touch that fails is followed by another; if all do, the disk is gone, and whoever writes to it hears of it.
    touching = file.utimes(now, now).catch(() => {})
  }, touchMs)
  timer.unref()
  return async () => {
    clearInterval(timer)
    await touching
    await file.close()
    // Until there is none: it may just be moved aside, for a dead one that had its place before.
    while (await removeOwn(path, own));
  }
}

/** @returns whether there was one */
async function removeOwn(path: string, own: string): Promise<boolean> {
  for (const name of await namesOf(path)) {
    if ((await read(name)) !== own) continue
    await remove(name, path, own)
    return true
  }
  return false
}

/**
 * Removes all locks but our own.
 *
 * @throws {@link MonitorError} `MONITOR_FOLDER_IN_USE` at the first that is held
 */
async function removeDead(path: string, own: string, here: Place, times: LockTimes): Promise<void> {
  for (const name of await namesOf(path)) {
    const text = await read(name)
    if (text === undefined || text === own) continue
    if (await isHeld(name, text, here, times)) {
      throw new MonitorError("MONITOR_FOLDER_IN_USE", `another process has the folder: ${name}`)
    }
    // If it is another by now, it is somewhere else, too.
    if (!(await remove(name, path, text))) return await removeDead(path, own, here, times)
  }
}

/** The names of locks in the folder, drafts left out. */
async function namesOf(path: string): Promise<string[]> {
  const names = await readdir(dirname(path))
  return names
    .filter(
      (name) => name === basename(path) || (name.startsWith(`${basename(path)}.`) && !/\.new$/.test(name)),
    )
    .map((name) => join(dirname(path), name))
}

/**
 * Removes a lock of that text; any other that has come to its name is moved aside.
 *
 * @returns whether there is none of that text under that name, and none was moved aside
 */
async function remove(name: string, path: string, text: string): Promise<boolean> {
  // Nobody gives such a name a second time.
  const aside = name === path ? `${path}.${randomUUID()}` : name
  try {
    if (name === path) await rename(path, aside)
    if ((await readFile(aside, "utf8")) !== text) return false
    await unlink(aside)
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error
  }
  return true
}

async function isHeld(path: string, text: string, here: Place, times: LockTimes): Promise<boolean> {
  const holder = parse(text)
  if (holder === undefined || holder.boot !== here.boot || holder.space !== here.space) {
    return await isTouched(path, text, times)
  }
  return isRunning(holder.pid) && holder.started === (await startOf(holder.pid))
}

/** Whether somebody goes on touching a lock. By our own patience: another machine has another clock. */
async function isTouched(path: string, text: string, times: LockTimes): Promise<boolean> {
  const { watchMs, deadAfterMs } = times
  const first = await touchedMs(path)
  if (first === undefined || Date.now() - first > deadAfterMs) return false
  const startedMs = performance.now()
  while (performance.now() - startedMs < watchMs) {
    await sleep(watchMs / GLANCES)
    const now = await touchedMs(path)
    if (now === undefined) return false
    if (now !== first || (await read(path)) !== text) return true
  }
  return false
}

/** When a file was touched last, ms since 1970; `undefined` if there is none. */
async function touchedMs(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mtimeMs
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined
    throw error
  }
}

/** @param id - of this lock alone: no two have one text */
function format({ pid, started, boot, space }: Holder, id: string): string {
  return JSON.stringify({ pid, started, boot, space, id })
}

function parse(text: string): Holder | undefined {
  const [, pid, started = "", boot = "", space = ""] =
    /^\{"pid":(\d{1,10}),"started":"(\d*)","boot":"([^"\\]*)","space":"([^"\\]*)"(?:,"id":"[^"\\]*")?\}$/.exec(
      text,
    ) ?? []
  return pid === undefined ? undefined : { pid: Number(pid), started, boot, space }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return systemCode(error) !== "ESRCH"
  }
}

async function placeOf(): Promise<Place> {
  const boot = (await read("/proc/sys/kernel/random/boot_id"))?.trim() ?? ""
  try {
    return { boot, space: await readlink("/proc/self/ns/pid") }
  } catch (error) {
    if (systemCode(error) === "ENOENT") return { boot, space: "" }
    throw error
  }
}

/** When a process was started, in ticks since boot; "" where nothing says so. */
async function startOf(pid: number): Promise<string> {
  const line = (await read(`/proc/${pid}/stat`)) ?? ""
  // The name, in brackets, may hold anything; the rest is fields, of which the twentieth is the start.
  return line.slice(line.lastIndexOf(")") + 2).split(" ")[19] ?? ""
}

async function read(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8")
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined
    throw error
  }
}
