/**
 * A new file that is hashed while it is written.
 *
 *     write ─► write ─► … ─► finish    synced, closed: { bytes, sha256 }
 *                       └──► abandon   closed and gone
 *
 * If we crash before `finish` returned, a part of the file may stand there: who owns the folder removes
 * what it has no manifest for.
 */

import { createHash } from "node:crypto"
import { type FileHandle, open, rm } from "node:fs/promises"
import { syncFolderOf } from "./durable.js"

/** Bytes gathered before they are written. */
const CHUNK = 1024 * 1024

export interface WrittenFile {
  readonly bytes: number
  /** Of all bytes: 64 lower-case hex digits. */
  readonly sha256: string
}

export class HashedFile {
  readonly #path: string
  readonly #handle: FileHandle
  readonly #hash = createHash("sha256")
  readonly #buffer = Buffer.allocUnsafe(CHUNK)
  #filled = 0
  #bytes = 0

  private constructor(path: string, handle: FileHandle) {
    this.#path = path
    this.#handle = handle
  }

  /** Creates the file, which only its owner may read. Rejects if there is anything of that name. */
  static async create(path: string): Promise<HashedFile> {
    return new HashedFile(path, await open(path, "wx", 0o600))
  }

  /** Resolves when the file has room for more: whoever waits for it never runs ahead of the disk. */
  async write(bytes: Uint8Array): Promise<void> {
    this.#hash.update(bytes)
    this.#bytes += bytes.length
    if (this.#filled + bytes.length > CHUNK) await this.#flush()
    if (bytes.length > CHUNK) await this.#handle.writeFile(bytes)
    else {
      this.#buffer.set(bytes, this.#filled)
      this.#filled += bytes.length
    }
  }

  /** Resolves when the file, and its name, would survive a power cut. */
  async finish(): Promise<WrittenFile> {
    await this.#flush()
    await this.#handle.sync()
    await this.#handle.close()
    await syncFolderOf(this.#path)
    return { bytes: this.#bytes, sha256: this.#hash.digest("hex") }
  }

  /** Removes the file. */
  async abandon(): Promise<void> {
    try {
      await this.#handle.close()
    } finally {
      await rm(this.#path, { force: true })
    }
  }

  async #flush(): Promise<void> {
    // writeFile goes on from where the file is, until all is written.
    if (this.#filled > 0) await this.#handle.writeFile(this.#buffer.subarray(0, this.#filled))
    this.#filled = 0
  }
}
