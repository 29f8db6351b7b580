import { formatCheckpoint, signCheckpoint } from "@prooflog/tlog/checkpoint"
import { createSignerKey } from "@prooflog/tlog/key"
import { formatSignatureLine } from "@prooflog/tlog/note"
import { openCheckpoint, type Policy } from "@prooflog/tlog/policy"
import { describe, expect, it } from "vitest"
import {
  defined,
  logOf,
  ORIGIN,
  OTHER_POLICY,
  opaqueEntries,
  opaqueEvent,
  POLICY,
  type SmallLog,
  signHead,
  sourceOf,
  WITNESSED_POLICY,
} from "../fixtures/small-log.js"
import {
  advance,
  lacksQuorum,
  MAX_HEAD_BYTES,
  MAX_HEAD_TEXT_BYTES,
  openAnyHead,
  openHead,
} from "./advance.js"

const SIZES = [0, 1, 2, 3, 7, 8, 255, 256, 257, 300, 511, 512, 600]

function logOfSize(size: number): SmallLog {
  return logOf(opaqueEntries(600).slice(0, size))
}

function headOf(log: SmallLog) {
  return openCheckpoint(log.checkpoint, POLICY)
}

/** The files of a log that shows nothing but a checkpoint. */
function textFile(checkpoint: string): Map<string, Uint8Array> {
  return new Map([["checkpoint", new TextEncoder().encode(checkpoint)]])
}

/** The same log up to leaf `at`, where another entry stands, and as many after it. */
function forkAt(at: number, size: number): SmallLog {
  const entries = opaqueEntries(size)
  entries[at] = opaqueEvent(1_000_000 + at)
  return logOf(entries)
}

describe("advancing from head to head", () => {
  it("takes the first head on the policy's word", async () => {
    const log = logOfSize(8)
    expect(await advance(undefined, log.source, POLICY)).toEqual(headOf(log))
  })

  it("goes from every size to every size not smaller", async () => {
    const logs = SIZES.map(logOfSize)
    for (const [i, old] of logs.entries()) {
      for (const log of logs.slice(i)) {
        expect(await advance(headOf(old), log.source, POLICY)).toEqual(headOf(log))
      }
    }
  })

  it("makes its proof though the log has dropped the old partial tiles", async () => {
    const log = logOfSize(600)
    const paths = [...log.files.keys()].filter((path) => path.includes(".p/"))
    expect(paths).toEqual(["tile/0/002.p/88", "tile/1/000.p/2", "tile/entries/002.p/88"])
    await advance(headOf(logOfSize(257)), log.source, POLICY)
  })

  it("never goes back", async () => {
    const known = logOfSize(300)
    const shown = logOfSize(257)
    await expect(advance(headOf(known), shown.source, POLICY)).rejects.toThrow(
      expect.objectContaining({
        code: "VERIFIER_WENT_BACK",
        heads: { known: known.checkpoint, shown: shown.checkpoint },
      }),
    )
  })

  it("never goes to the side: one size, two roots", async () => {
    const known = logOfSize(300)
    const shown = forkAt(299, 300)
    await expect(advance(headOf(known), shown.source, POLICY)).rejects.toThrow(
      expect.objectContaining({
        code: "VERIFIER_FORKED",
        heads: { known: known.checkpoint, shown: shown.checkpoint },
      }),
    )
  })

  it.each([
    [1, 0, 2],
    [256, 10, 300],
    [257, 256, 600],
    [300, 0, 600],
    [511, 510, 512],
  ])("convicts a head of %d leaves that leaf %d of %d contradicts", async (oldSize, at, newSize) => {
    const known = logOfSize(oldSize)
    const shown = forkAt(at, newSize)
    await expect(advance(headOf(known), shown.source, POLICY)).rejects.toThrow(
      expect.objectContaining({
        code: "VERIFIER_FORKED",
        heads: { known: known.checkpoint, shown: shown.checkpoint },
      }),
    )
  })

  it("accuses nobody of a fork over tiles that prove nothing", async () => {
    const known = headOf(logOfSize(300))
    const log = logOfSize(600)
    // Which tiles a proof needs depends on the sizes: whatever is broken, it is never called a fork.
    for (const path of [...log.files.keys()].filter((path) => /tile\/\d/.test(path))) {
      const broken = new Map(log.files)
      broken.set(
        path,
        defined(log.files.get(path)).map((byte) => byte ^ 1),
      )
      const outcome = await advance(known, sourceOf(broken), POLICY).then(
        () => "advanced",
        (error: { code: string }) => error.code,
      )
      expect(["advanced", "VERIFIER_TILE_REFUSED"]).toContain(outcome)
    }
  })

  it("refuses another log, whoever signed it", async () => {
    const known = headOf(logOfSize(8))
    const other = { ...known, checkpoint: { ...known.checkpoint, origin: "log.example/other" } }
    await expect(advance(other, logOfSize(8).source, POLICY)).rejects.toThrow(
      expect.objectContaining({ code: "VERIFIER_OTHER_LOG" }),
    )
  })

  it("refuses a checkpoint that the policy does not believe", async () => {
    const log = logOfSize(8)
    const cases = [
      [OTHER_POLICY, "VERIFIER_CHECKPOINT_REFUSED"],
      [WITNESSED_POLICY, "VERIFIER_NO_QUORUM"],
    ] as const
    for (const [policy, code] of cases) {
      await expect(advance(undefined, log.source, policy)).rejects.toThrow(
        expect.objectContaining({ code, path: "checkpoint" }),
      )
    }
  })

  it.each([
    ["of what lacks nothing but cosignatures", logOfSize(8).checkpoint, WITNESSED_POLICY, true],
    ["of what another key signed", logOfSize(8).checkpoint, OTHER_POLICY, false],
    ["of what is no checkpoint", "nothing\n", WITNESSED_POLICY, false],
  ])("tells a missing quorum from every other refusal: %s", (_why, note, policy, lacks) => {
    let refusal: unknown
    try {
      openHead(note, policy)
    } catch (error) {
      refusal = error
    }
    expect(refusal).toMatchObject({ code: lacks ? "VERIFIER_NO_QUORUM" : "VERIFIER_CHECKPOINT_REFUSED" })
    expect(lacksQuorum(refusal)).toBe(lacks)
  })

  it("cannot tell where belief hangs on signatures of a type that is unknown here", async () => {
    const log = logOfSize(8)
    const opaque = (name: string) => ({ name, keyId: 7, type: 0x06, publicKey: new Uint8Array(1312) })
    const claim = (name: string) => formatSignatureLine({ name, keyId: 7, bytes: new Uint8Array(2428) })
    const [logKey] = POLICY.logs
    const witnessed = (policy: Partial<Policy>): Policy => ({ ...WITNESSED_POLICY, quorum: "pq", ...policy })
    const asked = witnessed({
      witnesses: [...WITNESSED_POLICY.witnesses, { name: "pq", key: opaque("pq.example") }],
    })
    const open = (note: string, policy: Policy) => advance(undefined, sourceOf(textFile(note)), policy)
    const code = (code: string) => expect.objectContaining({ code, path: "checkpoint" })
    const note = log.checkpoint + claim("pq.example")
    // It claims the signature that the quorum asks for: whether it is one, others can say.
    await expect(open(note, asked)).rejects.toThrow(code("VERIFIER_UNKNOWN_KEY_TYPE"))
    // Nobody even claims it, or it would not be enough.
    await expect(open(log.checkpoint, asked)).rejects.toThrow(code("VERIFIER_NO_QUORUM"))
    await expect(open(note, { ...asked, quorum: "w0" })).rejects.toThrow(code("VERIFIER_NO_QUORUM"))
    // A forgery by a type that is known stays one, whatever is claimed beside it.
    await expect(open(note.replace("\n8\n", "\n9\n"), asked)).rejects.toThrow(
      code("VERIFIER_CHECKPOINT_REFUSED"),
    )
    // The log itself may sign so.
    const unsigned = `${log.checkpoint.split("—")[0]}${claim("log.example/access")}`
    const byLog = { ...POLICY, logs: [defined(logKey), { key: opaque("log.example/access") }] }
    await expect(open(unsigned, byLog)).rejects.toThrow(code("VERIFIER_UNKNOWN_KEY_TYPE"))
    await expect(open(unsigned, POLICY)).rejects.toThrow(code("VERIFIER_CHECKPOINT_REFUSED"))
    const otherLog = { ...POLICY, logs: [defined(logKey), { key: opaque("log.example/other") }] }
    const signedByOther = unsigned + claim("log.example/other")
    await expect(open(signedByOther, otherLog)).rejects.toThrow(code("VERIFIER_CHECKPOINT_REFUSED"))
  })

  it("accuses nobody of what is no refusal but a bug", async () => {
    const policy = { ...POLICY, logs: undefined as unknown as Policy["logs"] }
    await expect(advance(undefined, logOfSize(8).source, policy)).rejects.toThrow(TypeError)
  })

  it("takes newer cosignatures over an unchanged head", async () => {
    const entries = opaqueEntries(5)
    const known = openCheckpoint(logOf(entries, [100]).checkpoint, WITNESSED_POLICY)
    const shown = await advance(known, logOf(entries, [200, 150]).source, WITNESSED_POLICY)
    expect(shown.cosignatures.map(({ timeSeconds }) => timeSeconds)).toEqual([200, 150])
  })

  it("asks for nothing but the checkpoint when nothing can be proven", async () => {
    const known = headOf(logOfSize(0))
    const note = signHead(5, new Uint8Array(32).fill(3))
    expect((await advance(known, sourceOf(textFile(note)), POLICY)).checkpoint.treeSize).toBe(5)
  })
})

describe("a long head", () => {
  const signer = createSignerKey(ORIGIN, new Uint8Array(32).fill(1), 0x01)
  const base = { origin: ORIGIN, treeSize: 3, rootHash: new Uint8Array(32).fill(1) }
  const bare = formatCheckpoint({ ...base, extensions: [] }).length
  const stranger = { name: "stranger.example", keyId: 7 }

  /** With a text of so many bytes. */
  const longText = (bytes: number) =>
    signCheckpoint({ ...base, extensions: ["é".repeat(50), "x".repeat(bytes - bare - 102)] }, signer)
  /** With a stranger's signature, so many bytes in all. */
  const longNote = (bytes: number) => {
    const note = signCheckpoint({ ...base, extensions: [] }, signer)
    const room = Math.floor((bytes - note.length - 40) / 4) * 3
    return note + formatSignatureLine({ ...stranger, bytes: new Uint8Array(room) })
  }

  it.each<[string, string, boolean]>([
    ["a text as long as may be", longText(MAX_HEAD_TEXT_BYTES), true],
    ["a text that is longer by a byte", longText(MAX_HEAD_TEXT_BYTES + 1), false],
    ["a note that fits", longNote(MAX_HEAD_BYTES), true],
    ["a note that does not", longNote(MAX_HEAD_BYTES + 100), false],
  ])("is believed only if it can be shown to others, and convicts anyhow: %s", (_, note, isBelieved) => {
    if (isBelieved) expect(openHead(note, POLICY).note).toBe(note)
    else expect(() => openHead(note, POLICY)).toThrow("longer than")
    expect(openAnyHead(note, POLICY).note).toBe(note)
  })
})
