import { describe, expect, it } from "vitest"
import { EMPTY_STATE, formatState, parseState, type Segment } from "./archive-state.js"
import { Catalog } from "./catalog.js"
import { keyOf, type Manifest, monthOf, parseKey } from "./manifest.js"
import type { StateFile } from "./ports.js"
import { LOG_ID, ORIGIN } from "./sample-leaves.js"

const LOG = { origin: ORIGIN, logId: LOG_ID }
const TIME = Date.parse("2026-03-05T00:00:00Z")

function segment(
  first: number,
  last: number,
  state: Segment["state"] = "in force",
  className = "routine",
): Segment {
  const manifest: Manifest = {
    format: "prooflog-segment/1",
    origin: ORIGIN,
    log_id: LOG_ID,
    class: className,
    month: "2026-03",
    first_leaf: first,
    last_leaf: last,
    count: 1,
    first_time: TIME,
    last_time: TIME + 1,
    bytes: 100,
    sha256: "0123456789abcdef".repeat(4),
    tree_size: 1_000,
  }
  return { state, stale: false, manifest }
}

const STATE = {
  ...EMPTY_STATE,
  classes: { routine: { archived: 40, destroyed: 3, held_back: [1, 2] } },
  segments: [
    segment(30, 40),
    segment(1, 9),
    segment(10, 20, "verified"),
    segment(5, 15, "put"),
    segment(1, 99, "in force", "high"),
  ],
  withdrawn: 3,
  gone: [{ id: "5.0", count: 2, gone_ms: 5, expires_ms: 9 }],
  untold: [
    { id: "gone/5.0", what: "gone", count: 2 },
    { id: "archived/x", what: "archived", count: 2, class: "high", key: "x", first_leaf: 1, last_leaf: 99 },
  ],
  owner: "0123456789abcdef".repeat(2),
} as const

function fileOf(bytes: Uint8Array | undefined): StateFile & { bytes: Uint8Array | undefined } {
  return {
    bytes,
    async read() {
      return this.bytes
    },
    async replace(next) {
      this.bytes = next
    },
  }
}

describe("Catalog", () => {
  it("finds the one trusted segment that can have a leaf of a class", async () => {
    const catalog = await Catalog.open(fileOf(formatState(LOG, STATE)), LOG)
    for (let leaf = 0; leaf < 110; leaf++) {
      for (const className of ["routine", "high", "none"]) {
        const found = STATE.segments.filter(
          ({ state, manifest }) =>
            state !== "put" &&
            manifest.class === className &&
            manifest.first_leaf <= leaf &&
            leaf <= manifest.last_leaf,
        )
        expect(catalog.segmentOf(className, leaf)).toEqual(found[0])
      }
    }
  })

  it("looks at few of very many segments", async () => {
    let looks = 0
    const segments = Array.from({ length: 4_096 }, (_, i) => {
      const { manifest, ...rest } = segment(10 * i + 1, 10 * i + 5)
      return { ...rest, manifest }
    })
    const catalog = await Catalog.open(fileOf(undefined), LOG)
    await catalog.change({ segments })
    for (const each of catalog.segmentsOf("routine")) {
      const { manifest } = each
      Object.defineProperty(each, "manifest", {
        get: () => {
          looks++
          return manifest
        },
      })
    }
    looks = 0
    expect(catalog.segmentOf("routine", 20_003)?.manifest.first_leaf).toBe(20_001)
    expect(looks).toBeLessThan(20)
  })

  it("shows a change only when it is kept, and begins a run with what is kept", async () => {
    const file = fileOf(undefined)
    const catalog = await Catalog.open(file, LOG)
    file.replace = async () => {
      throw new Error("no room")
    }
    await expect(catalog.change({ withdrawn: 7 })).rejects.toThrow("no room")
    expect(catalog.state.withdrawn).toBe(0)
    file.bytes = formatState(LOG, STATE)
    expect(await catalog.inTurn(async () => catalog.state.withdrawn)).toBe(3)
  })

  it("does one run after another, whether or not one fails", async () => {
    const catalog = await Catalog.open(fileOf(undefined), LOG)
    const seen: string[] = []
    const run = (name: string) => async () => {
      seen.push(`${name} begins`)
      await new Promise(setImmediate)
      seen.push(`${name} ends`)
      if (name === "a") throw new Error("a")
    }
    const [a, b] = [catalog.inTurn(run("a")), catalog.inTurn(run("b"))]
    await expect(a).rejects.toThrow("a")
    await b
    expect(seen).toEqual(["a begins", "a ends", "b begins", "b ends"])
  })
})

describe("the state file", () => {
  it("reads back what was written", () => {
    expect(parseState(formatState(LOG, STATE), LOG)).toEqual(STATE)
    expect(parseState(formatState(LOG, EMPTY_STATE), LOG)).toEqual(EMPTY_STATE)
  })

  const mutate = (change: (state: Record<string, unknown>) => void) => {
    const value = JSON.parse(new TextDecoder().decode(formatState(LOG, STATE))) as Record<string, unknown>
    change(value)
    return new TextEncoder().encode(JSON.stringify(value))
  }
  const at = (value: Record<string, unknown>, ...path: readonly (string | number)[]) =>
    path.reduce((each, name) => each[name] as Record<string, unknown>, value)

  it.each<[string, (state: Record<string, unknown>) => void]>([
    ["another format", (s) => Object.assign(s, { format: "prooflog-archive/2" })],
    ["another log", (s) => Object.assign(s, { origin: "other.example" })],
    ["another log id", (s) => Object.assign(s, { log_id: "f".repeat(32) })],
    ["a member too many", (s) => Object.assign(s, { more: 1 })],
    ["a member too few", (s) => Reflect.deleteProperty(s, "gone")],
    [
      "a class name that is none",
      (s) => Object.assign(at(s, "classes"), { "A b": at(s, "classes", "routine") }),
    ],
    ["held leaves out of order", (s) => Object.assign(at(s, "classes", "routine"), { held_back: [2, 1] })],
    ["a held leaf twice", (s) => Object.assign(at(s, "classes", "routine"), { held_back: [2, 2] })],
    ["a cursor that is none", (s) => Object.assign(at(s, "classes", "routine"), { archived: -1 })],
    ["a segment state that is none", (s) => Object.assign(at(s, "segments", 0), { state: "trusted" })],
    ["a segment of another log", (s) => Object.assign(at(s, "segments", 0, "manifest"), { origin: "other" })],
    ["a segment of no such class", (s) => Object.assign(at(s, "segments", 0, "manifest"), { class: "" })],
    [
      "a segment of another month",
      (s) => Object.assign(at(s, "segments", 0, "manifest"), { month: "2026-04" }),
    ],
    ["more rows than leaves", (s) => Object.assign(at(s, "segments", 0, "manifest"), { count: 12 })],
    [
      "a last leaf before the first",
      (s) => Object.assign(at(s, "segments", 0, "manifest"), { last_leaf: 29 }),
    ],
    ["a tree that ends before it", (s) => Object.assign(at(s, "segments", 0, "manifest"), { tree_size: 40 })],
    ["a hash that is none", (s) => Object.assign(at(s, "segments", 0, "manifest"), { sha256: "00" })],
    ["two segments with one leaf", (s) => Object.assign(at(s, "segments", 3), { state: "verified" })],
    ["a segment twice", (s) => Object.assign(s, { segments: [at(s, "segments", 3), at(s, "segments", 3)] })],
    ["a mark that ends before it begins", (s) => Object.assign(at(s, "gone", 0), { expires_ms: 4 })],
    ["a telling of nothing", (s) => Object.assign(at(s, "untold", 0), { count: 0 })],
    ["a flag that is a number", (s) => Object.assign(s, { purge_owed: 1 })],
    ["an owner that is none", (s) => Object.assign(s, { owner: "me" })],
  ])("is refused with %s", (_, change) => {
    const refused = expect.objectContaining({ code: "ARCHIVE_BAD_STATE" })
    expect(() => parseState(mutate(change), LOG)).toThrow(refused)
  })

  it("is refused when it is cut short, and when a byte of it is no text", () => {
    const bytes = formatState(LOG, STATE)
    for (const length of [0, 1, bytes.length >> 1, bytes.length - 3]) {
      expect(() => parseState(bytes.subarray(0, length), LOG)).toThrow(/^the archive's state: it is no JSON/)
    }
    expect(() => parseState(bytes.with(20, 0xff), LOG)).toThrow(/^the archive's state: it is no JSON/)
  })
})

describe("keys", () => {
  it("say class, month and leaves, and are read back", () => {
    const key = keyOf(segment(7, 42).manifest)
    expect(key).toBe("segments/routine/2026-03/7-42-0123456789abcdef.parquet")
    const parts = { className: "routine", firstLeaf: 7, lastLeaf: 42 }
    expect([parseKey(key), parseKey(`${key}.json`)]).toEqual([parts, parts])
  })

  it.each([
    "segments/routine/2026-03/42-7-0123456789abcdef.parquet",
    "segments/routine/2026-03/07-42-0123456789abcdef.parquet",
    "segments/routine/2026-03/7-42-0123456789abcde.parquet",
    "segments/routine/2026-03/7-42-0123456789abcdef.parquet.tmp",
    "segments/Routine/2026-03/7-42-0123456789abcdef.parquet",
    "other/routine/2026-03/7-42-0123456789abcdef.parquet",
  ])("%s is none", (key) => expect(parseKey(key)).toBeUndefined())

  it("have the month of UTC", () => {
    expect(monthOf(Date.UTC(2026, 3, 1) - 1)).toBe("2026-03")
    expect(monthOf(Date.UTC(2026, 3, 1))).toBe("2026-04")
    expect(monthOf(Date.UTC(9999, 11, 31))).toBe("9999-12")
    expect(() => monthOf(Date.UTC(10_000, 0))).toThrow(/year 9999/)
  })
})
