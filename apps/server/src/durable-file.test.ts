import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { createFile, readText, rewriteFile } from "./durable-file.js"

describe("durable files", () => {
  let dir: string
  let path: string
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "prooflog-file-"))
    path = join(dir, "file")
  })
  afterEach(() => rm(dir, { recursive: true }))

  it("are made, with their mode, and rewritten whole", async () => {
    await rewriteFile(path, 0o600, (text) => {
      expect(text).toBeUndefined()
      return "one"
    })
    await rewriteFile(path, 0o600, (text) => `${text} two`)
    expect(await readFile(path, "utf8")).toBe("one two")
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await readdir(dir)).toEqual(["file"])
  })

  it("stay as they were when the change throws", async () => {
    await writeFile(path, "before")
    const failing = rewriteFile(path, 0o600, () => {
      throw new Error("no")
    })
    await expect(failing).rejects.toThrow("no")
    expect(await readFile(path, "utf8")).toBe("before")
    expect(await readdir(dir)).toEqual(["file"])
  })

  it("lose no change when many change them at once", async () => {
    await Promise.all(Array.from({ length: 20 }, () => rewriteFile(path, 0o600, (text = "") => `${text}x`)))
    expect(await readFile(path, "utf8")).toBe("x".repeat(20))
  })

  it("are taken over from a writer that died", async () => {
    await writeFile(`${path}.new`, "half")
    await utimes(`${path}.new`, 1, 1)
    await rewriteFile(path, 0o600, () => "whole")
    expect(await readFile(path, "utf8")).toBe("whole")
  })

  it("are not made twice, and read as undefined if they are not there", async () => {
    expect(await readText(path)).toBeUndefined()
    await createFile(path, 0o600, "a")
    await expect(createFile(path, 0o600, "b")).rejects.toMatchObject({ code: "EEXIST" })
    expect(await readText(path)).toBe("a")
  })
})
