/**
 * How many events a second are durable when they come in NDJSON requests of 1,000?
 *
 *     node bench/http-batch.bench.js [runs] [seconds]
 */

import { medianOf, post, runs, startChild } from "./http/bench.js"
import { sampleNdjson } from "./http/events.js"
import { figure, header } from "./report.js"

const [n = 5, seconds = 6] = process.argv.slice(2).map(Number)
const EVENTS = 1_000

header("NDJSON requests of 1,000 events, durable before the answer, 4 connections; load on the same cores")
const bodies = Array.from({ length: 8 }, () => sampleNdjson(EVENTS))
console.log(`body      ${bodies[0].length.toLocaleString("en-US")} bytes`)

const bare = await startChild("bare")
const bareRuns = await runs(bare, plan("none"), n)
await bare.stop()
const prooflog = await startChild("prooflog")
const ourRuns = await runs(prooflog, plan(prooflog.writer), n)
await prooflog.stop()

const events = (all) => all.map(({ rate }) => rate * EVENTS)
figure("prooflog", events(ourRuns), "events/s")
figure(
  "prooflog, request p50",
  ourRuns.map(({ p50 }) => p50),
  "ms",
)
figure(
  "prooflog, request p99",
  ourRuns.map(({ p99 }) => p99),
  "ms",
)
figure(
  "prooflog, CPU of its process",
  ourRuns.map(({ cpuMicros }) => cpuMicros / EVENTS),
  "µs/event",
)
figure(
  "prooflog, memory",
  ourRuns.map(({ rss }) => rss / 2 ** 20),
  "MiB",
)
figure("bare node http, same bodies parsed", events(bareRuns), "events/s")
console.log(`ratio     ${(medianOf(ourRuns, "rate") / medianOf(bareRuns, "rate")).toFixed(2)}`)

function plan(key) {
  const requests = bodies.map((body) => post("/v1/events", "application/x-ndjson", body, key))
  return { connections: 4, seconds, requests }
}
