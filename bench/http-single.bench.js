/**
 * How many single events a second are durable before they are answered, over 256 connections?
 *
 *     node bench/http-single.bench.js [runs] [seconds]
 */

import { medianOf, post, rates, runs, startChild } from "./http/bench.js"
import { sampleEvent } from "./http/events.js"
import { figure, header } from "./report.js"

const [n = 5, seconds = 6] = process.argv.slice(2).map(Number)

header("single events over HTTP, durable before the answer, 256 connections; load on the same cores")
const bodies = Array.from({ length: 1_000 }, (_, i) => JSON.stringify(sampleEvent(i)))
console.log(`body      ${bodies[0].length} bytes, ${Object.keys(JSON.parse(bodies[0])).length} fields`)

const bare = await startChild("bare")
const bareRuns = await runs(bare, plan(bodies, "pl_none"), n)
await bare.stop()
const prooflog = await startChild("prooflog")
const ourRuns = await runs(prooflog, plan(bodies, prooflog.writer), n)
await prooflog.stop()

figure("prooflog", rates(ourRuns), "events/s")
figure(
  "prooflog, p50",
  ourRuns.map(({ p50 }) => p50),
  "ms",
)
figure(
  "prooflog, p99",
  ourRuns.map(({ p99 }) => p99),
  "ms",
)
figure(
  "prooflog, CPU of its process",
  ourRuns.map(({ cpuMicros }) => cpuMicros),
  "µs/event",
)
figure(
  "prooflog, memory",
  ourRuns.map(({ rss }) => rss / 2 ** 20),
  "MiB",
)
figure("bare node http, same bodies parsed", rates(bareRuns), "requests/s")
figure(
  "bare node http, CPU of its process",
  bareRuns.map(({ cpuMicros }) => cpuMicros),
  "µs/request",
)
console.log(`ratio     ${(medianOf(ourRuns, "rate") / medianOf(bareRuns, "rate")).toFixed(2)}`)

function plan(texts, key) {
  const requests = texts.map((text) => post("/v1/events", "application/json", text, key))
  return { connections: 256, seconds, requests }
}
