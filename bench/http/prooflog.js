/** The server under test, from `dist`, in a process of its own and a temporary folder. */

import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { startServer } from "@prooflog/server"

const dir = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), "prooflog-bench-"))
const logger = { info() {}, warn() {}, error: (...words) => console.error(...words) }
const server = await startServer({ dir, port: 0, logger, submitViaExpress: process.env.VIA_EXPRESS === "1" })
const [admin, writer] = server.firstKeys.map(({ key }) => key)
process.send({ port: server.port, admin, writer })

process.on("message", async (message) => {
  if (message === "usage") {
    const { user, system } = process.cpuUsage()
    process.send({ cpuSeconds: (user + system) / 1e6, rss: process.memoryUsage.rss() })
  }
  if (message === "stop") {
    await server.close()
    rmSync(dir, { recursive: true })
    process.disconnect()
  }
})
