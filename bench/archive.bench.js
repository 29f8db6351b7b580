/**
 * How fast do records move into the archive, and what does it cost those who log meanwhile?
 *
 *     node bench/archive.bench.js [thousands of events] [runs]
 *
 * Each run fills a log of its own, moves all of it into segments of a folder, in the archive's own process: written, read
 * back, each row held against the log, withdrawn, purged. Then it looks at every row again, reads records here and there,
 * makes five records gone, and at last archives more while others log as fast as they can.
 */

import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { encodeEventEntry, encodeGenesis, entryTimeMs, stampEntryTime } from "@prooflog/event/entry"
import { normalizeEvent } from "@prooflog/event/event"
import { commitmentOfInto, sealRecord } from "@prooflog/event/record"
import { DEFAULT_SCHEDULE } from "@prooflog/event/schedule"
import { decodeTombstone, encodeTombstone } from "@prooflog/event/tombstone"
import { openLedger } from "@prooflog/ledger"
import { signedHeadFile } from "@prooflog/ledger/signed-head"
import { openLevelStorage } from "@prooflog/storage-level"
import { formatBundle } from "@prooflog/tlog/bundle"
import { createSignerKey, formatVerifierKey, verifierKeyOf } from "@prooflog/tlog/key"
import { openArchiveProcess } from "../apps/server/dist/followers/archive-process.js"
import { figure, header, percentile } from "./report.js"

const [thousands = 500, runs = 3] = process.argv.slice(2).map(Number)
const COUNT = thousands * 1_000
const BATCH = 4_096
const PRESS_SECONDS = 10
const DAY_MS = 86_400_000
const ORIGIN = "bench.example/archive"
const LOG_ID = new Uint8Array(16).fill(7)
const SCHEDULE = { classes: new Map([["routine", { hotDays: 183, keepDays: 914, destroyDays: 944 }]]) }

header(`${thousands},000 events into segments of a folder, by the archive's own process`)
const results = []
for (let run = 0; run < runs; run++) {
  const folder = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), "prooflog-bench-"))
  try {
    results.push(await measure(folder))
  } finally {
    rmSync(folder, { recursive: true })
  }
}
const all = (name) => results.map((result) => result[name])
figure("archived, verified, withdrawn, purged", all("archiveRate"), "events/s")
figure("records hashed, as a verifier must, one thread", all("hashRate"), "records/s")
figure("ratio of these two", all("archiveRatio"), "")
figure("processor time of the archive's process", all("archiveCpu"), "µs/event")
figure("processor time of the server meanwhile", all("serverCpu"), "µs/event")
figure("memory of the archive's process, at most", all("peakMiB"), "MiB")
figure("verified again", all("verifyRate"), "rows/s")
figure("a segment takes", all("bytesPerEvent"), "bytes/event")
figure("one record, from a segment", all("oneMs"), "ms")
figure("4,096 records of one segment", all("manyMs"), "ms")
figure("5 records gone of all", all("goneSeconds"), "s")
figure("logged, nothing else to do", all("aloneRate"), "events/s")
figure("logged, while it is archived", all("sharedRate"), "events/s")
figure("ratio", all("ratio"), "")

async function measure(folder) {
  const { ledger, archive, fill, press } = await openLog(folder)
  await fill(COUNT)
  const nowMs = Date.now() + 200 * DAY_MS
  const asked = {
    schedule: SCHEDULE,
    promises: [[0, DEFAULT_SCHEDULE]],
    nowMs,
    backupDays: 30,
    verifiedMs: nowMs,
  }
  await archive.verify()

  const hashRate = hashAlone()
  const watch = watchChild()
  const cpu = process.cpuUsage()
  let began = performance.now()
  const { archived, failed } = await archive.daily(asked)
  const archiveSeconds = secondsSince(began)
  if (failed.length > 0) throw failed[0].error
  const { user, system } = process.cpuUsage(cpu)
  const { peakMiB, cpuSeconds } = watch.stop()

  began = performance.now()
  const { rows, faults } = await archive.verify()
  if (faults.length > 0 || rows !== COUNT) throw new Error(`${rows} rows, ${faults.length} faults`)
  const verifySeconds = secondsSince(began)
  const { bytes } = await archive.numbers()

  const one = []
  for (let i = 0; i < 20; i++)
    one.push(await timeOf(() => read(ledger, archive, 1 + Math.floor(Math.random() * COUNT), 1)))
  const manyMs = await timeOf(() => read(ledger, archive, Math.floor(COUNT / 2), BATCH))

  const leaves = Array.from({ length: 5 }, (_, i) => 100 + i * Math.floor(COUNT / 6))
  const tombstone = encodeTombstone({ state: "destroyed", reason: 1, reference: 1, salt: new Uint8Array(16) })
  await ledger.withdraw(leaves.map((leafIndex) => ({ kind: "tombstone", leafIndex, bytes: tombstone })))
  const goneMs = await timeOf(() => archive.gone(leaves))

  // What is logged first is archived while more is logged.
  const aloneRate = await press()
  let isArchiving = true
  const enough = new AbortController()
  const archiving = archive
    .daily({ ...asked, nowMs: nowMs + DAY_MS }, { signal: enough.signal })
    .catch((error) => {
      if (!enough.signal.aborted) throw error
    })
    .finally(() => {
      isArchiving = false
    })
  const sharedRate = await press()
  if (!isArchiving) console.log("the archive was done before those who logged: the ratio says too much")
  enough.abort()
  await archiving
  await archive.close()
  await ledger.close()
  return {
    archiveRate: archived.records / archiveSeconds,
    hashRate,
    archiveRatio: archived.records / archiveSeconds / hashRate,
    archiveCpu: (cpuSeconds / COUNT) * 1e6,
    serverCpu: (user + system) / COUNT,
    peakMiB,
    verifyRate: rows / verifySeconds,
    bytesPerEvent: bytes / COUNT,
    oneMs: percentile(one, 0.5),
    manyMs,
    goneSeconds: goneMs / 1_000,
    aloneRate,
    sharedRate,
    ratio: sharedRate / aloneRate,
  }
}

async function openLog(folder) {
  const signerKey = createSignerKey(ORIGIN, crypto.getRandomValues(new Uint8Array(32)), 1)
  const ledger = await openLedger({
    storage: await openLevelStorage(join(folder, "log")),
    signerKey,
    signedHead: signedHeadFile(join(folder, "signed")),
    genesis: () => ({
      entry: encodeGenesis({
        origin: ORIGIN,
        logId: LOG_ID,
        schedule: DEFAULT_SCHEDULE,
        labelKey: new Uint8Array(32),
      }),
    }),
    stamp: stampEntryTime,
    entryTime: entryTimeMs,
    isFinal: (bytes) => decodeTombstone(bytes).state === "destroyed",
    checkRecord: () => {},
  })
  const archive = openArchiveProcess({
    ledger,
    folder: {
      origin: ORIGIN,
      logId: LOG_ID,
      verifierKey: formatVerifierKey(verifierKeyOf(signerKey)),
      archiveStatePath: join(folder, "retention", "archive.json"),
      archiveScratchPath: join(folder, "scratch"),
      serving: {
        archive: { store: { kind: "directory", path: join(folder, "archive") }, segmentRows: 250_000 },
      },
    },
    rows: { forget: async () => {}, rewrite: async () => {} },
    holds: { heldLeaves: async () => [], whileTheyStay: (task) => task() },
    tell: async () => {},
    logger: { info() {}, warn: console.warn, error: console.error },
  })
  let users = 0

  /** Logs events, each another, until they are published. */
  async function fill(count) {
    for (let logged = 0; logged < count; logged += BATCH, users += BATCH) {
      await ledger.submit(sealedBatch(users, Math.min(BATCH, count - logged)))
    }
    await ledger.published(ledger.treeSize, 60_000)
  }

  /** Logs the same events again and again, as they cost nothing to make, for some seconds. @returns events a second */
  async function press() {
    const batches = Array.from({ length: 16 }, (_, i) => sealedBatch(i * BATCH, BATCH))
    const began = performance.now()
    const waiting = []
    let logged = 0
    for (; secondsSince(began) < PRESS_SECONDS; logged += BATCH) {
      const { entries, records } = batches[(logged / BATCH) % batches.length]
      // Entries are stamped in place.
      waiting.push(ledger.submit({ entries: entries.slice(), records, count: BATCH }))
      if (waiting.length === 4) await waiting.shift()
    }
    await Promise.all(waiting)
    const seconds = secondsSince(began)
    await ledger.published(ledger.treeSize, 60_000)
    return logged / seconds
  }
  return { ledger, archive, fill, press }
}

/** What no verifier of records can do without: the yardstick of this machine, at this hour. */
function hashAlone() {
  const records = Array.from({ length: BATCH }, (_, i) => sealedEvent(i).record)
  const commitment = new Uint8Array(32)
  const began = performance.now()
  let count = 0
  for (; performance.now() - began < 2_000; count += BATCH) {
    for (const record of records) commitmentOfInto(record, commitment, 0)
  }
  return count / secondsSince(began)
}

function sealedBatch(first, count) {
  const sealed = Array.from({ length: count }, (_, i) => sealedEvent(first + i))
  return {
    entries: formatBundle(sealed.map(({ entry }) => entry)),
    records: formatBundle(sealed.map(({ record }) => record)),
    count,
  }
}

function sealedEvent(n) {
  const event = normalizeEvent(
    {
      timestamp: 1_697_902_320_000 + n * 7,
      user_id: `U${(n * 7_919) % 100_000}`,
      user_name: `name-${(n * 31) % 5_000}`,
      action: ["access", "download", "login", "delete"][n % 4],
      resource_accessed: `/projects/${n % 977}/documents/${(n * 104_729) % 1_000_003}`,
      result: n % 20 === 0 ? "denied" : "success",
      ip_address: `10.${n % 251}.${(n >> 3) % 251}.${(n >> 7) % 251}`,
      user_agent:
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/119.0 Safari/537.36",
      session_id: `s-${(n * 2_654_435_761) % 4_294_967_291}`,
    },
    { source: "api", source_key_id: "k_01", event_id: `0199-${n}-${(n * 2_654_435_761) % 4_294_967_291}` },
  )
  const { record, commitment } = sealRecord(event, crypto.getRandomValues(new Uint8Array(32)))
  return { entry: encodeEventEntry("routine", commitment), record }
}

async function read(ledger, archive, first, count) {
  const stored = await ledger.storage.records(first, first + count)
  const moved = stored.flatMap(({ leafIndex, bytes }) => {
    const { state, segment: key } = decodeTombstone(bytes)
    return state === "moved" ? [{ leafIndex, key }] : []
  })
  const records = await archive.records(moved)
  if (records.some((record) => record === undefined)) throw new Error("a record is missing")
}

/** Looks at the child's memory and processor time, where the system tells them. */
function watchChild() {
  const pid = execFileSync("pgrep", ["-P", String(process.pid), "node"], { encoding: "utf8" })
    .trim()
    .split("\n")[0]
  const began = cpuOf(pid)
  let peakMiB = 0
  const look = setInterval(() => {
    const [, kib = 0] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? []
    peakMiB = Math.max(peakMiB, Number(kib) / 1_024)
  }, 50)
  return {
    stop() {
      clearInterval(look)
      return { peakMiB, cpuSeconds: cpuOf(pid) - began }
    },
  }
}

/** Seconds of processor time of a process; the system counts hundredths. */
function cpuOf(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ")
  return (Number(fields[11]) + Number(fields[12])) / 100
}

async function timeOf(task) {
  const began = performance.now()
  await task()
  return performance.now() - began
}

function secondsSince(began) {
  return (performance.now() - began) / 1_000
}
