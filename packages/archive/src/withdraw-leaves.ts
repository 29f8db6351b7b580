/**
 * Records withdrawn: destroyed tombstones take their places, and no answer has their rows any more.
 *
 *     leaves ─► those that have a record, hot or moved ─► not held ─► tombstones ─► rows forgotten
 *
 * Holds are asked while none can be placed, and for each leaf, just before it goes: there is no other way to here.
 * Repeatable with the same tombstones: what was withdrawn already is forgotten once more.
 */

import { type EventLeaf, indicesOf, type LeafOfClass, standingAt } from "./event-leaves.js"
import type { Job } from "./job.js"
import { segmentIn } from "./move-records.js"

export interface Withdrawn {
  /** Leaves whose tombstones stand now, ascending. */
  readonly done: readonly LeafOfClass[]
  /** Leaves that a hold is on, ascending. */
  readonly held: readonly number[]
}

/**
 * @param leaves - of one page, ascending
 * @param tombstoneOf - its bytes, saying *destroyed*
 */
export async function withdrawLeaves(
  { storage, holds, rows }: Job,
  leaves: readonly EventLeaf[],
  tombstoneOf: (leafIndex: number) => Uint8Array,
): Promise<Withdrawn> {
  if (leaves.length === 0) return { done: [], held: [] }
  return holds.whileTheyStay(async () => {
    const standing = await standingAt(storage, indicesOf(leaves))
    const living = standing.filter((each) => segmentIn(each) !== "destroyed")
    const asked = living.map(({ leafIndex }) => leafIndex)
    const answered = new Set(asked.length === 0 ? [] : await holds.heldLeaves(asked))
    const held = new Set(asked.filter((leafIndex) => answered.has(leafIndex)))
    const tombstones = living
      .filter(({ leafIndex }) => !held.has(leafIndex))
      .map(({ leafIndex }) => ({ kind: "tombstone" as const, leafIndex, bytes: tombstoneOf(leafIndex) }))
    if (tombstones.length > 0) await storage.withdraw(tombstones)
    const withdrawn = new Set(tombstones.map(({ leafIndex }) => leafIndex))
    const isDone = ({ leafIndex }: EventLeaf, i: number) => {
      if (withdrawn.has(leafIndex)) return true
      const { bytes } = standing[i] as (typeof standing)[number]
      return !held.has(leafIndex) && equalBytes(bytes, tombstoneOf(leafIndex))
    }
    const done = leaves.filter(isDone).map(({ leafIndex, className }) => ({ leafIndex, className }))
    if (done.length > 0) await rows.forget(done.map(({ leafIndex }) => leafIndex))
    return { done, held: [...held] }
  })
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
