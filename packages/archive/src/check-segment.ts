/**
 * A segment held against the log, row by row.
 *
 *     log       3 cc…      5 cc…      8 cc…      events of its class, from its first leaf to its last
 *     segment   3 record   5 record   8 record   each row: the next of these leaves, and opens its commitment
 *
 * A leaf may be passed over where its record is not the segment's to keep: who reads says which. Whatever else is
 * missing, doubled, out of order or of another leaf is refused with the leaf.
 */

import { commitmentOfInto } from "@prooflog/event/record"
import { ArchiveError } from "./error.js"
import { type EventLeaf, eventLeaves } from "./event-leaves.js"
import type { Job } from "./job.js"
import { formatManifest, hashBytes, keyOf, MANIFEST_SUFFIX, type Manifest } from "./manifest.js"
import type { SegmentRow } from "./ports.js"

export interface CheckedRow {
  readonly leaf: EventLeaf
  readonly record: Uint8Array
}

export interface CheckedPage {
  /** Rows that are what the log says. */
  readonly rows: readonly CheckedRow[]
  /** Leaves of the class that have no row. */
  readonly missing: readonly EventLeaf[]
}

const HASH_SIZE = 32
const computed = new Uint8Array(HASH_SIZE)

/**
 * Reads a segment from the object store and answers its rows. What it answered is the segment only when it came to its end.
 *
 * @throws {@link ArchiveError} `ARCHIVE_SEGMENT_REFUSED`, `ARCHIVE_SEGMENT_UNREADABLE`, with key and leaf
 */
export async function* checkedRows(job: Job, manifest: Manifest): AsyncGenerator<CheckedPage> {
  const { log, objects, segments } = job
  const { class: className, first_leaf: first, last_leaf: last, bytes, count } = manifest
  const key = keyOf(manifest)
  if (last >= log.treeSize) throw refused(key, last, "the log has no such leaf")
  const source = objects.get(key, { bytes, sha256: hashBytes(manifest.sha256) })
  const rows = new RowReader(key, first, segments.read(source))
  try {
    let done = 0
    for await (const { leaves } of eventLeaves(log, className, first, last + 1)) {
      job.pause()
      const page = { rows: [] as CheckedRow[], missing: [] as EventLeaf[] }
      for (const leaf of leaves) {
        const row = rows.next ?? (await rows.fill())
        if (row === undefined || row.leafIndex > leaf.leafIndex) {
          if (leaf.leafIndex === first || leaf.leafIndex === last)
            throw refused(key, leaf.leafIndex, "its row is missing")
          page.missing.push(leaf)
          continue
        }
        checkRow(key, manifest, leaf, row)
        page.rows.push({ leaf, record: row.record })
        rows.pass()
      }
      done += page.rows.length
      yield page
      job.progress({ step: "check", className, key, done, of: count })
    }
    const rest = rows.next ?? (await rows.fill())
    if (rest !== undefined) throw refused(key, rest.leafIndex, "a row that is not one of its leaves")
    if (done !== count) throw refused(key, last, `${done} rows, and its manifest says ${count}`)
  } finally {
    await rows.close()
  }
}

/** @throws {@link ArchiveError} if what stands beside the segment is not its manifest */
export async function checkManifest({ objects }: Job, manifest: Manifest): Promise<void> {
  const key = keyOf(manifest)
  const expected = formatManifest(manifest)
  let at = 0
  try {
    for await (const chunk of objects.get(key + MANIFEST_SUFFIX)) {
      const same = chunk.every((byte, i) => byte === expected[at + i])
      at += chunk.length
      if (!same || at > expected.length) throw refused(key, manifest.first_leaf, "its manifest is another")
    }
  } catch (cause) {
    throw unreadable(key, manifest.first_leaf, cause)
  }
  if (at < expected.length) throw refused(key, manifest.first_leaf, "its manifest is cut short")
}

function checkRow(key: string, manifest: Manifest, leaf: EventLeaf, { leafIndex, record }: SegmentRow): void {
  if (leafIndex < leaf.leafIndex) throw refused(key, leafIndex, "a row that is not the next of its leaves")
  const { timeMs, bytes, commitmentAt } = leaf
  if (leafIndex === manifest.first_leaf && timeMs !== manifest.first_time) {
    throw refused(key, leafIndex, "the manifest has another time of its first leaf")
  }
  if (leafIndex === manifest.last_leaf && timeMs !== manifest.last_time) {
    throw refused(key, leafIndex, "the manifest has another time of its last leaf")
  }
  try {
    commitmentOfInto(record, computed, 0)
  } catch (cause) {
    throw refused(key, leafIndex, "its record is none", cause)
  }
  for (let i = 0; i < HASH_SIZE; i++) {
    if (computed[i] === bytes[commitmentAt + i]) continue
    throw refused(key, leafIndex, "its record does not open its commitment")
  }
}

/** Rows of a segment, one by one, out of the batches that they come in. */
class RowReader {
  readonly #key: string
  readonly #batches: AsyncIterator<readonly SegmentRow[]>
  #batch: readonly SegmentRow[] = []
  #at = 0
  /** The leaf that a fault is told at. */
  #leaf: number

  constructor(key: string, first: number, batches: AsyncIterable<readonly SegmentRow[]>) {
    this.#key = key
    this.#leaf = first
    this.#batches = batches[Symbol.asyncIterator]()
  }

  /** `undefined` when more have to be read. */
  get next(): SegmentRow | undefined {
    return this.#batch[this.#at]
  }

  pass(): void {
    this.#leaf = (this.#batch[this.#at++] as SegmentRow).leafIndex + 1
  }

  /** Reads more. @returns the next row, `undefined` at the end */
  async fill(): Promise<SegmentRow | undefined> {
    try {
      do {
        const { done, value } = await this.#batches.next()
        if (done) return undefined
        this.#batch = value
        this.#at = 0
      } while (this.#batch.length === 0)
    } catch (cause) {
      throw unreadable(this.#key, this.#leaf, cause)
    }
    return this.next
  }

  async close(): Promise<void> {
    await this.#batches.return?.()
  }
}

export function refused(key: string, leafIndex: number, problem: string, cause?: unknown): ArchiveError {
  const options = { key, leafIndex, cause }
  return new ArchiveError("ARCHIVE_SEGMENT_REFUSED", `${key}: leaf ${leafIndex}: ${problem}`, options)
}

function unreadable(key: string, leafIndex: number, cause: unknown): unknown {
  if (cause instanceof ArchiveError) return cause
  const options = { key, leafIndex, cause }
  return new ArchiveError(
    "ARCHIVE_SEGMENT_UNREADABLE",
    `${key}: leaf ${leafIndex}: it cannot be read on`,
    options,
  )
}
