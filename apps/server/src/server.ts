/**
 * The Prooflog server: a log's folder, its ledger, and HTTP before it.
 *
 *     folder ─► storage ─► ledger ─► schedule ─► routes ─► Express ─┐
 *     api keys ─► gate ─► door ◄─────────────────────── submit ◄─────┴── the log as it is served
 *
 * The only place that chooses adapters.
 *
 * @example
 * ```ts
 * const server = await startServer({ dir: "prooflog-data" })
 * console.log(server.url)
 * await server.close()
 * ```
 */

import { randomFillSync } from "node:crypto"
import { publicSchedule } from "@prooflog/archive/schedule-file"
import { SeedPool } from "@prooflog/event/record"
import type { Ledger } from "@prooflog/ledger"
import type { LogStorage } from "@prooflog/ledger/storage"
import { type Logger, pino } from "pino"
import { NO_ALERTS } from "./alerting/alerts.js"
import { LogHealth } from "./alerting/log-health.js"
import { problem } from "./answer.js"
import { openExpress } from "./app.js"
import { BodyBudget, MAX_BODY_BYTES } from "./body.js"
import { HeadComparing } from "./compare-heads.js"
import { openDoor } from "./door.js"
import { openExports } from "./exports.js"
import { initFolder, type LogFolder } from "./folder.js"
import type { WitnessSettings } from "./folder-config.js"
import { openArchiveProcess } from "./followers/archive-process.js"
import { type Alerting, followLog } from "./followers/follow-log.js"
import { openGate } from "./gate.js"
import { openKeyRing } from "./key-ring.js"
import { createApiKeys, listApiKeys, type NewApiKey } from "./keys.js"
import { listen, REQUEST_TIMEOUT_MS } from "./listen.js"
import { LogReader } from "./log-reader.js"
import { openMetrics } from "./metrics.js"
import { openLog } from "./open-log.js"
import { logStep, sealOwn, serverEvent } from "./own-events.js"
import { type OwnPolicy, readOwnPolicy } from "./own-policy.js"
import { prepareElsewhere } from "./prepare-elsewhere.js"
import { readingOff } from "./reading.js"
import { openReport } from "./report.js"
import { LaterPorts, type RunPorts, runPortsOf } from "./retention/archive-ports.js"
import { openArchiving } from "./retention/archiving.js"
import { openErasing, openHolds } from "./retention/erase-run.js"
import { MovedRecords } from "./retention/moved-records.js"
import { type ReadSchedule, readScheduleFile } from "./retention/schedule-file.js"
import { ScheduleInForce } from "./retention/schedule-in-force.js"
import { routesOf } from "./routes.js"
import type { ServedLog } from "./served-log.js"
import { openSubmit } from "./submit.js"
import { Tally } from "./tally.js"
import { Turns } from "./turns.js"

export interface ServerConfig {
  /** The log's folder; a new log is made in it if it is empty or not there. */
  readonly dir: string
  /** `127.0.0.1` unless set, here or in `prooflog.json`. */
  readonly host?: string
  /** 8080 unless set, here or in `prooflog.json`; 0 for any free one. */
  readonly port?: number
  /** URL path under which the log is served; begins and ends with `/`. `/` unless set. */
  readonly prefix?: string
  /** Gets what the operator should know, and nothing about persons; to stderr unless set, nowhere if `false`. */
  readonly logger?: Logger | false
  /** Opens what the ledger keeps the log in: LevelDB in `DIR/data/log` unless set. */
  readonly openStorage?: (folder: LogFolder) => Promise<LogStorage>
  /** Wall clock, ms since the epoch. */
  readonly clock?: () => number
  /** Least time between two published heads, in ms; what `prooflog.json` says unless set. */
  readonly publishEveryMs?: number
  /** How witnesses are asked; what `prooflog.json` says unless set. */
  readonly witnesses?: Partial<WitnessSettings>
  /**
   * Believe a log that has no signed head beside its key: an administrator's decision, after a restore. Witnesses are
   * asked first, and one that knows more wins.
   */
  readonly adoptHead?: boolean
  /** How long `?wait=receipt` waits, in ms; 5,000 unless set, with witnesses longer by the time between two heads. */
  readonly receiptWaitMs?: number
  /** How long a request may take to arrive, in ms; 30,000 unless set. */
  readonly requestTimeoutMs?: number
  /** Whether events are followed, so that they can be asked for: true unless set. Costs two processes. */
  readonly follow?: boolean
  /** Whether rules look at events, while they are followed: true unless set. Costs one process. */
  readonly alerts?: boolean
  /** Answers submissions as a route of Express, which is slower and must not be otherwise different. */
  readonly submitViaExpress?: boolean
}

export interface RunningServer {
  /** Of the log, ending in `/`. */
  readonly url: string
  readonly port: number
  readonly folder: LogFolder
  /** Made now, because there was no key: one admin and one writer. Shown once, to whoever started the server. */
  readonly firstKeys?: readonly NewApiKey[]
  /** What a published head is here, in a sentence. */
  readonly publishing: string
  /** What the log promises, and what the start changed of it. */
  readonly schedule: ServedSchedule
  /** Takes no new connections, finishes what was accepted, closes the log. Repeatable. */
  close(): Promise<void>
}

export interface ServedSchedule {
  /** Leaf of the entry that put it in force. */
  readonly leafIndex: number
  /** Whether there is a file; without one, no rules give classes. */
  readonly hasFile: boolean
  /** A line for each thing that the file wanted otherwise than the log had promised; in force now. */
  readonly changes: readonly string[]
}

/** Bytes of bodies that may be in memory at once. */
const BODY_BUDGET_BYTES = 6 * MAX_BODY_BYTES

/** Of one key: enough for a busy service, and what is left takes the largest body of another. */
const BODY_SHARE = { bytes: 4 * MAX_BODY_BYTES, unfinished: 1_024 }

/** A revoked key works for at most so long. */
const KEY_RELOAD_MS = 1_000

const RECEIPT_WAIT_MS = 5_000

/** The ledger's own, which is asked only where something else is set. */
const PUBLISH_EVERY_MS = 1_000
const WITNESSED_PUBLISH_EVERY_MS = 5_000

/**
 * Starts the server of one log.
 *
 * Resolves when it answers requests and everything it holds is signed.
 *
 * @throws {@link ServerError} as `initFolder`, `SERVER_BAD_POLICY`; ArchiveError with line and column if the schedule
 * file is wrong, or shortens what was promised; LedgerError as `openLedger`, among them `LEDGER_LOCKED` if another
 * process has the folder; what Node says of an address that cannot be listened at
 */
export async function startServer(config: ServerConfig): Promise<RunningServer> {
  const { clock = Date.now, openStorage } = config
  const logger =
    config.logger || pino({ name: "prooflog", enabled: config.logger !== false }, pino.destination(2))
  const folder = await initFolder(config.dir)
  const policy = await readOwnPolicy(folder)
  const schedule = await readScheduleFile(folder.schedulePath)
  const { witnesses, publishEveryMs = folder.serving.publishEveryMs } = config
  const ledger = await openLog(folder, {
    logger,
    openStorage,
    clock,
    schedule: schedule && publicSchedule(schedule.file),
    publishEveryMs,
    adoptHead: config.adoptHead,
    witnessing: policy.isWitnessed
      ? { policy: policy.policy, ...folder.serving.witnesses, ...witnesses }
      : undefined,
  })
  // What was opened is closed again, last first, by a stop or by a start that fails.
  const closers: (() => unknown)[] = [() => ledger.close()]
  try {
    return await serve({ ...config, logger, clock, policy, schedule }, folder, ledger, closers)
  } catch (error) {
    await closeAll(closers)
    throw error
  }
}

interface Serve extends ServerConfig {
  readonly logger: Logger
  readonly clock: () => number
  readonly policy: OwnPolicy
  readonly schedule: ReadSchedule | undefined
}

async function serve(
  config: Serve,
  folder: LogFolder,
  ledger: Ledger,
  closers: (() => unknown)[],
): Promise<RunningServer> {
  const { logger, clock } = config
  const place = placeOf(config, folder)
  const later = new LaterPorts()
  const log = await serveLog(config, folder, ledger, later)
  closers.push(
    () => log.archive.close(),
    log.reading.close,
    log.elsewhere.close,
    log.keys.close,
    () => log.comparing.close(),
    () => log.schedule.close(),
  )

  const stopping = new AbortController()
  const exports = openExports(log, { stopping: stopping.signal, clock })
  const holds = await openHolds(log)
  later.open(runPortsOf(log, exports, holds, clock))
  const runs = { log, turns: new Turns(1), clock, logger, stopping: stopping.signal }
  const erasing = await openErasing({ ...runs, exports, holds })
  // Waited for when nothing answers it any more, and before the ledger closes.
  closers.splice(2, 0, () => erasing.close())
  const archiving = await openArchiving({ ...runs, erasing })
  closers.splice(3, 0, () => archiving.close())
  const metrics = openMetrics(log, archiving, clock)
  closers.push(metrics.close)
  const refuse = (error: unknown) => {
    log.report(error)
    return problem(error)
  }
  const submit = openSubmit(log)
  const routes = routesOf(log, {
    submit,
    exports,
    erasing,
    archiving,
    metricsRoutes: metrics.routes,
    prefix: place.prefix,
    stopping: stopping.signal,
    clock,
    logger,
  })
  const door = openDoor({
    gate: openGate({ prefix: place.prefix, keys: log.keys, clock, maxBodyBytes: MAX_BODY_BYTES }),
    submit: config.submitViaExpress ? undefined : submit,
    viaExpress: openExpress(routes, refuse),
    refuse,
    tally: log.tally,
    isStopping: () => stopping.signal.aborted,
  })
  const { port, stop: stopListening } = await listen(door, {
    ...place,
    requestTimeoutMs: config.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
  })
  closers.push(stopListening)
  // Only now: keys of a server that could not listen would never be shown.
  const firstKeys = await provideKeys(log, clock())
  const url = `http://${place.host.includes(":") ? `[${place.host}]` : place.host}:${port}${place.prefix}`
  logger.info({ origin: folder.origin, url, tree_size: ledger.treeSize }, "listening")
  const { meaning, isWitnessed, warnings } = config.policy
  if (isWitnessed) logger.info(meaning)
  for (const warning of warnings) logger.warn(warning)

  let stopped: Promise<void> | undefined
  async function stop(): Promise<void> {
    stopping.abort()
    await closeAll(closers)
    logger.info({ tree_size: ledger.treeSize }, "stopped")
  }
  return {
    url,
    port,
    folder,
    publishing: meaning,
    schedule: {
      leafIndex: log.schedule.leafIndex,
      hasFile: log.schedule.read !== undefined,
      changes: log.schedule.changedAtStart.changes,
    },
    ...(firstKeys && { firstKeys }),
    close: () => {
      stopped ??= stop()
      return stopped
    },
  }
}

async function serveLog(
  config: Serve,
  folder: LogFolder,
  ledger: Ledger,
  ports: RunPorts,
): Promise<ServedLog> {
  const { logger, clock, policy, receiptWaitMs, follow } = config
  const report = openReport(logger, clock)
  const archive = openArchiveProcess({ ledger, folder, logger, ...ports })
  const reader = new LogReader(ledger.storage, new MovedRecords(archive))
  const seeds = new SeedPool((bytes) => void randomFillSync(bytes))
  const tally = new Tally()
  const schedule = await ScheduleInForce.open({
    ledger,
    reader,
    folder,
    logger,
    read: config.schedule,
    sayWho(doing) {
      const nowMs = clock()
      return sealOwn(serverEvent(doing, nowMs), nowMs, seeds)
    },
    onLogged: () => tally.countEvent("logged"),
  })
  const publishEveryMs =
    config.publishEveryMs ??
    folder.serving.publishEveryMs ??
    (policy.isWitnessed ? WITNESSED_PUBLISH_EVERY_MS : PUBLISH_EVERY_MS)
  const comparing = await HeadComparing.open({
    ...{ ledger, reader, folder, policy: policy.policy, logger, clock },
  })
  const health = new LogHealth()
  const alerting: Alerting | undefined =
    config.alerts === false
      ? undefined
      : {
          setup: {
            nowMs: clock(),
            storePath: folder.alertsStorePath,
            settingsPath: folder.alertsPath,
            base: folder.dir,
            origin: folder.origin,
            mmdb: folder.serving.query.mmdb,
          },
          own: ({ eventId, timeMs, ...doing }) =>
            logStep({ ledger, seeds, tally }, doing, { timeMs, eventId }),
          health(reading) {
            const nowMs = clock()
            const { alarms } = comparing.status()
            const status = ledger.status()
            const state = { ledger: status, reading, alarms, publishEveryMs, nowMs }
            // By a clock that the ledger does not believe, everyone would have been silent for long.
            const isBelieved = status.reason !== "LEDGER_CLOCK_JUMPED"
            const treeSize = isBelieved ? status.treeSize : Number.POSITIVE_INFINITY
            return { nowMs, treeSize, problems: health.look(state) }
          },
        }
  return {
    folder,
    policy,
    ledger,
    comparing,
    schedule,
    report,
    keys: await openKeyRing(folder.apiKeysPath, { everyMs: KEY_RELOAD_MS, onError: report }),
    reader,
    ...(follow === false
      ? { reading: readingOff(() => ledger.signedHead.treeSize), alerts: NO_ALERTS }
      : followLog({ ledger, reader, folder, logger, clock, alerting })),
    archive,
    classOf: schedule.classOf,
    seeds,
    elsewhere: prepareElsewhere(() => schedule.classRules),
    withholding: folder.serving.withhold ?? {},
    budget: new BodyBudget(BODY_BUDGET_BYTES, "too many bodies at once", BODY_SHARE),
    tally,
    receiptWaitMs: receiptWaitMs ?? RECEIPT_WAIT_MS + (policy.isWitnessed ? publishEveryMs : 0),
    publishEveryMs,
  }
}

/** A log without any key could be used by no one: it gets one for its operator and one for its first service. */
async function provideKeys(
  { folder, keys }: ServedLog,
  nowMs: number,
): Promise<readonly NewApiKey[] | undefined> {
  if ((await listApiKeys(folder.apiKeysPath)).length > 0) return undefined
  const made = await createApiKeys(folder.apiKeysPath, [{ roles: ["admin"] }, { roles: ["writer"] }], nowMs)
  await keys.reload()
  return made
}

/** What the caller says goes before what `prooflog.json` says. */
function placeOf(config: ServerConfig, { serving }: LogFolder) {
  const [, host, port] = LISTEN.exec(serving.listen ?? "") ?? []
  return {
    host: config.host ?? host ?? "127.0.0.1",
    port: config.port ?? Number(port ?? 8080),
    prefix: config.prefix ?? serving.prefix ?? "/",
  }
}

/** `127.0.0.1:8080`, `[::1]:8080` */
const LISTEN = /^\[?([^[\]]+?)\]?:(\d{1,5})$/

async function closeAll(closers: (() => unknown)[]): Promise<void> {
  for (const close of closers.reverse()) await close()
}
