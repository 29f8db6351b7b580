/**
 * The exam that every object store sits: the port's promises, one test each.
 *
 *     import { describe, it } from "vitest"
 *     objectStoreSuite("a folder", { describe, it }, async () => new FolderUnderTest())
 *
 * The store under test comes with hooks that hurt what it keeps and search it. A question that a store cannot sit is
 * skipped by name, with a reason, which is printed.
 *
 * Knows no test framework: it needs `describe`, `it` and `it.skip`, and asserts with node:assert.
 */

import assert from "node:assert/strict"
import { createHash } from "node:crypto"
import type { ObjectsErrorCode } from "./error.js"
import type { ListedObject, ObjectDigest, ObjectStore } from "./object-store.js"

/** A store that can be hurt. */
export interface ObjectStoreUnderTest {
  /** Opens the store: a new one at first, later with what is kept. */
  open(): Promise<ObjectStore>
  /** Flips a bit in the middle of an object that is kept. */
  flipBit(key: string): Promise<void>
  /** Takes the last byte away from an object that is kept. */
  cutShort(key: string): Promise<void>
  /** Whether these bytes are in anything that is kept: objects, old versions, drafts, parts. */
  holds(bytes: Uint8Array): Promise<boolean>
  /** Takes everything away. */
  destroy(): Promise<void>
}

export interface TestTools {
  readonly describe: (name: string, body: () => void) => unknown
  readonly it: {
    (name: string, body: () => Promise<void>): unknown
    readonly skip: (name: string, body: () => Promise<void>) => unknown
  }
}

/** The questions, by the promise they hold a store to. */
const QUESTIONS = {
  "is empty when new": isEmptyWhenNew,
  "answers what was put, whatever its size and its chunks": answersWhatWasPut,
  "keeps what it acknowledged, for whoever opens it next": keepsAcknowledged,
  "takes bytes and a stream alike, and keeps no reference to them": takesBytes,
  "puts the same bytes again by doing nothing": putsAgain,
  "refuses other bytes under a key, and keeps the first": refusesOthers,
  "lets one of two win who put at the same time": letsOneWin,
  "shows nothing of an object before it is whole": showsNoHalf,
  "keeps nothing of an object whose source fails, and passes its error on": keepsNothingOfFailed,
  "keeps nothing of an object that is not what it was said to be": keepsNothingOfOthers,
  "lists by any beginning of a key": lists,
  "lists in the order of keys": listsInOrder,
  "destroys exactly one key, and has no byte of it left": destroys,
  "takes a key again after it was destroyed": takesAgain,
  "finds a flipped bit, for whoever knows the hash": findsFlippedBit,
  "finds a lost end, for whoever knows the length": findsLostEnd,
  "lets a reader go before the end": letsReaderGo,
  "refuses what is no key": refusesNoKeys,
} satisfies Record<string, (under: ObjectStoreUnderTest) => Promise<void>>

export type Question = keyof typeof QUESTIONS

/**
 * Declares the exam's tests.
 *
 * @param make - makes a store under test that holds nothing; called for each question
 * @param skips - questions that are not asked, and why
 */
export function objectStoreSuite(
  name: string,
  { describe, it }: TestTools,
  make: () => Promise<ObjectStoreUnderTest>,
  skips: Partial<Record<Question, string>> = {},
): void {
  describe(`${name}: the exam of object stores`, () => {
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

const MIB = 1024 * 1024

/** Larger than a part of an upload. */
const LARGE = 9 * MIB

async function isEmptyWhenNew(under: ObjectStoreUnderTest): Promise<void> {
  const store = await under.open()
  assert.deepEqual(await listed(store, ""), [])
  assert.equal(await store.size("a/b"), undefined)
  await rejectsWith("OBJECTS_NOT_FOUND", read(store, "a/b"))
  await rejectsWith("OBJECTS_NOT_FOUND", read(store, "a/b", digestOf(bytesOf(1, 1))))
  assert.equal(await store.destroy("a/b"), 0)
}

async function answersWhatWasPut(under: ObjectStoreUnderTest): Promise<void> {
  const store = await under.open()
  // Around the part of an upload and the chunks of a file; chunks that divide neither.
  const sizes = [0, 1, 1_000, 256 * 1024, 8 * MIB, 8 * MIB + 1, 16 * MIB]
  for (const [seed, size] of sizes.entries()) {
    const bytes = bytesOf(size, seed)
    const key = `sizes/${size}`
    await store.put(key, inChunks(bytes, size > MIB ? 700_001 : 333), digestOf(bytes))
    assert.equal(await store.size(key), size)
    requireSameBytes(await read(store, key), bytes)
    if (size <= MIB) requireSameBytes(await read(store, key, digestOf(bytes)), bytes)
  }
  // One chunk larger than several parts.
  const bytes = bytesOf(17 * MIB, 99)
  await store.put("sizes/at-once", inChunks(bytes, bytes.length), digestOf(bytes))
  requireSameBytes(await read(store, "sizes/at-once"), bytes)
}

async function keepsAcknowledged(under: ObjectStoreUnderTest): Promise<void> {
  const bytes = bytesOf(5_000, 1)
  await (await under.open()).put("segments/routine/2026-03/1-9.parquet", bytes, digestOf(bytes))
  const reopened = await under.open()
  requireSameBytes(await read(reopened, "segments/routine/2026-03/1-9.parquet"), bytes)
}

async function takesBytes(under: ObjectStoreUnderTest): Promise<void> {
  const store = await under.open()
  const bytes = bytesOf(4_000, 1)
  const digest = digestOf(bytes)
  // Copies: the slice of a Buffer is none.
  const lent = Buffer.from(bytes)
  const sha256 = Buffer.from(digest.sha256)
  await store.put("a", lent, { bytes: lent.length, sha256 })
  lent.fill(0)
  sha256.fill(0)
  requireSameBytes(await read(store, "a", digest), bytes)
  // A source that uses one buffer for all its chunks.
  const large = bytesOf(LARGE, 2)
  const chunk = Buffer.alloc(100_000)
  async function* reusing(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < large.length; at += chunk.length) {
      const piece = large.subarray(at, at + chunk.length)
      chunk.set(piece)
      yield chunk.subarray(0, piece.length)
    }
  }
  await store.put("b", reusing(), digestOf(large))
  requireSameBytes(await read(store, "b"), large)
}

async function putsAgain(under: ObjectStoreUnderTest): Promise<void> {
  const store = await under.open()
  for (const size of [10, LARGE]) {
    const bytes = bytesOf(size, size)
    await store.put(`a${size}`, inChunks(bytes, 100_000), digestOf(bytes))
    await store.put(`a${size}`, inChunks(bytes, 100_000), digestOf(bytes))
    requireSameBytes(await read(store, `a${size}`), bytes)
    // And still nothing but that: one version.
    assert.equal(await store.destroy(`a${size}`), 1)
  }
}

async function refusesOthers(under: ObjectStoreUnderTest): Promise<void> {
  const store = await under.open()
  const first = bytesOf(1_000, 1)
  await store.put("a/b", first, digestOf(first))
  for (const other of [bytesOf(1_000, 2), bytesOf(999, 1), bytesOf(LARGE, 3), bytesOf(0, 1)]) {
    await rejectsWith("OBJECTS_EXISTS", store.put("a/b", other, digestOf(other)))
  }
  requireSameBytes(await read(store, "a/b", digestOf(first)), first)
}

async function letsOneWin(under: ObjectStoreUnderTest): Promise<void> {
  const store = await under.open()
  for (const size of [1_000, LARGE]) {
    const key = `race/${size}`
    const rivals = [1, 2, 3].map((seed) => bytesOf(size, seed))
    // None ends before all have begun: nobody finds the object of another at the start.
    const begun = barrier(rivals.length)
    async function* waiting(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(0, 100)
      await begun()
      yield bytes.subarray(100)
    }
    const results = await Promise.allSettled(
      rivals.map((bytes) => store.put(key, waiting(bytes), digestOf(bytes))),
    )
    const winners = rivals.filter((_, i) => results[i]?.status === "fulfilled")
    assert.equal(winners.length, 1)
    requireSameBytes(await read(store, key), winners[0] as Uint8Array)
    for (const result of results) {
      if (result.status === "rejected") assert.equal(result.reason.code, "OBJECTS_EXISTS")
    }
  }
}

async function showsNoHalf(under: ObjectStoreUnderTest): Promise<void> {
  const store = await under.open()
  const other = await under.open()
  for (const size of [1_000, LARGE]) {
    const bytes = bytesOf(size, size)
    const key = `half/${size}`
    async function* watched(): AsyncGenerator<Uint8Array> {
      for (const [start, end] of [
        [0, size - 1],
        [size - 1, size],
      ]) {
        yield bytes.subarray(start, end)
        assert.equal(await other.size(key), undefined)
        assert.deepEqual(await listed(other, key), [])
        await rejectsWith("OBJECTS_NOT_FOUND", read(other, key))
      }
    }
    await store.put(key, watched(), digestOf(bytes))
    requireSameBytes(await read(other, key), bytes)
  }
}

async function keepsNothingOfFailed(under: ObjectStoreUnderTest): Promise<void> {
  const store = await under.open()
  for (const size of [1_000, LARGE]) {
    const bytes = bytesOf(size, size)
    const failure = new Error("the source fails")
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(0, size - 1)
      throw failure
    }
    await assert.rejects(store.put("a", failing(), digestOf(bytes)), (error) => error === failure)
    await requireNothingOf(under, store, "a", bytes)
  }
  const bytes = bytesOf(LARGE, 7)
  await store.put("a", inChunks(bytes, MIB), digestOf(bytes))
  requireSameBytes(await read(store, "a"), bytes)
}

async function keepsNothingOfOthers(under: ObjectStoreUnderTest): Promise<void> {
  const store = await under.open()
  for (const size of [1_000, LARGE]) {
    const bytes = bytesOf(size, size)
    const digest = digestOf(bytes)
    for (const wrong of [
      { ...digest, bytes: size - 1 },
      { ...digest, bytes: size + 1 },
      digestOf(bytesOf(size, size + 1)),
    ]) {
      await rejectsWith("OBJECTS_DAMAGED", store.put("a", inChunks(bytes, 300_000), wrong))
      await requireNothingOf(under, store, "a", bytes)
    }
  }
}

/** In order. As bytes: `-` and `.` come before `/`, the digits after it. */
const KEYS = ["a-b", "a.json", "a/b/c", "a/b0", "a/c", "a0", "b/2026-03/x", "b/2026-04/x", "b/2026-04/y", "c"]

async function lists(under: ObjectStoreUnderTest): Promise<void> {
  const store = await under.open()
  const rows = KEYS.map((key, i) => ({ key, bytes: i }))
  for (const { key, bytes } of rows)
    await store.put(key, bytesOf(bytes, bytes), digestOf(bytesOf(bytes, bytes)))
  const prefixes = [
    "",
    "a",
    "a/",
    "a/b",
    "a/b/",
    "a-",
    "b/2026-0",
    "b/2026-04/",
    "c",
    "d",
    "a/b/c/d",
    "b/2026-03/x",
  ]
  for (const prefix of prefixes) {
    const found = await listed(store, prefix)
    found.sort((a, b) => (a.key < b.key ? -1 : 1))
    assert.deepEqual(
      found,
      rows.filter(({ key }) => key.startsWith(prefix)),
      prefix,
    )
  }
}

async function listsInOrder(under: ObjectStoreUnderTest): Promise<void> {
  const store = await under.open()
  const bytes = bytesOf(3, 3)
  for (const key of [...KEYS].reverse()) await store.put(key, bytes, digestOf(bytes))
  assert.deepEqual(
    (await listed(store, "")).map(({ key }) => key),
    KEYS,
  )
}

async function destroys(under: ObjectStoreUnderTest): Promise<void> {
  const store = await under.open()
  const keys = ["s/a", "s/a.json", "s/a-1", "s/a0", "s/ab/c", "t/a"]
  const bytes = new Map(keys.map((key, i) => [key, bytesOf(i === 0 ? LARGE : 2_000, i)]))
  for (const [key, each] of bytes) await store.put(key, each, digestOf(each))
  const gone = bytes.get("s/a") as Uint8Array
  assert.equal(await under.holds(gone.subarray(0, 1_000)), true)
  assert.equal(await store.destroy("s/a"), 1)
  await requireNothingOf(under, store, "s/a", gone)
  for (const [key, each] of bytes) if (key !== "s/a") requireSameBytes(await read(store, key), each)
  assert.equal(await store.destroy("s/a"), 0)
  assert.equal(await store.destroy("s"), 0)
  assert.equal((await listed(store, "")).length, keys.length - 1)
}

async function takesAgain(under: ObjectStoreUnderTest): Promise<void> {
  const store = await under.open()
  for (const seed of [1, 2, 3]) {
    const bytes = bytesOf(500 + seed, seed)
    await store.put("a/b/c", bytes, digestOf(bytes))
    requireSameBytes(await read(store, "a/b/c"), bytes)
    assert.equal(await store.destroy("a/b/c"), 1)
    await requireNothingOf(under, store, "a/b/c", bytes)
  }
}

async function findsFlippedBit(under: ObjectStoreUnderTest): Promise<void> {
  const store = await under.open()
  const bytes = bytesOf(LARGE, 1)
  await store.put("a", bytes, digestOf(bytes))
  await under.flipBit("a")
  await rejectsWith("OBJECTS_DAMAGED", read(store, "a", digestOf(bytes)))
}

async function findsLostEnd(under: ObjectStoreUnderTest): Promise<void> {
  const store = await under.open()
  const bytes = bytesOf(3_000, 1)
  await store.put("a", bytes, digestOf(bytes))
  await under.cutShort("a")
  await rejectsWith("OBJECTS_DAMAGED", read(store, "a", digestOf(bytes)))
}

async function letsReaderGo(under: ObjectStoreUnderTest): Promise<void> {
  const store = await under.open()
  const bytes = bytesOf(LARGE, 1)
  await store.put("a", bytes, digestOf(bytes))
  // More than any store has connections or open files.
  for (let i = 0; i < 100; i++) {
    for await (const chunk of store.get("a")) {
      assert.ok(chunk.length > 0)
      break
    }
  }
  requireSameBytes(await read(store, "a"), bytes)
}

async function refusesNoKeys(under: ObjectStoreUnderTest): Promise<void> {
  const store = await under.open()
  const digest = digestOf(new Uint8Array())
  const long = ["x".repeat(256), "x/".repeat(400).concat("x")]
  const wrong = [
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "../a",
    "a/../b",
    "a..b",
    "a/.b",
    "A",
    "a b",
    "a\\b",
    "ä",
    "a\n",
    "a\0",
  ]
  for (const key of [...wrong, ...long]) {
    await assert.rejects(store.put(key, new Uint8Array(), digest), RangeError, key)
    await assert.rejects(read(store, key), RangeError, key)
    await assert.rejects(store.size(key), RangeError, key)
    await assert.rejects(store.destroy(key), RangeError, key)
  }
  for (const prefix of ["/", "/a", "a//", "..", "../", "A"]) {
    await assert.rejects(listed(store, prefix), RangeError, prefix)
  }
  for (const object of [
    { ...digest, bytes: -1 },
    { ...digest, bytes: 0.5 },
    { ...digest, sha256: new Uint8Array(31) },
  ]) {
    await assert.rejects(store.put("a", new Uint8Array(), object), RangeError)
  }
  assert.deepEqual(await listed(store, ""), [])
}

/** Holds a store to having nothing of an object: no name, and none of its bytes. */
async function requireNothingOf(
  under: ObjectStoreUnderTest,
  store: ObjectStore,
  key: string,
  bytes: Uint8Array,
): Promise<void> {
  assert.equal(await store.size(key), undefined)
  assert.deepEqual(
    (await listed(store, key)).filter((found) => found.key === key),
    [],
  )
  await rejectsWith("OBJECTS_NOT_FOUND", read(store, key))
  for (const at of [0, bytes.length >> 1]) {
    assert.equal(await under.holds(bytes.subarray(at, at + 400)), false, `bytes of ${key} at ${at}`)
  }
}

/** Bytes that repeat nowhere, the same for the same seed. */
function bytesOf(size: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(size)
  let state = (seed + 1) * 0x9e3779b1
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}

function digestOf(bytes: Uint8Array): ObjectDigest {
  return { bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest() }
}

async function* inChunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

/** Returns a function that resolves once it was called `count` times. */
function barrier(count: number): () => Promise<void> {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  let left = count
  return () => {
    if (--left === 0) open()
    return opened
  }
}

async function read(store: ObjectStore, key: string, expected?: ObjectDigest): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of store.get(key, expected)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function listed(store: ObjectStore, prefix: string): Promise<ListedObject[]> {
  const found: ListedObject[] = []
  for await (const { key, bytes } of store.list(prefix)) found.push({ key, bytes })
  return found
}

/** As assert.deepEqual, which would print megabytes. */
function requireSameBytes(got: Uint8Array, expected: Uint8Array): void {
  assert.equal(got.length, expected.length)
  assert.ok(Buffer.from(got).equals(expected), "other bytes than were put")
}

async function rejectsWith(code: ObjectsErrorCode, promise: Promise<unknown>): Promise<void> {
  await assert.rejects(promise, { name: "ObjectsError", code })
}
