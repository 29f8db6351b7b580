/**
 * Where the signed head is kept: beside the key, never with the data; and beside it, the published one.
 *
 *     <key>.signed.tmp ──write, fsync──► rename ──► <key>.signed ──fsync folder──► the signature may leave
 *
 * A backup that brings back the data brings back an older tree; this file is how the log notices. So no
 * backup may hold it and no restore may write it.
 *
 * The published one is there from the first opening with witnesses to the next without: where it is absent, all that
 * was signed was shown.
 *
 * Crash on any line: the file holds the old head or the new one, and a signature that is not in it was seen by
 * no one.
 */

import { open, readFile, rename, rm, stat } from "node:fs/promises"
import { dirname } from "node:path"

export interface StoredHead {
  /** The signed note, whole; suspect: it is checked against the signer key when read. */
  readonly note: string
  /** When it was written, ms since 1970 by the wall clock. */
  readonly timeMs: number
}

export interface HeadStore {
  /** The head that was written last, `undefined` if there never was one. */
  read(): Promise<StoredHead | undefined>

  /** Replaces the head. Resolves only when it would survive a power cut; the head is held back until then. */
  write(note: string): Promise<void>
}

/** Of a head that is not always there. */
export interface ShownHeadStore extends HeadStore {
  /** Forgets the head, if there is one. Resolves only when it would stay gone after a power cut. */
  remove(): Promise<void>
}

export interface SignedHeadStore extends HeadStore {
  /**
   * Where a log with witnesses keeps the head that it showed last, cosignatures and all. Without it such a log, once
   * opened, shows the tree without leaves until its quorum has answered.
   */
  readonly published?: ShownHeadStore
}

/**
 * The store in a file of its own, `path` being by convention that of the signer key with `.signed` behind it; what
 * was published is beside it, with `.published` instead.
 */
export function signedHeadFile(path: string): SignedHeadStore {
  return { ...headFile(path), published: headFile(`${path.replace(/\.signed$/, "")}.published`) }
}

function headFile(path: string): ShownHeadStore {
  return {
    async read() {
      try {
        const [note, { mtimeMs }] = await Promise.all([readFile(path, "utf8"), stat(path)])
        return { note, timeMs: Math.floor(mtimeMs) }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
        throw error
      }
    },
    async write(note) {
      const temporary = `${path}.tmp`
      await synced(temporary, "w", (file) => file.writeFile(note))
      await rename(temporary, path)
      await synced(dirname(path), "r", async () => {})
    },
    async remove() {
      await rm(path, { force: true })
      // Also where it was gone: a crash may have come before the folder was durable.
      await synced(dirname(path), "r", async () => {})
    },
  }
}

/** Opens a file or folder, works on it, and returns when the device has it. */
async function synced(
  path: string,
  flags: "r" | "w",
  work: (file: Awaited<ReturnType<typeof open>>) => Promise<void>,
): Promise<void> {
  const file = await open(path, flags, 0o644)
  try {
    await work(file)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** The store in memory, for tests and trials: gone with the process. */
export function signedHeadInMemory(clock: () => number = Date.now): SignedHeadStore {
  return { ...headInMemory(clock), published: headInMemory(clock) }
}

function headInMemory(clock: () => number): ShownHeadStore {
  let head: StoredHead | undefined
  return {
    read: async () => head,
    write: async (note) => {
      head = { note, timeMs: clock() }
    },
    remove: async () => {
      head = undefined
    },
  }
}
