import { describe, expect, it } from "vitest"
import { signCheckpoint } from "./checkpoint.js"
import { createSignerKey, formatVerifierKey, verifierKeyOf } from "./key.js"
import { mutations } from "./mutations.js"
import { parsePolicy } from "./policy.js"
import { checkReceipt, formatReceipt, parseReceipt, type Receipt } from "./receipt.js"
import { leaf, treeOf } from "./reference.js"

const malformed = expect.objectContaining({ code: "TLOG_MALFORMED_RECEIPT" })
const entries = Array.from({ length: 7 }, (_, i) => new TextEncoder().encode(`entry ${i}`))
const leaves = entries.map(leaf)
const tree = treeOf(leaves)
const signer = createSignerKey("example.com/log", new Uint8Array(32).fill(1), 1)
const policy = parsePolicy(`log ${formatVerifierKey(verifierKeyOf(signer))}\nquorum none\n`)

function receiptOf(leafIndex: number, treeSize: number): Receipt {
  const checkpoint = { origin: "example.com/log", treeSize, rootHash: tree.root(treeSize), extensions: [] }
  return {
    extra: entries[leafIndex] as Uint8Array,
    leafIndex,
    path: tree.path(leafIndex, treeSize),
    checkpoint: signCheckpoint(checkpoint, signer),
  }
}

const receipt = receiptOf(3, 7)
const TEXT = formatReceipt(receipt)

describe("receipts", () => {
  it("are written as c2sp.org/tlog-proof has them", () => {
    const [head, ...rest] = TEXT.split("\n\n")
    expect(head?.split("\n").map((line) => line.split(" ")[0]?.length)).toEqual([22, 5, 5, 44, 44, 44])
    expect(head).toMatch(/^c2sp\.org\/tlog-proof@v1\nextra ZW50cnkgMw==\nindex 3\n/)
    expect(rest.join("\n\n")).toBe(receipt.checkpoint)
  })

  it("read back what they write, with and without extra, down to a tree of one leaf", () => {
    for (const treeSize of [1, 2, 7]) {
      for (let leafIndex = 0; leafIndex < treeSize; leafIndex++) {
        const { extra, ...bare } = receiptOf(leafIndex, treeSize)
        for (const some of [{ extra, ...bare }, bare] as Receipt[]) {
          const text = formatReceipt(some)
          expect(parseReceipt(text)).toEqual(some)
          expect(parseReceipt(new TextEncoder().encode(text))).toEqual(some)
          const { checkpoint, note } = checkReceipt(
            parseReceipt(text),
            entries[leafIndex] as Uint8Array,
            policy,
          )
          expect([checkpoint.treeSize, note]).toEqual([treeSize, some.checkpoint])
        }
      }
    }
  })

  it("leave an empty extra out", () => {
    const { extra: _, ...bare } = receipt
    expect(formatReceipt({ ...bare, extra: new Uint8Array(0) })).toBe(formatReceipt(bare))
  })

  it("hold for their own entry, place, path and checkpoint only", () => {
    const refused = expect.objectContaining({ code: "TLOG_PROOF_REFUSED" })
    const entry = entries[3] as Uint8Array
    checkReceipt(receipt, entry, policy)
    for (const other of [entries[2] as Uint8Array, new Uint8Array(0), entry.subarray(1)]) {
      expect(() => checkReceipt(receipt, other, policy)).toThrow(refused)
    }
    for (const leafIndex of [0, 2, 4, 6, 7, 8]) {
      expect(() => checkReceipt({ ...receipt, leafIndex }, entry, policy)).toThrow(refused)
    }
    for (const [why, changed] of mutations(receipt.path, leaves[0] as Uint8Array)) {
      expect(() => checkReceipt({ ...receipt, path: changed }, entry, policy), why).toThrow(refused)
    }
    const { checkpoint } = receiptOf(3, 6)
    expect(() => checkReceipt({ ...receipt, checkpoint }, entry, policy)).toThrow(refused)
    expect(() => checkReceipt(receipt, entry, parsePolicy("quorum none"))).toThrow(
      expect.objectContaining({ code: "TLOG_UNKNOWN_LOG" }),
    )
  })

  it.each([
    ["nothing", ""],
    ["another version", TEXT.replace("@v1", "@v2")],
    ["no header", TEXT.slice(TEXT.indexOf("\n") + 1)],
    ["a space before the header", ` ${TEXT}`],
    ["a byte order mark", `\ufeff${TEXT}`],
    ["two extras", TEXT.replace("extra", "extra AAAA\nextra")],
    ["extra after the index", TEXT.replace(/(extra .*\n)(index .*\n)/, "$2$1")],
    ["an empty extra", TEXT.replace(/extra .*/, "extra ")],
    ["extra without a space", TEXT.replace(/extra .*/, "extra")],
    ["extra that is not base64", TEXT.replace(/extra .*/, "extra !")],
    ["no index", TEXT.replace(/index .*\n/, "")],
    ["two indices", TEXT.replace(/index .*\n/, "index 3\nindex 3\n")],
    ["a leading zero", TEXT.replace("index 3", "index 03")],
    ["a negative index", TEXT.replace("index 3", "index -3")],
    ["index 2^53, which is never rounded", TEXT.replace("index 3", "index 9007199254740992")],
    ["two spaces", TEXT.replace("index 3", "index  3")],
    ["a trailing space", TEXT.replace("index 3", "index 3 ")],
    ["a hash of 31 bytes", TEXT.replace(/(index 3\n).*/, "$1AAAA")],
    ["64 hashes", TEXT.replace(/(index 3\n)(.*\n)/, (_, index, hash) => index + hash.repeat(62))],
    ["a thousand hashes", TEXT.replace(/(index 3\n)(.*\n)/, (_, index, hash) => index + hash.repeat(1000))],
    ["no blank line", TEXT.replace("\n\n", "\n")],
    ["no checkpoint", TEXT.slice(0, TEXT.indexOf("\n\n") + 1)],
    ["carriage returns", TEXT.replaceAll("\n", "\r\n")],
    ["more than 1.1 MB", TEXT.replace(/extra .*/, `extra ${"A".repeat(1_200_000)}`)],
  ])("are refused with %s", (_, text) => {
    expect(() => parseReceipt(text)).toThrow(expect.objectContaining({ name: "TlogError" }))
    if (!/blank|carriage/.test(_)) expect(() => parseReceipt(text)).toThrow(malformed)
  })

  it("are refused with two blank lines or a checkpoint that is none", () => {
    const note = expect.objectContaining({ code: "TLOG_MALFORMED_NOTE" })
    expect(() => parseReceipt(TEXT.slice(0, -1))).toThrow(note)
    expect(() => parseReceipt(`${TEXT}\n`)).toThrow(note)
    expect(() => parseReceipt(TEXT.replace("\n\n", "\n\n\n"))).toThrow(
      expect.objectContaining({ code: "TLOG_MALFORMED_CHECKPOINT" }),
    )
  })

  it("are not written with what they could not be read with", () => {
    const hash = new Uint8Array(32)
    formatReceipt({ ...receipt, path: Array.from({ length: 63 }, () => hash) })
    for (const wrong of [
      { path: Array.from({ length: 64 }, () => hash) },
      { path: [hash, hash.subarray(1)] },
      { path: [new Uint8Array(0)] },
      { leafIndex: 2 ** 53 },
      { leafIndex: -1 },
    ]) {
      expect(() => formatReceipt({ ...receipt, ...wrong }), JSON.stringify(wrong)).toThrow(RangeError)
    }
  })

  it("hold 63 hashes", () => {
    const text = TEXT.replace(/(index 3\n)(.*\n)/, (_, index, hash) => index + hash.repeat(61))
    expect(parseReceipt(text).path.length).toBe(63)
  })
})
