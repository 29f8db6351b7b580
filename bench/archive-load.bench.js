/**
 * What is left of the rate of ingestion while the archive is at work?
 *
 *     node bench/archive-load.bench.js [thousands of events to archive] [runs] [seconds]
 *
 * Over HTTP, NDJSON requests of 1,000 events, durable before the answer; load, server, reader and archive share the cores. Each run is
 * measured alone and then with a run of the archive beside it, which moves all that was logged until then: so both see the
 * same log, the same machine, the same hour.
 */

import { mkdtempSync, rmSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { post, run, startChild } from "./http/bench.js"
import { sampleNdjson } from "./http/events.js"
import { fill } from "./http/fill.js"
import { ask, level } from "./http/reading.js"
import { figure, header } from "./report.js"

const [thousands = 1_000, times = 3, seconds = 5] = process.argv.slice(2).map(Number)
const EVENTS = 1_000

header(`NDJSON requests of ${EVENTS} events while ${thousands},000 events are archived`)
const folder = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), "prooflog-bench-"))
try {
  const dir = join(folder, "log")
  const server = await startChild("prooflog", { FOLLOW: process.env.FOLLOW ?? "1", BENCH_LOG: dir })
  await hotForNoTime(server, dir)
  const bodies = Array.from({ length: 8 }, () => sampleNdjson(EVENTS))
  const requests = bodies.map((body) => post("/v1/events", "application/x-ndjson", body, server.writer))
  const plan = { connections: 4, seconds, requests }
  const found = { alone: [], beside: [], ratio: [], archived: [] }
  for (let i = 0; i < times; i++) {
    await fill(server, thousands * 1_000)
    await level(server)
    const alone = EVENTS * (await run(server, plan)).rate
    await level(server)
    const job = await beginRun(server)
    const beside = EVENTS * (await run(server, plan)).rate
    const { isRunning } = await job.look()
    if (!isRunning) console.log("!! the archive was done before the load: archive more, or for fewer seconds")
    found.alone.push(alone)
    found.beside.push(beside)
    found.ratio.push(beside / alone)
    found.archived.push(await job.ended())
  }
  figure("logged, nothing else to do", found.alone, "events/s")
  figure("logged, while it is archived", found.beside, "events/s")
  figure("ratio", found.ratio, "")
  figure("archived and verified beside it", found.archived, "events/s")
  await server.stop()
} finally {
  rmSync(folder, { recursive: true })
}

/** Hot times are not promised: what is hot for no time at all is archived by the next run. */
async function hotForNoTime(server, dir) {
  const schedule = await readFile(join(dir, "schedule.yaml"), "utf8")
  const response = await fetch(`http://127.0.0.1:${server.port}/v1/schedule`, {
    method: "PUT",
    headers: { authorization: `Bearer ${server.admin}`, "content-type": "application/yaml" },
    body: schedule.replace("hot: 6mo, archive: 2y", "hot: 0, archive: 914"),
  })
  if (!response.ok) throw new Error(await response.text())
}

/** Resolves when it moves records. */
async function beginRun(server) {
  const began = performance.now()
  const { id } = await ask(server, "v1/archive/run", {})
  const look = async () => {
    const { job } = await ask(server, "v1/archive")
    if (job.id !== id) throw new Error(`another job: ${JSON.stringify(job)}`)
    if (job.state === "failed") throw new Error(JSON.stringify(job.error))
    return { isRunning: job.state === "running", job }
  }
  while ((await look()).job.step === "wait") await sleep(50)
  return {
    look,
    /** @returns records a second */
    async ended() {
      for (;;) {
        const { isRunning, job } = await look()
        if (!isRunning) return (job.result.archived / (performance.now() - began)) * 1_000
        await sleep(100)
      }
    },
  }
}
