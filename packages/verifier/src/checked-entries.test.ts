import { formatBundle } from "@prooflog/tlog/bundle"
import { beforeEach, describe, expect, it } from "vitest"
import { GrowingLog, mixedLeaves } from "../fixtures/growing-log.js"
import { POLICY } from "../fixtures/small-log.js"
import { openHead } from "./advance.js"
import { CheckedEntries } from "./checked-entries.js"
import type { LogSource } from "./source.js"

const LEAVES = mixedLeaves(3000)

const packed = (start: number, end: number) =>
  joined(LEAVES.slice(start, end).map(({ entry }) => formatBundle([entry])))

const joined = (parts: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(parts))

let log: GrowingLog

/** Opens the entries of a head that a source may not lie about. */
function openAt(size: number, source: LogSource = log): Promise<CheckedEntries> {
  return CheckedEntries.open(source, openHead(log.head(size), POLICY).checkpoint)
}

/** The log, with another answer at one path. */
function lying(path: string, change: (bytes: Uint8Array) => Uint8Array): LogSource {
  return {
    async read(asked) {
      const bytes = await log.read(asked)
      return asked === path && bytes !== undefined ? change(bytes) : bytes
    },
  }
}

const flipped = (at: number) => (bytes: Uint8Array) => {
  const changed = bytes.slice()
  changed[at] = (changed[at] as number) ^ 1
  return changed
}

beforeEach(() => {
  log = new GrowingLog(LEAVES)
})

describe("entries under a head", () => {
  it.each([
    [0, 1],
    [255, 256],
    [256, 257],
    [10, 20],
    [200, 300],
    [0, 512],
    [1, 2999],
    [2816, 3000],
    [2999, 3000],
  ])("are those of the leaves [%i, %i), whatever bundles they are in", async (start, end) => {
    const entries = await openAt(3000)
    expect(await entries.entries(start, end)).toEqual(packed(start, end))
  })

  it("end with the head, though the log has grown", async () => {
    const entries = await openAt(700)
    expect(entries.treeSize).toBe(700)
    expect(await entries.entries(600, 700)).toEqual(packed(600, 700))
    await expect(entries.entries(600, 701)).rejects.toThrow(RangeError)
  })

  it.each([
    [-1, 1],
    [5, 5],
    [6, 5],
    [0.5, 2],
  ])("are not those of [%d, %d)", async (start, end) => {
    const entries = await openAt(700)
    await expect(entries.entries(start, end)).rejects.toThrow(RangeError)
  })

  it("are read once while they are at hand", async () => {
    const entries = await openAt(3000)
    await entries.entries(0, 600)
    const before = log.paths.length
    for (let leaf = 0; leaf < 600; leaf += 50) await entries.entries(leaf, leaf + 1)
    expect(log.paths.slice(before)).toEqual([])
  })

  it("are read again when others have taken their place", async () => {
    const head = openHead(log.head(3000), POLICY).checkpoint
    const entries = await CheckedEntries.open(log, head, 50_000)
    for (let leaf = 0; leaf < 3000; leaf += 256) await entries.entries(leaf, leaf + 1)
    const before = log.paths.length
    await entries.entries(2999, 3000)
    expect(log.paths.slice(before)).toEqual([])
    await entries.entries(0, 1)
    expect(log.paths.slice(before)).toContain("tile/entries/000")
  })

  it("are refused where one byte is not what was signed, with its leaf", async () => {
    const at = formatBundle(LEAVES.slice(256, 260).map(({ entry }) => entry)).length + 2 + 20
    const entries = await openAt(3000, lying("tile/entries/001", flipped(at)))
    await expect(entries.entries(300, 301)).rejects.toMatchObject({
      code: "VERIFIER_BUNDLE_REFUSED",
      leafIndex: 260,
    })
    expect(await entries.entries(512, 513)).toEqual(packed(512, 513))
  })

  it("are refused under a tile, or a right edge, that was not signed", async () => {
    const tile = await openAt(3000, lying("tile/0/001", flipped(9)))
    await expect(tile.entries(300, 301)).rejects.toMatchObject({ code: "VERIFIER_TILE_REFUSED" })
    await expect(openAt(3000, lying("tile/1/000.p/11", flipped(9)))).rejects.toMatchObject({
      code: "VERIFIER_ROOT_REFUSED",
    })
  })

  it("are asked for again after they could not be read", async () => {
    let away = true
    const entries = await openAt(3000, {
      async read(path) {
        if (away && path === "tile/entries/002") throw new Error("away")
        return log.read(path)
      },
    })
    await expect(entries.entries(500, 600)).rejects.toThrow("away")
    away = false
    expect(await entries.entries(500, 600)).toEqual(packed(500, 600))
  })
})
