import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { encodeCbor } from "@prooflog/event/cbor"
import { encodeScheduleEntry } from "@prooflog/event/entry"
import { DEFAULT_SCHEDULE } from "@prooflog/event/schedule"
import { formatBundle } from "@prooflog/tlog/bundle"
import { equalBytes, nodeHash } from "@prooflog/tlog/hash"
import { tilePath, tilesOf } from "@prooflog/tlog/tile"
import { describe, expect, it } from "vitest"
import {
  defined,
  genesis,
  logOf,
  OTHER_POLICY,
  opaqueEntries,
  opaqueEvent,
  opaqueLog,
  POLICY,
  type SmallLog,
  START_MS,
  signHead,
  sourceOf,
  WITNESSED_POLICY,
} from "../fixtures/small-log.js"
import { CommitmentSet } from "./commitment-set.js"
import type { LogSource } from "./source.js"
import { type AuditProgress, verifyLog } from "./verify-log.js"

setFlagsFromString("--expose-gc")
const collectGarbage = runInNewContext("gc") as () => void

const refused = (code: string, where: { leafIndex?: number; path?: string } = {}) =>
  expect.objectContaining({ name: "VerifierError", code, ...where })

/** The log with one file replaced, or taken away. */
function withFile(log: SmallLog, path: string, bytes: Uint8Array | undefined): LogSource {
  const files = new Map(log.files)
  if (bytes === undefined) files.delete(path)
  else files.set(path, bytes)
  return sourceOf(files)
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice()
  copy[at] = (copy[at] as number) ^ 1
  return copy
}

/** RFC 6962, by the book. */
function rootByTheBook(hashes: Uint8Array[]): Uint8Array {
  if (hashes.length === 1) return defined(hashes[0])
  let k = 1
  while (k * 2 < hashes.length) k *= 2
  return nodeHash(rootByTheBook(hashes.slice(0, k)), rootByTheBook(hashes.slice(k)))
}

describe("auditing a whole log", () => {
  it.each([0, 1, 2, 3, 255, 256, 257, 511, 512, 513, 1000, 66_000])("of %d entries passes", async (size) => {
    const verified = await verifyLog(opaqueLog(size).source, POLICY)
    expect(verified).toMatchObject({
      origin: "log.example/access",
      treeSize: size,
      firstLeaf: 0,
      commitmentsFrom: 0,
      entries: { events: Math.max(0, size - 1), schedules: 0, notices: 0, indexes: 0, unknown: 0 },
      time: size === 0 ? undefined : { fromMs: START_MS, toMs: START_MS + size - 1 },
    })
    expect(verified.notClaimed).toMatch(/^Not claimed: /)
  })

  it("passes without the partial files that full ones have replaced", async () => {
    const old = logOf(opaqueEntries(300))
    const files = new Map([...logOf(opaqueEntries(600)).files, ...old.files])
    for (const path of ["tile/0/001.p/44", "tile/entries/001.p/44"]) expect(files.delete(path)).toBe(true)
    expect(await verifyLog(sourceOf(files), POLICY)).toMatchObject({ treeSize: 300 })
  })

  it("can be asked for a head that the source does not show", async () => {
    const { files } = logOf(opaqueEntries(600))
    const { checkpoint } = logOf(opaqueEntries(512))
    files.delete("checkpoint")
    expect(await verifyLog(sourceOf(files), POLICY, { checkpoint })).toMatchObject({ treeSize: 512 })
  })

  it("believes nothing but the policy", async () => {
    const { source } = logOf(opaqueEntries(10))
    await expect(verifyLog(source, OTHER_POLICY)).rejects.toThrow(refused("VERIFIER_CHECKPOINT_REFUSED"))
    await expect(verifyLog(source, WITNESSED_POLICY)).rejects.toThrow(refused("VERIFIER_NO_QUORUM"))
    expect(await verifyLog(logOf(opaqueEntries(10), [5, 4]).source, WITNESSED_POLICY)).toMatchObject({
      treeSize: 10,
    })
  })

  it("tells of its progress, to the last leaf", async () => {
    const seen: AuditProgress[] = []
    await verifyLog(logOf(opaqueEntries(600)).source, POLICY, {
      onProgress: (progress) => seen.push(progress),
    })
    expect(seen.map(({ leaves }) => leaves)).toEqual([256, 512, 600])
    expect(seen.at(-1)?.bytes).toBeGreaterThan(600 * 85)
  })

  it("has at least 16 reads under way", async () => {
    const log = logOf(opaqueEntries(10_000))
    let underWay = 0
    let most = 0
    const read = async (path: string) => {
      most = Math.max(most, ++underWay)
      await new Promise((resolve) => setTimeout(resolve, 1))
      underWay--
      return log.files.get(path)
    }
    await verifyLog({ read }, POLICY)
    expect(most).toBeGreaterThanOrEqual(16)
  })

  it("does not hold many bundles that are as large as can be", async () => {
    const log = opaqueLog(10_000)
    const bundles: WeakRef<Uint8Array>[] = []
    let held = Number.NaN
    const read = async (path: string) => {
      if (!path.startsWith("tile/entries/")) return log.files.get(path)
      if (path !== "tile/entries/000") {
        const bundle = new Uint8Array(256 * 65_537)
        bundles.push(new WeakRef(bundle))
        return bundle
      }
      while (bundles.length < 23) await new Promise((resolve) => setTimeout(resolve, 1))
      await new Promise((resolve) => setTimeout(resolve, 20))
      collectGarbage()
      held = bundles.filter((bundle) => bundle.deref() !== undefined).length
      return log.files.get(path)
    }
    await expect(verifyLog({ read }, POLICY)).rejects.toThrow(refused("VERIFIER_BUNDLE_REFUSED"))
    expect(held).toBeLessThanOrEqual(2)
  })

  it("gives the event loop its turns", async () => {
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    await verifyLog(opaqueLog(1500).source, POLICY, {
      onProgress: () => {
        const until = performance.now() + 30
        while (performance.now() < until);
      },
    })
    clearInterval(timer)
    expect(turns).toBeGreaterThan(1)
  })

  it("ends when it is told to", async () => {
    const abort = new AbortController()
    const audit = verifyLog(logOf(opaqueEntries(1000)).source, POLICY, {
      signal: abort.signal,
      onProgress: () => abort.abort(new Error("enough")),
    })
    await expect(audit).rejects.toThrow("enough")
  })

  it("ends when it is told to though the source is silent", async () => {
    const { source } = opaqueLog(600)
    for (const silent of ["checkpoint", "tile/0/000", "tile/entries/001"]) {
      const abort = new AbortController()
      const read = (path: string) => {
        if (path !== silent) return source.read(path)
        setTimeout(() => abort.abort(new Error("enough")), 5)
        return new Promise<undefined>(() => {})
      }
      await expect(verifyLog({ read }, POLICY, { signal: abort.signal })).rejects.toThrow("enough")
    }
  })

  it.each([600_000_000, 2 ** 31 + 1, Number.MAX_SAFE_INTEGER])(
    "takes no head's word for how much there is to remember: %d leaves",
    async (size) => {
      const before = process.memoryUsage().arrayBuffers
      const note = signHead(size, new Uint8Array(32).fill(9))
      const source = sourceOf(new Map([["checkpoint", new TextEncoder().encode(note)]]))
      await expect(verifyLog(source, POLICY)).rejects.toThrow(refused("VERIFIER_MISSING"))
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64e6)
    },
  )
})

describe("an audit finds", () => {
  const log = opaqueLog(66_000)
  const small = logOf(opaqueEntries(600))

  it("a flipped bit in any file, and names the file", async () => {
    for (const [path, bytes] of small.files) {
      if (path === "checkpoint") continue
      for (const at of [0, 33, bytes.length - 1]) {
        const error = await verifyLog(withFile(small, path, flipped(bytes, at)), POLICY).catch(
          (error) => error,
        )
        expect(error, `${path} byte ${at}`).toMatchObject({ name: "VerifierError" })
        // The edge's tiles make the root together, so they are named together.
        expect(error.path, `${path} byte ${at}`).toContain(path)
      }
    }
  })

  it.each([
    ["tile/0/000", "VERIFIER_TILE_REFUSED"],
    ["tile/0/255", "VERIFIER_TILE_REFUSED"],
    ["tile/0/256", "VERIFIER_TILE_REFUSED"],
    ["tile/0/257.p/208", "VERIFIER_ROOT_REFUSED"],
    ["tile/1/000", "VERIFIER_TILE_REFUSED"],
    ["tile/1/001.p/1", "VERIFIER_ROOT_REFUSED"],
    ["tile/2/000.p/1", "VERIFIER_ROOT_REFUSED"],
    ["tile/entries/200", "VERIFIER_BUNDLE_REFUSED"],
    ["tile/entries/257.p/208", "VERIFIER_BUNDLE_REFUSED"],
  ])("an altered %s", async (path, code) => {
    const source = withFile(log, path, flipped(defined(log.files.get(path)), 20))
    await expect(verifyLog(source, POLICY)).rejects.toThrow(
      refused(code, { path: expect.stringContaining(path) }),
    )
  })

  it("the very leaf whose entry was altered", async () => {
    const entries = small.entries.slice(256, 512)
    entries[77] = opaqueEvent(999)
    const source = withFile(small, "tile/entries/001", formatBundle(entries))
    const where = { leafIndex: 256 + 77, path: "tile/entries/001" }
    await expect(verifyLog(source, POLICY)).rejects.toThrow(refused("VERIFIER_BUNDLE_REFUSED", where))
  })

  it("an entry and its tile altered together", async () => {
    const entries = [...small.entries]
    entries[77] = opaqueEvent(999)
    const other = logOf(entries)
    const files = new Map(small.files)
    for (const path of ["tile/0/000", "tile/entries/000"]) files.set(path, defined(other.files.get(path)))
    await expect(verifyLog(sourceOf(files), POLICY)).rejects.toThrow(
      refused("VERIFIER_TILE_REFUSED", { path: "tile/0/000" }),
    )
  })

  it("every tile and bundle altered together, under the old signature", async () => {
    const entries = [...small.entries]
    entries[77] = opaqueEvent(999)
    const source = withFile(logOf(entries), "checkpoint", small.files.get("checkpoint"))
    await expect(verifyLog(source, POLICY)).rejects.toThrow(refused("VERIFIER_ROOT_REFUSED"))
  })

  it("a signed head of another tree", async () => {
    const note = signHead(600, new Uint8Array(32).fill(9))
    const source = withFile(small, "checkpoint", new TextEncoder().encode(note))
    await expect(verifyLog(source, POLICY)).rejects.toThrow(refused("VERIFIER_ROOT_REFUSED"))
  })

  it("a checkpoint with a bit flipped anywhere", async () => {
    const bytes = defined(small.files.get("checkpoint"))
    for (let at = 0; at < bytes.length; at++) {
      await expect(verifyLog(withFile(small, "checkpoint", flipped(bytes, at)), POLICY)).rejects.toThrow(
        refused("VERIFIER_CHECKPOINT_REFUSED"),
      )
    }
  })

  it("two bundles that changed places", async () => {
    const files = new Map(small.files)
    files.set("tile/entries/000", defined(small.files.get("tile/entries/001")))
    files.set("tile/entries/001", defined(small.files.get("tile/entries/000")))
    await expect(verifyLog(sourceOf(files), POLICY)).rejects.toThrow(
      refused("VERIFIER_BUNDLE_REFUSED", { leafIndex: 0, path: "tile/entries/000" }),
    )
  })

  it("two tiles that changed places", async () => {
    const files = new Map(small.files)
    files.set("tile/0/000", defined(small.files.get("tile/0/001")))
    files.set("tile/0/001", defined(small.files.get("tile/0/000")))
    await expect(verifyLog(sourceOf(files), POLICY)).rejects.toThrow(refused("VERIFIER_TILE_REFUSED"))
  })

  it("a bundle with an entry too few, too many, or half an entry", async () => {
    const entries = small.entries.slice(0, 256)
    for (const bytes of [
      formatBundle(entries.slice(0, 255)),
      formatBundle([...entries, opaqueEvent(256)]),
      formatBundle(entries).subarray(0, -1),
      new Uint8Array(0),
      Uint8Array.of(...formatBundle(entries), 0),
    ]) {
      await expect(verifyLog(withFile(small, "tile/entries/000", bytes), POLICY)).rejects.toThrow(
        refused("VERIFIER_BUNDLE_REFUSED", { path: "tile/entries/000" }),
      )
    }
  })

  it("what is not there, which accuses nobody", async () => {
    for (const path of small.files.keys()) {
      await expect(verifyLog(withFile(small, path, undefined), POLICY)).rejects.toThrow(
        refused("VERIFIER_MISSING", { path }),
      )
    }
  })
})

describe("an audit finds, though the log has signed it,", () => {
  const audit = (entries: readonly Uint8Array[]) => verifyLog(logOf(entries).source, POLICY)
  const changed = (size: number, at: number, entry: Uint8Array) => opaqueEntries(size).with(at, entry)

  it("time that goes back", async () => {
    for (const at of [1, 255, 256, 500]) {
      const entries = changed(600, at, opaqueEvent(at, { timeMs: START_MS + at + 5 }))
      await expect(audit(entries)).rejects.toThrow(refused("VERIFIER_TIME_WENT_BACK", { leafIndex: at + 1 }))
    }
  })

  it("a commitment that occurs twice, near or far", async () => {
    for (const [first, second] of [
      [1, 2],
      [3, 299],
      [1, 599],
    ] as const) {
      const { commitment } = commitmentAt(first)
      const entries = changed(600, second, opaqueEvent(second, { commitment, className: "audit" }))
      const error = await audit(entries).catch((error) => error)
      expect(error).toMatchObject({ code: "VERIFIER_REPEATED_COMMITMENT", leafIndex: second })
      expect(error.message).toContain(`leaf ${first}`)
    }
  })

  it("a second genesis, no genesis, and that of another log", async () => {
    await expect(audit(changed(600, 300, genesis({ timeMs: START_MS + 300 })))).rejects.toThrow(
      refused("VERIFIER_GENESIS_REFUSED", { leafIndex: 300 }),
    )
    await expect(audit(changed(600, 0, opaqueEvent(0)))).rejects.toThrow(
      refused("VERIFIER_GENESIS_REFUSED", { leafIndex: 0 }),
    )
    await expect(audit(changed(600, 0, genesis({ origin: "log.example/b" })))).rejects.toThrow(
      refused("VERIFIER_GENESIS_REFUSED", { leafIndex: 0 }),
    )
  })

  it("a class without a promise, a promise that shrinks", async () => {
    await expect(audit(changed(600, 256, opaqueEvent(256, { className: "vip" })))).rejects.toThrow(
      refused("VERIFIER_UNKNOWN_CLASS", { leafIndex: 256 }),
    )
    const { routine: _, ...classes } = DEFAULT_SCHEDULE.classes
    const schedule = encodeScheduleEntry({ ...DEFAULT_SCHEDULE, classes, default: "audit" }, START_MS + 9)
    await expect(audit(changed(600, 9, schedule))).rejects.toThrow(
      refused("VERIFIER_SCHEDULE_REFUSED", { leafIndex: 9 }),
    )
  })

  it("an entry that is none", async () => {
    for (const entry of [new Uint8Array(0), Uint8Array.of(1), encodeCbor([1, START_MS + 7, "routine"])]) {
      await expect(audit(changed(600, 7, entry))).rejects.toThrow(
        refused("VERIFIER_ENTRY_REFUSED", { leafIndex: 7 }),
      )
    }
  })

  it("nothing wrong in types that are yet to come", async () => {
    const entry = encodeCbor([17, START_MS + 7, { later: true }])
    expect(await audit(changed(600, 7, entry))).toMatchObject({ entries: { events: 598, unknown: 1 } })
  })
})

describe("a second opinion", () => {
  it.each([1, 300, 512, 66_000])("sees every tile of %d leaves once, with its root", async (size) => {
    const log = opaqueLog(size)
    const seen: string[] = []
    await verifyLog(log.source, POLICY, {
      onTile: (tile, hashes, rootHash) => {
        seen.push(tilePath(tile))
        expect(equalBytes(hashes, defined(log.files.get(tilePath(tile))))).toBe(true)
        const each = Array.from({ length: tile.width }, (_, i) => hashes.subarray(i * 32, i * 32 + 32))
        if (size < 1000) expect(rootHash).toEqual(rootByTheBook(each))
      },
    })
    expect(seen.sort()).toEqual([...tilesOf(size)].map(tilePath).sort())
  })

  it("ends the audit when it differs", async () => {
    const { source } = logOf(opaqueEntries(600))
    const audit = verifyLog(source, POLICY, {
      onTile: async ({ level, index }) => {
        await Promise.resolve()
        if (level === 0 && index === 1) throw new Error("another root")
      },
    })
    await expect(audit).rejects.toThrow("another root")
  })
})

describe("an audit that goes on from an earlier one", () => {
  const log = logOf(opaqueEntries(1500))
  const auditOf = (size: number) => verifyLog(logOf(opaqueEntries(size)).source, POLICY)

  it.each([0, 1, 255, 256, 257, 1000, 1499, 1500])("reads only what came after %d leaves", async (size) => {
    const { end } = await auditOf(size)
    const read: string[] = []
    const source: LogSource = {
      read: (path) => {
        read.push(path)
        return log.source.read(path)
      },
    }
    const verified = await verifyLog(source, POLICY, { from: end })
    expect(verified).toMatchObject({
      treeSize: 1500,
      firstLeaf: size,
      commitmentsFrom: 0,
      entries: { events: 1500 - Math.max(1, size) },
    })
    const bundles = read.filter((path) => path.startsWith("tile/entries/"))
    expect(bundles).toHaveLength(size === 1500 ? 0 : Math.ceil(1500 / 256) - Math.floor(size / 256))
  })

  it("remembers time, schedule and commitments", async () => {
    const { end } = await auditOf(1000)
    const next = (entry: Uint8Array) => logOf(opaqueEntries(1500).with(1200, entry)).source
    const go = (entry: Uint8Array) => verifyLog(next(entry), POLICY, { from: end })
    await expect(go(opaqueEvent(1200, { commitment: commitmentAt(5).commitment }))).rejects.toThrow(
      refused("VERIFIER_REPEATED_COMMITMENT", { leafIndex: 1200 }),
    )
    await expect(go(opaqueEvent(1200, { timeMs: START_MS }))).rejects.toThrow(
      refused("VERIFIER_TIME_WENT_BACK"),
    )
    await expect(go(opaqueEvent(1200, { className: "vip" }))).rejects.toThrow(
      refused("VERIFIER_UNKNOWN_CLASS"),
    )
    // The failed ones left their traces in the set; an honest log passes all the same.
    expect(await verifyLog(log.source, POLICY, { from: end })).toMatchObject({ treeSize: 1500 })
  })

  it("says from where on repeats were looked for, if it was given no commitments", async () => {
    const { end } = await auditOf(1000)
    const { commitments: _, ...rest } = end
    const { commitment } = commitmentAt(5)
    const source = logOf(opaqueEntries(1500).with(1200, opaqueEvent(1200, { commitment }))).source
    expect(await verifyLog(source, POLICY, { from: rest })).toMatchObject({ commitmentsFrom: 1000 })
    const twice = logOf(
      opaqueEntries(1500).with(1201, opaqueEvent(1201, { commitment: commitmentAt(1200).commitment })),
    )
    await expect(verifyLog(twice.source, POLICY, { from: rest })).rejects.toThrow(
      refused("VERIFIER_REPEATED_COMMITMENT", { leafIndex: 1201 }),
    )
  })

  it("refuses a log that changed what was audited, or went back", async () => {
    const { end } = await auditOf(1000)
    const changed = logOf(opaqueEntries(1500).with(999, opaqueEvent(5000, { timeMs: START_MS + 999 })))
    await expect(verifyLog(changed.source, POLICY, { from: end })).rejects.toThrow(refused("VERIFIER_FORKED"))
    const { source } = logOf(opaqueEntries(999))
    await expect(verifyLog(source, POLICY, { from: end })).rejects.toThrow(refused("VERIFIER_WENT_BACK"))
  })
})

describe("two commitments with one hash in the table", () => {
  /** Suspects everything. */
  class Suspicious extends CommitmentSet {
    override add(
      _bytes: Uint8Array,
      _offset: number,
      leafIndex: number,
      onTwin: (earlier: number) => void,
    ): void {
      if (leafIndex > 1) onTwin(leafIndex - 1)
    }
  }

  const from = async () => {
    const { end } = await verifyLog(logOf(opaqueEntries(1)).source, POLICY)
    return { ...end, commitments: new Suspicious() }
  }

  it("are told apart by their entries", async () => {
    const { source } = opaqueLog(100)
    expect(await verifyLog(source, POLICY, { from: await from() })).toMatchObject({ treeSize: 100 })
  })

  it("accuse nobody when something breaks while they are told apart", async () => {
    const log = opaqueLog(3)
    let reads = 0
    const read = async (path: string) => {
      if (path.startsWith("tile/entries/") && ++reads > 1) throw new RangeError("memory")
      return log.files.get(path)
    }
    await expect(verifyLog({ read }, POLICY, { from: await from() })).rejects.toThrow(RangeError)
  })

  it("are proven when read again, so that nobody can hide a repeat by answering otherwise", async () => {
    const log = logOf(opaqueEntries(3))
    const other = formatBundle(opaqueEntries(3).with(1, opaqueEvent(77)))
    let reads = 0
    const read = async (path: string) => {
      if (path.startsWith("tile/entries/") && ++reads > 1) return other
      return log.files.get(path)
    }
    await expect(verifyLog({ read }, POLICY, { from: await from() })).rejects.toThrow(
      refused("VERIFIER_BUNDLE_REFUSED"),
    )
  })
})

function commitmentAt(n: number): { commitment: Uint8Array } {
  return { commitment: opaqueEvent(n).slice(-32) }
}
