/** What Prometheus is told: read when it asks, from the state of each watch. */

import { Counter, Gauge, Registry } from "prom-client"
import type { Alarm } from "./alarm.js"
import { FINDING_KINDS, type FindingKind } from "./finding.js"
import type { Gossip } from "./gossip.js"
import { FAULTS } from "./peers.js"
import type { RateLimit } from "./rate-limit.js"
import type { SentHeads } from "./sent-heads.js"
import type { LogWatch } from "./watch.js"
import type { Witness, WitnessedLog } from "./witness.js"

export interface Measured {
  readonly watches: readonly LogWatch[]
  readonly gossip: Gossip
  readonly limit: RateLimit
  readonly alarm: Alarm | undefined
  /** Findings since the start, by origin and kind. */
  readonly raised: ReadonlyMap<string, ReadonlyMap<FindingKind, number>>
  readonly witness: MeasuredWitness | undefined
}

export interface MeasuredWitness {
  readonly witness: Witness
  readonly sentHeads: SentHeads
  /** Requests to cosign since the start, by the status of the answer. */
  readonly answers: ReadonlyMap<number, number>
}

export function openMetrics({ watches, gossip, limit, alarm, raised, witness }: Measured): Registry {
  const registry = new Registry()
  const registers = [registry]
  const perLog = (name: string, help: string, value: (watch: LogWatch) => number | undefined) =>
    new Gauge({
      registers,
      name,
      help,
      labelNames: ["origin"],
      collect() {
        this.reset()
        for (const watch of watches) {
          const measured = value(watch)
          if (measured !== undefined) this.set({ origin: watch.log.origin }, measured)
        }
      },
    })
  perLog("prooflog_monitor_tree_size", "Leaves of the latest head that is believed", (watch) => {
    return watch.latest?.checkpoint.treeSize
  })
  perLog("prooflog_monitor_audited_size", "Leaves that were read", (watch) => {
    return watch.status().audited?.end.checkpoint.checkpoint.treeSize ?? 0
  })
  perLog(
    "prooflog_monitor_last_look_seconds",
    "When the log last showed a head in order, since 1970",
    (watch) => {
      const { lookedMs } = watch.status()
      return lookedMs === undefined ? undefined : lookedMs / 1_000
    },
  )
  perLog("prooflog_monitor_open_heads", "Heads shown by others and not compared yet", (watch) => {
    return watch.status().openHeads.length
  })
  new Gauge({
    registers,
    name: "prooflog_monitor_finding",
    help: "1 for each kind of finding that is open: alert on any",
    labelNames: ["origin", "kind"],
    collect() {
      this.reset()
      for (const watch of watches) {
        for (const kind of Object.keys(FINDING_KINDS)) this.set({ origin: watch.log.origin, kind }, 0)
        for (const { kind } of watch.status().findings) this.set({ origin: watch.log.origin, kind }, 1)
      }
    },
  })
  counter("prooflog_monitor_findings_total", "Findings raised since the start", ["origin", "kind"], (add) => {
    for (const [origin, kinds] of raised) for (const [kind, count] of kinds) add({ origin, kind }, count)
  })
  counter("prooflog_monitor_looks_total", "Looks at a log", ["origin"], (add) => {
    for (const watch of watches) add({ origin: watch.log.origin }, watch.status().looks)
  })
  counter("prooflog_monitor_peer_faults_total", "What peers did wrong", ["peer", "fault"], (add) => {
    for (const { url, faults } of gossip.status())
      for (const fault of FAULTS) add({ peer: url, fault }, faults[fault])
  })
  counter("prooflog_monitor_floods_total", "Addresses that were dropped for asking too often", [], (add) => {
    add({}, limit.drops)
  })
  counter("prooflog_monitor_alarm_failures_total", "Alarms that the webhook never took", [], (add) => {
    add({}, alarm?.failures ?? 0)
  })
  if (witness !== undefined) measureWitness(witness)
  new Gauge({
    registers,
    name: "process_resident_memory_bytes",
    help: "Memory of the process",
    collect() {
      this.set(process.memoryUsage.rss())
    },
  })
  return registry

  function measureWitness({ witness, sentHeads, answers }: MeasuredWitness): void {
    counter(
      "prooflog_monitor_witness_requests_total",
      "Requests to cosign by the status of the answer: 200 was cosigned, all else refused",
      ["status"],
      (add) => {
        for (const [status, count] of answers) add({ status: String(status) }, count)
      },
    )
    counter(
      "prooflog_monitor_witness_forks_total",
      "Forks proven by what unwatched logs sent",
      ["origin"],
      (add) => {
        for (const { origin } of witness.status()) {
          add({ origin }, sentHeads.forks.filter((fork) => fork.origin === origin).length)
        }
      },
    )
    const perOrigin = (name: string, help: string, value: (log: WitnessedLog) => number | undefined) =>
      new Gauge({
        registers,
        name,
        help,
        labelNames: ["origin"],
        collect() {
          this.reset()
          for (const log of witness.status()) this.set({ origin: log.origin }, value(log) ?? 0)
        },
      })
    perOrigin("prooflog_monitor_witness_size", "Leaves of the head cosigned last", ({ treeSize }) => treeSize)
    perOrigin(
      "prooflog_monitor_witness_last_seconds",
      "Time of the cosignature made last, 0 for none",
      (log) => {
        return log.timeSeconds
      },
    )
  }

  function counter<L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    collect: (add: (labels: Partial<Record<L, string>>, count: number) => void) => void,
  ): void {
    new Counter({
      registers,
      name,
      help,
      labelNames: [...labelNames],
      collect() {
        this.reset()
        collect((labels, count) => this.inc(labels, count))
      },
    })
  }
}
