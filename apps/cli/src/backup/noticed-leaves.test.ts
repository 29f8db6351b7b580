import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type CaseItem, type CaseState, type EraseCase, formatCase } from "@prooflog/server/case-file"
import { formatHolds } from "@prooflog/server/hold-file"
import { encodeHex } from "@prooflog/tlog/base64"
import { NoticeTree } from "@prooflog/verifier/notice"
import { afterEach, describe, expect, it } from "vitest"
import { noticedLeaves, type PlacedNotice, withCases } from "./noticed-leaves.js"

const NOTICE_MS = Date.parse("2026-03-01T12:00:00Z")

function item(leaf: number): CaseItem {
  return [leaf, encodeHex(new Uint8Array(16).fill(leaf))]
}

function itemOf(leaf: number) {
  return { leafIndex: leaf, salt: new Uint8Array(16).fill(leaf) }
}

function aCase(
  n: number,
  state: CaseState,
  leaves: readonly number[],
  spared: readonly number[] = [],
): EraseCase {
  return {
    id: `case_${String(n).padStart(16, "0")}`,
    kind: 1,
    why: "request 17",
    state,
    asked: { at: "2026-03-01T11:00:00Z", by: "0a0b0c0d" },
    notice: "notice_0123456789abcdef",
    items: leaves.map(item),
    spared: spared.map(item),
  }
}

function filesOf(...cases: readonly EraseCase[]): Map<string, Uint8Array> {
  return new Map(cases.map((one) => [`retention/cases/${one.id}.json`, Buffer.from(formatCase(one))]))
}

/** The notice at leaf 50 that names these. */
function noticeOf(leaves: readonly number[], kind = 1): PlacedNotice {
  const { root } = new NoticeTree(leaves.map(itemOf))
  return { leafIndex: 50, notice: { kind, count: leaves.length, root, timeMs: NOTICE_MS } }
}

function heldSince(at: string, isLifted = false): Uint8Array {
  const act = { at, by: "0a0b0c0d", notice: { kind: 16, count: 0, root: "00".repeat(32), from: 1, leaf: 40 } }
  const hold = { id: "hold_0123456789abcdef", scope: { user_id: "U9" }, why: "a suit", placed: act }
  return Buffer.from(formatHolds([isLifted ? { ...hold, released: act } : hold]))
}

const NONE = new Map()

describe("leaves that notices name", () => {
  it("are those of the cases that were announced together, each with its salt and the notice", () => {
    const files = filesOf(aCase(1, "gone", [3, 9]), aCase(2, "withdrawn", [5]))
    const found = noticedLeaves([noticeOf([3, 5, 9])], files, NONE)
    expect([...found.keys()].sort()).toEqual([3, 5, 9])
    expect(found.get(5)).toEqual({ state: "destroyed", reason: 1, reference: 50, salt: itemOf(5).salt })
  })

  it("are not those that were spared, unless another case of that day erases them", () => {
    const files = filesOf(aCase(1, "gone", [3], [5, 9]), aCase(2, "gone", [9]))
    expect([...noticedLeaves([noticeOf([3, 5, 9])], files, NONE).keys()].sort()).toEqual([3, 9])
  })

  it("are known by the tombstones of the backup, too, and then need no case", () => {
    const buried = new Map([[50, [itemOf(9), itemOf(3)]]])
    expect(noticedLeaves([noticeOf([3, 9])], NONE, buried).size).toBe(0)
  })

  it.each([
    ["there are no cases", () => NONE, NONE],
    ["a case is missing of those announced together", () => filesOf(aCase(1, "gone", [3])), NONE],
    ["the cases are of another notice", () => filesOf(aCase(1, "gone", [3, 8])), NONE],
    ["some of its tombstones are missing", () => NONE, new Map([[50, [itemOf(3)]]])],
  ])("are unknown, and the notice is named, where %s", (_, files, buried) => {
    const refused = expect.objectContaining({
      code: "CLI_RESTORE_REFUSED",
      details: expect.arrayContaining(["the notice at leaf 50 is of no case in the backup"]),
    })
    expect(() => noticedLeaves([noticeOf([3, 9])], files(), buried)).toThrow(refused)
  })

  it("are not asked for of holds, and of what was lost", () => {
    const notices = [3, 16, 17].map((kind) => noticeOf([3], kind))
    expect(noticedLeaves(notices, NONE, NONE).size).toBe(0)
  })

  describe("where a hold is in force", () => {
    const files = (state: CaseState, holds: Uint8Array) =>
      filesOf(aCase(1, state, [3])).set("retention/holds.json", holds)
    const AFTER = "2026-03-01T12:00:01Z"

    it("that was placed after the notice, are left to the server while nothing was destroyed", () => {
      expect(noticedLeaves([noticeOf([3])], files("noticed", heldSince(AFTER)), NONE).size).toBe(0)
    })

    it.each([
      ["was placed before: it had its say", "noticed", heldSince("2026-03-01T11:59:59Z")],
      ["is lifted", "noticed", heldSince(AFTER, true)],
      ["came when they were destroyed", "withdrawn", heldSince(AFTER)],
    ] as const)("and it %s, are erased", (_, state, holds) => {
      expect(noticedLeaves([noticeOf([3])], files(state, holds), NONE).size).toBe(1)
    })
  })
})

describe("cases that are given beside a backup", () => {
  let folder = ""
  afterEach(() => rm(folder, { recursive: true, force: true }))

  it("are added, and of two the one that came further is taken", async () => {
    folder = await mkdtemp(join(tmpdir(), "prooflog-cases-"))
    await mkdir(join(folder, "cases"))
    for (const one of [aCase(1, "noticed", [3]), aCase(2, "gone", [5]), aCase(3, "queued", [7])])
      await writeFile(join(folder, "cases", `${one.id}.json`), formatCase(one))
    await writeFile(join(folder, "promises.json"), "{}")
    const merged = await withCases(filesOf(aCase(1, "gone", [3]), aCase(2, "noticed", [5])), folder)
    const states = [...merged].map(([name, bytes]) => [
      name.slice(-7),
      JSON.parse(Buffer.from(bytes).toString()).state,
    ])
    expect(states).toEqual([
      ["01.json", "gone"],
      ["02.json", "gone"],
      ["03.json", "queued"],
    ])
  })

  it("must be there", async () => {
    folder = await mkdtemp(join(tmpdir(), "prooflog-cases-"))
    await expect(withCases(NONE, folder)).rejects.toMatchObject({ code: "CLI_FILE" })
    await expect(withCases(NONE, join(folder, "none"))).rejects.toMatchObject({ code: "CLI_FILE" })
  })
})
