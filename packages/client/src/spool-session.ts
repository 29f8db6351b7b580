/**
 * Who owns which part of a spool folder.
 *
 *     spool/
 *       0191…a1.lock      who: {"pid":4711,"started":"88123","space":"…"}
 *       0191…a1/          one session: the segments of one running client
 *       018f…07/          no lock, or one whose process is gone: left behind, free to be adopted
 *
 * Many processes may name the same folder; each writes only into its own session. The lock is
 * written before the session's folder and removed after it, so a folder without a lock was given
 * up. Adoption is one `rename` of the dead session's folder into the adopter's own: the file
 * system lets exactly one process win, and no two send the same spool.
 *
 * Whether an owner lives is asked of the kernel, if it runs in our own process space (same boot,
 * same pid namespace): its pid must exist with the same start time, so a reused pid does not
 * count. An owner elsewhere (another container, another host on a shared disk) touches its lock
 * every 10 s, and counts as gone when we saw no touch for 60 s by our own clock. Were such an owner
 * only paused, some events would be sent twice, under the same event_id, and the server would
 * know them as repeats.
 *
 * Effects: reads and writes the spool folder, reads /proc.
 */

import { mkdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs"
import { readdir, readFile, rename, rmdir, stat, unlink, utimes } from "node:fs/promises"
import { hostname } from "node:os"
import { join } from "node:path"

/** How often an owner touches its lock and looks for sessions left behind, milliseconds. */
export const HEARTBEAT_MS = 10_000

/** How long a lock from elsewhere must stay untouched while we watch, milliseconds. */
const SILENCE_MS = 60_000

const LOCK = ".lock"
const SEGMENT = ".spool"

/** How sessions are named. Whatever else lies in the folder is not ours, and stays as it is. */
const SESSION = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** What a lock says of its owner. */
interface Owner {
  readonly pid: number
  /** Start time of that process in clock ticks since boot; empty where the system does not tell. */
  readonly started: string
  /** Names the space in which the pid means something: boot and pid namespace, or the host. */
  readonly space: string
}

export class SpoolSession {
  /** Folder of this session's segments. */
  readonly folder: string
  readonly #spool: string
  readonly #id: string
  readonly #monotonic: () => number
  /** Locks from elsewhere: the touch we saw last, and when we first saw it. */
  readonly #watched = new Map<string, { readonly touchedMs: number; readonly sinceMs: number }>()

  /**
   * Creates the session's lock and folder, at once: a spool that cannot be used must show when
   * the service starts, not when its log server is down.
   *
   * @param id - a UUID, unique to this session; sessions are adopted in the order of their names
   * @param monotonic - milliseconds from any origin, never going back
   * @throws what the file system throws
   */
  constructor(spool: string, id: string, monotonic: () => number) {
    this.#spool = spool
    this.#id = id
    this.#monotonic = monotonic
    this.folder = join(spool, id)
    mkdirSync(spool, { recursive: true })
    this.#claim()
  }

  /**
   * Touches the lock, so that owners elsewhere see that this one lives.
   *
   * @returns true if the session was adopted by another process, who took this one for gone: its
   * folder is fresh and empty again, and segments still open are being sent by both
   */
  async beat(nowMs: number): Promise<boolean> {
    const seconds = nowMs / 1000
    try {
      await utimes(join(this.#spool, this.#id + LOCK), seconds, seconds)
      return false
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error
      this.#claim()
      return true
    }
  }

  /** Takes over every session whose owner is gone; returns the paths their segments have now, oldest first. */
  async adopt(): Promise<string[]> {
    const segments: string[] = []
    const entries = await readdir(this.#spool, { withFileTypes: true })
    const folders = new Set(entries.filter((entry) => entry.isDirectory()).map(({ name }) => name))
    // A lock without a folder: its owner died between the two, or is just being born.
    const locks = entries
      .filter(({ name }) => name.endsWith(LOCK))
      .map(({ name }) => name.slice(0, -LOCK.length))
    const sessions = new Set([...folders, ...locks].filter((name) => SESSION.test(name)))
    for (const session of [...sessions].sort()) {
      if (session === this.#id || !(await this.#isGone(session))) continue
      if (folders.has(session)) segments.push(...(await this.#take(session)))
      else await unlink(join(this.#spool, session + LOCK)).catch(() => {})
    }
    return segments
  }

  /** Removes lock and folder; a folder that still holds segments stays, free to be adopted. */
  async release(): Promise<void> {
    await rmdir(this.folder).catch(() => {})
    await unlink(join(this.#spool, this.#id + LOCK)).catch(() => {})
  }

  #claim(): void {
    const lock = `${JSON.stringify(thisProcess())}\n`
    writeFileSync(join(this.#spool, this.#id + LOCK), lock, { flag: "wx", mode: 0o600 })
    mkdirSync(this.folder, { recursive: true, mode: 0o700 })
  }

  async #isGone(session: string): Promise<boolean> {
    const lock = join(this.#spool, session + LOCK)
    const text = await readFile(lock, "utf8").catch(() => undefined)
    if (text === undefined) return true
    const owner = parseOwner(text)
    if (owner !== undefined && owner.space === processSpace()) return !isRunning(owner)
    const touchedMs = (await stat(lock).catch(() => undefined))?.mtimeMs ?? 0
    const watched = this.#watched.get(session)
    if (watched?.touchedMs !== touchedMs) {
      this.#watched.set(session, { touchedMs, sinceMs: this.#monotonic() })
      return false
    }
    return this.#monotonic() - watched.sinceMs >= SILENCE_MS
  }

  async #take(session: string): Promise<string[]> {
    const taken = join(this.folder, session)
    try {
      await rename(join(this.#spool, session), taken)
    } catch {
      return [] // Another process was first.
    }
    // From here on it is ours: if we die now, whoever adopts us finds it inside our folder.
    await unlink(join(this.#spool, session + LOCK)).catch(() => {})
    this.#watched.delete(session)
    return this.#flatten(taken)
  }

  /** Moves all files below `folder` into the session's own folder and returns the segments; their names are unique. */
  async #flatten(folder: string): Promise<string[]> {
    const found: string[] = []
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) {
        found.push(...(await this.#flatten(path)))
      } else {
        await rename(path, join(this.folder, entry.name))
        if (entry.name.endsWith(SEGMENT)) found.push(join(this.folder, entry.name))
      }
    }
    await rmdir(folder)
    return found.sort()
  }
}

function parseOwner(text: string): Owner | undefined {
  try {
    const owner = JSON.parse(text) as Partial<Owner>
    const { pid, started, space } = owner
    if (!Number.isSafeInteger(pid) || typeof started !== "string" || typeof space !== "string")
      return undefined
    return { pid: pid as number, started, space }
  } catch {
    return undefined
  }
}

function thisProcess(): Owner {
  return { pid: process.pid, started: processState(process.pid)?.started ?? "", space: processSpace() }
}

function processSpace(): string {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim()
    return `${boot} ${readlinkSync("/proc/self/ns/pid")}`
  } catch {
    return `host ${hostname()}`
  }
}

/** Only for owners in our own process space. */
function isRunning({ pid, started }: Owner): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    // EPERM: it exists and belongs to someone else.
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false
  }
  const state = processState(pid)
  if (state === undefined || started === "") return true
  return state.started === started && !state.dead
}

/** What /proc tells of a process, or `undefined` where there is no /proc. */
function processState(pid: number): { readonly started: string; readonly dead: boolean } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1")
    // The command name, in parentheses, may hold anything; the numbered fields go on after it.
    const [state, ...fields] = text.slice(text.lastIndexOf(")") + 2).split(" ")
    return { started: fields[18] ?? "", dead: state === "Z" || state === "X" }
  } catch {
    return undefined
  }
}
