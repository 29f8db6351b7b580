/**
 * A new segment: written, put, read back, and every row of it held against the log. Then it can be trusted.
 *
 *     pages ─► draft ─► known as put ─► object, manifest ─► read back from the store ─► who asked makes it verified
 *
 * If we crash or are refused anywhere here, the segment is known as put at most, its records are where they were, and
 * the next run destroys what came of it.
 */

import { type CheckedRow, checkedRows, checkManifest, refused } from "./check-segment.js"
import type { Job } from "./job.js"
import { formatManifest, hashBytes, keyOf, MANIFEST_SUFFIX, type Manifest } from "./manifest.js"
import type { SegmentPage } from "./ports.js"

export interface PutSegment {
  readonly manifest: Manifest
  /** Its leaves, ascending: all that were given. */
  readonly leafIndices: readonly number[]
}

/**
 * @param className - that of all rows
 * @param month - likewise
 * @param pages - rows, ascending; at least one
 */
export async function putSegment(
  job: Job,
  className: string,
  month: string,
  pages: AsyncIterable<readonly CheckedRow[]>,
): Promise<PutSegment> {
  const { catalog, log, objects, segments } = job
  const leafIndices: number[] = []
  let [firstMs, lastMs] = [0, 0]

  async function* toWrite(): AsyncGenerator<SegmentPage> {
    for await (const rows of pages) {
      job.pause()
      for (const { leaf } of rows) {
        const { leafIndex, timeMs } = leaf
        if (leafIndices.length === 0) firstMs = timeMs
        lastMs = timeMs
        leafIndices.push(leafIndex)
      }
      if (rows.length > 0) yield pageOf(rows)
      job.progress({ step: "write", className, done: leafIndices.length })
    }
  }

  const draft = await segments.write(toWrite())
  try {
    const manifest: Manifest = {
      format: "prooflog-segment/1",
      origin: catalog.log.origin,
      log_id: catalog.log.logId,
      class: className,
      month,
      first_leaf: leafIndices[0] as number,
      last_leaf: leafIndices.at(-1) as number,
      count: leafIndices.length,
      first_time: firstMs,
      last_time: lastMs,
      bytes: draft.bytes,
      sha256: draft.sha256,
      tree_size: log.treeSize,
    }
    const key = keyOf(manifest)
    if (draft.rows !== manifest.count) {
      throw refused(key, manifest.first_leaf, `${draft.rows} rows were written of ${manifest.count}`)
    }
    const known = { state: "put", stale: false, manifest } as const
    await catalog.change(() => ({ segments: catalog.withSegment(known) }))
    await objects.put(key, draft.read(), { bytes: draft.bytes, sha256: hashBytes(draft.sha256) })
    const beside = formatManifest(manifest)
    const sha256 = new Uint8Array(await crypto.subtle.digest("SHA-256", beside as Uint8Array<ArrayBuffer>))
    await objects.put(key + MANIFEST_SUFFIX, beside, { bytes: beside.length, sha256 })
    await checkManifest(job, manifest)
    await checkBack(job, manifest, leafIndices)
    return { manifest, leafIndices }
  } finally {
    await draft.discard()
  }
}

/** Reads back what was put: it has each of the leaves, and no other. */
async function checkBack(job: Job, manifest: Manifest, expected: readonly number[]): Promise<void> {
  let at = 0
  for await (const { rows } of checkedRows(job, manifest)) {
    for (const { leaf } of rows) {
      const { leafIndex } = leaf
      if (leafIndex === expected[at++]) continue
      throw refused(keyOf(manifest), expected[at - 1] ?? leafIndex, "another leaf has its row")
    }
  }
}

function pageOf(rows: readonly CheckedRow[]): SegmentPage {
  return {
    leafIndices: rows.map(({ leaf }) => leaf.leafIndex),
    entries: pack(rows.map(({ leaf }) => leaf)),
    records: pack(rows.map(({ record }) => ({ bytes: record, start: 0, end: record.length }))),
  }
}

interface Item {
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
}

function pack(items: readonly Item[]): Uint8Array {
  const packed = new Uint8Array(items.reduce((sum, { start, end }) => sum + 2 + end - start, 0))
  let to = 0
  for (const { bytes, start, end } of items) {
    packed[to++] = (end - start) >> 8
    packed[to++] = end - start
    packed.set(bytes.subarray(start, end), to)
    to += end - start
  }
  return packed
}
