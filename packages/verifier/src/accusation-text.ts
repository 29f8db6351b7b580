/**
 * Accusations as files: evidence that a log, or a witness, has broken its word.
 *
 *     { "format": "prooflog-accusation/1",
 *       "kind": "inconsistent",
 *       "origin": "log.example/access",
 *       "heads": ["<signed note, verbatim>", "<signed note, verbatim>"],
 *       "hashes": ["<base64, 32 bytes>", …],
 *       "found": { "at": "2023-10-21T15:40:00Z", "by": "monitor.example" } }      unproven, may be absent
 *
 *     kind                    beside format, kind, origin, found
 *     same-size               heads: 2
 *     inconsistent            heads: 2, the smaller tree first · hashes
 *     broken-receipt          heads: 1 · receipt · entry · leaf_hash · path
 *     witness-equivocation    heads: 2, the smaller tree first · hashes, none where the sizes are equal · witness
 *     time-went-back          heads: 1 · leaves: 2, ascending
 *     repeated-commitment     heads: 1 · leaves: 2, ascending
 *     shortened-schedule      heads: 1 · leaves: 2, ascending
 *     invalid-entry           heads: 1 · leaves: 1
 *
 * No other member is allowed: whatever is not recomputed would be read as proven.
 *
 * Spec: docs/spec/accusation.md.
 * Pure: no I/O, no clock, no randomness.
 */

import { parseStrictJson } from "@prooflog/event/json"
import { decodeBase64, encodeBase64 } from "@prooflog/tlog/base64"
import { HASH_SIZE } from "@prooflog/tlog/hash"
import { refusalBy, VerifierError } from "./error.js"

export const ACCUSATION_FORMAT = "prooflog-accusation/1"

/**
 * Bytes in the longest accusation that is read.
 *
 * It has room for whatever the verifier believes elsewhere: two notes or a note and a receipt of a megabyte, each
 * character escaped, and two entries. A tighter limit would let a log pad its heads until nobody could accuse it.
 */
export const MAX_ACCUSATION_BYTES = 8 * 1024 * 1024

/** Hashes in the longest list: a path in a tree of 2⁵³ leaves has 53. */
const MAX_HASHES = 64

/** Characters of an origin, and of whoever found it. */
const MAX_NAME = 255

/** The file, its leaves, a leaf, a path, a hash. */
const MAX_DEPTH = 4

/** When and by whom it was found: said by the one who wrote the file, proven by nothing. */
export interface Found {
  /** RFC 3339. */
  readonly at: string
  /** 1 … 255 characters. */
  readonly by: string
}

/** A leaf of the tree under the accusation's head. */
export interface AccusedLeaf {
  /** 0 … 2⁵³ − 1. */
  readonly leafIndex: number
  /** The logged bytes. */
  readonly entry: Uint8Array
  /** Inclusion proof at the head's tree size: 32 bytes each, from the leaf's sibling up. */
  readonly path: readonly Uint8Array[]
}

interface Accused {
  /** First line of every head in it. */
  readonly origin: string
  readonly found?: Found
}

/** Two signed heads of one size with different roots. */
export interface SameSize extends Accused {
  readonly kind: "same-size"
  readonly heads: readonly [string, string]
}

/** Two signed heads of which the larger does not begin with the smaller. */
export interface Inconsistent extends Accused {
  readonly kind: "inconsistent"
  /** The smaller tree first. */
  readonly heads: readonly [string, string]
  /**
   * The consistency proof that the larger tree really has: it leads to the larger root, and to another root than
   * the smaller head's. Its first hash is a node of the larger tree also where the smaller size is a power of two.
   */
  readonly hashes: readonly Uint8Array[]
}

/** A receipt for an entry, and a signed head under which another entry has its place. */
export interface BrokenReceipt extends Accused {
  readonly kind: "broken-receipt"
  /** A tlog-proof. */
  readonly receipt: string
  /** What the receipt is for. */
  readonly entry: Uint8Array
  readonly heads: readonly [string]
  /** The leaf that stands in its place under the head, 32 bytes. */
  readonly leafHash: Uint8Array
  /** Inclusion proof of `leafHash` at the receipt's leaf index and the head's tree size. */
  readonly path: readonly Uint8Array[]
}

/** Two heads that cannot both be of one log, cosigned by one witness. */
export interface WitnessEquivocation extends Accused {
  readonly kind: "witness-equivocation"
  /** The witness's verifier key, as text. */
  readonly witness: string
  /** The smaller tree first. */
  readonly heads: readonly [string, string]
  /** As those of {@link Inconsistent}; empty where the sizes are equal. */
  readonly hashes: readonly Uint8Array[]
}

/** Two leaves under one signed head of which the later may not follow the earlier. */
export interface BrokenOrder extends Accused {
  readonly kind: "time-went-back" | "repeated-commitment" | "shortened-schedule"
  readonly heads: readonly [string]
  /** Ascending. */
  readonly leaves: readonly [AccusedLeaf, AccusedLeaf]
}

/** A leaf under a signed head that may not be an entry at all, or not at its place. */
export interface InvalidEntry extends Accused {
  readonly kind: "invalid-entry"
  readonly heads: readonly [string]
  readonly leaves: readonly [AccusedLeaf]
}

/** What an accusation file says; nothing of it is checked yet. */
export type Accusation =
  | SameSize
  | Inconsistent
  | BrokenReceipt
  | WitnessEquivocation
  | BrokenOrder
  | InvalidEntry

export type AccusationKind = Accusation["kind"]

/** The members that each kind must have, and no others. */
const MEMBERS: Readonly<Record<AccusationKind, readonly string[]>> = {
  "same-size": ["heads"],
  inconsistent: ["heads", "hashes"],
  "broken-receipt": ["heads", "receipt", "entry", "leaf_hash", "path"],
  "witness-equivocation": ["heads", "hashes", "witness"],
  "time-went-back": ["heads", "leaves"],
  "repeated-commitment": ["heads", "leaves"],
  "shortened-schedule": ["heads", "leaves"],
  "invalid-entry": ["heads", "leaves"],
}

/** Every kind, in the order of docs/spec/accusation.md. */
export const ACCUSATION_KINDS = Object.keys(MEMBERS) as readonly AccusationKind[]

/**
 * Writes an accusation file, ending in a newline.
 *
 * @throws {@link VerifierError} `VERIFIER_ACCUSATION_MALFORMED` if {@link parseAccusation} would not give the same
 * accusation back
 */
export function formatAccusation(accusation: Accusation): string {
  const { kind, origin, heads, found } = accusation
  const text = `${JSON.stringify({
    format: ACCUSATION_FORMAT,
    kind,
    origin,
    heads,
    ...("hashes" in accusation && { hashes: accusation.hashes.map(encodeBase64) }),
    ...("leaves" in accusation && { leaves: accusation.leaves.map(leafToJson) }),
    ...(kind === "witness-equivocation" && { witness: accusation.witness }),
    ...(kind === "broken-receipt" && {
      receipt: accusation.receipt,
      entry: encodeBase64(accusation.entry),
      leaf_hash: encodeBase64(accusation.leafHash),
      path: accusation.path.map(encodeBase64),
    }),
    ...(found !== undefined && { found: { at: found.at, by: found.by } }),
  })}\n`
  parseAccusation(text)
  return text
}

function leafToJson({ leafIndex, entry, path }: AccusedLeaf): Record<string, unknown> {
  return { leaf_index: leafIndex, entry: encodeBase64(entry), path: path.map(encodeBase64) }
}

/**
 * Reads an accusation file: its form only, not whether it convicts.
 *
 * @param source - suspect
 * @throws {@link VerifierError} `VERIFIER_ACCUSATION_MALFORMED`, saying where
 */
export function parseAccusation(source: Uint8Array | string): Accusation {
  const value = parseJson(textOf(source))
  const kind = kindOf(value)
  const file = membersOf(value, ["format", "kind", "origin", ...MEMBERS[kind]], ["found"], "the file")
  const accused: Accused = {
    origin: nameOf(file.origin, "origin"),
    ...(file.found !== undefined && { found: foundOf(file.found) }),
  }
  switch (kind) {
    case "same-size":
      return { kind, ...accused, heads: twoOf(textsOf(file.heads, "heads"), "heads") }
    case "inconsistent":
      return {
        kind,
        ...accused,
        heads: twoOf(textsOf(file.heads, "heads"), "heads"),
        hashes: hashesOf(file.hashes, "hashes"),
      }
    case "broken-receipt":
      return {
        kind,
        ...accused,
        receipt: stringOf(file.receipt, "receipt"),
        entry: bytesOf(file.entry, "entry"),
        heads: oneOf(textsOf(file.heads, "heads"), "heads"),
        leafHash: hashOf(file.leaf_hash, "leaf_hash"),
        path: hashesOf(file.path, "path"),
      }
    case "witness-equivocation":
      return {
        kind,
        ...accused,
        witness: stringOf(file.witness, "witness"),
        heads: twoOf(textsOf(file.heads, "heads"), "heads"),
        hashes: hashesOf(file.hashes, "hashes"),
      }
    case "invalid-entry":
      return {
        kind,
        ...accused,
        heads: oneOf(textsOf(file.heads, "heads"), "heads"),
        leaves: oneOf(leavesOf(file.leaves), "leaves"),
      }
    default:
      return {
        kind,
        ...accused,
        heads: oneOf(textsOf(file.heads, "heads"), "heads"),
        leaves: twoOf(leavesOf(file.leaves), "leaves"),
      }
  }
}

function textOf(source: Uint8Array | string): string {
  if (source.length > MAX_ACCUSATION_BYTES) throw malformed("more than 8 MiB")
  if (typeof source === "string") return source
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(source)
  } catch (cause) {
    // A TypeError says that it is not UTF-8. Anything else is no fault of the file's.
    throw cause instanceof TypeError ? malformed("not UTF-8") : cause
  }
}

function parseJson(text: string): unknown {
  try {
    return parseStrictJson(text, { maxDepth: MAX_DEPTH })
  } catch (cause) {
    throw refusalBy(cause, "VERIFIER_ACCUSATION_MALFORMED", "malformed accusation")
  }
}

function kindOf(value: unknown): AccusationKind {
  const { format, kind } = objectOf(value, "the file")
  if (format !== ACCUSATION_FORMAT) throw malformed(`format is not ${JSON.stringify(ACCUSATION_FORMAT)}`)
  const known = ACCUSATION_KINDS.find((it) => it === kind)
  if (known === undefined) throw malformed("its kind is unknown")
  return known
}

function foundOf(value: unknown): Found {
  const { at, by } = membersOf(value, ["at", "by"], [], "found")
  if (typeof at !== "string" || !INSTANT.test(at) || Number.isNaN(Date.parse(at))) {
    throw malformed("found.at is no time of RFC 3339")
  }
  return { at, by: nameOf(by, "found.by") }
}

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/

function leavesOf(value: unknown): AccusedLeaf[] {
  return arrayOf(value, "leaves", 2).map((leaf, i) => {
    const where = `leaves[${i}]`
    const members = membersOf(leaf, ["leaf_index", "entry", "path"], [], where)
    const { leaf_index: leafIndex } = members
    if (typeof leafIndex !== "number" || !Number.isSafeInteger(leafIndex) || leafIndex < 0) {
      throw malformed(`${where}.leaf_index is not an integer of 0 … 2^53-1`)
    }
    const entry = bytesOf(members.entry, `${where}.entry`)
    return { leafIndex, entry, path: hashesOf(members.path, `${where}.path`) }
  })
}

function twoOf<T>(items: readonly T[], where: string): readonly [T, T] {
  const [first, second] = items
  if (items.length !== 2 || first === undefined || second === undefined)
    throw malformed(`${where}: expected two`)
  return [first, second]
}

function oneOf<T>(items: readonly T[], where: string): readonly [T] {
  const [first] = items
  if (items.length !== 1 || first === undefined) throw malformed(`${where}: expected one`)
  return [first]
}

function textsOf(value: unknown, where: string): string[] {
  return arrayOf(value, where, 2).map((text, i) => stringOf(text, `${where}[${i}]`))
}

function hashesOf(value: unknown, where: string): Uint8Array[] {
  return arrayOf(value, where, MAX_HASHES).map((text, i) => hashOf(text, `${where}[${i}]`))
}

function hashOf(value: unknown, where: string): Uint8Array {
  const hash = bytesOf(value, where)
  if (hash.length !== HASH_SIZE) throw malformed(`${where} is not a hash`)
  return hash
}

function bytesOf(value: unknown, where: string): Uint8Array {
  const bytes = decodeBase64(stringOf(value, where))
  if (bytes === undefined) throw malformed(`${where} is not canonical base64`)
  return bytes
}

function nameOf(value: unknown, where: string): string {
  const name = stringOf(value, where)
  if (name === "" || name.length > MAX_NAME) throw malformed(`${where} has not 1 to ${MAX_NAME} characters`)
  return name
}

function stringOf(value: unknown, where: string): string {
  if (typeof value !== "string") throw malformed(`${where} is not text`)
  return value
}

function arrayOf(value: unknown, where: string, most: number): readonly unknown[] {
  if (!Array.isArray(value)) throw malformed(`${where} is not an array`)
  if (value.length > most) throw malformed(`${where} has more than ${most}`)
  return value
}

/** These members, perhaps some of `optional`, and no others. */
function membersOf(
  value: unknown,
  names: readonly string[],
  optional: readonly string[],
  where: string,
): Record<string, unknown> {
  const members = objectOf(value, where)
  for (const name of names) {
    if (!Object.hasOwn(members, name)) throw malformed(`${where} has no ${JSON.stringify(name)}`)
  }
  for (const name of Object.keys(members)) {
    if (names.includes(name) || optional.includes(name)) continue
    // Enough of a name to find it by: it may be as long as the file.
    throw malformed(`${where} has ${JSON.stringify(name.slice(0, 100))}, which proves nothing`)
  }
  return members
}

function objectOf(value: unknown, where: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw malformed(`${where} is not an object`)
  }
  return value as Record<string, unknown>
}

function malformed(why: string): VerifierError {
  return new VerifierError("VERIFIER_ACCUSATION_MALFORMED", `malformed accusation: ${why}`)
}
