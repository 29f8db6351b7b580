/**
 * Records that were moved, read from their segments, each held against the log.
 *
 *     leaf, key of its tombstone ─► entry: class, commitment ─► catalog: segment ─► its row ─► opens the commitment
 *
 * What a tombstone names may just be written anew or destroyed: so the catalog is asked first, and asked again where an
 * object is gone. What no segment has is left open; storage says why.
 */

import type { Catalog } from "@prooflog/archive/catalog"
import { ArchiveError } from "@prooflog/archive/error"
import { eventLeaves } from "@prooflog/archive/event-leaves"
import { hashBytes, keyOf } from "@prooflog/archive/manifest"
import type { LogView } from "@prooflog/archive/ports"
import { commitmentOf } from "@prooflog/event/record"
import { ObjectsError } from "@prooflog/objects/error"
import type { ObjectDigest } from "@prooflog/objects/object-store"
import { QueryError } from "@prooflog/query/error"
import { equalBytes } from "@prooflog/tlog/hash"
import { TILE_WIDTH } from "@prooflog/tlog/tile"
import { PackedWriter } from "../packed.js"
import type { MovedRecord, MovedRecords } from "./archive-calls.js"
import type { SegmentStore } from "./segment-objects.js"

/** Most leaves of an answer. */
const MAX_LEAVES = 4_096

/** Bytes of an answer, about: 4,096 records of the usual size fit. */
const MAX_BYTES = 4 * 1024 * 1024

/** What a record takes before any was seen. */
const USUAL_BYTES = 512

/** How often the catalog is asked where a segment is that goes away meanwhile. */
const LOOKS = 3

const COMMITMENT_SIZE = 32

const EMPTY = new Uint8Array(0)

/** What the log says of a leaf. */
interface Wanted extends MovedRecord {
  readonly className: string
  /** 32 bytes, its own. */
  readonly commitment: Uint8Array
}

/** Leaves that are looked for in one segment. */
interface Group {
  readonly key: string
  /** What the catalog says of the segment, if it trusts one. */
  readonly expected: ObjectDigest | undefined
  readonly wanted: Wanted[]
}

export class MovedReader {
  readonly #catalog: Catalog
  readonly #store: SegmentStore
  #bytesPerRecord = USUAL_BYTES

  constructor(catalog: Catalog, store: SegmentStore) {
    this.#catalog = catalog
    this.#store = store
  }

  /**
   * Returns the records of the first of some leaves.
   *
   * @param moved - ascending, all in the tree of `log`
   * @throws ArchiveError with key and leaf: `ARCHIVE_SEGMENT_REFUSED` if what is there is not what the log says,
   * `ARCHIVE_SEGMENT_UNREADABLE` if it cannot be had now; what the log throws
   * @throws RangeError if a leaf is no event
   */
  async read(log: LogView, moved: readonly MovedRecord[]): Promise<MovedRecords> {
    const fitting = Math.max(1, Math.floor(MAX_BYTES / this.#bytesPerRecord))
    const wanted = await wantedOf(log, moved.slice(0, Math.min(MAX_LEAVES, fitting)))
    const found = await this.#find(wanted)
    const records = new PackedWriter(wanted.length * this.#bytesPerRecord)
    let [count, bytes, had] = [0, 0, 0]
    for (const { leafIndex } of wanted) {
      const record = found.get(leafIndex) ?? EMPTY
      if (count > 0 && bytes + record.length > MAX_BYTES) break
      records.add(record)
      count++
      bytes += record.length
      if (record.length > 0) had++
    }
    if (had > 0) this.#bytesPerRecord = Math.max(USUAL_BYTES, Math.ceil(bytes / had))
    return { records: records.bytes(), count }
  }

  async #find(wanted: readonly Wanted[]): Promise<ReadonlyMap<number, Uint8Array>> {
    const found = new Map<number, Uint8Array>()
    let left = wanted
    for (let look = 0; look < LOOKS && left.length > 0; look++) {
      const again: Wanted[] = []
      for (const group of this.#groupsOf(left).values()) {
        if (!(await this.#readGroup(group, found))) again.push(...group.wanted)
      }
      left = again
    }
    return found
  }

  #groupsOf(wanted: readonly Wanted[]): ReadonlyMap<string, Group> {
    const groups = new Map<string, Group>()
    for (const each of wanted) {
      const manifest = this.#catalog.segmentOf(each.className, each.leafIndex)?.manifest
      const key = manifest === undefined ? each.key : keyOf(manifest)
      const group = groups.get(key)
      if (group !== undefined) {
        group.wanted.push(each)
        continue
      }
      const expected = manifest && { bytes: manifest.bytes, sha256: hashBytes(manifest.sha256) }
      groups.set(key, { key, expected, wanted: [each] })
    }
    return groups
  }

  /** Reads what a segment has. @returns `false` if it is not there */
  async #readGroup({ key, expected, wanted }: Group, found: Map<number, Uint8Array>): Promise<boolean> {
    let rows: ReadonlyMap<number, Uint8Array>
    try {
      const leaves = wanted.map(({ leafIndex }) => leafIndex)
      rows = await this.#store.recordsAt(key, leaves, expected)
    } catch (cause) {
      if (await this.#isGone(key)) {
        if (!this.#isTrusted(key, wanted)) return false
        throw unreadable(key, wanted, new Error("the object is not there"))
      }
      throw isDamage(cause) ? refused(key, wanted, cause) : unreadable(key, wanted, cause)
    }
    for (const { leafIndex, commitment } of wanted) {
      const record = rows.get(leafIndex)
      if (record === undefined) continue
      if (!opens(record, commitment)) {
        const what = `${key}: leaf ${leafIndex}: its record does not open its commitment`
        throw new ArchiveError("ARCHIVE_SEGMENT_REFUSED", what, { key, leafIndex })
      }
      found.set(leafIndex, record)
    }
    return true
  }

  async #isGone(key: string): Promise<boolean> {
    try {
      return !(await this.#store.has(key))
    } catch (error) {
      // Nobody knows: what went wrong before is what is told.
      if (error instanceof ObjectsError) return false
      throw error
    }
  }

  /** Whether the catalog still says that the records are there. */
  #isTrusted(key: string, [first]: readonly Wanted[]): boolean {
    if (first === undefined) return false
    const segment = this.#catalog.segmentOf(first.className, first.leafIndex)
    return segment !== undefined && keyOf(segment.manifest) === key
  }
}

/** Reads the entries of leaves: bundle by bundle, as they may lie far from each other. */
async function wantedOf(log: LogView, moved: readonly MovedRecord[]): Promise<readonly Wanted[]> {
  const wanted: Wanted[] = []
  for (let at = 0; at < moved.length; ) {
    const first = (moved[at] as MovedRecord).leafIndex
    const bundleEnd = (Math.floor(first / TILE_WIDTH) + 1) * TILE_WIDTH
    let until = at + 1
    while (until < moved.length && (moved[until] as MovedRecord).leafIndex < bundleEnd) until++
    const some = new Map(moved.slice(at, until).map((each) => [each.leafIndex, each]))
    const last = (moved[until - 1] as MovedRecord).leafIndex
    for await (const { leaves } of eventLeaves(log, undefined, first, last + 1)) {
      for (const { leafIndex, className, bytes, commitmentAt } of leaves) {
        const each = some.get(leafIndex)
        if (each === undefined) continue
        wanted.push({
          ...each,
          className,
          commitment: bytes.slice(commitmentAt, commitmentAt + COMMITMENT_SIZE),
        })
      }
    }
    if (wanted.length < until) throw new RangeError(`moved: one of [${first}, ${last}] is no event`)
    at = until
  }
  return wanted
}

function opens(record: Uint8Array, commitment: Uint8Array): boolean {
  try {
    return equalBytes(commitmentOf(record), commitment)
  } catch {
    // Bytes that are no record open nothing.
    return false
  }
}

/** Whether bytes are there and are not what they should be. */
function isDamage(error: unknown): boolean {
  if (error instanceof QueryError) return error.code === "QUERY_BAD_SEGMENT"
  return error instanceof ObjectsError && error.code === "OBJECTS_DAMAGED"
}

function refused(key: string, [first]: readonly Wanted[], cause: unknown): ArchiveError {
  const leafIndex = first?.leafIndex as number
  const what = `${key}: leaf ${leafIndex}: the segment is damaged`
  return new ArchiveError("ARCHIVE_SEGMENT_REFUSED", what, { key, leafIndex, cause })
}

function unreadable(key: string, [first]: readonly Wanted[], cause: unknown): ArchiveError {
  const leafIndex = first?.leafIndex as number
  const what = `${key}: leaf ${leafIndex}: the segment cannot be read now`
  return new ArchiveError("ARCHIVE_SEGMENT_UNREADABLE", what, { key, leafIndex, cause })
}
