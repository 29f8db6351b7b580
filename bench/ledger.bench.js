/**
 * The ledger alone: how fast does it make events durable, and how much of LevelDB's own speed is that?
 *
 *     node bench/ledger.bench.js [--events 300000] [--rounds 5] [--growth 0]
 *
 * Entries of 53 bytes and records of 300, opaque. Each round writes the same rows twice: through the ledger, and as
 * raw synced LevelDB batches of 1,000 events with keys and values made beforehand. Rounds alternate, so that
 * whatever else the machine does falls on both. `--growth N` fills a log with N events and compares the append rate
 * at its end with that at 0.1 M, then closes and opens it.
 */

import { randomBytes } from "node:crypto"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs"
import { availableParallelism, cpus, tmpdir, totalmem } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { openLedger } from "@prooflog/ledger"
import { signedHeadFile } from "@prooflog/ledger/signed-head"
import { openLevelStorage } from "@prooflog/storage-level"
import { forEachPacked } from "@prooflog/tlog/bundle"
import { createSignerKey } from "@prooflog/tlog/key"
import { Level } from "level"

const ENTRY_SIZE = 53
const RECORD_SIZE = 300
const BATCH = 1_000

const { values } = parseArgs({
  options: {
    events: { type: "string", default: "300000" },
    rounds: { type: "string", default: "5" },
    growth: { type: "string", default: "0" },
    folder: { type: "string", default: tmpdir() },
  },
})
const events = Number(values.events)
const rounds = Number(values.rounds)
const growth = Number(values.growth)
const root = mkdtempSync(join(values.folder, "prooflog-bench-"))
const signerKey = createSignerKey("bench.example/log", randomBytes(32), 1)

process.on("exit", () => rmSync(root, { recursive: true, force: true }))

printMachine()
await compareBatches()
await measureSingles()
if (growth > 0) await measureGrowth()

async function compareBatches() {
  const rates = { raw: [], oneWaiting: [], fourWaiting: [] }
  const rows = await captureRows()
  for (let round = 0; round < rounds; round++) {
    rates.raw.push(await rawRate(rows, join(root, `raw ${round}`)))
    rates.oneWaiting.push(await ledgerRate(1, join(root, `one ${round}`)))
    rates.fourWaiting.push(await ledgerRate(4, join(root, `four ${round}`)))
  }
  console.log(
    `batches of ${BATCH}, ${events} events a round, ${rounds} rounds: events/s, median (least … most)`,
  )
  printRates("raw LevelDB, chained batch, synced", rates.raw)
  printRates("ledger, one submission waiting", rates.oneWaiting)
  printRates("ledger, four submissions waiting", rates.fourWaiting)
  const ratios = (ledger) => ledger.map((rate, i) => rate / rates.raw[i])
  console.log(`  of raw, round by round: one waiting ${spread(ratios(rates.oneWaiting), 2)}`)
  console.log(`                          four waiting ${spread(ratios(rates.fourWaiting), 2)}\n`)
}

async function measureSingles() {
  const concurrency = 256
  const results = []
  for (let round = 0; round < rounds; round++) {
    const { ledger, folder } = await openBench(join(root, `singles ${round}`))
    const submission = submissionOf(1)
    let left = events / 3
    const cpuBefore = process.cpuUsage()
    const mainBefore = mainThreadMs()
    const began = performance.now()
    const submitter = async () => {
      while (left-- > 0) await ledger.submit(submission)
    }
    await Promise.all(Array.from({ length: concurrency }, submitter))
    const ms = performance.now() - began
    const cpu = process.cpuUsage(cpuBefore)
    const n = events / 3
    results.push({
      rate: (n / ms) * 1_000,
      main: ((mainThreadMs() - mainBefore) * 1_000) / n,
      all: (cpu.user + cpu.system) / n,
    })
    await ledger.close()
    rmSync(folder, { recursive: true })
  }
  console.log(
    `single events, ${concurrency} submitters, ${Math.floor(events / 3)} events a round, ${rounds} rounds`,
  )
  printRates(
    "ledger",
    results.map(({ rate }) => rate),
  )
  console.log(
    `  CPU of the main thread, µs an event   ${spread(
      results.map(({ main }) => main),
      2,
    )}`,
  )
  console.log(
    `  CPU of all threads, µs an event       ${spread(
      results.map(({ all }) => all),
      2,
    )}\n`,
  )
}

async function measureGrowth() {
  const { ledger, folder } = await openBench(join(root, "growth"))
  const submission = submissionOf(BATCH)
  const append = async (count) => {
    let left = count / BATCH
    const began = performance.now()
    const submitter = async () => {
      while (left-- > 0) await ledger.submit(submission)
    }
    await Promise.all([submitter(), submitter()])
    return (count / (performance.now() - began)) * 1_000
  }
  await append(50_000)
  const window = 100_000
  const early = [await append(window), await append(window), await append(window)]
  while (ledger.treeSize < growth) await append(window)
  const late = [await append(window), await append(window), await append(window)]
  console.log(`growth to ${ledger.treeSize} events, windows of ${window}`)
  printRates("at 0.1 M", early)
  printRates("at the end", late)
  console.log(`  ratio of medians ${(median(late) / median(early)).toFixed(2)}`)
  console.log(`  resident memory ${Math.round(process.memoryUsage().rss / 2 ** 20)} MiB`)
  let began = performance.now()
  await ledger.close()
  console.log(`  close ${Math.round(performance.now() - began)} ms`)
  const beyond = folderSize(join(folder, "data")) / ledger.treeSize - RECORD_SIZE
  console.log(`  bytes on disk per event beyond the record ${beyond.toFixed(0)}`)
  began = performance.now()
  const again = await openBench(folder)
  console.log(`  open ${Math.round(performance.now() - began)} ms\n`)
  await again.ledger.close()
}

async function openBench(folder) {
  const storage = await openLevelStorage(join(folder, "data"))
  const ledger = await openLedger({
    storage,
    signerKey,
    signedHead: signedHeadFile(join(folder, "key.signed")),
    genesis: () => ({ entry: randomBytes(ENTRY_SIZE) }),
    stamp,
    entryTime,
  })
  return { ledger, folder }
}

async function ledgerRate(waiting, folder) {
  const { ledger } = await openBench(folder)
  const submission = submissionOf(BATCH)
  let left = events / BATCH
  const submitter = async () => {
    while (left-- > 0) await ledger.submit(submission)
  }
  const began = performance.now()
  await Promise.all(Array.from({ length: waiting }, submitter))
  const rate = (events / (performance.now() - began)) * 1_000
  await ledger.close()
  rmSync(folder, { recursive: true })
  return rate
}

/** The rows of each commit of a ledger that takes the batches one by one. */
async function captureRows() {
  const folder = join(root, "capture")
  const storage = await openLevelStorage(join(folder, "data"))
  const batches = []
  const commit = storage.commit.bind(storage)
  storage.commit = (one) => {
    batches.push(rowsOf(one))
    return commit(one)
  }
  const ledger = await openLedger({
    storage,
    signerKey,
    signedHead: signedHeadFile(join(folder, "key.signed")),
    genesis: () => ({ entry: randomBytes(ENTRY_SIZE) }),
    stamp,
    entryTime,
  })
  const submission = submissionOf(BATCH)
  for (let i = 0; i < events / BATCH; i++) await ledger.submit(submission)
  await ledger.close()
  rmSync(folder, { recursive: true })
  return batches
}

function rowsOf({ follows, treeSize, rootHash, tiles, bundles, records }) {
  const rows = []
  for (const { tile, bytes } of tiles) rows.push([key(0x74, tile.index, tile.level), bytes])
  for (const { index, bytes } of bundles) rows.push([key(0x62, index), bytes])
  forEachPacked(records, (start, end, i) => {
    rows.push([key(0x72, follows + i), records.subarray(start, end)])
  })
  rows.push([Buffer.from("mtreeSize"), key(0, treeSize)])
  rows.push([key(0x63, follows), rootHash])
  return rows
}

function key(prefix, index, level = 0) {
  const bytes = Buffer.alloc(8)
  bytes[0] = prefix
  bytes[1] = level
  bytes.writeUIntBE(index, 2, 6)
  return bytes
}

async function rawRate(batches, folder) {
  const db = new Level(folder, {
    keyEncoding: "view",
    valueEncoding: "view",
    writeBufferSize: 32 * 2 ** 20,
    cacheSize: 16 * 2 ** 20,
    maxFileSize: 8 * 2 ** 20,
  })
  await db.open()
  const began = performance.now()
  for (const rows of batches) {
    const batch = db.batch()
    for (const [key, value] of rows) batch.put(key, value)
    await batch.write({ sync: true })
  }
  const rate = (events / (performance.now() - began)) * 1_000
  await db.close()
  rmSync(folder, { recursive: true })
  return rate
}

function submissionOf(count) {
  return { entries: packedRandom(count, ENTRY_SIZE), records: packedRandom(count, RECORD_SIZE), count }
}

function packedRandom(count, size) {
  const bytes = randomBytes(count * (2 + size))
  for (let at = 0; at < bytes.length; at += 2 + size) bytes.writeUInt16BE(size, at)
  return bytes
}

function stamp(bytes, entryOffset, timeMs) {
  let high = Math.floor(timeMs / 2 ** 32)
  let low = timeMs >>> 0
  for (let i = 10; i > 6; i--, low >>>= 8) bytes[entryOffset + i] = low
  for (let i = 6; i > 2; i--, high >>>= 8) bytes[entryOffset + i] = high
}

function entryTime(bytes, entryOffset) {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(entryOffset + 3) * 2 ** 32
}

/** CPU of the main thread alone, where the system tells. */
function mainThreadMs() {
  const path = `/proc/self/task/${process.pid}/schedstat`
  if (!existsSync(path)) return Number.NaN
  return Number(readFileSync(path, "utf8").split(" ")[0]) / 1e6
}

function folderSize(folder) {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
}

function printMachine() {
  const model = cpus()[0]?.model ?? "unknown processor"
  console.log(`${model}, ${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GiB`)
  console.log(`Node ${process.versions.node}, ${process.platform} ${process.arch}, folder ${values.folder}\n`)
}

function printRates(label, rates) {
  console.log(`  ${label.padEnd(36)}${spread(rates, 0)}`)
}

function spread(numbers, digits) {
  const show = (n) => n.toFixed(digits)
  return `${show(median(numbers))} (${show(Math.min(...numbers))} … ${show(Math.max(...numbers))})`
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[sorted.length >> 1]
}
