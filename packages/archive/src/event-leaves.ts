/**
 * The events among the leaves of a log, page by page.
 *
 *     entries   [ genesis ][ routine ][ high ][ routine ][ notice ]
 *     routine                  1                  3
 *
 * Entries come from a log that is believed; what stands beside them in storage is only picked here.
 */

import { entryTimeMs, findCommitment } from "@prooflog/event/entry"
import { ArchiveError } from "./error.js"
import { type LogView, MAX_LEAVES, type RecordStorage, type StoredLeaf } from "./ports.js"

/** What may be kept of an event for long: all else of it holds on to the entries of a whole page. */
export interface LeafOfClass {
  readonly leafIndex: number
  readonly className: string
}

export interface EventLeaf extends LeafOfClass {
  readonly timeMs: number
  /** Hold its entry at `[start, end)`, in which its commitment starts at `commitmentAt`. */
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
  readonly commitmentAt: number
}

export interface LeafPage {
  readonly leaves: readonly EventLeaf[]
  /** The leaf behind the last that was looked at. */
  readonly end: number
}

/** The first bytes of an event entry: head of the array, type, time. */
const CLASS_OFFSET = 11
const EVENT = 1

/**
 * Answers the events of `[from, to)`, ascending, in pages of at most {@link MAX_LEAVES} leaves of the log.
 *
 * @param className - leaves of other classes are passed over; `undefined` for all
 * @throws {@link ArchiveError} `ARCHIVE_LOG_REFUSED` if time goes back
 */
export async function* eventLeaves(
  log: LogView,
  className: string | undefined,
  from: number,
  to: number,
): AsyncGenerator<LeafPage> {
  let lastMs = 0
  for (let start = from; start < to; ) {
    const end = Math.min(to, pageEnd(start))
    const bytes = await log.entries(start, end)
    const leaves: EventLeaf[] = []
    let leafIndex = start
    for (let at = 0; at < bytes.length; leafIndex++) {
      const entryAt = at + 2
      at = packedEnd(bytes, at)
      const timeMs = entryTimeMs(bytes, entryAt)
      if (timeMs < lastMs) throw refused(leafIndex, "its time is before that of the leaf before it")
      lastMs = timeMs
      const leaf = eventLeaf(leafIndex, timeMs, bytes, entryAt, at, className)
      if (leaf !== undefined) leaves.push(leaf)
    }
    if (leafIndex !== end) throw refused(start, `${leafIndex - start} entries for ${end - start} leaves`)
    yield { leaves, end }
    start = end
  }
}

/**
 * Answers some leaves, in pages as {@link eventLeaves}.
 *
 * @param leafIndices - ascending
 * @throws RangeError if one is no event
 */
export async function* eventsAt(
  log: LogView,
  leafIndices: readonly number[],
): AsyncGenerator<readonly EventLeaf[]> {
  for (const wanted of pagesOf(leafIndices)) {
    const [first, last] = [wanted[0] as number, wanted.at(-1) as number]
    const found = new Map<number, EventLeaf>()
    for await (const { leaves } of eventLeaves(log, undefined, first, last + 1)) {
      for (const leaf of leaves) found.set(leaf.leafIndex, leaf)
    }
    yield wanted.map((leafIndex) => {
      const leaf = found.get(leafIndex)
      if (leaf === undefined) throw new RangeError(`leaves: leaf ${leafIndex} is no event`)
      return leaf
    })
  }
}

/** Cuts leaves where pages of the log end. */
export function* pagesOf(leafIndices: readonly number[]): Generator<readonly number[]> {
  for (let at = 0; at < leafIndices.length; ) {
    const end = pageEnd(leafIndices[at] as number)
    let until = at + 1
    while (until < leafIndices.length && (leafIndices[until] as number) < end) until++
    yield leafIndices.slice(at, until)
    at = until
  }
}

/** Returns the first leaf of `[from, to)` that was received at this time or later; `to` if there is none. */
export async function firstLeafAt(log: LogView, timeMs: number, from: number, to: number): Promise<number> {
  let [low, high] = [from, to]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (entryTimeMs(await entryAt(log, middle), 0) < timeMs) low = middle + 1
    else high = middle
  }
  return low
}

/** Returns the entry of one leaf. */
export async function entryAt(log: LogView, leafIndex: number): Promise<Uint8Array> {
  return (await log.entries(leafIndex, leafIndex + 1)).subarray(2)
}

/** Returns what stands in storage at each of some leaves of one page, in their order. */
export async function standingAt(
  storage: RecordStorage,
  leafIndices: readonly number[],
): Promise<readonly StoredLeaf[]> {
  const [first, last] = [leafIndices[0], leafIndices.at(-1)]
  if (first === undefined || last === undefined) return []
  const stored = await storage.records(first, last + 1)
  return leafIndices.map((leafIndex) => {
    const standing = stored[leafIndex - first]
    if (standing?.leafIndex !== leafIndex) throw refused(leafIndex, "storage answers another leaf")
    if (standing.bytes.length === 0) throw refused(leafIndex, "storage has an empty record of an event")
    return standing
  })
}

/** Returns the leaf indices of some leaves. */
export function indicesOf(leaves: readonly EventLeaf[]): readonly number[] {
  return leaves.map(({ leafIndex }) => leafIndex)
}

/** Pages begin at the same leaves whoever asks, so that a bundle of entries is in one of them. */
function pageEnd(start: number): number {
  return (Math.floor(start / MAX_LEAVES) + 1) * MAX_LEAVES
}

/** Where an item of a packed sequence ends whose length stands at `at`. */
function packedEnd(bytes: Uint8Array, at: number): number {
  return at + 2 + (bytes[at] as number) * 256 + (bytes[at + 1] as number)
}

/** Returns an event of a class, or of any; `undefined` for what is none. */
function eventLeaf(
  leafIndex: number,
  timeMs: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  wanted: string | undefined,
): EventLeaf | undefined {
  if (bytes[start + 1] !== EVENT) return undefined
  // A class of up to 23 letters has a head of one byte, and then the commitment has one of two.
  const nameAt = start + CLASS_OFFSET + ((bytes[start + CLASS_OFFSET] as number) < 0x78 ? 1 : 2)
  if (wanted !== undefined && !hasName(bytes, nameAt, wanted)) return undefined
  const commitmentAt = findCommitment(bytes, start, end)
  const nameEnd = commitmentAt - 2
  if (wanted !== undefined && nameEnd - nameAt !== wanted.length) return undefined
  const className = wanted ?? String.fromCharCode(...bytes.subarray(nameAt, nameEnd))
  return { leafIndex, className, timeMs, bytes, start, end, commitmentAt }
}

/** Whether a class begins with this one. */
function hasName(bytes: Uint8Array, at: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) if (bytes[at + i] !== name.charCodeAt(i)) return false
  return true
}

function refused(leafIndex: number, problem: string): ArchiveError {
  return new ArchiveError("ARCHIVE_LOG_REFUSED", `leaf ${leafIndex}: ${problem}`, { leafIndex })
}
