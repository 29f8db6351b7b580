/**
 * What Prometheus is told of witnesses, of the published head, and of heads that were compared.
 *
 * Ages are those of this clock and the witness's word: a clock that is off shows here, too.
 */

import type { QuorumState } from "@prooflog/ledger"
import { Counter, Gauge, type Registry } from "prom-client"
import type { ServedLog } from "./served-log.js"

const QUORUM_STATES: readonly QuorumState[] = ["none", "met", "stale", "missing"]

export function describeWitnesses(
  registry: Registry,
  { ledger, comparing }: ServedLog,
  clock: () => number,
): void {
  const registers = [registry]
  const secondsSince = (timeMs: number) => Math.max(0, (clock() - timeMs) / 1_000)

  new Gauge({
    registers,
    name: "prooflog_quorum",
    help: "1 for what the quorum of the log's policy is: none is asked for, met, stale (not renewed for too long), or missing",
    labelNames: ["state"],
    collect() {
      const { quorum } = ledger.status()
      for (const state of QUORUM_STATES) this.set({ state }, state === quorum ? 1 : 0)
    },
  })
  new Gauge({
    registers,
    name: "prooflog_quorum_missing_seconds",
    help: "How long a signed head could not be published for want of a quorum; 0 if it can",
    collect() {
      const { quorumMissingSince } = ledger.status()
      this.set(quorumMissingSince === undefined ? 0 : secondsSince(quorumMissingSince))
    },
  })
  new Gauge({
    registers,
    name: "prooflog_renewal_failing_seconds",
    help: "How long no quorum has renewed the cosignatures of the published head; 0 if one does",
    collect() {
      const { renewalFailingSince } = ledger.status()
      this.set(renewalFailingSince === undefined ? 0 : secondsSince(renewalFailingSince))
    },
  })
  new Gauge({
    registers,
    name: "prooflog_witness_size",
    help: "Leaves of the largest tree that a witness said it has cosigned",
    labelNames: ["witness"],
    collect() {
      this.reset()
      for (const { name, size } of ledger.status().witnesses) {
        if (size !== undefined) this.set({ witness: name }, size)
      }
    },
  })
  new Gauge({
    registers,
    name: "prooflog_witness_cosigned_seconds",
    help: "Age of a witness's last cosignature",
    labelNames: ["witness"],
    collect() {
      this.reset()
      for (const { name, timeSeconds } of ledger.status().witnesses) {
        if (timeSeconds !== undefined) this.set({ witness: name }, secondsSince(timeSeconds * 1_000))
      }
    },
  })
  new Gauge({
    registers,
    name: "prooflog_witness_failing_seconds",
    help: "How long a witness has given no cosignature although it was asked; 0 if it gives them",
    labelNames: ["witness"],
    collect() {
      for (const { name, failedSince } of ledger.status().witnesses) {
        this.set({ witness: name }, failedSince === undefined ? 0 : secondsSince(failedSince))
      }
    },
  })
  new Counter({
    registers,
    name: "prooflog_heads_compared_total",
    help: "Heads of this log that were shown to it, by how they stand to the published one",
    labelNames: ["relation"],
    collect() {
      this.reset()
      for (const [relation, count] of Object.entries(comparing.status().counts)) this.inc({ relation }, count)
    },
  })
  new Gauge({
    registers,
    name: "prooflog_accusations",
    help: "Proofs on disk that the signer key has signed two histories",
    collect() {
      this.set(comparing.status().accusations)
    },
  })
  new Gauge({
    registers,
    name: "prooflog_heads_ahead",
    help: "Heads on disk that bear this log's signature and were never signed here",
    collect() {
      this.set(comparing.status().ahead)
    },
  })
}
