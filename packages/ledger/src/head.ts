/**
 * Heads: what the log has signed about its tree.
 */

import { parseCheckpoint, signCheckpoint } from "@prooflog/tlog/checkpoint"
import { type SignerKey, verifierKeyOf } from "@prooflog/tlog/key"
import { openNote, parseNote } from "@prooflog/tlog/note"
import { LedgerError } from "./error.js"
import type { CommittedTree } from "./sequencer.js"
import type { StoredHead } from "./signed-head.js"

export interface Head {
  readonly treeSize: number
  /** 32 bytes */
  readonly rootHash: Uint8Array
  /** The signed checkpoint, whole. */
  readonly note: string
  /** When it was signed, ms since 1970 by the wall clock. */
  readonly timeMs: number
}

/** Signs a tree; the signature is deterministic. Whoever calls this keeps the head before anyone sees it. */
export function signHead({ treeSize, rootHash }: CommittedTree, signer: SignerKey, timeMs: number): Head {
  const checkpoint = { origin: signer.name, treeSize, rootHash, extensions: [] }
  return { treeSize, rootHash, note: signCheckpoint(checkpoint, signer), timeMs }
}

/**
 * Opens the head that was kept beside the key.
 *
 * @throws LedgerError `LEDGER_BAD_SIGNED_HEAD` unless this key signed it, for the origin it is named after
 */
export function openHead({ note, timeMs }: StoredHead, signer: SignerKey): Head {
  try {
    const opened = openNote(parseNote(note), [verifierKeyOf(signer)])
    const { origin, treeSize, rootHash } = parseCheckpoint(opened.note.text)
    if (origin !== signer.name) throw new Error(`its origin is ${JSON.stringify(origin)}`)
    return { treeSize, rootHash, note, timeMs }
  } catch (cause) {
    throw new LedgerError(
      "LEDGER_BAD_SIGNED_HEAD",
      `the signed head beside the key is no checkpoint of ${signer.name} signed by that key`,
      { cause },
    )
  }
}
