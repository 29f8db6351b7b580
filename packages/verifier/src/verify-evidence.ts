/**
 * Verifies an evidence file: policy → checkpoint → each event's place in the tree → each event's words.
 *
 *     policy ──► checkpoint (signatures) ──► root ──path──► entry ──► commitment ──► core, fields, names
 *      yours         in the file                  └────────────── in the file ───────────────┘
 *
 * Only the policy is believed. What a verdict says, and what it does not say, stands in its own members, so
 * that whoever shows a verdict has the right words at hand.
 *
 * Spec: docs/spec, "Evidence file"; RFC 9162 section 2.1.3.2; c2sp.org/tlog-policy.
 * Pure: no I/O, no clock, no randomness.
 */

import type { CborValue } from "@prooflog/event/cbor"
import { checkDisclosure } from "@prooflog/event/disclosure"
import { decodeEntry, type Entry } from "@prooflog/event/entry"
import { encodeBase64 } from "@prooflog/tlog/base64"
import { leafHash } from "@prooflog/tlog/hash"
import { checkInclusion } from "@prooflog/tlog/inclusion"
import { isQuorum, type OpenedCheckpoint, type Policy } from "@prooflog/tlog/policy"
import { openHead } from "./advance.js"
import { refusalBy, VerifierError } from "./error.js"
import { type EvidenceItem, readEvidence } from "./evidence.js"
import { formatInstant } from "./instant.js"

export interface VerifyEvidenceOptions {
  /** Names that every event must show; one withheld or absent makes the verdict "could not tell". */
  readonly require?: readonly string[]
}

/** One event, all of it checked. */
export interface VerifiedEvent {
  readonly leafIndex: number
  /** When it was received, in milliseconds since the epoch: the operator's word. */
  readonly timeMs: number
  /** Retention class: the operator's choice. */
  readonly className: string
  /** 32 bytes. */
  readonly commitment: Uint8Array
  readonly core: Readonly<Record<string, CborValue>>
  /** The fields that were disclosed. */
  readonly fields: Readonly<Record<string, CborValue>>
  /** Names whose values are hidden. Nothing is proven about them, not even that there is a value. */
  readonly withheld: readonly string[]
}

export interface VerifiedEvidence {
  /** One sentence for people. */
  readonly proven: string
  /** One sentence for people: what must not be concluded. */
  readonly notClaimed: string
  readonly origin: string
  readonly treeSize: number
  readonly checkpoint: OpenedCheckpoint
  /** First and last time of the events shown: the operator's word. */
  readonly time: { readonly fromMs: number; readonly toMs: number }
  /** The events were logged not later, on the word of the policy's quorum. */
  readonly cosigned: CosignedTime | undefined
  /** Ascending leaf index. */
  readonly events: readonly VerifiedEvent[]
}

/** The earliest time at which a quorum had seen a head. */
export interface CosignedTime {
  /** The witness whose word it is, as the policy calls it: of those that the quorum takes, the last. */
  readonly witness: string
  readonly timeSeconds: number
}

export const EVIDENCE_NOT_CLAIMED =
  "Not claimed: that there are no other events, or that what was recorded really happened."

/**
 * Returns what an evidence file proves under `policy`.
 *
 * It is read item by item and left at the first that is false.
 *
 * @param evidence - the file, suspect
 * @throws {@link VerifierError} `VERIFIER_MALFORMED_EVIDENCE`, `VERIFIER_CHECKPOINT_REFUSED`,
 * `VERIFIER_UNKNOWN_KEY_TYPE`, `VERIFIER_NOT_IN_TREE`, `VERIFIER_ENTRY_REFUSED`, `VERIFIER_DISCLOSURE_REFUSED`,
 * `VERIFIER_REPEATED_COMMITMENT`; and once all that holds, `VERIFIER_NOT_DISCLOSED` for a name in `require` that some event does not show
 */
export function verifyEvidence(
  evidence: Uint8Array | string,
  policy: Policy,
  options: VerifyEvidenceOptions = {},
): VerifiedEvidence {
  const { checkpoint: note, items } = readEvidence(evidence)
  const checkpoint = openHead(note, policy)
  const events = verifyItems(items, checkpoint)
  requireDisclosed(events, options.require ?? [])
  const { origin, treeSize } = checkpoint.checkpoint
  const cosigned = cosignedTime(checkpoint, policy)
  const times = events.map((event) => event.timeMs)
  return {
    proven: wordsFor(events.length, origin, cosigned?.timeSeconds),
    notClaimed: EVIDENCE_NOT_CLAIMED,
    origin,
    treeSize,
    checkpoint,
    time: { fromMs: times.reduce((a, b) => Math.min(a, b)), toMs: times.reduce((a, b) => Math.max(a, b)) },
    cosigned,
    events,
  }
}

/**
 * Verifies the events one after another, each another one: a record that was logged twice is not two events, and
 * the two leaves prove that the log has broken its rules.
 */
function verifyItems(items: Iterable<EvidenceItem>, checkpoint: OpenedCheckpoint): VerifiedEvent[] {
  const leaves = new Map<string, number>()
  return Array.from(items, (item) => {
    const event = verifyItem(item, checkpoint)
    const { leafIndex } = event
    const commitment = encodeBase64(event.commitment)
    const earlier = leaves.get(commitment)
    if (earlier !== undefined) {
      const message = `leaf ${leafIndex} repeats the commitment of leaf ${earlier}`
      throw new VerifierError("VERIFIER_REPEATED_COMMITMENT", message, { leafIndex, otherLeaf: earlier })
    }
    leaves.set(commitment, leafIndex)
    return event
  })
}

/**
 * Verifies one event of evidence under a checkpoint that was opened already.
 *
 * For readers that cannot stand still while a whole file is verified.
 *
 * @throws {@link VerifierError} `VERIFIER_NOT_IN_TREE`, `VERIFIER_ENTRY_REFUSED`, `VERIFIER_DISCLOSURE_REFUSED`
 */
export function verifyItem(item: EvidenceItem, checkpoint: OpenedCheckpoint): VerifiedEvent {
  const { leafIndex, entry, path, disclosure } = item
  checkInTree(leafIndex, entry, path, checkpoint)
  const decoded = openEntry(leafIndex, entry)
  if (decoded.type !== "event") {
    throw new VerifierError("VERIFIER_ENTRY_REFUSED", `leaf ${leafIndex} is not an event`, { leafIndex })
  }
  const { timeMs, className, commitment } = decoded
  try {
    const { core, fields, withheld } = checkDisclosure(disclosure, commitment)
    return { leafIndex, timeMs, className, commitment, core, fields, withheld }
  } catch (cause) {
    throw refusalBy(cause, "VERIFIER_DISCLOSURE_REFUSED", `leaf ${leafIndex}`, { leafIndex })
  }
}

/**
 * Checks that an entry is a leaf of the tree under a checkpoint.
 *
 * @throws {@link VerifierError} `VERIFIER_NOT_IN_TREE`
 */
export function checkInTree(
  leafIndex: number,
  entry: Uint8Array,
  path: readonly Uint8Array[],
  { checkpoint }: OpenedCheckpoint,
): void {
  try {
    const { treeSize, rootHash } = checkpoint
    checkInclusion({ leafIndex, treeSize, leafHash: leafHash(entry), path, rootHash })
  } catch (cause) {
    throw refusalBy(cause, "VERIFIER_NOT_IN_TREE", `leaf ${leafIndex} is not in the tree`, { leafIndex })
  }
}

/**
 * Decodes a logged entry.
 *
 * @throws {@link VerifierError} `VERIFIER_ENTRY_REFUSED`
 */
export function openEntry(leafIndex: number, entry: Uint8Array): Entry {
  try {
    return decodeEntry(entry)
  } catch (cause) {
    throw refusalBy(cause, "VERIFIER_ENTRY_REFUSED", `leaf ${leafIndex} is not a valid entry`, { leafIndex })
  }
}

/**
 * Returns the time by which a head existed, if any witness of the policy cosigned it.
 *
 * Of the cosignatures in the order of their times, it is that of the one which completes the quorum: a policy that
 * asks for two witnesses does not take one's word for the time. Where it asks for none, one's word is all there is.
 *
 * @param policy - the one that the checkpoint was opened under
 */
export function cosignedTime({ cosignatures }: OpenedCheckpoint, policy: Policy): CosignedTime | undefined {
  const witnesses: string[] = []
  for (const { witness, timeSeconds } of [...cosignatures].sort((a, b) => a.timeSeconds - b.timeSeconds)) {
    witnesses.push(witness)
    if (isQuorum(policy, witnesses)) return { witness, timeSeconds }
  }
  return undefined
}

function requireDisclosed(events: readonly VerifiedEvent[], names: readonly string[]): void {
  for (const { leafIndex, core, fields, withheld } of events) {
    for (const name of names) {
      if (Object.hasOwn(core, name) || Object.hasOwn(fields, name)) continue
      const how = withheld.includes(name) ? "withheld" : "absent"
      throw new VerifierError("VERIFIER_NOT_DISCLOSED", `leaf ${leafIndex}: ${name} is ${how}`, { leafIndex })
    }
  }
}

function wordsFor(count: number, origin: string, timeSeconds: number | undefined): string {
  const what = count === 1 ? "This event is" : `These ${count} events are`
  const when =
    timeSeconds === undefined
      ? "; when, is the operator's word"
      : `, not later than ${formatInstant(timeSeconds * 1000)}`
  return `${what} in the log ${JSON.stringify(origin)}${when}.`
}
