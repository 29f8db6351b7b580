/**
 * What a log sends to a witness, and what comes back.
 *
 *     POST <submission prefix>/add-checkpoint
 *
 *     old 20852014\n                                       what the log thinks the witness cosigned last, 0 if nothing
 *     KgEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n       the consistency proof from there, 0 … 63 hashes
 *     \n
 *     <the checkpoint, a signed note, to the end>
 *
 *     200   — witness.example.com/w1 jWbPPwAAAABkGFDL…\n   signature lines, and nothing else
 *     409   20852163\n                                     what the witness cosigned last, where the log thought wrong
 *
 *     GET <monitoring prefix>/<hex SHA-256 of the origin>/checkpoint
 *
 * Spec: c2sp.org/tlog-witness, "add-checkpoint" and the monitoring prefix.
 * Pure: no I/O, no clock, no randomness.
 */

import { decodeBase64, encodeBase64, encodeHex } from "./base64.js"
import { TlogError } from "./error.js"
import { HASH_SIZE, sha256 } from "./hash.js"
import { MAX_SIGNATURES } from "./note.js"
import { formatSignatureLine, type NoteSignature, parseSignatureLine } from "./signature-line.js"
import { parseSize, requireSize } from "./size.js"
import { encodeText, readText } from "./text.js"

export interface AddCheckpoint {
  /** Size of the checkpoint that the witness is thought to have cosigned last: 0 … 2⁵³ − 1, 0 for none. */
  readonly oldSize: number
  /** From `oldSize` to the checkpoint's size: 0 … 63 hashes of 32 bytes. */
  readonly proof: readonly Uint8Array[]
  /** A signed note, verbatim. Its witness needs the log's own signature lines and no others. */
  readonly checkpoint: string
}

/** Bytes in the longest request that is read. Some witnesses refuse more than 16,384. */
export const MAX_ADD_CHECKPOINT_BYTES = 65_536

/** The media type of the body of a 409. */
export const SIZE_CONFLICT_TYPE = "text/x.tlog.size"

/** Bytes in the longest answer that is read: 100 signature lines of the longest type. */
export const MAX_COSIGNATURES_BYTES = 400_000

/** Hashes in the longest proof of any tlog. */
const MAX_PROOF = 63

const OLD = "old "

/**
 * Returns the body of a request.
 *
 * @throws `RangeError` if {@link parseAddCheckpoint} would not give the same request back
 */
export function formatAddCheckpoint({ oldSize, proof, checkpoint }: AddCheckpoint): string {
  requireSize("oldSize", oldSize)
  if (proof.length > MAX_PROOF || proof.some((hash) => hash.length !== HASH_SIZE)) {
    throw new RangeError(`proof: expected at most ${MAX_PROOF} hashes of ${HASH_SIZE} bytes`)
  }
  const body = `${[OLD + oldSize, ...proof.map(encodeBase64)].join("\n")}\n\n${checkpoint}`
  if (readText(body, MAX_ADD_CHECKPOINT_BYTES) === undefined) {
    throw new RangeError(`checkpoint: expected text that fits into ${MAX_ADD_CHECKPOINT_BYTES} bytes`)
  }
  return body
}

/**
 * Parses the body of a request. Reads the request's own lines; whether the rest is a checkpoint, its reader must ask.
 *
 * @param body - suspect
 * @throws {@link TlogError} `TLOG_MALFORMED_WITNESS_REQUEST` for anything that {@link formatAddCheckpoint} would not write
 */
export function parseAddCheckpoint(body: Uint8Array | string): AddCheckpoint {
  const text = readText(body, MAX_ADD_CHECKPOINT_BYTES)
  if (text === undefined) throw malformed(`not UTF-8 of at most ${MAX_ADD_CHECKPOINT_BYTES} bytes`)
  const split = text.indexOf("\n\n")
  if (split < 0) throw malformed("no blank line before the checkpoint")
  // One piece more than is allowed, so that a body of nothing but line feeds is not cut into thousands.
  const [first = "", ...lines] = text.slice(0, split).split("\n", MAX_PROOF + 2)
  const oldSize = first.startsWith(OLD) ? parseSize(first.slice(OLD.length)) : undefined
  if (oldSize === undefined) throw malformed("the first line is not old and a decimal number below 2^53")
  if (lines.length > MAX_PROOF) throw malformed(`more than ${MAX_PROOF} hashes`)
  return { oldSize, proof: lines.map(parseHash), checkpoint: text.slice(split + 2) }
}

/** Returns the body of a 409: the size that the witness did cosign last. */
export function formatSizeConflict(size: number): string {
  requireSize("size", size)
  return `${size}\n`
}

/**
 * Returns the size in the body of a 409, or `undefined` if it is not what {@link formatSizeConflict} writes: then
 * nobody knows what the witness meant, and asking again would be a guess.
 */
export function parseSizeConflict(text: string): number | undefined {
  return text.endsWith("\n") ? parseSize(text.slice(0, -1)) : undefined
}

/** Returns the body of a 200. */
export function formatCosignatureLines(signatures: readonly NoteSignature[]): string {
  return signatures.map(formatSignatureLine).join("")
}

/**
 * Parses the body of a 200: 1 … 100 signature lines, none of them checked.
 *
 * @param body - suspect
 * @throws {@link TlogError} `TLOG_MALFORMED_NOTE` for anything that {@link formatCosignatureLines} would not write
 */
export function parseCosignatureLines(body: string): readonly NoteSignature[] {
  if (body.length > MAX_COSIGNATURES_BYTES || encodeText(body).length > MAX_COSIGNATURES_BYTES) {
    throw notLines(`more than ${MAX_COSIGNATURES_BYTES} bytes`)
  }
  const lines = body.split("\n", MAX_SIGNATURES + 2)
  if (lines.pop() !== "" || lines.length === 0 || lines.length > MAX_SIGNATURES) {
    throw notLines(`expected 1 to ${MAX_SIGNATURES} lines`)
  }
  return lines.map((line) => parseSignatureLine(`${line}\n`))
}

/** Returns the name under which a witness shows what it cosigned of a log: lower-case hex of SHA-256(origin). */
export function originHash(origin: string): string {
  return encodeHex(sha256(encodeText(origin)))
}

function parseHash(line: string): Uint8Array {
  const hash = decodeBase64(line)
  if (hash?.length !== HASH_SIZE) {
    throw malformed(`a line of the proof is not canonical base64 of ${HASH_SIZE} bytes`)
  }
  return hash
}

function malformed(why: string): TlogError {
  return new TlogError("TLOG_MALFORMED_WITNESS_REQUEST", `malformed add-checkpoint request: ${why}`)
}

function notLines(why: string): TlogError {
  return new TlogError("TLOG_MALFORMED_NOTE", `malformed answer of a witness: ${why}`)
}
