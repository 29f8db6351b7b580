/**
 * The errors of this package: one class, a closed list of codes.
 *
 * Codes are a contract; messages are for people and may change. A programmer's
 * mistake is a `TypeError` or a `RangeError` instead, and is not meant to be caught.
 */

/** Every code that a {@link TlogError} can carry. */
export const TLOG_ERROR_CODES = [
  /** A path is not the one spelling of a tile's or a bundle's path. */
  "TLOG_MALFORMED_TILE_PATH",
  /** Bytes are not a whole number of hashes, or not as many as asked for. */
  "TLOG_MALFORMED_TILE",
  /** Bytes are not `uint16be length ‖ entry`, or not as many entries as asked for. */
  "TLOG_MALFORMED_BUNDLE",
  /** Text is not a verifier key or a signer key, or its key ID is not its own. */
  "TLOG_MALFORMED_KEY",
  /** Two keys that are configured together share name and key ID. */
  "TLOG_AMBIGUOUS_KEY",
  /** Text is not a signed note. */
  "TLOG_MALFORMED_NOTE",
  /** A note's text is not a checkpoint. */
  "TLOG_MALFORMED_CHECKPOINT",
  /** Text is not a policy. */
  "TLOG_MALFORMED_POLICY",
  /** Text is not a receipt. */
  "TLOG_MALFORMED_RECEIPT",
  /** Bytes are not a request to a witness. */
  "TLOG_MALFORMED_WITNESS_REQUEST",
  /** No log of the policy has the checkpoint's origin. */
  "TLOG_UNKNOWN_LOG",
  /** No signature by a key that must have signed. */
  "TLOG_NO_SIGNATURE",
  /** A signature by a known key does not verify: forged or damaged. */
  "TLOG_BAD_SIGNATURE",
  /** Signed by the log, but not by the witnesses that the policy asks for. */
  "TLOG_NO_QUORUM",
  /** An inclusion or consistency proof does not prove its claim. */
  "TLOG_PROOF_REFUSED",
] as const

export type TlogErrorCode = (typeof TLOG_ERROR_CODES)[number]

/** What an error saw, for whoever must show it to others. Everything in it is suspect. */
export interface TlogEvidence {
  /** The whole note that was refused. */
  readonly note?: string
  /** The log origin that the note claims. */
  readonly origin?: string
  /** The key whose signature is missing or bad. */
  readonly keyName?: string
  readonly keyId?: number
  /** Witnesses of the policy whose cosignatures verified. */
  readonly witnesses?: readonly string[]
  /** The two sides of a refused proof. */
  readonly leafIndex?: number
  readonly leafHash?: Uint8Array
  readonly treeSize?: number
  readonly rootHash?: Uint8Array
  readonly oldSize?: number
  readonly oldRoot?: Uint8Array
  readonly newSize?: number
  readonly newRoot?: Uint8Array
}

/** Something from outside was refused. */
export class TlogError extends Error {
  override readonly name = "TlogError"
  readonly code: TlogErrorCode
  readonly evidence: TlogEvidence

  constructor(
    code: TlogErrorCode,
    message: string,
    options: { cause?: unknown; evidence?: TlogEvidence } = {},
  ) {
    super(message, "cause" in options ? { cause: options.cause } : undefined)
    this.code = code
    this.evidence = options.evidence ?? {}
  }
}
