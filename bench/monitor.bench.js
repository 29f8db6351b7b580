/**
 * How fast does a monitor that knows nothing read a whole log from a local server, and how fast does it go on?
 *
 *     node bench/monitor.bench.js [millions of events] [runs]
 *
 * Each run is a process of its own, `prooflog-monitor run --once`: start, look, audit, state on disk.
 */

import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { startChild } from "./http/bench.js"
import { fill } from "./http/fill.js"
import { figure, header } from "./report.js"

const MONITOR = fileURLToPath(new URL("../apps/monitor/bin/prooflog-monitor.js", import.meta.url))
const [millions = 1, n = 5] = process.argv.slice(2).map(Number)
const size = millions * 1e6

header(`a monitor over ${size.toLocaleString("en-US")} events from a local server`)
const folder = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), "prooflog-bench-"))
const server = await startChild("prooflog", { BENCH_LOG: join(folder, "log") })
try {
  await fill(server, size)
  const fromNothing = []
  const fromState = []
  for (let run = 0; run < n; run++) {
    const config = join(folder, `monitor-${run}.yaml`)
    writeFileSync(
      config,
      `folder: ./state-${run}\nlogs:\n  - url: http://127.0.0.1:${server.port}/\n    policy: ./log/policy\n`,
    )
    fromNothing.push(size / seconds(config))
    fromState.push(seconds(config))
  }
  figure("from nothing", fromNothing, "entries/s")
  figure("from its state, nothing new", fromState, "s")
} finally {
  await server.stop()
  rmSync(folder, { recursive: true })
}

function seconds(config) {
  const began = performance.now()
  execFileSync(process.execPath, [MONITOR, "run", config, "--once", "--json"], {
    stdio: ["ignore", "ignore", "inherit"],
  })
  return (performance.now() - began) / 1_000
}
