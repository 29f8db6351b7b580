/**
 * The Prooflog server: a log's folder, its ledger, and HTTP before it.
 *
 *     folder ─► storage ─► ledger ─► routes ─► Express ─┐
 *     api keys ─► gate ─► door ◄───────── submit ◄──────┴── the log as it is served
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
import type { Server } from "node:http"
import { decodeEntry, entryTimeMs, stampEntryTime } from "@prooflog/event/entry"
import { SeedPool } from "@prooflog/event/record"
import type { Schedule } from "@prooflog/event/schedule"
import { type Ledger, openLedger } from "@prooflog/ledger"
import { signedHeadFile } from "@prooflog/ledger/signed-head"
import type { LogStorage } from "@prooflog/ledger/storage"
import { openLevelStorage } from "@prooflog/storage-level"
import { bundlePath, parseBundle } from "@prooflog/tlog/bundle"
import { type Logger, pino } from "pino"
import { isOurFault, problem } from "./answer.js"
import { openExpress } from "./app.js"
import { BodyBudget, MAX_BODY_BYTES } from "./body.js"
import { checkRecord } from "./check-record.js"
import { classesOf } from "./class-of.js"
import { descriptionRoutes } from "./description-routes.js"
import { openDoor } from "./door.js"
import { eventRoutes } from "./events.js"
import { evidenceRoutes } from "./evidence.js"
import { genesisEntry, initFolder, type LogFolder } from "./folder.js"
import { openGate } from "./gate.js"
import { healthRoutes, NO_WITNESS } from "./health.js"
import { openKeyRing } from "./key-ring.js"
import { keyRoutes } from "./key-routes.js"
import { createApiKeys, listApiKeys, type NewApiKey } from "./keys.js"
import { listen, REQUEST_TIMEOUT_MS } from "./listen.js"
import { logRoutes } from "./log-info.js"
import { LogReader } from "./log-reader.js"
import { openMetrics } from "./metrics.js"
import { proofRoutes } from "./proofs.js"
import type { Route } from "./route.js"
import type { ServedLog } from "./served-log.js"
import { openSubmit, submitRoute } from "./submit.js"
import { Tally } from "./tally.js"
import { tileRoutes } from "./tiles.js"

export interface ServerConfig {
  /** The log's folder; a new log is made in it if it is empty or not there. */
  readonly dir: string
  /** `127.0.0.1` unless set, here or in `prooflog.json`. */
  readonly host?: string
  /** 8080 unless set, here or in `prooflog.json`; 0 for any free one. */
  readonly port?: number
  /** URL path under which the log is served; begins and ends with `/`. `/` unless set. */
  readonly prefix?: string
  /** Gets what the operator should know, and nothing about persons; to stderr unless set. */
  readonly logger?: Logger
  /** Opens what the ledger keeps the log in: LevelDB in `DIR/data/log` unless set. */
  readonly openStorage?: (folder: LogFolder) => Promise<LogStorage>
  /** Wall clock, ms since the epoch. */
  readonly clock?: () => number
  /** How long `?wait=receipt` waits, in ms; 5,000 unless set. */
  readonly receiptWaitMs?: number
  /** How long a request may take to arrive, in ms; 30,000 unless set. */
  readonly requestTimeoutMs?: number
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
  /** Takes no new connections, finishes what was accepted, closes the log. Repeatable. */
  close(): Promise<void>
}

/** Bytes of bodies that may be in memory at once. */
const BODY_BUDGET_BYTES = 4 * MAX_BODY_BYTES

/** A revoked key works for at most so long. */
const KEY_RELOAD_MS = 1_000

const RECEIPT_WAIT_MS = 5_000

/** How long a stop waits for requests under way. */
const GRACE_MS = 10_000

/**
 * Starts the server of one log.
 *
 * Resolves when it answers requests and everything it holds is signed.
 *
 * @throws {@link ServerError} as `initFolder`; LedgerError as `openLedger`, among them `LEDGER_LOCKED` if another
 * process has the folder
 */
export async function startServer(config: ServerConfig): Promise<RunningServer> {
  const { logger = pino({ name: "prooflog" }, pino.destination(2)) } = config
  const folder = await initFolder(config.dir)
  const ledger = await openLog(config, folder, logger)
  try {
    return await serve(config, folder, ledger, logger)
  } catch (error) {
    await ledger.close()
    throw error
  }
}

async function serve(
  config: ServerConfig,
  folder: LogFolder,
  ledger: Ledger,
  logger: Logger,
): Promise<RunningServer> {
  const { clock = Date.now, requestTimeoutMs = REQUEST_TIMEOUT_MS } = config
  const place = placeOf(config, folder)
  const report = (error: unknown) => logger.error({ err: error }, "not the doing of any caller")
  const firstKeys = await provideKeys(folder, clock())
  const keys = await openKeyRing(folder.apiKeysPath, { everyMs: KEY_RELOAD_MS, onError: report })
  const schedule = await readSchedule(ledger)
  const log: ServedLog = {
    folder,
    ledger,
    schedule,
    keys,
    report,
    reader: new LogReader(ledger.storage),
    classOf: classesOf(schedule),
    seeds: new SeedPool((bytes) => void randomFillSync(bytes)),
    withholding: folder.serving.withhold ?? {},
    budget: new BodyBudget(BODY_BUDGET_BYTES),
    tally: new Tally(),
    receiptWaitMs: config.receiptWaitMs ?? RECEIPT_WAIT_MS,
  }
  const metrics = openMetrics(log)
  let stopping = false
  const isStopping = () => stopping
  const refuse = (error: unknown) => {
    if (isOurFault(error)) report(error)
    return problem(error)
  }
  const submit = openSubmit(log)
  const viaExpress = openExpress(
    routesOf(log, submit, metrics.routes, place.prefix, isStopping, logger),
    refuse,
  )
  const door = openDoor({
    gate: openGate({ prefix: place.prefix, keys, clock, maxBodyBytes: MAX_BODY_BYTES }),
    submit: config.submitViaExpress ? undefined : submit,
    viaExpress,
    refuse,
    tally: log.tally,
    isStopping,
  })
  const listening = await listen(door, { ...place, requestTimeoutMs })
  const url = `http://${urlHost(place.host)}:${listening.port}${place.prefix}`
  logger.info({ origin: folder.origin, url, tree_size: ledger.treeSize }, "listening")
  logger.warn(NO_WITNESS)

  async function stop(): Promise<void> {
    stopping = true
    await finish(listening.server)
    keys.close()
    metrics.close()
    await ledger.close()
    logger.info({ tree_size: ledger.treeSize }, "stopped")
  }

  let stopped: Promise<void> | undefined
  return {
    url,
    port: listening.port,
    folder,
    ...(firstKeys && { firstKeys }),
    close: () => {
      stopped ??= stop()
      return stopped
    },
  }
}

/** The busiest first: Express tries them in this order. */
function routesOf(
  log: ServedLog,
  submit: ReturnType<typeof openSubmit>,
  metricsRoutes: readonly Route[],
  prefix: string,
  isStopping: () => boolean,
  logger: Logger,
): readonly Route[] {
  const routes = [
    ...tileRoutes(log),
    ...proofRoutes(log),
    ...evidenceRoutes(log),
    submitRoute(submit),
    ...eventRoutes(log),
    ...logRoutes(log),
    ...healthRoutes(log, isStopping),
    ...metricsRoutes,
    ...keyRoutes(log, logger),
  ]
  return [...routes, ...descriptionRoutes(routes, prefix, log.folder.origin)]
}

async function openLog(config: ServerConfig, folder: LogFolder, logger: Logger): Promise<Ledger> {
  const openStorage = config.openStorage ?? (({ logPath }) => openLevelStorage(logPath))
  return openLedger({
    storage: await openStorage(folder),
    signerKey: folder.signerKey,
    signedHead: signedHeadFile(folder.signedHeadPath),
    genesis: () => ({ entry: genesisEntry(folder) }),
    stamp: stampEntryTime,
    entryTime: entryTimeMs,
    checkRecord,
    onAlarm: (error) => logger.error({ err: error }, "alarm of the ledger"),
    ...(config.clock && { clock: config.clock }),
  })
}

/** A log without any key could be used by no one: it gets one for its operator and one for its first service. */
async function provideKeys(folder: LogFolder, nowMs: number): Promise<readonly NewApiKey[] | undefined> {
  if ((await listApiKeys(folder.apiKeysPath)).length > 0) return undefined
  return createApiKeys(folder.apiKeysPath, [{ roles: ["admin"] }, { roles: ["writer"] }], nowMs)
}

/** The schedule that leaf 0 promises. */
async function readSchedule({ storage }: Ledger): Promise<Schedule> {
  const bundle = await storage.read(bundlePath(0, 1))
  const [genesis] = bundle === undefined ? [] : parseBundle(bundle, 1)
  const entry = genesis && decodeEntry(genesis)
  if (entry?.type !== "genesis") throw new Error("bug: leaf 0 is not the genesis of the log")
  return entry.schedule
}

/** What the caller says goes before what `prooflog.json` says. */
function placeOf(config: ServerConfig, { serving }: LogFolder) {
  const [, listenHost, listenPort] = LISTEN.exec(serving.listen ?? "") ?? []
  return {
    host: config.host ?? listenHost?.replace(/^\[(.*)\]$/, "$1") ?? "127.0.0.1",
    port: config.port ?? (listenPort === undefined ? 8080 : Number(listenPort)),
    prefix: config.prefix ?? serving.prefix ?? "/",
  }
}

const LISTEN = /^(.+):(\d{1,5})$/

function urlHost(host: string): string {
  return host.includes(":") ? `[${host}]` : host
}

/** Resolves when every request that had come in is answered, or their time is over. */
async function finish(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve))
  const sweep = setInterval(() => server.closeIdleConnections(), 50)
  const giveUp = setTimeout(() => server.closeAllConnections(), GRACE_MS)
  server.closeIdleConnections()
  await closed
  clearInterval(sweep)
  clearTimeout(giveUp)
}
