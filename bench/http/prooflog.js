/**
 * The server under test, from `dist`, in a process of its own and a temporary folder; in `BENCH_LOG`, and left there,
 * if that is set. Its reader runs if `FOLLOW=1`: the benchmarks of the write path measure that path alone.
 */

import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { startServer } from "@prooflog/server"

const kept = process.env.BENCH_LOG
const dir = kept ?? mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), "prooflog-bench-"))
const logger = { info() {}, warn() {}, error: (...words) => console.error(...words) }
const opening = performance.now()
const server = await startServer({
  dir,
  port: 0,
  logger,
  submitViaExpress: process.env.VIA_EXPRESS === "1",
  follow: process.env.FOLLOW === "1",
})
const [admin, writer] = server.firstKeys?.map(({ key }) => key) ?? []
process.send({ port: server.port, admin, writer, openMs: performance.now() - opening })

process.on("message", async (message) => {
  if (message === "usage") {
    const { user, system } = process.cpuUsage()
    process.send({ cpuSeconds: (user + system) / 1e6, rss: process.memoryUsage.rss() })
  }
  if (message === "stop") {
    await server.close()
    if (kept === undefined) rmSync(dir, { recursive: true })
    process.disconnect()
  }
})
