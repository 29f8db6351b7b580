import { encodeCbor } from "@prooflog/event/cbor"
import { encodeNotice } from "@prooflog/event/entry"
import { leafHash, nodeHash, sha256 } from "@prooflog/tlog/hash"
import { openCheckpoint } from "@prooflog/tlog/policy"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { retentionLog, shownLeaf } from "../fixtures/retention-log.js"
import { defined, POLICY } from "../fixtures/small-log.js"
import { VerifierError } from "./error.js"
import {
  checkItem,
  encodeItem,
  type ItemProof,
  makeItems,
  type NoticeItem,
  NoticeTree,
  openNotice,
} from "./notice.js"

/** RFC 6962, section 2.1, word for word: the largest power of two below n, and both sides by themselves. */
function naiveRoot(hashes: readonly Uint8Array[]): Uint8Array {
  if (hashes.length === 1) return defined(hashes[0])
  let k = 1
  while (k * 2 < hashes.length) k *= 2
  return nodeHash(naiveRoot(hashes.slice(0, k)), naiveRoot(hashes.slice(k)))
}

const naiveRootOf = (items: readonly NoticeItem[]) =>
  naiveRoot(items.map(({ leafIndex, salt }) => sha256(Uint8Array.of(0, ...encodeCbor([leafIndex, salt])))))

function itemsOf(count: number): NoticeItem[] {
  return Array.from({ length: count }, (_, i) => ({
    leafIndex: 3 * i + 1,
    salt: sha256(Uint8Array.of(i & 0xff, i >> 8)).subarray(0, 16),
  }))
}

const refusal = expect.objectContaining({ name: "VerifierError", code: "VERIFIER_NOT_IN_TREE" })

/** Without expect: this is asked very often. */
function isAmong(proof: ItemProof, notice: { count: number; root: Uint8Array }): boolean {
  try {
    checkItem(proof, notice)
    return true
  } catch (error) {
    if (error instanceof VerifierError && error.code === "VERIFIER_NOT_IN_TREE") return false
    throw error
  }
}

describe("items of a notice", () => {
  it("are made with fresh salts, in the order of their leaves", () => {
    let fills = 0
    const items = makeItems(
      Array.from({ length: 10_000 }, (_, i) => i),
      (bytes) => {
        expect(bytes.length).toBeLessThanOrEqual(65_536)
        fills++
        crypto.getRandomValues(bytes)
      },
    )
    expect(fills).toBe(3)
    expect(items.map(({ leafIndex }) => leafIndex)).toEqual(Array.from({ length: 10_000 }, (_, i) => i))
    expect(new Set(items.map(({ salt }) => Buffer.from(salt).toString("hex"))).size).toBe(10_000)
    expect(items.every(({ salt }) => salt.length === 16)).toBe(true)
  })

  it("have one encoding", () => {
    const salt = new Uint8Array(16).fill(9)
    expect(encodeItem({ leafIndex: 300, salt })).toEqual(Uint8Array.of(0x82, 0x19, 1, 0x2c, 0x50, ...salt))
    expect(encodeItem({ leafIndex: 0, salt })).toEqual(encodeCbor([0, salt]))
  })

  it.each<[string, () => unknown]>([
    ["a leaf twice", () => makeItems([1, 1], () => {})],
    ["leaves that descend", () => makeItems([2, 1], () => {})],
    ["a leaf that is none", () => makeItems([Number.NaN], () => {})],
    ["a tree without items", () => new NoticeTree([])],
    ["a tree of a leaf twice", () => new NoticeTree([...itemsOf(1), ...itemsOf(1)])],
    ["a short salt", () => encodeItem({ leafIndex: 0, salt: new Uint8Array(15) })],
    ["a leaf between two", () => encodeItem({ leafIndex: 0.5, salt: new Uint8Array(16) })],
    ["a leaf below 0", () => encodeItem({ leafIndex: -1, salt: new Uint8Array(16) })],
    ["a proof of no item", () => new NoticeTree(itemsOf(3)).prove(3)],
  ])("are the caller's mistake: %s", (_, make) => {
    expect(make).toThrow(RangeError)
  })
})

describe("the tree of a notice", () => {
  const sizes = [...Array.from({ length: 70 }, (_, i) => i + 1), 127, 128, 129, 255, 256, 257, 1000]

  it.each(sizes)("has the root of RFC 6962, and a proof of each of %d items", (count) => {
    const items = itemsOf(count)
    const tree = new NoticeTree(items)
    const notice = { count, root: tree.root }
    expect(notice.root).toEqual(naiveRootOf(items))
    for (let position = 0; position < count; position++) {
      const proof = tree.prove(position)
      expect(proof.leafIndex).toBe(3 * position + 1)
      checkItem(proof, notice)
    }
  })

  it("proves an item at its own place, of its own leaf, under its own count, and nowhere else", () => {
    for (let count = 1; count <= 12; count++) {
      const tree = new NoticeTree(itemsOf(count))
      const root = tree.root
      for (let position = 0; position < count; position++) {
        const proof = tree.prove(position)
        for (let other = 0; other <= count + 1; other++) {
          if (other !== position) expect(isAmong({ ...proof, position: other }, { count, root })).toBe(false)
          // Under another count it may lie on a path of the same length. It never counts less than its place.
          if (other <= position) expect(isAmong(proof, { count: other, root })).toBe(false)
        }
        expect(isAmong({ ...proof, leafIndex: proof.leafIndex + 1 }, { count, root })).toBe(false)
        expect(() => checkItem({ ...proof, leafIndex: 0 }, { count, root })).toThrow(refusal)
      }
    }
  })

  it("shows no more items than a notice counts, whatever tree is behind its root", () => {
    // A root over four items under a count of two: paths of one hash reach no item.
    const tree = new NoticeTree(itemsOf(4))
    for (let i = 0; i < 4; i++) {
      const proof = tree.prove(i)
      for (const noticePath of [proof.noticePath, proof.noticePath.slice(1), proof.noticePath.slice(0, 1)])
        for (const position of [0, 1, 2, 3])
          expect(isAmong({ ...proof, noticePath, position }, { count: 2, root: tree.root })).toBe(false)
    }
  })

  it("refuses a proof that differs in any bit of salt or path", () => {
    const tree = new NoticeTree(itemsOf(7))
    const notice = { count: 7, root: tree.root }
    const flipped = (bytes: Uint8Array, bit: number) =>
      bytes.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))
    for (const position of [0, 3, 6]) {
      const proof = tree.prove(position)
      for (let bit = 0; bit < 128; bit++)
        expect(isAmong({ ...proof, salt: flipped(proof.salt, bit) }, notice)).toBe(false)
      for (const [i, hash] of proof.noticePath.entries())
        for (let bit = 0; bit < 256; bit += 3)
          expect(
            isAmong({ ...proof, noticePath: proof.noticePath.with(i, flipped(hash, bit)) }, notice),
          ).toBe(false)
      expect(isAmong({ ...proof, noticePath: proof.noticePath.slice(1) }, notice)).toBe(false)
      expect(isAmong({ ...proof, noticePath: [...proof.noticePath, tree.root] }, notice)).toBe(false)
    }
  })

  it("agrees with the naive one for any leaves", () => {
    const leaves = fc.uniqueArray(fc.maxSafeNat(), { minLength: 1, maxLength: 40 })
    fc.assert(
      fc.property(leaves, fc.nat(), (indices, at) => {
        const items = makeItems(
          indices.sort((a, b) => a - b),
          (bytes) => crypto.getRandomValues(bytes),
        )
        const tree = new NoticeTree(items)
        const notice = { count: items.length, root: tree.root }
        expect(notice.root).toEqual(naiveRootOf(items))
        expect(isAmong(tree.prove(at % items.length), notice)).toBe(true)
      }),
    )
  })

  it("hashes items as the log hashes entries", () => {
    const [item] = itemsOf(1) as [NoticeItem]
    expect(new NoticeTree([item]).root).toEqual(leafHash(encodeItem(item)))
  })
})

describe("a notice at its leaf", () => {
  it("is opened in the tree, and nothing else is", async () => {
    const log = retentionLog()
    const head = openCheckpoint(log.checkpoint, POLICY)
    expect(openNotice(await shownLeaf(log, 6), head)).toMatchObject({ kind: 1, count: 3 })
    const event = await shownLeaf(log, 8)
    expect(() => openNotice(event, head)).toThrow(
      expect.objectContaining({ code: "VERIFIER_ENTRY_REFUSED", leafIndex: 8 }),
    )
    const notice = await shownLeaf(log, 6)
    expect(() => openNotice({ ...notice, leafIndex: 7 }, head)).toThrow(refusal)
    const entry = encodeNotice({ kind: 1, count: 4, root: new Uint8Array(32) })
    expect(() => openNotice({ ...notice, entry }, head)).toThrow(refusal)
  })
})
