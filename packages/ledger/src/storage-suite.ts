/**
 * The exam that every storage sits: the port's promises, one test each.
 *
 *     import { describe, it } from "vitest"
 *     storageSuite("memory", { describe, it }, async () => new MemoryUnderTest())
 *
 * The storage under test comes with hooks that crash it, make a commit fail and flip bits in what it keeps. A
 * question that a storage cannot sit is skipped by name, with a reason, which is printed.
 *
 * Knows no test framework: it needs `describe`, `it` and `it.skip`, and asserts with node:assert.
 */

import assert from "node:assert/strict"
import { formatBundle } from "@prooflog/tlog/bundle"
import { equalBytes, sha256 } from "@prooflog/tlog/hash"
import { createSignerKey } from "@prooflog/tlog/key"
import { TILE_WIDTH } from "@prooflog/tlog/tile"
import { checkLeaves } from "./check.js"
import { LedgerError } from "./error.js"
import { type LedgerOptions, openLedger } from "./ledger.js"
import { signedHeadInMemory } from "./signed-head.js"
import { type LogStorage, MAX_RECORDS } from "./storage.js"
import { checkRecord, listCommits, Model, rejectsWith, testId, testIdRow } from "./storage-model.js"
import type { StorageUnderTest } from "./storage-under-test.js"
import { WITHDRAWAL_QUESTIONS } from "./withdrawal-questions.js"

export type { StorageUnderTest } from "./storage-under-test.js"

export interface TestTools {
  readonly describe: (name: string, body: () => void) => unknown
  readonly it: {
    (name: string, body: () => Promise<void>): unknown
    readonly skip: (name: string, body: () => Promise<void>) => unknown
  }
}

/** The questions, by the promise they hold a storage to. */
const QUESTIONS = {
  "is empty when new": isEmptyWhenNew,
  "answers every path at every width that was committed": answersEveryPath,
  "answers no path that no commit has written": answersNoOtherPath,
  "answers one record for each leaf, in order": answersRecords,
  "lists its commits from any leaf on": listsCommits,
  "refuses a commit that does not follow": refusesOtherWriter,
  "keeps what it acknowledged, after a close and after a crash": keepsAcknowledged,
  "after a commit that failed and was not kept, has nothing of it": failsNotKept,
  "after a commit that failed but was kept, has all of it": failsButKept,
  "after a commit that failed, takes no other write and answers reads": refusesWritesWhenBroken,
  "keeps no reference to the bytes of a commit": keepsNoReference,
  "finds ids in the generations asked for, until they are dropped": findsIds,
  "remembers what is settled and verified": remembersSizes,
  ...WITHDRAWAL_QUESTIONS,
  "refuses a second opener": refusesSecondOpener,
  "knows its room": knowsRoom,
  "a flipped bit in the journal's middle never loses an event unnoticed": damagedMiddle,
  "a flipped bit in the journal's last step never loses a signed event": damagedLast,
  "a flipped bit in a full tile is found": damagedTile,
  "a flipped bit in an entry is found": damagedEntry,
  "a flipped bit in a record is found": damagedRecord,
} satisfies Record<string, (under: StorageUnderTest) => Promise<void>>

export type Question = keyof typeof QUESTIONS

/**
 * Declares the exam's tests.
 *
 * @param make - makes a storage under test that holds nothing; called for each question
 * @param skips - questions that are not asked, and why
 */
export function storageSuite(
  name: string,
  { describe, it }: TestTools,
  make: () => Promise<StorageUnderTest>,
  skips: Partial<Record<Question, string>> = {},
): void {
  describe(`${name}: the storage exam`, () => {
    for (const [question, ask] of Object.entries(QUESTIONS) as [Question, (typeof QUESTIONS)[Question]][]) {
      const reason = skips[question]
      if (reason !== undefined) console.log(`${name} skips "${question}": ${reason}`)
      const declare = reason === undefined ? it : it.skip
      declare(question, async () => {
        const under = await make()
        try {
          await ask(under)
        } finally {
          await under.destroy()
        }
      })
    }
  })
}

async function isEmptyWhenNew(under: StorageUnderTest): Promise<void> {
  const storage = await under.open()
  assert.equal(await storage.treeSize(), 0)
  assert.equal(await storage.settledSize(), 0)
  assert.equal(await storage.verifiedSize(), 0)
  assert.deepEqual(await listCommits(storage, 0), [])
  assert.deepEqual(await storage.records(0, 0), [])
  assert.equal(await storage.read("tile/0/000.p/1"), undefined)
  assert.deepEqual(await storage.leavesOf([testId(1)], [1, 0]), [undefined])
}

async function answersEveryPath(under: StorageUnderTest): Promise<void> {
  const storage = await under.open()
  const log = new Model()
  for (const count of [1, 2, 252, 1, 1, 256, 3, 700]) await storage.commit(log.grow(count))
  await log.requireIn(storage)
}

async function answersNoOtherPath(under: StorageUnderTest): Promise<void> {
  const storage = await under.open()
  const log = new Model()
  await storage.commit(log.grow(300))
  const paths = ["tile/0/001.p/45", "tile/0/001", "tile/0/002.p/1", "tile/1/000.p/2", "tile/2/000.p/1"]
  const bundles = ["tile/entries/001.p/45", "tile/entries/001", "tile/entries/002"]
  const others = [
    "",
    "checkpoint",
    "tile/0/000.p/256",
    "tile/0/0",
    "tile/0/000.p/0",
    "tile/64/000",
    "../tile/0/000",
  ]
  for (const path of [...paths, ...bundles, ...others])
    assert.equal(await storage.read(path), undefined, path)
}

async function answersRecords(under: StorageUnderTest): Promise<void> {
  const storage = await under.open()
  const log = new Model()
  for (const count of [1, 5, 4_500]) await storage.commit(log.grow(count))
  for (const [start, end] of [
    [0, 0],
    [0, 1],
    [3, 7],
    [100, 100 + MAX_RECORDS],
    [4_505, 4_506],
  ] as const) {
    const records = await storage.records(start, end)
    assert.equal(records.length, end - start)
    for (const [i, record] of records.entries()) {
      assert.equal(record.kind, "record")
      assert.equal(record.leafIndex, start + i)
      assert.ok(equalBytes(record.bytes, log.records[start + i] as Uint8Array))
    }
  }
  for (const [start, end] of [
    [-1, 1],
    [2, 1],
    [0, MAX_RECORDS + 1],
    [4_505, 4_507],
  ] as const) {
    await assert.rejects(async () => storage.records(start, end), RangeError)
  }
}

async function listsCommits(under: StorageUnderTest): Promise<void> {
  const storage = await under.open()
  const log = new Model()
  for (const count of [1, 9, 90]) await storage.commit(log.grow(count))
  const firsts = async (start: number) =>
    (await listCommits(storage, start)).map(({ firstLeaf }) => firstLeaf)
  assert.deepEqual(await listCommits(storage, 0), log.commits)
  assert.deepEqual(await firsts(1), [1, 10])
  assert.deepEqual(await firsts(9), [1, 10])
  assert.deepEqual(await firsts(10), [10])
  assert.deepEqual(await firsts(99), [10])
  assert.deepEqual(await firsts(100), [])
}

async function refusesOtherWriter(under: StorageUnderTest): Promise<void> {
  const storage = await under.open()
  const log = new Model()
  const first = log.grow(3)
  await storage.commit(first)
  await rejectsWith("LEDGER_OTHER_WRITER", storage.commit(first))
  await storage.commit(log.grow(1))
  await log.requireIn(storage)
}

async function keepsAcknowledged(under: StorageUnderTest): Promise<void> {
  const log = new Model()
  for (const end of ["crash", "close", "crash", "crash"] as const) {
    const storage = await under.open()
    await log.requireIn(storage)
    await storage.commit(log.grow(130))
    await storage.commit(log.grow(1))
    if (end === "close") await storage.close()
    else await under.crash()
  }
  await log.requireIn(await under.open())
}

async function failsNotKept(under: StorageUnderTest): Promise<void> {
  const storage = await under.open()
  const log = new Model()
  await storage.commit(log.grow(200))
  under.failNextWrite("not kept")
  const lost = log.clone().grow(100)
  await assert.rejects(storage.commit(lost))
  await rejectsWith("LEDGER_POISONED", storage.commit(lost))
  await under.crash()
  const reopened = await under.open()
  await log.requireIn(reopened)
  await reopened.commit(log.grow(5))
  await log.requireIn(reopened)
}

async function refusesWritesWhenBroken(under: StorageUnderTest): Promise<void> {
  const storage = await under.open()
  const log = new Model()
  await storage.commit(log.grow(200))
  under.failNextWrite("not kept")
  await assert.rejects(storage.commit(log.clone().grow(100)))
  const tombstone = { kind: "tombstone", leafIndex: 3, bytes: new Uint8Array([1]) } as const
  for (const write of [
    storage.withdraw([tombstone]),
    storage.purge(),
    storage.settle(),
    storage.setVerifiedSize(200),
    storage.dropGenerationsBefore(1),
  ]) {
    await rejectsWith("LEDGER_POISONED", write)
  }
  await log.requireIn(storage)
  await under.crash()
  await log.requireIn(await under.open())
}

async function failsButKept(under: StorageUnderTest): Promise<void> {
  const storage = await under.open()
  const log = new Model()
  await storage.commit(log.grow(200))
  under.failNextWrite("kept")
  await assert.rejects(storage.commit(log.grow(100)))
  await rejectsWith("LEDGER_POISONED", storage.commit(log.clone().grow(1)))
  await under.crash()
  const reopened = await under.open()
  await log.requireIn(reopened)
  await reopened.commit(log.grow(5))
  await log.requireIn(reopened)
}

async function keepsNoReference(under: StorageUnderTest): Promise<void> {
  const storage = await under.open()
  const log = new Model()
  const commit = log.grow(3, [testIdRow(0, 7)])
  await storage.commit(commit)
  const { rootHash, records, tiles, bundles } = commit
  for (const bytes of [rootHash, records, commit.ids[0]?.id, tiles[0]?.bytes, bundles[0]?.bytes])
    bytes?.fill(0)
  log.forgetHandedOut()
  await log.requireIn(storage)
  assert.deepEqual(await storage.leavesOf([testId(0)], [7]), [0])
}

async function findsIds(under: StorageUnderTest): Promise<void> {
  let storage = await under.open()
  const log = new Model()
  await storage.commit(log.grow(2, [testIdRow(0, 650), testIdRow(1, 650)]))
  await storage.commit(log.grow(2, [testIdRow(3, 651)]))
  const ask = (generations: number[]) => storage.leavesOf([3, 0, 2, 1].map(testId), generations)
  assert.deepEqual(await ask([651, 650]), [3, 0, undefined, 1])
  assert.deepEqual(await ask([651]), [3, undefined, undefined, undefined])
  assert.deepEqual(await ask([652]), [undefined, undefined, undefined, undefined])
  assert.deepEqual(await storage.leavesOf([], [651]), [])
  await under.crash()
  storage = await under.open()
  assert.deepEqual(await ask([651, 650]), [3, 0, undefined, 1])
  await storage.dropGenerationsBefore(651)
  assert.deepEqual(await ask([651, 650]), [3, undefined, undefined, undefined])
}

async function remembersSizes(under: StorageUnderTest): Promise<void> {
  const storage = await under.open()
  const log = new Model()
  await storage.commit(log.grow(300))
  assert.equal(await storage.settledSize(), 0)
  await storage.settle()
  await storage.commit(log.grow(10))
  await storage.setVerifiedSize(256)
  assert.equal(await storage.settledSize(), 300)
  assert.equal(await storage.verifiedSize(), 256)
  await storage.close()
  const reopened = await under.open()
  assert.equal(await reopened.settledSize(), 300)
  assert.equal(await reopened.verifiedSize(), 256)
  await log.requireIn(reopened)
}

async function refusesSecondOpener(under: StorageUnderTest): Promise<void> {
  const storage = await under.open()
  await rejectsWith("LEDGER_LOCKED", under.open())
  await storage.close()
  await (await under.open()).close()
}

async function knowsRoom(under: StorageUnderTest): Promise<void> {
  const { free, total } = await (await under.open()).space()
  assert.ok(free > 0 && total >= free)
}

async function damagedMiddle(under: StorageUnderTest): Promise<void> {
  const trial = await crashedLedger(under)
  await under.damageJournal("middle")
  await refusesOrHasAll(under, trial)
}

async function damagedLast(under: StorageUnderTest): Promise<void> {
  const trial = await crashedLedger(under)
  await under.damageJournal("last")
  await refusesOrHasAll(under, trial)
}

async function damagedTile(under: StorageUnderTest): Promise<void> {
  const log = await settledLog(under)
  await under.damageBytes(log.tile(0, 1, TILE_WIDTH).subarray(32 * 40, 32 * 42))
  await rejectsWith("LEDGER_CORRUPT", checkAll(await under.open()))
}

async function damagedEntry(under: StorageUnderTest): Promise<void> {
  const log = await settledLog(under)
  await under.damageBytes((log.entries[300] as Uint8Array).subarray(16))
  await rejectsWith("LEDGER_CORRUPT", checkAll(await under.open()), 300)
}

async function damagedRecord(under: StorageUnderTest): Promise<void> {
  const log = await settledLog(under)
  await under.damageBytes(log.records[301] as Uint8Array)
  await rejectsWith("LEDGER_CORRUPT", checkAll(await under.open()), 301)
}

async function settledLog(under: StorageUnderTest): Promise<Model> {
  const storage = await under.open()
  const log = new Model()
  await storage.commit(log.grow(600))
  await storage.settle()
  await storage.close()
  return log
}

async function checkAll(storage: LogStorage): Promise<void> {
  const treeSize = await storage.treeSize()
  await checkLeaves({ storage, treeSize, start: 0, end: treeSize, checkRecord })
}

/** A ledger's options and the records it acknowledged, by leaf. */
interface Trial {
  readonly options: Omit<LedgerOptions, "storage">
  readonly acknowledged: Map<number, Uint8Array>
}

/** A ledger that made many small commits, signed them all, and was killed. */
async function crashedLedger(under: StorageUnderTest): Promise<Trial> {
  const acknowledged = new Map<number, Uint8Array>()
  const log = new Model()
  const options = {
    signerKey: createSignerKey("exam.example/log", sha256(new Uint8Array(1)), 1),
    signedHead: signedHeadInMemory(),
    genesis: () => ({ entry: log.entries[0] as Uint8Array }),
    stamp: () => {},
    entryTime: () => 2 ** 40,
    patrolLeavesPerSecond: 0,
    signEveryMs: 10,
  }
  log.grow(200)
  const ledger = await openLedger({ ...options, storage: await under.open() })
  for (let i = 1; i < 200; i++) {
    const record = log.records[i] as Uint8Array
    const entries = formatBundle([log.entries[i] as Uint8Array])
    const [placement] = await ledger.submit({ entries, records: formatBundle([record]), count: 1 })
    acknowledged.set(placement?.leafIndex as number, record)
  }
  while (ledger.signedHead.treeSize < 200) await new Promise((resolve) => setTimeout(resolve, 10))
  await under.crash()
  return { options, acknowledged }
}

async function refusesOrHasAll(under: StorageUnderTest, { options, acknowledged }: Trial): Promise<void> {
  const before = await options.signedHead.read()
  let storage: LogStorage
  try {
    storage = await under.open()
    await openLedger({ ...options, storage })
  } catch (error) {
    assert.ok(error instanceof LedgerError, String(error))
    assert.deepEqual(await options.signedHead.read(), before, "nothing was signed")
    return
  }
  for (const [leaf, record] of acknowledged) {
    const [row] = await storage.records(leaf, leaf + 1)
    assert.ok(row !== undefined && equalBytes(row.bytes, record), `leaf ${leaf}`)
  }
}
