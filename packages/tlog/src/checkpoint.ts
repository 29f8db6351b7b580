/**
 * Checkpoints: what a log says its tree is.
 *
 *     example.com/behind-the-sofa\n                       origin
 *     20852163\n                                          tree size
 *     CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n      root hash
 *
 * Signed as a note. Extension lines may follow; nobody vouches for them, and this log writes none.
 *
 * Spec: c2sp.org/tlog-checkpoint.
 * Pure: no I/O, no clock, no randomness.
 */

import { decodeBase64, encodeBase64 } from "./base64.js"
import { TlogError } from "./error.js"
import { EMPTY_ROOT, equalBytes, HASH_SIZE } from "./hash.js"
import type { SignerKey } from "./key.js"
import { formatNote, signNote } from "./note.js"
import { parseSize } from "./size.js"
import { encodeText, hasControl, hasLoneSurrogate } from "./text.js"

export interface Checkpoint {
  /** The log's identity: not empty, at most 255 bytes, one line. Compared exactly, never parsed as a URL. */
  readonly origin: string
  /** 0 … 2⁵³ − 1. */
  readonly treeSize: number
  /** 32 bytes; those of {@link EMPTY_ROOT} where `treeSize` is 0. */
  readonly rootHash: Uint8Array
  /** Opaque lines, not empty, without line feeds. */
  readonly extensions: readonly string[]
}

/** Bytes in the longest origin: what type 0x06 cosignatures and mirrors can carry. */
const MAX_ORIGIN_SIZE = 255

/**
 * Returns a note's text, unsigned.
 *
 * @throws `RangeError` if {@link parseCheckpoint} would not give the same checkpoint back
 */
export function formatCheckpoint({ origin, treeSize, rootHash, extensions }: Checkpoint): string {
  const lines = [origin, String(treeSize), encodeBase64(rootHash), ...extensions]
  const problem = problemOf(lines)
  if (problem !== undefined) throw new RangeError(`not a checkpoint: ${problem}`)
  return `${lines.join("\n")}\n`
}

/**
 * Parses the text of a note, without its signatures.
 *
 * @param text - suspect
 * @throws {@link TlogError} `TLOG_MALFORMED_CHECKPOINT`, also for a tree size past 2⁵³ − 1 and for a tree
 * without leaves whose root is not that of the empty tree
 */
export function parseCheckpoint(text: string): Checkpoint {
  const lines = text.split("\n")
  if (lines.pop() !== "") throw malformed("no final line feed")
  const problem = problemOf(lines)
  if (problem !== undefined) throw malformed(problem)
  const [origin, size, root, ...extensions] = lines as [string, string, string, ...string[]]
  return {
    origin,
    treeSize: parseSize(size) as number,
    rootHash: decodeBase64(root) as Uint8Array,
    extensions,
  }
}

/**
 * Returns the whole signed note.
 *
 * A log must never sign two inconsistent checkpoints: this function cannot know, its caller must.
 *
 * @param signer - of type 0x01, its name the checkpoint's origin
 * @throws `RangeError` for a signer of another name and as {@link formatCheckpoint}; `TypeError` for a signer of another type
 */
export function signCheckpoint(checkpoint: Checkpoint, signer: SignerKey): string {
  if (signer.name !== checkpoint.origin) {
    throw new RangeError(`signer: expected the key of ${checkpoint.origin}, got that of ${signer.name}`)
  }
  const text = formatCheckpoint(checkpoint)
  return formatNote({ text, signatures: [signNote(text, signer)] })
}

/** What is wrong with the lines of a checkpoint. */
function problemOf(lines: readonly string[]): string | undefined {
  const [origin = "", size = "", root = ""] = lines
  if (lines.length < 3 || lines.includes("")) return "expected at least three lines, none empty"
  if (lines.some((line) => line.includes("\n") || hasControl(line) || hasLoneSurrogate(line)))
    return "control characters, or ill-formed text"
  if (origin.length > MAX_ORIGIN_SIZE || encodeText(origin).length > MAX_ORIGIN_SIZE)
    return "the origin is too long"
  const treeSize = parseSize(size)
  if (treeSize === undefined) return "the tree size is not a decimal number below 2^53"
  const rootHash = decodeBase64(root)
  if (rootHash?.length !== HASH_SIZE) return "the root hash is not canonical base64 of 32 bytes"
  if (treeSize === 0 && !equalBytes(rootHash, EMPTY_ROOT)) return "not the root of the empty tree"
  return undefined
}

function malformed(why: string): TlogError {
  return new TlogError("TLOG_MALFORMED_CHECKPOINT", `malformed checkpoint: ${why}`)
}
