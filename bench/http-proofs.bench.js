/**
 * How many inclusion proofs, receipts and evidence files a second, of random leaves of a log of a million?
 *
 *     node bench/http-proofs.bench.js [runs] [seconds] [leaves]
 */

import { get, rates, run, runs, startChild } from "./http/bench.js"
import { sampleNdjson } from "./http/events.js"
import { figure, header } from "./report.js"

const [n = 5, seconds = 6, leaves = 1_000_000] = process.argv.slice(2).map(Number)
const CONNECTIONS = 64

header(
  `proofs over HTTP, random leaves of ${leaves.toLocaleString("en-US")}, ${CONNECTIONS} connections; load on the same cores`,
)
const prooflog = await startChild("prooflog")
await fill()
const treeSize = await settled()
console.log(`log       ${treeSize.toLocaleString("en-US")} leaves`)

const random = Array.from({ length: 20_000 }, () => 1 + Math.floor(Math.random() * (leaves - 1)))
const questions = [
  ["bare Express route (healthz)", () => get("/healthz")],
  ["inclusion proofs", (leaf) => get(`/v1/proofs/inclusion?leaf_index=${leaf}`)],
  ["receipts", (leaf) => get(`/v1/receipts/${leaf}`)],
  ["evidence", (leaf) => get(`/v1/evidence?leaf_index=${leaf}`, prooflog.admin)],
  ["tiles (entry bundles)", (leaf) => get(`/tile/entries/${place(Math.floor(leaf / 256))}`)],
]
for (const [name, ask] of questions) {
  const plan = { connections: CONNECTIONS, seconds, requests: random.filter(full).map(ask) }
  // Once over everything, so that what is kept in memory is there.
  await run(prooflog, plan)
  const all = await runs(prooflog, plan, n)
  figure(name, rates(all), "answers/s")
  figure(
    `${name}, p99`,
    all.map(({ p99 }) => p99),
    "ms",
  )
  figure(
    `${name}, CPU of the process`,
    all.map(({ cpuMicros }) => cpuMicros),
    "µs/answer",
  )
}
figure("memory", [(await prooflog.usage()).rss / 2 ** 20], "MiB")
await prooflog.stop()

/** Leaves in bundles that are full: the last one is not. */
function full(leaf) {
  return leaf < Math.floor(treeSize / 256) * 256
}

async function fill() {
  const body = sampleNdjson(5_000)
  for (let sent = 0; sent < leaves; sent += 5_000) {
    const response = await fetch(`http://127.0.0.1:${prooflog.port}/v1/events`, {
      method: "POST",
      headers: { authorization: `Bearer ${prooflog.writer}`, "content-type": "application/x-ndjson" },
      body,
    })
    if (!response.ok) throw new Error(await response.text())
    await response.arrayBuffer()
  }
}

/** Waits until everything is published, and read again by the scrubber, whose work is not what is measured. */
async function settled() {
  for (;;) {
    const response = await fetch(`http://127.0.0.1:${prooflog.port}/metrics`, {
      headers: { authorization: `Bearer ${prooflog.admin}` },
    })
    const text = await response.text()
    const value = (name) =>
      Number(
        text
          .split("\n")
          .find((line) => line.startsWith(name))
          ?.split(" ")[1],
      )
    const published = value('prooflog_tree_size{head="published"}')
    if (published >= leaves && value("prooflog_verified_size") >= published) return published
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
}

/** 3906 → "x003/906" */
function place(index) {
  return String(index)
    .padStart(6, "0")
    .replace(/^000/, "")
    .replace(/^(\d{3})(\d{3})$/, "x$1/$2")
}
