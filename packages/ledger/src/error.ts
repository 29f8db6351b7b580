/**
 * The errors of the writer. Codes are a contract within a major version, messages are for people.
 */

/** Every code that a {@link LedgerError} can carry. */
export const LEDGER_ERROR_CODES = [
  /** The head beside the key is no checkpoint that this key signed for this origin. */
  "LEDGER_BAD_SIGNED_HEAD",
  /** More was signed than is stored: an old backup, or a lost disk. Nothing is signed. */
  "LEDGER_BEHIND_SIGNED_HEAD",
  /** A witness has cosigned more of this log than is stored: an old backup. Nothing is signed. */
  "LEDGER_BEHIND_WITNESS",
  /** The wall clock is more than 10 minutes ahead of what passed; ends when it returns or is accepted. */
  "LEDGER_CLOCK_JUMPED",
  /** The ledger or storage was closed. */
  "LEDGER_CLOSED",
  /** What is stored does not fit together; the error names the first leaf. */
  "LEDGER_CORRUPT",
  /** The device is full, or nearly: nothing is accepted until there is room. */
  "LEDGER_DISK_FULL",
  /** Another process, or another part of this one, has the storage open. */
  "LEDGER_LOCKED",
  /** A leaf has neither record nor tombstone; the error names it. */
  "LEDGER_MISSING_RECORD",
  /** A head could not be signed, kept, added to or cosigned by a quorum. Events are durable all the same. */
  "LEDGER_NOT_PUBLISHING",
  /** There are leaves but no head beside the key: perhaps an old backup. An administrator may adopt it. */
  "LEDGER_NO_SIGNED_HEAD",
  /** A commit does not follow the stored tree: someone else wrote to it. */
  "LEDGER_OTHER_WRITER",
  /** A commit failed and nobody knows what of it was kept: the ledger must be reopened. */
  "LEDGER_POISONED",
  /** Too many bytes wait to be committed: try again. */
  "LEDGER_QUEUE_FULL",
  /** The record of a leaf was destroyed, and its tombstone stays for ever; the error names the leaf. */
  "LEDGER_RECORD_DESTROYED",
  /** A record that was to be restored does not open the entry of its leaf; the error names it. */
  "LEDGER_RECORD_REFUSED",
  /** The stored tree has another root than was signed at that size: a fork. Nothing is signed. */
  "LEDGER_SIGNED_HEAD_MISMATCH",
  /** The storage failed in a way that has no other name. */
  "LEDGER_STORAGE_FAILED",
  /** A witness has cosigned a larger tree of this log than was signed here: another writer, or an old backup. */
  "LEDGER_WITNESS_AHEAD",
  /** A witness refuses our tree although it was proven to grow out of its own: it has cosigned another. */
  "LEDGER_WITNESS_DISAGREES",
] as const

export type LedgerErrorCode = (typeof LEDGER_ERROR_CODES)[number]

/** A tree as it is known on one side of a disagreement. */
export interface KnownTree {
  readonly treeSize: number
  /** 32 bytes; absent where the root at that size could not be computed. */
  readonly rootHash?: Uint8Array
}

export interface LedgerErrorOptions {
  readonly cause?: unknown
  /** The first leaf that is damaged or missing. */
  readonly leafIndex?: number
  /** What was signed and what is stored, where the two disagree. */
  readonly heads?: { readonly signed: KnownTree; readonly stored: KnownTree }
}

export class LedgerError extends Error {
  override readonly name = "LedgerError"
  readonly code: LedgerErrorCode
  readonly leafIndex?: number
  readonly heads?: { readonly signed: KnownTree; readonly stored: KnownTree }

  constructor(code: LedgerErrorCode, message: string, options: LedgerErrorOptions = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined)
    this.code = code
    if (options.leafIndex !== undefined) this.leafIndex = options.leafIndex
    if (options.heads !== undefined) this.heads = options.heads
  }
}
