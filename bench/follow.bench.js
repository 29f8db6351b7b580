/**
 * What does the reader cost the writer, and how far behind does it fall?
 *
 *     node bench/follow.bench.js [millions of events] [seconds at a pace]
 *
 * Two logs in turn, the same load: one without a reader, one with it. Then a pace that is held, while the reader's lag is
 * looked at twice a second.
 */

import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { startChild } from "./http/bench.js"
import { fill, fillPaced } from "./http/fill.js"
import { ask, level } from "./http/reading.js"
import { figure, header } from "./report.js"

const [millions = 10, seconds = 120] = process.argv.slice(2).map(Number)
const PACE = 30_000

header(
  `${millions} M events in NDJSON requests of 1,000, without and with the reader; load on the same cores`,
)
const alone = await filled({})
figure("without the reader", [alone.rate], "events/s")
const followed = await filled({ FOLLOW: "1" })
figure("with the reader", [followed.rate], "events/s")
console.log(`ratio     ${(followed.rate / alone.rate).toFixed(2)}`)
figure("the reader is level again after", [followed.levelSeconds], "s")

await withServer({ FOLLOW: "1" }, async (server) => {
  await fill(server, 50_000)
  await level(server)
  const lags = []
  const looking = new AbortController()
  const look = (async () => {
    while (!looking.signal.aborted) {
      const { lag_seconds, lag_leaves } = await ask(server, "v1/reading")
      lags.push({ lag_seconds, lag_leaves })
      await sleep(500)
    }
  })()
  const rate = await fillPaced(server, PACE * seconds, PACE)
  looking.abort()
  await look
  figure(`pace held for ${seconds} s`, [rate], "events/s")
  figure(
    "lag of the reader, each half second",
    lags.map((lag) => lag.lag_seconds),
    "s",
  )
  figure(
    "lag in leaves",
    lags.map((lag) => lag.lag_leaves),
    "leaves",
  )
  const began = performance.now()
  await level(server)
  figure("level after the end of it", [(performance.now() - began) / 1_000], "s")
})

async function filled(env) {
  return withServer(env, async (server) => {
    const rate = await fill(server, millions * 1e6)
    const began = performance.now()
    if (env.FOLLOW === "1") await level(server)
    return { rate, levelSeconds: (performance.now() - began) / 1_000 }
  })
}

async function withServer(env, use) {
  const folder = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), "prooflog-bench-"))
  const server = await startChild("prooflog", { ...env, BENCH_LOG: join(folder, "log") })
  try {
    return await use(server)
  } finally {
    await server.stop()
    rmSync(folder, { recursive: true })
  }
}
