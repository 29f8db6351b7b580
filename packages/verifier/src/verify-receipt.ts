/**
 * Verifies a receipt: some entry is in the tree under a checkpoint.
 *
 * A receipt carries its entry in `extra`. The spec does not authenticate that line; being the leaf does: the
 * bytes are hashed, so that a receipt cannot be passed off for another entry.
 *
 * Spec: c2sp.org/tlog-proof, c2sp.org/tlog-policy.
 * Pure: no I/O, no clock, no randomness.
 */

import type { Entry } from "@prooflog/event/entry"
import { equalBytes } from "@prooflog/tlog/hash"
import type { OpenedCheckpoint, Policy } from "@prooflog/tlog/policy"
import { parseReceipt, type Receipt } from "@prooflog/tlog/receipt"
import { openHead } from "./advance.js"
import { refusalBy, VerifierError } from "./error.js"
import { type CosignedTime, checkInTree, cosignedTime, openEntry } from "./verify-evidence.js"

export interface VerifyReceiptOptions {
  /** The entry that the receipt must be for; without it, the entry that the receipt carries. */
  readonly entry?: Uint8Array
}

export interface VerifiedReceipt {
  /** One sentence for people. */
  readonly proven: string
  /** One sentence for people: what must not be concluded. */
  readonly notClaimed: string
  readonly origin: string
  readonly treeSize: number
  readonly checkpoint: OpenedCheckpoint
  readonly leafIndex: number
  /** The logged bytes. */
  readonly entry: Uint8Array
  /** What they mean; its time is the operator's word. */
  readonly opened: Entry
  /** The entry was logged not later, on the word of the policy's quorum. */
  readonly cosigned: CosignedTime | undefined
}

export const RECEIPT_NOT_CLAIMED =
  "Not claimed: what the entry stands for. A receipt shows that these bytes were logged; only evidence opens them."

/**
 * Returns what a receipt proves under `policy`.
 *
 * @param receipt - a `.tlog-proof` text, suspect
 * @throws {@link VerifierError} `VERIFIER_MALFORMED_RECEIPT`, `VERIFIER_CHECKPOINT_REFUSED`,
 * `VERIFIER_UNKNOWN_KEY_TYPE`, `VERIFIER_NOT_IN_TREE`, `VERIFIER_ENTRY_REFUSED`
 */
export function verifyReceipt(
  receipt: Uint8Array | string,
  policy: Policy,
  options: VerifyReceiptOptions = {},
): VerifiedReceipt {
  const { leafIndex, path, extra, checkpoint: note } = openReceipt(receipt)
  const entry = options.entry ?? extra
  if (entry === undefined) {
    throw new VerifierError("VERIFIER_MALFORMED_RECEIPT", "the receipt carries no entry", { leafIndex })
  }
  if (extra !== undefined && !equalBytes(entry, extra)) {
    throw new VerifierError("VERIFIER_ENTRY_REFUSED", "the receipt is for another entry", { leafIndex })
  }
  const checkpoint = openHead(note, policy)
  checkInTree(leafIndex, entry, path, checkpoint)
  const { origin, treeSize } = checkpoint.checkpoint
  return {
    proven: `This entry is leaf ${leafIndex} of the log ${JSON.stringify(origin)}.`,
    notClaimed: RECEIPT_NOT_CLAIMED,
    origin,
    treeSize,
    checkpoint,
    leafIndex,
    entry,
    opened: openEntry(leafIndex, entry),
    cosigned: cosignedTime(checkpoint, policy),
  }
}

function openReceipt(receipt: Uint8Array | string): Receipt {
  try {
    return parseReceipt(receipt)
  } catch (cause) {
    throw refusalBy(cause, "VERIFIER_MALFORMED_RECEIPT", "malformed receipt")
  }
}
