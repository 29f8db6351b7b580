/**
 * Everything the runs do to the world, as promises of those who do it.
 *
 *     log ──► entries        storage ──► records, tombstones        objects ──► segments, manifests
 *     holds ──► what must stay        rows ──► forget, rewrite        state ──► what the archive knows
 *
 * The log is believed: whoever gives it has held every entry against a head. Storage and objects are trusted to keep
 * what they acknowledged; what they give back is suspect, and held against the log.
 */

/** Most leaves that are asked for, or withdrawn, at once. */
export const MAX_LEAVES = 4_096

/** Most bytes of records that are put back at once. */
export const MAX_RESTORED_BYTES = 4 * 2 ** 20

/** A log, as far as one head reaches. A run takes it as it is when the run begins. */
export interface LogView {
  /** Leaves of the head. Entries were held against it. */
  readonly treeSize: number

  /**
   * Returns the entries of the leaves `[start, end)`, packed: uint16be length ‖ bytes.
   *
   * @param end - at most `start` + {@link MAX_LEAVES}; both in one page of so many leaves
   */
  entries(start: number, end: number): Promise<Uint8Array>
}

export interface StoredLeaf {
  readonly kind: "record" | "tombstone"
  readonly leafIndex: number
  /** A record of 0 bytes is that of a leaf that is no event. */
  readonly bytes: Uint8Array
}

/** The record store, as the ledger guards it. */
export interface RecordStorage {
  /** Returns what stands at the leaves `[start, end)`, at most {@link MAX_LEAVES} of them, in order. */
  records(start: number, end: number): Promise<readonly StoredLeaf[]>

  /**
   * Puts tombstones where records or moved tombstones stand, all or none; durable when it resolves. Nothing is put in
   * place of one that says *destroyed*: that is an error, unless it is the same.
   *
   * @param tombstones - ascending, at most {@link MAX_LEAVES}
   */
  withdraw(tombstones: readonly (StoredLeaf & { readonly kind: "tombstone" })[]): Promise<void>

  /**
   * Puts records where moved tombstones stand, all or none; durable when it resolves.
   *
   * @param records - ascending, at most {@link MAX_LEAVES} and {@link MAX_RESTORED_BYTES}
   */
  restoreRecords(records: readonly (StoredRecord & { readonly kind: "record" })[]): Promise<void>

  /** Makes withdrawn records gone. @returns whether all are; `false` if it was stopped */
  purge(options: { readonly signal?: AbortSignal | undefined }): Promise<boolean>
}

interface StoredRecord {
  readonly leafIndex: number
  readonly bytes: Uint8Array
}

interface Digest {
  readonly bytes: number
  /** 32 bytes. */
  readonly sha256: Uint8Array
}

/** Where objects are kept: the part of the object store that is needed here, with the promises that it makes. */
export interface SegmentObjects {
  /** Durable when it resolves, and whole or not there at all. Refuses other bytes under a key that is taken. */
  put(key: string, source: AsyncIterable<Uint8Array> | Uint8Array, object: Digest): Promise<void>
  /** Rejects, at the end at the latest, if the bytes are not those expected. */
  get(key: string, expected?: Digest): AsyncIterable<Uint8Array>
  list(prefix: string): AsyncIterable<{ readonly key: string }>
  /** Destroys every version. Repeatable. */
  destroy(key: string): Promise<number>
}

/** Leaves of one class, as they go into a segment. */
export interface SegmentPage {
  /** Ascending, one for each entry. */
  readonly leafIndices: readonly number[]
  /** Packed (uint16be length ‖ bytes). */
  readonly entries: Uint8Array
  /** Packed. */
  readonly records: Uint8Array
}

export interface SegmentRow {
  readonly leafIndex: number
  /** Suspect. */
  readonly record: Uint8Array
}

/** A segment that is written and not put anywhere yet. */
export interface DraftSegment {
  readonly rows: number
  readonly bytes: number
  /** Of the whole file: 64 lower-case hex digits. */
  readonly sha256: string
  /** Reads the file. */
  read(): AsyncIterable<Uint8Array>
  /** Removes the file. */
  discard(): Promise<void>
}

/** The form of segments: Parquet. Its drafts are scratch: what is left of one after a crash may be removed. */
export interface SegmentFiles {
  /** Writes a segment of one leaf or more. Takes the pages as it needs them. */
  write(pages: AsyncIterable<SegmentPage>): Promise<DraftSegment>

  /**
   * Reads the bytes of a segment to their end, and then its rows in the order of the file. A source that fails at its end
   * gives no row.
   */
  read(source: AsyncIterable<Uint8Array>): AsyncIterable<readonly SegmentRow[]>
}

/** The query store. */
export interface Rows {
  /** From here on no answer has a row of these leaves. Repeatable; leaves without a row are none of its business. */
  forget(leaves: readonly number[]): Promise<void>
  /** No byte of a forgotten row is left in a file, nor in an export that is kept. Repeatable. */
  rewrite(): Promise<void>
}

/** Legal holds. An error of either stops the run. */
export interface LegalHolds {
  /** Returns those of some leaves that a hold is on. Rejects if that cannot be told of each of them. */
  heldLeaves(leaves: readonly number[]): Promise<readonly number[]>
  /** Does a task during which no hold is placed. */
  whileTheyStay<T>(task: () => Promise<T>): Promise<T>
}

/** What a run has done. Told at least once, with the same words: its id is never that of another. */
export interface Told {
  readonly id: string
  readonly what: "archived" | "withdrawn" | "gone" | "expired" | "restored"
  readonly count: number
  readonly class?: string
  /** Key of the segment. */
  readonly key?: string
  readonly first_leaf?: number
  readonly last_leaf?: number
}

export interface Ports {
  readonly log: LogView
  readonly storage: RecordStorage
  readonly objects: SegmentObjects
  readonly segments: SegmentFiles
  readonly rows: Rows
  readonly holds: LegalHolds
  /** Durable when it resolves: an event of the log. */
  tell(told: Told): Promise<void>
  /** 32 fresh random hex digits. */
  newId(): string
}

/** A small file that is replaced as a whole. */
export interface StateFile {
  /** `undefined` if there is none yet. */
  read(): Promise<Uint8Array | undefined>
  /** Durable when it resolves; the old one or the new one at any time. */
  replace(bytes: Uint8Array): Promise<void>
}

/** How far a run is. */
export interface Progress {
  readonly step: "write" | "check" | "withdraw" | "purge" | "rewrite" | "restore"
  readonly className?: string
  /** Key of the segment it is about. */
  readonly key?: string
  /** Leaves of this step that are done. */
  readonly done: number
  /** Leaves there are at most, if that is known. */
  readonly of?: number
}

export interface RunOptions {
  /** Ends the run between two steps, as a crash would: with its reason. */
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: Progress) => void
}
