/**
 * Evidence files: events that prove themselves, offline, to whoever has a policy.
 *
 *     { "format": "prooflog-evidence/1",
 *       "checkpoint": "<signed note, verbatim>",
 *       "events": [ { "leaf_index": 5, "path": ["<base64, 32 bytes>", …], "entry": "<base64>",
 *                     "core": ["<salt>", { "result": "success", … }],
 *                     "fields": [ ["user_id", "<salt>", "U12345"],        disclosed
 *                                 ["ip_address", "<digest>"], … ] } ] }   withheld
 *
 * Nothing else is allowed in it: no key, no title, no query, for whatever is not recomputed would be read as
 * proven. Leaf indices ascend. A number that is a safe integer stands for a CBOR integer (−0 for 0), any other
 * for the float64 of which it is the shortest decimal; `timestamp` is an integer of microseconds.
 *
 * Spec: docs/spec, "Evidence file".
 * Pure: no I/O, no clock, no randomness.
 */

import { type Disclosure, disclosureFromJson, disclosureToJson } from "@prooflog/event/disclosure"
import { decodeBase64, encodeBase64 } from "@prooflog/tlog/base64"
import { HASH_SIZE } from "@prooflog/tlog/hash"
import { refusalBy } from "./error.js"
import { cutEvidence, malformedEvidence as malformed } from "./evidence-text.js"

export const EVIDENCE_FORMAT = "prooflog-evidence/1"

/** Hashes in the longest inclusion path that a tree of 2⁵³ leaves can have. */
const MAX_PATH = 53

export interface EvidenceItem {
  /** 0 … 2⁵³ − 1. */
  readonly leafIndex: number
  /** Inclusion proof at the checkpoint's tree size: 32 bytes each, from the leaf's sibling up. */
  readonly path: readonly Uint8Array[]
  /** The logged bytes. */
  readonly entry: Uint8Array
  readonly disclosure: Disclosure
}

/** What an evidence file says; nothing of it is checked yet. */
export interface Evidence {
  /** A signed note, verbatim. */
  readonly checkpoint: string
  /** At least one, leaf indices strictly ascending. */
  readonly items: readonly EvidenceItem[]
}

/**
 * Writes an evidence file, ending in a newline.
 *
 * @throws RangeError if there is no item, or leaf indices do not ascend
 */
export function formatEvidence({ checkpoint, items }: Evidence): string {
  if (items.length === 0) throw new RangeError("evidence needs at least one event")
  const events = items.map((item, i) => {
    const before = items[i - 1]?.leafIndex ?? -1
    if (!Number.isSafeInteger(item.leafIndex) || item.leafIndex <= before) {
      throw new RangeError(`leaf indices must ascend: ${item.leafIndex} after ${before}`)
    }
    return {
      leaf_index: item.leafIndex,
      path: item.path.map(encodeBase64),
      entry: encodeBase64(item.entry),
      ...disclosureToJson(item.disclosure),
    }
  })
  return `${JSON.stringify({ format: EVIDENCE_FORMAT, checkpoint, events })}\n`
}

/**
 * Reads an evidence file: its form only, not whether it is true.
 *
 * @param evidence - suspect
 * @throws {@link VerifierError} `VERIFIER_MALFORMED_EVIDENCE`, saying where
 */
export function parseEvidence(evidence: Uint8Array | string): Evidence {
  const { checkpoint, items } = readEvidence(evidence)
  return { checkpoint, items: [...items] }
}

/**
 * Reads an evidence file as {@link parseEvidence} does, but each item only when its turn comes: whoever checks
 * them one by one does no work, and holds nothing, for what comes after the first false one.
 *
 * @param evidence - suspect
 * @throws {@link VerifierError} `VERIFIER_MALFORMED_EVIDENCE`; for an item, when its turn comes
 */
export function readEvidence(evidence: Uint8Array | string): {
  readonly checkpoint: string
  readonly items: Iterable<EvidenceItem>
} {
  const { around, events } = cutEvidence(textOf(evidence))
  const file = membersOf(around, ["format", "checkpoint", "events"], "the file")
  if (file.format !== EVIDENCE_FORMAT) throw malformed(`format is not ${JSON.stringify(EVIDENCE_FORMAT)}`)
  const checkpoint = file.checkpoint
  if (typeof checkpoint !== "string") throw malformed("checkpoint is not text")
  arrayOf(file.events, "events")
  return { checkpoint, items: itemsOf(events) }
}

function* itemsOf(events: Iterable<unknown>): Generator<EvidenceItem, void, undefined> {
  let before = -1
  let count = 0
  for (const event of events) {
    const where = `events[${count++}]`
    const item = parseItem(event, where)
    if (item.leafIndex <= before) throw malformed(`${where}: leaf indices do not ascend`)
    before = item.leafIndex
    yield item
  }
  if (count === 0) throw malformed("there is no event in it")
}

function parseItem(event: unknown, where: string): EvidenceItem {
  const members = membersOf(event, ["leaf_index", "path", "entry", "core", "fields"], where)
  const leafIndex = members.leaf_index
  if (!Number.isSafeInteger(leafIndex) || (leafIndex as number) < 0) {
    throw malformed(`${where}.leaf_index is not an integer of 0 … 2^53-1`)
  }
  const path = arrayOf(members.path, `${where}.path`).map((text, i) => {
    const hash = bytesOf(text, `${where}.path[${i}]`)
    if (hash.length !== HASH_SIZE) throw malformed(`${where}.path[${i}] is not a hash`)
    return hash
  })
  if (path.length > MAX_PATH) throw malformed(`${where}.path is longer than any tree is high`)
  return {
    leafIndex: leafIndex as number,
    path,
    entry: bytesOf(members.entry, `${where}.entry`),
    disclosure: parseDisclosure(members.core, members.fields, where),
  }
}

function parseDisclosure(core: unknown, fields: unknown, where: string): Disclosure {
  try {
    return disclosureFromJson({ core, fields })
  } catch (cause) {
    throw refusalBy(cause, "VERIFIER_MALFORMED_EVIDENCE", `malformed evidence: ${where}`)
  }
}

function textOf(evidence: Uint8Array | string): string {
  if (typeof evidence === "string") return evidence
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(evidence)
  } catch (cause) {
    // A TypeError says that it is not UTF-8. Anything else is no fault of the file's.
    throw cause instanceof TypeError ? malformed("not UTF-8") : cause
  }
}

/** Exactly these members, no more and no fewer. */
function membersOf(value: unknown, names: readonly string[], where: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw malformed(`${where} is not an object`)
  }
  for (const name of names) {
    if (!Object.hasOwn(value, name)) throw malformed(`${where} has no ${JSON.stringify(name)}`)
  }
  for (const name of Object.keys(value)) {
    if (!names.includes(name)) throw malformed(`${where} has ${quoted(name)}, which proves nothing`)
  }
  return value as Record<string, unknown>
}

function arrayOf(value: unknown, where: string): readonly unknown[] {
  if (!Array.isArray(value)) throw malformed(`${where} is not an array`)
  return value
}

function bytesOf(value: unknown, where: string): Uint8Array {
  const bytes = typeof value === "string" ? decodeBase64(value) : undefined
  if (bytes === undefined) throw malformed(`${where} is not canonical base64`)
  return bytes
}

/** Enough of a name to find it by: it may be as long as the file. */
function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 100))
}
