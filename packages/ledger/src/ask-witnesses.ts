/**
 * What the witnesses know, asked before a log signs that has no signed head of its own.
 *
 *     storage, no head beside the key ──► every witness: what have you cosigned?
 *                                          ├─ more than is stored ──► LEDGER_BEHIND_WITNESS
 *                                          ├─ another root ─────────► LEDGER_SIGNED_HEAD_MISMATCH
 *                                          └─ nothing that is missing here ──► may be signed
 *
 * A restored backup brings its own alibi; what a quorum has cosigned, others have seen. So as many must answer that
 * those who are silent cannot have been the quorum of a head that is not heard of.
 */

import { equalBytes } from "@prooflog/tlog/hash"
import type { SignerKey } from "@prooflog/tlog/key"
import { isQuorum } from "@prooflog/tlog/policy"
import { readRoot } from "./check.js"
import { type KnownTree, LedgerError } from "./error.js"
import { type Head, openHead } from "./head.js"
import type { LogStorage } from "./storage.js"
import type { Witnessing } from "./witnessing.js"

export interface AskOptions {
  readonly witnessing: Witnessing
  readonly storage: LogStorage
  readonly signerKey: SignerKey
  /** The head of the tree without leaves: signed by every log at its beginning, at odds with no other. */
  readonly empty: Head
}

/**
 * Requires that no witness knows more than is stored.
 *
 * @throws LedgerError `LEDGER_BEHIND_WITNESS`, `LEDGER_SIGNED_HEAD_MISMATCH` with both heads; `LEDGER_NO_SIGNED_HEAD`
 * if there are leaves and too many witnesses say nothing
 */
export async function requireNoneAhead(options: AskOptions): Promise<void> {
  const { witnessing, storage, signerKey, empty } = options
  const { policy, witnesses } = witnessing
  const treeSize = await storage.treeSize()
  // Its word on the size is of now; what it shows to monitors may be of an hour ago, but bears the log's signature.
  const asked = witnesses.map(async (witness) => {
    const { treeSize: said, note } = await witness.known(empty, signerKey.name)
    const shown = note === undefined ? undefined : openShown(note, signerKey)
    if (shown !== undefined && shown.treeSize <= treeSize) await requireRoot(storage, witness.name, shown)
    const known = [shown, said === undefined ? undefined : { treeSize: said }].filter(isDefined)
    for (const head of known) if (head.treeSize > treeSize) throw behind(witness.name, head, treeSize)
    return known.length > 0 ? witness.name : undefined
  })
  // One that knows more decides, however dead the others are.
  const told = (await Promise.all(asked)).filter(isDefined)
  const silent = policy.witnesses.map(({ name }) => name).filter((name) => !told.includes(name))
  // In a log without leaves there is nothing to be behind of, and a policy may ask for nobody.
  if (treeSize === 0 || isQuorum(policy, []) || !isQuorum(policy, silent)) return
  throw new LedgerError(
    "LEDGER_NO_SIGNED_HEAD",
    `no signed head beside the key, and too many witnesses do not say what they know: ${silent.join(", ")}`,
  )
}

function behind(name: string, known: KnownTree, treeSize: number): LedgerError {
  return new LedgerError(
    "LEDGER_BEHIND_WITNESS",
    `witness ${name} has cosigned ${known.treeSize} leaves, the storage has ${treeSize}: an old backup, or a lost disk`,
    { heads: { signed: known, stored: { treeSize } } },
  )
}

function isDefined<T>(value: T | undefined): value is T {
  return value !== undefined
}

async function requireRoot(storage: LogStorage, name: string, shown: Head): Promise<void> {
  const rootHash = await readRoot(storage, shown.treeSize)
  if (equalBytes(rootHash, shown.rootHash)) return
  throw new LedgerError(
    "LEDGER_SIGNED_HEAD_MISMATCH",
    `at ${shown.treeSize} leaves the stored tree has another root than the one that witness ${name} has cosigned`,
    { heads: { signed: shown, stored: { treeSize: shown.treeSize, rootHash } } },
  )
}

/** What a witness shows counts only if this log has signed it. */
function openShown(note: string, signerKey: SignerKey): Head | undefined {
  try {
    return openHead({ note, timeMs: 0 }, signerKey)
  } catch {
    return undefined
  }
}
