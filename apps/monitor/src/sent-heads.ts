/**
 * Heads that logs sent to our witness, of logs that nobody here watches: there are no tiles to compare them by.
 *
 *     sent ─► signed by the log? ─► another of its size, sent or cosigned before ─► accusation: the two notes suffice
 *
 * Of two sizes nothing can be told without the log; whoever watches it tells. Kept in memory, but for the one cosigned last.
 *
 * Effects: files in the accusations' folder; reads nothing else.
 */

import type { OpenedCheckpoint, Policy } from "@prooflog/tlog/policy"
import { accuseHeads } from "@prooflog/verifier/accuse"
import type { LogSource } from "@prooflog/verifier/source"
import type { Accusations } from "./accusations.js"
import { openShownHead } from "./head.js"
import { HeadStore } from "./head-store.js"
import type { WitnessLog } from "./witness.js"

/** A log that was caught by what it sent. */
export interface SentFork {
  readonly origin: string
  /** Name of the accusation's file. */
  readonly file: string
  /** Leaves of both heads. */
  readonly treeSize: number
  readonly heads: readonly [string, string]
  /** ms since 1970. */
  readonly seenMs: number
}

export interface SentHeadsOptions {
  readonly logs: readonly WitnessLog[]
  readonly accusations: Accusations
  /** The head of an origin that was cosigned last. */
  readonly cosigned: (origin: string) => string | undefined
  readonly clock: () => number
  readonly onFork: (fork: SentFork) => void
}

/** Each is enough: a log can go on sending other trees for ever. */
const MAX_FORKS = 8

/** Two heads of one size are compared without it. */
const NO_SOURCE: LogSource = { read: async () => undefined }

export class SentHeads {
  readonly #options: SentHeadsOptions
  readonly #heads = new Map<string, HeadStore>()
  readonly #forks: SentFork[] = []

  constructor(options: SentHeadsOptions) {
    this.#options = options
  }

  /** What was proven since the start. */
  get forks(): readonly SentFork[] {
    return this.#forks
  }

  /**
   * Compares a head with those of its size. Resolves when what it proves is on disk; rejects if the disk failed.
   *
   * @param note - suspect
   */
  async compare(origin: string, note: string): Promise<void> {
    const log = this.#options.logs.find((each) => each.origin === origin)
    const policy = log && policyOf(log)
    const head = policy && openShownHead(note, policy)
    if (policy === undefined || head === undefined) return
    const heads = this.#headsOf(origin)
    const cosigned = this.#options.cosigned(origin)
    const known = cosigned === undefined ? undefined : openShownHead(cosigned, policy)
    if (known !== undefined) heads.addChecked(known)
    const conflict = heads.conflictWith(head)
    if (conflict === undefined) heads.addChecked(head)
    else if (!heads.isCondemned(head)) await this.#accuse(conflict, head, heads, policy)
  }

  async #accuse(
    known: OpenedCheckpoint,
    other: OpenedCheckpoint,
    heads: HeadStore,
    policy: Policy,
  ): Promise<void> {
    const { origin, treeSize } = known.checkpoint
    if (this.#forks.filter((fork) => fork.origin === origin).length >= MAX_FORKS) return
    const { accusations, clock, onFork } = this.#options
    const accusation = await accuseHeads(known, other, NO_SOURCE, policy)
    if (accusation === undefined) return
    const file = await accusations.keep(accusation)
    // Sent twice at a time, it is written twice under one name, and counted once.
    if (heads.isCondemned(other)) return
    heads.condemn(other)
    const pair = [known.note, other.note] as const
    const fork: SentFork = { origin, file, treeSize, heads: pair, seenMs: clock() }
    this.#forks.push(fork)
    onFork(fork)
  }

  #headsOf(origin: string): HeadStore {
    const heads = this.#heads.get(origin) ?? new HeadStore()
    this.#heads.set(origin, heads)
    return heads
  }
}

function policyOf({ keys }: WitnessLog): Policy {
  return { logs: keys.map((key) => ({ key })), witnesses: [], groups: [], quorum: "none" }
}
