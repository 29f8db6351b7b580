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
import { formatNote, type Note, parseNote } from "@prooflog/tlog/note"
import { type OpenedCheckpoint, openCheckpoint, type Policy } from "@prooflog/tlog/policy"

/** Characters of the longest head that is taken from others: a hundred Ed25519 cosignatures fit. */
export const MAX_HEAD_LENGTH = 65_536

/** The same log and witnesses, but any head counts that the log has signed. */
export function withoutQuorum(policy: Policy): Policy {
  return { ...policy, quorum: "none" }
}

/**
 * Opens a head that someone shows, keeping the signatures that were checked and no others: what strangers append is
 * neither kept nor passed on.
 *
 * @param note - suspect
 * @returns `undefined` unless it is a checkpoint with the log's good signature, and no claim in it fails
 */
export function openShownHead(note: string, policy: Policy): OpenedCheckpoint | undefined {
  if (note.length > MAX_HEAD_LENGTH) return undefined
  try {
    return trimmed(openCheckpoint(note, withoutQuorum(policy)))
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

/** Size and root: the same for all notes of one head, whoever cosigned them, however they are spelled. */
export function headKey({ checkpoint: { treeSize, rootHash } }: OpenedCheckpoint): string {
  return `${treeSize} ${encodeBase64(rootHash)}`
}
