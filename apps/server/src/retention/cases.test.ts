import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { type EraseCase, personsOf, restId } from "./case-file.js"
import { openState, writeState } from "./case-folder.js"
import { CaseStore } from "./cases.js"

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "prooflog-cases-"))
})
afterEach(() => rm(root, { recursive: true }))

const one: EraseCase = {
  id: "case_0123456789abcdef",
  kind: 1,
  scope: { user_id: "U1" },
  why: "request 17",
  state: "queued",
  asked: { at: "2026-03-01T12:00:00.000Z", by: "0badcafe" },
  items: [[7, "00".repeat(16)]],
}

const notice = {
  id: "notice_0123456789abcdef",
  kind: 1,
  count: 1,
  root: "00".repeat(32),
  from: 9,
  cases: [one.id],
  done: false,
}

describe("cases", () => {
  it("are found again as they were kept, for their owner alone", async () => {
    const store = await CaseStore.open(join(root, "retention"))
    await store.write(one)
    await store.writeNotice(notice)
    await store.writeCertificate(one.id, 1, "{}\n")
    const again = await CaseStore.open(join(root, "retention"))
    expect(again.cases()).toEqual([one])
    expect(again.notices()).toEqual([notice])
    expect(await again.certificate(one.id, 1)).toBe("{}\n")
    expect(await again.certificate(one.id, 2)).toBeUndefined()
    const { mode } = await stat(join(root, "retention/cases", `${one.id}.json`))
    expect(mode & 0o777).toBe(0o600)
  })

  it("are cleared of the drafts of a process that died: these may name somebody, and lock nothing", async () => {
    const path = join(root, "retention/cases", `${one.id}.json`)
    await mkdir(join(root, "retention/cases"), { recursive: true })
    await writeFile(`${path}.new`, "U1")
    await writeFile(join(root, "holds.json.new"), "U1")
    const store = await CaseStore.open(join(root, "retention"))
    expect(await openState(join(root, "holds.json"))).toBeUndefined()
    await store.write(one)
    await writeState(join(root, "holds.json"), "{}\n")
    expect(await readdir(join(root, "retention/cases"))).toEqual([`${one.id}.json`])
    expect(await readFile(join(root, "holds.json"), "utf8")).toBe("{}\n")
    expect(await readdir(root)).toEqual(["holds.json", "retention"])
  })

  it.each([
    ["cases", "case_0123456789abcdef.json", "{"],
    ["cases", "case_0123456789abcdef.json", JSON.stringify({ format: "prooflog-erasure-case/2", ...one })],
    [
      "cases",
      "case_0123456789abcdef.json",
      JSON.stringify({ format: "prooflog-erasure-case/1", ...one, state: "lost" }),
    ],
    [
      "notices",
      "notice_0123456789abcdef.json",
      JSON.stringify({ format: "prooflog-erasure-notice/1", ...notice, root: "" }),
    ],
  ])("are not opened where a file of %s is damaged", async (folder, name, text) => {
    await mkdir(join(root, folder))
    await writeFile(join(root, folder, name), text)
    await expect(CaseStore.open(root)).rejects.toMatchObject({ code: "SERVER_MALFORMED_FOLDER" })
  })

  it("give what is held back an id that no other has", () => {
    const taken = new Set(["case_1n", "case_1nn"])
    expect(restId("case_1", "n", (id) => taken.has(id))).toBe("case_1nnn")
    expect(restId("case_1", "w", (id) => taken.has(id))).toBe("case_1w")
  })

  it("name the persons that they are about, by id and in a filter", () => {
    expect(personsOf({ user_id: "U1" })).toEqual(["U1"])
    expect(personsOf({ filter: "user_id=U1&user_id=U2&on_behalf_of=U3&result=denied" })).toEqual([
      "U1",
      "U2",
      "U3",
    ])
    expect(personsOf({ leaves: [1] })).toEqual([])
  })
})
