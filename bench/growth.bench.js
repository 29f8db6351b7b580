/**
 * Does a log slow down as it grows, what does it cost in memory and on disk, and how long does it take to open?
 *
 *     node bench/growth.bench.js [millions of events]
 */

import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { openLevelStorage } from "@prooflog/storage-level"
import { startChild } from "./http/bench.js"
import { fill } from "./http/fill.js"
import { figure, header, median } from "./report.js"

const [millions = 5] = process.argv.slice(2).map(Number)
const size = millions * 1e6
const WINDOW = 50_000

header(`growth to ${size.toLocaleString("en-US")} events: rate, memory, disk, opening`)
const folder = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), "prooflog-bench-"))
const dir = join(folder, "log")
try {
  let server = await startChild("prooflog", { BENCH_LOG: dir })
  let rss = 0
  const window = async () => {
    const rate = await fill(server, WINDOW)
    rss = Math.max(rss, (await server.usage()).rss)
    return rate
  }
  await window()
  const early = [await window(), await window(), await window(), await window(), await window()]
  for (let events = 6 * WINDOW; events < size - 5 * WINDOW; events += WINDOW) await window()
  const late = [await window(), await window(), await window(), await window(), await window()]
  figure("append rate at 0.1 M", early, "events/s")
  figure(`append rate at ${millions} M`, late, "events/s")
  console.log(`ratio     ${(median(late) / median(early)).toFixed(2)}`)
  figure("memory of the server, highest", [rss / 2 ** 20], "MiB")
  const stopping = performance.now()
  await server.stop()
  figure("stopping", [(performance.now() - stopping) / 1_000], "s")
  const { onDisk, inRecord } = await bytesPerEvent()
  figure("bytes on disk per event, compressed by LevelDB", [onDisk], "bytes")
  figure("bytes of a record, as they are hashed", [inRecord], "bytes")
  const opens = []
  for (let i = 0; i < 5; i++) {
    server = await startChild("prooflog", { BENCH_LOG: dir })
    opens.push(server.openMs / 1_000)
    await server.stop()
  }
  figure("opening, cleanly stopped", opens, "s")
} finally {
  rmSync(folder, { recursive: true })
}

/** Everything in `data/`, and the mean of 2,000 records spread over the log. */
async function bytesPerEvent() {
  const storage = await openLevelStorage(join(dir, "data", "log"))
  const treeSize = await storage.treeSize()
  let bytes = 0
  for (let i = 0; i < 2_000; i++) {
    const leaf = 1 + Math.floor((i * (treeSize - 1)) / 2_000)
    const [record] = await storage.records(leaf, leaf + 1)
    bytes += record.bytes.length
  }
  await storage.close()
  return { onDisk: sizeOf(join(dir, "data")) / treeSize, inRecord: bytes / 2_000 }
}

function sizeOf(path) {
  const stat = statSync(path)
  if (!stat.isDirectory()) return stat.size
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0)
}
