import { formatCheckpoint } from "@prooflog/tlog/checkpoint"
import { CompactRange } from "@prooflog/tlog/compact-range"
import { cosign } from "@prooflog/tlog/cosignature"
import { leafHash, sha256 } from "@prooflog/tlog/hash"
import { createSignerKey, verifierKeyOf } from "@prooflog/tlog/key"
import { parseNote } from "@prooflog/tlog/note"
import {
  formatAddCheckpoint,
  formatCosignatureLines,
  parseAddCheckpoint,
} from "@prooflog/tlog/witness-request"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import type { LedgerError } from "./error.js"
import { type Head, signHead } from "./head.js"
import { type Misbehaviour, StandInWitness } from "./stand-in-witness.js"
import { makeEntry, START_MS } from "./trial.js"
import { type Prove, Witness } from "./witness.js"

const SIGNER = createSignerKey("trial.example/log", sha256(new Uint8Array(1)), 1)
const LOG_KEY = verifierKeyOf(SIGNER)

/** Trees of leaves 0, 1, 2, … and, with another seed, of other leaves. */
function headOf(treeSize: number, seed = 0): Head {
  const range = CompactRange.empty()
  for (let n = 0; n < treeSize; n++) range.append(leafHash(makeEntry(n + seed)))
  return signHead({ treeSize, rootHash: range.rootHash() }, SIGNER, START_MS)
}

/** Proofs out of the leaves themselves: RFC 6962's recursion. */
function proverOf(treeSize: number, seed = 0): Prove {
  const hashes = Array.from({ length: treeSize }, (_, n) => leafHash(makeEntry(n + seed)))
  return async (oldSize) => (oldSize === 0 ? [] : subproof(oldSize, hashes, true))
}

function subproof(m: number, hashes: readonly Uint8Array[], known: boolean): Uint8Array[] {
  const root = (part: readonly Uint8Array[]) => {
    const range = CompactRange.empty()
    for (const hash of part) range.append(hash)
    return range.rootHash()
  }
  if (m === hashes.length) return known ? [] : [root(hashes)]
  let k = 1
  while (k * 2 < hashes.length) k *= 2
  if (m <= k) return [...subproof(m, hashes.slice(0, k), known), root(hashes.slice(k))]
  return [...subproof(m - k, hashes.slice(k), false), root(hashes.slice(0, k))]
}

let standIn: StandInWitness
let witness: Witness
const alarms: LedgerError[] = []
let nowMs = START_MS

function meet(timeoutMs = 2_000): Witness {
  const options = { witness: standIn.ofPolicy, timeoutMs, clock: () => nowMs }
  witness = new Witness({ ...options, onAlarm: (error) => alarms.push(error) })
  return witness
}

beforeEach(async () => {
  alarms.splice(0)
  standIn = await new StandInWitness("w1", 10, LOG_KEY).start()
  meet()
})

afterEach(async () => {
  witness.close()
  await standIn.stop()
})

function ask(treeSize: number) {
  return witness.cosign(headOf(treeSize), proverOf(treeSize))
}

const oldSizes = () => standIn.bodies.map((body) => parseAddCheckpoint(body).oldSize)

describe("a witness", () => {
  it("is asked with what it cosigned last, and believed once its cosignature verifies", async () => {
    for (const size of [1, 2, 3, 7, 8, 9, 20])
      expect(await ask(size)).toMatchObject({ timeSeconds: 1_770_000_000 })
    expect(standIn.cosigned).toEqual([1, 2, 3, 7, 8, 9, 20])
    expect(oldSizes()).toEqual([0, 1, 2, 3, 7, 8, 9])
    expect(witness.status).toEqual({ name: "w1", size: 20, timeSeconds: 1_770_000_000 })
    expect(standIn.sockets.size).toBe(1)
  })

  it("that remembers more than we do says how much, and is given the proof from there", async () => {
    await ask(5)
    meet()
    expect(await ask(9)).toBeDefined()
    expect(oldSizes()).toEqual([0, 0, 5])
  })

  it("that forgot is given what it needs", async () => {
    await ask(5)
    standIn.size = 3
    standIn.root = headOf(3).rootHash
    expect(await ask(9)).toBeDefined()
    expect(oldSizes()).toEqual([0, 5, 3])
    expect(alarms).toEqual([])
  })

  it("whose connection was closed meanwhile is sent the same over a new one", async () => {
    await ask(5)
    await standIn.stop()
    await standIn.start()
    expect(await ask(6)).toBeDefined()
    expect(standIn.cosigned).toEqual([5, 6])
  })

  it("that closes its connection at the moment at which it is asked is asked once more", async () => {
    const used = new Set<unknown>()
    standIn.misbehaves = async (_, response) => {
      if (!used.has(response.socket)) {
        used.add(response.socket)
        return undefined
      }
      response.destroy()
      return "it answered"
    }
    for (const size of [5, 6, 7]) expect(await ask(size)).toBeDefined()
    expect(oldSizes()).toEqual([0, 5, 5, 6, 6])
    expect(used.size).toBe(3)
  })

  it("that closes all its connections so is asked once more over a new one", async () => {
    await witness.known(headOf(0), SIGNER.name)
    const used = new Set<unknown>(standIn.sockets)
    expect(used.size).toBe(2)
    standIn.misbehaves = async (_, response) => {
      if (!used.has(response.socket)) return undefined
      response.destroy()
      return "it answered"
    }
    expect(await ask(5)).toBeDefined()
    expect(standIn.bodies).toHaveLength(3)
  })

  it("that speaks no TLS at an address of https gives no cosignature", async () => {
    const { name, key, url } = standIn.ofPolicy
    const options = { timeoutMs: 2_000, clock: () => nowMs, onAlarm: () => {} }
    witness = new Witness({
      ...options,
      witness: { name, key, url: (url as string).replace("http:", "https:") },
    })
    expect(await ask(5)).toBeUndefined()
    expect(witness.status.failure).toMatch(/^[\x20-\x7e]{1,200}$/)
  })

  it("is asked again for the same head, and its newer cosignature is given", async () => {
    await ask(5)
    standIn.timeSeconds += 3_600
    expect(await ask(5)).toMatchObject({ timeSeconds: standIn.timeSeconds })
    expect(oldSizes()).toEqual([0, 5])
  })
})

const status =
  (status: number, body = ""): Misbehaviour =>
  async () => ({ status, body })

function cosignatureOf(text: string, signer = standIn.signerKey, timeSeconds = 1_770_000_000): string {
  return formatCosignatureLines([cosign(text, signer, timeSeconds)])
}

const textOf = (body: string) => parseNote(parseAddCheckpoint(body).checkpoint).text
const FORGED = createSignerKey("w1.example", sha256(Uint8Array.of(99)), 4)

describe("a witness that fails or lies gives no cosignature, and its status says why", () => {
  const cases: readonly [string, Misbehaviour, RegExp][] = [
    ["an unknown log", status(404), /404.*does not know the log/],
    ["an unknown key", status(403), /403.*trust the log's key/],
    ["a broken server", status(500, "<html>"), /500/],
    ["a redirect", status(302), /302/],
    ["an answer without lines", status(200), /not signature lines/],
    ["an answer that is no lines", status(200, "\u001b[2Jhello\n"), /not signature lines/],
    [
      "a whole note",
      async (body) => ({ status: 200, body: parseAddCheckpoint(body).checkpoint }),
      /not signature lines/,
    ],
    [
      "another key under its name",
      async (b) => ({ status: 200, body: cosignatureOf(textOf(b), FORGED) }),
      /verifies/,
    ],
    ["another text", async () => ({ status: 200, body: cosignatureOf("other\n") }), /verifies/],
    [
      "another root",
      async () => {
        const { treeSize, rootHash } = headOf(7, 100)
        const other = formatCheckpoint({ origin: SIGNER.name, treeSize, rootHash, extensions: [] })
        return { status: 200, body: cosignatureOf(other) }
      },
      /verifies/,
    ],
    [
      "a time of the year 287,000",
      async (b) => ({ status: 200, body: cosignatureOf(textOf(b), undefined, 9_000_000_000_000) }),
      /9000000000000 s after 1970, more than a day from our clock/,
    ],
    [
      "a time of two days ago",
      async (b) => ({ status: 200, body: cosignatureOf(textOf(b), undefined, START_MS / 1_000 - 172_800) }),
      /more than a day from our clock/,
    ],
    ["no time", async (b) => ({ status: 200, body: cosignatureOf(textOf(b), undefined, 0) }), /verifies/],
    [
      "a changed bit",
      async (b) => ({ status: 200, body: flipped(cosignatureOf(textOf(b))) }),
      /verifies|not signature lines/,
    ],
    ["a huge body", status(200, "— ".repeat(400_000)), /more than 400000 bytes/],
    [
      "a huge conflict",
      async (_, response) => {
        response.writeHead(409)
        const more = () => {
          while (!response.destroyed && response.write("9".repeat(65_536)));
        }
        response.on("drain", more).on("error", () => {})
        more()
        return "it answered"
      },
      /more than 400000 bytes/,
    ],
    [
      "a body that breaks off",
      async (_, response) => {
        response.writeHead(200, { "content-length": "100" }).write("— ")
        setTimeout(() => response.destroy(), 5)
        return "it answered"
      },
      /aborted|ECONNRESET|hang up/,
    ],
    [
      "a connection that is cut",
      async (_, response) => {
        response.destroy()
        return "it answered"
      },
      /hang up|ECONNRESET/,
    ],
  ]

  it.each(cases)("%s", async (_, misbehaviour, why) => {
    standIn.misbehaves = misbehaviour
    expect(await ask(7)).toBeUndefined()
    const { failure, failedSince } = witness.status
    expect(failure).toMatch(why)
    expect(failure).toMatch(/^[\x20-\x7e]{1,200}$/)
    expect(failedSince).toBe(nowMs)
    expect(alarms).toEqual([])
    nowMs += 1_000
    expect(await ask(7)).toBeUndefined()
    expect(witness.status.failedSince).toBe(failedSince)
    standIn.misbehaves = undefined
    expect(await ask(7)).toBeDefined()
    expect(witness.status.failure).toBeUndefined()
    expect(witness.status.failedSince).toBeUndefined()
  })

  it.each<[string, Misbehaviour]>([
    ["says nothing", async () => "it answered"],
    [
      "begins an answer and hangs",
      async (_, response) => {
        response.writeHead(200).write("— w1")
        return "it answered"
      },
    ],
  ])("one that %s is given its time and no more", async (_, misbehaviour) => {
    meet(100)
    standIn.misbehaves = misbehaviour
    expect(await ask(7)).toBeUndefined()
    expect(witness.status.failure).toBe("it did not answer within 100 ms")
    standIn.misbehaves = undefined
    meet(2_000)
    expect(await ask(8)).toBeDefined()
  })

  it("one that was asked too often is left alone for a while", async () => {
    standIn.misbehaves = status(429)
    expect(await ask(7)).toBeUndefined()
    expect(await ask(7)).toBeUndefined()
    expect(witness.status.failure).toMatch(/429.*too often/)
    expect(standIn.bodies).toHaveLength(1)
  })
})

describe("a witness that knows another tree is an alarm, once, and never a loop", () => {
  it("a larger one", async () => {
    standIn.add(await bodyOf(12))
    for (const size of [7, 8]) expect(await ask(size)).toBeUndefined()
    expect(alarms).toHaveLength(1)
    expect(alarms[0]).toMatchObject({
      code: "LEDGER_WITNESS_AHEAD",
      heads: { signed: { treeSize: 12 }, stored: { treeSize: 7 } },
    })
    expect(standIn.bodies).toHaveLength(2)
    expect(witness.status).toMatchObject({ size: 12, failure: expect.stringMatching(/12 leaves/) })
    expect(await ask(13)).toBeDefined()
  })

  it("a larger one now and then: one alarm an hour", async () => {
    let answers = 0
    standIn.misbehaves = async () =>
      answers++ % 2 === 0 ? { status: 409, body: "9007199254740991\n" } : undefined
    for (let size = 7; size < 17; size++) expect((await ask(size)) === undefined).toBe(size % 2 === 1)
    expect(alarms.map(({ code }) => code)).toEqual(["LEDGER_WITNESS_AHEAD"])
    nowMs += 3_600_000
    await ask(17)
    expect(alarms).toHaveLength(2)
  })

  it("another one of the same size, or of a smaller", async () => {
    for (const size of [7, 5]) {
      standIn.size = size
      standIn.root = headOf(size, 100).rootHash
      meet()
      alarms.splice(0)
      expect(await ask(7)).toBeUndefined()
      expect(await ask(7)).toBeUndefined()
      expect(alarms.map(({ code }) => code)).toEqual(["LEDGER_WITNESS_DISAGREES"])
    }
  })

  it.each([
    ["nothing", ""],
    ["no number", "seven\n"],
    ["no line feed", "5"],
    ["a leading zero", "05\n"],
    ["a sign", "-5\n"],
    ["a fraction", "5.0\n"],
    ["more than is safe", "9007199254740993\n"],
    ["a second line", "5\n6\n"],
    ["what it was sent", "0\n"],
  ])("a conflict that says %s", async (_, body) => {
    standIn.misbehaves = status(409, body)
    expect(await ask(7)).toBeUndefined()
    expect(alarms.map(({ code }) => code)).toEqual(["LEDGER_WITNESS_DISAGREES"])
    expect(standIn.bodies).toHaveLength(1)
  })

  it("conflicts without end", async () => {
    let size = 1
    standIn.misbehaves = async () => ({ status: 409, body: `${size++}\n` })
    expect(await ask(7)).toBeUndefined()
    expect(standIn.bodies).toHaveLength(2)
    expect(witness.status.failure).toBe("it answered 409 twice")
    expect(alarms).toEqual([])
  })
})

it("proofs of the tests are those that a witness checks", async () => {
  for (let m = 1; m < 20; m++) {
    for (let n = m; n < 20; n++) {
      standIn.size = m
      standIn.root = headOf(m).rootHash
      expect(standIn.add(await bodyOf(n, m)).status).toBe(200)
    }
  }
})

async function bodyOf(size: number, oldSize = 0): Promise<string> {
  const proof = await proverOf(size)(oldSize)
  return formatAddCheckpoint({ oldSize, proof, checkpoint: headOf(size).note })
}

function flipped(line: string): string {
  const at = line.length - 30
  return line.slice(0, at) + (line[at] === "A" ? "B" : "A") + line.slice(at + 1)
}
