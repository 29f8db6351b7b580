import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { signCheckpoint } from "@prooflog/tlog/checkpoint"
import { leafHash } from "@prooflog/tlog/hash"
import { EMPTY_EDGE, integrate } from "@prooflog/tlog/integrate"
import { createSignerKey, ED25519, formatVerifierKey, verifierKeyOf } from "@prooflog/tlog/key"
import { type OpenedCheckpoint, openCheckpoint, parsePolicy } from "@prooflog/tlog/policy"
import { tilePath } from "@prooflog/tlog/tile"
import type { LogSource } from "@prooflog/verifier/source"
import { afterAll, describe, expect, it } from "vitest"
import type { ClientError } from "./error.js"
import { KnownHead } from "./known-head.js"

const ORIGIN = "log.example/access"
const SIGNER = createSignerKey(ORIGIN, new Uint8Array(32).fill(7), ED25519)
const POLICY = parsePolicy(`log ${formatVerifierKey(verifierKeyOf(SIGNER))}\nquorum none\n`)

/** A log whose leaves from `fork` on are other ones than those of its twin. */
class TestLog implements LogSource {
  readonly #tiles = new Map<string, Uint8Array>()
  readonly #fork: number

  constructor(fork = Number.POSITIVE_INFINITY) {
    this.#fork = fork
  }

  head(treeSize: number): OpenedCheckpoint {
    const hashes = Buffer.concat(
      Array.from({ length: treeSize }, (_, i) => leafHash(Buffer.from(this.#leaf(i)))),
    )
    const { rootHash, tiles } = integrate(EMPTY_EDGE, hashes)
    for (const { tile, bytes } of tiles) this.#tiles.set(tilePath(tile), bytes)
    return openCheckpoint(
      signCheckpoint({ origin: ORIGIN, treeSize, rootHash, extensions: [] }, SIGNER),
      POLICY,
    )
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    return this.#tiles.get(path)
  }

  #leaf(index: number): string {
    return index < this.#fork ? `leaf ${index}` : `other ${index}`
  }
}

const folder = mkdtempSync(join(tmpdir(), "prooflog-head-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function known(source: LogSource, file?: string) {
  const errors: ClientError[] = []
  const onError = (error: ClientError) => errors.push(error)
  const head = new KnownHead({
    policy: POLICY,
    source,
    onError,
    ...(file !== undefined && { file: join(folder, file) }),
  })
  return { head, errors }
}

describe("KnownHead", () => {
  it("follows a log that grows, and stays with one that does not", async () => {
    const log = new TestLog()
    const { head } = known(log)
    for (const size of [1, 5, 5, 256, 300, 700]) await head.follow(log.head(size), head.head)
    expect(head.head?.checkpoint.treeSize).toBe(700)
  })

  it("does not go back behind a head that was known when the request was sent", async () => {
    const log = new TestLog()
    const { head } = known(log)
    await head.follow(log.head(10), undefined)
    await expect(head.follow(log.head(9), head.head)).rejects.toMatchObject({
      code: "VERIFIER_WENT_BACK",
      heads: { known: log.head(10).note, shown: log.head(9).note },
    })
    expect(head.head?.checkpoint.treeSize).toBe(10)
  })

  it("takes a smaller head for an answer that was overtaken, if it is of the same history", async () => {
    const log = new TestLog()
    const { head } = known(log)
    await head.follow(log.head(10), undefined)
    const atLeast = head.head
    await head.follow(log.head(20), atLeast)
    await head.follow(log.head(15), atLeast)
    await expect(head.follow(log.head(9), atLeast)).rejects.toMatchObject({ code: "VERIFIER_WENT_BACK" })
    await expect(head.follow(new TestLog(12).head(15), atLeast)).rejects.toMatchObject({
      code: expect.stringMatching(/FORKED|TILE_REFUSED/),
    })
    expect(head.head?.checkpoint.treeSize).toBe(20)
  })

  it("names both heads rightly where a smaller one was overtaken by another history", async () => {
    const log = new TestLog()
    const fork = new TestLog(5)
    const { head } = known(log)
    await head.follow(log.head(20), undefined)
    await expect(head.follow(fork.head(15), undefined)).rejects.toMatchObject({
      code: "VERIFIER_FORKED",
      heads: { known: log.head(20).note, shown: fork.head(15).note },
    })
  })

  it.each([
    ["of the same size", 10],
    ["of a larger size", 20],
  ])("does not go sideways to a head %s", async (_why, size) => {
    const log = new TestLog()
    const fork = new TestLog(5)
    const { head } = known({ read: (path) => fork.read(path) })
    await head.follow(log.head(10), undefined)
    await expect(head.follow(fork.head(size), head.head)).rejects.toMatchObject({ code: "VERIFIER_FORKED" })
    expect(head.head?.note).toBe(log.head(10).note)
  })

  it("compares one head after the other, so that none slips between", async () => {
    const log = new TestLog()
    const fork = new TestLog(5)
    const { head } = known(log)
    const heads = [log.head(10), fork.head(10), log.head(11)]
    const results = await Promise.allSettled(heads.map((shown) => head.follow(shown, undefined)))
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"])
  })

  it("does not take a silent source for a fork", async () => {
    const log = new TestLog()
    const { head } = known({ read: async () => undefined })
    await head.follow(log.head(10), undefined)
    await expect(head.follow(log.head(20), head.head)).rejects.toMatchObject({ code: "VERIFIER_MISSING" })
  })

  it("remembers in a file, and does not go back behind it after a restart", async () => {
    const log = new TestLog()
    await known(log, "head").head.follow(log.head(10), undefined)
    expect(readFileSync(join(folder, "head"), "utf8")).toBe(log.head(10).note)
    expect(readdirSync(folder)).toEqual(["head"])

    const { head } = known(log, "head")
    expect(head.head?.checkpoint.treeSize).toBe(10)
    await expect(head.follow(log.head(9), head.head)).rejects.toMatchObject({ code: "VERIFIER_WENT_BACK" })
    await head.follow(log.head(12), head.head)
    expect(readFileSync(join(folder, "head"), "utf8")).toBe(log.head(12).note)
  })

  it.each([
    ["is torn", (note: string) => note.slice(0, -20)],
    ["is empty", () => ""],
    ["was signed by another", (note: string) => note.replace(/— .*/, "— log.example/access AAAAAAAA")],
  ])("refuses a file that %s, at the start", (_why, mangle) => {
    writeFileSync(join(folder, "bad"), mangle(new TestLog().head(3).note))
    expect(() => known(new TestLog(), "bad")).toThrow(expect.objectContaining({ code: "CLIENT_HEAD_FILE" }))
  })

  it("goes on in memory when the file cannot be written, and says so", async () => {
    const log = new TestLog()
    const { head, errors } = known(log, "no/such/folder/head")
    await head.follow(log.head(3), undefined)
    expect(head.head?.checkpoint.treeSize).toBe(3)
    expect(errors.map(({ code }) => code)).toEqual(["CLIENT_HEAD_FILE"])
  })
})
