import { createHash } from "node:crypto"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { gzipSync } from "node:zlib"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type Line, lineNamer, MAX_LINE_BYTES, openInput, readLines } from "./lines.js"

async function* chunksOf(text: string, size: number): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function linesOf(chunks: AsyncIterable<Buffer>): Promise<Line[]> {
  const lines: Line[] = []
  for await (const some of readLines(chunks)) lines.push(...some)
  return lines
}

describe("lines", () => {
  it("are the same wherever chunks end", async () => {
    const text = "first\nsecond\r\n\nföurth\nlast without end"
    const expected = [
      ["first", 1, 0],
      ["second", 2, 6],
      ["", 3, 14],
      ["föurth", 4, 15],
      ["last without end", 5, 23],
    ]
    for (let size = 1; size <= 40; size++) {
      const lines = await linesOf(chunksOf(text, size))
      expect(lines.map(({ bytes, number, offset }) => [bytes.toString(), number, offset])).toEqual(expected)
    }
  })

  it("are none in an empty file, and one where the file is one line end", async () => {
    expect(await linesOf(chunksOf("", 1))).toEqual([])
    expect((await linesOf(chunksOf("\n", 1))).length).toBe(1)
  })

  it("that are too long are cut, marked, and do not move the offsets of those behind them", async () => {
    const long = "x".repeat(MAX_LINE_BYTES + 1)
    const [first, second] = await linesOf(chunksOf(`${long}\nnext\n`, 100_000))
    expect(first).toMatchObject({ tooLong: true, number: 1 })
    expect(first?.bytes.length).toBe(MAX_LINE_BYTES)
    expect(second).toMatchObject({ tooLong: false, number: 2, offset: MAX_LINE_BYTES + 2 })
  })
})

describe("a file", () => {
  let dir = ""
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "prooflog-lines-"))
  })
  afterAll(() => rm(dir, { recursive: true }))

  it("is gunzipped if it is gzip, whatever its name, and read as it stands if not", async () => {
    for (const [name, bytes] of [
      ["plain.gz", Buffer.from("a\nb\n")],
      ["gzipped.log", gzipSync("a\nb\n")],
      ["two-members.log", Buffer.concat([gzipSync("a\n"), gzipSync("b\n")])],
    ] as const) {
      await writeFile(join(dir, name), bytes)
      const input = await openInput(join(dir, name))
      expect((await linesOf(input.chunks)).map((line) => line.bytes.toString())).toEqual(["a", "b"])
      expect([input.size, input.bytesRead()]).toEqual([bytes.length, bytes.length])
    }
  })

  it("that is a gzip stream cut short says so", async () => {
    const path = join(dir, "cut.gz")
    await writeFile(path, gzipSync("a\n".repeat(100_000)).subarray(0, -20))
    const input = await openInput(path)
    await expect(linesOf(input.chunks)).rejects.toMatchObject({
      code: "CLI_FILE",
      message: expect.stringContaining("its end is missing"),
    })
  })

  it.each(["missing", ".", "/dev/null"])("that is %s is an error of the file", async (name) => {
    await expect(openInput(resolve(dir, name))).rejects.toMatchObject({ code: "CLI_FILE" })
  })
})

describe("the name of a line", () => {
  it("is SHA-256 of the first line's SHA-256 and the offset, 16 bytes in hex", () => {
    const first = createHash("sha256").update("first line").digest()
    const offset = Buffer.alloc(8)
    offset.writeBigUInt64BE(4_294_967_298n)
    const expected = createHash("sha256")
      .update(Buffer.concat([first, offset]))
      .digest("hex")
      .slice(0, 32)
    expect(lineNamer(Buffer.from("first line"))(4_294_967_298)).toBe(`f:${expected}`)
  })

  it("differs for equal lines at two places, and for equal places in two files", () => {
    const name = lineNamer(Buffer.from("a"))
    const names = [name(0), name(2), lineNamer(Buffer.from("b"))(0)]
    expect(new Set(names).size).toBe(3)
    expect(name(0)).toBe(names[0])
  })
})
