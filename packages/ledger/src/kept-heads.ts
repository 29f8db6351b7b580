/**
 * The heads that an opening begins with.
 *
 *     <key>.signed      what the log has signed last: the storage must reach it
 *     <key>.published   with witnesses, what it showed last: it was signed, too, and is shown until there is newer
 *
 * A log that begins has neither: it signs the tree without leaves, which is at odds with no other.
 *
 * Witnesses may be given to a log, and taken from it. Where `.published` is absent, all that was signed was shown:
 *
 *     opened without witnesses          what is signed is shown; .published is removed, lest it become old
 *     with them, .published is there    it is shown until there is a quorum for newer
 *     with them, and it is absent       the signed head was shown: it is written there before anything more is signed
 */

import { EMPTY_ROOT } from "@prooflog/tlog/hash"
import type { SignerKey } from "@prooflog/tlog/key"
import { requireNoneAhead } from "./ask-witnesses.js"
import { CosignedHead, reopenCosigned } from "./cosigned-head.js"
import { LedgerError } from "./error.js"
import { type Head, openHead, signHead } from "./head.js"
import { type Examined, type ExamineOptions, examine, requireRoot } from "./opening.js"
import type { Witnessed } from "./publication.js"
import type { SignedHeadStore } from "./signed-head.js"
import type { Witnessing } from "./witnessing.js"

export interface OpenHeadsOptions extends Omit<ExamineOptions, "signed"> {
  readonly signerKey: SignerKey
  readonly signedHead: SignedHeadStore
  readonly witnessing: Witnessing | undefined
  readonly clock: () => number
}

export interface OpenedHeads {
  readonly examined: Examined
  readonly signed: Head
  readonly witnessed: Witnessed | undefined
}

/**
 * Holds the storage against the heads that were kept and, where there are none, against what witnesses know.
 *
 * From here on there is a signed head beside the key. If we crash before the first leaf is signed, the next opening
 * finds a tree that grew out of it.
 *
 * Crash on any line: the next opening shows no less than this one found, whichever of the two has witnesses.
 *
 * @throws LedgerError as `examine` and `requireNoneAhead`; `LEDGER_BAD_SIGNED_HEAD` for either head;
 * `LEDGER_NOT_PUBLISHING` if one cannot be kept
 */
export async function openHeads(options: OpenHeadsOptions): Promise<OpenedHeads> {
  const { storage, signerKey, signedHead, witnessing, clock } = options
  const kept = await signedHead.read()
  const keptSigned = kept && openHead(kept, signerKey)
  const keptShown = await signedHead.published?.read()
  const shown = keptShown && openHead(keptShown, signerKey)
  // What was shown was signed: it counts as much, should the other file be older.
  const newest = keptSigned === undefined || (shown?.treeSize ?? 0) > keptSigned.treeSize ? shown : keptSigned
  // Alone it is not enough to believe a storage with leaves, of which more may have been signed than was shown.
  const isEnough = keptSigned !== undefined || options.adoptHead || (await storage.treeSize()) === 0
  const signed = isEnough && newest !== undefined ? own(newest, signerKey) : undefined
  const examined = await examine({ ...options, signed })
  if (shown !== undefined && signed !== undefined) await requireRoot(storage, shown)
  const empty = signHead({ treeSize: 0, rootHash: EMPTY_ROOT }, signerKey, clock())
  if (keptSigned === undefined && witnessing !== undefined) {
    await requireNoneAhead({ witnessing, storage, signerKey, empty })
  }
  const begun = signed ?? empty
  const begin = async () => {
    if (begun.treeSize !== keptSigned?.treeSize) await signedHead.write(begun.note)
  }
  const { published } = signedHead
  if (witnessing === undefined) {
    await keeping(async () => {
      await begin()
      await published?.remove()
    })
    return { examined, signed: begun, witnessed: undefined }
  }
  await keeping(async () => {
    // First, as nothing that is signed from here on was shown.
    if (shown === undefined) await published?.write(begun.note)
    await begin()
  })
  const { policy } = witnessing
  const wasShown = published === undefined ? empty : begun
  const cosigned =
    shown === undefined
      ? new CosignedHead(wasShown, policy)
      : reopenCosigned(own(shown, signerKey), shown.note, policy)
  return { examined, signed: begun, witnessed: { witnessing, shown: cosigned, store: published } }
}

async function keeping(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (cause) {
    throw new LedgerError("LEDGER_NOT_PUBLISHING", "the heads could not be kept beside the key", { cause })
  }
}

/** The same head with the log's signature alone, which is always the same. */
function own(head: Head, signerKey: SignerKey): Head {
  return signHead(head, signerKey, head.timeMs)
}
