/**
 * Objects as files of a folder: one file each, its path is its key.
 *
 *     write .drafts/…, fsync        its bytes are on disk under a name that nobody reads
 *     link to its path              the instant the world changes: refused if the name is taken
 *     fsync of its folder           the name survives a power cut
 *     remove the draft              killed before: the next opening does it
 *
 * Files have mode 0600, folders 0700. No symbolic link is followed below the folder. The file system must have hard
 * links, as local ones do. Unlinking a file frees its blocks and does not overwrite them, and knows nothing of
 * snapshots and backups.
 */

import { createHash } from "node:crypto"
import { constants, type Stats } from "node:fs"
import { type FileHandle, link, lstat, mkdir, open, opendir, realpath, rm, unlink } from "node:fs/promises"
import { dirname, join } from "node:path"
import { DRAFTS, Drafts } from "./drafts.js"
import { ObjectsError, type ObjectsErrorCode } from "./error.js"
import {
  checked,
  existsAlready,
  isKey,
  isSame,
  type ListedObject,
  type NewObject,
  type ObjectDigest,
  type ObjectStore,
  requireDigest,
  requireKey,
  requirePrefix,
} from "./object-store.js"

/** Bytes read at once. */
const CHUNK_BYTES = 256 * 1024

/**
 * Opens a folder as a store, and removes the drafts of processes that are gone.
 *
 * @param path - made if it is not there; nothing but this room writes into it
 * @throws ObjectsError `OBJECTS_ACCESS_DENIED`, `OBJECTS_NO_ROOM`, `OBJECTS_UNSAFE_PATH` or `OBJECTS_FAILED`
 */
export async function openDirectory(path: string): Promise<ObjectStore> {
  return await told(undefined, async () => {
    const made = await mkdir(path, { recursive: true, mode: 0o700 })
    const folder = await realpath(path)
    // The names of new folders must survive a power cut, too.
    if (made !== undefined) await syncFolders(dirname(await realpath(made)), folder)
    await makeFolder(folder, join(folder, DRAFTS), DRAFTS)
    const drafts = new Drafts(join(folder, DRAFTS))
    await drafts.removeOrphans()
    return new Directory(folder, drafts)
  })
}

class Directory implements ObjectStore {
  readonly #folder: string
  readonly #drafts: Drafts

  constructor(folder: string, drafts: Drafts) {
    this.#folder = folder
    this.#drafts = drafts
  }

  async put(key: string, source: AsyncIterable<Uint8Array> | Uint8Array, object: NewObject): Promise<void> {
    requireKey(key)
    requireDigest(object)
    const folder = await told(key, () => this.#folderOf(key, "make"))
    const path = join(folder, nameOf(key))
    if (await this.#isThere(key, path, object)) return await told(key, () => syncFolder(folder))
    const draft = this.#drafts.pathFor(key)
    try {
      await writeDraft(draft, key, source, object)
      if (await told(key, () => linkNew(draft, path, key))) await told(key, () => syncFolder(folder))
      else if (!(await this.#isThere(key, path, object))) {
        throw new ObjectsError("OBJECTS_UNAVAILABLE", "another came and went while it was put", { key })
      }
    } finally {
      await told(key, () => rm(draft, { force: true }))
    }
  }

  async *get(key: string, expected?: ObjectDigest): AsyncGenerator<Uint8Array, void, undefined> {
    requireKey(key)
    if (expected !== undefined) requireDigest(expected)
    const file = await told(key, async () => {
      const path = await this.#find(key)
      if (path === undefined) throw new ObjectsError("OBJECTS_NOT_FOUND", "there is no such object", { key })
      return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
    })
    try {
      const { size } = await told(key, () => file.stat())
      yield* checked(key, chunksOf(key, file), expected ?? { bytes: size })
    } finally {
      await file.close()
    }
  }

  async size(key: string): Promise<number | undefined> {
    requireKey(key)
    return await told(key, async () => {
      const path = await this.#find(key)
      return path === undefined ? undefined : (await statOf(path, key))?.size
    })
  }

  async *list(prefix: string): AsyncGenerator<ListedObject, void, undefined> {
    requirePrefix(prefix)
    yield* this.#listFolder("", prefix)
  }

  async destroy(key: string): Promise<number> {
    requireKey(key)
    return await told(key, async () => {
      await this.#drafts.removeOf(key)
      const path = await this.#find(key)
      if (path === undefined) return 0
      await unlink(path)
      await syncFolder(dirname(path))
      return 1
    })
  }

  /**
   * Returns the folder of an object's file, having looked at each part of the way to it.
   *
   * @param absent - what to do about a part that is not there: make it, or return `undefined`
   */
  async #folderOf(key: string, absent: "make"): Promise<string>
  async #folderOf(key: string, absent: "stop"): Promise<string | undefined>
  async #folderOf(key: string, absent: "make" | "stop"): Promise<string | undefined> {
    let folder = this.#folder
    for (const part of key.split("/").slice(0, -1)) {
      const next = join(folder, part)
      if (absent === "make") await makeFolder(folder, next, key)
      else if (!(await statOf(next, key))?.isDirectory()) return undefined
      folder = next
    }
    return folder
  }

  /** Returns the path of an object's file, `undefined` if there is none. */
  async #find(key: string): Promise<string | undefined> {
    const folder = await this.#folderOf(key, "stop")
    if (folder === undefined) return undefined
    const path = join(folder, nameOf(key))
    return (await statOf(path, key))?.isFile() ? path : undefined
  }

  /** @throws ObjectsError `OBJECTS_EXISTS` if something else than `object` is there */
  async #isThere(key: string, path: string, object: ObjectDigest): Promise<boolean> {
    const stats = await told(key, () => statOf(path, key))
    if (stats === undefined) return false
    if (!stats.isFile() || stats.size !== object.bytes) throw existsAlready(key)
    const hash = createHash("sha256")
    for await (const chunk of this.get(key)) hash.update(chunk)
    if (!isSame({ bytes: stats.size, sha256: hash.digest() }, object)) throw existsAlready(key)
    return true
  }

  /** @param start - key of the folder with its `/`, `""` for the whole */
  async *#listFolder(start: string, prefix: string): AsyncGenerator<ListedObject, void, undefined> {
    const names: string[] = []
    await told(start, async () => {
      for await (const entry of await opendir(join(this.#folder, start))) {
        // With its slash, a folder stands among the others where its keys do.
        const name = entry.isDirectory() ? `${entry.name}/` : entry.name
        if (isOnTheWay(start + name, prefix)) names.push(name)
      }
    })
    for (const name of names.sort()) {
      const key = start + name
      if (name.endsWith("/")) {
        if (isKey(key.slice(0, -1))) yield* this.#listFolder(key, prefix)
        continue
      }
      if (!isKey(key)) continue
      const stats = await told(key, () => statOf(join(this.#folder, key), key))
      if (stats?.isFile()) yield { key, bytes: stats.size }
    }
  }
}

/** Whether keys that begin with `prefix` can be at or below `path`. */
function isOnTheWay(path: string, prefix: string): boolean {
  return path.startsWith(prefix) || (path.endsWith("/") && prefix.startsWith(path))
}

function nameOf(key: string): string {
  return key.slice(key.lastIndexOf("/") + 1)
}

async function writeDraft(
  draft: string,
  key: string,
  source: AsyncIterable<Uint8Array> | Uint8Array,
  object: ObjectDigest,
): Promise<void> {
  const file = await told(key, () => open(draft, "wx", 0o600))
  try {
    for await (const chunk of checked(key, source, object)) await told(key, () => file.appendFile(chunk))
    await told(key, () => file.sync())
  } finally {
    await file.close()
  }
}

/** Gives a draft its name, once: false if the name is taken. */
async function linkNew(draft: string, path: string, key: string): Promise<boolean> {
  try {
    await link(draft, path)
    return true
  } catch (error) {
    const code = systemCode(error)
    if (code === "EEXIST") return false
    if (code !== "ENOENT") throw error
    throw new ObjectsError("OBJECTS_UNAVAILABLE", "it was destroyed while it was put", { key, cause: error })
  }
}

async function* chunksOf(key: string, file: FileHandle): AsyncGenerator<Uint8Array, void, undefined> {
  for (;;) {
    const { bytesRead, buffer } = await told(key, () => file.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES))
    if (bytesRead === 0) return
    yield buffer.subarray(0, bytesRead)
  }
}

/** Makes a folder if it is not there, and its name survive a power cut: whoever made it may have died before. */
async function makeFolder(parent: string, folder: string, key: string): Promise<void> {
  const stats = await statOf(folder, key)
  if (stats === undefined) await mkdir(folder, { recursive: true, mode: 0o700 })
  else if (!stats.isDirectory()) throw existsAlready(key)
  await syncFolder(parent)
}

/** @throws ObjectsError `OBJECTS_UNSAFE_PATH` at a symbolic link */
async function statOf(path: string, key: string): Promise<Stats | undefined> {
  const stats = await lstat(path).catch((error: unknown) => {
    if (systemCode(error) === "ENOENT") return undefined
    throw error
  })
  if (!stats?.isSymbolicLink()) return stats
  throw new ObjectsError("OBJECTS_UNSAFE_PATH", `${path} is a symbolic link`, { key })
}

/** Makes the names in a folder survive a power cut, as `fsync` does for the bytes of a file. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r")
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** Syncs the folders from `top` down to the one that `folder` is in. */
async function syncFolders(top: string, folder: string): Promise<void> {
  for (let at = folder; at !== top; at = dirname(at)) await syncFolder(dirname(at))
}

/** Does something to the file system, and tells its errors in our words. */
async function told<T>(key: string | undefined, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    const code = systemCode(error)
    if (code === undefined) throw error
    const about = key === undefined ? {} : { key }
    throw new ObjectsError(CODES[code] ?? "OBJECTS_FAILED", (error as Error).message, {
      ...about,
      cause: error,
    })
  }
}

const CODES: Readonly<Record<string, ObjectsErrorCode>> = {
  EACCES: "OBJECTS_ACCESS_DENIED",
  EPERM: "OBJECTS_ACCESS_DENIED",
  EROFS: "OBJECTS_ACCESS_DENIED",
  ENOSPC: "OBJECTS_NO_ROOM",
  EDQUOT: "OBJECTS_NO_ROOM",
  ENOENT: "OBJECTS_NOT_FOUND",
  ELOOP: "OBJECTS_UNSAFE_PATH",
}

/** The name that the operating system gives to an error, `undefined` if it is none of its. */
function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("syscall" in error)) return undefined
  return (error as NodeJS.ErrnoException).code
}
