import type { Commit } from "@prooflog/ledger/storage"
import { expect, test } from "vitest"
import { RecentRecords } from "./recent-records.js"

/** Records of `length` bytes, each filled with its leaf. */
const commitOf = (follows: number, treeSize: number, length: number): Commit => ({
  follows,
  treeSize,
  rootHash: new Uint8Array(32),
  tiles: [],
  bundles: [],
  ids: [],
  records: new Uint8Array(
    Buffer.concat(
      Array.from({ length: treeSize - follows }, (_, i) =>
        Buffer.concat([Buffer.from([length >> 8, length & 255]), Buffer.alloc(length, follows + i)]),
      ),
    ),
  ),
})

const recordOf = (leafIndex: number, length: number) => ({
  kind: "record",
  leafIndex,
  bytes: new Uint8Array(length).fill(leafIndex),
})

test("has every range of the commits it was given, and no other", () => {
  const recent = new RecentRecords()
  expect(recent.find(0, 1)).toBeUndefined()
  for (const [follows, treeSize] of [
    [7, 8],
    [8, 12],
    [12, 13],
  ] as const) {
    recent.add(commitOf(follows, treeSize, 3))
  }
  for (let start = 5; start < 14; start++) {
    for (let end = start + 1; end <= 15; end++) {
      const expected = Array.from({ length: end - start }, (_, i) => recordOf(start + i, 3))
      expect(recent.find(start, end)).toEqual(start >= 7 && end <= 13 ? expected : undefined)
    }
  }
})

test("has its own copy, also of records without bytes", () => {
  const recent = new RecentRecords()
  const commit = commitOf(0, 2, 0)
  recent.add(commit)
  commit.records.fill(9)
  expect(recent.find(0, 2)).toEqual([recordOf(0, 0), recordOf(1, 0)])
})

test("forgets the oldest when it has 64 MiB, and all up to a commit when told to", () => {
  const recent = new RecentRecords()
  for (let leaf = 0; leaf < 80; leaf++) recent.add(commitOf(leaf * 16, leaf * 16 + 16, 65_000))
  expect(recent.find(0, 16)).toBeUndefined()
  expect(recent.find(1_264, 1_280)).toHaveLength(16)
  let oldest = 1_279
  while (recent.find(oldest - 1, 1_280) !== undefined) oldest--
  expect((1_280 - oldest) * 65_002).toBeGreaterThan(62 * 2 ** 20)
  expect((1_280 - oldest) * 65_002).toBeLessThanOrEqual(64 * 2 ** 20)
  recent.forget(oldest - 1)
  expect(recent.find(oldest, oldest + 1)).toHaveLength(1)
  recent.forget(1_250)
  expect(recent.find(1_263, 1_264)).toBeUndefined()
  expect(recent.find(1_264, 1_280)).toHaveLength(16)
  recent.forget(1_279)
  expect(recent.find(1_279, 1_280)).toBeUndefined()
  recent.add(commitOf(1_280, 1_281, 1))
  expect(recent.find(1_280, 1_281)).toHaveLength(1)
})
