/**
 * The leaves under a head, page by page, each checked against what the log signed.
 *
 *     read ahead    [ bundles, hashes of their tiles, records ]  [ … ]  [ … ]
 *     then, leaf by leaf:  entry = hash of its tile ─► the rules ─► record opens its commitment
 *
 * A page is handed out when all of it was checked. What is wrong is found in the order of the log, and what is
 * not handed out is not looked at: the entries before a cursor were checked when it was made.
 *
 * Effects: reads the source; gives the event loop a turn now and then.
 */

import type { OpenedCheckpoint } from "@prooflog/tlog/policy"
import { TILE_WIDTH } from "@prooflog/tlog/tile"
import { checkBundle, type ReadBundle } from "./checked-bundle.js"
import { CheckedRecords, packedEnd, type RecordRange, type RecordSource } from "./checked-records.js"
import { CheckedTiles } from "./checked-tiles.js"
import { EntryRules } from "./entry-rules.js"
import type { FollowCursor } from "./follow-cursor.js"
import { type Page, Pages } from "./pages.js"
import { readAhead } from "./read-ahead.js"
import { type LogSource, readBundle } from "./source.js"
import { Turns } from "./turns.js"

/** Leaves that are what the log has signed, one or more. */
export interface CheckedLeaves {
  readonly firstLeaf: number
  /** 1 … 4096. */
  readonly count: number
  /** Packed, `uint16be length ‖ entry`, one for each leaf. */
  readonly entries: Uint8Array
  /** Packed, one for each leaf; 0 bytes for what is no event and for a tombstone. */
  readonly records: Uint8Array
  /** Leaves whose records were destroyed, ascending. */
  readonly tombstones: readonly number[]
  /** To be committed with what is made of these leaves: the next start goes on after them. */
  readonly cursor: FollowCursor
}

/** Pages read ahead: one is checked while the next is under way, and one more for a slow answer. */
const WINDOW = 3

/** Longest stretch without a turn of the event loop, in milliseconds. */
const MAX_STRETCH_MS = 5

/** Leaves between two looks at the clock: records of 64 KiB take 0.3 ms each. */
const LEAVES_A_LOOK = 16

/** Suspect but for the hashes. */
interface ReadPage extends Page {
  readonly bundles: readonly ReadBundle[]
  readonly range: RecordRange
}

export class LeafReader {
  readonly #source: LogSource & RecordSource
  readonly #from: FollowCursor
  readonly #signal: AbortSignal | undefined
  readonly #pages = new Pages()
  readonly #turns = new Turns(MAX_STRETCH_MS)
  #rules: EntryRules | undefined
  #nextLeaf: number

  constructor(source: LogSource & RecordSource, from: FollowCursor, signal: AbortSignal | undefined) {
    this.#source = source
    this.#from = from
    this.#signal = signal
    this.#nextLeaf = from.nextLeaf
  }

  /**
   * Yields the leaves from the last one yielded to the end of a tree.
   *
   * @param head - grown out of every head it was called with before, and out of the cursor's
   * @throws {@link VerifierError} as `follow`
   */
  async *upTo(head: OpenedCheckpoint): AsyncGenerator<CheckedLeaves, void, undefined> {
    const { origin, treeSize, rootHash } = head.checkpoint
    if (this.#nextLeaf === treeSize) return
    this.#rules ??= new EntryRules(origin, undefined, this.#from)
    const rules = this.#rules
    const tiles = await CheckedTiles.open(this.#source, treeSize, rootHash)
    const pages = this.#pages.of(this.#nextLeaf, treeSize)
    for await (const page of readAhead(pages, WINDOW, (page) => this.#read(page, tiles, treeSize))) {
      this.#signal?.throwIfAborted()
      const { start, end, range } = page
      const entries = await this.#check(page, rules)
      this.#pages.saw(end - start, entries.length + range.records.length)
      this.#nextLeaf = end
      const { lastTimeMs, schedule } = rules
      const cursor = { nextLeaf: end, checkpoint: head.note, lastTimeMs, schedule }
      const { records, tombstones } = range
      yield { firstLeaf: start, count: end - start, entries, records, tombstones, cursor }
    }
  }

  async #read({ start, end }: Page, tiles: CheckedTiles, treeSize: number): Promise<ReadPage> {
    const records = this.#source.records(start, end)
    const reads: Promise<ReadBundle>[] = []
    for (let index = Math.floor(start / TILE_WIDTH); index * TILE_WIDTH < end; index++) {
      reads.push(this.#readBundle(index, Math.min(TILE_WIDTH, treeSize - index * TILE_WIDTH), tiles))
    }
    const [range, ...bundles] = await Promise.all([records, ...reads])
    return { start, end, bundles, range }
  }

  async #readBundle(index: number, width: number, tiles: CheckedTiles): Promise<ReadBundle> {
    const [hashes, bundle] = await Promise.all([
      tiles.hashes(0, index),
      readBundle(this.#source, index, width),
    ])
    return { index, width, bundle, hashes }
  }

  /** Returns the entries of the page, packed, once they and their records were checked. */
  async #check({ start, end, bundles, range }: ReadPage, rules: EntryRules): Promise<Uint8Array> {
    const records = new CheckedRecords(range, start, end)
    const parts: Uint8Array[] = []
    for (const read of bundles) {
      const { bundle, index, width } = read
      const first = Math.max(start, index * TILE_WIDTH)
      const last = index * TILE_WIDTH + width
      const from = checkBundle(read, first - index * TILE_WIDTH)
      parts.push(from === 0 ? bundle : bundle.subarray(from))
      let at = from
      for (let leaf = first; leaf < last; leaf += LEAVES_A_LOOK) {
        if (this.#turns.isDue()) await this.#takeTurn()
        at = checkLeaves(bundle, at, leaf, Math.min(leaf + LEAVES_A_LOOK, last), rules, records)
      }
    }
    return joined(parts)
  }

  async #takeTurn(): Promise<void> {
    await this.#turns.take()
    this.#signal?.throwIfAborted()
  }
}

/** Checks the leaves `[first, end)`, whose entries start at `at`. Returns the offset after them. */
function checkLeaves(
  bundle: Uint8Array,
  at: number,
  first: number,
  end: number,
  rules: EntryRules,
  records: CheckedRecords,
): number {
  let entryAt = at
  for (let leafIndex = first; leafIndex < end; leafIndex++) {
    const entryEnd = packedEnd(bundle, entryAt)
    const commitmentAt = rules.check(bundle, entryAt + 2, entryEnd, leafIndex)
    records.checkNext(leafIndex, bundle, commitmentAt)
    entryAt = entryEnd
  }
  return entryAt
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0] as Uint8Array
  const bytes = new Uint8Array(parts.reduce((size, { length }) => size + length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}
