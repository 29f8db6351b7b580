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
import { refusalBy } from "./error.js"
import {
  arrayOf,
  ascending,
  fileText,
  LEAF_MEMBERS,
  leafOf,
  leafToJson,
  membersOf,
  type ShownLeaf,
  textOf,
} from "./evidence-members.js"
import { cutEvidence, malformedEvidence as malformed } from "./evidence-text.js"

export const EVIDENCE_FORMAT = "prooflog-evidence/1"

export interface EvidenceItem extends ShownLeaf {
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
    return { ...leafToJson(item), ...disclosureToJson(item.disclosure) }
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
  const { around, events } = cutEvidence(fileText(evidence))
  const file = membersOf(around, ["format", "checkpoint", "events"], "the file")
  if (file.format !== EVIDENCE_FORMAT) throw malformed(`format is not ${JSON.stringify(EVIDENCE_FORMAT)}`)
  const checkpoint = textOf(file.checkpoint, "checkpoint")
  arrayOf(file.events, "events")
  return { checkpoint, items: itemsOf(events) }
}

function* itemsOf(events: Iterable<unknown>): Generator<EvidenceItem, void, undefined> {
  let isEmpty = true
  for (const item of ascending(events, "events", parseItem)) {
    isEmpty = false
    yield item
  }
  if (isEmpty) throw malformed("there is no event in it")
}

function parseItem(event: unknown, where: string): EvidenceItem {
  const members = membersOf(event, [...LEAF_MEMBERS, "core", "fields"], where)
  return { ...leafOf(members, where), disclosure: disclosureOf(members, where) }
}

/** The disclosure in the members `core` and `fields`. @throws {@link VerifierError} `VERIFIER_MALFORMED_EVIDENCE` */
export function disclosureOf({ core, fields }: Readonly<Record<string, unknown>>, where: string): Disclosure {
  try {
    return disclosureFromJson({ core, fields })
  } catch (cause) {
    throw refusalBy(cause, "VERIFIER_MALFORMED_EVIDENCE", `malformed evidence: ${where}`)
  }
}
