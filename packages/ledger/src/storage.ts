/**
 * The storage port: the only way the ledger touches disk.
 *
 *     commit ──► journal ──settle──► tables ◄── read, records, commits
 *     record ◄──restore── tombstone ◄──withdraw── record            purge: its bytes leave every file
 *
 * A storage is trusted to keep what it acknowledged. Nothing it returns is believed unchecked: a flipped bit,
 * a lost step and a restored backup are found by the ledger, not promised away here. Every storage sits the
 * exam in storage-suite.ts.
 *
 * Below the port stand the few rules that every storage shares: pages, generations, and how a path is answered.
 */

import { cutBundle, parseBundlePath } from "@prooflog/tlog/bundle"
import { HASH_SIZE } from "@prooflog/tlog/hash"
import { parseTilePath, type Tile, tileAt } from "@prooflog/tlog/tile"
import { LedgerError } from "./error.js"

export interface StoredRecord {
  readonly kind: "record"
  readonly leafIndex: number
  /** 0 … 65,535 bytes; 0 for a leaf that is not an event. */
  readonly bytes: Uint8Array
}

/** What stands where a record was. */
export interface Tombstone {
  readonly kind: "tombstone"
  readonly leafIndex: number
  /** Why and under which notice; its form is the caller's. */
  readonly bytes: Uint8Array
}

/** What is remembered of one step of the log. */
export interface CommitRow {
  readonly firstLeaf: number
  /** Leaves the step added: ≥ 1. */
  readonly count: number
  /** Root of the tree after the step: 32 bytes. */
  readonly rootHash: Uint8Array
}

/** One id that a producer gave, and the leaf it stands for. */
export interface IdRow {
  /** 16 bytes. */
  readonly id: Uint8Array
  /** See {@link generationOf}. */
  readonly generation: number
  readonly leafIndex: number
}

/** One step of the log. The storage may keep no reference to its bytes after `commit` settled. */
export interface Commit {
  /** Tree size before the step. */
  readonly follows: number
  /** Tree size after it: > `follows`. */
  readonly treeSize: number
  /** Root of the tree after it: 32 bytes. */
  readonly rootHash: Uint8Array
  /** Every tile that is new or grew, as wide as it is now. */
  readonly tiles: readonly { readonly tile: Tile; readonly bytes: Uint8Array }[]
  /** Every entry bundle that is new or grew, as wide as it is now. */
  readonly bundles: readonly { readonly index: number; readonly bytes: Uint8Array }[]
  /** One record for each of the new leaves, in order, packed: uint16be length ‖ bytes. */
  readonly records: Uint8Array
  readonly ids: readonly IdRow[]
}

export interface PurgeOptions {
  /** Once it is aborted the call ends, a second or two later. */
  readonly signal?: AbortSignal | undefined
  /** Is told after each step how many records the call has made gone. */
  readonly onProgress?: ((gone: number) => void) | undefined
}

/** The device that holds the storage, in bytes. */
export interface Space {
  readonly free: number
  readonly total: number
}

export interface LogStorage {
  /** Leaves committed so far; 0 in a new log. */
  treeSize(): Promise<number>

  /**
   * The bytes at a tlog-tiles path of a tile or an entry bundle ("tile/0/000", "tile/entries/000.p/5"), or
   * `undefined` if no commit has written that much. A partial width is cut from what is stored: each
   * narrower state of a tile or bundle is a prefix of every wider one.
   *
   * @throws LedgerError `LEDGER_CORRUPT` if a commit has written it and it is not there or too short
   */
  read(path: string): Promise<Uint8Array | undefined>

  /**
   * One record or tombstone for each leaf of `[start, end)`, in order.
   *
   * @param end - at most `start` + {@link MAX_RECORDS}, and at most the tree size, else RangeError
   * @throws LedgerError `LEDGER_MISSING_RECORD` with the leaf, if a leaf has neither
   */
  records(start: number, end: number): Promise<readonly (StoredRecord | Tombstone)[]>

  /**
   * The steps of the log that reach past leaf `start`, oldest first; the first one holds `start`. A step that
   * is lost shows as a gap: the port does not look for it.
   */
  commits(start: number): AsyncIterable<CommitRow>

  /**
   * For each id the leaf it was committed with, if one of these generations holds it.
   *
   * @param ids - 16 bytes each
   */
  leavesOf(
    ids: readonly Uint8Array[],
    generations: readonly number[],
  ): Promise<readonly (number | undefined)[]>

  /**
   * Writes one step of the log: all of it, or nothing.
   *
   * Resolves only when the step would survive a power cut. If it rejects, nobody can know what was kept, and what is
   * written behind a torn step may not be found again: this storage answers reads, refuses every other write with
   * `LEDGER_POISONED`, and must be reopened.
   *
   * @throws LedgerError `LEDGER_OTHER_WRITER` if `commit.follows` is not the stored tree size, that is, another
   * writer was here; `LEDGER_DISK_FULL` if the device had no room; `LEDGER_POISONED` after an earlier write failed
   */
  commit(commit: Commit): Promise<void>

  /**
   * Moves everything committed before the call out of the journal, to where it is read from after the next
   * opening. Costs a write of all that the journal holds: call it seldom.
   *
   * A journal can lose a step in its middle without an error; what is settled no longer depends on it.
   */
  settle(): Promise<void>

  /** Leaves that are settled; never more than are. Losing the newest value is allowed. */
  settledSize(): Promise<number>

  /** Leaves that a scrubber has re-read and found right since they were settled. */
  verifiedSize(): Promise<number>

  /** Remembers how far a scrubber came. Losing the newest value is allowed. */
  setVerifiedSize(treeSize: number): Promise<void>

  /** Forgets the ids of every generation before this one. */
  dropGenerationsBefore(generation: number): Promise<void>

  /**
   * Withdraws records, durably, all or none: from here on only their tombstones are answered. Where a tombstone stands
   * already, the new one replaces it. The records' bytes may still be on disk: see `purge`. Fails as `commit` does.
   *
   * Whoever reads while it happens is answered the one or the other, never nothing.
   *
   * @param tombstones - of leaves of the tree, no leaf twice
   */
  withdraw(tombstones: readonly Tombstone[]): Promise<void>

  /**
   * Puts records where tombstones stand, durably, all or none: from here on they are answered again. The other way of
   * `withdraw`, with the same promises to readers and the same errors.
   *
   * @param records - of leaves of the tree, no leaf twice
   */
  restore(records: readonly StoredRecord[]): Promise<void>

  /**
   * Makes withdrawn records gone: no byte of them is left in a live file. Works in steps, and everything else goes on
   * meanwhile. Repeatable: after a crash, a stop or a failure the next call goes on with what was left. A record that is
   * restored meanwhile stays.
   *
   * @returns whether everything that had been withdrawn before the call is gone; `false` if it was stopped before
   * @throws LedgerError as `commit`
   */
  purge(options?: PurgeOptions): Promise<boolean>

  space(): Promise<Space>

  /** Lets go of everything. What was committed stays; no other call may follow. */
  close(): Promise<void>
}

/** Most leaves that one call of {@link LogStorage.records} answers, so that no reader holds a snapshot for long. */
export const MAX_RECORDS = 4_096

const GENERATION_MS = 30 * 24 * 60 * 60 * 1_000

/**
 * Returns the generation in which an id that was committed at `timeMs` is kept: 30-day spans since 1970,
 * 0 … 65,535.
 */
export function generationOf(timeMs: number): number {
  return Math.floor(timeMs / GENERATION_MS)
}

/** @throws `RangeError` unless `[start, end)` is a page of the tree's leaves */
export function requireRecordRange(start: number, end: number, treeSize: number): void {
  if (start >= 0 && start <= end && end - start <= MAX_RECORDS && end <= treeSize) return
  throw new RangeError(`records: expected up to ${MAX_RECORDS} of [0, ${treeSize}), got [${start}, ${end})`)
}

/** A row that a storage keeps: it holds the widest state that was committed. */
export interface StoredPlace {
  readonly kind: "tile" | "bundle"
  /** 0 for a bundle, whose place is that of the tile with its leaf hashes. */
  readonly level: number
  readonly index: number
}

/**
 * Answers {@link LogStorage.read}: parses the path, asks for the row, cuts it to the width in the path.
 *
 * @param stored - returns the row, `undefined` if there is none
 */
export async function readCut(
  path: string,
  treeSize: number,
  stored: (place: StoredPlace) => Uint8Array | undefined | Promise<Uint8Array | undefined>,
): Promise<Uint8Array | undefined> {
  const asked = parsePath(path)
  if (asked === undefined || asked.width > widthOf(asked, treeSize)) return undefined
  return cut(path, asked, await stored(asked))
}

type Asked = StoredPlace & { readonly width: number }

/** `undefined` for what is no path of a tile or bundle: no commit has written it. */
function parsePath(path: string): Asked | undefined {
  try {
    if (path.startsWith("tile/entries/")) return { kind: "bundle", level: 0, ...parseBundlePath(path) }
    return { kind: "tile", ...parseTilePath(path) }
  } catch {
    return undefined
  }
}

function widthOf({ level, index }: StoredPlace, treeSize: number): number {
  return tileAt(level, index, treeSize)?.width ?? 0
}

function cut(path: string, { kind, width }: Asked, stored: Uint8Array | undefined): Uint8Array {
  try {
    if (stored === undefined) throw new Error("there is no such row")
    if (kind === "bundle") return cutBundle(stored, width)
    if (stored.length >= width * HASH_SIZE) return stored.subarray(0, width * HASH_SIZE)
    throw new Error(`there are ${stored.length} bytes`)
  } catch (cause) {
    throw new LedgerError("LEDGER_CORRUPT", `${path} was committed and is missing or too short`, { cause })
  }
}
