import { disclose } from "@prooflog/event/disclosure"
import { encodeNotice } from "@prooflog/event/entry"
import { encodeBase64 } from "@prooflog/tlog/base64"
import { openCheckpoint } from "@prooflog/tlog/policy"
import fc from "fast-check"
import { beforeAll, describe, expect, it } from "vitest"
import { jsonMutations } from "../fixtures/json-mutations.js"
import {
  answersOf,
  DAY_MS,
  ERASED,
  HOLD,
  heldAnswer,
  LOST,
  PROMISES,
  retentionLog,
  shownLeaf,
} from "../fixtures/retention-log.js"
import {
  defined,
  event,
  mangled,
  OTHER_POLICY,
  opaqueEvent,
  POLICY,
  type SmallLog,
  START_MS,
  WITNESSED_POLICY,
} from "../fixtures/small-log.js"
import { type Challenge, drawLeaves } from "./challenge.js"
import { ANSWERS, type Answer, formatAnswers, readAnswers } from "./challenge-answers.js"
import { VerifierError } from "./error.js"
import { type JudgedChallenge, type JudgedLeaf, judgeAnswer, judgeChallenge } from "./judge-challenge.js"

// biome-ignore lint/suspicious/noExplicitAny: a good file, parsed, about to be broken in one place
type Json = any

const NONCE = Uint8Array.from({ length: 16 }, (_, i) => 0xc0 + i)
const GROUND = { promises: PROMISES, atMs: START_MS + DAY_MS }

const refused = (code: string, message: RegExp = /./) =>
  expect.objectContaining({ name: "VerifierError", code, message: expect.stringMatching(message) })

let log: SmallLog
let honest: readonly Answer[]
beforeAll(async () => {
  log = retentionLog()
  honest = await answersOf(log)
})

const challengeOf = (leaves: number, of = log): Challenge => ({
  checkpoint: of.checkpoint,
  nonce: NONCE,
  leaves,
})

const fileOf = (answers: Iterable<Answer>, challenge = challengeOf(11)) =>
  [...formatAnswers(challenge, answers)].join("")

const judgeFile = (answers: Iterable<Answer>, options = {}): JudgedChallenge =>
  judgeChallenge(fileOf(answers), POLICY, { ...GROUND, ...options })

/** The verdict of one answer in place of the honest one. */
const judgeOne = (answer: Answer, ground = GROUND, of = log): JudgedLeaf =>
  judgeAnswer(answer, openCheckpoint(of.checkpoint, POLICY), ground)

const answerAt = <T extends Answer["answer"]>(leafIndex: number, kind: T) => {
  const answer = defined(honest[leafIndex])
  if (answer.answer !== kind) throw new Error(`bug: leaf ${leafIndex} is answered ${answer.answer}`)
  return answer as Extract<Answer, { answer: T }>
}

describe("answers to a challenge", () => {
  it("are judged leaf by leaf", () => {
    const judged = judgeFile(honest)
    expect(judged.leaves.map(({ verdict }) => verdict)).toEqual([
      "no-event",
      "noticed",
      "noticed",
      "no-event",
      "noticed",
      "noticed",
      "no-event",
      "no-event",
      "kept",
      "no-event",
      "kept",
    ])
    expect(judged.counts).toEqual({
      kept: 2,
      due: 0,
      noticed: 4,
      "no-event": 5,
      "in-part": 0,
      held: 0,
      unanswered: 0,
      refused: 0,
    })
    expect(judged).toMatchObject({ outcome: "kept", origin: "log.example/access", treeSize: 11 })
    expect(judged.proven).toBe(
      'All 11 leaves drawn among the 11 of the log "log.example/access" are kept, or their absence is excused; had one record in a hundred been lost without excuse, it would have been found with 10.4 %.',
    )
    expect(judged.notClaimed).toMatch(/^Not claimed: .* that no destroyed record has a copy left/)
    expect(judged.leaves[1]).toEqual({
      leafIndex: 1,
      verdict: "noticed",
      className: "routine",
      kind: 1,
      noticeLeaf: 6,
    })
    expect(judged.leaves[5]).toMatchObject({ kind: 3, noticeLeaf: 9 })
    expect(judged.leaves[8]).toMatchObject({
      event: { leafIndex: 8, className: "routine" },
      isOverdue: false,
    })
  })

  it("need be of the leaves that were drawn only, and of all of them", () => {
    const challenge = challengeOf(4)
    const drawn = drawLeaves(openCheckpoint(log.checkpoint, POLICY).checkpoint, challenge)
    const drawnAnswers = honest.filter(({ leafIndex }) => drawn.includes(leafIndex))
    const judge = (answers: readonly Answer[]) =>
      judgeChallenge(fileOf(answers, challenge), POLICY, { ...GROUND, challenge })
    expect(judge(drawnAnswers)).toMatchObject({ outcome: "kept" })
    expect(judge(drawnAnswers).leaves.map(({ leafIndex }) => leafIndex)).toEqual(drawn.sort((a, b) => a - b))
    for (const { leafIndex } of drawnAnswers) {
      const judged = judge(drawnAnswers.filter((answer) => answer.leafIndex !== leafIndex))
      expect(judged.outcome).toBe("open")
      expect(judged.leaves.find((leaf) => leaf.leafIndex === leafIndex)).toEqual({
        leafIndex,
        verdict: "unanswered",
      })
      expect(judged.proven).toMatch(/Of 4 leaves drawn among the 11 .* 3 were found .*, and 1 were not/)
    }
    expect(() => judge(honest)).toThrow(refused("VERIFIER_MALFORMED_EVIDENCE", /was not drawn/))
    expect(judge([]).counts.unanswered).toBe(4)
  })

  it("are read one by one: what comes after one that was not drawn is not looked at", () => {
    const text = fileOf(honest.slice(0, 1), challengeOf(1)).replace(/\]\}\n$/, ",nothing]}")
    expect(() => judgeChallenge(text, POLICY, GROUND)).toThrow(/was not drawn|answers\[1\]/)
  })

  it("must be to the challenge that was sent", () => {
    const text = fileOf(honest)
    const challenge = challengeOf(11)
    expect(judgeChallenge(text, POLICY, { ...GROUND, challenge }).outcome).toBe("kept")
    for (const other of [
      { ...challenge, leaves: 10 },
      { ...challenge, nonce: new Uint8Array(16) },
      { ...challenge, checkpoint: retentionLog({}, [1_700_000_000]).checkpoint },
    ]) {
      expect(() => judgeChallenge(text, POLICY, { ...GROUND, challenge: other })).toThrow(
        refused("VERIFIER_MALFORMED_EVIDENCE", /another challenge/),
      )
    }
  })

  it("are judged under the auditor's policy", () => {
    const text = fileOf(honest)
    expect(() => judgeChallenge(text, OTHER_POLICY, GROUND)).toThrow(refused("VERIFIER_CHECKPOINT_REFUSED"))
    expect(() => judgeChallenge(text, WITNESSED_POLICY, GROUND)).toThrow(refused("VERIFIER_NO_QUORUM"))
    const more = fileOf([], { ...challengeOf(11), leaves: 12 })
    expect(() => judgeChallenge(more, POLICY, GROUND)).toThrow(
      refused("VERIFIER_MALFORMED_EVIDENCE", /more leaves are drawn/),
    )
  })
})

describe("a record as an answer", () => {
  it("is kept in part where names are withheld that this auditor may see", () => {
    const answer = {
      ...answerAt(8, "record"),
      disclosure: disclose(event(8).record, new Set(["ip_address", "user_id"])),
    }
    expect(judgeOne(answer)).toMatchObject({
      verdict: "in-part",
      event: { withheld: ["user_id", "ip_address"] },
    })
    const ground = { ...GROUND, mayWithhold: ["user_id", "ip_address"] }
    expect(judgeOne(answer, ground)).toMatchObject({ verdict: "kept" })
    expect(judgeOne(answer, { ...GROUND, mayWithhold: ["user_id"] } as typeof GROUND).verdict).toBe("in-part")
    expect(judgeFile(honest.with(8, answer)).outcome).toBe("open")
  })

  it("is noted where its time to be destroyed has come", () => {
    const due = START_MS + 80 + 50 * DAY_MS
    expect(judgeOne(answerAt(8, "record"), { ...GROUND, atMs: due - 1 })).toMatchObject({ isOverdue: false })
    expect(judgeOne(answerAt(8, "record"), { ...GROUND, atMs: due })).toMatchObject({
      verdict: "kept",
      isOverdue: true,
    })
    expect(judgeOne(answerAt(10, "record"), { ...GROUND, atMs: 2 ** 53 })).toMatchObject({ isOverdue: false })
  })

  it("is refused if it is another's", () => {
    const answer = { ...answerAt(8, "record"), disclosure: answerAt(10, "record").disclosure }
    expect(judgeOne(answer)).toMatchObject({
      verdict: "refused",
      error: { code: "VERIFIER_DISCLOSURE_REFUSED" },
    })
    expect(judgeFile(honest.with(8, answer)).outcome).toBe("not-kept")
  })
})

describe("the answer that a record was due", () => {
  const judgeDue = async (leafIndex: number, atMs: number) =>
    judgeOne({ ...(await shownLeaf(log, leafIndex)), answer: "due" }, { ...GROUND, atMs })

  it("holds from the day that its own schedule names", async () => {
    for (const [leafIndex, days, by] of [
      [1, 20, 0],
      [4, 50, 3],
      [8, 50, 3],
    ] as const) {
      const dueMs = START_MS + leafIndex * 10 + days * DAY_MS
      expect(await judgeDue(leafIndex, dueMs)).toEqual({
        leafIndex,
        verdict: "due",
        className: "routine",
        dueMs,
        by,
      })
      const early = await judgeDue(leafIndex, dueMs - 1)
      expect(early).toMatchObject({
        verdict: "refused",
        error: { code: "VERIFIER_MISSING_RECORD", leafIndex },
      })
    }
  })

  it("never holds for a class that is never destroyed", async () => {
    for (const leafIndex of [2, 10]) {
      expect(await judgeDue(leafIndex, 2 ** 53)).toMatchObject({
        verdict: "refused",
        error: refused("VERIFIER_MISSING_RECORD", /never/),
      })
    }
  })

  it("is refused for what is no event, and for a class without a schedule", async () => {
    expect(await judgeDue(6, 2 ** 53)).toMatchObject({ error: { code: "VERIFIER_ENTRY_REFUSED" } })
    const strange = retentionLog({ 8: opaqueEvent(8, { className: "secret", timeMs: START_MS + 80 }) })
    const answer: Answer = { ...(await shownLeaf(strange, 8)), answer: "due" }
    expect(judgeOne(answer, { ...GROUND, atMs: 2 ** 53 }, strange)).toMatchObject({
      error: { code: "VERIFIER_UNKNOWN_CLASS" },
    })
  })
})

describe("the answer that a notice named a leaf", () => {
  it("holds under the notice that names it, and no other", async () => {
    const answer = answerAt(1, "noticed")
    const wrong = async (change: Partial<typeof answer>) => judgeOne({ ...answer, ...change })
    const proof = (tree: typeof ERASED, i: number) => {
      const { leafIndex: _, ...item } = tree.prove(i)
      return item
    }
    expect(judgeOne(answer)).toMatchObject({ verdict: "noticed" })
    for (const changed of [
      { item: proof(ERASED, 1) },
      { item: proof(LOST, 0) },
      { notice: await shownLeaf(log, 9) },
      { notice: { ...(await shownLeaf(log, 6)), leafIndex: 9 } },
    ]) {
      expect(await wrong(changed)).toMatchObject({
        verdict: "refused",
        error: { code: "VERIFIER_NOT_IN_TREE" },
      })
    }
    expect(await wrong({ notice: await shownLeaf(log, 8) })).toMatchObject({
      error: { code: "VERIFIER_ENTRY_REFUSED" },
    })
  })

  it("does not hold under a notice after the head", async () => {
    // The same log two leaves earlier: the loss of leaf 5 was not yet said.
    const { entries } = log
    const earlier = { ...log, entries: entries.slice(0, 9) }
    const { logOf } = await import("../fixtures/small-log.js")
    const small = logOf(earlier.entries)
    const answer = { ...answerAt(5, "noticed"), ...(await shownLeaf(small, 5)) }
    expect(judgeOne(answer, GROUND, small)).toMatchObject({
      error: { code: "VERIFIER_NOT_IN_TREE", leafIndex: 9 },
    })
  })

  it("does not hold under a hold, a kind of a later version, or a notice before the leaf", async () => {
    for (const kind of [0, 4, 16, 17]) {
      const other = retentionLog({ 6: encodeNotice({ kind, count: 3, root: ERASED.root }, START_MS + 60) })
      const answer = {
        ...answerAt(1, "noticed"),
        ...(await shownLeaf(other, 1)),
        notice: await shownLeaf(other, 6),
      }
      expect(judgeOne(answer, GROUND, other)).toMatchObject({
        verdict: "refused",
        error: refused("VERIFIER_MISSING_RECORD", new RegExp(`kind ${kind}`)),
      })
    }
    // A notice that names a leaf of the future: leaf 10, said at leaf 3.
    const { NoticeTree, makeItems } = await import("./notice.js")
    const tree = new NoticeTree(makeItems([10], (bytes) => bytes.fill(1)))
    const early = retentionLog({ 3: encodeNotice({ kind: 1, count: 1, root: tree.root }, START_MS + 30) })
    const { leafIndex: _, ...item } = tree.prove(0)
    const answer: Answer = {
      ...(await shownLeaf(early, 10)),
      answer: "noticed",
      notice: await shownLeaf(early, 3),
      item,
    }
    expect(judgeOne(answer, GROUND, early)).toMatchObject({
      error: refused("VERIFIER_MISSING_RECORD", /the notice came before it/),
    })
  })
})

describe("the answer that a record is held", () => {
  it("leaves it open, with what is shown of the hold", async () => {
    const answer = await heldAnswer(log, 8)
    expect(judgeOne(answer)).toMatchObject({
      verdict: "held",
      holdLeaf: 7,
      hold: { resource_accessed: "case 17", result: "success" },
    })
    expect(judgeFile(honest.with(8, answer)).outcome).toBe("open")
  })

  it("is refused without a hold in the tree that its text opens", async () => {
    const answer = (await heldAnswer(log, 8)) as Extract<Answer, { answer: "held" }>
    const code = (changed: Partial<typeof answer>) => {
      const judged = judgeOne({ ...answer, ...changed })
      return judged.verdict === "refused" ? judged.error.code : judged.verdict
    }
    expect(code({})).toBe("held")
    expect(code({ hold: await shownLeaf(log, 6) })).toBe("VERIFIER_MISSING_RECORD")
    expect(code({ hold: await shownLeaf(log, 8) })).toBe("VERIFIER_ENTRY_REFUSED")
    expect(code({ disclosure: disclose(event(8).record, new Set()) })).toBe("VERIFIER_DISCLOSURE_REFUSED")
    const lifted = retentionLog({
      7: encodeNotice({ kind: 17, count: 0, root: HOLD.commitment }, START_MS + 70),
    })
    expect(judgeOne(await heldAnswer(lifted, 8), GROUND, lifted)).toMatchObject({
      error: { code: "VERIFIER_MISSING_RECORD" },
    })
  })
})

describe("the answer that a leaf is no event", () => {
  it("is refused for an event", async () => {
    for (const leafIndex of [1, 8]) {
      expect(judgeOne({ ...(await shownLeaf(log, leafIndex)), answer: "no-event" })).toMatchObject({
        verdict: "refused",
        error: { code: "VERIFIER_MISSING_RECORD", leafIndex },
      })
    }
  })

  it("is refused for a leaf that is not in the tree, or no entry", async () => {
    const leaf = await shownLeaf(log, 3)
    expect(judgeOne({ ...leaf, leafIndex: 0, answer: "no-event" })).toMatchObject({
      error: { code: "VERIFIER_NOT_IN_TREE" },
    })
    const broken = retentionLog({ 3: Uint8Array.of(0xff) })
    expect(judgeOne({ ...(await shownLeaf(broken, 3)), answer: "no-event" }, GROUND, broken)).toMatchObject({
      error: { code: "VERIFIER_ENTRY_REFUSED", leafIndex: 3 },
    })
  })
})

describe("answers as a file", () => {
  let every: readonly Answer[]
  beforeAll(async () => {
    // One of each kind: due at leaf 4 (judged when it is), held at leaf 10.
    const due: Answer = { ...(await shownLeaf(log, 4)), answer: "due" }
    every = [...honest.slice(0, 4), due, ...honest.slice(5, 10), await heldAnswer(log, 10)]
  })
  const LATER = { ...GROUND, atMs: START_MS + 60 * DAY_MS }

  it("are read as they were written, with answers of every kind", () => {
    const { challenge, answers } = readAnswers(fileOf(every))
    const read = [...answers]
    expect(challenge).toEqual(challengeOf(11))
    expect(fileOf(read)).toBe(fileOf(every))
    expect(new Set(read.map(({ answer }) => answer))).toEqual(new Set(ANSWERS))
    const judged = judgeChallenge(fileOf(every), POLICY, LATER)
    expect(judged.counts).toMatchObject({ kept: 1, due: 1, noticed: 3, "no-event": 5, held: 1, refused: 0 })
  })

  it("are not written out of order", () => {
    const reversed = [...honest].reverse()
    expect(() => fileOf(reversed)).toThrow(RangeError)
    expect(() => fileOf([defined(honest[0]), defined(honest[0])])).toThrow(RangeError)
  })

  it.each<[string, (file: Json) => void, RegExp]>([
    ["another format", (file) => (file.format = "prooflog-challenge/1"), /format/],
    ["a member more", (file) => (file.title = "all well"), /"title", which proves nothing/],
    ["no answers", (file) => delete file.answers, /no "answers"/],
    ["an unknown answer", (file) => (file.answers[0].answer = "trust me"), /answer is none of record, due/],
    [
      "an answer that every object has by birth",
      (file) => (file.answers[0].answer = "constructor"),
      /is none of/,
    ],
    ["no answer", (file) => delete file.answers[0].answer, /is none of/],
    [
      "an excuse beside a record",
      (file) => (file.answers[8].notice = file.answers[1].notice),
      /"notice", which/,
    ],
    ["a record beside an excuse", (file) => (file.answers[4].core = file.answers[8].core), /"core", which/],
    ["leaves that descend", (file) => file.answers.reverse(), /do not ascend/],
    ["a leaf twice", (file) => file.answers.push(file.answers[10]), /do not ascend/],
    ["a short salt", (file) => (file.answers[1].salt = "AAAA"), /salt has not 16 bytes/],
    ["a position below 0", (file) => (file.answers[1].position = -1), /position is not an integer/],
    [
      "a path that is too long",
      (file) => (file.answers[1].notice_path = Array(54).fill("")),
      /longer than any/,
    ],
    ["a notice with a word", (file) => (file.answers[1].notice.why = "asked"), /"why", which proves nothing/],
    ["a short nonce", (file) => (file.nonce = "AAAA"), /nonce has not 16 bytes/],
    ["no leaves", (file) => (file.leaves = 0), /leaves is not/],
  ])("are refused: %s", (_, change, message) => {
    const file = JSON.parse(fileOf(every))
    change(file)
    expect(() => judgeChallenge(JSON.stringify(file), POLICY, LATER)).toThrow(
      refused("VERIFIER_MALFORMED_EVIDENCE", message),
    )
  })

  const only = (leaves: readonly number[]) => every.filter(({ leafIndex }) => leaves.includes(leafIndex))

  /** What a file comes to: refused, or verdicts. Without expect, which would take longer than what it checks. */
  function outcome(file: Uint8Array | string, challenge = challengeOf(11)): JudgedChallenge | "refused" {
    try {
      return judgeChallenge(file, POLICY, { ...LATER, challenge })
    } catch (error) {
      if (error instanceof VerifierError) return "refused"
      throw error
    }
  }

  /** Whether nothing is better in `judged` than it was: a verdict may become a refusal or silence, and nothing else. */
  function isNoBetter(judged: JudgedChallenge, honestly: JudgedChallenge): boolean {
    return judged.leaves.every((leaf) => {
      if (leaf.verdict === "refused" || leaf.verdict === "unanswered") return true
      const before = honestly.leaves.find(({ leafIndex }) => leafIndex === leaf.leafIndex)
      return JSON.stringify(leaf) === JSON.stringify(before)
    })
  }

  it("are refused, or say no more, for every byte changed, dropped or doubled", () => {
    const honestly = judgeChallenge(fileOf(every), POLICY, LATER)
    // The others have no member that these have not.
    const bytes = new TextEncoder().encode(fileOf(only([1, 10])))
    let harmless = 0
    for (const { at, middle, bytes: changed } of mangled(bytes, 0x20)) {
      const judged = outcome(changed)
      if (judged === "refused") continue
      if (!isNoBetter(judged, honestly)) throw new Error(`byte ${at}: ${middle}`)
      if (judged.counts.refused === 0) harmless++
    }
    // The final line feed, and spaces that were some: nothing else is idle in this format.
    expect(harmless).toBeLessThan(10)
  })

  it("are refused, or say no more, for every member dropped, doubled, moved or added", () => {
    const honestly = judgeChallenge(fileOf(every), POLICY, LATER)
    let variants = 0
    for (const variant of jsonMutations(JSON.parse(fileOf(only([1, 4, 6, 8, 10]))))) {
      variants++
      const judged = outcome(variant)
      if (judged !== "refused" && !isNoBetter(judged, honestly)) throw new Error(variant.slice(0, 2000))
    }
    expect(variants).toBeGreaterThan(1000)
  })

  it("cannot be told of more records than there are, whatever leaves are claimed to be drawn", () => {
    fc.assert(
      fc.property(fc.subarray([...every]), fc.integer({ min: 1, max: 11 }), (some, leaves) => {
        const challenge = challengeOf(leaves)
        const judged = outcome(fileOf(some, challenge), challenge)
        if (judged === "refused") return
        expect(judged.leaves).toHaveLength(leaves)
        const { unanswered, ...said } = judged.counts
        expect(unanswered).toBe(leaves - some.length)
        expect(Object.values(said).reduce((a, b) => a + b)).toBe(some.length)
      }),
    )
  })

  it("is refused where a number has two readings, as evidence is", () => {
    const text = fileOf(every).replace(/"leaf_index":8,/, '"leaf_index":8.00000000000000000001,')
    expect(() => judgeChallenge(text, POLICY, LATER)).toThrow(
      refused("VERIFIER_MALFORMED_EVIDENCE", /answers\[8\] has a number that can be read in two ways/),
    )
  })

  it("says nothing of a hostile file but that it is one", () => {
    for (const text of [
      `{"answers":[${"[".repeat(100)}`,
      "[[[[]]]]",
      "",
      '"',
      `{"answers":[{"answer":"due"}]}`,
    ])
      expect(outcome(text)).toBe("refused")
    expect(outcome(Uint8Array.of(0xff))).toBe("refused")
    expect(encodeBase64(NONCE)).toBe(JSON.parse(fileOf(every)).nonce)
  })
})
