/**
 * The leaves under a head, page by page, each checked against what the log signed.
 *
 *     read ahead    [ bundle, hashes of its tile, records │ bundle, … ]  [ … ]  [ … ]
 *     then, leaf by leaf:  entry = hash of its tile ─► the rules ─► record opens its commitment
 *
 * How large a page will be is only known when it is there: records may have 350 bytes or 65,535. So it is read bundle by
 * bundle, and ends with the one that makes it too large; the rest of what was to be in it comes in pages after it.
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

/** Bytes of entries and records past which a page is not added to; a last bundle can bring 33 MB of its own. */
const MAX_PAGE_BYTES = 8 * 1024 * 1024

/** Bytes of pages that were read ahead, and wait. */
const MAX_WAITING_BYTES = 32 * 1024 * 1024

/** Longest stretch without a turn of the event loop, in milliseconds. */
const MAX_STRETCH_MS = 5

/** Leaves between two looks at the clock: records of 64 KiB take 0.3 ms each. */
const LEAVES_A_LOOK = 16

/** A bundle, or what a page has of it, and what is behind it. Suspect but for the hashes. */
interface ReadPart extends ReadBundle {
  /** Its first leaf in the page. */
  readonly start: number
  /** After its last leaf. */
  readonly end: number
  readonly range: RecordRange
}

interface ReadPage {
  /** One after another, at least one. */
  readonly parts: readonly ReadPart[]
  readonly bytes: number
  /** What was to be in it and is not, being too much: it comes after this page. */
  readonly rest: Page | undefined
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
    const read = (page: Page) => this.#read(page, tiles, treeSize)
    const room = { maxBytes: MAX_WAITING_BYTES, bytesOf: ({ bytes }: ReadPage) => bytes }
    for await (const first of readAhead(pages, WINDOW, read, room)) {
      for (let page: ReadPage | undefined = first; page !== undefined; ) {
        this.#signal?.throwIfAborted()
        const leaves = await this.#check(page, rules)
        const { firstLeaf, count, entries, records } = leaves
        this.#pages.saw(count, entries.length + records.length)
        this.#nextLeaf = firstLeaf + count
        const { lastTimeMs, schedule } = rules
        const cursor = { nextLeaf: firstLeaf + count, checkpoint: head.note, lastTimeMs, schedule }
        yield { ...leaves, cursor }
        page = page.rest && (await read(page.rest))
      }
    }
  }

  async #read({ start, end }: Page, tiles: CheckedTiles, treeSize: number): Promise<ReadPage> {
    const parts: ReadPart[] = []
    let bytes = 0
    let at = start
    while (at < end && bytes < MAX_PAGE_BYTES) {
      const part = await this.#readPart(at, end, tiles, treeSize)
      parts.push(part)
      bytes += part.bundle.length + part.range.records.length
      at = part.end
    }
    return { parts, bytes, rest: at < end ? { start: at, end } : undefined }
  }

  /** Reads the bundle that a leaf is in, and what is behind it, as far as the page goes. */
  async #readPart(start: number, pageEnd: number, tiles: CheckedTiles, treeSize: number): Promise<ReadPart> {
    const index = Math.floor(start / TILE_WIDTH)
    const width = Math.min(TILE_WIDTH, treeSize - index * TILE_WIDTH)
    const end = Math.min(pageEnd, index * TILE_WIDTH + width)
    const [range, hashes, bundle] = await Promise.all([
      this.#source.records(start, end),
      tiles.hashes(0, index),
      readBundle(this.#source, index, width),
    ])
    return { index, width, bundle, hashes, start, end, range }
  }

  /** Returns the leaves of a page once they and their records were checked. */
  async #check({ parts }: ReadPage, rules: EntryRules): Promise<Omit<CheckedLeaves, "cursor">> {
    const entries: Uint8Array[] = []
    for (const part of parts) {
      const { bundle, start, end, index } = part
      const records = new CheckedRecords(part.range, start, end)
      let at = checkBundle(part, start - index * TILE_WIDTH)
      entries.push(at === 0 ? bundle : bundle.subarray(at))
      for (let leaf = start; leaf < end; leaf += LEAVES_A_LOOK) {
        if (this.#turns.isDue()) await this.#takeTurn()
        at = checkLeaves(bundle, at, leaf, Math.min(leaf + LEAVES_A_LOOK, end), rules, records)
      }
    }
    const [first, last] = [parts[0] as ReadPart, parts.at(-1) as ReadPart]
    return {
      firstLeaf: first.start,
      count: last.end - first.start,
      entries: joined(entries),
      records: joined(parts.map(({ range }) => range.records)),
      tombstones: parts.flatMap(({ range }) => range.tombstones),
    }
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
