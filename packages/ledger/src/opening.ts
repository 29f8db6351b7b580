/**
 * Opening: what a log believes of its storage before it signs anything.
 *
 *     signed head ──► stored tree reaches it? ──► edge = last commit? ──► what is not settled ──► same root
 *     (beside the key)                                               or not signed re-read     at the signed size?
 *
 * A journal can lose a step in its middle or at its end without an error, and a folder can be an old backup.
 * The first shows as a gap, a root or an entry that does not fit; the second only against the head that is kept
 * elsewhere. In either case nothing is signed. What was both settled and signed was or will be re-read by the
 * scrubber: a damaged byte there can spoil an answer, which its reader sees, but not a signature.
 */

import { bundlePath, parseBundle } from "@prooflog/tlog/bundle"
import { equalBytes } from "@prooflog/tlog/hash"
import { edgeRoot } from "@prooflog/tlog/integrate"
import { TILE_WIDTH, tileAt } from "@prooflog/tlog/tile"
import { EMPTY_FRONTIER, type Frontier } from "./assemble.js"
import { type CheckRecord, checkCommits, checkLeaves, readEdge, readRoot } from "./check.js"
import { LedgerError } from "./error.js"
import type { Head } from "./head.js"
import type { LogStorage } from "./storage.js"

export interface ExamineOptions {
  readonly storage: LogStorage
  /** The head that was kept beside the key, its signature checked. */
  readonly signed: Head | undefined
  readonly checkRecord: CheckRecord | undefined
  readonly entryTime: (bytes: Uint8Array, entryOffset: number) => number
  /** Believe a storage with leaves although no signed head was kept; it is then re-read from the first leaf. */
  readonly adoptHead: boolean
}

/** What was found, and may be built upon. */
export interface Examined {
  readonly frontier: Frontier
  /** 32 bytes */
  readonly rootHash: Uint8Array
  /** Time of the last entry, ms; 0 if there is none. */
  readonly lastMs: number
}

/**
 * Examines a storage that was just opened; writes nothing.
 *
 * @throws LedgerError `LEDGER_NO_SIGNED_HEAD`, `LEDGER_BEHIND_SIGNED_HEAD`, `LEDGER_SIGNED_HEAD_MISMATCH`,
 * `LEDGER_CORRUPT` with the first leaf that is damaged or missing
 */
export async function examine(options: ExamineOptions): Promise<Examined> {
  const { storage, signed } = options
  const treeSize = await storage.treeSize()
  if (signed !== undefined && signed.treeSize > treeSize) throw await behind(storage, treeSize, signed)
  if (treeSize === 0) return { frontier: EMPTY_FRONTIER, rootHash: edgeRoot(EMPTY_FRONTIER.edge), lastMs: 0 }
  if (signed === undefined && !options.adoptHead) {
    throw new LedgerError(
      "LEDGER_NO_SIGNED_HEAD",
      `there are ${treeSize} leaves but no signed head beside the key: this may be an old backup`,
    )
  }
  const found = await examineTree(options, treeSize)
  if (signed !== undefined) await requireRoot(storage, signed)
  return found
}

async function examineTree(options: ExamineOptions, treeSize: number): Promise<Examined> {
  const { storage, checkRecord, signed } = options
  // Every leaf past the signed head, too: else nothing ties the edge, which is signed next, to what was signed.
  const start =
    signed === undefined ? 0 : Math.min(await storage.settledSize(), signed.treeSize, treeSize - 1)
  const lastCommit = await checkCommits(storage, start, treeSize)
  for await (const { firstLeaf } of storage.commits(treeSize)) {
    throw new LedgerError("LEDGER_CORRUPT", `there is a step past the tree size, ${treeSize}`, {
      leafIndex: firstLeaf,
    })
  }
  // The last bundle always, as the log grows out of it.
  const lastBundle = Math.floor((treeSize - 1) / TILE_WIDTH)
  await checkLeaves({
    storage,
    treeSize,
    start: Math.min(start, lastBundle * TILE_WIDTH),
    end: treeSize,
    checkRecord,
  })
  const edge = await readEdge(storage, treeSize)
  const rootHash = edgeRoot(edge)
  if (!equalBytes(rootHash, lastCommit.rootHash)) {
    throw new LedgerError(
      "LEDGER_CORRUPT",
      "the tiles do not have the root that the last step of the log had",
      {
        leafIndex: lastCommit.firstLeaf,
      },
    )
  }
  const { width } = tileAt(0, lastBundle, treeSize) as { width: number }
  const bundle = (await storage.read(bundlePath(lastBundle, width))) as Uint8Array
  const lastEntry = parseBundle(bundle, width).at(-1) as Uint8Array
  return {
    frontier: { edge, bundle: width < TILE_WIDTH ? bundle.slice() : EMPTY_FRONTIER.bundle },
    rootHash,
    lastMs: options.entryTime(lastEntry, 0),
  }
}

/**
 * Requires that the stored tree, as it was at the signed size, has the signed root. Its tiles were found sound before.
 *
 * @throws LedgerError `LEDGER_SIGNED_HEAD_MISMATCH` with both heads
 */
export async function requireRoot(storage: LogStorage, signed: Head): Promise<void> {
  const rootHash = await readRoot(storage, signed.treeSize)
  if (equalBytes(rootHash, signed.rootHash)) return
  throw new LedgerError(
    "LEDGER_SIGNED_HEAD_MISMATCH",
    `at ${signed.treeSize} leaves the stored tree has another root than the one that was signed`,
    { heads: { signed, stored: { treeSize: signed.treeSize, rootHash } } },
  )
}

async function behind(storage: LogStorage, treeSize: number, signed: Head): Promise<LedgerError> {
  const rootHash = await readRoot(storage, treeSize).catch(() => undefined)
  return new LedgerError(
    "LEDGER_BEHIND_SIGNED_HEAD",
    `a tree of ${signed.treeSize} leaves was signed, the storage has ${treeSize}: an old backup, or a lost disk`,
    { heads: { signed, stored: { treeSize, ...(rootHash === undefined ? {} : { rootHash }) } } },
  )
}
