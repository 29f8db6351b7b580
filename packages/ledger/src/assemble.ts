/**
 * Assembling a commit: what one step of the log writes, out of the right edge and the submissions it takes.
 *
 *     slices ──► entries, stamped, set behind the last partial bundle ──► bundles
 *                  └──► leaf hashes ──► integrate ──► tiles, root, edge
 *                records, set one behind another ──► records
 *
 * Pure but for the bytes it makes. The old frontier stays usable: it is replaced only when the commit is durable.
 */

import { HASH_SIZE, leafHashInto } from "@prooflog/tlog/hash"
import { type Edge, EMPTY_EDGE, integrate } from "@prooflog/tlog/integrate"
import { TILE_WIDTH } from "@prooflog/tlog/tile"
import type { Commit, IdRow } from "./storage.js"
import { packedEnd } from "./submission.js"
import type { Slice } from "./waiting.js"

/** The right edge of the log: all that is needed to make it grow. */
export interface Frontier {
  readonly edge: Edge
  /** The last bundle, packed, if it is partial; else empty. */
  readonly bundle: Uint8Array
}

export const EMPTY_FRONTIER: Frontier = { edge: EMPTY_EDGE, bundle: new Uint8Array(0) }

export interface Assembled {
  readonly commit: Commit
  readonly frontier: Frontier
}

/** Writes the time into the entry that begins at `entryOffset` of `bytes`. */
export type Stamp = (bytes: Uint8Array, entryOffset: number, timeMs: number) => void

/**
 * @param timeMs - the one time that all entries of the commit get
 * @param generation - of the ids it stores
 */
export function assemble(
  { edge, bundle }: Frontier,
  slices: readonly Slice[],
  timeMs: number,
  stamp: Stamp,
  generation: number,
): Assembled {
  const follows = edge.treeSize
  const entries = concatenate([bundle, ...slices.map((slice) => slice.entries)])
  const count = slices.reduce((sum, slice) => sum + slice.count, 0)
  const leafHashes = new Uint8Array(count * HASH_SIZE)
  const bundles: { index: number; bytes: Uint8Array }[] = []

  let width = follows % TILE_WIDTH
  let index = Math.floor(follows / TILE_WIDTH)
  let bundleStart = 0
  for (let i = 0, at = bundle.length; i < count; i++) {
    const end = packedEnd(entries, at)
    stamp(entries, at + 2, timeMs)
    leafHashInto(entries.subarray(at + 2, end), leafHashes, i * HASH_SIZE)
    at = end
    if (++width < TILE_WIDTH) continue
    bundles.push({ index, bytes: entries.subarray(bundleStart, at) })
    bundleStart = at
    width = 0
    index++
  }
  // A copy, so that the frontier does not hold on to all entries of the commit.
  const rest = entries.slice(bundleStart)
  if (width > 0) bundles.push({ index, bytes: rest })

  const grown = integrate(edge, leafHashes)
  return {
    commit: {
      follows,
      treeSize: follows + count,
      rootHash: grown.rootHash,
      tiles: grown.tiles,
      bundles,
      records: concatenate(slices.map((slice) => slice.records)),
      ids: idRows(slices, follows, generation),
    },
    frontier: { edge: grown.edge, bundle: rest },
  }
}

function idRows(slices: readonly Slice[], firstLeaf: number, generation: number): IdRow[] {
  const rows: IdRow[] = []
  let leafIndex = firstLeaf
  for (const { waiting, first, count } of slices) {
    for (let i = 0; waiting.claims !== undefined && i < count; i++) {
      const claim = waiting.claims[first + i]
      if (claim !== undefined) rows.push({ id: claim.id, generation, leafIndex: leafIndex + i })
    }
    leafIndex += count
  }
  return rows
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  let size = 0
  for (const part of parts) size += part.length
  // Every byte is written below.
  const bytes = Buffer.allocUnsafeSlow(size)
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}
