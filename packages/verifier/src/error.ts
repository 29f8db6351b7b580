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

import { EventError } from "@prooflog/event/error"
import { TlogError } from "@prooflog/tlog/error"

/** Every code of this package, in the order of docs/errors.md. */
export const VERIFIER_ERROR_CODES = [
  /** Not evidence, a certificate, a challenge or answers, of the format asked for, or something in it that proves nothing. */
  "VERIFIER_MALFORMED_EVIDENCE",
  /** Not a receipt, or one without its entry. */
  "VERIFIER_MALFORMED_RECEIPT",
  /** A checkpoint that the policy does not make believable; the cause says why. */
  "VERIFIER_CHECKPOINT_REFUSED",
  /** The log signed the checkpoint, and too few witnesses cosigned it, for now; the cause names who is missing. */
  "VERIFIER_NO_QUORUM",
  /** Whether the policy is met hangs on a signature of a type that cannot be checked here. */
  "VERIFIER_UNKNOWN_KEY_TYPE",
  /** An inclusion proof that does not lead from the entry to the root, or from an item to that of its notice. */
  "VERIFIER_NOT_IN_TREE",
  /** An entry that breaks the rules of its form, or is not the kind or the one that was promised. */
  "VERIFIER_ENTRY_REFUSED",
  /** What is shown of an event does not open the commitment that was logged. */
  "VERIFIER_DISCLOSURE_REFUSED",
  /** A required name is withheld or absent. */
  "VERIFIER_NOT_DISCLOSED",
  /** A head of another origin than the head known. */
  "VERIFIER_OTHER_LOG",
  /** A head of fewer leaves than the head known. */
  "VERIFIER_WENT_BACK",
  /** Two signed heads of one log, neither extending the other. */
  "VERIFIER_FORKED",
  /** The tiles of the right edge do not make the signed root. */
  "VERIFIER_ROOT_REFUSED",
  /** A tile of another length, or not the one under the signed root. */
  "VERIFIER_TILE_REFUSED",
  /** A bundle with too few or too many entries, or an entry that is not the signed leaf. */
  "VERIFIER_BUNDLE_REFUSED",
  /** Leaf 0 is no genesis of this origin, or a later leaf is one. */
  "VERIFIER_GENESIS_REFUSED",
  /** A leaf's time is before the time of the leaf before. */
  "VERIFIER_TIME_WENT_BACK",
  /** An event's class is in no schedule before it. */
  "VERIFIER_UNKNOWN_CLASS",
  /** A schedule drops a class or shortens a promise. */
  "VERIFIER_SCHEDULE_REFUSED",
  /** Two leaves have the same commitment. */
  "VERIFIER_REPEATED_COMMITMENT",
  /** A record that does not open its entry's commitment, or stands where none may be. */
  "VERIFIER_RECORD_REFUSED",
  /** An event of which neither a record nor a tombstone is shown, nor a reason that excuses it. */
  "VERIFIER_MISSING_RECORD",
  /** The log does not serve what its checkpoint implies. */
  "VERIFIER_MISSING",
  /** A source could not find out what it serves. */
  "VERIFIER_SOURCE_FAILED",
  /** More leaves than repeated commitments can be looked for in: 2³¹, or what the memory holds. */
  "VERIFIER_LOG_TOO_LARGE",
  /** Not a file of format `prooflog-accusation/1`, or something in it that proves nothing. */
  "VERIFIER_ACCUSATION_MALFORMED",
  /** An accusation that does not convict. */
  "VERIFIER_ACCUSATION_REFUSED",
] as const

export type VerifierErrorCode = (typeof VERIFIER_ERROR_CODES)[number]

/** The codes that accuse nobody: something was withheld, missing for now, unknown here or out of reach. */
const COULD_NOT_TELL: ReadonlySet<VerifierErrorCode> = new Set<VerifierErrorCode>([
  "VERIFIER_NO_QUORUM",
  "VERIFIER_UNKNOWN_KEY_TYPE",
  "VERIFIER_NOT_DISCLOSED",
  "VERIFIER_MISSING_RECORD",
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
  /** The earlier leaf that `leafIndex` contradicts, where it is known. */
  readonly otherLeaf?: number
  /** Path below the log's URL prefix, such as `tile/entries/000`. */
  readonly path?: string
  readonly heads?: ConflictingHeads
}

export class VerifierError extends Error {
  override readonly name = "VerifierError"
  readonly code: VerifierErrorCode
  /** The leaf it is about, 0 … 2⁵³ − 1. */
  readonly leafIndex: number | undefined
  /** The earlier leaf that it contradicts. */
  readonly otherLeaf: number | undefined
  /** The tile, bundle or checkpoint it is about. */
  readonly path: string | undefined
  readonly heads: ConflictingHeads | undefined

  constructor(code: VerifierErrorCode, message: string, details: VerifierErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.leafIndex = details.leafIndex
    this.otherLeaf = details.otherLeaf
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

/**
 * Returns what to throw where another room has thrown: a refusal, if that is what it was; or the very thing
 * that was thrown, if it was a bug or a full memory, which must not read as an accusation.
 *
 * @param what - what is refused; why, is in the words of `cause`
 */
export function refusalBy(
  cause: unknown,
  code: VerifierErrorCode,
  what: string,
  details: Omit<VerifierErrorDetails, "cause"> = {},
): unknown {
  if (!(cause instanceof TlogError || cause instanceof EventError)) return cause
  return new VerifierError(code, `${what}: ${cause.message}`, { ...details, cause })
}

/** The words of whatever was thrown, for a message that quotes its cause. */
export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
