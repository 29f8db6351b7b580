/**
 * The exam's questions on records that are withdrawn, come back, and are made gone.
 *
 * Each looks for bytes of records in everything that the storage keeps.
 */

import assert from "node:assert/strict"
import { randomBytes } from "node:crypto"
import { formatBundle } from "@prooflog/tlog/bundle"
import { equalBytes } from "@prooflog/tlog/hash"
import { type LogStorage, MAX_RECORDS, type StoredRecord, type Tombstone } from "./storage.js"
import { Model, rejectsWith, testId } from "./storage-model.js"
import type { StorageUnderTest } from "./storage-under-test.js"

export const WITHDRAWAL_QUESTIONS = {
  "answers tombstones in place of withdrawn records": answersTombstones,
  "replaces a tombstone by another": replacesTombstones,
  "answers a restored record again": restores,
  "after a withdrawal that failed, has all of it or nothing": failsToWithdraw,
  "after a restoration that failed, has all of it or nothing": failsToRestore,
  "answers record or tombstone while the one becomes the other": answersOneOrTheOther,
  "has no byte of a withdrawn record after a purge": purges,
  "has no byte of a record that was withdrawn as soon as it was committed": purgesFreshRecords,
  "purges scattered records, and no others": purgesScattered,
  "purges while records are being read and committed": purgesAmongReaders,
  "purges after a purge that failed": purgesAfterFailure,
  "purges after a purge that was stopped": purgesAfterStop,
  "keeps what is restored while it purges": restoresAmongPurges,
  "purges what was withdrawn, restored and withdrawn again": purgesAgain,
  "gives back the room of what it purged": givesBackRoom,
} satisfies Record<string, (under: StorageUnderTest) => Promise<void>>

async function answersTombstones(under: StorageUnderTest): Promise<void> {
  const { storage } = await committed(under, [20])
  const bytes = new Uint8Array([1, 2, 3])
  await storage.withdraw([4, 5, 19].map((leafIndex) => ({ kind: "tombstone", leafIndex, bytes })))
  assert.equal(await kinds(storage, 3, 20), "rttrrrrrrrrrrrrrt")
  assert.deepEqual(
    (await storage.records(4, 6)).map((row) => [row.leafIndex, [...row.bytes]]),
    [
      [4, [1, 2, 3]],
      [5, [1, 2, 3]],
    ],
  )
  await under.crash()
  const reopened = await under.open()
  assert.equal(await kinds(reopened, 3, 20), "rttrrrrrrrrrrrrrt")
  await reopened.purge()
  assert.equal(await kinds(reopened, 3, 20), "rttrrrrrrrrrrrrrt")
  assert.equal(await kinds(reopened, 4, 5), "t")
}

async function replacesTombstones(under: StorageUnderTest): Promise<void> {
  const { storage } = await committed(under, [20])
  const moved = tombstonesOf([4, 5, 6])
  await storage.withdraw(moved)
  moved[0]?.bytes.fill(0) // The storage has its own copy.
  await storage.withdraw([{ kind: "tombstone", leafIndex: 5, bytes: new Uint8Array([7, 7]) }])
  const bytes = async (from: LogStorage) => (await from.records(4, 7)).map((row) => Buffer.from(row.bytes))
  const expected = [testId(4), new Uint8Array([7, 7]), testId(6)].map((each) => Buffer.from(each))
  assert.deepEqual(await bytes(storage), expected)
  assert.equal(await storage.purge(), true)
  await under.crash()
  assert.deepEqual(await bytes(await under.open()), expected)
}

async function restores(under: StorageUnderTest): Promise<void> {
  let { storage, log } = await committed(under, [300])
  await storage.withdraw(tombstonesOf([10, 11, 12, 299]))
  assert.equal(await storage.purge(), true)
  const handedOut = recordsOf(log, [11, 299])
  await storage.restore(handedOut)
  for (const { bytes } of handedOut) bytes.fill(0)
  for (let life = 0; life < 2; life++) {
    assert.equal(await kinds(storage, 9, 14), "rtrtr")
    for (const leaf of [11, 299]) await requireRecord(storage, log, leaf)
    assert.equal(await storage.purge(), true)
    storage = await reopen(under)
  }
  await storage.restore(recordsOf(log, [10, 12]))
  // Restored before anyone purged it: there is nothing left to purge.
  await storage.withdraw(tombstonesOf([20, 21]))
  await storage.restore(recordsOf(log, [20, 21]))
  assert.equal(await storage.purge(), true)
  await log.requireIn(storage)
}

async function failsToWithdraw(under: StorageUnderTest): Promise<void> {
  let { storage, log } = await committed(under, [300])
  for (const [outcome, expected] of [
    ["not kept", "rrr"],
    ["kept", "ttt"],
  ] as const) {
    under.failNextWrite(outcome)
    await assert.rejects(storage.withdraw(tombstonesOf([1, 2, 3])))
    await rejectsWith("LEDGER_POISONED", storage.withdraw(tombstonesOf([7])))
    await rejectsWith("LEDGER_POISONED", storage.restore(recordsOf(log, [1])))
    await rejectsWith("LEDGER_POISONED", storage.purge())
    storage = await reopen(under)
    assert.equal(await kinds(storage, 1, 4), expected)
  }
  assert.equal(await kinds(storage, 0, 300), `rttt${"r".repeat(296)}`)
}

async function failsToRestore(under: StorageUnderTest): Promise<void> {
  let { storage, log } = await committed(under, [300])
  await storage.withdraw(tombstonesOf([1, 2, 3]))
  for (const [outcome, expected] of [
    ["not kept", "ttt"],
    ["kept", "rrr"],
  ] as const) {
    under.failNextWrite(outcome)
    await assert.rejects(storage.restore(recordsOf(log, [1, 2, 3])))
    await rejectsWith("LEDGER_POISONED", storage.restore(recordsOf(log, [1, 2, 3])))
    await rejectsWith("LEDGER_POISONED", storage.commit(log.clone().grow(1)))
    storage = await reopen(under)
    assert.equal(await kinds(storage, 1, 4), expected)
  }
  await log.requireIn(storage)
}

async function answersOneOrTheOther(under: StorageUnderTest): Promise<void> {
  const { storage, log } = await committed(under, [400, 400])
  await storage.settle()
  const leaves = range(300, 500)
  let changing = true
  const readers = [
    [290, 291 + MAX_RECORDS / 32],
    [499, 500],
    [350, 450],
    [0, 800],
  ].map(async ([start, end]) => {
    let pages = 0
    for (; changing; pages++) {
      const page = await storage.records(start as number, end as number)
      assert.equal(page.length, (end as number) - (start as number))
      for (const [i, { kind, leafIndex, bytes }] of page.entries()) {
        assert.equal(leafIndex, (start as number) + i)
        const expected = kind === "record" ? log.records[leafIndex] : testId(leafIndex)
        assert.ok(equalBytes(bytes, expected as Uint8Array), `leaf ${leafIndex}`)
      }
      await new Promise((resolve) => setImmediate(resolve))
    }
    return pages
  })
  const looked = Promise.all(readers).finally(() => {
    changing = false
  })
  for (let round = 0; round < 40 && changing; round++) {
    await storage.withdraw(tombstonesOf(leaves))
    if (round % 10 === 0) await storage.purge()
    await storage.restore(recordsOf(log, leaves))
  }
  changing = false
  for (const pages of await looked) assert.ok(pages > 0)
  await log.requireIn(storage)
}

async function purges(under: StorageUnderTest): Promise<void> {
  let { storage, log } = await committed(under, [2_000])
  await storage.settle()
  await storage.commit(log.grow(500))
  const gone = [3, 4, 5, 1_000, 1_999, 2_400]
  await storage.withdraw(tombstonesOf(gone))
  await requireKept(under, log, [1_000]) // Withdrawn is not gone.
  // A crash before the purge must not make anyone forget it.
  storage = await reopen(under)
  const told: number[] = []
  assert.equal(await storage.purge({ onProgress: (count) => told.push(count) }), true)
  assert.equal(told.at(-1), gone.length)
  await requireGone(under, log, gone)
  await requireKept(under, log, [999, 1_001])
  assert.equal(await storage.purge({ onProgress: (count) => told.push(count) }), true)
  assert.equal(told.at(-1), gone.length, "there was nothing left to purge")
  assert.equal((await storage.records(1_000, 1_001))[0]?.kind, "tombstone")
}

/** Nothing has left the journal yet when it is withdrawn. */
async function purgesFreshRecords(under: StorageUnderTest): Promise<void> {
  const { storage, log } = await committed(under, [50, 50])
  await storage.withdraw(tombstonesOf([1, 2, 60, 99]))
  await storage.purge()
  await requireGone(under, log, [1, 2, 60, 99])
  await requireKept(under, log, [61])
  await storage.close()
  await requireGone(under, log, [1, 2, 60, 99])
}

async function purgesScattered(under: StorageUnderTest): Promise<void> {
  const { storage, log } = await committed(under, [1_500, 1_500])
  await storage.settle()
  await storage.commit(log.grow(1_000))
  const gone = range(0, 4_000).filter((leaf) => leaf % 7 === 3)
  await storage.withdraw(tombstonesOf(gone))
  await storage.purge()
  await requireGone(under, log, gone)
  const { length } = (await storage.records(0, 4_000)).filter(({ kind }) => kind === "tombstone")
  assert.equal(length, gone.length)
  await storage.restore(recordsOf(log, gone))
  await log.requireRecordsIn(storage)
}

async function purgesAmongReaders(under: StorageUnderTest): Promise<void> {
  const { storage, log } = await committed(under, [2_000])
  await storage.settle()
  let busy = true
  const readers = [0, 500, 1_000].map(async (start) => {
    while (busy) await storage.records(start, start + 1_000)
  })
  const lookups = [7, 8].map(async (leaf) => {
    while (busy) await Promise.all([storage.records(leaf, leaf + 1), storage.read("tile/0/000")])
  })
  const writer = (async () => {
    while (busy) await storage.commit(log.grow(3))
  })()
  for (const leaf of [7, 900, 1_500]) {
    await storage.withdraw(tombstonesOf([leaf]))
    assert.equal(await storage.purge(), true)
    // A file that a reader had open is deleted once the reader is through.
    await requireGone(under, log, [leaf])
  }
  busy = false
  await Promise.all([...readers, ...lookups, writer])
  await under.crash()
  await requireGone(under, log, [7, 900, 1_500])
}

async function purgesAfterFailure(under: StorageUnderTest): Promise<void> {
  let { storage, log } = await committed(under, [1_000])
  await storage.settle()
  const gone = [3, 500, 501, 999]
  await storage.withdraw(tombstonesOf(gone))
  for (const outcome of ["not kept", "kept"] as const) {
    under.failNextWrite(outcome)
    await assert.rejects(storage.purge())
    await rejectsWith("LEDGER_POISONED", storage.purge())
    await rejectsWith("LEDGER_POISONED", storage.commit(log.clone().grow(1)))
    storage = await reopen(under)
    assert.equal(await kinds(storage, 499, 503), "rttr")
  }
  assert.equal(await storage.purge(), true)
  await requireGone(under, log, gone)
  assert.equal(await kinds(storage, 499, 503), "rttr")
}

async function purgesAfterStop(under: StorageUnderTest): Promise<void> {
  let { storage, log } = await committed(under, [1_000])
  await storage.settle()
  const gone = range(200, 800)
  await storage.withdraw(tombstonesOf(gone))
  assert.equal(await storage.purge({ signal: AbortSignal.abort() }), false)
  await requireKept(under, log, [300])
  storage = await reopen(under)
  assert.equal(await kinds(storage, 0, 1_000), "r".repeat(200) + "t".repeat(600) + "r".repeat(200))
  assert.equal(await storage.purge({ signal: new AbortController().signal }), true)
  await requireGone(under, log, gone)
}

async function restoresAmongPurges(under: StorageUnderTest): Promise<void> {
  const { storage, log } = await committed(under, [3_000])
  await storage.settle()
  const leaves = range(100, 2_900)
  for (let round = 0; round < 12; round++) {
    await storage.withdraw(tombstonesOf(leaves))
    const purged = storage.purge()
    // Into the middle of it, each time a little later.
    await new Promise((resolve) => setTimeout(resolve, round * 2))
    await storage.restore(recordsOf(log, leaves))
    await purged
    await log.requireRecordsIn(storage)
  }
  await under.crash()
  const reopened = await under.open()
  await reopened.purge()
  await log.requireRecordsIn(reopened)
}

async function purgesAgain(under: StorageUnderTest): Promise<void> {
  const { storage, log } = await committed(under, [1_000])
  await storage.settle()
  const leaves = range(400, 600)
  for (let round = 0; round < 6; round++) {
    await storage.withdraw(tombstonesOf(leaves))
    const purging = storage.purge()
    await new Promise((resolve) => setTimeout(resolve, round))
    await storage.restore(recordsOf(log, leaves))
    await storage.withdraw(tombstonesOf(leaves))
    await purging
    assert.equal(await storage.purge(), true)
    await requireGone(under, log, leaves)
    await storage.restore(recordsOf(log, leaves))
  }
  await log.requireIn(storage)
}

async function givesBackRoom(under: StorageUnderTest): Promise<void> {
  const storage = await under.open()
  const log = new Model()
  const needles = new Map<number, Uint8Array>()
  while (log.entries.length < 120_000) {
    const commit = log.grow(2_000)
    // As long as those of events.
    const records = range(0, 2_000).map(() => randomBytes(400))
    if (commit.follows % 10_000 === 0) needles.set(commit.follows, records[0] as Uint8Array)
    await storage.commit({ ...commit, records: formatBundle(records) })
  }
  await storage.settle()
  const before = await under.bytes()
  for (let start = 10_000; start < 110_000; start += 2_000) {
    const leaves = range(start, start + 2_000)
    await storage.withdraw(
      leaves.map((leafIndex) => ({ kind: "tombstone", leafIndex, bytes: new Uint8Array(20).fill(1) })),
    )
  }
  assert.equal(await storage.purge(), true)
  const after = await under.bytes()
  assert.ok(after < before - 100_000 * 350, `${before} bytes became ${after}`)
  const kept = new Set(await under.held([...needles.values()]))
  for (const [leaf, needle] of needles) {
    assert.equal(kept.has(needle), leaf < 10_000 || leaf >= 110_000, `leaf ${leaf}`)
  }
}

/** A storage with commits of so many leaves, and its model. */
async function committed(
  under: StorageUnderTest,
  counts: readonly number[],
): Promise<{ storage: LogStorage; log: Model }> {
  const storage = await under.open()
  const log = new Model()
  for (const count of counts) await storage.commit(log.grow(count))
  return { storage, log }
}

async function reopen(under: StorageUnderTest): Promise<LogStorage> {
  await under.crash()
  return await under.open()
}

/** "rrt": a letter for each leaf, the first of its kind. */
async function kinds(storage: LogStorage, start: number, end: number): Promise<string> {
  return (await storage.records(start, end)).map(({ kind }) => kind[0]).join("")
}

function range(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, i) => start + i)
}

function tombstonesOf(leaves: readonly number[]): Tombstone[] {
  return leaves.map((leafIndex) => ({ kind: "tombstone", leafIndex, bytes: testId(leafIndex) }))
}

function recordsOf(log: Model, leaves: readonly number[]): StoredRecord[] {
  return leaves.map((leafIndex) => ({
    kind: "record",
    leafIndex,
    bytes: (log.records[leafIndex] as Uint8Array).slice(),
  }))
}

async function requireRecord(storage: LogStorage, log: Model, leaf: number): Promise<void> {
  const [row] = await storage.records(leaf, leaf + 1)
  assert.equal(row?.kind, "record")
  assert.ok(equalBytes(row.bytes, log.records[leaf] as Uint8Array), `leaf ${leaf}`)
}

async function requireKept(under: StorageUnderTest, log: Model, leaves: readonly number[]): Promise<void> {
  const needles = leaves.map((leaf) => log.records[leaf] as Uint8Array)
  assert.equal((await under.held(needles)).length, needles.length)
}

/** Asserts that no byte of these records is kept; of those that are empty there is none to look for. */
async function requireGone(under: StorageUnderTest, log: Model, leaves: readonly number[]): Promise<void> {
  const needles = leaves.map((leaf) => log.records[leaf] as Uint8Array).filter(({ length }) => length > 0)
  const held = new Set(await under.held(needles))
  assert.deepEqual(
    leaves.filter((leaf) => held.has(log.records[leaf] as Uint8Array)),
    [],
    "these leaves' records are kept",
  )
}
