/**
 * How long does one event take to be durable, for 1 client that waits for each answer, and for 16?
 *
 *     node bench/http-latency.bench.js [runs] [seconds]
 */

import { post, rates, runs, startChild } from "./http/bench.js"
import { sampleEvent } from "./http/events.js"
import { figure, header } from "./report.js"

const [n = 5, seconds = 5] = process.argv.slice(2).map(Number)

header("latency of single durable events over HTTP, closed loop; load on the same cores")
const bodies = Array.from({ length: 1_000 }, (_, i) => JSON.stringify(sampleEvent(i)))
const prooflog = await startChild("prooflog")
const requests = bodies.map((body) => post("/v1/events", "application/json", body, prooflog.writer))
for (const connections of [1, 16]) {
  const all = await runs(prooflog, { connections, seconds, requests }, n)
  const who = `${connections} client${connections === 1 ? "" : "s"}`
  figure(
    `${who}, p50`,
    all.map(({ p50 }) => p50),
    "ms",
  )
  figure(
    `${who}, p99`,
    all.map(({ p99 }) => p99),
    "ms",
  )
  figure(`${who}, rate`, rates(all), "events/s")
}
await prooflog.stop()
