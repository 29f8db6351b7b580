/**
 * Records that were moved to the archive, for whoever reads the log: they are answered as if they had stayed.
 *
 *     storage ─► record, or destroyed    as it is
 *             ─► moved ─► archive        its record, which the archive has held against the log
 *                   └─ not there any more: restored or destroyed since, so storage is read again
 *
 * Each asking opens segments. So the archive is asked for those of one segment at a time, for all who want some of it; who
 * wants many segments takes turns with the others. And whoever reads leaf after leaf gets them out of pieces of the log, of which the last few are kept for a moment.
 */

import { decodeTombstone } from "@prooflog/event/tombstone"
import type { LogStorage, StoredRecord, Tombstone } from "@prooflog/ledger/storage"
import { ServerError } from "../error.js"
import type { MovedRecord } from "../followers/archive-calls.js"
import type { ArchiveProcess } from "../followers/archive-process.js"

export type StoredLeaf = StoredRecord | Tombstone

/** Leaves asked of the archive at once: it reads each segment once for as many. */
const AT_ONCE = 4_096

/** Leaves of a piece: at most 64 MiB, usually less than one. */
const PIECE = 1_024

/** Pieces that are kept, and for how long after the last one was read. */
const PIECES = 4
const KEPT_MS = 5_000

/** How often storage is read again: a record does not move that often while it is looked for. */
const TRIES = 4

interface Waiting extends MovedRecord {
  readonly resolve: (record: Uint8Array | undefined) => void
  readonly reject: (error: unknown) => void
}

/** What was asked for in one turn, by segment. */
type Asking = Map<string, Waiting[]>

/** A record, and the segment that its tombstone named when it was read. */
interface ReadRecord {
  readonly key: string
  readonly bytes: Uint8Array
}

/** By leaf. */
type Piece = ReadonlyMap<number, ReadRecord>

const NOTHING: Piece = new Map()

export class MovedRecords {
  readonly #archive: Pick<ArchiveProcess, "records">
  /** By number; what was read last is last. */
  readonly #pieces = new Map<number, Promise<Piece>>()
  #forgetting: NodeJS.Timeout | undefined
  /** Whoever had a segment last is last. */
  #askings: Asking[] = []
  /** The one of this turn. */
  #asking: Asking | undefined
  #isAsking = false

  constructor(archive: Pick<ArchiveProcess, "records">) {
    this.#archive = archive
  }

  /**
   * Returns what stands at some leaves, with records in place of the tombstones of those that were moved: what is a
   * tombstone then is destroyed.
   *
   * @param stored - as storage answers it
   * @param readAgain - reads storage again
   * @throws ServerError `SERVER_ARCHIVE_UNAVAILABLE`, `SERVER_ARCHIVE_DAMAGED`; EventError if a tombstone is damaged
   */
  async among(
    stored: readonly StoredLeaf[],
    readAgain: (leafIndex: number) => Promise<StoredLeaf>,
  ): Promise<readonly StoredLeaf[]> {
    if (!stored.some(isMoved)) return stored
    return Promise.all(stored.map((leaf) => this.#settled(leaf, readAgain)))
  }

  /**
   * The same, of leaves beside each other, for whoever goes on with those behind them.
   *
   * @param storage - what they were read from
   */
  async near(
    stored: readonly StoredLeaf[],
    storage: Pick<LogStorage, "records" | "treeSize">,
    readAgain: (leafIndex: number) => Promise<StoredLeaf>,
  ): Promise<readonly StoredLeaf[]> {
    const numbers = new Set(stored.filter(isMoved).map(({ leafIndex }) => Math.floor(leafIndex / PIECE)))
    if (numbers.size === 0) return stored
    const known = new Map<number, ReadRecord>()
    for (const number of numbers) {
      for (const [leaf, record] of await this.#piece(number, storage)) known.set(leaf, record)
    }
    const filled = stored.map((leaf): StoredLeaf => {
      const { leafIndex } = leaf
      const record = known.get(leafIndex)
      // What stands there by now decides: it may have been destroyed since.
      return record === undefined || record.key !== segmentOf(leaf)
        ? leaf
        : { kind: "record", leafIndex, bytes: record.bytes }
    })
    return this.among(filled, readAgain)
  }

  #piece(number: number, storage: Pick<LogStorage, "records" | "treeSize">): Promise<Piece> {
    const kept = this.#pieces.get(number)
    if (kept !== undefined) return kept
    // Of a piece with a damaged segment nothing is kept: each leaf is asked for by itself, and says so.
    const piece = this.#readPiece(number * PIECE, storage).catch(() => NOTHING)
    this.#pieces.set(number, piece)
    for (const oldest of this.#pieces.keys()) {
      if (this.#pieces.size <= PIECES) break
      this.#pieces.delete(oldest)
    }
    clearTimeout(this.#forgetting)
    this.#forgetting = setTimeout(() => this.#pieces.clear(), KEPT_MS).unref()
    return piece
  }

  async #readPiece(start: number, storage: Pick<LogStorage, "records" | "treeSize">): Promise<Piece> {
    const end = Math.min(start + PIECE, await storage.treeSize())
    const piece = new Map<number, ReadRecord>()
    const read = async (leafIndex: number, key: string) => {
      const bytes = await this.#record({ leafIndex, key })
      if (bytes !== undefined) piece.set(leafIndex, { key, bytes })
    }
    const reads: Promise<void>[] = []
    for (const stored of await storage.records(start, end)) {
      const key = segmentOf(stored)
      if (key !== undefined) reads.push(read(stored.leafIndex, key))
    }
    await Promise.all(reads)
    return piece
  }

  async #settled(
    stored: StoredLeaf,
    readAgain: (leafIndex: number) => Promise<StoredLeaf>,
  ): Promise<StoredLeaf> {
    const { leafIndex } = stored
    let standing = stored
    for (let tries = 0; tries < TRIES; tries++) {
      const key = segmentOf(standing)
      if (key === undefined) return standing
      const bytes = await this.#record({ leafIndex, key })
      if (bytes !== undefined) return { kind: "record", leafIndex, bytes }
      standing = await readAgain(leafIndex)
    }
    const message = `the record of leaf ${leafIndex} is in no segment that its tombstone names`
    throw new ServerError("SERVER_ARCHIVE_UNAVAILABLE", message, { leafIndex })
  }

  #record(moved: MovedRecord): Promise<Uint8Array | undefined> {
    return new Promise((resolve, reject) => {
      const asking = this.#asking ?? this.#beginAsking()
      const some = asking.get(moved.key) ?? []
      some.push({ ...moved, resolve, reject })
      asking.set(moved.key, some)
      if (!this.#isAsking) void this.#ask()
    })
  }

  #beginAsking(): Asking {
    const asking: Asking = new Map()
    this.#asking = asking
    this.#askings.push(asking)
    queueMicrotask(() => {
      this.#asking = undefined
    })
    return asking
  }

  async #ask(): Promise<void> {
    this.#isAsking = true
    // What is asked in this turn goes together.
    await null
    for (let some = this.#next(); some.length > 0; some = this.#next()) {
      for (let at = 0; at < some.length; at += AT_ONCE) await this.#askSome(some.slice(at, at + AT_ONCE))
    }
    this.#isAsking = false
  }

  /** All who wait for one segment: by itself, as who waits for another one is not to suffer if it is damaged. */
  #next(): readonly Waiting[] {
    this.#asking = undefined
    const [first, ...others] = this.#askings
    const [key] = first?.keys() ?? []
    if (first === undefined || key === undefined) return []
    const some = this.#askings.flatMap((asking) => asking.get(key) ?? [])
    for (const asking of this.#askings) asking.delete(key)
    this.#askings = [...others, first].filter(({ size }) => size > 0)
    return some.sort((a, b) => a.leafIndex - b.leafIndex)
  }

  /** @param some - of one segment, ascending; several may wait for one leaf */
  async #askSome(some: readonly Waiting[]): Promise<void> {
    const moved = some.filter(({ leafIndex }, i) => leafIndex !== some[i - 1]?.leafIndex)
    try {
      const records = await this.#archive.records(moved.map(({ leafIndex, key }) => ({ leafIndex, key })))
      const found = new Map(moved.map(({ leafIndex }, i) => [leafIndex, records[i]]))
      for (const { leafIndex, resolve } of some) resolve(found.get(leafIndex))
    } catch (error) {
      for (const { reject } of some) reject(error)
    }
  }
}

/** Whether a record lies in a segment. What is damaged is not moved: whoever takes it apart says so. */
export function isMoved({ kind, bytes }: StoredLeaf): boolean {
  return kind === "tombstone" && bytes[1] === MOVED
}

/** The second byte of a tombstone says what it is. */
const MOVED = 1

/** Key of the segment that a record was moved to. */
function segmentOf(stored: StoredLeaf): string | undefined {
  const tombstone = isMoved(stored) ? decodeTombstone(stored.bytes) : undefined
  return tombstone?.state === "moved" ? tombstone.segment : undefined
}
