import { encodeScheduleEntry } from "@prooflog/event/entry"
import { DEFAULT_SCHEDULE } from "@prooflog/event/schedule"
import { encodeBase64 } from "@prooflog/tlog/base64"
import { signCheckpoint } from "@prooflog/tlog/checkpoint"
import { createSignerKey, formatVerifierKey, verifierKeyOf } from "@prooflog/tlog/key"
import { openCheckpoint, parsePolicy } from "@prooflog/tlog/policy"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  brokenLog,
  forkedLog,
  leafOf,
  receiptOf,
  SHORTENED,
  trueAccusations,
  WITNESS_0,
  WITNESS_1,
} from "../fixtures/accusations.js"
import {
  defined,
  genesis,
  logOf,
  ORIGIN,
  OTHER_POLICY,
  opaqueEntries,
  opaqueEvent,
  opaqueLog,
  POLICY,
  POLICY_TEXT,
  type SmallLog,
  START_MS,
  sourceOf,
  WITNESSED_POLICY,
} from "../fixtures/small-log.js"
import { type Accusation, formatAccusation, parseAccusation, verifyAccusation } from "./accusation.js"
import { accuseEntry, accuseHeads, accusePromise, accuseReceipt, accuseWitnesses } from "./accuse.js"
import { VerifierError } from "./error.js"
import type { LogSource } from "./source.js"
import { verifyLog } from "./verify-log.js"

/** Serves nothing, and says so if it is asked. */
const NOTHING: LogSource = { read: () => Promise.reject(new Error("nothing was to be read")) }

/** What the accusation proves, after a journey as a file. */
function provenBy(accusation: Accusation | undefined, policy = POLICY): string {
  return verifyAccusation(parseAccusation(formatAccusation(defined(accusation))), policy).proven
}

const headOf = (log: SmallLog) => openCheckpoint(log.checkpoint, POLICY)

const withCode = (code: string) => expect.objectContaining({ name: "VerifierError", code })

describe("accusing a log of two heads", () => {
  it("convicts every fork of every size, in either order, and no growth", async () => {
    const sizes = fc.integer({ min: 0, max: 40 })
    await fc.assert(
      fc.asyncProperty(sizes, sizes, fc.nat(40), async (a, b, at) => {
        const [known, shown] = [opaqueLog(a), forkedLog(b, at)]
        const { source } = a > b ? known : shown
        const accusation = await accuseHeads(known.checkpoint, shown.checkpoint, source, POLICY)
        expect(await accuseHeads(headOf(shown), headOf(known), source, POLICY)).toEqual(accusation)
        // The forked leaf is in both trees, or the smaller one knows nothing of it.
        if (at >= Math.min(a, b)) {
          expect(accusation).toBeUndefined()
          return
        }
        expect(accusation?.kind).toBe(a === b ? "same-size" : "inconsistent")
        expect(provenBy(accusation)).toMatch(/^The log "log.example\/access" signed /)
      }),
      { numRuns: 200 },
    )
  })

  it("makes what was made by hand", async () => {
    const good = await trueAccusations()
    const [old, grown] = [
      forkedLog(4, 4, [1_700_000_000, 1_700_000_001]),
      forkedLog(7, 2, [1_700_000_000, 1_700_000_001]),
    ]
    const accusation = await accuseHeads(old.checkpoint, grown.checkpoint, grown.source, POLICY)
    expect(accusation).toEqual(good.inconsistent)
    const accusations = await accuseWitnesses(
      old.checkpoint,
      grown.checkpoint,
      grown.source,
      WITNESSED_POLICY,
    )
    expect(accusations.map(({ witness }) => witness)).toEqual([WITNESS_0, WITNESS_1])
    expect(accusations[1]).toEqual(good["witness-equivocation"])
  })

  it("reads nothing where sizes are equal", async () => {
    const [one, other] = [opaqueLog(300), forkedLog(300, 299)]
    expect(provenBy(await accuseHeads(one.checkpoint, other.checkpoint, NOTHING, POLICY))).toMatch(
      /300 leaves/,
    )
    expect(await accuseHeads(one.checkpoint, one.checkpoint, NOTHING, POLICY)).toBeUndefined()
    expect(await accuseHeads(opaqueLog(0).checkpoint, one.checkpoint, NOTHING, POLICY)).toBeUndefined()
  })

  it("works across tiles, where the log shows only its newest tiles", async () => {
    for (const [m, n] of [
      [256, 600],
      [255, 600],
      [300, 512],
      [511, 513],
    ] as const) {
      const grown = forkedLog(n, 3)
      expect(
        provenBy(await accuseHeads(opaqueLog(m).checkpoint, grown.checkpoint, grown.source, POLICY)),
      ).toBe(
        `The log "${ORIGIN}" signed a tree of ${n} leaves that does not begin with the tree of ${m} leaves it signed.`,
      )
    }
  })

  it("says neither yes nor no by tiles that are not those of the larger tree", async () => {
    const [old, grown] = [opaqueLog(5), forkedLog(9, 3)]
    for (const source of [opaqueLog(9).source, forkedLog(9, 4).source]) {
      await expect(accuseHeads(old.checkpoint, grown.checkpoint, source, POLICY)).rejects.toThrow(
        withCode("VERIFIER_TILE_REFUSED"),
      )
    }
    await expect(accuseHeads(old.checkpoint, grown.checkpoint, sourceOf(new Map()), POLICY)).rejects.toThrow(
      withCode("VERIFIER_MISSING"),
    )
  })

  it("needs two heads that the log has signed, of one log", async () => {
    const signer = createSignerKey("log.example/other", new Uint8Array(32).fill(5), 0x01)
    const both = parsePolicy(`log ${formatVerifierKey(verifierKeyOf(signer))}\n${POLICY_TEXT}`)
    const one = opaqueLog(5)
    const other = signCheckpoint({ ...headOf(forkedLog(5, 1)).checkpoint, origin: signer.name }, signer)
    await expect(accuseHeads(one.checkpoint, other, NOTHING, both)).rejects.toThrow(
      withCode("VERIFIER_OTHER_LOG"),
    )
    await expect(accuseHeads(one.checkpoint, other, NOTHING, POLICY)).rejects.toThrow(
      withCode("VERIFIER_CHECKPOINT_REFUSED"),
    )
    await expect(accuseHeads(one.checkpoint, "nothing", NOTHING, OTHER_POLICY)).rejects.toThrow(
      withCode("VERIFIER_CHECKPOINT_REFUSED"),
    )
  })
})

describe("accusing witnesses", () => {
  it("names those who cosigned both heads, and no others", async () => {
    const [old, grown] = [forkedLog(4, 9, [1]), forkedLog(7, 2, [2, 3])]
    const accusations = await accuseWitnesses(
      old.checkpoint,
      grown.checkpoint,
      grown.source,
      WITNESSED_POLICY,
    )
    expect(accusations.map(({ witness }) => witness)).toEqual([WITNESS_0])
    expect(provenBy(accusations[0], WITNESSED_POLICY)).toMatch(/^The witness "witness.example\/w2" cosigned/)
    expect(await accuseWitnesses(old.checkpoint, grown.checkpoint, NOTHING, POLICY)).toEqual([])
    const unseen = forkedLog(7, 2)
    expect(await accuseWitnesses(old.checkpoint, unseen.checkpoint, NOTHING, WITNESSED_POLICY)).toEqual([])
  })

  it("accuses nobody who cosigned what grew", async () => {
    const [old, grown] = [forkedLog(4, 9, [1, 2]), forkedLog(7, 9, [1, 2])]
    expect(await accuseWitnesses(old.checkpoint, grown.checkpoint, grown.source, WITNESSED_POLICY)).toEqual(
      [],
    )
    await expect(accuseWitnesses("", grown.checkpoint, NOTHING, WITNESSED_POLICY)).rejects.toThrow(
      withCode("VERIFIER_CHECKPOINT_REFUSED"),
    )
  })
})

describe("accusing a log of a broken receipt", () => {
  it("convicts at the forked leaf alone", async () => {
    const [old, now] = [opaqueLog(7), forkedLog(300, 3)]
    for (let i = 0; i < 7; i++) {
      const accusation = await accuseReceipt(
        await receiptOf(old, i),
        undefined,
        now.checkpoint,
        now.source,
        POLICY,
      )
      if (i !== 3) expect(accusation).toBeUndefined()
      else expect(provenBy(accusation)).toMatch(/a receipt for an entry as leaf 3, and a tree of 300 leaves/)
    }
  })

  it("takes the entry from beside a receipt that carries none", async () => {
    const [old, now] = [opaqueLog(7), forkedLog(9, 3)]
    const bare = (await receiptOf(old, 3)).replace(/^extra .*\n/m, "")
    const accuse = (entry: Uint8Array | undefined) =>
      accuseReceipt(bare, entry, headOf(now), now.source, POLICY)
    expect(provenBy(await accuse(old.entries[3]))).toMatch(/leaf 3/)
    await expect(accuse(undefined)).rejects.toThrow(withCode("VERIFIER_MALFORMED_RECEIPT"))
    // Nobody promised that.
    await expect(accuse(opaqueEvent(99))).rejects.toThrow(withCode("VERIFIER_ACCUSATION_REFUSED"))
  })

  it("says nothing by a head that does not reach so far, and nothing by wrong tiles", async () => {
    const receipt = await receiptOf(opaqueLog(7), 6)
    const short = forkedLog(5, 1)
    expect(await accuseReceipt(receipt, undefined, short.checkpoint, NOTHING, POLICY)).toBeUndefined()
    const now = forkedLog(9, 6)
    for (const source of [opaqueLog(9).source, forkedLog(9, 2).source]) {
      await expect(accuseReceipt(receipt, undefined, now.checkpoint, source, POLICY)).rejects.toThrow(
        withCode("VERIFIER_TILE_REFUSED"),
      )
    }
    await expect(accuseReceipt("", undefined, now.checkpoint, now.source, POLICY)).rejects.toThrow(
      withCode("VERIFIER_MALFORMED_RECEIPT"),
    )
  })
})

describe("accusing a log of what it has promised", () => {
  /** Leaves of a log, promised under its head. */
  const promiseOf = async (log: SmallLog, ...indices: number[]) => ({
    checkpoint: log.checkpoint,
    items: await Promise.all(indices.map((i) => leafOf(log, i))),
  })

  it("convicts at the first entry that is another, of a larger head, of the same size and of a smaller one", async () => {
    const promise = await promiseOf(opaqueLog(7), 1, 3, 5)
    for (const size of [300, 7, 5]) {
      const now = forkedLog(size, 3)
      const accusation = await accusePromise(promise, now.checkpoint, now.source, POLICY)
      expect(accusation?.kind).toBe("broken-receipt")
      expect(provenBy(accusation)).toMatch(new RegExp(`as leaf 3, and a tree of ${size} leaves`))
    }
  })

  it("convicts by the two heads where what was promised is in its place", async () => {
    const promise = await promiseOf(opaqueLog(7), 1, 5)
    for (const [size, kind] of [
      [300, "inconsistent"],
      [7, "same-size"],
    ] as const) {
      const now = forkedLog(size, 3)
      const accusation = await accusePromise(promise, now.checkpoint, now.source, POLICY)
      expect(accusation?.kind).toBe(kind)
      provenBy(accusation)
    }
  })

  it("convicts by the two heads where the tiles of what was promised are withheld, or it makes no sense", async () => {
    const promise = await promiseOf(opaqueLog(7), 3)
    const now = forkedLog(7, 3)
    const none = sourceOf(new Map())
    expect((await accusePromise(promise, now.checkpoint, none, POLICY))?.kind).toBe("same-size")
    const items = promise.items.map((item) => ({ ...item, path: [] }))
    const nonsense = { ...promise, items }
    expect((await accusePromise(nonsense, now.checkpoint, now.source, POLICY))?.kind).toBe("same-size")
  })

  it("finds nothing in a log that has only grown, and reads no entry that was promised", async () => {
    const items: Iterable<never> = {
      [Symbol.iterator]: () => {
        throw new Error("nothing was to be read")
      },
    }
    const { checkpoint } = opaqueLog(7)
    for (const size of [7, 8, 300]) {
      const now = opaqueLog(size)
      expect(await accusePromise({ checkpoint, items }, now.checkpoint, now.source, POLICY)).toBeUndefined()
    }
  })

  it("says why it could not find out, and accuses nobody: tiles are wrong, missing, or out of reach", async () => {
    const promise = await promiseOf(opaqueLog(7), 3)
    const now = forkedLog(300, 3)
    const accuse = (source: LogSource, head = now.checkpoint) => accusePromise(promise, head, source, POLICY)
    await expect(accuse(opaqueLog(300).source)).rejects.toThrow(withCode("VERIFIER_TILE_REFUSED"))
    await expect(accuse(sourceOf(new Map()))).rejects.toThrow(withCode("VERIFIER_MISSING"))
    await expect(accuse(NOTHING)).rejects.toThrow("nothing was to be read")
  })

  it("is not misled by tiles that change while they are read", async () => {
    const promise = await promiseOf(opaqueLog(7), 3)
    const now = forkedLog(300, 3)
    const reads = new Map<string, number>()
    const source: LogSource = {
      read(path) {
        reads.set(path, (reads.get(path) ?? 0) + 1)
        return reads.get(path) === 1 ? now.source.read(path) : Promise.resolve(undefined)
      },
    }
    expect((await accusePromise(promise, now.checkpoint, source, POLICY))?.kind).toBe("broken-receipt")
  })
})

describe("accusing a log of what an audit refused", () => {
  /** What an audit of this log finds. */
  async function findings(log: SmallLog): Promise<VerifierError> {
    try {
      await verifyLog(log.source, POLICY)
    } catch (error) {
      if (error instanceof VerifierError) return error
      throw error
    }
    throw new Error("the audit found nothing")
  }

  const { classes } = DEFAULT_SCHEDULE
  const LONGER = { ...DEFAULT_SCHEDULE, classes: { ...classes, routine: { keep_days: 2000 } } }
  const schedule = (leafIndex: number, it = DEFAULT_SCHEDULE) => encodeScheduleEntry(it, START_MS + leafIndex)

  it.each<[string, string, number, Readonly<Record<number, Uint8Array>>, RegExp]>([
    ["no entry", "invalid-entry", 300, { 290: Uint8Array.of(1, 2, 3) }, /leaf 290, which is no entry/],
    ["a second genesis", "invalid-entry", 9, { 4: genesis({ timeMs: START_MS + 4 }) }, /a second genesis/],
    ["no genesis", "invalid-entry", 9, { 0: opaqueEvent(0) }, /which is no genesis/],
    ["another's genesis", "invalid-entry", 9, { 0: genesis({ origin: "x" }) }, /the genesis of "x"/],
    [
      "an earlier time",
      "time-went-back",
      600,
      { 256: opaqueEvent(256, { timeMs: START_MS + 9 }) },
      /leaf 256 with a time 246 ms before that of leaf 255/,
    ],
    [
      "a repeated commitment",
      "repeated-commitment",
      600,
      { 512: opaqueEvent(7, { timeMs: START_MS + 512 }) },
      /leaves 7 and 512 with one commitment/,
    ],
    [
      "a schedule that breaks the genesis",
      "shortened-schedule",
      600,
      { 520: schedule(520, SHORTENED) },
      /leaf 520, .* leaf 0 promised/,
    ],
    [
      "a schedule that breaks a later one",
      "shortened-schedule",
      600,
      { 3: schedule(3), 9: schedule(9, LONGER), 520: schedule(520) },
      /leaf 520, .* leaf 9 promised/,
    ],
  ])("convicts of %s", async (_what, kind, size, others, proven) => {
    const log = brokenLog(size, others)
    const accusation = await accuseEntry(await findings(log), headOf(log), log.source)
    expect(accusation?.kind).toBe(kind)
    expect(provenBy(accusation)).toMatch(proven)
  })

  it("convicts under a later head, and of what an audit found that went on from an earlier one", async () => {
    const first = opaqueLog(300)
    const { end } = await verifyLog(first.source, POLICY)
    const log = brokenLog(600, { 300: opaqueEvent(9, { timeMs: START_MS + 300 }) })
    const error = await verifyLog(log.source, POLICY, { from: end }).catch((found: unknown) => found)
    expect(error).toMatchObject({ code: "VERIFIER_REPEATED_COMMITMENT", leafIndex: 300, otherLeaf: 9 })
    const later = brokenLog(700, { 300: opaqueEvent(9, { timeMs: START_MS + 300 }) })
    for (const { source, checkpoint } of [log, later]) {
      const head = openCheckpoint(checkpoint, POLICY)
      expect(provenBy(await accuseEntry(error as VerifierError, head, source))).toMatch(/leaves 9 and 300/)
    }
  })

  it("convicts nobody of what was not signed, or is no proof by itself", async () => {
    const log = opaqueLog(9)
    const files = new Map(log.files)
    files.set("tile/entries/000.p/9", defined(forkedLog(9, 4).files.get("tile/entries/000.p/9")))
    const wrong = { ...log, source: sourceOf(files) }
    const unknown = brokenLog(9, { 4: opaqueEvent(4, { className: "secret" }) })
    for (const it of [wrong, unknown]) {
      expect(await accuseEntry(await findings(it), headOf(it), it.source)).toBeUndefined()
    }
    // An error that the log's own leaves do not bear out, whoever made it up.
    for (const code of [
      "VERIFIER_ENTRY_REFUSED",
      "VERIFIER_GENESIS_REFUSED",
      "VERIFIER_TIME_WENT_BACK",
      "VERIFIER_REPEATED_COMMITMENT",
      "VERIFIER_SCHEDULE_REFUSED",
      "VERIFIER_MISSING",
    ] as const) {
      for (const leafIndex of [0, 4, 8]) {
        const error = new VerifierError(code, "", { leafIndex, otherLeaf: 1 })
        expect(await accuseEntry(error, headOf(log), log.source)).toBeUndefined()
      }
      expect(await accuseEntry(new VerifierError(code, ""), headOf(log), NOTHING)).toBeUndefined()
    }
  })

  it("hands out nothing that does not convict, though the source has changed since", async () => {
    const log = brokenLog(9, { 4: opaqueEvent(4, { timeMs: START_MS }) })
    const error = await findings(log)
    for (const { source } of [opaqueLog(9), forkedLog(9, 3)]) {
      expect(await accuseEntry(error, headOf(log), source)).toBeUndefined()
    }
    const cut = new Map(log.files).set("tile/entries/000.p/9", new Uint8Array(3))
    await expect(accuseEntry(error, headOf(log), sourceOf(cut))).rejects.toThrow(
      withCode("VERIFIER_BUNDLE_REFUSED"),
    )
    await expect(accuseEntry(error, headOf(opaqueLog(3)), opaqueLog(3).source)).rejects.toThrow(RangeError)
  })
})

it("one fork makes one file, whichever head was seen first", async () => {
  const [one, other] = [logOf(opaqueEntries(5)), forkedLog(5, 4)]
  const files = await Promise.all([
    accuseHeads(one.checkpoint, other.checkpoint, NOTHING, POLICY),
    accuseHeads(other.checkpoint, one.checkpoint, NOTHING, POLICY),
  ])
  expect(formatAccusation(defined(files[0]))).toBe(formatAccusation(defined(files[1])))
  const roots = defined(files[0]).heads.map((note) =>
    encodeBase64(openCheckpoint(note, POLICY).checkpoint.rootHash),
  )
  expect(new Set(roots).size).toBe(2)
})
