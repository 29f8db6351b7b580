/**
 * The records that were committed last, in memory: whoever follows the log asks for just these.
 *
 *     commits    … │ 4,096 … 6,143 │ 6,144 … 7,000 │ 7,001 … 9,048 │      64 MiB of them, the newest
 *
 * Reading fresh leaves from LevelDB costs more than writing them did. What is here was acknowledged by LevelDB. When a
 * record is withdrawn, all up to its commit is forgotten: nothing is here that has a tombstone.
 *
 * Pure.
 */

import type { Commit, StoredRecord } from "@prooflog/ledger/storage"
import { forEachPacked } from "@prooflog/tlog/bundle"

const KEPT_BYTES = 64 * 2 ** 20

/** The records of one commit. */
interface Kept {
  readonly follows: number
  readonly treeSize: number
  readonly records: Uint8Array
  /** Where each record ends; two bytes after that the next one begins. */
  readonly ends: Uint32Array
}

export class RecentRecords {
  /** Without a gap: each follows the one before. */
  #kept: Kept[] = []
  #bytes = 0

  /** Keeps a copy of the records of a commit that is durable, and follows the one kept last. */
  add({ follows, treeSize, records }: Commit): void {
    const ends = new Uint32Array(treeSize - follows)
    forEachPacked(records, (_, end, i) => {
      ends[i] = end
    })
    this.#kept.push({ follows, treeSize, records: records.slice(), ends })
    this.#bytes += records.length
    while (this.#bytes > KEPT_BYTES) this.#dropOldest()
  }

  /** Returns the records of `[start, end)` if all of them are here. Views: they are not to be written to. */
  find(start: number, end: number): readonly StoredRecord[] | undefined {
    const [oldest] = this.#kept
    const newest = this.#kept.at(-1)
    if (oldest === undefined || newest === undefined) return undefined
    if (start < oldest.follows || end > newest.treeSize) return undefined
    const found: StoredRecord[] = []
    for (const { follows, treeSize, records, ends } of this.#kept) {
      for (let leafIndex = Math.max(start, follows); leafIndex < Math.min(end, treeSize); leafIndex++) {
        const i = leafIndex - follows
        const from = i === 0 ? 2 : (ends[i - 1] as number) + 2
        found.push({ kind: "record", leafIndex, bytes: records.subarray(from, ends[i]) })
      }
    }
    return found
  }

  /** Forgets the record of this leaf, and all before it. */
  forget(leafIndex: number): void {
    while ((this.#kept[0]?.follows ?? Number.POSITIVE_INFINITY) <= leafIndex) this.#dropOldest()
  }

  #dropOldest(): void {
    this.#bytes -= (this.#kept.shift() as Kept).records.length
  }
}
