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
import {
  HeadStore,
  MAX_CHECKED,
  MAX_OPEN,
  MAX_OPEN_FROM_ONE,
  MAX_OPEN_LENGTH,
  MAX_OPEN_LENGTH_FROM_ONE,
} from "./head-store.js"
import { formatState, NO_COUNTS, parseState } from "./log-state.js"
import { OpenFindings } from "./open-findings.js"
import { strangerAt } from "./shown-by.js"

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

/** A head that somebody has shown, who is one or another. */
const shownFrom = (from: string, shown: ReturnType<typeof head>, sinceMs = 0) => {
  return { head: shown, by: "someone who asked", from, sinceMs }
}

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
          else if (act === "open") store.addOpen(shownFrom(String(size % 4), head(size, root)))
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

  it("have room for some of each who shows them: a flood drives out its own last, and it is known that it did", () => {
    const store = new HeadStore()
    store.addOpen(shownFrom("one", head(900, 2)))
    store.addOpen(shownFrom("other", head(901, 2)))
    for (let size = 1; size < MAX_OPEN_FROM_ONE; size++) store.addOpen(shownFrom("one", head(size, 1)))
    expect(store.dropped).toBe(0)
    expect(store.addOpen(shownFrom("one", head(500, 1)))).toBe(false)
    expect(store.addOpen(shownFrom("other", head(400, 2)))).toBe(true)
    expect(store.dropped).toBe(1)
    expect(store.open).toHaveLength(MAX_OPEN_FROM_ONE + 2)
    for (const [size, root] of [
      [900, 2],
      [901, 2],
      [400, 2],
    ] as const)
      expect(store.conflictWith(head(size, 1))).toBe(head(size, root))
    // When the others are compared there is room again.
    for (let size = 1; size < 10; size++) store.addChecked(head(size, 1))
    expect(store.addOpen(shownFrom("one", head(500, 1)))).toBe(true)
  })

  it("are driven out by a flood from everywhere only if they came last, or with it", () => {
    const store = new HeadStore()
    store.addOpen(shownFrom("early", longHead(900, 2_000)))
    for (let size = 1; size < MAX_OPEN; size++) store.addOpen(shownFrom(`address ${size}`, head(size, 1)))
    expect(store.dropped).toBe(0)
    // Each of them has one: there is no crowd.
    expect(store.addOpen(shownFrom("late", head(500, 1)))).toBe(false)
    expect(store.open[0]).toMatchObject({ from: "early" })
    // One of them has two, and goes before the late one.
    store.addChecked(head(7, 1))
    store.addOpen(shownFrom("address 3", head(501, 1)))
    expect(store.addOpen(shownFrom("late", head(502, 1)))).toBe(true)
    expect(store.isKnown(head(501, 1))).toBe(false)
    expect(store.open).toHaveLength(MAX_OPEN)
  })

  it("are bounded by their length, too, of each and of all: each is written with the state", () => {
    const store = new HeadStore()
    const totalOf = (from?: string) =>
      store.open
        .filter((each) => from === undefined || each.from === from)
        .reduce((sum, { head: { note } }) => sum + note.length, 0)
    for (let size = 1; size <= 40; size++) store.addOpen(shownFrom("0", longHead(size, 16_000)))
    expect(totalOf()).toBeLessThanOrEqual(MAX_OPEN_LENGTH_FROM_ONE)
    expect(totalOf()).toBeGreaterThan(MAX_OPEN_LENGTH_FROM_ONE - 17_000)
    expect(store.dropped).toBe(40 - store.open.length)
    expect(store.open[0]?.head.checkpoint.treeSize).toBe(1)
    // Somebody with many short ones is no crowd where the room for characters is taken.
    for (let size = 900; size < 940; size++) store.addOpen(shownFrom("short", head(size, 1)))
    for (let size = 41; size <= 200; size++)
      store.addOpen(shownFrom(String(size % 5), longHead(size, 16_000)))
    expect(totalOf()).toBeLessThanOrEqual(MAX_OPEN_LENGTH)
    expect(totalOf()).toBeGreaterThan(MAX_OPEN_LENGTH - 17_000)
    expect(store.open.filter(({ from }) => from === "short")).toHaveLength(40)
  })

  it("are kept with the cosignatures of all their notes, wherever they stand", () => {
    const root = new Uint8Array(32).fill(1)
    const [bare, one, both] = [[], [1_700_000_000], [1_700_000_000, 1_700_000_001]].map((times) =>
      defined(openShownHead(signHead(5, root, times), WITNESSED_POLICY)),
    )
    const other = defined(openShownHead(signHead(5, root, [1_600_000_000, 1_600_000_000]), WITNESSED_POLICY))
    const notesOf = ({ checked, open, condemned }: HeadStore) =>
      [...checked, ...open.map((each) => each.head), ...condemned].map(({ note }) => note)
    for (const put of [
      (store: HeadStore) => store.addChecked(defined(bare)),
      (store: HeadStore) => void store.addOpen(shownFrom("one", defined(bare), 1)),
      (store: HeadStore) => store.condemn(defined(bare)),
    ]) {
      const store = new HeadStore()
      expect(store.join(defined(one), 2)).toBe(false)
      put(store)
      expect(store.join(defined(bare), 2)).toBe(false)
      expect(store.join(defined(one), 2)).toBe(true)
      expect(store.join(defined(one), 3)).toBe(false)
      // Of a witness that is known the first counts, of one that is not, its own.
      expect(store.join(other, 4)).toBe(true)
      expect(store.join(defined(both), 5)).toBe(false)
      const [note = ""] = notesOf(store)
      const joint = defined(openShownHead(note, WITNESSED_POLICY))
      expect(joint.cosignatures).toMatchObject([
        { witness: "w0", timeSeconds: 1_700_000_000 },
        { witness: "w1", timeSeconds: 1_600_000_000 },
      ])
      // What is found of it later takes nothing away.
      store.addChecked(defined(bare))
      expect(notesOf(store)[0]).toBe(note)
      store.condemn(defined(bare))
      expect(new Set(notesOf(store))).toEqual(new Set([note]))
    }
    const store = new HeadStore()
    store.addOpen(shownFrom("one", defined(bare), 1))
    store.join(defined(both), 2)
    expect(store.open).toMatchObject([{ from: "one", sinceMs: 2, head: { note: both?.note } }])
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
          else if (i % 3 === 1)
            store.addOpen({ head: head(size, root), by: message, from: `of ${message}`, sinceMs: timeMs })
          else store.condemn(head(size, root))
        }
        const findings = new OpenFindings([], listener)
        findings.raise({ kind: "withheld", by: "audit", message, seenMs: timeMs })
        const state = {
          audited: undefined,
          latest: head(3, 1),
          heads: store,
          accused: [{ witness: message, head: headKey(head(3, 1)) }],
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
      accused: [],
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

describe("strangers who show heads", () => {
  it.each([
    ["192.0.2.7", "192.0.2.7", true],
    ["192.0.2.7", "::ffff:192.0.2.7", true],
    ["192.0.2.7", "192.0.2.8", false],
    ["::ffff:192.0.2.7", "::ffff:192.0.2.8", false],
    ["2001:db8::1", "2001:db8::ffff:1:2:3", true],
    ["2001:db8::1", "2001:db8:0:0:9:9:9:9", true],
    ["2001:db8::1", "2001:db8:0:1::1", false],
    ["2001:db8:1:2::", "2001:db8:1:2:3:4:5:6", true],
    ["fe80::1%eth0", "fe80::2%eth0", true],
    ["::1", "::2", true],
    ["::1", "", false],
  ])("%s and %s: one? %s", (a, b, isOne) => {
    expect(strangerAt(a).from === strangerAt(b).from).toBe(isOne)
    expect(strangerAt(a).by).toBe("someone who asked")
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
