/**
 * All witnesses of a log: one head is offered to all at once, until a quorum has cosigned it.
 *
 *     offer 9 ─┬─► w1  ✓ 40 ms ─┐
 *              ├─► w2  ✓ 70 ms ─┴─► a quorum: the offer is answered
 *              └─► w3  … ✓ 900 ms   attached to the same head, if that is still the one shown
 *
 * A witness that is still busy with the head before takes up the newest when it is done; what lies between them it
 * never sees. Who has cosigned a head is not asked for it again until half the time of a refresh has passed.
 */

import { checkConsistency, proveConsistency } from "@prooflog/tlog/consistency"
import { isVerifierKey } from "@prooflog/tlog/key"
import { isQuorum, type Policy } from "@prooflog/tlog/policy"
import { tilePath } from "@prooflog/tlog/tile"
import { TileTree } from "@prooflog/tlog/tile-tree"
import { readRoot } from "./check.js"
import type { CosignedHead } from "./cosigned-head.js"
import type { LedgerError } from "./error.js"
import type { Head } from "./head.js"
import type { LogStorage } from "./storage.js"
import { type Prove, Witness, type WitnessStatus } from "./witness.js"

export interface WitnessingOptions {
  /** Its witnesses with a URL and a key that can be checked are asked, each at that prefix. */
  readonly policy: Policy
  /** How long one exchange with a witness may take; 5,000 ms unless set. */
  readonly timeoutMs?: number
  /** The age at which the cosignatures of a log without news are renewed; 3,600,000 ms unless set. */
  readonly refreshMs?: number
}

export interface WitnessingContext {
  readonly storage: LogStorage
  readonly clock: () => number
  readonly monotonic: () => number
  readonly onAlarm: (error: LedgerError) => void
}

const TIMEOUT_MS = 5_000
const REFRESH_MS = 3_600_000

export class Witnessing {
  readonly policy: Policy
  readonly refreshMs: number
  readonly #timeoutMs: number
  readonly #context: WitnessingContext
  readonly #seats: readonly Seat[]
  /** The newest head that was offered. */
  #newest: CosignedHead | undefined
  #closed = false

  /** @throws `RangeError` if the witnesses with URLs and keys that can be checked are no quorum of the policy */
  constructor(
    { policy, timeoutMs = TIMEOUT_MS, refreshMs = REFRESH_MS }: WitnessingOptions,
    context: WitnessingContext,
  ) {
    this.policy = policy
    this.refreshMs = refreshMs
    this.#timeoutMs = timeoutMs
    this.#context = context
    this.#seats = policy.witnesses
      .filter(({ url, key }) => url !== undefined && isVerifierKey(key))
      .map((witness) => ({ witness: new Witness({ ...context, witness, timeoutMs }), busy: undefined }))
    const names = this.#seats.map(({ witness }) => witness.name)
    if (isQuorum(policy, names)) return
    throw new RangeError(`policy: the witnesses that can be asked are not the quorum ${policy.quorum}`)
  }

  /** Whether the quorum is anyone at all. */
  get asksForSomeone(): boolean {
    return !isQuorum(this.policy, [])
  }

  get witnesses(): readonly Witness[] {
    return this.#seats.map(({ witness }) => witness)
  }

  get statuses(): readonly WitnessStatus[] {
    return this.#seats.map(({ witness }) => witness.status)
  }

  /**
   * Offers a head, the log's own signature on it, to every witness whose cosignature it lacks or has for long.
   *
   * @param onCosigned - is told of each cosignature, and of those that come after the answer, too
   * @returns whether a quorum has cosigned it by now: as soon as that is so, or when all have answered or were given
   * their time
   */
  async offer(cosigned: CosignedHead, onCosigned: (cosigned: CosignedHead) => void): Promise<boolean> {
    const { monotonic } = this.#context
    const sinceMs = monotonic() - this.refreshMs / 2
    this.#newest = cosigned
    return new Promise((resolve) => {
      const answer = () => {
        clearTimeout(timer)
        resolve(cosigned.isQuorum(sinceMs))
      }
      // A witness that is busy with the head before may need longer than its own time.
      const timer = setTimeout(answer, this.#timeoutMs)
      const prove = this.#proverOf(cosigned.head)
      const asked = this.#seats.map(async (seat) => {
        if (await this.#ask(seat, cosigned, prove, sinceMs)) onCosigned(cosigned)
        if (cosigned.isQuorum(sinceMs)) answer()
      })
      void Promise.all(asked).then(answer)
      if (cosigned.isQuorum(sinceMs)) answer()
    })
  }

  /** Ends what is under way; nobody is told of anything any more. */
  close(): void {
    this.#closed = true
    for (const { witness } of this.#seats) witness.close()
  }

  /** Resolves with whether there is a new cosignature. */
  async #ask(seat: Seat, cosigned: CosignedHead, prove: Prove, sinceMs: number): Promise<boolean> {
    while (seat.busy !== undefined) await seat.busy
    const { witness } = seat
    if (this.#closed || cosigned !== this.#newest || cosigned.has(witness.name, sinceMs)) return false
    const asking = witness.cosign(cosigned.head, prove)
    seat.busy = asking
    const answer = await asking
    seat.busy = undefined
    if (answer === undefined || this.#closed) return false
    cosigned.add(witness.name, answer, this.#context.monotonic())
    return true
  }

  /**
   * Proves from the stored tiles that the tree of a head begins with an older one, once for all witnesses that ask.
   * The proof is checked: a damaged tile must not look like a fork to a witness.
   */
  #proverOf({ treeSize, rootHash }: Head): Prove {
    const { storage } = this.#context
    const proofs = new Map<number, Promise<readonly Uint8Array[]>>()
    const prove = async (oldSize: number) => {
      if (oldSize === 0 || oldSize === treeSize) return []
      const proof = await proveConsistency(oldSize, treeSize, (tiles) =>
        Promise.all(
          tiles.map(async (tile) => new TileTree((await storage.read(tilePath(tile))) ?? new Uint8Array(0))),
        ),
      )
      const oldRoot = await readRoot(storage, oldSize)
      checkConsistency({ oldSize, oldRoot, newSize: treeSize, newRoot: rootHash, proof })
      return proof
    }
    return (oldSize) => {
      const proof = proofs.get(oldSize) ?? prove(oldSize)
      proofs.set(oldSize, proof)
      return proof
    }
  }
}

/** A witness, and what it is busy with. */
interface Seat {
  readonly witness: Witness
  busy: Promise<unknown> | undefined
}
