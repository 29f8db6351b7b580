/**
 * Checkpoints that somebody shows: believed on the log's word alone.
 *
 *     shown    text   stranger's   witness's, spoilt   log's, spoilt   log's   witness's
 *     opened   text                                                    log's   witness's
 *
 * Anybody can append signatures to a note or spoil those on it. That must not hide what the log has signed: two such
 * checkpoints that contradict each other convict the log, however few witnesses have seen them.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { TlogError } from "./error.js"
import type { OpaqueKey, VerifierKey } from "./key.js"
import { formatNote, type Note, type NoteSignature, openNote, parseNote } from "./note.js"
import { type OpenedCheckpoint, openCheckpoint, type Policy } from "./policy.js"
import { NONE } from "./policy-text.js"

/**
 * Opens a checkpoint that a log of the policy has signed, keeping the signatures by keys of the policy that verify, of
 * each key the first, in the note's order, and no others. No quorum is asked for.
 *
 * @param note - suspect
 * @throws {@link TlogError} `TLOG_MALFORMED_NOTE`, `TLOG_MALFORMED_CHECKPOINT`; `TLOG_UNKNOWN_LOG` if no log of the
 * policy has this origin; `TLOG_NO_SIGNATURE` or `TLOG_BAD_SIGNATURE` if no signature by it verifies
 */
export function openShownCheckpoint(note: Uint8Array | string, policy: Policy): OpenedCheckpoint {
  const shown = parseNote(note)
  const signatures = goodOnly(
    shown,
    [...policy.logs, ...policy.witnesses].map(({ key }) => key),
  )
  // A note has signatures: without a good one, the log's own word decides how it is refused.
  if (signatures.length === 0) {
    return openCheckpoint(formatNote(shown), { ...policy, witnesses: [], groups: [], quorum: NONE })
  }
  return openCheckpoint(formatNote({ text: shown.text, signatures }), { ...policy, quorum: NONE })
}

/** In the note's order, of each key the first that verifies. */
function goodOnly(
  { text, signatures }: Note,
  keys: readonly (VerifierKey | OpaqueKey)[],
): readonly NoteSignature[] {
  const left = new Set(keys)
  return signatures.filter((signature) => {
    const key = [...left].find(({ name, keyId }) => name === signature.name && keyId === signature.keyId)
    return key !== undefined && isGood(text, signature, key) && left.delete(key)
  })
}

function isGood(text: string, signature: NoteSignature, key: VerifierKey | OpaqueKey): boolean {
  try {
    openNote({ text, signatures: [signature] }, [key])
    return true
  } catch (error) {
    if (error instanceof TlogError) return false
    throw error
  }
}
