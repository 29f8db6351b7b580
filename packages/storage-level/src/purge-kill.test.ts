/** A real process that withdraws, restores and purges, really killed, again and again, over one folder. */

import { spawn } from "node:child_process"
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import type { Commit } from "@prooflog/ledger/storage"
import { formatBundle } from "@prooflog/tlog/bundle"
import { sha256 } from "@prooflog/tlog/hash"
import { EMPTY_EDGE, integrate } from "@prooflog/tlog/integrate"
import { afterAll, beforeAll, expect, it } from "vitest"
import { openLevelStorage } from "./level-storage.js"

const KILLS = 8
const LEAVES = 8_000
/** These go for good; those before them are moved and restored over and over. */
const FIRST_GONE = 4_000

/** Moves and restores the first leaves without end, purging all the time; prints what it begins. */
const KEEPER = `
  const [storageUrl, hashUrl, folder] = process.argv.slice(1)
  const { openLevelStorage } = await import(storageUrl)
  const { sha256 } = await import(hashUrl)
  const storage = await openLevelStorage(folder)
  const leaves = Array.from({ length: 2_000 }, (_, i) => 2 * i)
  console.log("opened")
  const purging = (async () => {
    for (;;) {
      console.log("purge")
      await storage.purge()
      console.log("purged")
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  })()
  for (;;) {
    await storage.withdraw(leaves.map((leafIndex) => ({ kind: "tombstone", leafIndex, bytes: Buffer.from("moved") })))
    await new Promise((resolve) => setTimeout(resolve, 10))
    const records = leaves.map((leafIndex) => ({ kind: "record", leafIndex, bytes: sha256(Buffer.from("record " + leafIndex)) }))
    await storage.restore(records)
    console.log("restored")
  }
`

const recordOf = (leaf: number) => sha256(Buffer.from(`record ${leaf}`))

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "prooflog-purge-kill-"))
})
afterAll(() => rm(folder, { recursive: true }))

it(`${KILLS} kills leave record or tombstone at every leaf, and the next purge ends what was begun`, async () => {
  const storage = await openLevelStorage(folder)
  await storage.commit(firstCommit())
  await storage.settle()
  const gone = Array.from({ length: LEAVES - FIRST_GONE }, (_, i) => FIRST_GONE + i)
  await storage.withdraw(
    gone.map((leafIndex) => ({ kind: "tombstone", leafIndex, bytes: new Uint8Array([1]) })),
  )
  await storage.close()
  let inPurge = 0
  for (let kill = 0; kill < KILLS; kill++) {
    const lines = await runAndKill(kill * kill * 6)
    if (lines.lastIndexOf("purge") > lines.lastIndexOf("purged")) inPurge++
    const reopened = await openLevelStorage(folder)
    for (let start = 0; start < LEAVES; start += 4_000) {
      const page = await reopened.records(start, start + 4_000)
      for (const { kind, leafIndex, bytes } of page) {
        if (leafIndex >= FIRST_GONE) expect(kind).toBe("tombstone")
        else if (kind === "record") expect(Buffer.from(bytes).equals(recordOf(leafIndex))).toBe(true)
        else expect([leafIndex % 2, Buffer.from(bytes).toString()]).toEqual([0, "moved"])
      }
    }
    await reopened.close()
  }
  expect(inPurge).toBeGreaterThan(0)
  const last = await openLevelStorage(folder)
  await last.withdraw([{ kind: "tombstone", leafIndex: 0, bytes: new Uint8Array([1]) }])
  expect(await last.purge()).toBe(true)
  const found = await held([0, 1, FIRST_GONE - 1, ...gone])
  expect(found).toEqual([1, FIRST_GONE - 1])
  await last.close()
})

/** Which of these leaves' records are in any file. */
async function held(leaves: readonly number[]): Promise<number[]> {
  const files = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name))))
  const everything = Buffer.concat(files)
  return leaves.filter((leaf) => everything.includes(Buffer.from(recordOf(leaf))))
}

/** Lets the keeper run until it opened the storage and `ms` more; returns what it said. */
async function runAndKill(ms: number): Promise<string[]> {
  const urls = ["../dist/level-storage.js", "../../tlog/dist/hash.js"].map(
    (path) => new URL(path, import.meta.url).href,
  )
  const child = spawn(process.execPath, ["--input-type=module", "-e", KEEPER, "--", ...urls, folder], {
    stdio: ["ignore", "pipe", "inherit"],
  })
  const lines: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    if (lines.push(line) === 1) setTimeout(() => child.kill("SIGKILL"), ms)
  }
  return lines
}

function firstCommit(): Commit {
  const { rootHash, tiles } = integrate(EMPTY_EDGE, new Uint8Array(LEAVES * 32))
  const bundles = []
  for (let index = 0; index * 256 < LEAVES; index++) {
    const width = Math.min(256, LEAVES - index * 256)
    bundles.push({ index, bytes: formatBundle(Array.from({ length: width }, () => new Uint8Array(4))) })
  }
  const records = formatBundle(Array.from({ length: LEAVES }, (_, leaf) => recordOf(leaf)))
  return { follows: 0, treeSize: LEAVES, rootHash, tiles, bundles, records, ids: [] }
}
