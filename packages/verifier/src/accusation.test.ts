import { encodeCbor } from "@prooflog/event/cbor"
import { encodeScheduleEntry } from "@prooflog/event/entry"
import { DEFAULT_SCHEDULE } from "@prooflog/event/schedule"
import { signCheckpoint } from "@prooflog/tlog/checkpoint"
import { cosign } from "@prooflog/tlog/cosignature"
import { leafHash, nodeHash } from "@prooflog/tlog/hash"
import { createSignerKey, formatVerifierKey, verifierKeyOf } from "@prooflog/tlog/key"
import { formatNote, parseNote } from "@prooflog/tlog/note"
import { openCheckpoint, type Policy, parsePolicy } from "@prooflog/tlog/policy"
import fc from "fast-check"
import { beforeAll, describe, expect, it } from "vitest"
import {
  brokenLog,
  forkedLog,
  hashesOf,
  leafOf,
  receiptOf,
  SHORTENED,
  trueAccusations,
  WITNESS_0,
  WITNESS_1,
} from "../fixtures/accusations.js"
import { mixedLeaves } from "../fixtures/growing-log.js"
import {
  defined,
  genesis,
  logOf,
  mangled,
  ORIGIN,
  OTHER_POLICY,
  opaqueEntries,
  opaqueEvent,
  opaqueLog,
  POLICY,
  POLICY_TEXT,
  type SmallLog,
  START_MS,
  signHead,
  WITNESSED_POLICY,
} from "../fixtures/small-log.js"
import {
  ACCUSATION_KINDS,
  type Accusation,
  type AccusationKind,
  type AccusedLeaf,
  type BrokenOrder,
  formatAccusation,
  parseAccusation,
  verifyAccusation,
} from "./accusation.js"
import { VerifierError } from "./error.js"

const OTHER_SIGNER = createSignerKey("log.example/other", new Uint8Array(32).fill(5), 0x01)
const OTHER_WITNESS = createSignerKey("witness.example/other", new Uint8Array(32).fill(6), 0x04)

/** Believes another log as well. */
const TWO_LOGS: Policy = parsePolicy(`log ${formatVerifierKey(verifierKeyOf(OTHER_SIGNER))}\n${POLICY_TEXT}`)

const refused = (message: RegExp = /./) =>
  expect.objectContaining({
    name: "VerifierError",
    code: "VERIFIER_ACCUSATION_REFUSED",
    message: expect.stringMatching(message),
  })

/** Whether it convicts; anything but a refusal is a bug. */
function convicts(accusation: Accusation, policy: Policy = WITNESSED_POLICY): boolean {
  try {
    verifyAccusation(accusation, policy)
    return true
  } catch (error) {
    if (error instanceof VerifierError && error.code === "VERIFIER_ACCUSATION_REFUSED") return false
    throw error
  }
}

let good: Readonly<Record<AccusationKind, Accusation>>
beforeAll(async () => {
  good = await trueAccusations()
})

const ORDERS = ["time-went-back", "repeated-commitment", "shortened-schedule"] as const

describe("a true accusation", () => {
  it.each([
    ["same-size", ORIGIN, 'The log "log.example/access" signed two different trees of 5 leaves.'],
    [
      "inconsistent",
      ORIGIN,
      'The log "log.example/access" signed a tree of 7 leaves that does not begin with the tree of 4 leaves it signed.',
    ],
    [
      "broken-receipt",
      ORIGIN,
      'The log "log.example/access" signed a receipt for an entry as leaf 2, and a tree of 7 leaves in which leaf 2 is another.',
    ],
    [
      "witness-equivocation",
      "witness.example/w3",
      'The witness "witness.example/w3" cosigned, for the log "log.example/access", a tree of 7 leaves that does not begin with the tree of 4 leaves it cosigned.',
    ],
    [
      "time-went-back",
      ORIGIN,
      'The log "log.example/access" signed leaf 4 with a time 2 ms before that of leaf 3.',
    ],
    [
      "repeated-commitment",
      ORIGIN,
      'The log "log.example/access" signed leaves 1 and 4 with one commitment.',
    ],
    [
      "shortened-schedule",
      ORIGIN,
      /signed leaf 4, a schedule that does not keep what leaf 0 promised \(.*class routine.*\)\.$/,
    ],
    ["invalid-entry", ORIGIN, /signed leaf 4, which is no entry \(.*\)\.$/],
  ] as const)("convicts: %s", (kind, accused, proven) => {
    const conviction = verifyAccusation(good[kind], WITNESSED_POLICY)
    expect(conviction).toEqual({
      accused,
      proven: typeof proven === "string" ? proven : expect.stringMatching(proven),
      notClaimed: expect.stringMatching(/^Not claimed: /),
    })
  })

  it.each(ACCUSATION_KINDS)("is written and read again: %s", (kind) => {
    const accusation = good[kind]
    expect(parseAccusation(formatAccusation(accusation))).toEqual(accusation)
    const found = { at: "2023-10-21T15:40:00Z", by: "monitor.example" }
    const text = formatAccusation({ ...accusation, found })
    expect(parseAccusation(new TextEncoder().encode(text))).toEqual({ ...accusation, found })
    expect(verifyAccusation(parseAccusation(text), WITNESSED_POLICY)).toEqual(
      verifyAccusation(accusation, WITNESSED_POLICY),
    )
  })

  it("needs the log's key only: no quorum, no witness, and no cosignature is looked at", () => {
    for (const kind of ACCUSATION_KINDS) {
      expect(convicts(good[kind], POLICY)).toBe(kind !== "witness-equivocation")
    }
    const [known, shown] = good.inconsistent.heads as readonly [string, string]
    const forged = cosign(parseNote(shown).text, OTHER_WITNESS, 1)
    const { text, signatures } = parseNote(known)
    const spoilt = formatNote({
      text,
      signatures: [{ ...forged, name: "witness.example/w2" }, ...signatures],
    })
    const accusation = { ...good.inconsistent, heads: [spoilt, shown] } as Accusation
    expect(convicts(accusation, WITNESSED_POLICY)).toBe(true)
  })

  it("convicts a witness without the log's key", () => {
    const policy = { ...WITNESSED_POLICY, logs: TWO_LOGS.logs.slice(0, 1) }
    expect(convicts(good["witness-equivocation"], policy)).toBe(true)
    expect(convicts(good.inconsistent, policy)).toBe(false)
  })

  it("convicts nobody by someone else's key", () => {
    for (const kind of ACCUSATION_KINDS) expect(convicts(good[kind], OTHER_POLICY)).toBe(false)
  })

  it("could not be told where the accused's key is of a type that is unknown here", () => {
    const opaque = { name: ORIGIN, keyId: 1, type: 6, publicKey: new Uint8Array(1312) }
    const [one, other] = good["same-size"].heads.map((note) => {
      const { text } = parseNote(note)
      return formatNote({ text, signatures: [{ name: ORIGIN, keyId: 1, bytes: new Uint8Array(2428) }] })
    }) as [string, string]
    const log: Policy = { ...POLICY, logs: [{ key: opaque }] }
    expect(() => verifyAccusation({ kind: "same-size", origin: ORIGIN, heads: [one, other] }, log)).toThrow(
      expect.objectContaining({ code: "VERIFIER_UNKNOWN_KEY_TYPE" }),
    )
    const witness: Policy = { ...POLICY, witnesses: [{ name: "w", key: opaque }] }
    const accusation = { ...good["witness-equivocation"], witness: formatVerifierKey(opaque) } as Accusation
    expect(() => verifyAccusation(accusation, witness)).toThrow(
      expect.objectContaining({ code: "VERIFIER_UNKNOWN_KEY_TYPE" }),
    )
  })
})

describe("two heads", () => {
  const SIZES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 31, 255, 256, 257, 300]
  const pairs = SIZES.flatMap((n) => SIZES.filter((m) => m < n).map((m) => [m, n] as const))

  it("of an honest log convict nobody, whatever hashes come with them", async () => {
    for (const [m, n] of pairs) {
      const [small, large] = [opaqueLog(m), opaqueLog(n)]
      const honest = await hashesOf(large, m)
      // Without the first hash it is what an honest proof looks like where m is a power of two.
      const lists = [honest, honest.slice(1), [], ...mutations(honest)]
      for (const hashes of lists) {
        const heads = [small.checkpoint, large.checkpoint] as const
        expect(convicts({ kind: "inconsistent", origin: ORIGIN, heads, hashes }, POLICY)).toBe(false)
      }
    }
  })

  it("of a fork convict, at every size, and by no other hashes", async () => {
    for (const [m, n] of pairs) {
      const at = m === 1 ? 0 : Math.floor(m / 2)
      const [small, large] = [opaqueLog(m), forkedLog(n, at)]
      const hashes = await hashesOf(large, m)
      const heads = [small.checkpoint, large.checkpoint] as const
      const accusation = { kind: "inconsistent", origin: ORIGIN, heads, hashes } as const
      expect(convicts(accusation, POLICY)).toBe(true)
      for (const other of mutations(hashes)) {
        expect(convicts({ ...accusation, hashes: other }, POLICY)).toBe(false)
      }
    }
  })

  it("of an honest log convict nobody by any of its nodes", () => {
    const size = 40
    const nodes = opaqueEntries(size).map(leafHash)
    for (let i = 0; i + 1 < nodes.length && nodes.length < 120; i += 2) {
      nodes.push(nodeHash(defined(nodes[i]), defined(nodes[i + 1])))
    }
    const index = fc.nat(nodes.length - 1)
    const lists = fc.array(index, { maxLength: 9 })
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: size }),
        fc.integer({ min: 0, max: size }),
        lists,
        (a, b, list) => {
          const heads = [headOf(a), headOf(b)] as const
          const hashes = list.map((i) => defined(nodes[i]))
          expect(convicts({ kind: "inconsistent", origin: ORIGIN, heads, hashes }, POLICY)).toBe(false)
          expect(convicts({ kind: "same-size", origin: ORIGIN, heads }, POLICY)).toBe(false)
        },
      ),
      { numRuns: 300 },
    )
  })

  it("of which the later one only grew convict nobody: the fork lies behind the smaller", async () => {
    for (const [m, n] of pairs) {
      if (n > 64) continue
      const large = forkedLog(n, m)
      const heads = [opaqueLog(m).checkpoint, large.checkpoint] as const
      const hashes = await hashesOf(large, m)
      expect(convicts({ kind: "inconsistent", origin: ORIGIN, heads, hashes }, POLICY)).toBe(false)
    }
  })

  it("need the real node where the smaller size is a power of two: the smaller head's root convicts nobody", async () => {
    for (const m of [1, 2, 4, 8, 16]) {
      const [small, large] = [opaqueLog(m), forkedLog(21, 0)]
      const [, ...proof] = await hashesOf(large, m)
      const { rootHash } = openCheckpoint(small.checkpoint, POLICY).checkpoint
      const heads = [small.checkpoint, large.checkpoint] as const
      expect(() =>
        verifyAccusation(
          { kind: "inconsistent", origin: ORIGIN, heads, hashes: [rootHash, ...proof] },
          POLICY,
        ),
      ).toThrow(refused(/do not make the root/))
    }
  })

  it("of no leaf at all contradict nothing", () => {
    const heads = [headOf(0), forkedLog(3, 0).checkpoint] as const
    const hashes = [new Uint8Array(32)]
    expect(() => verifyAccusation({ kind: "inconsistent", origin: ORIGIN, heads, hashes }, POLICY)).toThrow(
      refused(/every tree begins with the empty one/),
    )
  })

  it("may not be swapped, repeated, or of one size where two are said", () => {
    const { heads, hashes } = good.inconsistent as Extract<Accusation, { kind: "inconsistent" }>
    const [small, large] = heads
    for (const wrong of [
      [large, small],
      [small, small],
      [large, large],
    ] as const) {
      expect(convicts({ kind: "inconsistent", origin: ORIGIN, heads: wrong, hashes }, POLICY)).toBe(false)
    }
    expect(convicts({ kind: "same-size", origin: ORIGIN, heads }, POLICY)).toBe(false)
    const sides = good["same-size"].heads as readonly [string, string]
    expect(convicts({ kind: "inconsistent", origin: ORIGIN, heads: sides, hashes }, POLICY)).toBe(false)
    expect(convicts({ kind: "inconsistent", origin: ORIGIN, heads: sides, hashes: [] }, POLICY)).toBe(false)
    const swapped = { kind: "same-size", origin: ORIGIN, heads: [sides[1], sides[0]] } as const
    expect(verifyAccusation(swapped, POLICY)).toEqual(verifyAccusation(good["same-size"], POLICY))
  })

  it("that differ in extension lines or signatures alone convict nobody", () => {
    const { checkpoint, note } = openCheckpoint(opaqueLog(5).checkpoint, POLICY)
    const signer = createSignerKey(ORIGIN, new Uint8Array(32).fill(1), 0x01)
    const extended = signCheckpoint({ ...checkpoint, extensions: ["more"] }, signer)
    expect(openCheckpoint(extended, POLICY).checkpoint.extensions).toEqual(["more"])
    expect(convicts({ kind: "same-size", origin: ORIGIN, heads: [note, extended] }, POLICY)).toBe(false)
  })

  it("convict however much the log has padded them", () => {
    const signer = createSignerKey(ORIGIN, new Uint8Array(32).fill(1), 0x01)
    const heads = [forkedLog(5, 5), forkedLog(5, 4)].map((log) => {
      const { checkpoint } = openCheckpoint(log.checkpoint, POLICY)
      return signCheckpoint({ ...checkpoint, extensions: ['"'.repeat(999_000)] }, signer)
    }) as [string, string]
    const text = formatAccusation({ kind: "same-size", origin: ORIGIN, heads })
    expect(text.length).toBeGreaterThan(3_990_000)
    expect(convicts(parseAccusation(text), POLICY)).toBe(true)
  })

  it("of two logs convict neither, nor one under the other's name", () => {
    const one = openCheckpoint(opaqueLog(5).checkpoint, POLICY).checkpoint
    const other = signCheckpoint(
      { ...one, origin: OTHER_SIGNER.name, rootHash: new Uint8Array(32) },
      OTHER_SIGNER,
    )
    for (const origin of [ORIGIN, OTHER_SIGNER.name]) {
      const heads = [opaqueLog(5).checkpoint, other] as const
      expect(() => verifyAccusation({ kind: "same-size", origin, heads }, TWO_LOGS)).toThrow(
        refused(/another origin/),
      )
    }
    for (const kind of ACCUSATION_KINDS) {
      expect(
        convicts({ ...good[kind], origin: OTHER_SIGNER.name }, { ...WITNESSED_POLICY, ...TWO_LOGS }),
      ).toBe(false)
    }
  })

  it("must be signed, both of them", () => {
    const [one, other] = good["same-size"].heads as readonly [string, string]
    const { text } = parseNote(other)
    const { signatures } = parseNote(one)
    const moved = formatNote({ text, signatures })
    expect(() =>
      verifyAccusation({ kind: "same-size", origin: ORIGIN, heads: [one, moved] }, POLICY),
    ).toThrow(refused(/did not sign/))
    for (const head of ["", "no note", `${text}\n`]) {
      expect(convicts({ kind: "same-size", origin: ORIGIN, heads: [one, head] }, POLICY)).toBe(false)
    }
  })
})

describe("a witness", () => {
  const accuse = (
    heads: readonly [string, string],
    hashes: readonly Uint8Array[] = [],
    witness = WITNESS_0,
  ) => ({ kind: "witness-equivocation", origin: ORIGIN, heads, hashes, witness }) as const

  it("is convicted by two roots of one size", () => {
    const heads = [forkedLog(5, 5, [1, 2]), forkedLog(5, 1, [3])].map((it) => it.checkpoint) as [
      string,
      string,
    ]
    expect(verifyAccusation(accuse(heads), WITNESSED_POLICY)).toMatchObject({
      accused: "witness.example/w2",
      proven:
        'The witness "witness.example/w2" cosigned, for the log "log.example/access", two different trees of 5 leaves.',
    })
    // The other one has cosigned the first only.
    expect(() => verifyAccusation(accuse(heads, [], WITNESS_1), WITNESSED_POLICY)).toThrow(
      refused(/did not cosign/),
    )
    expect(convicts(accuse(heads, [new Uint8Array(32)]))).toBe(false)
  })

  it("is not convicted for cosigning what grows, at any time", async () => {
    const heads = [forkedLog(4, 9, [9]), forkedLog(7, 9, [1])].map((it) => it.checkpoint) as [string, string]
    expect(convicts(accuse(heads, await hashesOf(forkedLog(7, 9), 4)))).toBe(false)
    expect(convicts(accuse([heads[0], heads[0]]))).toBe(false)
    expect(convicts(accuse([heads[0], forkedLog(4, 9, [10]).checkpoint]))).toBe(false)
  })

  it("is not convicted by what the log signed and it did not, nor by a key that the policy does not name", () => {
    const heads = [forkedLog(5, 5), forkedLog(5, 1)].map((it) => it.checkpoint) as [string, string]
    expect(() => verifyAccusation(accuse(heads), WITNESSED_POLICY)).toThrow(refused(/did not cosign/))
    const stranger = formatVerifierKey(verifierKeyOf(OTHER_WITNESS))
    for (const witness of [stranger, "", "w0", "witness.example/w2", `${WITNESS_0} `]) {
      expect(() => verifyAccusation(accuse(heads, [], witness), WITNESSED_POLICY)).toThrow(
        refused(/no witness of the policy/),
      )
    }
  })
})

describe("a receipt", () => {
  const SIZES = [1, 2, 3, 4, 7, 8, 13, 16, 17]

  async function accusationOf(old: SmallLog, now: SmallLog, leafIndex: number) {
    const { entry, path } = await leafOf(now, leafIndex)
    return {
      kind: "broken-receipt",
      origin: ORIGIN,
      receipt: await receiptOf(old, leafIndex),
      entry: defined(old.entries[leafIndex]),
      heads: [now.checkpoint],
      leafHash: leafHash(entry),
      path,
    } as const
  }

  it("of an honest log is never broken; of a forked one at the forked leaf alone", async () => {
    for (const a of SIZES) {
      for (const b of SIZES) {
        const at = Math.floor(Math.min(a, b) / 2)
        const [old, now, fork] = [opaqueLog(a), opaqueLog(b), forkedLog(b, at)]
        for (let i = 0; i < Math.min(a, b); i++) {
          expect(convicts(await accusationOf(old, now, i), POLICY)).toBe(false)
          expect(convicts(await accusationOf(old, fork, i), POLICY)).toBe(i === at)
        }
      }
    }
  })

  it("is not broken by another leaf, another path, or another place", async () => {
    const broken = await accusationOf(opaqueLog(7), forkedLog(9, 3), 3)
    expect(convicts(broken, POLICY)).toBe(true)
    for (let i = 0; i < 9; i++) {
      if (i === 3) continue
      const { entry, path } = await leafOf(forkedLog(9, 3), i)
      expect(convicts({ ...broken, leafHash: leafHash(entry), path }, POLICY)).toBe(false)
      expect(convicts({ ...broken, path }, POLICY)).toBe(false)
      expect(convicts({ ...broken, leafHash: leafHash(entry) }, POLICY)).toBe(false)
    }
    for (const path of mutations(broken.path)) expect(convicts({ ...broken, path }, POLICY)).toBe(false)
    for (const heads of [[opaqueLog(7).checkpoint], [opaqueLog(3).checkpoint], [headOf(0)]] as const) {
      expect(convicts({ ...broken, heads }, POLICY)).toBe(false)
    }
  })

  it("is for the entry that it carries, and for no other", async () => {
    const broken = await accusationOf(opaqueLog(7), forkedLog(9, 3), 3)
    const other = opaqueEvent(77)
    expect(() => verifyAccusation({ ...broken, entry: other }, POLICY)).toThrow(refused(/another entry/))
    const { checkpoint } = opaqueLog(7)
    const forged = broken.receipt.replace(/^index 3$/m, "index 2")
    expect(convicts({ ...broken, receipt: forged }, POLICY)).toBe(false)
    const bare = broken.receipt.replace(/^extra .*\n/m, "")
    expect(convicts({ ...broken, receipt: bare }, POLICY)).toBe(true)
    expect(convicts({ ...broken, receipt: bare, entry: other }, POLICY)).toBe(false)
    for (const receipt of ["", checkpoint]) expect(convicts({ ...broken, receipt }, POLICY)).toBe(false)
  })
})

describe("leaves", () => {
  it("of an honest log convict nobody, in any pair and any kind", async () => {
    const leaves = mixedLeaves(120)
    const log = logOf(leaves.map(({ entry }) => entry))
    const heads = [log.checkpoint] as const
    // One of each kind of entry is among them: genesis, schedule, notice, index, unknown, with elements more.
    const shown: AccusedLeaf[] = []
    for (const i of [0, 1, 2, 5, 7, 9, 11, 39, 40, 41, 102, 118, 119]) shown.push(await leafOf(log, i))
    for (const first of shown) {
      expect(convicts({ kind: "invalid-entry", origin: ORIGIN, heads, leaves: [first] }, POLICY)).toBe(false)
      for (const second of shown) {
        for (const kind of ORDERS) {
          expect(convicts({ kind, origin: ORIGIN, heads, leaves: [first, second] }, POLICY)).toBe(false)
        }
      }
    }
  })

  it("convict in their order, under their own head, and at their own place only", async () => {
    for (const kind of ORDERS) {
      const accusation = good[kind] as BrokenOrder
      const [first, second] = accusation.leaves
      for (const leaves of [
        [second, first],
        [first, first],
        [second, second],
        [{ ...first, leafIndex: first.leafIndex + 1 }, second],
        [first, { ...second, leafIndex: 5 }],
        [{ ...first, path: second.path }, second],
        [first, { ...second, entry: opaqueEvent(4) }],
      ] as const) {
        expect(convicts({ ...accusation, leaves }, POLICY)).toBe(false)
      }
      for (const path of mutations(second.path)) {
        expect(convicts({ ...accusation, leaves: [first, { ...second, path }] }, POLICY)).toBe(false)
      }
      const others = [opaqueLog(6).checkpoint, opaqueLog(5).checkpoint, headOf(0)]
      for (const head of others) expect(convicts({ ...accusation, heads: [head] }, POLICY)).toBe(false)
      for (const other of ORDERS) {
        expect(convicts({ ...accusation, kind: other }, POLICY)).toBe(other === kind)
      }
    }
  })

  it("with one time convict nobody, however far apart", async () => {
    const log = brokenLog(6, { 4: opaqueEvent(4, { timeMs: START_MS + 3 }) })
    const leaves = [await leafOf(log, 3), await leafOf(log, 4)] as const
    const heads = [log.checkpoint] as const
    expect(convicts({ kind: "time-went-back", origin: ORIGIN, heads, leaves }, POLICY)).toBe(false)
  })

  it("that are far apart convict as neighbours do", async () => {
    const log = brokenLog(300, { 290: opaqueEvent(290, { timeMs: START_MS }) })
    const leaves = [await leafOf(log, 7), await leafOf(log, 290)] as const
    const heads = [log.checkpoint] as const
    expect(verifyAccusation({ kind: "time-went-back", origin: ORIGIN, heads, leaves }, POLICY).proven).toBe(
      'The log "log.example/access" signed leaf 290 with a time 7 ms before that of leaf 7.',
    )
  })

  it("of which one is no event have no commitment to repeat", async () => {
    const log = brokenLog(4, { 2: genesis({ timeMs: START_MS + 2 }) })
    const leaves = [await leafOf(log, 0), await leafOf(log, 2)] as const
    const heads = [log.checkpoint] as const
    expect(() =>
      verifyAccusation({ kind: "repeated-commitment", origin: ORIGIN, heads, leaves }, POLICY),
    ).toThrow(refused(/not two events/))
  })

  describe("with schedules", () => {
    const { classes } = DEFAULT_SCHEDULE
    const { routine: _, ...withoutRoutine } = classes

    it.each([
      ["keeps less", SHORTENED, true],
      [
        "destroys earlier",
        { ...DEFAULT_SCHEDULE, classes: { ...classes, high: { keep_days: 1827, destroy_days: 1856 } } },
        true,
      ],
      ["drops a class", { ...DEFAULT_SCHEDULE, default: "high", classes: withoutRoutine }, true],
      ["is the same", DEFAULT_SCHEDULE, false],
      ["keeps longer", { ...DEFAULT_SCHEDULE, classes: { ...classes, routine: { keep_days: 2000 } } }, false],
      ["never destroys", { ...DEFAULT_SCHEDULE, classes: { ...classes, high: { keep_days: 1827 } } }, false],
      ["adds a class", { ...DEFAULT_SCHEDULE, classes: { ...classes, more: { keep_days: 1 } } }, false],
    ])("one that %s", async (_what, schedule, isShortened) => {
      const log = brokenLog(9, { 7: encodeScheduleEntry(schedule, START_MS + 7) })
      const leaves = [await leafOf(log, 0), await leafOf(log, 7)] as const
      const heads = [log.checkpoint] as const
      expect(convicts({ kind: "shortened-schedule", origin: ORIGIN, heads, leaves }, POLICY)).toBe(
        isShortened,
      )
    })

    it("a genesis promises at leaf 0 and of its own log only, a later schedule anywhere", async () => {
      const longer = { ...DEFAULT_SCHEDULE, classes: { ...classes, routine: { keep_days: 2000 } } }
      const log = brokenLog(9, {
        2: genesis({ timeMs: START_MS + 2 }),
        4: encodeScheduleEntry(longer, START_MS + 4),
        7: encodeScheduleEntry(DEFAULT_SCHEDULE, START_MS + 7),
        8: encodeScheduleEntry(SHORTENED, START_MS + 8),
      })
      const heads = [log.checkpoint] as const
      const accuse = async (i: number, j: number) => {
        const leaves = [await leafOf(log, i), await leafOf(log, j)] as const
        return convicts({ kind: "shortened-schedule", origin: ORIGIN, heads, leaves }, POLICY)
      }
      expect(await accuse(4, 7)).toBe(true)
      expect(await accuse(7, 8)).toBe(true)
      expect(await accuse(0, 8)).toBe(true)
      expect(await accuse(0, 7)).toBe(false)
      expect(await accuse(2, 8)).toBe(false)
      expect(await accuse(1, 8)).toBe(false)
      expect(await accuse(0, 1)).toBe(false)
      const foreign = brokenLog(9, {
        0: genesis({ origin: "x" }),
        8: encodeScheduleEntry(SHORTENED, START_MS + 8),
      })
      const leaves = [await leafOf(foreign, 0), await leafOf(foreign, 8)] as const
      const accusation = {
        kind: "shortened-schedule",
        origin: ORIGIN,
        heads: [foreign.checkpoint],
        leaves,
      } as const
      expect(convicts(accusation, POLICY)).toBe(false)
    })
  })

  describe("that are no valid entry", () => {
    it.each([
      ["nothing", 3, new Uint8Array(0), /no entry/],
      ["text", 3, new TextEncoder().encode("GET /secure-data"), /no entry/],
      ["an event with a byte too many", 3, Uint8Array.of(...opaqueEvent(3), 0), /no entry/],
      [
        "a schedule without classes",
        3,
        encodeCbor([3, START_MS, { classes: {}, default: "x", rules: new Uint8Array(32) }]),
        /no entry/,
      ],
      ["a second genesis", 3, genesis({ timeMs: START_MS + 3 }), /leaf 3, a second genesis/],
      ["an event first", 0, opaqueEvent(0), /leaf 0, which is no genesis/],
      [
        "another log's genesis",
        0,
        genesis({ origin: "log.example/other" }),
        /the genesis of "log\.example\/other"/,
      ],
    ])("convict: %s", async (_what, leafIndex, entry, proven) => {
      const log = brokenLog(5, { [leafIndex]: entry })
      const heads = [log.checkpoint] as const
      const leaves = [await leafOf(log, leafIndex)] as const
      const accusation = { kind: "invalid-entry", origin: ORIGIN, heads, leaves } as const
      expect(verifyAccusation(accusation, POLICY).proven).toMatch(proven)
    })

    it("convict though no bundle can hold them", () => {
      const entry = new Uint8Array(70_000)
      const heads = [signHead(1, leafHash(entry))] as const
      const leaves = [{ leafIndex: 0, entry, path: [] }] as const
      const accusation = { kind: "invalid-entry", origin: ORIGIN, heads, leaves } as const
      expect(convicts(parseAccusation(formatAccusation(accusation)), POLICY)).toBe(true)
    })

    it("are not what is unknown, or has elements more", async () => {
      const later = encodeCbor([9, START_MS + 3, "a later version"])
      const log = brokenLog(5, { 3: later })
      const accusation = { kind: "invalid-entry", origin: ORIGIN, heads: [log.checkpoint] } as const
      expect(convicts({ ...accusation, leaves: [await leafOf(log, 3)] }, POLICY)).toBe(false)
      expect(convicts({ ...accusation, leaves: [await leafOf(log, 0)] }, POLICY)).toBe(false)
    })
  })
})

describe("an accusation that was changed by a byte", () => {
  it.each(ACCUSATION_KINDS)("convicts of the same or not at all: %s", (kind) => {
    const found = { at: "2023-10-21T15:40:00Z", by: "m" }
    const text = new TextEncoder().encode(formatAccusation({ ...good[kind], found }))
    const expected = verifyAccusation(good[kind], WITNESSED_POLICY)
    let n = 0
    let convicted = 0
    for (const { bytes } of mangled(text, 0x22)) {
      // Six changes of each byte are made; one of them is tried here, each in its turn.
      if (n++ % 6 !== Math.floor(n / 6) % 6) continue
      let conviction: unknown
      try {
        conviction = verifyAccusation(parseAccusation(bytes), WITNESSED_POLICY)
      } catch (error) {
        if (!(error instanceof VerifierError)) throw error
        expect(error.code).toMatch(/^VERIFIER_ACCUSATION_(MALFORMED|REFUSED)$/)
        continue
      }
      expect(conviction).toEqual(expected)
      convicted++
    }
    // The words of whoever found it, and cosignatures that nobody asked for.
    expect(convicted).toBeGreaterThan(0)
    expect(convicted).toBeLessThan(text.length / 3)
  })
})

/** The signed head of the first leaves of the honest log. */
function headOf(size: number): string {
  return opaqueLog(size).checkpoint
}

/** Every list that differs from this one by one step: a bit flipped, one missing, extra, swapped, none left. */
function* mutations(hashes: readonly Uint8Array[]): Generator<Uint8Array[]> {
  for (const [i, hash] of hashes.entries()) {
    const flipped = hash.slice()
    flipped[i % 32] = (flipped[i % 32] as number) ^ (1 << (i % 8))
    yield hashes.with(i, flipped)
    yield hashes.toSpliced(i, 1)
    const next = hashes[i + 1]
    if (next !== undefined) yield hashes.toSpliced(i, 2, next, hash)
  }
  yield [new Uint8Array(32), ...hashes]
  yield [...hashes, new Uint8Array(32)]
  yield [...hashes, ...hashes]
  yield [...hashes].reverse().concat(new Uint8Array(32))
}
