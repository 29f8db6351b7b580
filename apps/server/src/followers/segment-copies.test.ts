import { access, mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { SegmentCopies } from "./segment-copies.js"
import { SegmentScratch } from "./segment-scratch.js"

describe("copies of segments", () => {
  let folder: string
  let copies: SegmentCopies
  /** Keys that were read. */
  let reads: string[]
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "prooflog-copies-"))
    copies = new SegmentCopies(await SegmentScratch.open(folder), 25)
    reads = []
  })
  afterEach(() => rm(folder, { recursive: true }))

  /** Ten bytes of an object. */
  async function* bytesOf(key: string): AsyncGenerator<Uint8Array> {
    reads.push(key)
    yield Buffer.from(key.padEnd(10))
  }

  const use = (key: string, task: (path: string) => Promise<unknown> = (path) => readFile(path, "utf8")) =>
    copies.use(key, () => bytesOf(key), task)

  const isThere = (path: string) => access(path).then(...[() => true, () => false])

  it("are made once, whoever asks", async () => {
    expect(await Promise.all([use("a"), use("a")])).toEqual(["a         ", "a         "])
    await use("a")
    expect(reads).toEqual(["a"])
  })

  it("are as many as fit; what was used longest ago goes first", async () => {
    for (const key of ["a", "b", "a", "c"]) await use(key)
    await use("a")
    expect(reads).toEqual(["a", "b", "c"])
    await use("b")
    expect(reads).toEqual(["a", "b", "c", "b"])
  })

  it("stay while somebody is at them, and are gone when a drop resolves", async () => {
    let leave = () => {}
    let path = ""
    const using = use("a", async (at) => {
      path = at
      await new Promise<void>((resolve) => {
        leave = resolve
      })
      return isThere(at)
    })
    while (path === "") await new Promise((resolve) => setTimeout(resolve, 1))
    let isDropped = false
    const dropping = copies.drop("a").then(() => {
      isDropped = true
    })
    for (const key of ["b", "c", "d"]) await use(key)
    expect(isDropped).toBe(false)
    leave()
    expect(await using).toBe(true)
    await dropping
    expect(await isThere(path)).toBe(false)
    await use("a")
    expect(reads).toEqual(["a", "b", "c", "d", "a"])
  })

  it("are dropped also while they are being made", async () => {
    const using = use("a", async (path) => path)
    await copies.drop("a")
    expect(await isThere((await using) as string)).toBe(false)
  })

  it("that could not be made are tried again", async () => {
    const failing = copies.use(
      "a",
      async function* () {
        yield Buffer.from("half")
        throw new Error("away")
      },
      async () => "never",
    )
    await expect(failing).rejects.toThrow("away")
    await copies.drop("a")
    expect(await use("a")).toBe("a         ")
  })
})
