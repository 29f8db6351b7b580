/**
 * Forks of one log: the two heads and the witnesses that cosigned both, each accused as far as it can be proven.
 *
 *     two heads that contradict each other ─► accusation of the log ─► the second is condemned
 *                                               │
 *     a witness's cosignatures, whenever they come, on a condemned head and on another ─► accusation of the witness
 *
 * A head may be seen bare first and with its cosignatures later: what is condemned is held against all other heads again
 * and again, for each witness until it is accused.
 *
 * Effects: those of the source; files in the accusations' folder.
 */

import { formatVerifierKey } from "@prooflog/tlog/key"
import type { OpenedCheckpoint, PolicyWitness } from "@prooflog/tlog/policy"
import { accuseHeads, accuseWitnesses } from "@prooflog/verifier/accuse"
import { type LogSource, remembering } from "@prooflog/verifier/source"
import type { Activity } from "./finding.js"
import { headKey, leavesOf, sizeOf } from "./head.js"
import type { HeadStore } from "./head-store.js"
import { type LogFindings, requireVerifierError } from "./log-findings.js"
import { openQueue, type Queue } from "./queue.js"
import type { WatchOptions } from "./watch-options.js"

/** A witness that was accused, for a condemned head. */
export interface AccusedWitness {
  /** Its verifier key, as policies write it. */
  readonly witness: string
  /** `headKey` of the head. */
  readonly head: string
}

export interface ForksParts {
  readonly heads: HeadStore
  readonly findings: LogFindings
  readonly accused: readonly AccusedWitness[]
  /** Told of what is worth keeping. */
  readonly onChange: () => void
}

/** Forks of one log, and of one witness, that are proven, each of which is enough: others can be made without end. */
const MAX_FORKS = 8

/** Entries of a table that only saves work. */
const MAX_TRIED = 10_000

export class Forks {
  readonly #options: WatchOptions
  readonly #heads: HeadStore
  readonly #findings: LogFindings
  readonly #onChange: () => void
  #accused: readonly AccusedWitness[]
  /** A look and an offer may come upon one fork at the same moment: it is proven once. */
  readonly #proving: Queue = openQueue()
  /** By witness and condemned head, those that are being held against it. */
  readonly #underWay = new Set<string>()
  /** By witness and condemned head, with what it was held against last: nothing new will come of that. */
  readonly #tried = new Map<string, string>()
  /** The witness and the condemned head that were tried last: the next time begins after them. */
  #triedLast: string | undefined

  constructor(options: WatchOptions, { heads, findings, accused, onChange }: ForksParts) {
    this.#options = options
    this.#heads = heads
    this.#findings = findings
    this.#accused = accused
    this.#onChange = onChange
  }

  get accused(): readonly AccusedWitness[] {
    return this.#accused
  }

  /**
   * Two signed heads that contradict each other: proves it, and keeps both.
   *
   * @param other - the one that is not followed
   * @param source - remembers what was compared: the log does not choose when to stop serving it
   */
  prove(known: OpenedCheckpoint, other: OpenedCheckpoint, by: Activity, source: LogSource): Promise<void> {
    return this.#proving(async () => {
      this.#findings.seen("forked")
      const forks = this.#findings.all.filter((finding) => finding.kind === "forked" && finding.accusation)
      if (forks.length >= MAX_FORKS) this.#condemn(other)
      if (!this.#heads.isCondemned(other)) await this.#prove(known, other, by, source)
    })
  }

  /**
   * Accuses each witness that cosigned a condemned head and another that contradicts it, as far as is known by now.
   *
   * @param untilMs - of `performance.now()`: then the rest is left for the next time
   */
  async accuseWitnesses(untilMs: number): Promise<void> {
    const all = this.#heads.condemned.flatMap((fork) =>
      this.#options.log.policy.witnesses
        .filter((witness) => isCosigned(fork, witness))
        .map((witness) => ({ fork, witness, place: placeOf(witness, fork) })),
    )
    const from = all.findIndex(({ place }) => place === this.#triedLast) + 1
    for (const { fork, witness, place } of [...all.slice(from), ...all.slice(0, from)]) {
      if (this.#isEnough(witness, fork) || this.#underWay.has(place)) continue
      const other = this.#otherBy(witness, fork)
      if (other === undefined || this.#tried.get(place) === headKey(other)) continue
      this.#triedLast = place
      const isTold = await this.#accuseWitness(witness, other, fork, remembering(this.#options.looks))
      if (isTold) this.#tried.set(place, headKey(other))
      if (performance.now() > untilMs) break
    }
    if (this.#tried.size > MAX_TRIED) this.#tried.clear()
  }

  async #prove(
    known: OpenedCheckpoint,
    other: OpenedCheckpoint,
    by: Activity,
    source: LogSource,
  ): Promise<void> {
    const { log, logger, signal } = this.#options
    const message =
      sizeOf(known) === sizeOf(other)
        ? `two signed heads of ${leavesOf(known)} contradict each other`
        : `signed heads of ${sizeOf(known)} and ${sizeOf(other)} leaves contradict each other`
    const heads = [known.note, other.note] as const
    try {
      const accusation = await accuseHeads(known, other, source, log.policy)
      if (accusation === undefined) return
      const file = await this.#findings.accuse(accusation)
      this.#condemn(other)
      this.#findings.raise("forked", by, message, { heads, accusation: file })
    } catch (error) {
      requireVerifierError(error, signal)
      // Found, and not provable now: both heads stay in the finding, and the next look tries again.
      logger.warn({ err: error, origin: log.origin }, "a fork could not be proven yet")
      this.#findings.raise("forked", by, message, { heads })
      return
    }
    for (const witness of log.policy.witnesses) {
      if (isCosigned(known, witness) && isCosigned(other, witness))
        await this.#accuseWitness(witness, known, other, source)
    }
  }

  /**
   * What else a witness has cosigned, to be held against a condemned head: one of the same size for choice, which needs no
   * tiles, or else one that is followed, a larger one rather than a smaller.
   */
  #otherBy(witness: PolicyWitness, fork: OpenedCheckpoint): OpenedCheckpoint | undefined {
    const { checked, open, condemned } = this.#heads
    const others = [...checked, ...open.map(({ head }) => head), ...condemned].filter((head) =>
      isCosigned(head, witness),
    )
    const ofItsSize = others.find((head) => sizeOf(head) === sizeOf(fork) && headKey(head) !== headKey(fork))
    const followed = checked.filter((head) => isCosigned(head, witness))
    return ofItsSize ?? followed.findLast((head) => sizeOf(head) > sizeOf(fork)) ?? followed.at(-1)
  }

  /** @returns whether that told something: not if tiles are withheld, which may be served another time */
  async #accuseWitness(
    witness: PolicyWitness,
    known: OpenedCheckpoint,
    fork: OpenedCheckpoint,
    source: LogSource,
  ): Promise<boolean> {
    const { log, logger, signal } = this.#options
    const place = placeOf(witness, fork)
    if (this.#isEnough(witness, fork) || this.#underWay.has(place)) return false
    this.#underWay.add(place)
    try {
      const policy = { ...log.policy, witnesses: [witness] }
      const accusations = await accuseWitnesses(known, fork, source, policy)
      for (const accusation of accusations) await this.#findings.accuse(accusation)
      if (accusations.length === 0) return true
      this.#accused = [...this.#accused, { witness: formatVerifierKey(witness.key), head: headKey(fork) }]
      this.#onChange()
      return true
    } catch (error) {
      requireVerifierError(error, signal)
      logger.info({ err: error, origin: log.origin, witness: witness.name }, "a witness could not be accused")
      return false
    } finally {
      this.#underWay.delete(place)
    }
  }

  /** Whether a witness was accused for a head, or so often that it needs no more. */
  #isEnough({ key }: PolicyWitness, fork: OpenedCheckpoint): boolean {
    const itsOwn = this.#accused.filter(({ witness }) => witness === formatVerifierKey(key))
    return itsOwn.length >= MAX_FORKS || itsOwn.some(({ head }) => head === headKey(fork))
  }

  #condemn(head: OpenedCheckpoint): void {
    this.#heads.condemn(head)
    this.#onChange()
  }
}

function placeOf({ name }: PolicyWitness, fork: OpenedCheckpoint): string {
  return `${headKey(fork)} ${name}`
}

function isCosigned({ cosignatures }: OpenedCheckpoint, { name }: PolicyWitness): boolean {
  return cosignatures.some(({ witness }) => witness === name)
}
