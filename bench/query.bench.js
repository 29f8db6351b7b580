/**
 * How long do questions take over millions of events, what do they cost on disk, and how does SQLite do on the same?
 *
 *     npm install --prefix bench/sqlite --no-package-lock     once, for the comparison
 *     node bench/query.bench.js [millions of events] [times each]
 *
 * Every question goes over HTTP, as a user's does, and is asked again and again: caches are warm.
 */

import { execFileSync, spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { startChild } from "./http/bench.js"
import { sampleEvent } from "./http/events.js"
import { fillDistinct } from "./http/fill.js"
import { ask, level } from "./http/reading.js"
import { figure, header } from "./report.js"

const [millions = 10, times = 15] = process.argv.slice(2).map(Number)
const SIZE = millions * 1e6
const PROOFLOG = fileURLToPath(new URL("../apps/cli/bin/prooflog.js", import.meta.url))
const SQLITE = fileURLToPath(new URL("./sqlite", import.meta.url))

const USER = "U12345"
const FROM = new Date(Date.parse(sampleEvent(0).timestamp) + 86_400_000).toISOString().slice(0, 10)
const TO = new Date(Date.parse(FROM) + 86_400_000).toISOString().slice(0, 10)

header(`questions over ${millions} M events, warm, over HTTP`)
const folder = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), "prooflog-bench-"))
try {
  const dir = join(folder, "log")
  const server = await startChild("prooflog", { FOLLOW: "1", BENCH_LOG: dir })
  console.log(
    `filling   ${Math.round(await fillDistinct(server, 0, SIZE))} events/s, with the load's own work`,
  )
  await level(server)
  const ofOneDay = `FROM access_logs WHERE user_id = '${USER}' AND timestamp >= '${FROM}' AND timestamp < '${TO}'`
  await time("point: one user, one day, who did what from where", () =>
    sql(server, `SELECT leaf_index, timestamp, action, resource_accessed, result, ip_address ${ofOneDay}`),
  )
  await time("the same, SELECT *: 54 columns", () => sql(server, `SELECT * ${ofOneDay}`))
  await time("group-by over all: count by result", () =>
    sql(server, "SELECT result, count(*) FROM access_logs GROUP BY result"),
  )
  await time("group-by over all: top 10 users", () =>
    sql(server, "SELECT user_id, count(*) AS n FROM access_logs GROUP BY user_id ORDER BY n DESC LIMIT 10"),
  )
  await time("contains over all: a part of the resource", () =>
    sql(server, "SELECT count(*) FROM access_logs WHERE contains(resource_accessed, 'documents/1234')"),
  )
  await time("newest 50 by filter: a user", () => ask(server, `v1/events?user_id=${USER}&limit=50`))
  await time("newest 50 by filter: denied, by prefix", () =>
    ask(server, "v1/events?result=denied&resource_accessed.prefix=/api/v2/&limit=50"),
  )
  await verifyRows(server, dir, 20_000)
  await server.stop()
  const bytes = statSync(join(dir, "query", "access_logs.duckdb")).size
  figure("DuckDB file", [bytes / SIZE], "bytes/event")
} finally {
  rmSync(folder, { recursive: true })
}
compareWithSqlite()

async function time(name, question) {
  for (let i = 0; i < 3; i++) await question()
  const taken = []
  for (let i = 0; i < times; i++) {
    const began = performance.now()
    await question()
    taken.push(performance.now() - began)
  }
  figure(name, taken, "ms")
}

function sql(server, text) {
  return ask(server, "v1/query", { sql: text })
}

/** The whole command, its start included. */
async function verifyRows({ port, admin }, dir, rows) {
  const began = performance.now()
  const asked = `SELECT * FROM access_logs WHERE source <> 'prooflog' LIMIT ${rows}`
  const args = [
    PROOFLOG,
    "query",
    asked,
    "--limit",
    String(rows),
    "--json",
    "--verify",
    "--policy",
    join(dir, "policy"),
  ]
  execFileSync(process.execPath, args, {
    env: { ...process.env, PROOFLOG_URL: `http://127.0.0.1:${port}`, PROOFLOG_KEY: admin },
    stdio: ["ignore", "ignore", "inherit"],
  })
  figure(`prooflog query --verify, ${rows} rows`, [(rows / (performance.now() - began)) * 1_000], "rows/s")
}

/** In a process and a folder of its own, so that its native package is nobody else's. */
function compareWithSqlite() {
  if (!existsSync(join(SQLITE, "node_modules"))) {
    console.log("sqlite    not installed: npm install --prefix bench/sqlite --no-package-lock")
    return
  }
  const args = [join(SQLITE, "compare.js"), String(millions), String(times), USER, FROM, TO]
  spawnSync(process.execPath, args, { stdio: "inherit" })
}
