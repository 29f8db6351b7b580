import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { signedHeadFile } from "./signed-head.js"

describe("the file beside the key", () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "prooflog-head-"))
  })
  afterAll(() => rm(folder, { recursive: true }))

  it("is not there in a new log", async () => {
    expect(await signedHeadFile(join(folder, "none.signed")).read()).toBeUndefined()
  })

  it("holds the last head, whole, and nothing stands beside it", async () => {
    const path = join(folder, "signer.key.signed")
    const store = signedHeadFile(path)
    for (const note of ["a long first note\n", "short\n"]) {
      await store.write(note)
      expect(await readFile(path, "utf8")).toBe(note)
    }
    const head = await store.read()
    expect(head?.note).toBe("short\n")
    expect(Math.abs((head?.timeMs as number) - Date.now())).toBeLessThan(60_000)
    expect(await readdir(folder)).toEqual(["signer.key.signed"])
  })

  it("is untouched by what a crash left of a write", async () => {
    const path = join(folder, "torn.signed")
    await signedHeadFile(path).write("whole\n")
    await writeFile(`${path}.tmp`, "to")
    expect((await signedHeadFile(path).read())?.note).toBe("whole\n")
    await signedHeadFile(path).write("next\n")
    expect((await signedHeadFile(path).read())?.note).toBe("next\n")
  })

  it("of the published head can be removed, again and again", async () => {
    const path = join(folder, "shown.key.signed")
    const { published } = signedHeadFile(path)
    await published?.write("shown\n")
    expect(await readdir(folder)).toContain("shown.key.published")
    for (let i = 0; i < 2; i++) {
      await published?.remove()
      expect(await published?.read()).toBeUndefined()
      expect(await readdir(folder)).not.toContain("shown.key.published")
    }
  })

  it("says so if it cannot be written", async () => {
    await expect(signedHeadFile(join(folder, "no", "such", "folder")).write("x")).rejects.toThrow("ENOENT")
  })
})
