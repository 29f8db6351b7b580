/**
 * A monitor: watches logs, compares heads with others, cosigns, keeps proof, raises the alarm.
 *
 *     config ─► folder (locked) ─► a watch for each log ──► findings ─► accusations, alarm, metrics, page
 *                                   ▲       │
 *                  peers, witnesses ┴ gossip┘            witness ─► heads that logs send it
 *
 * @example
 * ```ts
 * const stopping = new AbortController()
 * const { findings } = await runMonitor(await readConfig("monitor.yaml"), { once: true, signal: stopping.signal })
 * ```
 */

import { setMaxListeners } from "node:events"
import { mkdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { parseCheckpoint } from "@prooflog/tlog/checkpoint"
import { formatVerifierKey } from "@prooflog/tlog/key"
import { parseNote } from "@prooflog/tlog/note"
import { originHash } from "@prooflog/tlog/witness-request"
import { httpSource } from "@prooflog/verifier/source-http"
import { type Logger, pino } from "pino"
import { type Accusations, openAccusations } from "./accusations.js"
import { Alarm } from "./alarm.js"
import type { MonitorConfig, WatchedLog } from "./config.js"
import { wordsOf } from "./error.js"
import { type Finding, type FindingKind, weightOf } from "./finding.js"
import { lockFolder } from "./folder-lock.js"
import { Gossip } from "./gossip.js"
import { openShownHead } from "./head.js"
import { openHttp } from "./http.js"
import { openMetrics } from "./metrics.js"
import type { PeerStatus } from "./peers.js"
import { RateLimit } from "./rate-limit.js"
import { type SentFork, SentHeads } from "./sent-heads.js"
import { formatStatusPage } from "./status-page.js"
import { LogWatch, type WatchStatus } from "./watch.js"
import { openWitness, type Witness } from "./witness.js"
import { witnessDoor } from "./witness-door.js"

export type { MonitorConfig, WatchedLog } from "./config.js"
export type { Finding, FindingKind, Weight } from "./finding.js"
export type { WatchStatus } from "./watch.js"

export interface RunOptions {
  /** Looks at each log once, compares once, and ends. */
  readonly once?: boolean
  /** Ends it; what is under way is given up, what was found is kept. */
  readonly signal?: AbortSignal
  /** To stderr unless set, nowhere if `false`. */
  readonly logger?: Logger | false
  /** ms since 1970. */
  readonly clock?: () => number
}

export interface MonitorReport {
  /** By origin. */
  readonly findings: ReadonlyMap<string, readonly Finding[]>
  readonly logs: readonly WatchStatus[]
  /** 0 nothing is wrong; 1 something is, of weight `proven` or `alarm`; 2 something could not be told. */
  readonly exitCode: 0 | 1 | 2
}

export interface RunningMonitor {
  /** Of its HTTP, ending in `/`; `undefined` if it does not listen. */
  readonly url: string | undefined
  /** Where accusations are kept. */
  readonly accusationsFolder: string
  report(): MonitorReport
  peers(): readonly PeerStatus[]
  /** Looks at every log now and compares heads; resolves when what was found is on disk. */
  pollNow(): Promise<void>
  /** Ends it. Repeatable. */
  close(): Promise<void>
}

/** For each address: a log that asks us to cosign does so every few seconds. */
const LIMITS = { burst: 60, perSecond: 5, floodAfter: 200, dropMs: 600_000 }

/** Tries for one path of a log in one look: the next look is soon. */
const ATTEMPTS = 3

/** A log that is not looked at for so many times its interval has a watch that hangs. */
const UNHEALTHY_AFTER = 5
const UNHEALTHY_LEAST_MS = 300_000

/**
 * Runs a monitor until the signal ends it, or, with `once`, until each log was looked at.
 *
 * @throws MonitorError `MONITOR_FOLDER_IN_USE`, `MONITOR_BAD_STATE`; what Node says of an address that cannot be
 * listened at, and of a folder that cannot be written
 */
export async function runMonitor(config: MonitorConfig, options: RunOptions = {}): Promise<MonitorReport> {
  const { once = false, signal } = options
  const monitor = await openMonitor(config, options, !once)
  try {
    if (once) await monitor.pollNow()
    else if (signal !== undefined) await Promise.race([aborted(signal), monitor.failed])
    else await monitor.failed
    return monitor.report()
  } catch (error) {
    if (signal?.aborted === true) return monitor.report()
    throw error
  } finally {
    await monitor.close()
  }
}

/** Starts a monitor that looks on its own, and can be asked to look at once. @throws as {@link runMonitor} */
export function startMonitor(
  config: MonitorConfig,
  options: Omit<RunOptions, "once"> = {},
): Promise<RunningMonitor> {
  return openMonitor(config, options, true)
}

interface OpenMonitor extends RunningMonitor {
  /** Rejects when the monitor cannot go on: its disk failed. */
  readonly failed: Promise<never>
}

async function openMonitor(
  config: MonitorConfig,
  options: RunOptions,
  goesOn: boolean,
): Promise<OpenMonitor> {
  const { clock = Date.now } = options
  const logger =
    options.logger ||
    pino({ name: "prooflog-monitor", enabled: options.logger !== false }, pino.destination(2))
  await mkdir(join(config.folder, "logs"), { recursive: true, mode: 0o700 })
  const closers: (() => Promise<unknown>)[] = [await lockFolder(config.folder)]
  const stopping = new AbortController()
  // Each request under way listens to it.
  setMaxListeners(0, stopping.signal)
  const closeAll = async () => {
    stopping.abort(new Error("the monitor is stopping"))
    for (const close of closers.splice(0).reverse()) await close()
  }
  try {
    const monitor = new Monitor(config, { clock, logger, goesOn, signal: stopping.signal })
    await monitor.open()
    closers.push(() => monitor.settled())
    const url = goesOn ? await monitor.listen(closers) : undefined
    const failed = new Promise<never>((_, reject) => {
      if (goesOn) monitor.begin(reject)
    })
    // Whoever only polls never looks at it.
    failed.catch((error: unknown) => logger.fatal({ err: error }, "the monitor cannot go on"))
    options.signal?.addEventListener("abort", () => stopping.abort(options.signal?.reason), { once: true })
    if (options.signal?.aborted === true) stopping.abort(options.signal.reason)
    let closing: Promise<void> | undefined
    return {
      url,
      accusationsFolder: monitor.accusationsFolder,
      failed,
      report: () => monitor.report(),
      peers: () => monitor.peers(),
      pollNow: () => monitor.pollNow(),
      close: () => {
        closing ??= closeAll()
        return closing
      },
    }
  } catch (error) {
    await closeAll()
    throw error
  }
}

interface Surroundings {
  readonly clock: () => number
  readonly logger: Logger
  /** Whether it goes on after the first look. */
  readonly goesOn: boolean
  readonly signal: AbortSignal
}

class Monitor {
  readonly #config: MonitorConfig
  readonly #around: Surroundings
  readonly #alarm: Alarm | undefined
  readonly #gossip: Gossip
  readonly #limit = new RateLimit(LIMITS)
  readonly #raised = new Map<string, Map<FindingKind, number>>()
  readonly #startedMs: number
  /** Posts, re-readings and loops under way. */
  readonly #running = new Set<Promise<unknown>>()
  /** Findings whose post is under way. */
  readonly #telling = new Set<string>()
  #watches: readonly LogWatch[] = []
  /** Those that failed for a reason of ours. */
  readonly #stopped = new Set<LogWatch>()
  #accusations: Accusations | undefined
  #witness: Witness | undefined
  #sentHeads: SentHeads | undefined
  /** How requests to cosign were answered, by status. */
  readonly #witnessAnswers = new Map<number, number>()

  constructor(config: MonitorConfig, around: Surroundings) {
    const { clock, logger, signal } = around
    this.#config = config
    this.#around = around
    this.#startedMs = clock()
    this.#alarm = config.alarm && new Alarm({ config: config.alarm, logger, signal })
    this.#gossip = new Gossip({ peers: config.peers, clock, logger })
  }

  get accusationsFolder(): string {
    return (this.#accusations as Accusations).folder
  }

  async open(): Promise<void> {
    const { folder, name, logs, witness } = this.#config
    const { clock } = this.#around
    this.#accusations = await openAccusations(folder, { by: name.slice(0, 255), clock })
    this.#watches = await Promise.all(logs.map((log) => this.#openWatch(log)))
    if (witness !== undefined) {
      const onHead = (note: string) => this.#offerSent(note)
      const opened = await openWitness({ folder: join(folder, "witness"), ...witness, clock, onHead })
      this.#witness = opened
      this.#sentHeads = new SentHeads({
        logs: witness.logs,
        accusations: this.#accusations,
        cosigned: (origin) => opened.latest(originHash(origin)),
        clock,
        onFork: (fork) => this.#caughtBySending(fork),
      })
    }
    // What the last run could not tell is told now.
    for (const watch of this.#watches) this.#tellAll(watch)
  }

  /**
   * Begins to look, and goes on until the signal. A log that cannot be looked at any more, because its file cannot be
   * written or for a bug, stops nothing but its own watch, and that is told.
   *
   * @param fail - told once, when no watch is left
   */
  begin(fail: (error: unknown) => void): void {
    for (const watch of this.#watches) {
      this.#run(
        this.#loop(watch).catch((error: unknown) => {
          if (this.#around.signal.aborted) return
          this.#stopped.add(watch)
          this.#around.logger.fatal(
            { err: error, origin: watch.log.origin },
            "a log cannot be watched any more",
          )
          watch.stopped(wordsOf(error))
          if (this.#stopped.size === this.#watches.length) fail(error)
        }),
      )
    }
  }

  async listen(closers: (() => Promise<unknown>)[]): Promise<string | undefined> {
    const { listen } = this.#config
    const { clock, logger } = this.#around
    if (listen === undefined) return undefined
    const onError = (error: unknown) => logger.error({ err: error }, "a request could not be answered")
    const registry = openMetrics({
      watches: this.#watches,
      gossip: this.#gossip,
      limit: this.#limit,
      alarm: this.#alarm,
      raised: this.#raised,
      witness: this.#witness &&
        this.#sentHeads && {
          witness: this.#witness,
          sentHeads: this.#sentHeads,
          answers: this.#witnessAnswers,
        },
    })
    const http = await openHttp({
      ...listen,
      watches: this.#watches,
      limit: this.#limit,
      clock,
      page: () => this.#page(),
      metrics: async () => ({ text: await registry.metrics(), contentType: registry.contentType }),
      unhealthy: () => this.#unhealthy(),
      unready: () => this.#unready(),
      witness: this.#witness && witnessDoor({ witness: this.#witness, onError, onAnswer: this.#countAnswer }),
      onHead: (address) => this.#run(this.#gossip.heardFrom(address)),
      onError,
    })
    closers.push(http.close)
    logger.info({ url: http.url }, "listening")
    return http.url
  }

  async pollNow(): Promise<void> {
    await Promise.all(
      this.#watches.map(async (watch) => {
        await watch.poll()
        await this.#gossip.exchange(watch, this.#around.signal)
        await watch.settled()
        // Others may have been shown what the log has published since: nothing is left uncompared that need not be.
        if (!this.#around.goesOn && watch.status().openHeads.length > 0) await watch.poll()
        // Once means: everything that is due, before the end.
        if (!this.#around.goesOn && watch.isRereadDue({ goesOn: false })) await watch.reread()
      }),
    )
    if (!this.#around.goesOn) await Promise.all(this.#running)
  }

  report(): MonitorReport {
    const logs = this.#watches.map((watch) => watch.status())
    const weights = logs.flatMap(({ findings }) => findings.map((finding) => weightOf(finding)))
    const isWrong = weights.some((weight) => weight !== "unknown")
    const isOpen = !this.#around.goesOn && logs.some(({ openHeads }) => openHeads.length > 0)
    const isUnknown = isOpen || weights.length > 0 || logs.some(({ audited }) => audited === undefined)
    return {
      findings: new Map(logs.map(({ log, findings }) => [log.origin, findings])),
      logs,
      exitCode: isWrong ? 1 : isUnknown ? 2 : 0,
    }
  }

  peers(): readonly PeerStatus[] {
    return this.#gossip.status()
  }

  /** Resolves when nothing is under way any more. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#running)
    for (const watch of this.#watches) await watch.settled()
    await this.#witness?.settled()
  }

  async #openWatch(log: WatchedLog): Promise<LogWatch> {
    const { clock, logger, signal } = this.#around
    const { origin, url, headers } = log
    const watch: LogWatch = await LogWatch.open({
      log,
      source: httpSource(url, { headers, signal, attempts: ATTEMPTS }),
      path: join(this.#config.folder, "logs", `${originHash(origin)}.json`),
      accusations: this.#accusations as Accusations,
      clock,
      logger,
      signal,
      listener: {
        raised: (finding) => {
          logger.warn({ origin, kind: finding.kind, by: finding.by, message: finding.message }, "finding")
          const kinds = this.#raised.get(origin) ?? new Map<FindingKind, number>()
          this.#raised.set(origin, kinds.set(finding.kind, (kinds.get(finding.kind) ?? 0) + 1))
          this.#tell(watch, finding)
        },
        settled: (finding) => {
          logger.info({ origin, kind: finding.kind, by: finding.by }, "finding is over")
          if (this.#alarm !== undefined && finding.isTold)
            this.#run(this.#alarm.tell(origin, finding, "settled"))
        },
      },
    })
    return watch
  }

  /** Looks, again and again; gossip and re-reading go on beside it. */
  async #loop(watch: LogWatch): Promise<void> {
    const { signal } = this.#around
    let exchanging = false
    while (!signal.aborted) {
      const lookedMs = performance.now()
      await watch.poll()
      if (!exchanging) {
        exchanging = true
        this.#run(
          this.#gossip.exchange(watch, signal).finally(() => {
            exchanging = false
          }),
        )
      }
      this.#tellAll(watch)
      if (watch.isRereadDue({ goesOn: true })) this.#run(watch.reread())
      await this.#pause(lookedMs + watch.log.pollMs - performance.now())
    }
  }

  #pause(ms: number): Promise<void> {
    const { signal } = this.#around
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        signal.removeEventListener("abort", done)
        resolve()
      }
      const timer = setTimeout(done, Math.max(0, ms))
      signal.addEventListener("abort", done)
      if (signal.aborted) done()
    })
  }

  /** A head that a log sent to our witness. */
  #offerSent(note: string): void {
    const { origin } = parseCheckpoint(parseNote(note).text)
    const watch = this.#watches.find(({ log }) => log.origin === origin)
    const head = watch && openShownHead(note, watch.log.policy)
    if (watch !== undefined && head !== undefined) watch.offer(head, "our witness")
    if (watch === undefined && this.#sentHeads !== undefined) this.#run(this.#sentHeads.compare(origin, note))
  }

  readonly #countAnswer = (status: number): void => {
    this.#witnessAnswers.set(status, (this.#witnessAnswers.get(status) ?? 0) + 1)
  }

  /** A log that only our witness knows: told at once, and kept by its accusation. */
  #caughtBySending({ origin, file, treeSize, heads, seenMs }: SentFork): void {
    const message = `two signed heads of ${treeSize} leaves were sent to our witness`
    this.#around.logger.error({ origin, kind: "forked", file, message }, "accusation written")
    if (this.#alarm === undefined) return
    const finding = { kind: "forked", by: "gossip", message, heads, accusation: file } as const
    this.#run(this.#post(this.#alarm, origin, { ...finding, sinceMs: seenMs, seenMs, isTold: false }))
  }

  /** Tells what the webhook does not have yet: it may have been given up before. */
  #tellAll(watch: LogWatch): void {
    for (const finding of watch.status().findings) this.#tell(watch, finding)
  }

  #tell(watch: LogWatch, finding: Finding): void {
    const { origin } = watch.log
    const name = [origin, finding.kind, finding.by, finding.sinceMs, finding.accusation].join(" ")
    if (this.#alarm === undefined || finding.isTold || this.#telling.has(name)) return
    this.#telling.add(name)
    this.#run(this.#tellNow(this.#alarm, watch, finding).finally(() => this.#telling.delete(name)))
  }

  async #tellNow(alarm: Alarm, watch: LogWatch, finding: Finding): Promise<void> {
    if (await this.#post(alarm, watch.log.origin, finding)) await watch.told(finding)
  }

  /** Posts a finding with its proof; resolves to whether it was taken. */
  async #post(alarm: Alarm, origin: string, finding: Finding): Promise<boolean> {
    const { accusation } = finding
    const proof = accusation && (await readFile(join(this.accusationsFolder, accusation), "utf8"))
    return await alarm.tell(origin, finding, "open", proof)
  }

  /** Something beside the loops: it is waited for at the end, and its failure is told. */
  #run(acting: Promise<unknown>): void {
    const running: Promise<unknown> = acting
      .catch((error: unknown) => {
        if (!this.#around.signal.aborted) this.#around.logger.error({ err: error }, "the monitor failed")
      })
      .finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  #page(): string {
    const { clock } = this.#around
    return formatStatusPage({
      name: this.#config.name,
      nowMs: clock(),
      logs: this.#watches.map((watch) => watch.status()),
      peers: this.#gossip.status(),
      witness: this.#witness && {
        key: formatVerifierKey(this.#witness.key),
        logs: this.#witness.status(),
        answers: this.#witnessAnswers,
        forks: this.#sentHeads?.forks ?? [],
      },
    })
  }

  /** It looks at its logs, whether they answer or not. */
  #unhealthy(): string | undefined {
    const { clock } = this.#around
    const hanging = this.#watches.find((watch) => {
      if (this.#stopped.has(watch)) return true
      const { triedMs, reading } = watch.status()
      const sinceMs = clock() - (triedMs ?? this.#startedMs)
      return (
        reading === undefined && sinceMs > Math.max(UNHEALTHY_LEAST_MS, UNHEALTHY_AFTER * watch.log.pollMs)
      )
    })
    return hanging && `the log ${JSON.stringify(hanging.log.origin)} is not looked at any more`
  }

  #unready(): string | undefined {
    const behind = this.#watches.find((watch) => watch.status().audited === undefined)
    return behind && `the log ${JSON.stringify(behind.log.origin)} was not read to its end yet`
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener("abort", () => resolve(), { once: true })
  })
}
