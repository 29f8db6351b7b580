/** One flipped bit anywhere in LevelDB's files: never a wrong signature, never an event that is silently missing. */

import { cp, mkdtemp, readdir, rm, stat } from "node:fs/promises"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { type Ledger, openLedger } from "@prooflog/ledger"
import { checkLeaves } from "@prooflog/ledger/check"
import type { SignedHeadStore } from "@prooflog/ledger/signed-head"
import { formatBundle } from "@prooflog/tlog/bundle"
import { parseCheckpoint } from "@prooflog/tlog/checkpoint"
import { CompactRange } from "@prooflog/tlog/compact-range"
import { leafHash, sha256 } from "@prooflog/tlog/hash"
import { createSignerKey } from "@prooflog/tlog/key"
import { parseNote } from "@prooflog/tlog/note"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { openLevelStorage } from "./level-storage.js"
import { flipBit } from "./level-under-test.js"

const signerKey = createSignerKey("rot.example/log", sha256(new Uint8Array(1)), 1)

/** 60 bytes that no two entries share. */
function makeEntry(n: number): Uint8Array {
  return Buffer.concat([sha256(Buffer.from(`entry ${n}`)), sha256(Buffer.from(`rest ${n}`))]).subarray(0, 60)
}

function recordOf(entry: Uint8Array): Uint8Array {
  return Buffer.concat([sha256(entry), Buffer.alloc(40, entry[0])])
}

/** The entries of a log, of which the first is its genesis and all were acknowledged. */
interface Built {
  readonly folder: string
  readonly entries: Uint8Array[]
  readonly note: string
}

function keep(initial?: string) {
  let note = initial
  const store: SignedHeadStore = {
    read: async () => (note === undefined ? undefined : { note, timeMs: 0 }),
    write: async (next) => {
      note = next
    },
  }
  return { store, note: () => note as string }
}

async function open(folder: string, store: SignedHeadStore, signEveryMs = 0): Promise<Ledger> {
  return await openLedger({
    storage: await openLevelStorage(folder),
    signerKey,
    signedHead: store,
    genesis: () => ({ entry: makeEntry(0) }),
    stamp: () => {},
    entryTime: () => 2 ** 40,
    checkRecord,
    patrolLeavesPerSecond: 0,
    signEveryMs,
  })
}

function checkRecord(entry: Uint8Array, record: Uint8Array): void {
  const expected = Buffer.from(entry).equals(makeEntry(0)) ? new Uint8Array(0) : recordOf(entry)
  if (!Buffer.from(record).equals(expected)) throw new Error("not the record of the entry")
}

describe.each(["killed", "killed after settling", "closed"] as const)("a log that was %s", (end) => {
  let root: string
  let built: Built
  let trials = 0

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "prooflog-rot-"))
    built = await build(join(root, "built"), end)
  })
  afterAll(() => rm(root, { recursive: true }))

  it("is whole if nothing is flipped", async () => {
    const folder = join(root, "untouched")
    await cp(built.folder, folder, { recursive: true })
    expect(await outcome(built, folder)).toBe("whole")
  })

  it.each([".log", ".ldb", "MANIFEST-", "CURRENT"])(
    "survives or refuses a flipped bit in %s",
    async (kind) => {
      const names = (await readdir(built.folder)).filter((name) => name.includes(kind))
      const seen = new Map<string, number>()
      for (const name of names) {
        const { size } = await stat(join(built.folder, name))
        for (const at of spread(size, Math.ceil(16 / names.length))) {
          const folder = join(root, `trial ${trials++}`)
          await cp(built.folder, folder, { recursive: true })
          await flipBit(join(folder, name), at, trials % 8)
          const result = await outcome(built, folder)
          seen.set(result, (seen.get(result) ?? 0) + 1)
          await rm(folder, { recursive: true })
        }
      }
      // A journal is refused for any bit; elsewhere a bit may not matter.
      if (kind === ".log") expect([...seen.keys()].every((result) => result === "refused")).toBe(true)
    },
  )
})

/** Makes a log of about 1,500 leaves, its newest commits acknowledged but not signed unless it was closed. */
async function build(folder: string, end: "killed" | "killed after settling" | "closed"): Promise<Built> {
  const { store, note } = keep()
  const live = `${folder} live`
  const ledger = await open(live, store)
  const entries = [makeEntry(0)]
  const add = async (count: number) => {
    const added = Array.from({ length: count }, (_, i) => makeEntry(entries.length + i))
    entries.push(...added)
    await ledger.submit({ entries: formatBundle(added), records: formatBundle(added.map(recordOf)), count })
  }
  for (const count of [700, 1, 1, 300]) await add(count)
  if (end !== "killed") await ledger.storage.settle()
  for (const count of [400, 1, 30, 5]) await add(count)
  while (ledger.signedHead.treeSize < entries.length) await new Promise((resolve) => setTimeout(resolve, 2))
  const signed = note()
  if (end !== "closed") for (const count of [7, 1, 2]) await add(count)
  if (end === "closed") await ledger.close()
  await cp(live, folder, { recursive: true })
  if (end !== "closed") await ledger.close()
  await rm(live, { recursive: true })
  await rm(join(folder, "LOCK"), { force: true })
  return { folder, entries, note: end === "closed" ? note() : signed }
}

/** Opens what is in a folder; fails if it signs or answers anything wrong. */
async function outcome({ entries, note }: Built, folder: string): Promise<"refused" | "found" | "whole"> {
  const kept = keep(note)
  let ledger: Ledger
  try {
    ledger = await open(folder, kept.store)
  } catch (error) {
    expect((error as { code?: string }).code, `${basename(folder)}: ${error}`).toMatch(/^LEDGER_/)
    expect(kept.note()).toBe(note)
    return "refused"
  }
  try {
    const { treeSize, rootHash } = parseCheckpoint(parseNote(kept.note()).text)
    expect(rootHash).toEqual(rootOf(entries.slice(0, treeSize)))
    try {
      await checkLeaves({
        storage: ledger.storage,
        treeSize: ledger.treeSize,
        start: 0,
        end: ledger.treeSize,
        checkRecord,
      })
    } catch (error) {
      expect((error as { code?: string }).code).toBe("LEDGER_CORRUPT")
      return "found"
    }
    expect(ledger.treeSize).toBe(entries.length)
    return "whole"
  } finally {
    await ledger.close()
  }
}

function rootOf(entries: readonly Uint8Array[]): Uint8Array {
  const range = CompactRange.empty()
  for (const entry of entries) range.append(leafHash(entry))
  return range.rootHash()
}

/** Places over a file: both ends, and evenly between. */
function spread(size: number, count: number): number[] {
  if (size === 0) return []
  const places = Array.from({ length: count }, (_, i) => Math.floor((i * size) / count))
  return [...new Set([...places, size - 1, Math.max(0, size - 30), Math.max(0, size - 60)])]
}
