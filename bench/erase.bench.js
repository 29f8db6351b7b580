/**
 * How long does it take until one user's records are withdrawn, and until they are gone, among millions of others?
 *
 *     node bench/erase.bench.js [millions of events] [users, one after the other] [archived]
 *
 * Over HTTP, as an operator asks for it, of a server whose rows are followed. With `archived`, all events are moved into
 * segments first. Each user has one event in 5,000. Withdrawn is counted from the moment the run is asked for: who it is
 * about is looked up, a notice is published, tombstones stand in storage, no answer has a row. Gone is counted from there:
 * segments written anew, storage purged, rows written anew.
 */

import { mkdtempSync, rmSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { startChild } from "./http/bench.js"
import { fillDistinct } from "./http/fill.js"
import { ask, level } from "./http/reading.js"
import { figure, header } from "./report.js"

const [millions = "1", users = "3", where] = process.argv.slice(2)
const SIZE = Number(millions) * 1e6
const POLL_MS = 20

header(`erasing a user among ${millions} M events, ${where === "archived" ? "archived" : "all hot"}`)
const folder = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), "prooflog-bench-"))
try {
  const dir = join(folder, "log")
  const server = await startChild("prooflog", { FOLLOW: "1", BENCH_LOG: dir })
  console.log(
    `filling   ${Math.round(await fillDistinct(server, 0, SIZE))} events/s, with the load's own work`,
  )
  await level(server)
  if (where === "archived") await archiveAll(server, dir)
  const found = { records: [], point: [], withdrawn: [], gone: [] }
  for (let user = 0; user < Number(users); user++) {
    const each = await erase(server, `U${10_000 + user * 7}`)
    for (const name of Object.keys(found)) found[name].push(each[name])
  }
  figure("records of the user", found.records, "")
  figure("the same user asked for, in SQL", found.point, "ms")
  figure("withdrawn", found.withdrawn, "s")
  figure("gone, after that", found.gone, "s")
  await server.stop()
} finally {
  rmSync(folder, { recursive: true })
}

async function erase(server, user) {
  await level(server)
  const sql = `SELECT count(*), min(leaf_index), max(leaf_index) FROM access_logs WHERE user_id = '${user}'`
  await ask(server, "v1/query", { sql })
  let began = performance.now()
  await ask(server, "v1/query", { sql })
  const point = performance.now() - began
  await level(server)
  const { id } = await ask(server, "v1/erasures", { user_id: user, why: "a benchmark" })
  began = performance.now()
  await ask(server, "v1/erasures/run", {})
  const states = ["withdrawn", "gone"]
  const at = {}
  let records = 0
  while (states.length > 0) {
    await sleep(POLL_MS)
    const one = await ask(server, `v1/erasures/${id}`)
    records = one.records
    // It may have passed one between two looks.
    const reached =
      one.state === "gone" ? states.length : one.state === "withdrawn" ? states.indexOf("gone") : 0
    for (const state of states.splice(0, reached)) at[state] = performance.now()
    const { running, last_run } = await ask(server, "v1/erasures")
    if (!running && last_run?.error !== undefined) throw new Error(JSON.stringify(last_run.error))
  }
  const left = await ask(server, "v1/query", { sql })
  if (left.rows[0][0] !== 0) throw new Error(`${user} has ${left.rows[0][0]} rows left`)
  return {
    records,
    point,
    withdrawn: (at.withdrawn - began) / 1_000,
    gone: (at.gone - at.withdrawn) / 1_000,
  }
}

/** Hot times are not promised: what is hot for no time at all is archived by the next run. */
async function archiveAll(server, dir) {
  const schedule = await readFile(join(dir, "schedule.yaml"), "utf8")
  const response = await fetch(`http://127.0.0.1:${server.port}/v1/schedule`, {
    method: "PUT",
    headers: { authorization: `Bearer ${server.admin}`, "content-type": "application/yaml" },
    body: schedule.replace("hot: 6mo, archive: 2y", "hot: 0, archive: 914"),
  })
  if (!response.ok) throw new Error(await response.text())
  const began = performance.now()
  const { id } = await ask(server, "v1/archive/run", {})
  for (;;) {
    await sleep(250)
    const { job } = await ask(server, "v1/archive")
    if (job.id !== id || job.state === "running") continue
    if (job.state !== "done" || job.result.archived < SIZE) throw new Error(JSON.stringify(job))
    console.log(
      `archiving ${Math.round((job.result.archived / (performance.now() - began)) * 1_000)} events/s`,
    )
    return
  }
}
