/**
 * From one verified head to the next.
 *
 *     known    ├── tree of m leaves ──┤
 *     shown    ├── tree of n leaves ───────────────┤      the first m leaves are the same, or it is a fork
 *
 * The consistency proof is made here, from the log's tiles: no proof endpoint is needed, and none is
 * believed. A reader keeps the head it verified last and gives it back the next time; from a log it never
 * goes back behind it, nor to the side.
 *
 * Spec: c2sp.org/tlog-tiles, RFC 9162 section 2.1.4.
 * Effects: those of the source.
 */

import { checkConsistency, proveConsistency } from "@prooflog/tlog/consistency"
import { TlogError } from "@prooflog/tlog/error"
import { equalBytes } from "@prooflog/tlog/hash"
import { rootFromTiles } from "@prooflog/tlog/inclusion"
import { type Note, parseNote } from "@prooflog/tlog/note"
import {
  isQuorum,
  type OpenedCheckpoint,
  openCheckpoint,
  type Policy,
  type PolicyLog,
  type PolicyWitness,
} from "@prooflog/tlog/policy"
import { refusalBy, VerifierError } from "./error.js"
import { type LogSource, readCheckpoint, tileReader } from "./source.js"

/**
 * Returns the log's newest head, opened under the policy, once it is shown to extend `previous`.
 *
 * @param previous - the head verified last. Without one the log is trusted on first use, as far as the
 * policy's signatures go: a reader that can should begin with a head that came with its policy.
 * @throws {@link VerifierError} `VERIFIER_CHECKPOINT_REFUSED`, `VERIFIER_NO_QUORUM`, `VERIFIER_UNKNOWN_KEY_TYPE`,
 * `VERIFIER_OTHER_LOG`, `VERIFIER_WENT_BACK`, `VERIFIER_FORKED` (both heads in the error), `VERIFIER_TILE_REFUSED` if the tiles
 * prove nothing either way, and what reading throws
 */
export async function advance(
  previous: OpenedCheckpoint | undefined,
  source: LogSource,
  policy: Policy,
): Promise<OpenedCheckpoint> {
  const shown = openHead(await readCheckpoint(source), policy)
  if (previous !== undefined) await checkGrowth(previous, shown, source)
  return shown
}

/**
 * Bytes of the longest head that is believed: as many as monitors and logs take from whoever shows them one. With a longer
 * one a log could fork for someone who can tell nobody.
 */
export const MAX_HEAD_BYTES = 65_536

/** Bytes of the text of such a head, extension lines and all: a hundred Ed25519 cosignatures fit beside it. */
export const MAX_HEAD_TEXT_BYTES = 16_384

/**
 * Opens a signed note as a checkpoint of a log that the policy names, to be believed.
 *
 * @throws {@link VerifierError} as {@link openAnyHead}; `VERIFIER_CHECKPOINT_REFUSED`, too, for one that is longer than
 * {@link MAX_HEAD_BYTES} or whose text is longer than {@link MAX_HEAD_TEXT_BYTES}
 */
export function openHead(note: string, policy: Policy): OpenedCheckpoint {
  const opened = openAnyHead(note, policy)
  if (lengthOf(note) <= MAX_HEAD_BYTES && isShortHead(parseNote(note))) return opened
  const message = `checkpoint refused: longer than ${MAX_HEAD_BYTES} bytes, or its text than ${MAX_HEAD_TEXT_BYTES}`
  throw new VerifierError("VERIFIER_CHECKPOINT_REFUSED", message, { path: "checkpoint" })
}

/**
 * Opens a signed note of any length: what is too long to be believed convicts all the same.
 *
 * @throws {@link VerifierError} `VERIFIER_CHECKPOINT_REFUSED`; `VERIFIER_NO_QUORUM` if it lacks nothing but cosignatures;
 * `VERIFIER_UNKNOWN_KEY_TYPE` if it might be believed by someone who can check the signatures of every type that the
 * policy names
 */
export function openAnyHead(note: string, policy: Policy): OpenedCheckpoint {
  const path = "checkpoint"
  try {
    return openCheckpoint(note, policy)
  } catch (cause) {
    if (cause instanceof TlogError && hangsOnUnknownTypes(note, policy, cause)) {
      const message = `cannot check the checkpoint: ${cause.message}, but for signatures of types that are unknown here`
      throw new VerifierError("VERIFIER_UNKNOWN_KEY_TYPE", message, { cause, path })
    }
    if (cause instanceof TlogError && cause.code === "TLOG_NO_QUORUM") {
      const message = `cannot believe the checkpoint yet: ${cause.message}`
      throw new VerifierError("VERIFIER_NO_QUORUM", message, { cause, path })
    }
    throw refusalBy(cause, "VERIFIER_CHECKPOINT_REFUSED", "checkpoint refused", { path })
  }
}

/** Whether the text of a head is short enough to be believed. */
export function isShortHead({ text }: Pick<Note, "text">): boolean {
  return lengthOf(text) <= MAX_HEAD_TEXT_BYTES
}

/** Bytes in UTF-8. */
function lengthOf(text: string): number {
  return new TextEncoder().encode(text).length
}

/**
 * Whether {@link openHead} refused a head for its cosignatures alone: the log signed it, but there is no quorum, or none
 * that can be checked here. It proves nothing yet; the same head may come back with what it lacks.
 */
export function lacksQuorum(error: unknown): boolean {
  return error instanceof VerifierError && error.code === "VERIFIER_NO_QUORUM"
}

/**
 * Whether the policy would have been met if every signature that claims to be by a key of it were good.
 *
 * Those of types that are known were checked before, so only the others can make the difference.
 */
function hangsOnUnknownTypes(note: string, policy: Policy, { code, evidence }: TlogError): boolean {
  if (code !== "TLOG_NO_SIGNATURE" && code !== "TLOG_NO_QUORUM") return false
  const { signatures } = parseNote(note)
  const isClaimed = ({ key }: PolicyLog | PolicyWitness) =>
    signatures.some(({ name, keyId }) => name === key.name && keyId === key.keyId)
  if (code === "TLOG_NO_SIGNATURE") {
    return policy.logs.some((log) => log.key.name === evidence.origin && isClaimed(log))
  }
  return isQuorum(
    policy,
    policy.witnesses.filter(isClaimed).map(({ name }) => name),
  )
}

/**
 * Checks that the log of `shown` is the log of `known`, grown or unchanged.
 *
 * @throws {@link VerifierError} as {@link advance}
 */
export async function checkGrowth(
  known: OpenedCheckpoint,
  shown: OpenedCheckpoint,
  source: LogSource,
): Promise<void> {
  const heads = { known: known.note, shown: shown.note }
  const { origin, treeSize: oldSize, rootHash: oldRoot } = known.checkpoint
  const { treeSize: newSize, rootHash: newRoot } = shown.checkpoint
  if (shown.checkpoint.origin !== origin) {
    const message = `the log was ${JSON.stringify(origin)}, now it says ${JSON.stringify(shown.checkpoint.origin)}`
    throw new VerifierError("VERIFIER_OTHER_LOG", message, { heads })
  }
  if (newSize < oldSize) {
    const message = `the log went back from ${oldSize} leaves to ${newSize}`
    throw new VerifierError("VERIFIER_WENT_BACK", message, { heads })
  }
  if (newSize === oldSize) {
    if (equalBytes(newRoot, oldRoot)) return
    const message = `two heads of ${newSize} leaves have different roots`
    throw new VerifierError("VERIFIER_FORKED", message, { heads })
  }
  // The empty tree is the beginning of every log.
  if (oldSize === 0) return
  const readTiles = tileReader(source, newSize)
  const proof = await proveConsistency(oldSize, newSize, readTiles)
  if (isConsistent(oldSize, oldRoot, newSize, newRoot, proof)) return
  // Either the tiles are wrong, which proves nothing, or they do make the new root and had another
  // beginning than the head we know: then the two signed heads convict the log.
  const otherRoot = await rootFromTiles(oldSize, readTiles)
  if (isConsistent(oldSize, otherRoot, newSize, newRoot, proof)) {
    const message = `the head of ${newSize} leaves does not extend the head of ${oldSize} leaves`
    throw new VerifierError("VERIFIER_FORKED", message, { heads })
  }
  const message = `the tiles do not make the root of the head of ${newSize} leaves`
  throw new VerifierError("VERIFIER_TILE_REFUSED", message, { heads })
}

/** A boolean, but a private one: both its uses decide what to throw. */
function isConsistent(
  oldSize: number,
  oldRoot: Uint8Array,
  newSize: number,
  newRoot: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  try {
    checkConsistency({ oldSize, oldRoot, newSize, newRoot, proof })
    return true
  } catch (error) {
    if (error instanceof TlogError) return false
    throw error
  }
}
