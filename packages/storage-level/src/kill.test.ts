/** A real process, really killed, again and again, over one folder and one key file. */

import { spawn } from "node:child_process"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { checkLeaves } from "@prooflog/ledger/check"
import { signedHeadFile } from "@prooflog/ledger/signed-head"
import { bundlePath, parseBundle } from "@prooflog/tlog/bundle"
import { parseCheckpoint } from "@prooflog/tlog/checkpoint"
import { CompactRange } from "@prooflog/tlog/compact-range"
import { leafHash } from "@prooflog/tlog/hash"
import { parseNote } from "@prooflog/tlog/note"
import { afterAll, beforeAll, expect, it } from "vitest"
import { openLevelStorage } from "./level-storage.js"

const KILLS = 6

/** Logs numbers without end, from the first argument on; prints each with its leaf once it is acknowledged. */
const WRITER = `
  const [ledgerUrl, storageUrl, headUrl, keyUrl, folder, from] = process.argv.slice(1)
  const { openLedger } = await import(ledgerUrl)
  const { openLevelStorage } = await import(storageUrl)
  const { signedHeadFile } = await import(headUrl)
  const { createSignerKey } = await import(keyUrl)
  const entryOf = (n) => Buffer.from("entry " + String(n).padStart(12, "0"))
  const pack = (bytes) => Buffer.concat([Buffer.from([0, bytes.length]), bytes])
  const ledger = await openLedger({
    storage: await openLevelStorage(folder + "/data"),
    signerKey: createSignerKey("kill.example/log", Buffer.alloc(32, 5), 1),
    signedHead: signedHeadFile(folder + "/key.signed"),
    genesis: () => ({ entry: entryOf(0) }),
    stamp: () => {},
    entryTime: () => 2 ** 40,
    signEveryMs: 5,
    publishEveryMs: 5,
  })
  let next = Number(from)
  const submitter = async () => {
    for (;;) {
      const n = next++
      const entry = entryOf(n)
      const [{ leafIndex }] = await ledger.submit({ entries: pack(entry), records: pack(entry), count: 1 })
      process.stdout.write(n + " " + leafIndex + " " + ledger.signedHead.treeSize + "\\n")
    }
  }
  for (let i = 0; i < 20; i++) submitter()
`

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "prooflog-kill-"))
})
afterAll(() => rm(folder, { recursive: true }))

it(`${KILLS} kills lose no acknowledged event, give no leaf twice, and leave one history`, async () => {
  const acknowledged = new Map<number, number>()
  let next = 1
  for (let kill = 0; kill < KILLS; kill++) {
    const { lines, signed } = await runAndKill(next, 30 + kill * 40)
    for (const [n, leaf] of lines) {
      expect(acknowledged.has(leaf)).toBe(false)
      acknowledged.set(leaf, n)
      next = Math.max(next, n + 1)
    }
    next += 100
    // The signature that the process showed is in the file, or a later one is.
    const head = await signedHeadFile(join(folder, "key.signed")).read()
    expect(parseCheckpoint(parseNote(head?.note as string).text).treeSize).toBeGreaterThanOrEqual(signed)
  }
  const storage = await openLevelStorage(join(folder, "data"))
  const treeSize = await storage.treeSize()
  await checkLeaves({ storage, treeSize, start: 0, end: treeSize })
  const entries: string[] = []
  const range = CompactRange.empty()
  const head = await signedHeadFile(join(folder, "key.signed")).read()
  const signed = parseCheckpoint(parseNote(head?.note as string).text)
  for (let start = 0; start < treeSize; start += 256) {
    const width = Math.min(256, treeSize - start)
    const bundle = (await storage.read(bundlePath(start / 256, width))) as Uint8Array
    for (const entry of parseBundle(bundle, width)) {
      if (entries.push(Buffer.from(entry).toString()) <= signed.treeSize) range.append(leafHash(entry))
    }
  }
  expect(range.rootHash()).toEqual(signed.rootHash)
  for (const [leaf, n] of acknowledged) expect(entries[leaf]).toBe(`entry ${String(n).padStart(12, "0")}`)
  expect(acknowledged.size).toBeGreaterThan(0)
  await storage.close()
})

/** Lets the writer run until it acknowledged something and `ms` more; returns what it said. */
async function runAndKill(from: number, ms: number): Promise<{ lines: [number, number][]; signed: number }> {
  const modules = [
    "../../ledger/dist/ledger.js",
    "../dist/level-storage.js",
    "../../ledger/dist/signed-head.js",
  ]
  const urls = [...modules, "../../tlog/dist/key.js"].map((path) => new URL(path, import.meta.url).href)
  const child = spawn(
    process.execPath,
    ["--input-type=module", "-e", WRITER, "--", ...urls, folder, String(from)],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  )
  const lines: [number, number][] = []
  let signed = 0
  let armed = false
  for await (const line of createInterface({ input: child.stdout })) {
    if (!armed) setTimeout(() => child.kill("SIGKILL"), ms)
    armed = true
    const [n, leaf, size] = line.split(" ").map(Number)
    // The last line may be torn.
    if (size === undefined || Number.isNaN(size)) continue
    lines.push([n as number, leaf as number])
    signed = size
  }
  return { lines, signed }
}
