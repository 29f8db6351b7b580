/**
 * Heads as a monitor compares them: signed by the log, whoever shows them, however many witnesses have seen them.
 *
 * A quorum is asked of what a log shows us (watch.ts). Here every head counts that carries the log's good signature:
 * one that no witness ever saw convicts the log all the same.
 *
 * Pure: no I/O, no clock.
 */

import { encodeBase64 } from "@prooflog/tlog/base64"
import { TlogError } from "@prooflog/tlog/error"
import type { OpaqueKey, VerifierKey } from "@prooflog/tlog/key"
import { formatNote, type Note, type NoteSignature, openNote, parseNote } from "@prooflog/tlog/note"
import { type OpenedCheckpoint, openCheckpoint, type Policy } from "@prooflog/tlog/policy"
import { isShortHead, MAX_HEAD_BYTES } from "@prooflog/verifier/advance"

/** Bytes of the longest head that is taken from others: of the longest that any reader believes. */
export const MAX_HEAD_LENGTH = MAX_HEAD_BYTES

/** The same log and witnesses, but any head counts that the log has signed. */
export function withoutQuorum(policy: Policy): Policy {
  return { ...policy, quorum: "none" }
}

/**
 * Opens a head that someone shows, on the log's word alone, keeping the signatures that are good and no others: what is
 * appended, or spoilt on the way or by the log itself, is neither kept nor passed on, and spoils nothing else.
 *
 * @param note - suspect
 * @returns `undefined` unless it is a checkpoint with the log's good signature, short enough to be believed
 */
export function openShownHead(note: string, policy: Policy): OpenedCheckpoint | undefined {
  if (note.length > MAX_HEAD_LENGTH) return undefined
  try {
    const parsed = parseNote(note)
    if (!isShortHead(parsed)) return undefined
    const signatures = goodOnly(
      parsed,
      [...policy.logs, ...policy.witnesses].map(({ key }) => key),
    )
    if (signatures.length === 0) return undefined
    return trimmed(openCheckpoint(formatNote({ text: parsed.text, signatures }), withoutQuorum(policy)))
  } catch (error) {
    if (error instanceof TlogError) return undefined
    throw error
  }
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

/** The same head without the signatures that nobody checked. */
export function trimmed(opened: OpenedCheckpoint): OpenedCheckpoint {
  return { ...opened, note: formatNote(checkedOnly(parseNote(opened.note), opened)) }
}

/** The first signature of each key counts, as where it was opened. */
function checkedOnly({ text, signatures }: Note, { logKey, cosignatures }: OpenedCheckpoint): Note {
  const checked = [logKey, ...cosignatures.map(({ key }) => key)].map((key) =>
    signatures.filter(({ name, keyId }) => name === key.name && keyId === key.keyId).slice(0, 1),
  )
  return { text, signatures: checked.flat() }
}

/** Size and root: the same for all notes of one head, whoever cosigned them, however they are spelled. */
export function headKey({ checkpoint: { treeSize, rootHash } }: OpenedCheckpoint): string {
  return `${treeSize} ${encodeBase64(rootHash)}`
}
