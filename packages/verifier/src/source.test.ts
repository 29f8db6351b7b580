import { getEventListeners } from "node:events"
import { describe, expect, it } from "vitest"
import { logOf, opaqueEntries, sourceOf } from "../fixtures/small-log.js"
import {
  endable,
  MAX_CHECKPOINT_BYTES,
  maxBytesAt,
  readBundle,
  readCheckpoint,
  readTile,
  remembering,
  tileReader,
} from "./source.js"

describe("the most bytes at a path", () => {
  it.each([
    ["checkpoint", MAX_CHECKPOINT_BYTES],
    ["tile/0/000", 8192],
    ["tile/1/x001/234.p/5", 160],
    ["tile/entries/000", 256 * 65_537],
    ["tile/entries/000.p/3", 3 * 65_537],
  ])("of %s is %d", (path, limit) => {
    expect(maxBytesAt(path)).toBe(limit)
  })

  it.each([
    "",
    "tile/0/..",
    "../checkpoint",
    "tile/0/000.p/0",
    "tile/0/000.p/256",
    "tile/entries/0",
    "v1/log",
    "checkpoint/",
  ])("is not known for %j, which no log serves", (path) => {
    expect(() => maxBytesAt(path)).toThrow(RangeError)
  })
})

describe("reading", () => {
  const log = logOf(opaqueEntries(300))
  const grown = sourceOf(logOf(opaqueEntries(600)).files)
  const only = (path: string, bytes: Uint8Array) => sourceOf(new Map([[path, bytes]]))

  it("takes a partial tile or bundle as it is", async () => {
    expect(await readTile(log.source, { level: 0, index: 1, width: 44 })).toHaveLength(44 * 32)
    expect(await readBundle(log.source, 1, 44)).toEqual(log.files.get("tile/entries/001.p/44"))
  })

  it("cuts the full one where the partial one was dropped", async () => {
    expect(await readTile(grown, { level: 0, index: 1, width: 44 })).toEqual(log.files.get("tile/0/001.p/44"))
    expect(await readBundle(grown, 1, 44)).toEqual(log.files.get("tile/entries/001.p/44"))
  })

  it("says what is missing", async () => {
    const missing = (path: string) => expect.objectContaining({ code: "VERIFIER_MISSING", path })
    const nothing = sourceOf(new Map())
    await expect(readTile(nothing, { level: 0, index: 0, width: 256 })).rejects.toThrow(missing("tile/0/000"))
    await expect(readTile(nothing, { level: 0, index: 0, width: 3 })).rejects.toThrow(
      missing("tile/0/000.p/3"),
    )
    await expect(readBundle(nothing, 0, 256)).rejects.toThrow(missing("tile/entries/000"))
    await expect(readBundle(nothing, 0, 3)).rejects.toThrow(missing("tile/entries/000.p/3"))
    await expect(readCheckpoint(nothing)).rejects.toThrow(missing("checkpoint"))
  })

  it("refuses a tile of another length", async () => {
    const tile = { level: 0, index: 0, width: 3 }
    for (const length of [0, 95, 97, 8192]) {
      const source = only("tile/0/000.p/3", new Uint8Array(length))
      await expect(readTile(source, tile)).rejects.toThrow(
        expect.objectContaining({ code: "VERIFIER_TILE_REFUSED", path: "tile/0/000.p/3" }),
      )
    }
    await expect(readTile(only("tile/0/000", new Uint8Array(96)), tile)).rejects.toThrow(
      expect.objectContaining({ code: "VERIFIER_TILE_REFUSED", path: "tile/0/000" }),
    )
  })

  it("refuses a full bundle that is too short to be cut", async () => {
    await expect(readBundle(only("tile/entries/000", Uint8Array.of(0, 1, 9)), 0, 2)).rejects.toThrow(
      expect.objectContaining({ code: "VERIFIER_BUNDLE_REFUSED", path: "tile/entries/000" }),
    )
  })

  it("refuses a checkpoint that is no text", async () => {
    await expect(readCheckpoint(only("checkpoint", Uint8Array.of(255)))).rejects.toThrow(
      expect.objectContaining({ code: "VERIFIER_CHECKPOINT_REFUSED" }),
    )
  })

  it("gives proofs the tiles of an older, smaller tree", async () => {
    const [old] = await tileReader(grown, 600)([{ level: 0, index: 1, width: 44 }])
    expect(old?.width).toBe(44)
    await expect(tileReader(grown, 600)([{ level: 0, index: 3, width: 1 }])).rejects.toThrow(RangeError)
  })
})

describe("a source with an end", () => {
  it("answers as it did, until it is ended", async () => {
    const abort = new AbortController()
    const source = endable(sourceOf(new Map([["checkpoint", Uint8Array.of(1)]])), abort.signal)
    expect(await source.read("checkpoint")).toEqual(Uint8Array.of(1))
    expect(await source.read("tile/0/000")).toBeUndefined()
    const failing = endable({ read: () => Promise.reject(new Error("no")) }, abort.signal)
    await expect(failing.read("checkpoint")).rejects.toThrow("no")
    // An audit makes a million reads under one signal.
    expect(getEventListeners(abort.signal, "abort")).toEqual([])
    abort.abort(new Error("enough"))
    await expect(source.read("checkpoint")).rejects.toThrow("enough")
  })

  it("ends reads that would never end", async () => {
    const abort = new AbortController()
    const reading = endable({ read: () => new Promise(() => {}) }, abort.signal).read("checkpoint")
    abort.abort(new Error("enough"))
    await expect(reading).rejects.toThrow("enough")
  })
})

describe("a source that remembers", () => {
  it("reads each path once, also where nothing is, and asked for at the same time", async () => {
    const asked: string[] = []
    const source = remembering({
      async read(path) {
        asked.push(path)
        return path === "none" ? undefined : Uint8Array.of(asked.length)
      },
    })
    const [first, again] = await Promise.all([source.read("a"), source.read("a")])
    expect([first, again, await source.read("a")]).toEqual(Array(3).fill(Uint8Array.of(1)))
    expect([await source.read("none"), await source.read("none")]).toEqual([undefined, undefined])
    expect(asked).toEqual(["a", "none"])
  })

  it("forgets what it read first when that is too much to keep", async () => {
    const asked: string[] = []
    const read = async (path: string) => {
      asked.push(path)
      return new Uint8Array(40)
    }
    const source = remembering({ read }, 100)
    for (const path of ["a", "b", "b", "c", "b", "a", "c"]) await source.read(path)
    expect(asked).toEqual(["a", "b", "c", "a"])
  })
})
