/**
 * The SDK: a service records access events here and goes on with its work.
 *
 *     record ─► captured ─► spool or queue ─► batches ─► POST v1/events ─► counted, proven
 *
 * `record` neither blocks nor throws, whatever it is given. Everything that happens later (a full queue, a
 * server that is down, an event it refuses, a log that lies) is counted in `stats()` and told to callbacks.
 *
 * No timer and no waiting keeps the process alive. A service that ends should `await client.close()`;
 * without a spool, what is not sent by then is lost with the process.
 *
 * Effects: the network; the spool folder and the head file, if they are asked for.
 */

import type { AccessEvent } from "@prooflog/event/schema"
import { httpSource } from "@prooflog/verifier/source-http"
import { v7 as uuidV7 } from "uuid"
import { Backlog } from "./backlog.js"
import { Backoff } from "./backoff.js"
import { captureEvent } from "./captured-event.js"
import { KnownHead } from "./known-head.js"
import { firstUse } from "./notice.js"
import { type ClientOptions, keyIdOf, MAX_TIMER_MS, readOptions, type Settings } from "./options.js"
import { Pause } from "./pause.js"
import { Post } from "./post.js"
import { Progress } from "./progress.js"
import { Proof } from "./proof.js"
import { Queue } from "./queue.js"
import { Sender } from "./sender.js"
import { Spool } from "./spool.js"
import { type ClientStats, Tally } from "./tally.js"
import { Unproven } from "./unproven.js"

export type { Alarm, AlarmCode } from "./alarm.js"
export type { DropReason } from "./captured-event.js"
export { CLIENT_ERROR_CODES, ClientError, type ClientErrorCode } from "./error.js"
export type { Notice, NoticeCode } from "./notice.js"
export type { ClientOptions } from "./options.js"
export type { ClientStats, Drop, Rejection } from "./tally.js"

/** Bytes of events in one request. */
const BATCH_BYTES = 1 << 20

/** Requests under way at once where each waits for evidence, that is, for the next published head. */
const LANES_WITH_EVIDENCE = 4

/** Time that `flush` and `close` take at most, unless told otherwise, milliseconds. */
const DEFAULT_TIMEOUT_MS = 10_000

const monotonic = () => performance.now()

/** An event as a service records it: `timestamp` is the time of the call unless given, a `Date` will do. */
export type RecordedEvent = Omit<AccessEvent, "timestamp"> & {
  readonly timestamp?: AccessEvent["timestamp"] | Date
}

export interface Client {
  /**
   * Takes an event to be logged.
   *
   * Returns at once and never throws. The event is copied: what happens to the object later does not matter.
   */
  record(event: RecordedEvent): void

  /** Sends what waits, and resolves with the counts when all is answered for and proven, or when the time is over. */
  flush(options?: { readonly timeoutMs?: number }): Promise<ClientStats>

  /**
   * Flushes, then stops. What is still unsent is kept by the spool for the next process; without one it is
   * dropped as `closed`.
   */
  close(options?: { readonly timeoutMs?: number }): Promise<ClientStats>

  stats(): ClientStats
}

/**
 * Creates a client. One for a whole service is right.
 *
 * @throws TypeError or RangeError for options that cannot be meant, TlogError for a policy that is none
 * @throws {@link ClientError} `CLIENT_SPOOL_FAILED` if the spool folder cannot be used, `CLIENT_HEAD_FILE` if the
 * head file cannot be read or opened under the policy
 *
 * @example
 * ```ts
 * const client = createClient({ url: "https://log.example", key: process.env.PROOFLOG_KEY })
 * client.record({ user_id: "U12345", resource_accessed: "/secure-data", result: "success" })
 * ```
 */
export function createClient(options: ClientOptions): Client {
  return new LogClient(readOptions(options), new Tally(options))
}

class LogClient implements Client {
  readonly #settings: Settings
  readonly #tally: Tally
  readonly #backlog: Backlog
  readonly #post: Post
  readonly #pause = new Pause()
  readonly #progress = new Progress()
  readonly #source = new AbortController()
  readonly #unproven: Unproven | undefined
  readonly #sender: Sender
  #closing: Promise<ClientStats> | undefined

  constructor(settings: Settings, tally: Tally) {
    const { url, key, policy, clock, random, batchSize, flushEveryMs } = settings
    this.#settings = settings
    this.#tally = tally
    this.#post = new Post({
      url,
      key,
      waitForReceipt: policy !== undefined,
      timeoutMs: settings.requestTimeoutMs,
      fetch: settings.fetch,
      clock,
    })
    // The head file before the spool: who fails here must not leave a session behind.
    this.#unproven = this.#watch()
    this.#backlog = this.#openBacklog()
    this.#sender = new Sender({
      backlog: this.#backlog,
      post: this.#post,
      backoff: new Backoff(monotonic, random),
      pause: this.#pause,
      tally,
      unproven: this.#unproven,
      batch: { events: batchSize, bytes: BATCH_BYTES },
      lanes: policy === undefined ? 1 : LANES_WITH_EVIDENCE,
      flushEveryMs,
      onProgress: () => this.#progress.made(),
    })
  }

  record(event: RecordedEvent): void {
    try {
      this.#tally.recorded += 1
      this.#take(event)
    } catch {
      // Only the end of the stack or of memory can lead here, and that is not the request's fault either.
    }
  }

  async flush({ timeoutMs = DEFAULT_TIMEOUT_MS } = {}): Promise<ClientStats> {
    let isOver = false
    let isSettled = false
    // This timer, alone of all, keeps the process alive: somebody is waiting.
    const timer = setTimeout(
      () => {
        isOver = true
        this.#progress.made()
      },
      Math.min(timeoutMs, MAX_TIMER_MS),
    )
    void this.#backlog.settledDown().then(() => {
      isSettled = true
      this.#progress.made()
    })
    await this.#progress.until(() => {
      if (isOver || this.#pause.isOver) return true
      this.#sender.hurry()
      return isSettled && this.#backlog.heldEvents === 0 && (this.#unproven?.events ?? 0) === 0
    })
    clearTimeout(timer)
    return this.stats()
  }

  close(options?: { readonly timeoutMs?: number }): Promise<ClientStats> {
    this.#closing ??= this.#close(options)
    return this.#closing
  }

  stats(): ClientStats {
    return this.#tally.stats(this.#backlog.heldEvents, this.#unproven?.events ?? 0)
  }

  #take(event: RecordedEvent): void {
    if (this.#closing !== undefined) {
      this.#tally.dropped("closed")
      return
    }
    const captured = captureEvent(event, this.#settings.clock, uuidV7)
    if (typeof captured === "string") {
      this.#tally.dropped(captured)
      return
    }
    const refusal = this.#backlog.add(captured)
    if (refusal === undefined) this.#sender.poke()
    else this.#tally.dropped(refusal, captured)
  }

  async #close(options: { readonly timeoutMs?: number } | undefined): Promise<ClientStats> {
    await this.flush(options)
    this.#pause.end()
    this.#progress.made()
    this.#source.abort()
    this.#post.abort()
    await this.#sender.stopped()
    await this.#unproven?.stopped()
    await this.#backlog.close()
    for (const event of this.#backlog.abandon()) this.#tally.dropped("closed", event)
    return this.stats()
  }

  #openBacklog(): Backlog {
    const { spool: folder, queue: bounds, spoolBytes, fsyncEveryMs, clock } = this.#settings
    const queue = new Queue(bounds)
    if (folder === undefined) return new Backlog(queue, undefined)
    const tally = this.#tally
    const options = {
      folder,
      bytes: spoolBytes,
      buffer: bounds,
      fsyncEveryMs,
      clock,
      monotonic,
      newId: uuidV7,
    }
    const spool = new Spool(options, {
      written: (count) => {
        tally.spooled += count
        this.#sender.poke()
      },
      waiting: () => this.#sender.poke(),
      recovered: (count) => {
        tally.recovered += count
        this.#sender.poke()
      },
      spill: (events) => {
        for (const event of events) if (!queue.add(event)) tally.dropped("queue_full", event)
        this.#sender.poke()
      },
      damaged: (count, error) => {
        tally.failed(error)
        tally.lost(count)
        this.#progress.made()
      },
      failed: (error) => tally.failed(error),
    })
    return new Backlog(queue, spool)
  }

  /** With a policy: the part that checks what the log did with our events. */
  #watch(): Unproven | undefined {
    const { url, key, policy, headFile, pinnedHead, source, fetch, clock, random, queue } = this.#settings
    if (policy === undefined) return undefined
    const tally = this.#tally
    const knownHead = new KnownHead({
      policy,
      // A log need not be public. Few tries: what could not be read is asked for again anyway.
      source: httpSource(url, {
        fetch,
        headers: { authorization: `Bearer ${key}` },
        attempts: 2,
        signal: this.#source.signal,
      }),
      ...(headFile !== undefined && { file: headFile }),
      ...(pinnedHead !== undefined && { pinned: pinnedHead }),
      clock,
      onFirstUse: (head) => tally.notice(firstUse(head, headFile, clock())),
      onError: (error) => tally.failed(error),
    })
    const keyId = keyIdOf(key)
    const sender = { ...(source !== undefined && { source }), ...(keyId !== undefined && { keyId }) }
    return new Unproven({
      proof: new Proof({ policy, knownHead, sender, tally, clock }),
      post: this.#post,
      backoff: new Backoff(monotonic, random),
      pause: this.#pause,
      tally,
      bounds: queue,
      onProgress: () => this.#progress.made(),
    })
  }
}
