/**
 * The errors of the writer. Codes are a contract within a major version, messages are for people.
 */

/** Every code this package throws; docs/errors.md is tested against it. */
export const LEDGER_ERROR_CODES = [
  "LEDGER_BAD_SIGNED_HEAD",
  "LEDGER_BEHIND_SIGNED_HEAD",
  "LEDGER_CLOCK_JUMPED",
  "LEDGER_CLOSED",
  "LEDGER_CORRUPT",
  "LEDGER_DISK_FULL",
  "LEDGER_LOCKED",
  "LEDGER_MISSING_RECORD",
  "LEDGER_NOT_PUBLISHING",
  "LEDGER_NO_SIGNED_HEAD",
  "LEDGER_OTHER_WRITER",
  "LEDGER_POISONED",
  "LEDGER_QUEUE_FULL",
  "LEDGER_SIGNED_HEAD_MISMATCH",
  "LEDGER_STORAGE_FAILED",
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
