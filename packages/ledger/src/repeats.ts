/**
 * Repeats: an id that was committed before, or is on its way, takes no second leaf.
 *
 *     id ──► claimed by one on its way? ──yes──► wait for where that one comes to stand
 *                     │ no: claim it
 *                     ▼
 *            in storage, in this generation or the last? ──yes──► it stands there
 *                     │ no
 *                     ▼
 *                 fresh: sequenced; the claim is held until its commit is durable
 *
 * The claim is taken before storage is asked and held until the commit that stores the id is through, so two
 * equal ids cannot both be fresh, in one submission or in two. Storage is asked for all that came meanwhile at
 * once, one question at a time, while commits run.
 */

import { bundlePath } from "@prooflog/tlog/bundle"
import { TILE_WIDTH, tileAt } from "@prooflog/tlog/tile"
import { LedgerError } from "./error.js"
import type { LogStorage } from "./storage.js"
import { packedEnd } from "./submission.js"
import { Claim, type Waiting } from "./waiting.js"

interface Asked {
  readonly waiting: Waiting
  /** By entry: the claim it holds, `undefined` if it gave no id or follows another's claim. */
  readonly claims: readonly (Claim | undefined)[]
  /** Numbers of the entries that follow no claim. */
  readonly own: readonly number[]
}

export interface RepeatsOptions {
  readonly storage: LogStorage
  readonly entryTime: (bytes: Uint8Array, entryOffset: number) => number
  /** The generations to ask, newest first. */
  readonly generations: () => readonly number[]
  /** Gets every submission that has fresh entries, when it is known which. */
  readonly onFresh: (waiting: Waiting) => void
}

export class Repeats {
  readonly #options: RepeatsOptions
  readonly #claims = new Map<string, Claim>()
  #waiting: Asked[] = []
  #asking = false

  constructor(options: RepeatsOptions) {
    this.#options = options
  }

  /** Sorts out which entries are fresh; places those that are not. */
  recognise(waiting: Waiting, ids: readonly (Uint8Array | undefined)[]): void {
    const claims: (Claim | undefined)[] = new Array(ids.length)
    const own: number[] = []
    // Claims are visible at once, so that an error on the way frees them.
    waiting.claims = claims
    for (const [i, id] of ids.entries()) {
      const other = id && this.#claims.get(keyOf(id))
      if (other !== undefined) {
        other.follow(waiting, i)
        continue
      }
      own.push(i)
      if (id !== undefined) claims[i] = this.#claim(id)
    }
    if (own.length === 0) return
    if (claims.some((claim) => claim !== undefined)) this.#waiting.push({ waiting, claims, own })
    else this.#fresh({ waiting, claims, own }, own)
    // Not at once: what arrives in the same turn asks together.
    if (!this.#asking && this.#waiting.length > 0) {
      this.#asking = true
      setImmediate(() => void this.#ask())
    }
  }

  #claim(id: Uint8Array): Claim {
    const key = keyOf(id)
    const claim = new Claim(id, () => {
      if (this.#claims.get(key) === claim) this.#claims.delete(key)
    })
    this.#claims.set(key, claim)
    return claim
  }

  async #ask(): Promise<void> {
    while (this.#waiting.length > 0) {
      const asked = this.#waiting
      this.#waiting = []
      try {
        await this.#lookUp(asked)
      } catch (cause) {
        const error =
          cause instanceof LedgerError
            ? cause
            : new LedgerError("LEDGER_STORAGE_FAILED", "the storage could not look up ids", { cause })
        for (const { waiting } of asked) waiting.fail(error)
      }
    }
    this.#asking = false
  }

  async #lookUp(asked: readonly Asked[]): Promise<void> {
    const { storage, generations } = this.#options
    const ids: Uint8Array[] = []
    for (const { claims } of asked) for (const claim of claims) if (claim !== undefined) ids.push(claim.id)
    const leaves = await storage.leavesOf(ids, generations())
    const times = await this.#timesOf(leaves.filter((leaf) => leaf !== undefined))
    let next = 0
    for (const one of asked) {
      const fresh: number[] = []
      for (const i of one.own) {
        const claim = one.claims[i]
        const leafIndex = claim && leaves[next++]
        const timeMs = leafIndex === undefined ? undefined : times.get(leafIndex)
        if (claim === undefined || leafIndex === undefined || timeMs === undefined) fresh.push(i)
        else {
          claim.keep({ leafIndex, timeMs })
          one.waiting.placeRepeat(i, leafIndex, timeMs)
        }
      }
      if (fresh.length > 0 && !one.waiting.answered) this.#fresh(one, fresh)
    }
  }

  #fresh({ waiting, claims }: Asked, fresh: readonly number[]): void {
    waiting.keepFresh(
      fresh,
      fresh.map((i) => claims[i]),
    )
    this.#options.onFresh(waiting)
  }

  /** Reads the times of entries that were committed before. */
  async #timesOf(leaves: readonly number[]): Promise<ReadonlyMap<number, number>> {
    const times = new Map<number, number>()
    const bundles = new Map<number, { bytes: Uint8Array; offsets: readonly number[] }>()
    for (const leaf of leaves) {
      const index = Math.floor(leaf / TILE_WIDTH)
      let bundle = bundles.get(index)
      if (bundle === undefined) {
        const bytes = await readBundle(this.#options.storage, index)
        bundle = { bytes, offsets: entryOffsets(bytes) }
        bundles.set(index, bundle)
      }
      const offset = bundle.offsets[leaf % TILE_WIDTH]
      if (offset === undefined) {
        throw new LedgerError("LEDGER_CORRUPT", `an id names leaf ${leaf}, which is not there`, {
          leafIndex: leaf,
        })
      }
      times.set(leaf, this.#options.entryTime(bundle.bytes, offset))
    }
    return times
  }
}

/** The widest stored state of a bundle; empty if there is none. */
async function readBundle(storage: LogStorage, index: number): Promise<Uint8Array> {
  const width = tileAt(0, index, await storage.treeSize())?.width
  return (width && (await storage.read(bundlePath(index, width)))) || new Uint8Array(0)
}

function entryOffsets(bundle: Uint8Array): number[] {
  const offsets: number[] = []
  for (let at = 0; at < bundle.length; at = packedEnd(bundle, at)) offsets.push(at + 2)
  return offsets
}

/** One character for each byte. */
function keyOf(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.length).toString("latin1")
}
