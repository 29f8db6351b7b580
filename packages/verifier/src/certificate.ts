/**
 * Certificates of erasure: a file that shows, offline, which records a log has said to have erased.
 *
 *     { "format": "prooflog-certificate/1",
 *       "checkpoint": "<signed note, verbatim>",
 *       "notice": { "leaf_index": 7, "path": […], "entry": "<base64>" },
 *       "items": [ { "leaf_index": 5, "path": […], "entry": "<base64>",
 *                    "salt": "<base64, 16 bytes>", "position": 0, "notice_path": […] }, … ] }
 *
 *     policy ──► checkpoint ──► root ──path──► notice ──► its root ──notice_path──► item = leaf 5 and its salt
 *                                    ──path──► entry 5 ──► time, class, commitment of what was erased
 *
 * Of a notice that names many people's records it shows the items of one of them, and of the others that they are so
 * and so many. Nothing else is allowed in it: whatever is not recomputed would be read as proven.
 *
 * Spec: docs/spec/certificate.md.
 * Pure: no I/O, no clock, no randomness.
 */

import { NOTICE_KINDS } from "@prooflog/event/entry"
import { parseStrictJson } from "@prooflog/event/json"
import type { OpenedCheckpoint, Policy } from "@prooflog/tlog/policy"
import { openHead } from "./advance.js"
import { refusalBy, VerifierError } from "./error.js"
import {
  arrayOf,
  fileText,
  LEAF_MEMBERS,
  leafOf,
  leafToJson,
  membersOf,
  type ShownLeaf,
  textOf,
} from "./evidence-members.js"
import { malformedEvidence as malformed } from "./evidence-text.js"
import { formatInstant } from "./instant.js"
import { checkItem, type ItemProof, openNotice } from "./notice.js"
import { ITEM_PROOF_MEMBERS, itemProofOf, itemProofToJson } from "./notice-members.js"
import { type CosignedTime, checkInTree, cosignedTime, openEntry } from "./verify-evidence.js"

export const CERTIFICATE_FORMAT = "prooflog-certificate/1"

/** Items in one certificate: of more, several are made. */
export const MAX_CERTIFICATE_ITEMS = 4096

/** Bytes in the longest certificate that is read: so many items, of 3 KB even in the highest tree. */
export const MAX_CERTIFICATE_BYTES = 16 * 1024 * 1024

/** The file, its items, an item, a path, a hash. */
const MAX_DEPTH = 4

/** A leaf whose record was erased, and that the notice names it. */
export interface CertificateItem extends ShownLeaf, ItemProof {}

/** What a certificate says; nothing of it is checked yet. */
export interface Certificate {
  /** A signed note, verbatim. */
  readonly checkpoint: string
  readonly notice: ShownLeaf
  /** 1 … 4,096; leaf indices and positions strictly ascending. */
  readonly items: readonly CertificateItem[]
}

/** One leaf whose record was erased. */
export interface ErasedLeaf {
  readonly leafIndex: number
  /** When it was received, in ms since 1970: the operator's word. */
  readonly timeMs: number
  readonly className: string
  /** 32 bytes: what the erased record opened. */
  readonly commitment: Uint8Array
}

export interface VerifiedCertificate {
  /** One sentence for people. */
  readonly proven: string
  /** One sentence for people: what must not be concluded. */
  readonly notClaimed: string
  readonly origin: string
  readonly treeSize: number
  readonly checkpoint: OpenedCheckpoint
  readonly notice: {
    readonly leafIndex: number
    /** In ms since 1970: the operator's word. */
    readonly timeMs: number
    /** 1 erased for a person, 2 erased for another reason. */
    readonly kind: number
    /** Records that it names, those that are not shown here included. */
    readonly count: number
  }
  /** It was logged not later, on the word of the policy's quorum. */
  readonly cosigned: CosignedTime | undefined
  /** Ascending leaf index. */
  readonly items: readonly ErasedLeaf[]
}

export const CERTIFICATE_NOT_CLAIMED =
  "Not claimed: that no copy of these records is left, that a person had no others, or that what the notice gives as its reason is so."

/**
 * Whether a file says that it is a certificate: if so it is held to that. The name alone is not enough, for evidence may
 * quote it.
 *
 * @param source - suspect
 */
export function isCertificate(source: Uint8Array): boolean {
  if (source.length > MAX_CERTIFICATE_BYTES) return false
  try {
    const file = parseStrictJson(fileText(source), { maxDepth: MAX_DEPTH, integers: "double" })
    return (file as { readonly format?: unknown } | null)?.format === CERTIFICATE_FORMAT
  } catch {
    // What is no JSON, or too deep for one, is something else, or a damaged file of which nobody can say what it was.
    return false
  }
}

/** Writes a certificate, ending in a newline. @throws {@link VerifierError} if {@link parseCertificate} would refuse it */
export function formatCertificate({ checkpoint, notice, items }: Certificate): string {
  const text = `${JSON.stringify({
    format: CERTIFICATE_FORMAT,
    checkpoint,
    notice: leafToJson(notice),
    items: items.map((item) => ({ ...leafToJson(item), ...itemProofToJson(item) })),
  })}\n`
  parseCertificate(text)
  return text
}

/**
 * Reads a certificate: its form only, not whether it is true.
 *
 * @param source - suspect
 * @throws {@link VerifierError} `VERIFIER_MALFORMED_EVIDENCE`, saying where
 */
export function parseCertificate(source: Uint8Array | string): Certificate {
  if (source.length > MAX_CERTIFICATE_BYTES) throw malformed("more than 16 MiB")
  const file = membersOf(parseJson(fileText(source)), ["format", "checkpoint", "notice", "items"], "the file")
  if (file.format !== CERTIFICATE_FORMAT)
    throw malformed(`format is not ${JSON.stringify(CERTIFICATE_FORMAT)}`)
  return {
    checkpoint: textOf(file.checkpoint, "checkpoint"),
    notice: leafOf(membersOf(file.notice, LEAF_MEMBERS, "notice"), "notice"),
    items: itemsOf(file.items),
  }
}

function itemsOf(value: unknown): CertificateItem[] {
  const items = arrayOf(value, "items")
  if (items.length === 0) throw malformed("there is no item in it")
  if (items.length > MAX_CERTIFICATE_ITEMS) throw malformed(`items has more than ${MAX_CERTIFICATE_ITEMS}`)
  const before = { leafIndex: -1, position: -1 }
  return items.map((item, i) => {
    const where = `items[${i}]`
    const members = membersOf(item, [...LEAF_MEMBERS, ...ITEM_PROOF_MEMBERS], where)
    const { leafIndex, position, ...rest } = { ...leafOf(members, where), ...itemProofOf(members, where) }
    if (leafIndex <= before.leafIndex) throw malformed(`${where}: leaf indices do not ascend`)
    if (position <= before.position) throw malformed(`${where}: positions do not ascend`)
    Object.assign(before, { leafIndex, position })
    return { leafIndex, position, ...rest }
  })
}

/**
 * Returns what a certificate proves under `policy`.
 *
 * @param source - the file, suspect
 * @throws {@link VerifierError} `VERIFIER_MALFORMED_EVIDENCE`, `VERIFIER_CHECKPOINT_REFUSED`, `VERIFIER_NO_QUORUM`,
 * `VERIFIER_UNKNOWN_KEY_TYPE`; `VERIFIER_NOT_IN_TREE` for what is not in the tree or not among what the notice names;
 * `VERIFIER_ENTRY_REFUSED` for a notice that erases nothing, or an item that is no event before it
 */
export function verifyCertificate(source: Uint8Array | string, policy: Policy): VerifiedCertificate {
  const { checkpoint: note, notice, items } = parseCertificate(source)
  const checkpoint = openHead(note, policy)
  const { kind, count, root, timeMs } = openNotice(notice, checkpoint)
  const { leafIndex } = notice
  if (kind !== NOTICE_KINDS.erasedForPerson && kind !== NOTICE_KINDS.erasedOtherwise) {
    const message = `leaf ${leafIndex} is a notice of kind ${kind}, which erases nothing`
    throw new VerifierError("VERIFIER_ENTRY_REFUSED", message, { leafIndex })
  }
  const erased = items.map((item) => {
    const leaf = openErased(item, leafIndex, checkpoint)
    checkItem(item, { count, root })
    return leaf
  })
  const { origin, treeSize } = checkpoint.checkpoint
  const cosigned = cosignedTime(checkpoint, policy)
  return {
    proven: wordsFor({ origin, leafIndex, kind, count, shown: items.length, cosigned }),
    notClaimed: CERTIFICATE_NOT_CLAIMED,
    origin,
    treeSize,
    checkpoint,
    notice: { leafIndex, timeMs, kind, count },
    cosigned,
    items: erased,
  }
}

function openErased(item: CertificateItem, noticeLeaf: number, checkpoint: OpenedCheckpoint): ErasedLeaf {
  const { leafIndex, entry, path } = item
  checkInTree(leafIndex, entry, path, checkpoint)
  const opened = openEntry(leafIndex, entry)
  if (opened.type !== "event") {
    throw new VerifierError("VERIFIER_ENTRY_REFUSED", `leaf ${leafIndex} is not an event`, { leafIndex })
  }
  if (leafIndex > noticeLeaf) {
    const message = `leaf ${leafIndex} came after the notice, which is leaf ${noticeLeaf}`
    throw new VerifierError("VERIFIER_ENTRY_REFUSED", message, { leafIndex })
  }
  const { timeMs, className, commitment } = opened
  return { leafIndex, timeMs, className, commitment }
}

function parseJson(text: string): unknown {
  try {
    return parseStrictJson(text, { maxDepth: MAX_DEPTH })
  } catch (cause) {
    throw refusalBy(cause, "VERIFIER_MALFORMED_EVIDENCE", "malformed evidence")
  }
}

function wordsFor(said: {
  readonly origin: string
  readonly leafIndex: number
  readonly kind: number
  readonly count: number
  readonly shown: number
  readonly cosigned: CosignedTime | undefined
}): string {
  const { origin, leafIndex, kind, count, shown, cosigned } = said
  const when =
    cosigned === undefined
      ? "; when, is the operator's word"
      : `, not later than ${formatInstant(cosigned.timeSeconds * 1000)}`
  const what = count === 1 ? "1 record is erased" : `${count} records are erased`
  const why = kind === NOTICE_KINDS.erasedForPerson ? "for persons" : "for another reason"
  const here = shown === count ? "" : `, of which ${shown} ${shown === 1 ? "is" : "are"} named here`
  return `The log ${JSON.stringify(origin)} has announced as leaf ${leafIndex} that ${what} ${why}${here}${when}.`
}
