import { encodeNotice } from "@prooflog/event/entry"
import fc from "fast-check"
import { beforeAll, describe, expect, it } from "vitest"
import { jsonMutations } from "../fixtures/json-mutations.js"
import { DAY_MS, ERASED, LOST, retentionLog, shownLeaf } from "../fixtures/retention-log.js"
import {
  defined,
  mangled,
  OTHER_POLICY,
  opaqueEvent,
  POLICY,
  type SmallLog,
  START_MS,
  WITNESSED_POLICY,
} from "../fixtures/small-log.js"
import {
  type Certificate,
  formatCertificate,
  MAX_CERTIFICATE_ITEMS,
  parseCertificate,
  type VerifiedCertificate,
  verifyCertificate,
} from "./certificate.js"
import { VerifierError } from "./error.js"
import { makeItems, NoticeTree } from "./notice.js"

// biome-ignore lint/suspicious/noExplicitAny: a good file, parsed, about to be broken in one place
type Json = any

const refused = (code: string, message: RegExp = /./) =>
  expect.objectContaining({ name: "VerifierError", code, message: expect.stringMatching(message) })

/** A certificate of some of a notice's items. */
async function certificateOf(
  log: SmallLog,
  positions: readonly number[],
  tree = ERASED,
  noticeLeaf = 6,
): Promise<Certificate> {
  const items = await Promise.all(
    positions.map(async (position) => {
      const proof = tree.prove(position)
      return { ...(await shownLeaf(log, proof.leafIndex)), ...proof }
    }),
  )
  return { checkpoint: log.checkpoint, notice: await shownLeaf(log, noticeLeaf), items }
}

let log: SmallLog
let whole: Certificate
beforeAll(async () => {
  log = retentionLog()
  whole = await certificateOf(log, [0, 1, 2])
})

const verify = (certificate: Certificate, policy = POLICY) =>
  verifyCertificate(formatCertificate(certificate), policy)

describe("a certificate of erasure", () => {
  it("names what was erased, by leaf, time, class and commitment", () => {
    const verified = verify(whole)
    expect(verified).toMatchObject({
      origin: "log.example/access",
      treeSize: 11,
      notice: { leafIndex: 6, timeMs: START_MS + 60, kind: 1, count: 3 },
      cosigned: undefined,
    })
    expect(verified.items.map(({ leafIndex, className }) => [leafIndex, className])).toEqual([
      [1, "routine"],
      [2, "forever"],
      [4, "routine"],
    ])
    const [first] = verified.items
    expect(defined(first).timeMs).toBe(START_MS + 10)
    expect(defined(first).commitment).toEqual(defined(log.entries[1]).subarray(-32))
    expect(verified.proven).toBe(
      'The log "log.example/access" has announced as leaf 6 that 3 records are erased for persons; when, is the operator\'s word.',
    )
    expect(verified.notClaimed).toMatch(/^Not claimed: that no copy of these records is left/)
  })

  it("may show a part of what the notice names, and says so", async () => {
    const parts = [[0], [1], [2], [0, 2], [1, 2]] as const
    for (const part of parts) {
      const verified = verify(await certificateOf(log, part))
      expect(verified.items).toHaveLength(part.length)
      expect(verified.proven).toMatch(
        new RegExp(`3 records are erased for persons, of which ${part.length} (is|are) named here`),
      )
    }
  })

  it("is not later than a quorum has seen the notice", async () => {
    const cosigned = retentionLog({}, [1_700_000_500, 1_700_000_400])
    const verified = verify(await certificateOf(cosigned, [0]), WITNESSED_POLICY)
    expect(verified.cosigned).toEqual({ witness: "w1", timeSeconds: 1_700_000_400 })
    expect(verified.proven).toMatch(/, not later than 2023-11-14T22:20:00.000Z\.$/)
    expect(() => verify(whole, WITNESSED_POLICY)).toThrow(refused("VERIFIER_NO_QUORUM"))
    expect(() => verify(whole, OTHER_POLICY)).toThrow(refused("VERIFIER_CHECKPOINT_REFUSED"))
  })

  it("may be of one record, erased for another reason", async () => {
    const tree = new NoticeTree(makeItems([8], (bytes) => bytes.fill(4)))
    const other = retentionLog({ 9: encodeNotice({ kind: 2, count: 1, root: tree.root }, START_MS + 90) })
    expect(verify(await certificateOf(other, [0], tree, 9)).proven).toBe(
      'The log "log.example/access" has announced as leaf 9 that 1 record is erased for another reason; when, is the operator\'s word.',
    )
  })

  it.each([0, 3, 4, 16, 17])("is none for a notice of kind %d", async (kind) => {
    const other = retentionLog({ 6: encodeNotice({ kind, count: 3, root: ERASED.root }, START_MS + 60) })
    expect(verifies(await certificateOf(other, [0]))).toThrow(
      refused(
        "VERIFIER_ENTRY_REFUSED",
        new RegExp(`leaf 6 is a notice of kind ${kind}, which erases nothing`),
      ),
    )
  })

  const verifies = (certificate: Certificate) => () => verify(certificate)

  it("is none without a notice, for what is no event, and for a leaf after it", async () => {
    const event = await shownLeaf(log, 8)
    expect(verifies({ ...whole, notice: event })).toThrow(refused("VERIFIER_ENTRY_REFUSED", /not a notice/))
    for (const [leaf, what] of [
      [3, /leaf 3 is not an event/],
      [10, /leaf 10 came after the notice, which is leaf 6/],
    ] as const) {
      const tree = new NoticeTree(makeItems([leaf], (bytes) => bytes.fill(4)))
      const other = retentionLog({ 6: encodeNotice({ kind: 1, count: 1, root: tree.root }, START_MS + 60) })
      expect(verifies(await certificateOf(other, [0], tree))).toThrow(refused("VERIFIER_ENTRY_REFUSED", what))
    }
    const broken = retentionLog({ 1: Uint8Array.of(0xff) })
    expect(verifies(await certificateOf(broken, [0]))).toThrow(refused("VERIFIER_ENTRY_REFUSED", /leaf 1/))
  })

  it("is none for a leaf that the notice does not name", async () => {
    const [first, second] = whole.items as [Certificate["items"][0], Certificate["items"][0]]
    const item = { ...(await shownLeaf(log, 5)), salt: first.salt, position: 0, noticePath: first.noticePath }
    for (const items of [
      [item],
      [{ ...first, position: 1 }],
      [{ ...second, salt: first.salt }],
      [{ ...second, noticePath: first.noticePath }],
      [{ ...first, noticePath: [] }],
    ]) {
      expect(verifies({ ...whole, items })).toThrow(refused("VERIFIER_NOT_IN_TREE", /is not among those/))
    }
    const lost = await certificateOf(log, [0], LOST)
    expect(verifies(lost)).toThrow(refused("VERIFIER_NOT_IN_TREE", /leaf 5 is not among/))
  })

  it("is none for another entry than the one that was logged", async () => {
    const [first] = whole.items
    const forged = { ...defined(first), entry: opaqueEvent(1, { timeMs: START_MS + DAY_MS }) }
    expect(verifies({ ...whole, items: [forged] })).toThrow(refused("VERIFIER_NOT_IN_TREE", /leaf 1/))
    const entry = encodeNotice({ kind: 1, count: 3, root: ERASED.root }, START_MS)
    expect(verifies({ ...whole, notice: { ...whole.notice, entry } })).toThrow(
      refused("VERIFIER_NOT_IN_TREE"),
    )
  })

  it("holds for any notice of any leaves of any log", async () => {
    // Notices over subsets of the events of a log of 40 leaves, each certificate of a subset of those.
    const { logOf, genesis } = await import("../fixtures/small-log.js")
    const leaves = Array.from({ length: 38 }, (_, i) => i + 1)
    await fc.assert(
      fc.asyncProperty(
        fc.subarray(leaves, { minLength: 1 }),
        fc.infiniteStream(fc.boolean()),
        async (named, picks) => {
          const tree = new NoticeTree(makeItems(named, (bytes) => crypto.getRandomValues(bytes)))
          const notice = encodeNotice({ kind: 2, count: named.length, root: tree.root }, START_MS + 39)
          const some = logOf([genesis(), ...leaves.map((n) => opaqueEvent(n)), notice])
          const picked = named.flatMap((_, i) => (i === 0 || picks.next().value === true ? [i] : []))
          const verified = verify(await certificateOf(some, picked, tree, 39))
          expect(verified.items.map(({ leafIndex }) => leafIndex)).toEqual(picked.map((i) => named[i]))
          expect(verified.notice.count).toBe(named.length)
        },
      ),
      { numRuns: 40 },
    )
  })
})

describe("a certificate as a file", () => {
  it("is read as it was written", () => {
    const text = formatCertificate(whole)
    expect(parseCertificate(text)).toEqual(whole)
    expect(formatCertificate(parseCertificate(new TextEncoder().encode(text)))).toBe(text)
  })

  it.each<[string, (file: Json) => void, RegExp]>([
    ["another format", (file) => (file.format = "prooflog-evidence/1"), /format/],
    ["a name", (file) => (file.subject = "U1"), /"subject", which proves nothing/],
    ["a name in an item", (file) => (file.items[0].user_id = "U1"), /items\[0\] has "user_id", which/],
    ["a reason", (file) => (file.notice.reason = "asked"), /notice has "reason", which/],
    ["no items", (file) => (file.items = []), /no item/],
    ["items out of order", (file) => file.items.reverse(), /items\[1\]: leaf indices do not ascend/],
    ["an item twice", (file) => file.items.push(file.items[2]), /leaf indices do not ascend/],
    [
      "positions out of order",
      (file) => ([file.items[0].position, file.items[1].position] = [1, 0]),
      /positions do not ascend/,
    ],
    ["a position between two", (file) => (file.items[0].position = 0.5), /position is not an integer/],
    ["a short salt", (file) => (file.items[0].salt = "AAAA"), /salt has not 16 bytes/],
    ["a hash too short", (file) => (file.items[0].notice_path[0] = "AAAA"), /notice_path\[0\] is not a hash/],
    ["a list that is too long", (file) => (file.notice.path = Array(54).fill("")), /longer than any tree/],
    ["a leaf below 0", (file) => (file.notice.leaf_index = -1), /leaf_index is not an integer/],
    ["a checkpoint of no text", (file) => (file.checkpoint = 1), /checkpoint is not text/],
    ["items that are none", (file) => (file.items = {}), /items is not an array/],
    ["an item that is none", (file) => (file.items[0] = []), /items\[0\] is not an object/],
    [
      "too many items",
      (file) => (file.items = Array(MAX_CERTIFICATE_ITEMS + 1).fill(file.items[0])),
      /items has more than 4096/,
    ],
  ])("is refused: %s", (_, change, message) => {
    const file = JSON.parse(formatCertificate(whole))
    change(file)
    expect(() => parseCertificate(JSON.stringify(file))).toThrow(
      refused("VERIFIER_MALFORMED_EVIDENCE", message),
    )
  })

  it("is refused for its length, before it is parsed, for its depth, and for what is no UTF-8", () => {
    for (const file of [
      " ".repeat(16 * 1024 * 1024 + 1),
      "[".repeat(6),
      Uint8Array.of(0xff),
      "",
      '{"a":1,"a":1}',
    ])
      expect(() => parseCertificate(file)).toThrow(refused("VERIFIER_MALFORMED_EVIDENCE"))
  })

  it("has room for as many items as it may have, in the highest tree", () => {
    const hash = new Uint8Array(32).fill(255)
    const path = Array.from({ length: 53 }, () => hash)
    const last = 2 ** 53 - 1
    const items = Array.from({ length: MAX_CERTIFICATE_ITEMS }, (_, i) => ({
      leafIndex: last - MAX_CERTIFICATE_ITEMS + i,
      path,
      entry: new Uint8Array(64).fill(255),
      salt: hash.subarray(16),
      position: i,
      // A certificate of all that a notice names; of one that names more, the paths are longer.
      noticePath: path.slice(0, 12),
    }))
    const notice = { leafIndex: last, path, entry: hash }
    expect(parseCertificate(formatCertificate({ ...whole, notice, items })).items).toHaveLength(4096)
  })

  it("is not written if it would not be read", () => {
    expect(() => formatCertificate({ ...whole, items: [] })).toThrow(refused("VERIFIER_MALFORMED_EVIDENCE"))
  })

  /** What a file proves, or that it was refused. Without expect, which would take longer than what it checks. */
  function outcome(file: Uint8Array | string): VerifiedCertificate | "refused" {
    try {
      return verifyCertificate(file, POLICY)
    } catch (error) {
      if (error instanceof VerifierError) return "refused"
      throw error
    }
  }

  it("is refused, or means the same, for every byte changed, dropped or doubled", async () => {
    const some = await certificateOf(log, [1])
    const bytes = new TextEncoder().encode(formatCertificate(some))
    const meaning = JSON.stringify(verify(some))
    let harmless = 0
    for (const { at, middle, bytes: changed } of mangled(bytes, 0x20)) {
      const result = outcome(changed)
      if (result === "refused") continue
      harmless++
      if (JSON.stringify(result) !== meaning) throw new Error(`byte ${at}: ${middle}`)
    }
    // The final line feed, and spaces that were some: nothing else is idle in this format.
    expect(harmless).toBeLessThan(10)
  })

  it("is refused, or names no more, for every member dropped, doubled, moved or added", () => {
    const named = new Map(verify(whole).items.map((item) => [item.leafIndex, JSON.stringify(item)]))
    const { notice } = verify(whole)
    let variants = 0
    for (const variant of jsonMutations(JSON.parse(formatCertificate(whole)))) {
      variants++
      const result = outcome(variant)
      if (result === "refused") continue
      // With an item left out it is a smaller certificate, and as true.
      expect(result.notice).toEqual(notice)
      for (const item of result.items) expect(JSON.stringify(item)).toBe(named.get(item.leafIndex))
    }
    expect(variants).toBeGreaterThan(400)
  })

  it("throws nothing but refusals, whatever it is given", () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
        expect(outcome(text)).toBe("refused")
      }),
    )
  })
})
