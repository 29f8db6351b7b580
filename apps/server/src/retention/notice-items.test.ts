import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { encodeHex } from "@prooflog/tlog/base64"
import { makeItems, NoticeTree } from "@prooflog/verifier/notice"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { caseItem, type EraseCase, type NoticeFile } from "./case-file.js"
import { noticeTree } from "./notice-items.js"

const ITEMS = makeItems([4, 7, 9], (bytes) => void crypto.getRandomValues(bytes))
const { root } = new NoticeTree(ITEMS)

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "prooflog-items-"))
  await mkdir(join(dir, "retention", "lost"), { recursive: true })
})
afterAll(() => rm(dir, { recursive: true }))

describe("the items of an erasure", () => {
  const [first, second, third] = ITEMS.map(caseItem)
  const one = { items: [first, third], spared: [] } as unknown as EraseCase
  const other = { items: [], spared: [second] } as unknown as EraseCase
  const known = new Map([
    ["case_1", one],
    ["case_2", other],
  ])
  const notices = [
    { root: "00", cases: ["case_2"] },
    { root: encodeHex(root), cases: ["case_1", "case_2"] },
  ] as unknown as NoticeFile[]
  const find = (get: (id: string) => EraseCase | undefined, files = notices, wanted = root) =>
    noticeTree({ cases: { get, notices: () => files }, dir }, 12, { kind: 1, root: wanted })

  it("are those of all cases that were announced together, what a hold spared among them", async () => {
    expect((await find((id) => known.get(id)))?.items).toEqual(ITEMS)
  })

  it("are not found where a case or the notice is gone, or the items make another root", async () => {
    expect(await find((id) => (id === "case_1" ? one : undefined))).toBeUndefined()
    expect(await find(() => undefined)).toBeUndefined()
    expect(await find((id) => known.get(id), [])).toBeUndefined()
    expect(await find((id) => known.get(id), notices, new Uint8Array(32))).toBeUndefined()
  })
})

describe("the items of what was lost", () => {
  const cases = { get: () => undefined, notices: () => [] }
  const file = (change: object = {}) =>
    JSON.stringify({
      format: "prooflog-lost/1",
      kind: 3,
      leaf: 12,
      count: 3,
      items: ITEMS.map(caseItem),
      ...change,
    })
  const find = async (text: string, leaf = 12) => {
    await writeFile(join(dir, "retention", "lost", "12.json"), text)
    return noticeTree({ cases, dir }, leaf, { kind: 3, root })
  }

  it("are in the file of its notice", async () => {
    expect((await find(file()))?.items).toEqual(ITEMS)
    expect(await find(file(), 13)).toBeUndefined()
    expect(await find(file({ items: ITEMS.slice(1).map(caseItem) }))).toBeUndefined()
    expect(await find(file({ items: [] }))).toBeUndefined()
  })

  it("are refused where the file is damaged", async () => {
    for (const text of [
      "{",
      "null",
      file({ format: "prooflog-lost/2" }),
      file({ items: "all" }),
      file({ items: [...ITEMS].reverse().map(caseItem) }),
      file({ items: [null] }),
      file({ items: [[4, 7]] }),
    ])
      await expect(find(text)).rejects.toMatchObject({ code: "SERVER_MALFORMED_FOLDER" })
  })
})
