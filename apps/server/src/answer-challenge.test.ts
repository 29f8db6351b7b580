import { encodeEventEntry, encodeNotice, NOTICE_KINDS, stampEntryTime } from "@prooflog/event/entry"
import { normalizeEvent } from "@prooflog/event/event"
import { sealRecord } from "@prooflog/event/record"
import { DEFAULT_SCHEDULE } from "@prooflog/event/schedule"
import { encodeTombstone, type Tombstone } from "@prooflog/event/tombstone"
import { LedgerError } from "@prooflog/ledger/error"
import { readAnswers } from "@prooflog/verifier/challenge-answers"
import { makeItems, NoticeTree } from "@prooflog/verifier/notice"
import { describe, expect, it } from "vitest"
import { answerChallenge } from "./answer-challenge.js"
import { ServerError } from "./error.js"
import type { ServedLog } from "./served-log.js"

/** When every leaf was received. */
const TIME_MS = Date.UTC(2026, 0, 1)
const DAY_MS = 86_400_000

/** Day on which a routine record is destroyed. */
const DUE_DAYS = 944

const EVENT = { timestamp: "2026-01-01T00:00:00Z", user_id: "U1", resource_accessed: "/x", result: "success" }
const { record, commitment } = sealRecord(
  normalizeEvent(EVENT as never, { source: "api", source_key_id: "k1", event_id: "e1" } as never),
  new Uint8Array(32),
)

const TREE = new NoticeTree(makeItems([3, 5], (bytes) => bytes.fill(7)))
const NOTICE = stamped(encodeNotice({ kind: NOTICE_KINDS.erasedOtherwise, count: 2, root: TREE.root }))
const ENTRY = stamped(encodeEventEntry("routine", commitment))

function stamped(entry: Uint8Array): Uint8Array {
  stampEntryTime(entry, 0, TIME_MS)
  return entry
}

interface Standing {
  /** Leaf of the only notice. */
  readonly notice?: number
  readonly tombstones?: Readonly<Record<number, Tombstone | Uint8Array>>
  /** What is thrown for a leaf. */
  readonly failing?: Readonly<Record<number, unknown>>
  /** Hashes in a path. */
  readonly height?: number
}

/** Answers a challenge of the first leaves of a log that has these. */
async function answer(leaves: number, standing: Standing = {}, days = 0, keepsItems = true) {
  const { notice, tombstones = {}, failing = {}, height = 1 } = standing
  const told: unknown[] = []
  const asked: number[] = []
  const path = Array.from({ length: height }, () => new Uint8Array(32))
  const reader = {
    inclusionPath: async () => path,
    entry: async (leafIndex: number) => (leafIndex === notice ? NOTICE : ENTRY),
    async storedRecords(some: readonly number[]) {
      asked.push(some.length)
      for (const leafIndex of some) if (leafIndex in failing) throw failing[leafIndex]
      return some.map((leafIndex) => {
        const tombstone = tombstones[leafIndex]
        if (tombstone === undefined)
          return { kind: "record", leafIndex, bytes: leafIndex === notice ? new Uint8Array(0) : record }
        const bytes = tombstone instanceof Uint8Array ? tombstone : encodeTombstone(tombstone)
        return { kind: "tombstone", leafIndex, bytes }
      })
    },
  }
  const schedule = { promises: [[0, DEFAULT_SCHEDULE]] }
  const log = { reader, schedule, report: (error: unknown) => void told.push(error) } as unknown as ServedLog
  const items = TREE.items.map(
    ({ leafIndex, salt }) => [leafIndex, Buffer.from(salt).toString("hex")] as const,
  )
  const cases = {
    notices: () => (keepsItems ? [{ root: Buffer.from(TREE.root).toString("hex"), cases: ["case_1"] }] : []),
    get: () => ({ items }),
  }
  const answered = await answerChallenge(
    log,
    { cases: cases as never, dir: "/nowhere" },
    {
      challenge: { checkpoint: "a note", nonce: new Uint8Array(16), leaves },
      treeSize: leaves,
      leaves: Array.from({ length: leaves }, (_, i) => i),
      withhold: () => new Set<string>(),
      nowMs: TIME_MS + days * DAY_MS,
    },
  )
  const read = [...readAnswers(answered.file).answers]
  return { ...answered, told, asked, said: read.map(({ leafIndex, answer }) => [leafIndex, answer]), read }
}

const ERASED: Tombstone = { state: "destroyed", reason: 2, reference: 8, salt: new Uint8Array(16).fill(7) }
const EXPIRED: Tombstone = { state: "destroyed", reason: 0, reference: 0 }

describe("answers to a challenge", () => {
  it("are in their order, of as many leaves as are asked for, with few askings", async () => {
    const { said, counts, silent, asked } = await answer(2_500, { notice: 8 })
    expect(said.map(([leafIndex]) => leafIndex)).toEqual(Array.from({ length: 2_500 }, (_, i) => i))
    expect({ counts, silent }).toEqual({
      counts: { record: 2_499, due: 0, noticed: 0, held: 0, "no-event": 1 },
      silent: 0,
    })
    expect(asked).toEqual([1_024, 1_024, 452])
  })

  it("show of what was erased that a notice named it, with the proof of its item", async () => {
    const { said, read } = await answer(9, { notice: 8, tombstones: { 3: ERASED, 5: ERASED } })
    expect(said.filter(([, kind]) => kind === "noticed")).toEqual([
      [3, "noticed"],
      [5, "noticed"],
    ])
    expect(read[5]).toMatchObject({
      notice: { leafIndex: 8, entry: NOTICE },
      item: { position: 1, salt: TREE.items[1]?.salt, noticePath: TREE.prove(1).noticePath },
    })
  })

  it("claim nothing that does not hold: what is gone without an excuse is left out", async () => {
    // Destroyed before its time; by a notice that is not under this head, or does not name it.
    const gone = { 2: EXPIRED, 3: { ...ERASED, reference: 9 } as Tombstone, 4: ERASED }
    const { said, silent, told } = await answer(9, { notice: 8, tombstones: gone })
    expect(said.map(([leafIndex]) => leafIndex)).toEqual([0, 1, 5, 6, 7, 8])
    expect({ silent, told }).toEqual({ silent: 3, told: [] })
    // Once their time is over, all of them need no other excuse.
    const later = await answer(9, { notice: 8, tombstones: gone }, DUE_DAYS)
    expect(later.said.filter(([, kind]) => kind === "due")).toEqual([
      [2, "due"],
      [3, "due"],
      [4, "due"],
    ])
    expect((await answer(9, { notice: 8, tombstones: gone }, DUE_DAYS - 1)).counts.due).toBe(0)
  })

  it("leave out what is damaged or missing, and nothing else, and the operator is told", async () => {
    const missing = new LedgerError("LEDGER_MISSING_RECORD", "leaf 700", { leafIndex: 700 })
    const damaged = new ServerError("SERVER_ARCHIVE_DAMAGED", "leaf 3")
    const { said, silent, told } = await answer(1_500, {
      failing: { 3: damaged, 700: missing },
      tombstones: { 9: Uint8Array.of(0x83, 9, 9, 9) },
    })
    expect(silent).toBe(3)
    expect([3, 9, 700].filter((leaf) => said.some(([leafIndex]) => leafIndex === leaf))).toEqual([])
    expect(told).toHaveLength(3)
    expect(told).toEqual(expect.arrayContaining([damaged, missing]))
  })

  it("are none at all where the log cannot be read now, or there is a bug", async () => {
    for (const error of [
      new ServerError("SERVER_ARCHIVE_UNAVAILABLE", "a segment is not there"),
      new LedgerError("LEDGER_STORAGE_FAILED", "the disk is gone"),
      new Error("bug"),
    ])
      await expect(answer(9, { failing: { 3: error } })).rejects.toBe(error)
  })

  it("leave out what a notice named if nobody knows any more what it named", async () => {
    const tombstones = { 3: ERASED, 5: ERASED }
    const { silent, told } = await answer(9, { notice: 8, tombstones }, 0, false)
    expect(silent).toBe(2)
    expect(told).toEqual([expect.objectContaining({ code: "SERVER_MALFORMED_FOLDER", leafIndex: 8 })])
    expect((await answer(9, { notice: 8, tombstones }, DUE_DAYS, false)).counts.due).toBe(2)
  })

  it("have so many bytes, and no more", async () => {
    await expect(answer(40, { height: 50_000 })).rejects.toMatchObject({
      code: "SERVER_CHALLENGE_TOO_LARGE",
      parameter: "leaves",
    })
  })
})
