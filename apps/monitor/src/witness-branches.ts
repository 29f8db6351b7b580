/** Two histories that one log key signed, and what a log would send of each to a witness. Test-only. */

import { signCheckpoint } from "@prooflog/tlog/checkpoint"
import { proveConsistency } from "@prooflog/tlog/consistency"
import { leafHash } from "@prooflog/tlog/hash"
import { EMPTY_EDGE, integrate } from "@prooflog/tlog/integrate"
import { createSignerKey, verifierKeyOf } from "@prooflog/tlog/key"
import { TileTree } from "@prooflog/tlog/tile-tree"
import { formatAddCheckpoint } from "@prooflog/tlog/witness-request"

export const logKey = createSignerKey("example.com/log", new Uint8Array(32).fill(1), 0x01)
export const witnessKey = createSignerKey("witness.example", new Uint8Array(32).fill(2), 0x04)
export const LOG = { origin: logKey.name, keys: [verifierKeyOf(logKey)] }

/** Leaves that the two histories of {@link TWO_BRANCHES} have in common. */
export const FORK = 5

/** One history of at most 256 leaves. */
export class Branch {
  readonly #name: string
  readonly #trees = new Map<number, ReturnType<typeof integrate>>()

  constructor(name: string) {
    this.#name = name
  }

  root(size: number): Uint8Array {
    return this.#tree(size).rootHash
  }

  checkpoint(size: number): string {
    return signCheckpoint(
      { origin: logKey.name, treeSize: size, rootHash: this.root(size), extensions: [] },
      logKey,
    )
  }

  proof(oldSize: number, size: number): Promise<Uint8Array[]> {
    return proveConsistency(oldSize, size, async () =>
      this.#tree(size).tiles.map(({ bytes }) => new TileTree(bytes)),
    )
  }

  /** The body that takes a witness from `oldSize` of this history to `size` of it. */
  async request(oldSize: number, size: number): Promise<string> {
    const proof = oldSize <= size ? await this.proof(oldSize, size) : []
    return formatAddCheckpoint({ oldSize, proof, checkpoint: this.checkpoint(size) })
  }

  #tree(size: number): ReturnType<typeof integrate> {
    const known = this.#trees.get(size)
    if (known !== undefined) return known
    const leaves = Array.from({ length: size }, (_, i) => {
      return leafHash(new TextEncoder().encode(i < FORK ? String(i) : `${this.#name} ${i}`))
    })
    const tree = integrate(EMPTY_EDGE, new Uint8Array(Buffer.concat(leaves)))
    this.#trees.set(size, tree)
    return tree
  }
}

/** They are one up to {@link FORK} leaves, and inconsistent beyond. */
export const TWO_BRANCHES: readonly [Branch, Branch] = [new Branch("left"), new Branch("right")]
