/**
 * The questions of `query.bench.js` on the same events in SQLite, with an index on (user_id, timestamp) and one on
 * timestamp. Outside the workspace: its native package is compiled or downloaded, and no install shall pay for it.
 */

import { mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import Database from "better-sqlite3"
import { sampleEvent } from "../http/events.js"
import { figure } from "../report.js"

const [millions, times] = process.argv.slice(2, 4).map(Number)
const [user, from, to] = process.argv.slice(4)
const size = millions * 1e6
const folder = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), "prooflog-bench-"))
const path = join(folder, "sqlite.db")
const db = new Database(path)
console.log(`sqlite    ${db.prepare("SELECT sqlite_version() AS version").get().version}, WAL, two indexes`)
try {
  const began = performance.now()
  fill()
  figure("sqlite: filling", [(size / (performance.now() - began)) * 1_000], "events/s")
  time(
    "sqlite: point",
    `SELECT * FROM access_logs WHERE user_id = '${user}' AND timestamp >= '${from}' AND timestamp < '${to}'`,
  )
  time("sqlite: count by result", "SELECT result, count(*) FROM access_logs GROUP BY result")
  time(
    "sqlite: top 10 users",
    "SELECT user_id, count(*) AS n FROM access_logs GROUP BY user_id ORDER BY n DESC LIMIT 10",
  )
  time(
    "sqlite: contains",
    "SELECT count(*) FROM access_logs WHERE instr(resource_accessed, 'documents/1234') > 0",
  )
  time(
    "sqlite: newest 50 of a user",
    `SELECT * FROM access_logs WHERE user_id = '${user}' ORDER BY leaf_index DESC LIMIT 50`,
  )
  figure("sqlite: file", [statSync(path).size / size], "bytes/event")
} finally {
  db.close()
  rmSync(folder, { recursive: true })
}

function fill() {
  const columns = Object.keys(sampleEvent(0))
  db.pragma("journal_mode = WAL")
  db.pragma("synchronous = NORMAL")
  db.exec(`CREATE TABLE access_logs (leaf_index INTEGER PRIMARY KEY, ${columns.join(", ")})`)
  const insert = db.prepare(`INSERT INTO access_logs VALUES (?, ${columns.map(() => "?").join(", ")})`)
  const insertMany = db.transaction((first, count) => {
    for (let i = first; i < first + count; i++) insert.run(i + 1, ...Object.values(sampleEvent(i)))
  })
  for (let first = 0; first < size; first += 10_000) insertMany(first, 10_000)
  db.exec(
    "CREATE INDEX by_user ON access_logs (user_id, timestamp); CREATE INDEX by_time ON access_logs (timestamp)",
  )
  db.pragma("wal_checkpoint(TRUNCATE)")
}

function time(name, sql) {
  const statement = db.prepare(sql)
  for (let i = 0; i < 3; i++) statement.all()
  const taken = []
  for (let i = 0; i < times; i++) {
    const asked = performance.now()
    statement.all()
    taken.push(performance.now() - asked)
  }
  figure(name, taken, "ms")
}
