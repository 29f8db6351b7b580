import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { equalBytes } from "@prooflog/tlog/hash"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { defined, opaqueLog, POLICY } from "../fixtures/small-log.js"
import { folderSource } from "./source-folder.js"
import { verifyLog } from "./verify-log.js"

describe("a log in a folder", () => {
  let folder = ""
  const log = opaqueLog(600)

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "prooflog-folder-"))
    for (const [path, bytes] of log.files) {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), bytes)
    }
  })

  afterAll(() => rmSync(folder, { recursive: true }))

  it("is served byte for byte", async () => {
    const source = folderSource(folder)
    for (const [path, bytes] of log.files) {
      expect(equalBytes(defined(await source.read(path)), bytes), path).toBe(true)
    }
  })

  it("is audited like any other", async () => {
    expect(await verifyLog(folderSource(folder), POLICY)).toMatchObject({ treeSize: 600 })
  })

  it("has nothing where there is no file, nor below one", async () => {
    expect(await folderSource(folder).read("tile/0/009")).toBeUndefined()
    expect(await folderSource(join(folder, "checkpoint")).read("tile/0/000")).toBeUndefined()
  })

  it("fails where a file cannot be read, which is not the same as absence", async () => {
    mkdirSync(join(folder, "tile/0/007"), { recursive: true })
    await expect(folderSource(folder).read("tile/0/007")).rejects.toThrow(
      expect.objectContaining({ code: "VERIFIER_SOURCE_FAILED", path: "tile/0/007" }),
    )
  })

  it("reads no file that is longer than a log's can be", async () => {
    writeFileSync(join(folder, "tile/0/008"), new Uint8Array(8193))
    await expect(folderSource(folder).read("tile/0/008")).rejects.toThrow("at most 8192")
  })

  it.skipIf(process.platform === "win32")("does not wait for what a pipe may say", async () => {
    execFileSync("mkfifo", [join(folder, "tile/0/010")])
    await expect(folderSource(folder).read("tile/0/010")).rejects.toThrow(
      expect.objectContaining({ code: "VERIFIER_SOURCE_FAILED", message: expect.stringMatching(/no file/) }),
    )
  })

  it("never leaves its folder", async () => {
    await expect(folderSource(folder).read("../secret")).rejects.toThrow(RangeError)
  })
})
