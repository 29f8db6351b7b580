import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { signCheckpoint } from "@prooflog/tlog/checkpoint"
import { cosign } from "@prooflog/tlog/cosignature"
import { leafHash } from "@prooflog/tlog/hash"
import { EMPTY_EDGE, integrate } from "@prooflog/tlog/integrate"
import {
  createSignerKey,
  ED25519,
  ED25519_COSIGNATURE,
  formatVerifierKey,
  verifierKeyOf,
} from "@prooflog/tlog/key"
import { formatNote, parseNote } from "@prooflog/tlog/note"
import { type OpenedCheckpoint, openCheckpoint, type Policy, parsePolicy } from "@prooflog/tlog/policy"
import { tilePath } from "@prooflog/tlog/tile"
import { parseAccusation, verifyAccusation } from "@prooflog/verifier/accusation"
import { VerifierError } from "@prooflog/verifier/error"
import type { LogSource } from "@prooflog/verifier/source"
import { afterAll, describe, expect, it } from "vitest"
import type { ClientError } from "./error.js"
import { KnownHead } from "./known-head.js"
import { type Kept, MAX_KEPT_FILES } from "./refused-heads.js"

const ORIGIN = "log.example/access"
const SIGNER = createSignerKey(ORIGIN, new Uint8Array(32).fill(7), ED25519)
const WITNESS = createSignerKey("witness.example", new Uint8Array(32).fill(8), ED25519_COSIGNATURE)
const LOG_LINE = `log ${formatVerifierKey(verifierKeyOf(SIGNER))}`
const POLICY = parsePolicy(`${LOG_LINE}\nquorum none\n`)
const WITNESSED = parsePolicy(
  `${LOG_LINE}\nwitness w ${formatVerifierKey(verifierKeyOf(WITNESS))}\nquorum w\n`,
)
const NOW_MS = 1_700_000_000_000

/** A log whose leaves from `fork` on are other ones than those of its twin. */
class TestLog implements LogSource {
  readonly #tiles = new Map<string, Uint8Array>()
  readonly #fork: number

  constructor(fork = Number.POSITIVE_INFINITY) {
    this.#fork = fork
  }

  /** The same head, cosigned. */
  witnessedHead(treeSize: number, timeSeconds = 1): OpenedCheckpoint {
    const { text, signatures } = parseNote(this.head(treeSize).note)
    const note = formatNote({ text, signatures: [...signatures, cosign(text, WITNESS, timeSeconds)] })
    return openCheckpoint(note, WITNESSED)
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

function known(source: LogSource, file?: string, more: { pinned?: OpenedCheckpoint; policy?: Policy } = {}) {
  const errors: ClientError[] = []
  const firstUses: number[] = []
  const head = new KnownHead({
    policy: POLICY,
    source,
    clock: () => NOW_MS,
    onFirstUse: ({ checkpoint }) => firstUses.push(checkpoint.treeSize),
    onError: (error) => errors.push(error),
    ...(file !== undefined && { file: join(folder, file) }),
    ...more,
  })
  return { head, errors, firstUses }
}

/** What was refused, and what was kept of it. */
async function refused(
  head: KnownHead,
  promise: Promise<void>,
): Promise<{ error: VerifierError; kept: Kept | undefined }> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof VerifierError)) throw new Error("expected a refusal", { cause: error })
  return { error, kept: head.keptOf(error) }
}

const filesOf = (name: string) =>
  readdirSync(folder)
    .filter((file) => file.startsWith(`${name}.`))
    .sort()

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

describe("KnownHead, on first use", () => {
  it("says once that it believes a head because it knows none", async () => {
    const log = new TestLog()
    const { head, firstUses } = known(log)
    await head.compare(log.head(2), head.head)
    expect(firstUses).toEqual([])
    for (const size of [3, 5]) await head.follow(log.head(size), head.head)
    expect(firstUses).toEqual([3])
  })

  it("says nothing where a file or a pinned head says where the history begins", async () => {
    const log = new TestLog()
    await known(log, "used").head.follow(log.head(3), undefined)
    for (const { head, firstUses } of [known(log, "used"), known(log, undefined, { pinned: log.head(3) })]) {
      await head.follow(log.head(5), head.head)
      expect(firstUses).toEqual([])
    }
  })
})

describe("KnownHead, with a pinned head", () => {
  it("follows a log that extends it, and keeps even the pinned head itself in the file", async () => {
    const log = new TestLog()
    const { head } = known(log, "pinned", { pinned: log.head(5) })
    expect(head.head?.checkpoint.treeSize).toBe(5)
    await head.follow(log.head(5), head.head)
    expect(readFileSync(join(folder, "pinned"), "utf8")).toBe(log.head(5).note)
    await head.follow(log.head(9), head.head)
    expect(head.head?.checkpoint.treeSize).toBe(9)
  })

  it.each([
    ["another of its size", 5, "VERIFIER_FORKED"],
    ["a larger one of another history", 9, "VERIFIER_FORKED"],
    ["a smaller one", 4, "VERIFIER_WENT_BACK"],
  ])("refuses %s as the first head", async (_why, size, code) => {
    const log = new TestLog()
    const fork = new TestLog(3)
    const { head, firstUses } = known({ read: (path) => fork.read(path) }, undefined, { pinned: log.head(5) })
    const { error } = await refused(head, head.follow(fork.head(size), head.head))
    expect(error).toMatchObject({ code, heads: { known: log.head(5).note, shown: fork.head(size).note } })
    expect(head.head?.note).toBe(log.head(5).note)
    expect(firstUses).toEqual([])
  })

  it.each([
    ["older than the file's", 5, 12],
    ["newer than the file's", 12, 5],
    ["of the file's size", 12, 12],
  ])("believes nobody where the pinned head, %s, is of another history", async (_why, pinnedSize, size) => {
    const log = new TestLog()
    const fork = new TestLog(3)
    const name = `torn-${pinnedSize}-${size}`
    writeFileSync(join(folder, name), log.head(size).note)
    for (const [shown, other] of [
      [log, fork],
      [fork, log],
    ] as const) {
      const { head } = known({ read: (path) => shown.read(path) }, name, { pinned: fork.head(pinnedSize) })
      const { error, kept } = await refused(head, head.follow(shown.head(20), head.head))
      const contradicted = other === fork ? fork.head(pinnedSize) : log.head(size)
      expect(error).toMatchObject({ code: "VERIFIER_FORKED", heads: { known: contradicted.note } })
      expect(kept?.accusations).toHaveLength(1)
    }
    expect(readFileSync(join(folder, name), "utf8")).toBe(log.head(size).note)
  })

  it.each([
    ["older", 5, 12],
    ["newer", 12, 5],
  ])("goes on from the larger one where it is %s than the file's", async (_why, pinnedSize, size) => {
    const log = new TestLog()
    const name = `joined-${pinnedSize}`
    writeFileSync(join(folder, name), log.head(size).note)
    const { head } = known(log, name, { pinned: log.head(pinnedSize) })
    await expect(head.follow(log.head(11), head.head)).rejects.toMatchObject({ code: "VERIFIER_WENT_BACK" })
    await head.follow(log.head(20), head.head)
    expect(readFileSync(join(folder, name), "utf8")).toBe(log.head(20).note)
  })
})

describe("KnownHead, when it refuses", () => {
  it.each([
    ["same-size", 10],
    ["inconsistent", 20],
  ])("keeps both heads and an accusation of kind %s that convicts", async (kind, size) => {
    const name = `caught-${kind}`
    const [log, fork] = [new TestLog(), new TestLog(5)]
    writeFileSync(join(folder, name), log.head(10).note)
    // Read once: a log that takes its tiles back afterwards is accused all the same.
    const served = new Set<string>()
    const source: LogSource = {
      read: async (path) => {
        if (served.has(path)) return undefined
        served.add(path)
        return await fork.read(path)
      },
    }
    fork.head(size)
    const { head, errors } = known(source, name)
    const { kept } = await refused(head, head.follow(fork.head(size), head.head))
    expect(errors).toEqual([])

    const files = filesOf(name)
    expect(files).toEqual([
      expect.stringMatching(`^${name}\\.accusation-${kind}-[0-9a-f]{16}\\.json$`),
      expect.stringMatching(`^${name}\\.refused-[0-9a-f]{16}\\.json$`),
    ])
    expect([...(kept?.files ?? [])].sort()).toEqual(files.map((file) => join(folder, file)))
    const text = readFileSync(join(folder, files[0] as string), "utf8")
    expect(kept?.accusations).toEqual([text])
    expect(verifyAccusation(parseAccusation(text), POLICY)).toMatchObject({ accused: ORIGIN })
    expect(parseAccusation(text).found).toEqual({ at: "2023-11-14T22:13:20.000Z", by: "@prooflog/client" })
    expect(JSON.parse(readFileSync(join(folder, files[1] as string), "utf8"))).toEqual({
      code: "VERIFIER_FORKED",
      found_at: "2023-11-14T22:13:20.000Z",
      known: log.head(10).note,
      shown: fork.head(size).note,
    })
  })

  it("keeps both heads of a log that went back, and convicts it if it is another history too", async () => {
    const log = new TestLog()
    const [, fork] = [log.head(10), new TestLog(5)]
    const { head } = known(log, "back")
    await head.follow(log.head(10), undefined)
    const back = await refused(head, head.follow(log.head(8), head.head))
    expect(back.kept).toMatchObject({ accusations: [], files: [expect.stringContaining("back.refused-")] })
    const forked = await refused(head, head.follow(fork.head(8), head.head))
    expect(forked.error.code).toBe("VERIFIER_WENT_BACK")
    expect(forked.kept?.accusations).toHaveLength(1)
    expect(filesOf("back")).toHaveLength(3)
  })

  it("keeps both heads where nobody serves the tiles that would convict", async () => {
    const fork = new TestLog(5)
    const { head, errors } = known({ read: async () => undefined }, "silent")
    await head.follow(new TestLog().head(10), undefined)
    const { kept } = await refused(head, head.follow(fork.head(8), head.head))
    expect(kept?.accusations).toEqual([])
    expect(filesOf("silent")).toHaveLength(1)
    expect(errors).toEqual([])
  })

  it("accuses a witness that cosigned both", async () => {
    const [log, fork] = [new TestLog(), new TestLog(5)]
    const { head } = known(log, "cosigned", { policy: WITNESSED })
    await head.follow(log.witnessedHead(10), undefined)
    const { kept } = await refused(head, head.follow(fork.witnessedHead(10), head.head))
    const accused = kept?.accusations.map(
      (text) => verifyAccusation(parseAccusation(text), WITNESSED).accused,
    )
    expect(accused).toEqual([ORIGIN, "witness.example"])
    expect(filesOf("cosigned")).toHaveLength(3)
  })

  it("refuses the same after a restart, and makes no new files of the same heads", async () => {
    const [log, fork] = [new TestLog(), new TestLog(5)]
    await known(log, "again").head.follow(log.head(10), undefined)
    let files: string[] | undefined
    for (const timeSeconds of [1, 2]) {
      const { head } = known(log, "again", { policy: WITNESSED })
      const { error } = await refused(head, head.follow(fork.witnessedHead(10, timeSeconds), head.head))
      expect(error.code).toBe("VERIFIER_FORKED")
      files ??= filesOf("again")
      expect(filesOf("again")).toEqual(files)
    }
    expect(readFileSync(join(folder, "again"), "utf8")).toBe(log.head(10).note)
  })

  it("does not fill the disk with the lies of one log, and says so", async () => {
    const log = new TestLog()
    const { head, errors } = known(log, "many")
    await head.follow(log.head(100), undefined)
    for (let i = 0; i <= MAX_KEPT_FILES; i++) {
      const { kept } = await refused(head, head.follow(log.head(50 + i), head.head))
      expect(kept?.files).toHaveLength(i < MAX_KEPT_FILES ? 1 : 0)
    }
    expect(filesOf("many")).toHaveLength(MAX_KEPT_FILES)
    expect(errors).toMatchObject([{ code: "CLIENT_HEAD_FILE" }])
  })

  it("still refuses where nothing can be written, and says so", async () => {
    const [log, fork] = [new TestLog(), new TestLog(5)]
    const { head, errors } = known(log, "no/such/folder/head")
    await head.follow(log.head(10), undefined)
    const { error, kept } = await refused(head, head.follow(fork.head(10), head.head))
    expect(error.code).toBe("VERIFIER_FORKED")
    expect(kept).toMatchObject({ accusations: [expect.any(String)], files: [] })
    expect(errors.map(({ code }) => code)).toEqual(Array(3).fill("CLIENT_HEAD_FILE"))
  })

  it("refuses by a head that is not to be believed, and follows none such", async () => {
    const [log, fork] = [new TestLog(), new TestLog(5)]
    const { head } = known(log)
    await head.follow(log.head(10), undefined)
    await head.compare(log.head(20), head.head)
    expect(head.head?.checkpoint.treeSize).toBe(10)
    const { kept } = await refused(head, head.compare(fork.head(10), head.head))
    expect(kept?.accusations).toHaveLength(1)
  })

  it("opens a file that was kept under a policy with other witnesses", async () => {
    const log = new TestLog()
    await known(log, "moved").head.follow(log.head(10), undefined)
    const { head } = known(log, "moved", { policy: WITNESSED })
    await head.follow(log.witnessedHead(12), head.head)
    expect(head.head?.checkpoint.treeSize).toBe(12)
  })
})
