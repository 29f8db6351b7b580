/**
 * Copies of segments that are kept in a bucket, for whoever asks for single records of them: the last ones that were
 * asked for, as many as fit a bound in bytes.
 *
 *     use(key) ─► copied once, whoever asks ─► task with the file
 *     drop(key) ─► whoever uses it is waited for ─► no byte of it is left
 */

import { rm, stat } from "node:fs/promises"
import type { SegmentScratch } from "./segment-scratch.js"

interface Copy {
  readonly path: Promise<string>
  readonly users: Set<Promise<unknown>>
  /** 0 until it is there. */
  bytes: number
}

export class SegmentCopies {
  readonly #scratch: SegmentScratch
  readonly #maxBytes: number
  /** By key; what was used last is last. */
  readonly #copies = new Map<string, Copy>()

  /** @param maxBytes - of copies that nobody uses */
  constructor(scratch: SegmentScratch, maxBytes: number) {
    this.#scratch = scratch
    this.#maxBytes = maxBytes
  }

  /**
   * Does a task with the copy of an object, which stays where it is until then.
   *
   * @param read - answers its bytes, if there is no copy yet
   * @throws what reading and the task throw
   */
  async use<T>(
    key: string,
    read: () => AsyncIterable<Uint8Array>,
    task: (path: string) => Promise<T>,
  ): Promise<T> {
    const copy = this.#copies.get(key) ?? this.#begin(key, read)
    this.#copies.delete(key)
    this.#copies.set(key, copy)
    const using = copy.path.then(task)
    copy.users.add(using)
    try {
      return await using
    } finally {
      copy.users.delete(using)
      await this.#evict()
    }
  }

  /** Removes a copy, also one that is just being made. */
  async drop(key: string): Promise<void> {
    const copy = this.#copies.get(key)
    if (copy === undefined) return
    this.#copies.delete(key)
    await Promise.allSettled(copy.users)
    await copy.path.then(
      (path) => rm(path, { force: true }),
      // It never came to be.
      () => {},
    )
  }

  #begin(key: string, read: () => AsyncIterable<Uint8Array>): Copy {
    const copy: Copy = { path: this.#scratch.copy(read()), users: new Set(), bytes: 0 }
    copy.path
      .then(async (path) => {
        copy.bytes = (await stat(path)).size
      })
      // Whoever asked is told; the next one tries again.
      .catch(() => {
        if (this.#copies.get(key) === copy) this.#copies.delete(key)
      })
    return copy
  }

  async #evict(): Promise<void> {
    let bytes = 0
    for (const copy of this.#copies.values()) bytes += copy.bytes
    for (const [key, copy] of this.#copies) {
      if (bytes <= this.#maxBytes) return
      if (copy.users.size > 0) continue
      bytes -= copy.bytes
      await this.drop(key)
    }
  }
}
