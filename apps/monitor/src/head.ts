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
import { formatNote, MAX_SIGNATURES, type Note, parseNote } from "@prooflog/tlog/note"
import type { OpenedCheckpoint, Policy } from "@prooflog/tlog/policy"
import { openShownCheckpoint } from "@prooflog/tlog/shown-checkpoint"
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
    return isShortHead(parseNote(note)) ? trimmed(openShownCheckpoint(note, policy)) : undefined
  } catch (error) {
    if (error instanceof TlogError) return undefined
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

/**
 * Returns one of two notes of one head with the cosignatures of both, of each witness the one that was known; `known`
 * itself if the other brings none of another witness, or there is no room for them.
 *
 * Cosignatures are of a note's text, extension lines and all: of two texts the one that more have cosigned is kept.
 *
 * @param known - and `shown`: of the same size and root
 */
export function joined(known: OpenedCheckpoint, shown: OpenedCheckpoint): OpenedCheckpoint {
  const brought = shown.cosignatures.filter(
    ({ witness }) => !known.cosignatures.some((each) => each.witness === witness),
  )
  if (brought.length === 0) return known
  const [ours, theirs] = [parseNote(known.note), parseNote(shown.note)]
  if (ours.text !== theirs.text) return shown.cosignatures.length > known.cosignatures.length ? shown : known
  const added = theirs.signatures.filter(({ name, keyId }) =>
    brought.some(({ key }) => key.name === name && key.keyId === keyId),
  )
  const signatures = [...ours.signatures, ...added]
  const note = formatNote({ text: ours.text, signatures })
  if (signatures.length > MAX_SIGNATURES || note.length > MAX_HEAD_LENGTH) return known
  return { ...known, note, cosignatures: [...known.cosignatures, ...brought] }
}

/** Leaves of a head's tree. */
export function sizeOf({ checkpoint }: OpenedCheckpoint): number {
  return checkpoint.treeSize
}

/** 1 → "1 leaf" */
export function leavesOf(head: OpenedCheckpoint): string {
  return sizeOf(head) === 1 ? "1 leaf" : `${sizeOf(head)} leaves`
}

/** Size and root: the same for all notes of one head, whoever cosigned them, however they are spelled. */
export function headKey({ checkpoint: { treeSize, rootHash } }: OpenedCheckpoint): string {
  return `${treeSize} ${encodeBase64(rootHash)}`
}
