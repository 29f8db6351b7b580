/**
 * Checks the evidence of our own events: that they are in the log, as they were sent, under a head that
 * extends every head seen before.
 *
 *     evidence ─► verified under the policy ─► head follows the known one ─► each event is ours, field by field
 *
 * A receipt alone would show that something was logged. An operator who logs `success` where `denied` was
 * sent, or one leaf for two writers, is caught here.
 *
 * What is found wrong becomes an alarm. What could not be found out (no network, no tiles, a head
 * without the policy's quorum) does not: it is asked again.
 */

import { setImmediate as nextTurn } from "node:timers/promises"
import type { OpenedCheckpoint, Policy } from "@prooflog/tlog/policy"
import { openLogHead } from "@prooflog/verifier/accusation"
import { lacksQuorum, openHead } from "@prooflog/verifier/advance"
import { type VerifierError, verdictOf, wordsOf } from "@prooflog/verifier/error"
import { type EvidenceItem, formatEvidence, readEvidence } from "@prooflog/verifier/evidence"
import { type VerifiedEvent, verifyItem } from "@prooflog/verifier/verify-evidence"
import type { Alarm, AlarmCode } from "./alarm.js"
import { type CapturedEvent, eventIdOf } from "./captured-event.js"
import { ClientError } from "./error.js"
import type { KnownHead } from "./known-head.js"
import { checkOwnEvent, type Sender } from "./own-event.js"
import type { Tally } from "./tally.js"

/** Events checked before the service has its turn again; about 2 ms. */
const TURN = 16

/** An event that the server says is logged. */
export interface Acknowledged {
  readonly event: CapturedEvent
  readonly leafIndex: number
  /** It was in the log before the request that was answered. */
  readonly duplicate: boolean
  /** Its record was destroyed since: there is nothing left to compare. */
  readonly unchecked: boolean
}

/** An event as verified evidence shows it, and what shows it. */
interface ShownEvent {
  readonly note: string
  readonly item: EvidenceItem
  readonly event: VerifiedEvent
}

export interface ProofOptions {
  readonly policy: Policy
  readonly knownHead: KnownHead
  readonly sender: Sender
  readonly tally: Tally
  readonly clock: () => number
}

export class Proof {
  readonly #options: ProofOptions

  constructor(options: ProofOptions) {
    this.#options = options
  }

  /** The head known now; a request sent from here on must not be answered with less. */
  get known(): OpenedCheckpoint | undefined {
    return this.#options.knownHead.head
  }

  /**
   * Checks evidence against what was acknowledged, counts what is verified and raises the alarms.
   *
   * @param evidence - suspect
   * @param atLeast - the head known when the evidence was asked for
   * @returns `undefined` if it is decided; else why not, and evidence is to be asked for again later
   */
  async check(
    acknowledged: readonly Acknowledged[],
    evidence: string,
    atLeast: OpenedCheckpoint | undefined,
  ): Promise<ClientError | undefined> {
    try {
      await this.#check(acknowledged, evidence, atLeast)
    } catch (cause) {
      if (cause instanceof ClientError) return cause
      if (verdictOf(cause) === "unknown") {
        return new ClientError("CLIENT_UNPROVEN", `evidence cannot be checked: ${wordsOf(cause)}`, { cause })
      }
      this.#refuse(acknowledged, evidence, cause as VerifierError)
    }
    return undefined
  }

  /** Raises the alarm for an acknowledged event that the log later does not own to. */
  missing(own: Acknowledged, received: string, why: string): void {
    this.#alarm(
      own,
      "CLIENT_EVIDENCE_MISSING",
      `leaf ${own.leafIndex} was acknowledged for an event: ${why}`,
      {
        received,
      },
    )
  }

  async #check(
    acknowledged: readonly Acknowledged[],
    evidence: string,
    atLeast: OpenedCheckpoint | undefined,
  ): Promise<void> {
    const { checkpoint: note, items } = readEvidence(evidence)
    const head = await this.#follow(note, atLeast)
    const shown = new Map<number, ShownEvent>()
    for (const item of items) {
      if (shown.size % TURN === 0) await nextTurn()
      shown.set(item.leafIndex, { note, item, event: verifyItem(item, head) })
    }
    let verified = 0
    for (const [i, own] of acknowledged.entries()) {
      if (i % TURN === 0) await nextTurn()
      if (this.#checkOne(own, shown.get(own.leafIndex), evidence)) verified += 1
    }
    this.#options.tally.verified += verified
  }

  /**
   * Opens the head and follows the log to it.
   *
   * Without a quorum it proves nothing, and is not followed; but the log signed it, so it can contradict what is known.
   */
  async #follow(note: string, atLeast: OpenedCheckpoint | undefined): Promise<OpenedCheckpoint> {
    const { policy, knownHead } = this.#options
    let head: OpenedCheckpoint
    try {
      head = openHead(note, policy)
    } catch (cause) {
      if (!lacksQuorum(cause)) throw cause
      try {
        await knownHead.compare(openLogHead(note, policy), atLeast)
      } catch (contradiction) {
        if (verdictOf(contradiction) === "refused") throw contradiction
      }
      const message = `the evidence is under a head without the policy's quorum: ${wordsOf(cause)}`
      throw new ClientError("CLIENT_UNPROVEN", message, { cause })
    }
    await knownHead.follow(head, atLeast)
    return head
  }

  #checkOne(own: Acknowledged, shown: ShownEvent | undefined, evidence: string): boolean {
    const { sender } = this.#options
    if (shown === undefined) {
      this.missing(own, evidence, "the evidence does not show it")
      return false
    }
    try {
      // What was in the log before may have been sent with an earlier key of ours.
      checkOwnEvent(own.event.text, shown.event, own.duplicate ? withoutKey(sender) : sender)
      return true
    } catch (cause) {
      this.#alarm(own, "CLIENT_EVENT_CHANGED", `leaf ${own.leafIndex}: ${wordsOf(cause)}`, {
        // Cut down to one event: what is to be shown to others should not show more.
        received: formatEvidence({ checkpoint: shown.note, items: [shown.item] }),
        cause,
      })
      return false
    }
  }

  #alarm(own: Acknowledged, code: AlarmCode, message: string, more: Pick<Alarm, "received" | "cause">): void {
    const eventId = eventIdOf(own.event)
    this.#options.tally.alarm({
      code,
      message,
      timeMs: this.#options.clock(),
      ...(eventId !== undefined && { eventId }),
      leafIndex: own.leafIndex,
      sent: [own.event.text],
      ...more,
    })
  }

  #refuse(acknowledged: readonly Acknowledged[], evidence: string, error: VerifierError): void {
    const { known, shown } = error.heads ?? {}
    const { accusations = [], files = [] } = this.#options.knownHead.keptOf(error) ?? {}
    this.#options.tally.alarm({
      // What convicts is more than a step back.
      code: accusations.length > 0 ? "CLIENT_HEAD_INCONSISTENT" : alarmCodeOf(error),
      message: error.message,
      timeMs: this.#options.clock(),
      ...(error.leafIndex !== undefined && { leafIndex: error.leafIndex }),
      sent: acknowledged.map(({ event }) => event.text),
      received: evidence,
      ...(known !== undefined && { knownHead: known }),
      ...(shown !== undefined && { shownHead: shown }),
      ...(accusations.length > 0 && { accusations }),
      ...(files.length > 0 && { keptIn: files }),
      cause: error,
    })
  }
}

function alarmCodeOf({ code }: VerifierError): AlarmCode {
  switch (code) {
    case "VERIFIER_WENT_BACK":
      return "CLIENT_HEAD_BEHIND"
    case "VERIFIER_FORKED":
    case "VERIFIER_OTHER_LOG":
    // The tiles make neither head: the log cannot show that it only grew.
    case "VERIFIER_TILE_REFUSED":
      return "CLIENT_HEAD_INCONSISTENT"
    default:
      return "CLIENT_EVIDENCE_REFUSED"
  }
}

function withoutKey({ source }: Sender): Sender {
  return source === undefined ? {} : { source }
}
