/**
 * Members of files that prove something: exactly those that are expected, each of its type.
 *
 *     leaf   { "leaf_index": 5, "path": ["<base64, 32 bytes>", …], "entry": "<base64>" }
 *
 * For evidence, certificates and answers to challenges. Whatever is not recomputed would be read as proven, so a
 * member that nobody reads is refused.
 *
 * Spec: docs/spec, "Evidence file".
 * Pure: no I/O, no clock, no randomness.
 */

import { decodeBase64, encodeBase64 } from "@prooflog/tlog/base64"
import { HASH_SIZE } from "@prooflog/tlog/hash"
import { malformedEvidence as malformed } from "./evidence-text.js"

/** Hashes in the longest inclusion path that a tree of 2⁵³ leaves can have. */
const MAX_PATH = 53

/** A leaf of the tree under a checkpoint; nothing of it is checked yet. */
export interface ShownLeaf {
  /** 0 … 2⁵³ − 1. */
  readonly leafIndex: number
  /** Inclusion proof at the checkpoint's tree size: 32 bytes each, from the leaf's sibling up. */
  readonly path: readonly Uint8Array[]
  /** The logged bytes. */
  readonly entry: Uint8Array
}

/** The members of a leaf in a file. */
export const LEAF_MEMBERS = ["leaf_index", "path", "entry"] as const

/** @throws {@link VerifierError} `VERIFIER_MALFORMED_EVIDENCE`, as everything here that reads */
export function leafOf(members: Readonly<Record<string, unknown>>, where: string): ShownLeaf {
  return {
    leafIndex: indexOf(members.leaf_index, `${where}.leaf_index`),
    path: pathOf(members.path, `${where}.path`),
    entry: bytesOf(members.entry, `${where}.entry`),
  }
}

export function leafToJson({ leafIndex, path, entry }: ShownLeaf): Record<string, unknown> {
  return { leaf_index: leafIndex, path: path.map(encodeBase64), entry: encodeBase64(entry) }
}

/**
 * Reads a list of leaves, one after another as they are asked for; their indices must ascend, without repeats.
 *
 * @param name - of the list
 * @param read - reads one; it is told where that stands
 */
export function* ascending<Leaf extends ShownLeaf>(
  values: Iterable<unknown>,
  name: string,
  read: (value: unknown, where: string) => Leaf,
): Generator<Leaf, void, undefined> {
  let before = -1
  let count = 0
  for (const value of values) {
    const where = `${name}[${count++}]`
    const leaf = read(value, where)
    if (leaf.leafIndex <= before) throw malformed(`${where}: leaf indices do not ascend`)
    before = leaf.leafIndex
    yield leaf
  }
}

/** Exactly these members, no more and no fewer. */
export function membersOf(value: unknown, names: readonly string[], where: string): Record<string, unknown> {
  const members = objectOf(value, where)
  for (const name of names) {
    if (!Object.hasOwn(members, name)) throw malformed(`${where} has no ${JSON.stringify(name)}`)
  }
  for (const name of Object.keys(members)) {
    if (!names.includes(name)) throw malformed(`${where} has ${quoted(name)}, which proves nothing`)
  }
  return members
}

export function objectOf(value: unknown, where: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw malformed(`${where} is not an object`)
  }
  return value as Record<string, unknown>
}

export function arrayOf(value: unknown, where: string): readonly unknown[] {
  if (!Array.isArray(value)) throw malformed(`${where} is not an array`)
  return value
}

export function textOf(value: unknown, where: string): string {
  if (typeof value !== "string") throw malformed(`${where} is not text`)
  return value
}

export function indexOf(value: unknown, where: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) {
    throw malformed(`${where} is not an integer of 0 … 2^53-1`)
  }
  return value as number
}

/** @param length - if given, exactly so many bytes */
export function bytesOf(value: unknown, where: string, length?: number): Uint8Array {
  const bytes = typeof value === "string" ? decodeBase64(value) : undefined
  if (bytes === undefined) throw malformed(`${where} is not canonical base64`)
  if (length !== undefined && bytes.length !== length) throw malformed(`${where} has not ${length} bytes`)
  return bytes
}

export function pathOf(value: unknown, where: string): readonly Uint8Array[] {
  const path = arrayOf(value, where)
  if (path.length > MAX_PATH) throw malformed(`${where} is longer than any tree is high`)
  return path.map((text, i) => {
    const hash = bytesOf(text, `${where}[${i}]`)
    if (hash.length !== HASH_SIZE) throw malformed(`${where}[${i}] is not a hash`)
    return hash
  })
}

/** The text of a file. */
export function fileText(file: Uint8Array | string): string {
  if (typeof file === "string") return file
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(file)
  } catch (cause) {
    // A TypeError says that it is not UTF-8. Anything else is no fault of the file's.
    throw cause instanceof TypeError ? malformed("not UTF-8") : cause
  }
}

/** Enough of a name to find it by: it may be as long as the file. */
function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 100))
}
