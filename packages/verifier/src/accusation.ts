/**
 * Verifies an accusation: a file that convicts a log, or a witness, before anyone who has a policy.
 *
 *     policy ──► the log's key ──► heads that it signed ──► what no honest log can have signed
 *      yours                        └──────────── in the file ────────────┘
 *
 * Only the keys of the policy are believed, no quorum is asked for: a head that no witness has seen convicts the
 * log that signed it as well. What is only an alarm is no accusation: a server that is silent, a tile that does not
 * fit (nobody signed it), a head that is old, or smaller than another and consistent with it.
 *
 * Spec: docs/spec/accusation.md.
 * Pure: no I/O, no clock, no randomness.
 */

import { type Checkpoint, parseCheckpoint } from "@prooflog/tlog/checkpoint"
import { TlogError } from "@prooflog/tlog/error"
import { equalBytes, leafHash } from "@prooflog/tlog/hash"
import { checkInclusion } from "@prooflog/tlog/inclusion"
import { ED25519_COSIGNATURE, formatVerifierKey, isVerifierKey, type VerifierKey } from "@prooflog/tlog/key"
import { openNote, parseNote } from "@prooflog/tlog/note"
import type { OpenedCheckpoint, Policy } from "@prooflog/tlog/policy"
import { parseReceipt, type Receipt } from "@prooflog/tlog/receipt"
import { checkConflict, doesNotConvict } from "./accusation-heads.js"
import { checkBrokenOrder, checkInvalidEntry } from "./accusation-leaves.js"
import type { Accusation, AccusedLeaf, BrokenReceipt, WitnessEquivocation } from "./accusation-text.js"
import { openAnyHead } from "./advance.js"
import { VerifierError } from "./error.js"

export {
  ACCUSATION_FORMAT,
  ACCUSATION_KINDS,
  type Accusation,
  type AccusationKind,
  type AccusedLeaf,
  type BrokenOrder,
  type BrokenReceipt,
  type Found,
  formatAccusation,
  type Inconsistent,
  type InvalidEntry,
  MAX_ACCUSATION_BYTES,
  parseAccusation,
  type SameSize,
  type WitnessEquivocation,
} from "./accusation-text.js"

export interface Conviction {
  /** The log's origin, or the name of the witness's key. */
  readonly accused: string
  /** One sentence for people. */
  readonly proven: string
  /** One sentence for people: what must not be concluded. */
  readonly notClaimed: string
}

const TWO_HEADS_NOT_CLAIMED =
  "Not claimed: which of the two is the right one, who was shown which, or that it was done on purpose; whoever holds the key can sign."

const LEAVES_NOT_CLAIMED =
  "Not claimed: that anything else in the log is wrong, or that it was done on purpose; these are the rules of Prooflog's entries, version 1, and the policy takes the log for one that follows them."

/**
 * Returns what an accusation proves to whoever believes the keys of `policy`.
 *
 * @param accusation - suspect
 * @param policy - needs a key of the accused: of the log, or for `witness-equivocation` of the witness
 * @throws {@link VerifierError} `VERIFIER_ACCUSATION_REFUSED` if it does not convict, `VERIFIER_UNKNOWN_KEY_TYPE` if
 * that hangs on a signature of a type that cannot be checked here
 */
export function verifyAccusation(accusation: Accusation, policy: Policy): Conviction {
  const { origin } = accusation
  const log = `The log ${JSON.stringify(origin)} signed`
  switch (accusation.kind) {
    case "same-size": {
      const [first, second] = openTwo(accusation.heads, origin, policy)
      if (first.treeSize !== second.treeSize) throw doesNotConvict("its heads are of two sizes")
      checkConflict(first, second, [])
      return convict(
        origin,
        `${log} two different trees of ${leaves(first.treeSize)}.`,
        TWO_HEADS_NOT_CLAIMED,
      )
    }
    case "inconsistent": {
      const [smaller, larger] = openTwo(accusation.heads, origin, policy)
      if (smaller.treeSize === larger.treeSize) throw doesNotConvict("its heads are of one size")
      checkConflict(smaller, larger, accusation.hashes)
      const proven = `${log} a tree of ${leaves(larger.treeSize)} that does not begin with the tree of ${leaves(smaller.treeSize)} it signed.`
      return convict(origin, proven, TWO_HEADS_NOT_CLAIMED)
    }
    case "witness-equivocation":
      return verifyEquivocation(accusation, policy)
    case "broken-receipt": {
      const { leafIndex, treeSize } = checkReceiptBroken(accusation, policy)
      const proven = `${log} a receipt for an entry as leaf ${leafIndex}, and a tree of ${leaves(treeSize)} in which leaf ${leafIndex} is another.`
      return convict(origin, proven, TWO_HEADS_NOT_CLAIMED)
    }
    case "invalid-entry": {
      const [leaf] = leavesUnder(accusation.heads[0], accusation.leaves, origin, policy)
      return convict(origin, `${log} ${checkInvalidEntry(leaf, origin)}.`, LEAVES_NOT_CLAIMED)
    }
    default: {
      const pair = leavesUnder(accusation.heads[0], accusation.leaves, origin, policy)
      const broken = checkBrokenOrder(accusation.kind, pair, origin)
      return convict(origin, `${log} ${broken}.`, LEAVES_NOT_CLAIMED)
    }
  }
}

function verifyEquivocation(
  { witness, origin, heads, hashes }: WitnessEquivocation,
  policy: Policy,
): Conviction {
  const key = witnessKey(witness, policy)
  const [smaller, larger] = heads.map((note) => openCosigned(note, key, origin)) as [Checkpoint, Checkpoint]
  checkConflict(smaller, larger, hashes)
  const which =
    smaller.treeSize === larger.treeSize
      ? `two different trees of ${leaves(larger.treeSize)}`
      : `a tree of ${leaves(larger.treeSize)} that does not begin with the tree of ${leaves(smaller.treeSize)} it cosigned`
  const proven = `The witness ${JSON.stringify(key.name)} cosigned, for the log ${JSON.stringify(origin)}, ${which}.`
  return convict(key.name, proven, TWO_HEADS_NOT_CLAIMED)
}

/** The key of a witness of the policy, by its text. */
function witnessKey(witness: string, policy: Policy): VerifierKey {
  const key = policy.witnesses.map((it) => it.key).find((it) => formatVerifierKey(it) === witness)
  if (key === undefined) throw doesNotConvict("no witness of the policy has this key")
  if (isVerifierKey(key) && key.type === ED25519_COSIGNATURE) return key
  throw new VerifierError(
    "VERIFIER_UNKNOWN_KEY_TYPE",
    `cannot check cosignatures by ${key.name}: the type is unknown here`,
  )
}

/** Opens a head on a witness's word alone: what it cosigned convicts it, whoever else has signed. */
function openCosigned(note: string, key: VerifierKey, origin: string): Checkpoint {
  return refusing("a head that the witness did not cosign", () => {
    const parsed = parseNote(note)
    openNote(parsed, [key])
    return ofOrigin(parseCheckpoint(parsed.text), origin)
  })
}

function checkReceiptBroken(
  { receipt: text, entry, heads, leafHash: otherHash, path, origin }: BrokenReceipt,
  policy: Policy,
): { leafIndex: number; treeSize: number } {
  const receipt = refusing("not a receipt", () => parseReceipt(text))
  const { leafIndex, extra } = receipt
  if (extra !== undefined && !equalBytes(extra, entry))
    throw doesNotConvict("the receipt is for another entry")
  const promised = leafHash(entry)
  checkLeaf(receipt, promised, openSigned(receipt.checkpoint, origin, policy))
  const head = openSigned(heads[0], origin, policy)
  checkLeaf({ leafIndex, path }, otherHash, head)
  if (equalBytes(promised, otherHash)) throw doesNotConvict("the entry stands where the receipt says")
  return { leafIndex, treeSize: head.treeSize }
}

/** Returns the leaves once they are shown to be under the head. */
function leavesUnder<T extends readonly AccusedLeaf[]>(
  note: string,
  accused: T,
  origin: string,
  policy: Policy,
): T {
  const head = openSigned(note, origin, policy)
  for (const leaf of accused) checkLeaf(leaf, leafHash(leaf.entry), head)
  return accused
}

function checkLeaf(
  { leafIndex, path }: Pick<Receipt, "leafIndex" | "path">,
  hash: Uint8Array,
  { treeSize, rootHash }: Checkpoint,
): void {
  refusing("not under its head", () =>
    checkInclusion({ leafIndex, treeSize, leafHash: hash, path, rootHash }),
  )
}

function openTwo(
  [first, second]: readonly [string, string],
  origin: string,
  policy: Policy,
): [Checkpoint, Checkpoint] {
  return [openSigned(first, origin, policy), openSigned(second, origin, policy)]
}

/** Opens a head on the log's word alone. */
function openSigned(note: string, origin: string, policy: Policy): Checkpoint {
  return refusing("a head that the log did not sign", () =>
    ofOrigin(openLogHead(note, policy).checkpoint, origin),
  )
}

/**
 * Opens a head on the log's word alone: no cosignature is asked for or looked at.
 *
 * @throws {@link VerifierError} `VERIFIER_CHECKPOINT_REFUSED`, `VERIFIER_UNKNOWN_KEY_TYPE`
 */
export function openLogHead(note: string, { logs }: Pick<Policy, "logs">): OpenedCheckpoint {
  return openAnyHead(note, { logs, witnesses: [], groups: [], quorum: "none" })
}

function ofOrigin(checkpoint: Checkpoint, origin: string): Checkpoint {
  if (checkpoint.origin === origin) return checkpoint
  throw doesNotConvict("a head is of another origin than the file says")
}

/** Calls what may refuse, and says that the accusation does not convict where it does. Nothing else is caught. */
function refusing<T>(what: string, check: () => T): T {
  try {
    return check()
  } catch (error) {
    const isRefusal =
      error instanceof TlogError ||
      (error instanceof VerifierError && error.code === "VERIFIER_CHECKPOINT_REFUSED")
    throw isRefusal ? doesNotConvict(`${what}: ${error.message}`, error) : error
  }
}

function convict(accused: string, proven: string, notClaimed: string): Conviction {
  return { accused, proven, notClaimed }
}

function leaves(count: number): string {
  return count === 1 ? "1 leaf" : `${count} leaves`
}
