/**
 * Receipts: a leaf index, its inclusion proof and a checkpoint, checkable offline.
 *
 *     c2sp.org/tlog-proof@v1\n
 *     extra Z2VuZXNpcw==\n                                 optional; this log puts the entry here
 *     index 73894\n
 *     gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=\n       the path, the leaf's sibling first
 *     \n
 *     <the checkpoint, a signed note, to the end>
 *
 * Spec: c2sp.org/tlog-proof.
 * Pure: no I/O, no clock, no randomness.
 */

import { decodeBase64, encodeBase64 } from "./base64.js"
import { parseCheckpoint } from "./checkpoint.js"
import { TlogError } from "./error.js"
import { HASH_SIZE, leafHash } from "./hash.js"
import { checkInclusion } from "./inclusion.js"
import { MAX_NOTE_SIZE, parseNote } from "./note.js"
import { type OpenedCheckpoint, openCheckpoint, type Policy } from "./policy.js"
import { parseSize, requireSize } from "./size.js"
import { readText } from "./text.js"

export interface Receipt {
  /** At least one byte; authenticated by nothing but what its reader checks: here, by being the leaf. */
  readonly extra?: Uint8Array
  readonly leafIndex: number
  /** 0 … 63 hashes of 32 bytes, the leaf's sibling first. */
  readonly path: readonly Uint8Array[]
  /** A whole signed note. */
  readonly checkpoint: string
}

/** Bytes in the longest receipt that is read: a note, the largest entry in base64, a path. */
const MAX_RECEIPT_SIZE = MAX_NOTE_SIZE + 100_000

/** Hashes in the longest path of any tlog. */
const MAX_PATH = 63

const HEADER = "c2sp.org/tlog-proof@v1"
const EXTRA = "extra "
const INDEX = "index "

/**
 * Returns the receipt as text. An empty `extra` is left out; the checkpoint is taken as it is.
 *
 * @throws `RangeError` for an index past 2⁵³ − 1 and for a path that is not 0 … 63 hashes of 32 bytes
 */
export function formatReceipt({ extra, leafIndex, path, checkpoint }: Receipt): string {
  requireSize("leafIndex", leafIndex)
  if (path.length > MAX_PATH || path.some((hash) => hash.length !== HASH_SIZE)) {
    throw new RangeError(`path: expected at most ${MAX_PATH} hashes of 32 bytes`)
  }
  const lines = [HEADER]
  if (extra !== undefined && extra.length > 0) lines.push(EXTRA + encodeBase64(extra))
  lines.push(INDEX + leafIndex, ...path.map(encodeBase64))
  return `${lines.join("\n")}\n\n${checkpoint}`
}

/**
 * Parses a receipt; checks no signature and no proof.
 *
 * @param source - suspect
 * @throws {@link TlogError} `TLOG_MALFORMED_RECEIPT` for anything past 1.1 MB or that {@link formatReceipt} would not write;
 * `TLOG_MALFORMED_NOTE` and `TLOG_MALFORMED_CHECKPOINT` for the checkpoint in it
 */
export function parseReceipt(source: Uint8Array | string): Receipt {
  const text = readText(source, MAX_RECEIPT_SIZE)
  if (text === undefined) throw malformed("not UTF-8 of at most 1.1 MB")
  const split = text.indexOf("\n\n")
  if (split < 0) throw malformed("no checkpoint")
  const [header, ...lines] = text.slice(0, split).split("\n", MAX_PATH + 4)
  if (header !== HEADER) throw malformed("another first line")
  const extra = lines[0]?.startsWith(EXTRA) ? parseExtra(lines.shift() as string) : undefined
  const index = lines.shift() ?? ""
  const leafIndex = index.startsWith(INDEX) ? parseSize(index.slice(INDEX.length)) : undefined
  if (leafIndex === undefined) throw malformed("the index is not a decimal number below 2^53")
  const path = lines.map(parseHash)
  if (path.length > MAX_PATH) throw malformed(`more than ${MAX_PATH} hashes`)
  const checkpoint = text.slice(split + 2)
  parseCheckpoint(parseNote(checkpoint).text)
  return { ...(extra && { extra }), leafIndex, path, checkpoint }
}

/**
 * Checks that a log of the policy holds `entry` at the receipt's index, and returns the checkpoint that says so.
 *
 * Of several logs in a policy any will do: which one it was is the checkpoint's origin.
 *
 * @param entry - what the caller wants to have proven; `receipt.extra` only if the caller reads the entry from there
 * @throws {@link TlogError} as {@link openCheckpoint}, or `TLOG_PROOF_REFUSED`
 */
export function checkReceipt(receipt: Receipt, entry: Uint8Array, policy: Policy): OpenedCheckpoint {
  const opened = openCheckpoint(receipt.checkpoint, policy)
  checkInclusion({
    leafIndex: receipt.leafIndex,
    treeSize: opened.checkpoint.treeSize,
    leafHash: leafHash(entry),
    path: receipt.path,
    rootHash: opened.checkpoint.rootHash,
  })
  return opened
}

function parseExtra(line: string): Uint8Array {
  const extra = decodeBase64(line.slice(EXTRA.length))
  if (extra === undefined || extra.length === 0) throw malformed("extra is not canonical base64")
  return extra
}

function parseHash(line: string): Uint8Array {
  const hash = decodeBase64(line)
  if (hash?.length !== HASH_SIZE) throw malformed("a line of the path is not canonical base64 of 32 bytes")
  return hash
}

function malformed(why: string): TlogError {
  return new TlogError("TLOG_MALFORMED_RECEIPT", `malformed receipt: ${why}`)
}
