/**
 * Cosignatures: at that time, this is the largest consistent checkpoint of its log that the cosigner has seen.
 *
 *     signature   uint64be time ‖ Ed25519(message)
 *     message     cosignature/v1\n
 *                 time 1679315147\n
 *                 <the note's text, extension lines and final line feed included>
 *
 * The message does not name the cosigner, so each needs a key of its own.
 *
 * Spec: c2sp.org/tlog-cosignature, "Ed25519 signatures" (type 0x04).
 * Pure: no I/O, no randomness; the time is an argument.
 */

import { ed25519Sign, ed25519Verify } from "#platform"
import { TlogError } from "./error.js"
import { ED25519_COSIGNATURE, type SignerKey, type VerifierKey } from "./key.js"
import type { NoteSignature } from "./signature-line.js"
import { requireSize } from "./size.js"
import { encodeText, hasLoneSurrogate, requireNoteText } from "./text.js"

const TIME_SIZE = 8
const SIGNATURE_SIZE = 64

/**
 * Returns the cosignature of a checkpoint.
 *
 * Only for checkpoints whose consistency with the last cosigned one was checked.
 *
 * @param noteText - the note's text with its final line feed, without signatures
 * @param signer - of type 0x04
 * @param timeSeconds - seconds since the epoch
 * @throws `RangeError` if no note can have this text or the time is no integer of 0 … 2⁵³ − 1; `TypeError` for a signer
 * of another type
 */
export function cosign(noteText: string, signer: SignerKey, timeSeconds: number): NoteSignature {
  if (signer.type !== ED25519_COSIGNATURE) throw new TypeError("signer: cosignatures are by keys of type 4")
  requireNoteText("noteText", noteText)
  requireSize("timeSeconds", timeSeconds)
  const bytes = new Uint8Array(TIME_SIZE + SIGNATURE_SIZE)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(timeSeconds))
  bytes.set(ed25519Sign(signer.seed, cosignedMessage(noteText, timeSeconds)), TIME_SIZE)
  return { name: signer.name, keyId: signer.keyId, bytes }
}

/**
 * Checks a cosignature and returns its time, in seconds since the epoch: the cosigner's word.
 *
 * @param noteText - suspect
 * @throws {@link TlogError} `TLOG_BAD_SIGNATURE` if it is not by this key over this text, or its time is past 2⁵³ − 1
 */
export function checkCosignature(
  noteText: string,
  key: VerifierKey,
  signature: NoteSignature,
): { readonly timeSeconds: number } {
  const timeSeconds = timeOfCosignature(noteText, key, signature)
  if (timeSeconds !== undefined) return { timeSeconds }
  throw new TlogError("TLOG_BAD_SIGNATURE", `the cosignature by ${key.name} does not verify`, {
    evidence: { keyName: key.name, keyId: key.keyId },
  })
}

/** The time of a cosignature, in seconds since the epoch; `undefined` if it is not by this key over this text. */
export function timeOfCosignature(
  noteText: string,
  key: VerifierKey,
  signature: NoteSignature,
): number | undefined {
  const timeSeconds = timeOf(signature.bytes)
  const matches =
    key.type === ED25519_COSIGNATURE && signature.name === key.name && signature.keyId === key.keyId
  if (!matches || timeSeconds === undefined || hasLoneSurrogate(noteText)) return undefined
  const message = cosignedMessage(noteText, timeSeconds)
  return ed25519Verify(key.publicKey, message, signature.bytes.subarray(TIME_SIZE)) ? timeSeconds : undefined
}

function timeOf(bytes: Uint8Array): number | undefined {
  if (bytes.length !== TIME_SIZE + SIGNATURE_SIZE) return undefined
  const time = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0))
  return Number.isSafeInteger(time) ? time : undefined
}

function cosignedMessage(noteText: string, timeSeconds: number): Uint8Array {
  return encodeText(`cosignature/v1\ntime ${timeSeconds}\n${noteText}`)
}
