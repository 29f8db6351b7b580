/**
 * Makes an accusation of what an audit refused: leaves that the log signed and may not have signed.
 *
 *     verifyLog ──► VerifierError { code, leafIndex, otherLeaf } ──► the leaves again, with their paths ──► accusation
 *
 * The entries are read again, and what is read is verified before it is handed out.
 *
 * Effects: those of the source.
 */

import { parseBundle } from "@prooflog/tlog/bundle"
import { proveInclusion } from "@prooflog/tlog/inclusion"
import type { OpenedCheckpoint, Policy } from "@prooflog/tlog/policy"
import { TILE_WIDTH, tileAt } from "@prooflog/tlog/tile"
import {
  type Accusation,
  type AccusedLeaf,
  type BrokenOrder,
  type InvalidEntry,
  verifyAccusation,
} from "./accusation.js"
import { refusalBy, VerifierError } from "./error.js"
import { type LogSource, readBundle, tileReader } from "./source.js"

/**
 * Returns the proof of what an audit refused, or `undefined` if that convicts nobody: what was not signed (a wrong
 * tile, a wrong entry under a right one), what was withheld, what the source does not show any more, and a class that
 * no schedule names, as only the whole log shows that.
 *
 * @param error - what `verifyLog` or `follow` has thrown, of a log of which `head` is a head
 * @param head - its tree holds the leaf that the error names
 * @param source - serves the head's tree
 * @throws RangeError if the head's tree does not reach as far as the error's leaf; and what reading throws
 */
export async function accuseEntry(
  error: VerifierError,
  head: OpenedCheckpoint,
  source: LogSource,
): Promise<BrokenOrder | InvalidEntry | undefined> {
  const { leafIndex, otherLeaf } = error
  if (leafIndex === undefined) return undefined
  const { origin, treeSize } = head.checkpoint
  const heads = [head.note] as const
  const policy: Policy = { logs: [{ key: head.logKey }], witnesses: [], groups: [], quorum: "none" }
  const leafAt = (index: number) => readLeaf(index, treeSize, source)
  const inOrder = async (kind: BrokenOrder["kind"], earlier: number, later: number) => {
    const leaves = [await leafAt(earlier), await leafAt(later)] as const
    return ifConvicting({ kind, origin, heads, leaves }, policy)
  }
  switch (error.code) {
    case "VERIFIER_ENTRY_REFUSED":
    case "VERIFIER_GENESIS_REFUSED":
      return ifConvicting({ kind: "invalid-entry", origin, heads, leaves: [await leafAt(leafIndex)] }, policy)
    case "VERIFIER_TIME_WENT_BACK":
      return leafIndex === 0 ? undefined : inOrder("time-went-back", leafIndex - 1, leafIndex)
    case "VERIFIER_REPEATED_COMMITMENT": {
      if (otherLeaf === undefined) return undefined
      const [earlier, later] = [Math.min(leafIndex, otherLeaf), Math.max(leafIndex, otherLeaf)]
      return inOrder("repeated-commitment", earlier, later)
    }
    case "VERIFIER_SCHEDULE_REFUSED": {
      for await (const earlier of schedulesBefore(leafIndex, treeSize, source)) {
        const found = await inOrder("shortened-schedule", earlier, leafIndex)
        if (found !== undefined) return found
      }
      return undefined
    }
    default:
      return undefined
  }
}

/**
 * Yields leaves that may hold a schedule which leaf `end` must keep: the genesis, whose promise is most often the
 * broken one, then schedule entries, the last one first. What they hold is suspect.
 */
async function* schedulesBefore(
  end: number,
  treeSize: number,
  source: LogSource,
): AsyncGenerator<number, void, undefined> {
  yield 0
  for (let index = Math.floor((end - 1) / TILE_WIDTH); index >= 0; index--) {
    const entries = await readEntries(index, treeSize, source)
    for (let i = Math.min(end - index * TILE_WIDTH, entries.length) - 1; i >= 0; i--) {
      if (entries[i]?.[1] === SCHEDULE) yield index * TILE_WIDTH + i
    }
  }
}

/** The type of a schedule entry, its second byte. */
const SCHEDULE = 3

async function readLeaf(leafIndex: number, treeSize: number, source: LogSource): Promise<AccusedLeaf> {
  const [path, entries] = await Promise.all([
    proveInclusion(leafIndex, treeSize, tileReader(source, treeSize)),
    readEntries(Math.floor(leafIndex / TILE_WIDTH), treeSize, source),
  ])
  return { leafIndex, path, entry: entries[leafIndex % TILE_WIDTH] as Uint8Array }
}

async function readEntries(
  index: number,
  treeSize: number,
  source: LogSource,
): Promise<readonly Uint8Array[]> {
  const tile = tileAt(0, index, treeSize)
  if (tile === undefined) throw new RangeError(`no bundle ${index} in a tree of ${treeSize} leaves`)
  const bundle = await readBundle(source, tile.index, tile.width)
  try {
    return parseBundle(bundle, tile.width)
  } catch (cause) {
    throw refusalBy(cause, "VERIFIER_BUNDLE_REFUSED", `bundle ${index}`)
  }
}

/** The accusation, or nothing if it does not convict. */
function ifConvicting<T extends Accusation>(accusation: T, policy: Policy): T | undefined {
  try {
    verifyAccusation(accusation, policy)
    return accusation
  } catch (error) {
    if (error instanceof VerifierError && error.code === "VERIFIER_ACCUSATION_REFUSED") return undefined
    throw error
  }
}
