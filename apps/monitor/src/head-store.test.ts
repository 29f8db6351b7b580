import { signCheckpoint } from "@prooflog/tlog/checkpoint"
import { createSignerKey } from "@prooflog/tlog/key"
import { openHead } from "@prooflog/verifier/advance"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  defined,
  ORIGIN,
  POLICY,
  signHead,
  WITNESSED_POLICY,
} from "../../../packages/verifier/fixtures/small-log.js"
import { headKey, openShownHead } from "./head.js"
import { HeadStore, MAX_CHECKED, MAX_OPEN, MAX_OPEN_LENGTH } from "./head-store.js"
import { formatState, NO_COUNTS, parseState } from "./log-state.js"
import { OpenFindings } from "./open-findings.js"

/** Heads are dear to sign: made once. */
const heads = new Map<string, NonNullable<ReturnType<typeof openShownHead>>>()

function head(size: number, root: number) {
  const name = `${size} ${root}`
  const made =
    heads.get(name) ?? defined(openShownHead(signHead(size, new Uint8Array(32).fill(root)), POLICY))
  heads.set(name, made)
  return made
}

/** Signed by the log, with an extension line. */
function longNote(size: number, length: number): string {
  const rootHash = new Uint8Array(32).fill(1)
  const signer = createSignerKey(ORIGIN, new Uint8Array(32).fill(1), 0x01)
  return signCheckpoint(
    { origin: ORIGIN, treeSize: size, rootHash, extensions: ["x".repeat(length)] },
    signer,
  )
}

const longHead = (size: number, length: number) => defined(openShownHead(longNote(size, length), POLICY))

const someHead = fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 3 }))

describe("heads that were seen", () => {
  it("are bounded, and one is in conflict if and only if another of its size has another root", () => {
    const acts = fc.array(fc.tuple(fc.constantFrom("checked", "open", "condemn"), someHead), {
      maxLength: 100,
    })
    fc.assert(
      fc.property(acts, someHead, (done, [size, root]) => {
        const store = new HeadStore()
        for (const [act, [size, root]] of done) {
          if (act === "checked") store.addChecked(head(size, root))
          else if (act === "open") store.addOpen({ head: head(size, root), by: "", sinceMs: 0 })
          else store.condemn(head(size, root))
        }
        expect(store.checked.length).toBeLessThanOrEqual(MAX_CHECKED)
        expect(store.open.length).toBeLessThanOrEqual(MAX_OPEN)
        const kept = [...store.checked, ...store.open.map((each) => each.head)]
        const conflicts = kept.filter(
          (each) => each.checkpoint.treeSize === size && headKey(each) !== headKey(head(size, root)),
        )
        expect(store.conflictWith(head(size, root))).toBe(conflicts[0])
      }),
      { numRuns: 50 },
    )
  })

  it("make room for newer ones among the checked", () => {
    const store = new HeadStore()
    for (let size = 1; size <= MAX_CHECKED + 1; size++) store.addChecked(head(size, 1))
    expect([store.isChecked(head(1, 1)), store.isChecked(head(MAX_CHECKED + 1, 1))]).toEqual([false, true])
  })

  it("are not driven out of the open by later ones, of whatever size, and it is known that some found no room", () => {
    const store = new HeadStore()
    const by = "someone who asked"
    store.addOpen({ head: head(900, 2), by, sinceMs: 0 })
    for (let size = 1; size < MAX_OPEN; size++) store.addOpen({ head: head(size, 1), by, sinceMs: 0 })
    expect(store.dropped).toBe(0)
    expect(store.addOpen({ head: head(500, 1), by, sinceMs: 0 })).toBe(false)
    expect(store.addOpen({ head: head(400, 2), by: "a peer", sinceMs: 0 })).toBe(true)
    expect(store.dropped).toBe(2)
    expect(store.open).toHaveLength(MAX_OPEN)
    expect(store.conflictWith(head(900, 1))).toBe(head(900, 2))
    expect(store.conflictWith(head(400, 1))).toBe(head(400, 2))
    // When the others are compared there is room again.
    for (let size = 1; size < 100; size++) store.addChecked(head(size, 1))
    expect(store.addOpen({ head: head(500, 1), by, sinceMs: 0 })).toBe(true)
  })

  it("are bounded by their length, too: each is written with the state", () => {
    const store = new HeadStore()
    const long = (size: number) => longHead(size, 16_000)
    for (let size = 1; size <= 150; size++) store.addOpen({ head: long(size), by: "", sinceMs: 0 })
    const total = store.open.reduce((sum, { head: { note } }) => sum + note.length, 0)
    expect(total).toBeLessThanOrEqual(MAX_OPEN_LENGTH)
    expect(total).toBeGreaterThan(MAX_OPEN_LENGTH - 17_000)
    expect(store.dropped).toBe(150 - store.open.length)
    expect(store.open[0]?.head.checkpoint.treeSize).toBe(1)
  })

  it("count on the log's signature alone: a spoilt cosignature is dropped, and nothing else is", () => {
    const spoil = (note: string, line: number) =>
      note
        .split("\n")
        .map((text, i, all) => (i === all.length - 1 - line ? `${text.slice(0, -8)}AAAAAA==` : text))
        .join("\n")
    const root = new Uint8Array(32).fill(1)
    const note = signHead(5, root, [1_700_000_000, 1_700_000_001])
    const shown = openShownHead(spoil(note, 1), WITNESSED_POLICY)
    expect(shown?.cosignatures).toMatchObject([{ witness: "w0", timeSeconds: 1_700_000_000 }])
    expect(shown?.note).toBe(signHead(5, root, [1_700_000_000]))
    // The good one of two that claim to be the same.
    const lines = note.split("\n")
    const twice = [...lines.slice(0, -1), spoil(note, 1).split("\n").at(-2), ""].join("\n")
    expect(openShownHead(twice, WITNESSED_POLICY)?.note).toBe(note)
    const twiceSpoiltFirst = [...lines.slice(0, -2), twice.split("\n").at(-2), lines.at(-2), ""].join("\n")
    expect(openShownHead(twiceSpoiltFirst, WITNESSED_POLICY)?.note).toBe(note)
    expect(openShownHead(spoil(note, 3), WITNESSED_POLICY)).toBeUndefined()
  })

  it("are no longer than what a reader believes, so that whoever believes one can show it", () => {
    for (const length of [16_000, 17_000, 66_000]) {
      const { note } = { note: longNote(5, length) }
      const isBelieved = length === 16_000
      expect(openShownHead(note, POLICY) !== undefined, String(length)).toBe(isBelieved)
      if (isBelieved) expect(openHead(note, POLICY).note).toBe(note)
      else expect(() => openHead(note, POLICY)).toThrow("longer than")
    }
  })

  it("are kept without what strangers append, and only if the log signed them", () => {
    const note = signHead(5, new Uint8Array(32).fill(1))
    const [line = ""] = note.split("\n").slice(-2)
    const stranger = `${note}${line.replace("— log.example/access", "— evil.example/x")}\n`
    expect(openShownHead(stranger, POLICY)?.note).toBe(note)
    expect(openShownHead(note.replace("\n5\n", "\n6\n"), POLICY)).toBeUndefined()
    expect(openShownHead("x".repeat(70_000), POLICY)).toBeUndefined()
  })
})

describe("the state of a log", () => {
  const listener = { raised: () => {}, settled: () => {} }

  it("is read back as it was written", () => {
    fc.assert(
      fc.property(fc.array(someHead, { maxLength: 20 }), fc.string(), fc.nat(), (some, message, timeMs) => {
        const store = new HeadStore()
        for (const [i, [size, root]] of some.entries()) {
          if (i % 3 === 0) store.addChecked(head(size, root))
          else if (i % 3 === 1) store.addOpen({ head: head(size, root), by: message, sinceMs: timeMs })
          else store.condemn(head(size, root))
        }
        const findings = new OpenFindings([], listener)
        findings.raise({ kind: "withheld", by: "audit", message, seenMs: timeMs })
        const state = {
          audited: undefined,
          latest: head(3, 1),
          heads: store,
          unseenSinceMs: timeMs,
          rereadMs: timeMs,
          findings: findings.all,
        }
        const text = formatState("log.example/access", state)
        expect(formatState("log.example/access", parseState(text, "log.example/access", POLICY))).toBe(text)
      }),
      { numRuns: 50 },
    )
  })

  it("is refused where it was damaged, and not taken for something else", () => {
    const state = {
      audited: {
        end: { checkpoint: head(3, 1), lastTimeMs: 0, schedule: undefined, commitmentsFrom: 0 },
        counts: NO_COUNTS,
      },
      latest: head(3, 1),
      heads: new HeadStore(),
      unseenSinceMs: 1,
      rereadMs: 1,
      findings: [],
    }
    const text = formatState("log.example/access", state)
    for (const damaged of [
      "",
      "{}",
      text.slice(0, -9),
      text.replaceAll("\\n3\\n", "\\n4\\n"),
      text.replace('":1', '":-1'),
    ]) {
      expect(() => parseState(damaged, "log.example/access", POLICY)).toThrow()
    }
    expect(() => parseState(text, "other.example", POLICY)).toThrow("another origin")
  })
})

describe("findings", () => {
  it("are told once, pass when their activity comes out well, and stay when they are proven", () => {
    const told: string[] = []
    const findings = new OpenFindings([], {
      raised: ({ kind }) => told.push(`+${kind}`),
      settled: ({ kind }) => told.push(`-${kind}`),
    })
    const found = { message: "", seenMs: 1 }
    expect(findings.raise({ kind: "withheld", by: "audit", ...found })).toBe(true)
    expect(findings.raise({ kind: "withheld", by: "audit", ...found, seenMs: 2 })).toBe(false)
    expect(findings.all).toMatchObject([{ sinceMs: 1, seenMs: 2 }])
    findings.raise({ kind: "wrong-tile", by: "audit", ...found })
    findings.raise({ kind: "stale", by: "freshness", ...found })
    findings.raise({ kind: "forked", by: "audit", ...found, accusation: "a.json" })
    findings.raise({ kind: "forked", by: "audit", ...found, accusation: "a.json" })
    expect(findings.settle("audit")).toBe(true)
    expect(findings.settle("audit")).toBe(false)
    expect(findings.all.map(({ kind }) => kind)).toEqual(["stale", "forked"])
    expect(told).toEqual(["+withheld", "-withheld", "+wrong-tile", "+stale", "+forked", "-wrong-tile"])
  })
})
