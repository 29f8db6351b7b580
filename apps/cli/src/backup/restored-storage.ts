/**
 * The storage of a restored log: rebuilt up to the signed head, closed, opened, and read again as it then lies on disk.
 *
 *     backup ──► leaves, as they shall be ──► steps ──► the backup's root ──► missing leaves ──► the signed root
 *
 * Effects: reads files, writes one LevelDB.
 */

import { entryTimeMs } from "@prooflog/event/entry"
import { checkCommits, checkLeaves, readRoot } from "@prooflog/ledger/check"
import { generationOf } from "@prooflog/ledger/storage"
import { checkRecord } from "@prooflog/server/check-record"
import { openLevelStorage } from "@prooflog/storage-level"
import { equalBytes } from "@prooflog/tlog/hash"
import { TILE_WIDTH } from "@prooflog/tlog/tile"
import { CliError } from "../error.js"
import type { KeptBackup } from "./kept-backup.js"
import type { TreeHead } from "./mirror.js"
import { readMissing } from "./missing-leaves.js"
import { Rebuilder, type RebuiltLeaf, STEP } from "./rebuild.js"
import { type KeptLeaf, repeatIdOf } from "./record-range.js"
import { said } from "./restore-target.js"
import { bundlesOf } from "./survey.js"

export interface RebuildOptions {
  readonly logPath: string
  /** Where missing leaves are kept. */
  readonly missing: string
  readonly backup: KeptBackup
  readonly target: TreeHead
  /** By leaf: what stands there, whatever the backup has. */
  readonly tombstones: ReadonlyMap<number, Uint8Array>
  /** Time of the last entry, ms. */
  readonly lastMs: number
  readonly onLeaves: (leaves: number) => void
}

/** @throws {@link CliError} `CLI_RESTORE_REFUSED` if a root is not the one that was signed; LedgerError of the storage */
export async function rebuildStorage({
  logPath,
  missing,
  backup,
  target,
  tombstones,
  lastMs,
  onLeaves,
}: RebuildOptions): Promise<void> {
  const { manifest } = backup
  const storage = await openLevelStorage(logPath)
  try {
    const rebuilder = new Rebuilder(storage)
    const oldest = generationOf(lastMs) - 1
    let waiting: RebuiltLeaf[] = []
    const flush = async (head?: TreeHead) => {
      const rootHash = waiting.length > 0 ? await rebuilder.add(waiting) : undefined
      waiting = []
      onLeaves(rebuilder.treeSize)
      if (head === undefined || rootHash === undefined || equalBytes(rootHash, head.rootHash)) return
      throw new CliError(
        "CLI_RESTORE_REFUSED",
        `at ${rebuilder.treeSize} leaves the log has another root than was signed`,
        {
          details: [
            `signed    ${said(head)}`,
            `restored  ${said({ treeSize: rebuilder.treeSize, rootHash })}`,
          ],
        },
      )
    }
    for await (const { first, entries, kept } of bundlesOf(backup)) {
      for (const [i, entry] of entries.entries()) {
        waiting.push(rebuiltLeaf(entry, kept[i] as KeptLeaf, tombstones.get(first + i), oldest))
      }
      if (waiting.length >= STEP) await flush()
    }
    await flush(manifest)
    for (let first = manifest.treeSize; first < target.treeSize; ) {
      const start = first - (first % TILE_WIDTH)
      const entries = (await readMissing(missing, start, target.treeSize)).slice(first - start)
      for (const [i, entry] of entries.entries()) {
        waiting.push({ entry, record: NO_BYTES, tombstone: tombstones.get(first + i) })
      }
      first += entries.length
      if (waiting.length >= STEP) await flush()
    }
    await flush(target)
    await storage.settle()
    await storage.purge()
  } finally {
    await storage.close()
  }
}

/** @param oldest - generation of ids that are still looked for */
function rebuiltLeaf(
  entry: Uint8Array,
  { kind, bytes, id }: KeptLeaf,
  noticed: Uint8Array | undefined,
  oldest: number,
): RebuiltLeaf {
  const generation = generationOf(entryTimeMs(entry, 0))
  const name = generation < oldest ? undefined : kind === "record" ? repeatIdOf(bytes) : id
  const repeat = name && { id: name, generation }
  // What was destroyed stays so, for the reason it was.
  const tombstone = kind === "tombstone" ? bytes : noticed
  return { entry, record: tombstone === undefined ? bytes : NO_BYTES, tombstone, repeat }
}

const NO_BYTES = new Uint8Array(0)

/**
 * Reads what is on disk now, all of it, and holds it against the signed head.
 *
 * @throws {@link CliError} `CLI_RESTORE_REFUSED`; LedgerError `LEDGER_CORRUPT` with the leaf
 */
export async function readAgain(
  logPath: string,
  target: TreeHead,
  onLeaves: (leaves: number) => void,
): Promise<void> {
  const { treeSize } = target
  const storage = await openLevelStorage(logPath)
  try {
    let leaves = 0
    const pause = async (checked: number) => {
      leaves += checked
      onLeaves(leaves)
    }
    await checkCommits(storage, 0, treeSize)
    await checkLeaves({ storage, treeSize, start: 0, end: treeSize, checkRecord, pause })
    if (!equalBytes(await readRoot(storage, treeSize), target.rootHash))
      throw new CliError(
        "CLI_RESTORE_REFUSED",
        "the restored log, read again, has not the root that was signed",
      )
    await storage.setVerifiedSize(treeSize)
  } finally {
    await storage.close()
  }
}
