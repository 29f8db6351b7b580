import { createHash } from "node:crypto"
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { decodeHex, encodeBase64 } from "@prooflog/tlog/base64"
import { formatCheckpoint, signCheckpoint } from "@prooflog/tlog/checkpoint"
import { checkCosignature } from "@prooflog/tlog/cosignature"
import { createSignerKey, parseVerifierKey, verifierKeyOf } from "@prooflog/tlog/key"
import { formatNote, parseNote, signNote } from "@prooflog/tlog/note"
import { openCheckpoint } from "@prooflog/tlog/policy"
import { formatAddCheckpoint, originHash, parseCosignatureLines } from "@prooflog/tlog/witness-request"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { readVector, vectorsPresent } from "../../../packages/tlog/src/vectors.js"
import { openWitness, type Witness, type WitnessOptions } from "./witness.js"
import { LOG, logKey, TWO_BRANCHES, witnessKey } from "./witness-branches.js"

const [left, right] = TWO_BRANCHES
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
const TIME_MS = 1_700_000_000_999
const HASH = originHash(LOG.origin)
const policy = {
  logs: [{ key: verifierKeyOf(logKey) }],
  witnesses: [{ name: "w", key: verifierKeyOf(witnessKey) }],
  groups: [],
  quorum: "w",
}

let folder: string
let witness: Witness

const open = (options: Partial<WitnessOptions> = {}) =>
  openWitness({ folder, signerKey: witnessKey, logs: [LOG], clock: () => TIME_MS, ...options })
const statusOf = async (body: Uint8Array | string) => (await witness.addCheckpoint(body)).status
const sizeOf = (note: string | undefined) =>
  note === undefined ? undefined : openCheckpoint(note, policy).checkpoint.treeSize

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "witness-"))
  witness = await open()
})

afterEach(() => rm(folder, { recursive: true, force: true }))

describe("a checkpoint that extends the last one", () => {
  it("is cosigned: the answer is a signature line that verifies, at the time of the clock", async () => {
    const { status, body, contentType } = await witness.addCheckpoint(await left.request(0, 3))
    expect({ status, contentType }).toEqual({ status: 200, contentType: "text/plain; charset=utf-8" })
    const lines = parseCosignatureLines(body)
    expect(lines).toHaveLength(1)
    for (const line of lines) {
      const { text } = parseNote(left.checkpoint(3))
      expect(checkCosignature(text, witness.key, line)).toEqual({ timeSeconds: 1_700_000_000 })
    }
  })

  it("can be read by monitors, with both signatures, from a file that another process would read", async () => {
    expect(witness.latest(HASH)).toBeUndefined()
    for (const [old, size] of [
      [0, 3],
      [3, 4],
      [4, 4],
      [4, 77],
    ] as const) {
      expect(await statusOf(await left.request(old, size))).toBe(200)
      expect(sizeOf(witness.latest(HASH))).toBe(size)
      expect(await readFile(join(folder, HASH), "utf8")).toBe(witness.latest(HASH))
      expect((await open()).latest(HASH)).toBe(witness.latest(HASH))
    }
    expect(await readdir(folder)).toEqual([HASH])
  })

  it("is cosigned again, at a newer time", async () => {
    let timeMs = TIME_MS
    witness = await open({ clock: () => timeMs })
    await witness.addCheckpoint(await left.request(0, 3))
    timeMs += 5_000
    const { body } = await witness.addCheckpoint(await left.request(3, 3))
    const [line] = parseCosignatureLines(body)
    expect(line && checkCosignature(parseNote(left.checkpoint(3)).text, witness.key, line)).toEqual({
      timeSeconds: 1_700_000_005,
    })
  })

  it("may have no leaves", async () => {
    expect(await statusOf(await left.request(0, 0))).toBe(200)
    expect(await statusOf(await left.request(0, 0))).toBe(200)
    expect(await statusOf(await left.request(0, 3))).toBe(200)
  })

  it("is stored without the signatures of strangers", async () => {
    const stranger = createSignerKey("stranger.example", new Uint8Array(32).fill(9), 0x01)
    const note = parseNote(left.checkpoint(3))
    const signatures = [signNote(note.text, stranger), ...note.signatures]
    const checkpoint = formatNote({ ...note, signatures })
    expect(await statusOf(formatAddCheckpoint({ oldSize: 0, proof: [], checkpoint }))).toBe(200)
    expect(witness.latest(HASH)).not.toContain("stranger")
  })

  it("is handed on, cosigned or not, if the log signed it", async () => {
    const heads: string[] = []
    witness = await open({ onHead: (note) => heads.push(note) })
    await witness.addCheckpoint(await left.request(0, 7))
    await witness.addCheckpoint(await right.request(7, 7))
    await witness.addCheckpoint(await right.request(3, 9))
    await witness.addCheckpoint((await right.request(7, 8)).replace("\n8\n", "\n9\n"))
    expect(heads).toEqual([left.checkpoint(7), right.checkpoint(7), right.checkpoint(9)])
  })
})

describe("every other request", () => {
  const zero = new Uint8Array(32)
  const emptyWithRoot = () => {
    const text = formatCheckpoint({
      origin: LOG.origin,
      treeSize: 1,
      rootHash: zero,
      extensions: [],
    }).replace("\n1\n", "\n0\n")
    return formatNote({ text, signatures: [signNote(text, logKey)] })
  }
  const otherLog = createSignerKey("example.com/other", new Uint8Array(32).fill(3), 0x01)
  const impostor = createSignerKey(logKey.name, new Uint8Array(32).fill(4), 0x01)
  const withStrayBits = (note: string) =>
    note.replace(/(.)=\n$/, (_, digit: string) => `${ALPHABET[ALPHABET.indexOf(digit) + 1]}=\n`)
  const head = (size: number) => ({
    origin: LOG.origin,
    treeSize: size,
    rootHash: left.root(size),
    extensions: [],
  })
  const ask = async (oldSize: number, checkpoint: string, proof: readonly Uint8Array[] = []) =>
    formatAddCheckpoint({ oldSize, proof, checkpoint })

  it.each<[string, number, () => Promise<string>]>([
    ["nothing", 400, async () => ""],
    ["no note", 400, () => ask(7, "hello")],
    ["a note that is no checkpoint", 400, () => ask(7, `${LOG.origin}\n7\n\n— a AAAAAAA=\n`)],
    ["a checkpoint without signatures", 400, () => ask(7, left.checkpoint(9).split("—")[0] as string)],
    ["a tree size past 2^53", 400, () => ask(7, left.checkpoint(9).replace("\n9\n", "\n9007199254740992\n"))],
    ["another origin", 404, () => ask(7, signCheckpoint({ ...head(9), origin: otherLog.name }, otherLog))],
    ["an impostor's signature", 403, () => ask(7, signCheckpoint(head(9), impostor))],
    ["the signature of another checkpoint", 403, () => ask(7, left.checkpoint(9).replace("\n9\n", "\n10\n"))],
    ["a good signature with stray bits", 403, () => ask(7, withStrayBits(left.checkpoint(9)))],
    [
      "stray bits and another origin",
      404,
      () => ask(7, withStrayBits(left.checkpoint(9)).replace("log\n", "gol\n")),
    ],
    ["another origin and a bad signature", 404, () => ask(7, left.checkpoint(9).replace("log\n", "gol\n"))],
    ["old past the size", 400, () => left.request(9, 8)],
    ["old past the size, of a stranger", 403, () => ask(9, signCheckpoint(head(8), impostor))],
    ["old below what was cosigned", 409, () => left.request(6, 9)],
    ["old past what was cosigned", 409, () => left.request(8, 9)],
    ["a question for the size", 409, () => left.request(0, 9)],
    ["a size smaller than what was cosigned", 409, () => left.request(3, 6)],
    ["another root of the same size", 422, () => right.request(7, 7)],
    ["the same checkpoint and a proof", 422, () => ask(7, left.checkpoint(7), [zero])],
    ["the other branch", 422, () => right.request(7, 9)],
    ["no proof", 422, () => ask(7, left.checkpoint(9))],
    ["too long a proof", 422, async () => ask(7, left.checkpoint(9), [...(await left.proof(7, 9)), zero])],
    ["an empty tree with a root, and the wrong old", 400, () => ask(7, emptyWithRoot())],
  ])("is refused: %s, %i", async (_, status, request) => {
    await witness.addCheckpoint(await left.request(0, 7))
    const before = witness.latest(HASH)
    const answer = await witness.addCheckpoint(await request())
    expect(answer.status).toBe(status)
    expect(answer.contentType).toBe(status === 409 ? "text/x.tlog.size" : "text/plain; charset=utf-8")
    if (status === 409) expect(answer.body).toBe("7\n")
    expect(answer.body.endsWith("\n")).toBe(true)
    expect(witness.latest(HASH)).toBe(before)
    expect(await readFile(join(folder, HASH), "utf8")).toBe(before)
  })

  it.each<[string, number, () => Promise<string>]>([
    ["old of a log never seen", 409, () => left.request(3, 9)],
    ["from nothing with a proof", 422, () => ask(0, left.checkpoint(9), [zero])],
    ["an empty tree with a root", 422, () => ask(0, emptyWithRoot())],
    [
      "an empty tree with a root of a stranger",
      403,
      () => ask(0, emptyWithRoot().replace(/ \S+\n$/, " AAAAAAA=\n")),
    ],
  ])("is refused at first contact: %s, %i", async (_, status, request) => {
    const answer = await witness.addCheckpoint(await request())
    expect(answer.status).toBe(status)
    if (status === 409) expect(answer.body).toBe("0\n")
    expect(await readdir(folder)).toEqual([])
  })

  it("is refused if a known key's line does not verify, though another key of the log signed", async () => {
    const second = createSignerKey("example.com/second", new Uint8Array(32).fill(5), 0x01)
    witness = await open({ logs: [{ ...LOG, keys: [...LOG.keys, verifierKeyOf(second)] }] })
    const note = parseNote(left.checkpoint(3))
    const forged = { ...signNote(note.text, second), bytes: new Uint8Array(64) }
    const checkpoint = formatNote({ ...note, signatures: [...note.signatures, forged] })
    expect(await statusOf(await ask(0, checkpoint))).toBe(403)
    expect(await statusOf(await ask(0, left.checkpoint(3)))).toBe(200)
  })

  it("is refused past 64 KiB, and read at 64 KiB", async () => {
    const long = (bytes: number) => `old 0\n\n${"x".repeat(bytes - 7)}`
    expect(await statusOf(long(65_536))).toBe(400)
    expect(await statusOf(long(65_537))).toBe(413)
    expect(await statusOf(new Uint8Array(65_537))).toBe(413)
    expect(await statusOf(new Uint8Array(65_536))).toBe(400)
    // Fewer UTF-16 units than bytes.
    expect(await statusOf(`old 0\n\n${"é".repeat(40_000)}`)).toBe(400)
  })

  it("is refused, never cosigned and never an error, whatever byte of a good one is changed or missing", async () => {
    await witness.addCheckpoint(await left.request(0, 7))
    const good = new TextEncoder().encode(await left.request(7, 11))
    const seen = new Map<number, number>()
    const count = async (body: Uint8Array) => {
      const status = await statusOf(body)
      seen.set(status, (seen.get(status) ?? 0) + 1)
    }
    for (const [i, byte] of good.entries()) {
      for (const mask of [0x01, 0x10, 0x80]) await count(good.with(i, byte ^ mask))
      for (const other of [0, 0x0a, 0x20, 0x39]) if (byte !== other) await count(good.with(i, other))
      await count(new Uint8Array([...good.slice(0, i), ...good.slice(i + 1)]))
      await count(good.slice(0, i))
    }
    expect([...seen.keys()].sort()).toEqual([400, 403, 404, 409, 422])
    expect(sizeOf(witness.latest(HASH))).toBe(7)
    expect(await statusOf(good)).toBe(200)
  })

  it("costs little, however it is shaped", async () => {
    const shapes = [
      "\n".repeat(65_536),
      `old 0\n${"\n".repeat(65_000)}`,
      `old ${"9".repeat(65_000)}\n\n`,
      `old 0\n\n${"— a AAAAAAA=\n".repeat(4_000)}`,
      `old 0\n\n${LOG.origin}\n0\n${"A".repeat(60_000)}\n\n— a AAAAAAA=\n`,
      `old 0\n\n${"a\n".repeat(30_000)}\n— a AAAAAAA=\n`,
      "\ud800".repeat(20_000),
    ]
    for (const body of shapes) for (let i = 0; i < 20; i++) expect(await statusOf(body)).toBe(400)
  })
})

describe.skipIf(!vectorsPresent)("exchanges that another witness recorded", () => {
  const FOLDER = "torchwood-litewitness"
  interface Recorded {
    log_vkey: string
    cases: { order: number; request: string; recorded_status: number; recorded_assert: string }[]
  }

  it("are answered alike, but for the unknown origin: 403 then, 404 now", async () => {
    const { log_vkey, cases } = JSON.parse(readVector(`${FOLDER}/cases.json`)) as Recorded
    const key = parseVerifierKey(log_vkey)
    witness = await open({ logs: [{ origin: key.name, keys: [key] }] })
    for (const { order, request, recorded_status, recorded_assert } of cases) {
      const { status, body } = await witness.addCheckpoint(readVector(`${FOLDER}/${request}`))
      expect(status, request).toBe(order === 2 ? 404 : recorded_status)
      if (status === 200) expect(parseCosignatureLines(body)[0]?.name).toBe(witnessKey.name)
      const size = /^body == "(\d+)\\n"$/.exec(recorded_assert)?.[1]
      expect(status === 409, request).toBe(size !== undefined)
      if (size !== undefined) expect(body).toBe(`${size}\n`)
    }
    expect(witness.latest(originHash(key.name))).toContain("\n5\n")
  })

  it("of a log whose key has another name than its origin", async () => {
    const vkey = /-key (sum\.golang\.org\S+)/.exec(readVector(`${FOLDER}/sumdb-testscript.txt`))?.[1] ?? ""
    witness = await open({ logs: [{ origin: "go.sum database tree", keys: [parseVerifierKey(vkey)] }] })
    expect(await statusOf(readVector(`${FOLDER}/sumdb-request.txt`))).toBe(200)
    expect(witness.latest(originHash("go.sum database tree"))).toContain("\n35225469\n")
  })
})

describe("the folder", () => {
  const badState = expect.objectContaining({ code: "MONITOR_BAD_STATE" })
  const inUse = expect.objectContaining({ code: "MONITOR_FOLDER_IN_USE" })

  it("names files by the hash that monitors ask for", () => {
    expect(originHash("rome2026h1.example.org")).toMatch(/^000de184.*9706$/)
    expect(decodeHex(HASH)).toHaveLength(32)
  })

  it.each<[string, (note: string) => string]>([
    ["is empty", () => ""],
    ["is cut", (note) => note.slice(0, -1)],
    ["has a flipped bit", (note) => note.replace("\n7\n", "\n6\n")],
    ["has only the log's signature", () => left.checkpoint(7)],
  ])("is refused if the file of a log %s", async (_, damage) => {
    await witness.addCheckpoint(await left.request(0, 7))
    await writeFile(join(folder, HASH), damage(witness.latest(HASH) ?? ""))
    await expect(open()).rejects.toThrow(badState)
  })

  it("is refused if it is another witness's, or a file is another log's", async () => {
    await witness.addCheckpoint(await left.request(0, 7))
    const signerKey = createSignerKey(witnessKey.name, new Uint8Array(32).fill(8), 0x04)
    await expect(open({ signerKey })).rejects.toThrow(badState)
    await writeFile(join(folder, originHash("b")), witness.latest(HASH) ?? "")
    await expect(open({ logs: [{ ...LOG, origin: "b" }] })).rejects.toThrow(badState)
  })

  it("keeps what it holds when the disk fails, and goes on when it does not", async () => {
    await witness.addCheckpoint(await left.request(0, 7))
    const before = witness.latest(HASH)
    const claim = await claimAfter(HASH)
    await mkdir(claim)
    await expect(witness.addCheckpoint(await left.request(7, 8))).rejects.toThrow()
    expect(witness.latest(HASH)).toBe(before)
    await rm(claim, { recursive: true })
    expect(await statusOf(await left.request(7, 8))).toBe(200)
  })

  it("is never written over what another process put there", async () => {
    await witness.addCheckpoint(await left.request(0, 4))
    const other = await open()
    expect((await other.addCheckpoint(await left.request(4, 7))).status).toBe(200)
    await expect(witness.addCheckpoint(await right.request(4, 8))).rejects.toThrow(inUse)
    expect(await statusOf(await right.request(4, 8))).toBe(409)
    expect(await statusOf(await right.request(7, 8))).toBe(422)
    expect(await statusOf(await left.request(7, 8))).toBe(200)
  })

  it("is never written by two processes in one step, though both read the same", async () => {
    for (const [old, size] of [
      [0, 3],
      [3, 4],
      [4, 9],
    ] as const) {
      const both = [witness, await open()]
      const requests = [await left.request(old, size), await left.request(old, size + 1)]
      const answers = await Promise.allSettled(requests.map((body, i) => both[i]?.addCheckpoint(body)))
      const cosigned = answers.filter((answer) => answer.status === "fulfilled")
      expect(cosigned.map(({ value }) => value?.status)).toEqual([200])
      const refused = answers.find((answer) => answer.status === "rejected")
      expect(refused?.reason).toEqual(inUse)
      expect(await readdir(folder)).toEqual([HASH])
      witness = await open()
      if (sizeOf(witness.latest(HASH)) === size + 1) {
        await rm(folder, { recursive: true })
        witness = await open()
        await witness.addCheckpoint(await left.request(0, size))
      }
    }
  })

  it("goes on with what a process left half done, and with nothing that another has overtaken", async () => {
    await witness.addCheckpoint(await left.request(0, 4))
    const [overtaken, four] = [await claimAfter(HASH, ""), witness.latest(HASH) ?? ""]
    const claim = await claimAfter(HASH)
    await witness.addCheckpoint(await left.request(4, 6))
    await writeFile(claim, witness.latest(HASH) ?? "")
    await writeFile(overtaken, four)
    await writeFile(join(folder, HASH), four)
    // Its writer may live, and be about to go on: nobody takes its step from it.
    await expect(witness.addCheckpoint(await left.request(6, 7))).rejects.toThrow(badState)
    witness = await open()
    expect(sizeOf(witness.latest(HASH))).toBe(6)
    expect(await readdir(folder)).toEqual([HASH])
    expect(await statusOf(await right.request(4, 7))).toBe(409)
  })

  it.each<[string, (older: string) => Promise<void>]>([
    ["was damaged", () => writeFile(join(folder, HASH), "damaged")],
    ["was put back from a backup", (older) => writeFile(join(folder, HASH), older)],
    ["is gone", () => rm(join(folder, HASH))],
  ])("takes no checkpoint while the file %s, and goes on when it is put right", async (_, harm) => {
    await witness.addCheckpoint(await left.request(0, 4))
    const older = witness.latest(HASH) ?? ""
    await witness.addCheckpoint(await left.request(4, 6))
    const newer = witness.latest(HASH) ?? ""
    await harm(older)
    for (let i = 0; i < 3; i++) {
      await expect(witness.addCheckpoint(await left.request(6, 7))).rejects.toThrow(badState)
      expect(await statusOf(await right.request(0, 7))).toBe(409)
      expect(await statusOf(await right.request(4, 7))).toBe(409)
      expect(witness.latest(HASH)).toBe(newer)
    }
    await writeFile(join(folder, HASH), newer)
    expect(await statusOf(await left.request(6, 7))).toBe(200)
  })

  it.each<[string, Partial<WitnessOptions>]>([
    ["a key that signs notes", { signerKey: logKey }],
    ["a log without keys", { logs: [{ ...LOG, keys: [] }] }],
    ["a log given twice", { logs: [LOG, LOG] }],
    ["a log's key given twice", { logs: [{ ...LOG, keys: [...LOG.keys, ...LOG.keys] }] }],
    ["a log with a cosigner's key", { logs: [{ ...LOG, keys: [verifierKeyOf(witnessKey)] }] }],
    [
      "its own public key as the log's",
      {
        logs: [{ ...LOG, keys: [verifierKeyOf(createSignerKey("example.com/log", witnessKey.seed, 0x01))] }],
      },
    ],
  ])("is not opened with %s", async (_, options) => {
    await expect(open(options)).rejects.toThrow(/RangeError|logs: |signerKey: /)
  })
})

describe("a crowd", () => {
  it("is told to come again, and what was taken in is answered", async () => {
    const requests = await Promise.all(Array.from({ length: 200 }, () => left.request(0, 3)))
    const answers = await Promise.all(requests.map((request) => witness.addCheckpoint(request)))
    const count = (status: number) => answers.filter((answer) => answer.status === status).length
    expect({ cosigned: count(200), late: count(409), busy: count(429) }).toEqual({
      cosigned: 1,
      late: 127,
      busy: 72,
    })
    await witness.settled()
    expect(await statusOf(await left.request(3, 4))).toBe(200)
    expect(encodeBase64(left.root(4))).not.toBe(encodeBase64(left.root(3)))
  })

  it("of one log does not keep another waiting", async () => {
    const second = createSignerKey("example.com/second", new Uint8Array(32).fill(5), 0x01)
    const origin = second.name
    witness = await open({ logs: [LOG, { origin, keys: [verifierKeyOf(second)] }] })
    const requests = await Promise.all(Array.from({ length: 200 }, () => left.request(0, 3)))
    const crowd = requests.map((request) => statusOf(request))
    const head = { origin, treeSize: 3, rootHash: left.root(3), extensions: [] }
    const own = { oldSize: 0, proof: [], checkpoint: signCheckpoint(head, second) }
    expect(await statusOf(formatAddCheckpoint(own))).toBe(200)
    expect(await Promise.all(crowd)).toContain(429)
  })

  it("that sends what is cosigned already is answered without a write, and delays nobody", async () => {
    let timeMs = TIME_MS
    witness = await open({ clock: () => timeMs })
    const { body } = await witness.addCheckpoint(await left.request(0, 3))
    const kept = witness.latest(HASH)
    timeMs += 4_000
    const again = await left.request(3, 3)
    const replays = await Promise.all(Array.from({ length: 600 }, () => witness.addCheckpoint(again)))
    expect(new Set(replays.map((answer) => `${answer.status} ${answer.body}`))).toEqual(
      new Set([`200 ${body}`]),
    )
    expect(witness.latest(HASH)).toBe(kept)
    // Once it is older, one of them has it made anew, and the others have that one.
    timeMs += 1_000
    const later = await Promise.all(Array.from({ length: 100 }, () => witness.addCheckpoint(again)))
    expect(new Set(later.map((answer) => answer.body)).size).toBe(1)
    expect(later[0]?.body).not.toBe(body)
    expect(await statusOf(await left.request(3, 4))).toBe(200)
  })

  it("that asks for what was long ago is told the size at once, and waits for no disk", async () => {
    await witness.addCheckpoint(await left.request(0, 3))
    const [grow, old] = [await left.request(3, 4), await left.request(0, 3)]
    const growing = statusOf(grow)
    expect(await Promise.race([growing, statusOf(old)])).toBe(409)
    expect(await growing).toBe(200)
  })
})

/** The link that a process makes before it puts another note in place of the one that is there. */
async function claimAfter(name: string, note?: string): Promise<string> {
  const text = note ?? (await readFile(join(folder, name), "utf8"))
  return join(folder, `${name}.after-${createHash("sha256").update(text).digest("hex").slice(0, 16)}`)
}
