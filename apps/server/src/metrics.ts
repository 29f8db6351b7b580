/**
 * What Prometheus is told: read when it asks, from plain counts and from the state of the ledger. Nothing that
 * handles an event knows of metrics.
 */

import { monitorEventLoopDelay } from "node:perf_hooks"
import { Counter, Gauge, Registry } from "prom-client"
import { contentHeaders } from "./answer.js"
import type { Archiving } from "./retention/archiving.js"
import { DAILY_STEPS } from "./retention/daily-file.js"
import type { Route } from "./route.js"
import type { ServedLog } from "./served-log.js"
import { describeWitnesses } from "./witness-metrics.js"

export interface Metrics {
  readonly routes: readonly Route[]
  close(): void
}

/** @param clock - wall clock, ms since 1970 */
export function openMetrics(
  log: ServedLog,
  archiving: Pick<Archiving, "daily">,
  clock: () => number,
): Metrics {
  const registry = new Registry()
  const eventLoop = monitorEventLoopDelay({ resolution: 20 })
  eventLoop.enable()
  describeLog(registry, log)
  describeReading(registry, log)
  describeRetention(registry, archiving)
  describeWitnesses(registry, log, clock)
  describeProcess(registry, eventLoop)
  return {
    routes: [
      {
        method: "GET",
        path: "metrics",
        access: ["admin"],
        summary: "Metrics in Prometheus' text format",
        answers: { 200: { description: "The metrics", mediaType: "text/plain" } },
        handle: async () => ({
          status: 200,
          headers: contentHeaders(registry.contentType, "no-store"),
          body: await registry.metrics(),
        }),
      },
    ],
    close: () => eventLoop.disable(),
  }
}

function describeReading(registry: Registry, { reading }: ServedLog): void {
  const registers = [registry]
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      registers,
      name,
      help,
      collect() {
        this.set(value())
      },
    })
  gauge("prooflog_reader_through", "Leaves that answers have seen", () => reading.status().through)
  gauge(
    "prooflog_reader_lag_leaves",
    "Leaves that are signed and not yet seen by answers",
    () => reading.status().lagLeaves,
  )
  gauge(
    "prooflog_reader_lag_seconds",
    "How long the oldest of those has been signed",
    () => reading.status().lagSeconds,
  )
  gauge("prooflog_reader_following", "1 if the log is followed, 0 if answers stand still", () =>
    reading.status().state === "following" ? 1 : 0,
  )
  new Gauge({
    registers,
    name: "prooflog_reader_database_faults",
    help: "Lookups of addresses that met a damaged record, by database",
    labelNames: ["type"],
    collect() {
      this.reset()
      for (const { type, faults } of reading.status().databases) this.inc({ type }, faults)
    },
  })
  new Counter({
    registers,
    name: "prooflog_reader_restarts_total",
    help: "How often a process of the reader died and was begun anew",
    collect() {
      this.reset()
      this.inc(reading.status().restarts)
    },
  })
}

/** What is remembered of the daily run: nothing is asked of the archive for it. */
function describeRetention(registry: Registry, archiving: Pick<Archiving, "daily">): void {
  const registers = [registry]
  new Gauge({
    registers,
    name: "prooflog_retention_run_seconds",
    help: "When the last daily run of retention ended, seconds since the epoch; 0 before the first",
    collect() {
      this.set((archiving.daily.last?.endedMs ?? 0) / 1_000)
    },
  })
  new Gauge({
    registers,
    name: "prooflog_retention_failed_steps",
    help: "Steps of the last daily run that failed, and are done by the next one",
    labelNames: ["step"],
    collect() {
      this.reset()
      for (const step of DAILY_STEPS) this.set({ step }, 0)
      for (const { step } of archiving.daily.last?.failed ?? []) this.inc({ step })
    },
  })
  new Gauge({
    registers,
    name: "prooflog_archive_faults",
    help: "Segments of the archive that were found damaged, or could not be read",
    collect() {
      this.set(archiving.daily.faults.length)
    },
  })
  new Gauge({
    registers,
    name: "prooflog_retention_held_back",
    help: "Records that are due to be destroyed, and that a hold is on",
    collect() {
      this.set(archiving.daily.last?.heldBack ?? 0)
    },
  })
}

function describeLog(registry: Registry, { ledger, tally }: ServedLog): void {
  const registers = [registry]
  new Gauge({
    registers,
    name: "prooflog_tree_size",
    help: "Leaves of the log: durable, in the signed head, in the published head",
    labelNames: ["head"],
    collect() {
      this.set({ head: "durable" }, ledger.treeSize)
      this.set({ head: "signed" }, ledger.signedHead.treeSize)
      this.set({ head: "published" }, ledger.publishedHead.treeSize)
    },
  })
  new Gauge({
    registers,
    name: "prooflog_head_time_seconds",
    help: "When the head was signed or published, seconds since the epoch",
    labelNames: ["head"],
    collect() {
      this.set({ head: "signed" }, ledger.signedHead.timeMs / 1_000)
      this.set({ head: "published" }, ledger.publishedHead.timeMs / 1_000)
    },
  })
  new Gauge({
    registers,
    name: "prooflog_accepting",
    help: "1 if events are taken, 0 if they are answered 503",
    collect() {
      this.set(ledger.status().accepting ? 1 : 0)
    },
  })
  new Gauge({
    registers,
    name: "prooflog_queue_bytes",
    help: "Bytes of events that wait for their commit",
    collect() {
      this.set(ledger.status().queueBytes)
    },
  })
  new Gauge({
    registers,
    name: "prooflog_verified_size",
    help: "Leaves that the scrubber has read again and found right",
    collect() {
      this.set(ledger.status().verifiedSize)
    },
  })
  new Counter({
    registers,
    name: "prooflog_events_total",
    help: "Events by what became of them",
    labelNames: ["outcome"],
    collect() {
      this.reset()
      for (const [outcome, count] of Object.entries(tally.events)) this.inc({ outcome }, count)
    },
  })
  new Counter({
    registers,
    name: "prooflog_http_answers_total",
    help: "Requests by the status of their answer",
    labelNames: ["status"],
    collect() {
      this.reset()
      for (const [status, count] of tally.answers) this.inc({ status }, count)
    },
  })
}

/** The four that every process should tell; prom-client's own set watches the collector, which costs. */
function describeProcess(registry: Registry, eventLoop: ReturnType<typeof monitorEventLoopDelay>): void {
  const registers = [registry]
  new Counter({
    registers,
    name: "process_cpu_seconds_total",
    help: "CPU time of the process, all threads",
    collect() {
      const { user, system } = process.cpuUsage()
      this.reset()
      this.inc((user + system) / 1e6)
    },
  })
  new Gauge({
    registers,
    name: "process_resident_memory_bytes",
    help: "Memory of the process",
    collect() {
      this.set(process.memoryUsage.rss())
    },
  })
  new Gauge({
    registers,
    name: "process_start_time_seconds",
    help: "When the process started, seconds since the epoch",
    collect() {
      this.set(performance.timeOrigin / 1_000)
    },
  })
  new Gauge({
    registers,
    name: "nodejs_eventloop_lag_p99_seconds",
    help: "How late the event loop was since the last question, 99th percentile",
    collect() {
      this.set(eventLoop.percentile(99) / 1e9)
      eventLoop.reset()
    },
  })
}
