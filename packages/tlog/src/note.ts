/**
 * Signed notes: text, one blank line, signatures.
 *
 *     This is an example message.\n
 *     \n
 *     — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1E…\n
 *
 * The text may hold blank lines itself, so the last one divides. What is signed is the text with
 * its final line feed. Every note has one spelling: what parses, formats back to the same bytes.
 *
 * Spec: c2sp.org/signed-note.
 * Pure: no I/O, no clock, no randomness.
 */

import { ed25519Sign, ed25519Verify } from "#platform"
import { timeOfCosignature } from "./cosignature.js"
import { TlogError } from "./error.js"
import { ED25519, isVerifierKey, type OpaqueKey, type SignerKey, type VerifierKey } from "./key.js"
import { formatSignatureLine, type NoteSignature, parseSignatureLine } from "./signature-line.js"
import { encodeText, hasControl, hasLoneSurrogate, readText, requireNoteText } from "./text.js"

export { formatSignatureLine, type NoteSignature, parseSignatureLine } from "./signature-line.js"

/** Bytes in the longest note that is read. */
export const MAX_NOTE_SIZE = 1_000_000

/** Signatures in the longest note that is read. */
export const MAX_SIGNATURES = 100

export interface Note {
  /** Ends with a line feed. */
  readonly text: string
  /** 1 … 100, none of them checked. */
  readonly signatures: readonly NoteSignature[]
}

/** A note of which at least one signature was checked. */
export interface OpenedNote {
  readonly note: Note
  /** In the note's order, at most one for each key. */
  readonly verified: readonly VerifiedSignature[]
}

export interface VerifiedSignature {
  readonly key: VerifierKey
  readonly signature: NoteSignature
  /** Seconds since the epoch, for cosignatures (type 0x04) only: the cosigner's word. */
  readonly timeSeconds?: number
}

/**
 * Parses a note; checks no signature.
 *
 * @param source - suspect
 * @throws {@link TlogError} `TLOG_MALFORMED_NOTE` unless it is well-formed UTF-8 of at most 1 MB without control
 * characters, with 1 … 100 signature lines after its last blank line
 */
export function parseNote(source: Uint8Array | string): Note {
  const whole = readText(source, MAX_NOTE_SIZE)
  if (whole === undefined) throw malformed("not UTF-8 of at most 1 MB")
  if (hasControl(whole)) throw malformed("control characters")
  const split = whole.lastIndexOf("\n\n")
  if (split < 0 || !whole.endsWith("\n")) throw malformed("no blank line, or no final line feed")
  const lines = whole.slice(split + 2).split("\n", MAX_SIGNATURES + 2)
  const count = lines.length - 1
  if (count < 1) throw malformed("no signatures")
  if (count > MAX_SIGNATURES) throw malformed(`more than ${MAX_SIGNATURES} signatures`)
  const signatures = lines.slice(0, count).map((line) => parseSignatureLine(`${line}\n`))
  return { text: whole.slice(0, split + 1), signatures }
}

/**
 * Returns the note as text.
 *
 * @throws {@link TlogError} `TLOG_MALFORMED_NOTE` if {@link parseNote} would not give the same note back
 */
export function formatNote({ text, signatures }: Note): string {
  if (!text.endsWith("\n")) throw malformed("the text has no final line feed")
  const whole = `${text}\n${signatures.map(formatSignatureLine).join("")}`
  parseNote(whole)
  return whole
}

/**
 * Checks every signature that claims to be by one of `keys`; ignores all others.
 *
 * A claim that fails refuses the whole note, as someone forged or damaged it. Of several signatures
 * by one key the first counts and the rest are not looked at.
 *
 * @param keys - opaque keys among them verify nothing
 * @throws {@link TlogError} `TLOG_BAD_SIGNATURE` for a claim that fails; `TLOG_NO_SIGNATURE` if there is no claim;
 * `TLOG_AMBIGUOUS_KEY` if two keys share name and key ID
 */
export function openNote(note: Note, keys: readonly (VerifierKey | OpaqueKey)[]): OpenedNote {
  const known = byIdentity(keys)
  const verified: VerifiedSignature[] = []
  for (const signature of note.signatures) {
    const key = known.get(identityOf(signature))
    if (key === undefined) continue
    known.delete(identityOf(signature))
    verified.push(checkSignature(note, key, signature))
  }
  if (verified.length > 0) return { note, verified }
  throw new TlogError("TLOG_NO_SIGNATURE", "no signature by a known key", {
    evidence: { note: formatNote(note) },
  })
}

/**
 * Returns the signature of a text.
 *
 * @param text - ends with a line feed
 * @param signer - of type 0x01; a key of type 0x04 makes cosignatures
 * @throws `RangeError` if no note can have this text; `TypeError` for a signer of another type
 */
export function signNote(text: string, signer: SignerKey): NoteSignature {
  if (signer.type !== ED25519) throw new TypeError("signer: notes are signed by keys of type 1")
  requireNoteText("text", text)
  return { name: signer.name, keyId: signer.keyId, bytes: ed25519Sign(signer.seed, encodeText(text)) }
}

function checkSignature(note: Note, key: VerifierKey, signature: NoteSignature): VerifiedSignature {
  if (key.type === ED25519) {
    const isBy =
      !hasLoneSurrogate(note.text) && ed25519Verify(key.publicKey, encodeText(note.text), signature.bytes)
    if (isBy) return { key, signature }
  } else {
    const timeSeconds = timeOfCosignature(note.text, key, signature)
    if (timeSeconds !== undefined) return { key, signature, timeSeconds }
  }
  throw new TlogError("TLOG_BAD_SIGNATURE", `the signature by ${key.name} does not verify`, {
    evidence: { note: formatNote(note), keyName: key.name, keyId: key.keyId },
  })
}

function byIdentity(keys: readonly (VerifierKey | OpaqueKey)[]): Map<string, VerifierKey> {
  const known = new Map<string, VerifierKey>()
  const seen = new Set<string>()
  for (const key of keys) {
    const identity = identityOf(key)
    if (seen.has(identity)) {
      throw new TlogError("TLOG_AMBIGUOUS_KEY", `two keys are called ${key.name} and have one key ID`)
    }
    seen.add(identity)
    if (isVerifierKey(key)) known.set(identity, key)
  }
  return known
}

/** Names have no white space, so no two pairs give one string. */
function identityOf({ name, keyId }: { name: string; keyId: number }): string {
  return `${name} ${keyId}`
}

function malformed(why: string): TlogError {
  return new TlogError("TLOG_MALFORMED_NOTE", `malformed note: ${why}`)
}
