/**
 * How fast does `prooflog audit` re-derive a whole log from a local server, on the same cores?
 *
 *     node bench/audit.bench.js [millions of events] [runs]
 */

import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { startChild } from "./http/bench.js"
import { fill } from "./http/fill.js"
import { figure, header } from "./report.js"

const PROOFLOG = fileURLToPath(new URL("../apps/cli/bin/prooflog.js", import.meta.url))
const [millions = 1, n = 5] = process.argv.slice(2).map(Number)
const size = millions * 1e6

header(`audit of ${size.toLocaleString("en-US")} events from a local server`)
const folder = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), "prooflog-bench-"))
const server = await startChild("prooflog", { BENCH_LOG: join(folder, "log") })
try {
  await fill(server, size)
  figure("audit", await measured(() => audit()), "entries/s")
  figure(
    "audit, with the second opinion on every tile",
    await measured(() => audit("--cross-check")),
    "entries/s",
  )
} finally {
  await server.stop()
  rmSync(folder, { recursive: true })
}

async function measured(once) {
  const rates = []
  for (let i = 0; i < n; i++) rates.push(await once())
  return rates
}

/** The rate that the command itself states, its start left out. */
async function audit(...flags) {
  const policy = join(folder, "log", "policy")
  const args = [PROOFLOG, "audit", `http://127.0.0.1:${server.port}/`, "--policy", policy, "--json", ...flags]
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "ignore"] })
  let out = ""
  child.stdout.on("data", (chunk) => {
    out += chunk
  })
  const [code] = await once(child, "exit")
  if (code !== 0) throw new Error(`audit exited with ${code}`)
  const { tree_size, ms } = JSON.parse(out)
  return (tree_size / ms) * 1_000
}
