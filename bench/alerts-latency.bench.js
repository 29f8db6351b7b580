/**
 * From an event that is accepted to an alert that is delivered: how long, at 5,000 events/s with 50 rules?
 *
 *     node bench/alerts-latency.bench.js [runs] [seconds]
 *
 * Each 200 ms one user fails to log in often enough for an alert of its own. Measured is the time from the answer to the
 * batch with the last of these events to the webhook's arrival here: head, reader, rules, commit and delivery are within.
 */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { initFolder } from "@prooflog/server/folder"
import { startChild } from "./http/bench.js"
import { sampleEvent } from "./http/events.js"
import { figure, header, percentile } from "./report.js"

const [n = 3, seconds = 20] = process.argv.slice(2).map(Number)

const RATE = 5_000
const BATCH_MS = 50
const MARKED_EVERY = 4
const FAILURES = 15
const RULES = 50
const SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`
const FIELDS = ["user_id", "ip_address", "action", "resource_accessed", "service"]

header(`from accepted to delivered, at ${RATE} events/s with ${RULES} rules; load on the same cores`)
const arrived = new Map()
const hook = createServer(async (req, res) => {
  let body = ""
  for await (const chunk of req) body += chunk
  const atMs = performance.now()
  res.writeHead(204).end()
  for (const [user] of body.matchAll(/marked-[\d-]+/g)) {
    if (!arrived.has(user)) arrived.set(user, atMs)
  }
})
await new Promise((resolve) => hook.listen(0, "127.0.0.1", resolve))

const base = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), "prooflog-bench-"))
const dir = join(base, "log")
await initFolder(dir)
writeFileSync(
  join(dir, "alerts.yaml"),
  `sinks:
  hook: { type: webhook, url: "http://127.0.0.1:${hook.address().port}/", secrets: [{ env: BENCH_HOOK_SECRET }] }
routes:
  - { match: [rule = brute-force-user], to: [hook], group_by: [user_id], group_wait: 0s }
`,
)
mkdirSync(join(dir, "rules"))
writeFileSync(join(dir, "rules", "bench.yml"), rulesText(RULES - 27))
const prooflog = await startChild("prooflog", { FOLLOW: "1", BENCH_LOG: dir, BENCH_HOOK_SECRET: SECRET })
const url = `http://127.0.0.1:${prooflog.port}/v1/`
await untilRules()

const p50 = []
const p99 = []
const rates = []
for (let run = 0; run < n; run++) {
  const { accepted, rate } = await load(run)
  const waits = [...accepted].map(([user, atMs]) => arrived.get(user) - atMs)
  const missing = waits.filter(Number.isNaN).length
  if (missing > 0) console.log(`!! ${missing} of ${waits.length} alerts did not arrive`)
  const there = waits.filter((wait) => !Number.isNaN(wait))
  rates.push(rate)
  p50.push(percentile(there, 0.5))
  p99.push(percentile(there, 0.99))
}
figure("rate", rates, "events/s")
figure("p50", p50, "ms")
figure("p99", p99, "ms")
await prooflog.stop()
hook.close()
rmSync(base, { recursive: true })

/** Posts at the rate, and waits for what is under way. */
async function load(run) {
  const accepted = new Map()
  const began = performance.now()
  const under = []
  let events = 0
  for (let tick = 0; tick * BATCH_MS < seconds * 1_000; tick++) {
    const wait = began + tick * BATCH_MS - performance.now()
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
    const size = (RATE * BATCH_MS) / 1_000
    const marked = tick % MARKED_EVERY === 0 ? `marked-${run}-${tick}` : undefined
    const batch = Array.from({ length: size }, (_, i) =>
      marked !== undefined && i >= size - FAILURES ? failure(marked, i) : now(events + i),
    )
    events += size
    under.push(
      post(batch).then(() => {
        if (marked !== undefined) accepted.set(marked, performance.now())
      }),
    )
  }
  await Promise.all(under)
  const rate = events / ((performance.now() - began) / 1_000)
  await new Promise((resolve) => setTimeout(resolve, 5_000))
  return { accepted, rate }
}

function now(i) {
  return { ...sampleEvent(i), timestamp: new Date().toISOString() }
}

function failure(user, i) {
  return {
    ...{
      timestamp: new Date().toISOString(),
      user_id: user,
      action: "login",
      category: "auth",
      activity: "login",
    },
    ...{ resource_accessed: "/login", result: "failure", ip_address: `203.0.113.${i % 250}` },
  }
}

async function post(events) {
  const body = events.map((event) => JSON.stringify(event)).join("\n")
  const headers = { Authorization: `Bearer ${prooflog.writer}`, "Content-Type": "application/x-ndjson" }
  const answer = await fetch(`${url}events`, { method: "POST", headers, body })
  if (answer.status !== 200) throw new Error(`${answer.status}: ${await answer.text()}`)
  await answer.arrayBuffer()
}

async function untilRules() {
  for (;;) {
    const answer = await fetch(`${url}alert-rules`, {
      headers: { Authorization: `Bearer ${prooflog.admin}` },
    })
    const { rules, refused } = await answer.json()
    if (refused?.length > 0) throw new Error(refused.join("\n"))
    if (rules?.length === RULES) return
    if (rules !== undefined) console.log(`!! ${rules.length} rules`)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

/** Rules of all kinds that look at every event, and fire seldom or never. */
function rulesText(count) {
  const kinds = [
    (field) => `count: { over: 10m, at_least: 300 }\n    group_by: [${field}]`,
    (field) => `distinct: { of: ${field}, over: 5m, at_least: 300 }\n    group_by: [service]`,
    (field) => `rate: { over: 1m, above: 1000000 }\n    group_by: [${field}]`,
    (field) => `where: { ${field}|contains: "never-there-" }\n    group_by: [${field}]`,
    (field) => `where: { ${field}|re: "^(a|b)+never$" }\n    group_by: [${field}]`,
  ]
  const rules = Array.from({ length: count }, (_, i) => {
    const field = FIELDS[i % FIELDS.length]
    const kind = kinds[Math.floor(i / FIELDS.length) % kinds.length]
    return `  - id: bench-${i}
    title: Rule ${i}
    why: It looks at every event.
    severity: info
    ${kind(field)}
`
  })
  return `rules:\n${rules.join("")}`
}
