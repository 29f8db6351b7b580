/**
 * Where segments are kept, as the archive's process has it: a folder or a bucket, and whatever copies it made of them.
 *
 *     put, list ─────► store
 *     get ───────────► store, and of a folder the file, too
 *     destroy ───────► store and copies: none is left when it resolves
 *     recordsAt ─────► file of a folder, or a copy of what is in a bucket
 */

import { join } from "node:path"
import type { SegmentObjects } from "@prooflog/archive/ports"
import { openDirectory } from "@prooflog/objects/directory"
import type { ObjectDigest, ObjectStore } from "@prooflog/objects/object-store"
import { readRecords } from "@prooflog/query/segment"
import type { ArchiveStore } from "../folder-config.js"
import { SegmentCopies } from "./segment-copies.js"
import { FileSource, inPlainWords, type SegmentScratch } from "./segment-scratch.js"

/** Bytes of copies that wait for somebody to ask for them again. */
const COPIES_BYTES = 1 << 30

export class SegmentStore implements SegmentObjects {
  readonly #store: ObjectStore
  /** Of a store that is a folder. */
  readonly #folder: string | undefined
  readonly #copies: SegmentCopies

  private constructor(store: ObjectStore, folder: string | undefined, scratch: SegmentScratch) {
    this.#store = store
    this.#folder = folder
    this.#copies = new SegmentCopies(scratch, COPIES_BYTES)
  }

  /** @throws ObjectsError as `openDirectory` and `openS3` */
  static async open(place: ArchiveStore, scratch: SegmentScratch): Promise<SegmentStore> {
    if (place.kind === "directory") {
      return new SegmentStore(await openDirectory(place.path), place.path, scratch)
    }
    const { kind: _, profile, ...bucket } = place
    // Takes longer to load than all the rest, and most logs have no bucket.
    const { openS3 } = await import("@prooflog/objects/s3")
    // Where credentials are looked for is said to all tools of AWS in this way; the process has no other use for it.
    if (profile !== undefined) process.env.AWS_PROFILE = profile
    return new SegmentStore(await openS3(bucket), undefined, scratch)
  }

  put(key: string, source: AsyncIterable<Uint8Array> | Uint8Array, object: ObjectDigest): Promise<void> {
    return this.#store.put(key, source, object)
  }

  get(key: string, expected?: ObjectDigest): AsyncIterable<Uint8Array> {
    const bytes = this.#store.get(key, expected)
    return this.#folder === undefined ? bytes : new FileSource(join(this.#folder, key), bytes)
  }

  list(prefix: string): AsyncIterable<{ readonly key: string }> {
    return this.#store.list(prefix)
  }

  /** Whether there is an object now. */
  async has(key: string): Promise<boolean> {
    return (await this.#store.size(key)) !== undefined
  }

  async destroy(key: string): Promise<number> {
    await this.#copies.drop(key)
    const versions = await this.#store.destroy(key)
    // Of a copy that was begun while it was still there.
    await this.#copies.drop(key)
    return versions
  }

  /**
   * Reads the records of some leaves from a segment.
   *
   * @param expected - of the whole segment, if that is known; a file is not held against it
   * @returns by leaf, suspect; a leaf that has no row is left out
   * @throws QueryError `QUERY_BAD_SEGMENT`, ObjectsError
   */
  recordsAt(
    key: string,
    leaves: readonly number[],
    expected: ObjectDigest | undefined,
  ): Promise<ReadonlyMap<number, Uint8Array>> {
    const read = (path: string) => inPlainWords(() => readRecords(path, leaves))
    if (this.#folder !== undefined) return read(join(this.#folder, key))
    return this.#copies.use(key, () => this.#store.get(key, expected), read)
  }
}
