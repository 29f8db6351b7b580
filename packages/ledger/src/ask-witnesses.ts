/**
 * What the witnesses know, asked before a log signs that has no signed head of its own.
 *
 *     storage, no head beside the key ──► every witness: what have you cosigned?
 *                                          ├─ shows a head of ours, more than is stored ──► LEDGER_BEHIND_WITNESS
 *                                          ├─ shows one with another root ────────────────► LEDGER_SIGNED_HEAD_MISMATCH
 *                                          ├─ only says that it is more ──────────────────► does not tell
 *                                          └─ nothing that is missing here ───────────────► may be signed
 *
 * A restored backup brings its own alibi; what a quorum has cosigned, others have seen. So as many must answer that
 * those who are silent cannot have been the quorum of a head that is not heard of. A size without a head is a word that
 * costs nothing: one witness shall not keep a log from opening by it. Where a quorum says so, it is believed.
 */

import { equalBytes } from "@prooflog/tlog/hash"
import type { SignerKey } from "@prooflog/tlog/key"
import { isQuorum, type Policy } from "@prooflog/tlog/policy"
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
 * Requires that no witness shows more than is stored, and no quorum of them says that there is more.
 *
 * @throws LedgerError `LEDGER_BEHIND_WITNESS`, `LEDGER_SIGNED_HEAD_MISMATCH` with both heads; `LEDGER_NO_SIGNED_HEAD`
 * if there are leaves and too many witnesses say nothing
 */
export async function requireNoneAhead(options: AskOptions): Promise<void> {
  const { witnessing, storage, signerKey, empty } = options
  const { policy, witnesses } = witnessing
  const treeSize = await storage.treeSize()
  // Its word on the size is of now; what it shows to monitors may be of an hour ago, but bears the log's signature.
  const asked = witnesses.map(async (witness): Promise<Told> => {
    const { name } = witness
    const { treeSize: said, note } = await witness.known(empty, signerKey.name)
    const shown = note === undefined ? undefined : openShown(note, signerKey)
    if (shown !== undefined && shown.treeSize > treeSize) throw behind(`witness ${name} has`, shown, treeSize)
    if (shown !== undefined) await requireRoot(storage, name, shown)
    if (said !== undefined && said > treeSize) return { name, tells: false, said }
    return { name, tells: shown !== undefined || said !== undefined }
  })
  // One that shows more decides, however dead the others are.
  const told = await Promise.all(asked)
  // A policy may ask for nobody.
  if (isQuorum(policy, [])) return
  requireNoQuorumAhead(policy, told, treeSize)
  const telling = told.filter(({ tells }) => tells).map(({ name }) => name)
  const silent = policy.witnesses.map(({ name }) => name).filter((name) => !telling.includes(name))
  // In a log without leaves there is nothing to be behind of.
  if (treeSize === 0 || !isQuorum(policy, silent)) return
  throw new LedgerError(
    "LEDGER_NO_SIGNED_HEAD",
    `no signed head beside the key, and too many witnesses do not say what they know, or do not show it: ${silent.join(", ")}`,
  )
}

/** What a witness told. */
interface Told {
  readonly name: string
  /** Whether there is nothing in its answers that it knows and we do not. */
  readonly tells: boolean
  /** More leaves than are stored, without a head to show for it. */
  readonly said?: number
}

function requireNoQuorumAhead(policy: Policy, told: readonly Told[], treeSize: number): void {
  const ahead = told.filter(({ said }) => said !== undefined)
  const names = ahead.map(({ name }) => name)
  if (!isQuorum(policy, names)) return
  const least = Math.min(...ahead.map(({ said }) => said ?? treeSize))
  throw behind(`witnesses ${names.join(", ")} say that they have`, { treeSize: least }, treeSize)
}

/** @param who - and the verb */
function behind(who: string, known: KnownTree, treeSize: number): LedgerError {
  return new LedgerError(
    "LEDGER_BEHIND_WITNESS",
    `${who} cosigned ${known.treeSize} leaves, the storage has ${treeSize}: an old backup, or a lost disk`,
    { heads: { signed: known, stored: { treeSize } } },
  )
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
