import { mkdir, readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { type Accusation, parseAccusation } from "@prooflog/verifier/accusation"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { ORIGIN, signHead } from "../../../packages/verifier/fixtures/small-log.js"
import { temporaryFolder } from "../fixtures/served-log.js"
import { openAccusations } from "./accusations.js"

const heads = [1, 2].map((root) => signHead(5, new Uint8Array(32).fill(root))) as [string, string]
const ACCUSATION: Accusation = { kind: "same-size", origin: ORIGIN, heads }

let folder: Awaited<ReturnType<typeof temporaryFolder>>

beforeEach(async () => {
  folder = await temporaryFolder()
})

afterEach(() => folder.remove())

const open = () => openAccusations(folder.path, { by: "monitor.example", clock: () => 1_700_000_000_000 })

describe("accusations", () => {
  it("are kept once, however many find the same at the same moment", async () => {
    const accusations = await open()
    const names = await Promise.all(Array.from({ length: 20 }, () => accusations.keep(ACCUSATION)))
    expect(new Set(names).size).toBe(1)
    expect(await readdir(accusations.folder)).toEqual([names[0]])
    const text = await readFile(join(accusations.folder, names[0] as string), "utf8")
    expect(parseAccusation(text)).toMatchObject({ ...ACCUSATION, found: { by: "monitor.example" } })
  })

  it("are kept by two monitors of one folder at once", async () => {
    const both = [await open(), await open()]
    const names = await Promise.all(both.flatMap((one) => [one.keep(ACCUSATION), one.keep(ACCUSATION)]))
    expect(new Set(names).size).toBe(1)
    expect(await readdir(join(folder.path, "accusations"))).toEqual([names[0]])
  })

  it("leave no drafts of one who was killed", async () => {
    const path = join(folder.path, "accusations")
    await mkdir(path)
    await writeFile(join(path, "same-size-0.json.0123456789abcdef.new"), "{")
    await writeFile(join(path, "kept.json"), "{}")
    await open()
    expect(await readdir(path)).toEqual(["kept.json"])
  })
})
