/**
 * How fast do checked leaves become rows, on disk and visible?
 *
 *     node bench/projection.bench.js [thousand events] [runs]
 *
 * `@prooflog/query` alone, with countries and browsers from `@prooflog/enrich`, as the query process does it.
 */

import { mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { openEnricher } from "@prooflog/enrich/enrich"
import { encodeEventEntry, stampEntryTime } from "@prooflog/event/entry"
import { normalizeEvent } from "@prooflog/event/event"
import { sealRecord } from "@prooflog/event/record"
import { openQueryStore } from "@prooflog/query/store"
import { formatBundle } from "@prooflog/tlog/bundle"
import { sampleEvent } from "./http/events.js"
import { figure, header } from "./report.js"

const [thousands = 500, n = 5] = process.argv.slice(2).map(Number)
const size = thousands * 1_000
const PAGE = 4_096
const ADDED = { source: "bench", source_key_id: "k_01" }

header(`${size.toLocaleString("en-US")} events as rows, pages of ${PAGE}`)
const pages = Array.from({ length: Math.ceil(size / PAGE) }, (_, i) => pageAt(i * PAGE))
const { enrich } = await openEnricher()
const rates = []
let bytes = 0
for (let run = 0; run < n; run++) {
  const folder = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), "prooflog-bench-"))
  const path = join(folder, "rows.duckdb")
  const store = await openQueryStore({ path, memoryMb: 1_024, enrich })
  const began = performance.now()
  for (const page of pages) await store.append(page)
  await store.commit()
  rates.push((size / (performance.now() - began)) * 1_000)
  await store.close()
  bytes = statSync(path).size
  rmSync(folder, { recursive: true })
}
figure("rows", rates, "events/s")
figure("DuckDB file", [bytes / size], "bytes/event")

function pageAt(firstLeaf) {
  const count = Math.min(PAGE, size - firstLeaf)
  const leaves = Array.from({ length: count }, (_, i) => leafAt(firstLeaf + i))
  const entries = formatBundle(leaves.map(({ entry }) => entry))
  const records = formatBundle(leaves.map(({ record }) => record))
  return { firstLeaf, count, entries, records, cursor: `${firstLeaf}`, more: firstLeaf + count < size }
}

function leafAt(leaf) {
  const seed = new Uint8Array(32).fill(leaf & 0xff)
  const { record, commitment } = sealRecord(normalizeEvent(sampleEvent(leaf, true), ADDED), seed)
  const entry = encodeEventEntry("routine", commitment)
  stampEntryTime(entry, 0, 1_790_000_000_000 + leaf)
  return { entry, record }
}
