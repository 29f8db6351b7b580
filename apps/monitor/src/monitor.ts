/**
 * One monitor: a watch for each log, gossip, the witness, HTTP and the alarm, put together.
 *
 *     config ─► a watch for each log ──► findings ─► accusations, alarm, metrics, page
 *                ▲       │
 *       peers, witnesses ┴ gossip            witness ─► heads that logs send it
 */

import { join } from "node:path"
import { parseCheckpoint } from "@prooflog/tlog/checkpoint"
import { formatVerifierKey } from "@prooflog/tlog/key"
import { parseNote } from "@prooflog/tlog/note"
import { originHash } from "@prooflog/tlog/witness-request"
import type { Logger } from "pino"
import { type Accusations, openAccusations } from "./accusations.js"
import { Alarm } from "./alarm.js"
import { Beside } from "./beside.js"
import type { MonitorConfig, WatchedLog } from "./config.js"
import { wordsOf } from "./error.js"
import type { FindingKind } from "./finding.js"
import { Gossip } from "./gossip.js"
import { openShownHead } from "./head.js"
import { unhealthy, unready } from "./health.js"
import { openHttp } from "./http.js"
import { sourcesOf } from "./log-sources.js"
import { watchOn } from "./loop.js"
import { openMetrics } from "./metrics.js"
import type { PeerStatus } from "./peers.js"
import { RateLimit } from "./rate-limit.js"
import { type MonitorReport, reportOn } from "./report.js"
import { type SentFork, SentHeads } from "./sent-heads.js"
import { OUR_WITNESS } from "./shown-by.js"
import { formatStatusPage } from "./status-page.js"
import { Telling } from "./telling.js"
import { LogWatch } from "./watch.js"
import { openWitness, type Witness } from "./witness.js"
import { witnessDoor } from "./witness-door.js"

/** What a monitor is given beside its config. */
export interface Surroundings {
  readonly clock: () => number
  readonly logger: Logger
  /** Whether it goes on after the first look. */
  readonly goesOn: boolean
  readonly signal: AbortSignal
}

/** For each address: a log that asks us to cosign does so every few seconds. */
const LIMITS = { burst: 60, perSecond: 5, floodAfter: 200, dropMs: 600_000 }

/** The witness, and what it is sent of logs that are not watched. */
interface Cosigning {
  readonly witness: Witness
  readonly sentHeads: SentHeads
  /** How requests were answered, by status. */
  readonly answers: Map<number, number>
}

export class Monitor {
  readonly #config: MonitorConfig
  readonly #around: Surroundings
  readonly #accusations: Accusations
  readonly #beside: Beside
  readonly #gossip: Gossip
  readonly #alarm: Alarm | undefined
  readonly #telling: Telling | undefined
  readonly #limit = new RateLimit(LIMITS)
  /** Findings since the start, by origin and kind. */
  readonly #raised = new Map<string, Map<FindingKind, number>>()
  readonly #startedMs: number
  /** Watches that failed for a reason of ours. */
  readonly #stopped = new Set<LogWatch>()
  #watches: readonly LogWatch[] = []
  #cosigning: Cosigning | undefined

  private constructor(config: MonitorConfig, around: Surroundings, accusations: Accusations) {
    const { clock, logger, signal } = around
    this.#config = config
    this.#around = around
    this.#accusations = accusations
    this.#startedMs = clock()
    this.#beside = new Beside(logger, signal)
    this.#gossip = new Gossip({ peers: config.peers, clock, logger })
    this.#alarm = config.alarm && new Alarm({ config: config.alarm, logger, signal })
    const accusationsFolder = accusations.folder
    this.#telling =
      this.#alarm && new Telling({ alarm: this.#alarm, accusationsFolder, beside: this.#beside })
  }

  /** @throws MonitorError `MONITOR_BAD_STATE` */
  static async open(config: MonitorConfig, around: Surroundings): Promise<Monitor> {
    const { folder, name, logs } = config
    const accusations = await openAccusations(folder, { by: name.slice(0, 255), clock: around.clock })
    const monitor = new Monitor(config, around, accusations)
    monitor.#watches = await Promise.all(logs.map((log) => monitor.#openWatch(log)))
    monitor.#cosigning = await monitor.#openWitness()
    // What the last run could not tell is told now.
    for (const watch of monitor.#watches) monitor.#telling?.tellAll(watch)
    return monitor
  }

  get accusationsFolder(): string {
    return this.#accusations.folder
  }

  /**
   * Begins to look, and goes on until the signal. A log that cannot be looked at any more, because its file cannot be
   * written or for a bug, stops nothing but its own watch, and that is told.
   *
   * @param fail - told once, when no watch is left
   */
  begin(fail: (error: unknown) => void): void {
    const { signal, logger } = this.#around
    const onLook = (watch: LogWatch) => this.#telling?.tellAll(watch)
    const options = { gossip: this.#gossip, beside: this.#beside, signal, onLook }
    for (const watch of this.#watches) {
      this.#beside.run(
        watchOn(watch, options).catch((error: unknown) => {
          if (signal.aborted) return
          this.#stopped.add(watch)
          logger.fatal({ err: error, origin: watch.log.origin }, "a log cannot be watched any more")
          watch.stopped(wordsOf(error))
          if (this.#stopped.size === this.#watches.length) fail(error)
        }),
      )
    }
  }

  async listen(closers: (() => Promise<unknown>)[]): Promise<string | undefined> {
    const { listen } = this.#config
    const { clock, logger } = this.#around
    const cosigning = this.#cosigning
    if (listen === undefined) return undefined
    const onError = (error: unknown) => logger.error({ err: error }, "a request could not be answered")
    const registry = openMetrics({
      watches: this.#watches,
      gossip: this.#gossip,
      limit: this.#limit,
      alarm: this.#alarm,
      raised: this.#raised,
      witness: cosigning,
    })
    const onAnswer = (status: number) => {
      cosigning?.answers.set(status, (cosigning.answers.get(status) ?? 0) + 1)
    }
    const http = await openHttp({
      ...listen,
      watches: this.#watches,
      limit: this.#limit,
      clock,
      page: () => this.#page(),
      metrics: async () => ({ text: await registry.metrics(), contentType: registry.contentType }),
      unhealthy: () => this.#unhealthy(),
      unready: () => unready(this.#watches.map((watch) => watch.status())),
      witness: cosigning && witnessDoor({ witness: cosigning.witness, onError, onAnswer }),
      onHead: (address) => this.#beside.run(this.#gossip.heardFrom(address)),
      onError,
    })
    closers.push(http.close)
    logger.info({ url: http.url }, "listening")
    return http.url
  }

  /** Looks at every log and compares; once means: also everything else that is due, before the end. */
  async pollNow(): Promise<void> {
    const { goesOn, signal } = this.#around
    await Promise.all(
      this.#watches.map(async (watch) => {
        await watch.poll()
        await this.#gossip.exchange(watch, signal)
        await watch.settled()
        // Others may have been shown what the log has published since: nothing is left uncompared that need not be.
        if (!goesOn && watch.status().openHeads.length > 0) await watch.poll()
        await watch.audit()
        if (!goesOn && watch.isRereadDue({ goesOn })) await watch.reread()
      }),
    )
    if (!goesOn) await this.#beside.settled()
  }

  report(): MonitorReport {
    const logs = this.#watches.map((watch) => watch.status())
    return reportOn(logs, this.#around)
  }

  peers(): readonly PeerStatus[] {
    return this.#gossip.status()
  }

  /** Resolves when nothing is under way any more. */
  async settled(): Promise<void> {
    await this.#beside.settled()
    for (const watch of this.#watches) await watch.settled()
    await this.#cosigning?.witness.settled()
  }

  async #openWatch(log: WatchedLog): Promise<LogWatch> {
    const { clock, logger, signal } = this.#around
    const { origin } = log
    const watch: LogWatch = await LogWatch.open({
      log,
      ...sourcesOf(log, signal),
      path: join(this.#config.folder, "logs", `${originHash(origin)}.json`),
      accusations: this.#accusations,
      clock,
      logger,
      signal,
      listener: {
        raised: (finding) => {
          logger.warn({ origin, kind: finding.kind, by: finding.by, message: finding.message }, "finding")
          const kinds = this.#raised.get(origin) ?? new Map<FindingKind, number>()
          this.#raised.set(origin, kinds.set(finding.kind, (kinds.get(finding.kind) ?? 0) + 1))
          this.#telling?.tell(watch, finding)
        },
        settled: (finding) => {
          logger.info({ origin, kind: finding.kind, by: finding.by }, "finding is over")
          this.#telling?.tellOver(origin, finding)
        },
      },
    })
    return watch
  }

  async #openWitness(): Promise<Cosigning | undefined> {
    const { folder, witness: config } = this.#config
    const { clock } = this.#around
    if (config === undefined) return undefined
    const onHead = (note: string) => this.#offerSent(note)
    const witness = await openWitness({ folder: join(folder, "witness"), ...config, clock, onHead })
    const sentHeads = new SentHeads({
      logs: config.logs,
      accusations: this.#accusations,
      cosigned: (origin) => witness.latest(originHash(origin)),
      clock,
      onFork: (fork) => this.#caughtBySending(fork),
    })
    return { witness, sentHeads, answers: new Map() }
  }

  /** A head that a log sent to our witness. */
  #offerSent(note: string): void {
    const { origin } = parseCheckpoint(parseNote(note).text)
    const watch = this.#watches.find(({ log }) => log.origin === origin)
    const head = watch && openShownHead(note, watch.log.policy)
    if (watch !== undefined && head !== undefined) watch.offer(head, OUR_WITNESS)
    if (watch === undefined && this.#cosigning !== undefined)
      this.#beside.run(this.#cosigning.sentHeads.compare(origin, note))
  }

  #caughtBySending(fork: SentFork): void {
    const { origin, treeSize, file } = fork
    const message = `two signed heads of ${treeSize} leaves were sent to our witness`
    this.#around.logger.error({ origin, kind: "forked", file, message }, "accusation written")
    this.#telling?.tellFork(fork, message)
  }

  #page(): string {
    const { clock } = this.#around
    const cosigning = this.#cosigning
    return formatStatusPage({
      name: this.#config.name,
      nowMs: clock(),
      logs: this.#watches.map((watch) => watch.status()),
      peers: this.#gossip.status(),
      witness: cosigning && {
        key: formatVerifierKey(cosigning.witness.key),
        logs: cosigning.witness.status(),
        answers: cosigning.answers,
        forks: cosigning.sentHeads.forks,
      },
    })
  }

  #unhealthy(): string | undefined {
    const watches = this.#watches.map((watch) => {
      return { status: watch.status(), isStopped: this.#stopped.has(watch) }
    })
    return unhealthy(watches, { startedMs: this.#startedMs, nowMs: this.#around.clock() })
  }
}
