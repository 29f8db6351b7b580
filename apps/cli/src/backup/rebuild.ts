/**
 * The storage of a log, made anew from its entries and records: in steps as the ledger commits them.
 *
 *     entries ──leaf hashes──► integrate ──► tiles, root       records, or the empty record ─┐
 *        └──► bundles                                                                        ├─► commit
 *     tombstones ◄── withdrawn as soon as their leaves are committed, before anyone reads  ──┘
 *
 * No byte of what a tombstone stands for is ever written.
 */

import type { Commit, IdRow, LogStorage } from "@prooflog/ledger/storage"
import { formatBundle, packedLeafHashes } from "@prooflog/tlog/bundle"
import { type Edge, EMPTY_EDGE, integrate } from "@prooflog/tlog/integrate"
import { TILE_WIDTH } from "@prooflog/tlog/tile"

/** Leaves in one step. */
export const STEP = 4_096

/** A leaf as it shall be stored. */
export interface RebuiltLeaf {
  readonly entry: Uint8Array
  /** Empty of a leaf that is no event, or is withdrawn. */
  readonly record: Uint8Array
  readonly tombstone?: Uint8Array | undefined
  /** By which a repeat of it is recognised, if it still is. */
  readonly repeat?: Pick<IdRow, "id" | "generation"> | undefined
}

export class Rebuilder {
  readonly #storage: LogStorage
  #edge: Edge = EMPTY_EDGE
  /** Entries of the last bundle, if it is partial. */
  #rest: readonly Uint8Array[] = []

  /** @param storage - without leaves */
  constructor(storage: LogStorage) {
    this.#storage = storage
  }

  get treeSize(): number {
    return this.#edge.treeSize
  }

  /**
   * Adds leaves in one step; durable when it resolves.
   *
   * @param leaves - at least one
   * @returns the root of the tree that they end
   */
  async add(leaves: readonly RebuiltLeaf[]): Promise<Uint8Array> {
    const follows = this.#edge.treeSize
    const entries = leaves.map(({ entry }) => entry)
    const { edge, rootHash, tiles } = integrate(this.#edge, packedLeafHashes(formatBundle(entries)))
    const commit: Commit = {
      follows,
      treeSize: edge.treeSize,
      rootHash,
      tiles,
      bundles: this.#bundles(entries, follows),
      records: formatBundle(leaves.map(({ record }) => record)),
      ids: leaves.flatMap(({ repeat }, i) =>
        repeat === undefined ? [] : [{ ...repeat, leafIndex: follows + i }],
      ),
    }
    await this.#storage.commit(commit)
    this.#edge = edge
    const tombstones = leaves.flatMap(({ tombstone }, i) =>
      tombstone === undefined
        ? []
        : [{ kind: "tombstone" as const, leafIndex: follows + i, bytes: tombstone }],
    )
    if (tombstones.length > 0) await this.#storage.withdraw(tombstones)
    return rootHash
  }

  #bundles(entries: readonly Uint8Array[], follows: number): Commit["bundles"] {
    const all = [...this.#rest, ...entries]
    const first = Math.floor(follows / TILE_WIDTH)
    const bundles = []
    for (let at = 0; at < all.length; at += TILE_WIDTH) {
      const bytes = formatBundle(all.slice(at, at + TILE_WIDTH))
      bundles.push({ index: first + at / TILE_WIDTH, bytes })
    }
    this.#rest = all.slice(all.length - (all.length % TILE_WIDTH))
    return bundles
  }
}
