/**
 * Gossip: the head that we believe, held against those that others were shown.
 *
 *     peers          POST <peer>v1/checkpoints                       ours for theirs
 *     witnesses      GET <witness>/<hex sha256(origin)>/checkpoint   what they cosigned last
 *     the log        POST <log>v1/checkpoints                        it says what it thinks of ours
 *
 * Only heads with the log's good signature come through; whoever shows one need not be believed. Answers are bounded
 * in time and length, and whoever misbehaves is dropped for a while (peers.ts).
 *
 * The log's answer may be long: with what it says of our head it gives its accusation, if it has one. An answer that is
 * longer than a head is asked for again, and read when nobody else's is.
 *
 * Effects: the network.
 */

import { lookup } from "node:dns/promises"
import { originHash } from "@prooflog/tlog/witness-request"
import { MAX_ACCUSATION_BYTES } from "@prooflog/verifier/accusation"
import type { Logger } from "pino"
import { type Asked, ask, TooLongError } from "./ask.js"
import { MAX_HEAD_LENGTH, openShownHead } from "./head.js"
import { Peer, type PeerStatus } from "./peers.js"
import { openQueue, type Queue } from "./queue.js"
import { type ShownBy, THE_LOG } from "./shown-by.js"
import type { LogWatch } from "./watch.js"

export interface GossipOptions {
  /** URL prefixes of other monitors. */
  readonly peers: readonly string[]
  readonly clock: () => number
  readonly logger: Logger
  /** For one answer; 10,000 unless set. */
  readonly timeoutMs?: number
  /** Names to addresses; the system's unless set. */
  readonly resolve?: Resolve
}

/** For the address of a peer, where it is asked for. */
type Resolve = (host: string) => Promise<readonly string[]>

/** A witness's monitoring endpoint may lag by an hour: asking more often helps nobody. */
const WITNESS_EVERY_MS = 30_000

/** A log that has no such endpoint is asked again after so long. */
const UNSUPPORTED_MS = 3_600_000

/**
 * Bytes of the longest answer of a log to a head: an accusation, and its own head with the proof that goes with it, every
 * newline of which takes two characters.
 */
export const MAX_COMPARISON_BYTES = MAX_ACCUSATION_BYTES + 4 * MAX_HEAD_LENGTH

/** Long answers that may wait for each other: past it they are asked for at a later exchange. */
const MAX_LONG_WAITING = 4

/** One way to come by a head of a log. */
interface Route {
  readonly peer: Peer
  readonly shown: ShownBy
  readonly url: string
  readonly method: "GET" | "POST"
  readonly everyMs: number
  /** Until it is asked again, ms, where it says that it has no such endpoint. */
  readonly unsupportedMs: number
  readonly headers?: Readonly<Record<string, string>>
  /** Whether the answer may be longer than a head: {@link MAX_COMPARISON_BYTES}. */
  readonly isLong: boolean
}

export class Gossip {
  readonly #options: GossipOptions
  readonly #peers = new Map<string, Peer>()
  /** By URL, when it may be asked again. */
  readonly #nextMs = new Map<string, number>()
  readonly #queues = new Map<LogWatch, Queue>()
  /** Long answers, one at a time: they take memory. */
  readonly #long: Queue = openQueue(MAX_LONG_WAITING)

  constructor(options: GossipOptions) {
    this.#options = options
    for (const url of options.peers) this.#peer(url)
  }

  status(): readonly PeerStatus[] {
    const nowMs = this.#options.clock()
    return [...this.#peers.values()].map((peer) => peer.status(nowMs))
  }

  /**
   * Shows the latest head of a log to everyone, and hands what they show to its watch. Never rejects, but for the
   * signal's reason and our own bugs.
   */
  exchange(watch: LogWatch, signal: AbortSignal): Promise<void> {
    const queue = this.#queues.get(watch) ?? openQueue()
    this.#queues.set(watch, queue)
    // One after the other: who was dropped a moment ago is not asked again.
    return queue(() => this.#exchangeNow(watch, signal))
  }

  /**
   * Notes that a good head came from an address: a peer that lives there and was dropped because it did not answer is asked
   * again. Never rejects; where names lead elsewhere, behind a proxy, nothing is forgiven, and minutes pass.
   */
  async heardFrom(address: string): Promise<void> {
    const { clock, logger, resolve = addressesOf } = this.#options
    const stalled = [...this.#peers.values()].filter((peer) => peer.isStalled(clock()))
    for (const peer of stalled) {
      const { hostname } = new URL(peer.url)
      try {
        const addresses = await resolve(hostname.replace(/^\[|\]$/g, ""))
        if (addresses.includes(address.replace(/^::ffff:/, ""))) peer.forgiveStall()
      } catch (error) {
        logger.debug({ err: error, peer: peer.url }, "the name of a peer leads nowhere")
      }
    }
  }

  async #exchangeNow(watch: LogWatch, signal: AbortSignal): Promise<void> {
    const head = watch.latest
    const routes = this.#routesOf(watch).filter((route) => this.#isDue(route, head !== undefined))
    await Promise.all(routes.map((route) => this.#ask(route, watch, head?.note, signal)))
    signal.throwIfAborted()
  }

  #routesOf({ log }: LogWatch): readonly Route[] {
    const hash = originHash(log.origin)
    const routes: Route[] = this.#options.peers.map((url) => ({
      peer: this.#peer(url),
      shown: { by: url, from: url },
      url: `${url}v1/checkpoints`,
      method: "POST",
      everyMs: 0,
      unsupportedMs: 0,
      isLong: false,
    }))
    for (const { name, url } of log.policy.witnesses) {
      if (url === undefined || !/^https?:/.test(url) || !URL.canParse(url)) continue
      const prefix = url.endsWith("/") ? url : `${url}/`
      const asked = { url: `${prefix}${hash}/checkpoint`, method: "GET" } as const
      const pace = { everyMs: WITNESS_EVERY_MS, unsupportedMs: WITNESS_EVERY_MS }
      const shown = { by: `the witness ${name}`, from: prefix }
      routes.push({ peer: this.#peer(prefix), shown, ...asked, ...pace, isLong: false })
    }
    if (log.compare) {
      const { url, headers } = log
      const asked = { url: `${url}v1/checkpoints`, method: "POST", headers } as const
      const pace = { everyMs: 0, unsupportedMs: UNSUPPORTED_MS }
      routes.push({ peer: this.#peer(url), shown: THE_LOG, ...asked, ...pace, isLong: true })
    }
    return routes
  }

  #isDue({ peer, url, method }: Route, hasHead: boolean): boolean {
    const nowMs = this.#options.clock()
    if (method === "POST" && !hasHead) return false
    return !peer.isDropped(nowMs) && nowMs >= (this.#nextMs.get(url) ?? 0)
  }

  async #ask(route: Route, watch: LogWatch, note: string | undefined, signal: AbortSignal): Promise<void> {
    const { peer, shown, url, everyMs, unsupportedMs } = route
    const { clock, logger } = this.#options
    const nowMs = clock()
    this.#nextMs.set(url, nowMs + everyMs)
    try {
      const answer = await this.#answerOf(route, note, signal)
      if (answer === undefined) return
      const { status, text } = answer
      if (status >= 500) return peer.failed("stall", nowMs)
      if (status === 404 || status === 405) {
        this.#nextMs.set(url, nowMs + unsupportedMs)
      }
      // Any other status: they know no head of it, know no such log, or are busy.
      if ((status === 200 || status === 409) && text !== "") {
        const { policy } = watch.log
        const head = openShownHead(text, policy) ?? openShownHead(noteIn(text), policy)
        if (head === undefined) {
          logger.warn({ peer: url, origin: watch.log.origin }, "a peer showed what is no head of this log")
          return peer.failed("lie", nowMs)
        }
        watch.offer(head, shown)
      }
      peer.answered(nowMs)
    } catch (error) {
      if (signal.aborted) return
      const fault = error instanceof TooLongError ? "flood" : "stall"
      peer.failed(fault, nowMs)
      logger.info({ peer: url, fault, err: error }, "a peer could not be asked")
    }
  }

  /** @returns `undefined` if the answer is long, and too many of that kind wait already */
  async #answerOf(
    { method, url, headers = {}, isLong }: Route,
    note: string | undefined,
    signal: AbortSignal,
  ): Promise<Asked | undefined> {
    const { timeoutMs = 10_000 } = this.#options
    const asked = {
      method,
      headers: { ...headers, "content-type": "text/plain; charset=utf-8" },
      timeoutMs,
      signal,
      ...(method === "POST" && note !== undefined && { body: note }),
    }
    try {
      return await ask(url, { ...asked, limit: MAX_HEAD_LENGTH })
    } catch (error) {
      if (!isLong || !(error instanceof TooLongError)) throw error
      return await this.#long.tryRun(() => ask(url, { ...asked, limit: MAX_COMPARISON_BYTES }))
    }
  }

  #peer(url: string): Peer {
    const peer = this.#peers.get(url) ?? new Peer(url)
    this.#peers.set(url, peer)
    return peer
  }
}

async function addressesOf(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address)
}

/**
 * The member `checkpoint` of an answer that is an object; empty if it is none. To be asked for once the answer is no note
 * itself: an origin may begin with a brace, too.
 */
function noteIn(text: string): string {
  try {
    const { checkpoint } = (JSON.parse(text) ?? {}) as { checkpoint?: unknown }
    return typeof checkpoint === "string" ? checkpoint : ""
  } catch (error) {
    if (error instanceof SyntaxError) return ""
    throw error
  }
}
