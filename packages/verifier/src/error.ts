/**
 * What can go wrong while verifying, and what each of it means for the verdict.
 *
 * Codes are a contract, messages are not. A code stands for one of two verdicts:
 *
 *     refused   the thing shown is not what it claims to be     exit 1 of the commands
 *     unknown   nobody could tell, for now or for this policy   exit 2
 *
 * Pure: no I/O, no clock, no randomness.
 */

/** Every code of this package, in the order of docs/errors.md. */
export const VERIFIER_ERROR_CODES = [
  "VERIFIER_MALFORMED_EVIDENCE",
  "VERIFIER_MALFORMED_RECEIPT",
  "VERIFIER_CHECKPOINT_REFUSED",
  "VERIFIER_NOT_IN_TREE",
  "VERIFIER_ENTRY_REFUSED",
  "VERIFIER_DISCLOSURE_REFUSED",
  "VERIFIER_NOT_DISCLOSED",
  "VERIFIER_OTHER_LOG",
  "VERIFIER_WENT_BACK",
  "VERIFIER_FORKED",
  "VERIFIER_ROOT_REFUSED",
  "VERIFIER_TILE_REFUSED",
  "VERIFIER_BUNDLE_REFUSED",
  "VERIFIER_GENESIS_REFUSED",
  "VERIFIER_TIME_WENT_BACK",
  "VERIFIER_UNKNOWN_CLASS",
  "VERIFIER_SCHEDULE_REFUSED",
  "VERIFIER_REPEATED_COMMITMENT",
  "VERIFIER_MISSING",
  "VERIFIER_SOURCE_FAILED",
  "VERIFIER_LOG_TOO_LARGE",
] as const

export type VerifierErrorCode = (typeof VERIFIER_ERROR_CODES)[number]

/** The codes that accuse nobody: something was withheld, missing or out of reach. */
const COULD_NOT_TELL: ReadonlySet<VerifierErrorCode> = new Set<VerifierErrorCode>([
  "VERIFIER_NOT_DISCLOSED",
  "VERIFIER_MISSING",
  "VERIFIER_SOURCE_FAILED",
  "VERIFIER_LOG_TOO_LARGE",
])

/** Two heads of one log that cannot both be honest: complete evidence, if both were signed. */
export interface ConflictingHeads {
  /** The signed note that was verified before, verbatim. */
  readonly known: string
  /** The signed note shown now, verbatim. */
  readonly shown: string
}

/** Where it went wrong, as far as it can be named. */
export interface VerifierErrorDetails {
  readonly cause?: unknown
  readonly leafIndex?: number
  /** Path below the log's URL prefix, such as `tile/entries/000`. */
  readonly path?: string
  readonly heads?: ConflictingHeads
}

export class VerifierError extends Error {
  override readonly name = "VerifierError"
  readonly code: VerifierErrorCode
  /** The leaf it is about, 0 … 2⁵³ − 1. */
  readonly leafIndex: number | undefined
  /** The tile, bundle or checkpoint it is about. */
  readonly path: string | undefined
  readonly heads: ConflictingHeads | undefined

  constructor(code: VerifierErrorCode, message: string, details: VerifierErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.leafIndex = details.leafIndex
    this.path = details.path
    this.heads = details.heads
  }
}

/**
 * Says whether an error refuses the thing that was verified, or only failed to find out.
 *
 * Anything that is not a {@link VerifierError} (a bug, a full memory) is `unknown`: a crash never
 * accuses anyone.
 */
export function verdictOf(error: unknown): "refused" | "unknown" {
  return error instanceof VerifierError && !COULD_NOT_TELL.has(error.code) ? "refused" : "unknown"
}

/** The words of whatever was thrown, for a message that quotes its cause. */
export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
