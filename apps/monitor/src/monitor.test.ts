import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { encodeCbor } from "@prooflog/event/cbor"
import { encodeScheduleEntry } from "@prooflog/event/entry"
import { DEFAULT_SCHEDULE } from "@prooflog/event/schedule"
import type { Policy } from "@prooflog/tlog/policy"
import { parseAccusation, verifyAccusation } from "@prooflog/verifier/accusation"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import {
  defined,
  genesis,
  logOf,
  ORIGIN,
  opaqueEntries,
  opaqueEvent,
  POLICY,
  type SmallLog,
  START_MS,
  WITNESSED_POLICY,
} from "../../../packages/verifier/fixtures/small-log.js"
import { configOf, ServedLog, temporaryFolder } from "../fixtures/served-log.js"
import type { Finding } from "./finding.js"
import { type RunningMonitor, startMonitor } from "./main.js"

const NOW_MS = START_MS + 60_000

describe("a monitor of one log", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  let log: ServedLog
  let monitor: RunningMonitor | undefined
  let nowMs = NOW_MS

  beforeEach(async () => {
    folder = await temporaryFolder()
    nowMs = NOW_MS
  })

  afterEach(async () => {
    await monitor?.close()
    monitor = undefined
    await log.close()
    await folder.remove()
  })

  async function watch(first: SmallLog, policy: Policy = POLICY): Promise<RunningMonitor> {
    log = await ServedLog.start(first)
    return await restart(policy)
  }

  async function restart(policy: Policy = POLICY): Promise<RunningMonitor> {
    await monitor?.close()
    monitor = await startMonitor(configOf(folder.path, log.url, { policy }), {
      logger: false,
      clock: () => nowMs,
    })
    await monitor.pollNow()
    return monitor
  }

  function found(): Finding[] {
    return [...defined(defined(monitor).report().findings.get(ORIGIN))]
  }

  const kinds = () => found().map(({ kind }) => kind)

  async function lookAt(shown?: SmallLog): Promise<void> {
    if (shown !== undefined) log.show(shown)
    await defined(monitor).pollNow()
  }

  /** The log serves each tile and bundle so many times, and then never again. */
  function serveTimes(times: number): void {
    const reads = new Map<string, number>()
    log.answer = (path, _, res) => {
      const nth = (reads.get(path) ?? 0) + 1
      reads.set(path, nth)
      if (path === "checkpoint" || nth <= times) return false
      res.writeHead(404).end()
      return true
    }
  }

  /** What the files in the accusations' folder convict the log of, with nothing but the log's key. */
  async function convictions(): Promise<string[]> {
    const { accusationsFolder } = defined(monitor)
    const files = await readdir(accusationsFolder)
    const texts = await Promise.all(files.map((file) => readFile(join(accusationsFolder, file))))
    return texts.map((text) => verifyAccusation(parseAccusation(text), POLICY).proven)
  }

  it("says that nothing is wrong, to people and to machines", async () => {
    const { url = "", report } = await watch(logOf(opaqueEntries(700)))
    expect(report()).toMatchObject({ exitCode: 0, logs: [{ findings: [] }] })
    expect(report().logs[0]?.audited?.counts.events).toBe(699)
    const page = await fetch(url)
    expect(page.headers.get("content-security-policy")).toContain("default-src 'none'")
    const text = await page.text()
    expect(text).toContain("All is well.")
    expect(text).toContain("700 leaves")
    expect(text).not.toContain("<script")
    expect((await fetch(`${url}readyz`)).status).toBe(200)
    expect((await fetch(`${url}healthz`)).status).toBe(200)
    const metrics = await (await fetch(`${url}metrics`)).text()
    expect(metrics).toContain(`prooflog_monitor_audited_size{origin="${ORIGIN}"} 700`)
    expect(metrics).toContain(`prooflog_monitor_finding{origin="${ORIGIN}",kind="forked"} 0`)
  })

  it("follows a log that grows, and reads only what is new", async () => {
    await watch(logOf(opaqueEntries(700)))
    log.paths.length = 0
    await lookAt(logOf(opaqueEntries(1300)))
    expect(kinds()).toEqual([])
    expect(defined(monitor).report().logs[0]?.audited?.counts.events).toBe(1299)
    expect(log.paths).not.toContain("tile/entries/000")
  })

  describe("names", () => {
    it("a rollback, by what it is: went-back; and its end", async () => {
      await watch(logOf(opaqueEntries(700)))
      await lookAt(logOf(opaqueEntries(600)))
      expect(found()).toMatchObject([
        { kind: "went-back", message: expect.stringContaining("from 700 leaves to 600") },
      ])
      expect(found()[0]?.heads).toHaveLength(2)
      expect(defined(monitor).report().exitCode).toBe(1)
      await lookAt(logOf(opaqueEntries(700)))
      expect(kinds()).toEqual([])
    })

    it("a backup that was restored and went on differently: forked, with proof", async () => {
      await watch(logOf(opaqueEntries(700)))
      await lookAt(logOf(opaqueEntries(600)))
      const other = [...opaqueEntries(600), ...opaqueEntries(900).slice(700, 850)]
      await lookAt(logOf(other))
      expect(kinds()).toContain("forked")
      expect(await convictions()).toEqual([
        expect.stringContaining("does not begin with the tree of 700 leaves"),
      ])
    })

    it("a new head of the old size, the last entries rewritten: forked, with proof", async () => {
      await watch(logOf(opaqueEntries(700)))
      await lookAt(logOf([...opaqueEntries(698), opaqueEvent(9001), opaqueEvent(9002)]))
      expect(found()).toMatchObject([
        {
          kind: "forked",
          message: "two signed heads of 700 leaves contradict each other",
          accusation: expect.stringMatching(/^same-size-[0-9a-f]{16}\.json$/),
        },
      ])
      expect(await convictions()).toEqual([expect.stringContaining("two different trees of 700 leaves")])
    })

    it("rewritten last entries under a larger head: forked, with proof, once", async () => {
      await watch(logOf(opaqueEntries(700)))
      const rewritten = logOf([...opaqueEntries(698), ...opaqueEntries(9010).slice(9000)])
      for (let looks = 0; looks < 3; looks++) await lookAt(rewritten)
      expect(kinds()).toEqual(["forked"])
      expect(await convictions()).toHaveLength(1)
      // It stays, whatever the log shows later.
      await lookAt(logOf(opaqueEntries(800)))
      expect(kinds()).toContain("forked")
    })

    it("a log whose end is not served: truncated", async () => {
      await watch(logOf(opaqueEntries(200)))
      const grown = logOf(opaqueEntries(1300))
      log.show(grown)
      for (const path of ["tile/entries/003", "tile/entries/004", "tile/entries/005.p/20"])
        log.files.delete(path)
      await lookAt()
      expect(found()).toMatchObject([
        { kind: "truncated", message: expect.stringContaining("tile/entries/00") },
      ])
    })

    it("a last bundle that is shorter than the head says: truncated", async () => {
      await watch(logOf(opaqueEntries(200)))
      log.show(logOf(opaqueEntries(1300)))
      const last = defined(log.files.get("tile/entries/005.p/20"))
      log.files.set("tile/entries/005.p/20", last.subarray(0, last.length - (last.length / 20) * 3))
      await lookAt()
      expect(kinds()).toEqual(["truncated"])
    })

    it.each(["tile/entries/002", "tile/0/002", "tile/1/000.p/5"])(
      "%s that is not there: withheld",
      async (path) => {
        await watch(logOf(opaqueEntries(200)))
        log.show(logOf(opaqueEntries(1300)))
        log.files.delete(path)
        await lookAt()
        expect(found()).toMatchObject([{ kind: "withheld", message: expect.stringContaining(path) }])
      },
    )

    it("a tile that fails, while the head is served: withheld; and that it came back", async () => {
      await watch(logOf(opaqueEntries(200)))
      log.answer = (path, _, res) => {
        if (path !== "tile/0/001") return false
        res.writeHead(503, { "retry-after": "0" }).end()
        return true
      }
      await lookAt(logOf(opaqueEntries(1300)))
      expect(kinds()).toEqual(["withheld"])
      log.answer = () => false
      await lookAt()
      expect(kinds()).toEqual([])
    })

    it("a checkpoint that is gone: withheld", async () => {
      await watch(logOf(opaqueEntries(200)))
      log.files.delete("checkpoint")
      await lookAt()
      expect(found()).toMatchObject([{ kind: "withheld", by: "head" }])
    })

    it("a log that does not answer: unreachable, which accuses nobody", async () => {
      await watch(logOf(opaqueEntries(200)))
      log.answer = (_, __, res) => {
        res.writeHead(503, { "retry-after": "0" }).end()
        return true
      }
      await lookAt()
      expect(kinds()).toEqual(["unreachable"])
      expect(defined(monitor).report().exitCode).toBe(2)
    })

    it("another entry under the right tile: wrong-entry", async () => {
      await watch(logOf(opaqueEntries(200)))
      log.show(logOf(opaqueEntries(1300)))
      const bundle = defined(log.files.get("tile/entries/002")).slice()
      bundle[bundle.length - 1] = 0xff ^ defined(bundle[bundle.length - 1])
      log.files.set("tile/entries/002", bundle)
      await lookAt()
      expect(found()).toMatchObject([{ kind: "wrong-entry", message: expect.stringContaining("leaf 767") }])
    })

    it("another tile: wrong-tile", async () => {
      await watch(logOf(opaqueEntries(200)))
      log.show(logOf(opaqueEntries(1300)))
      log.files.set("tile/0/002", defined(log.files.get("tile/0/003")))
      await lookAt()
      expect(kinds()).toEqual(["wrong-tile"])
    })

    it("an old entry that was replaced after it had been read, at the next reading of the whole", async () => {
      await watch(logOf(opaqueEntries(700)))
      const bundle = defined(log.files.get("tile/entries/000")).slice()
      bundle[bundle.length - 1] = 0xff ^ defined(bundle[bundle.length - 1])
      log.files.set("tile/entries/000", bundle)
      await restart()
      await expect.poll(found).toMatchObject([{ kind: "wrong-entry", by: "re-read" }])
    })

    it("a head without the log's signature: refused-head", async () => {
      await watch(logOf(opaqueEntries(200)))
      log.files.set("checkpoint", new TextEncoder().encode("nothing of the kind\n"))
      await lookAt()
      expect(kinds()).toEqual(["refused-head"])
    })

    const broken: readonly (readonly [string, Uint8Array, string])[] = [
      ["time-went-back", opaqueEvent(701, { timeMs: START_MS + 5 }), "leaf 701"],
      ["repeated-commitment", opaqueEvent(12, { timeMs: START_MS + 701 }), "leaves 12 and 701"],
      [
        "shortened-schedule",
        encodeScheduleEntry(
          { ...DEFAULT_SCHEDULE, classes: { ...DEFAULT_SCHEDULE.classes, high: { keep_days: 1 } } },
          START_MS + 701,
        ),
        "leaf 701",
      ],
      ["invalid-entry", Uint8Array.of(0x84, 0x01, 0x1b), "leaf 701"],
    ]
    it.each(broken)("%s, with proof that convicts without anything else", async (kind, entry, leaf) => {
      await watch(logOf(opaqueEntries(701)))
      await lookAt(logOf([...opaqueEntries(701), entry, opaqueEvent(702)]))
      expect(found()).toMatchObject([{ kind, by: "audit", accusation: expect.stringContaining(kind) }])
      expect(await convictions()).toEqual([expect.stringContaining(leaf)])
      // Heads are compared all the same.
      await lookAt(logOf(opaqueEntries(703)))
      expect(kinds()).toContain("forked")
    })

    it("an event of a class that no schedule names: signed, and wrong, and no proof of it", async () => {
      await watch(logOf(opaqueEntries(200)))
      await lookAt(logOf([...opaqueEntries(200), opaqueEvent(200, { className: "secret" })]))
      expect(found()).toMatchObject([{ kind: "invalid-entry", by: "audit" }])
      expect(found()[0]?.accusation).toBeUndefined()
      expect(defined(monitor).report().exitCode).toBe(1)
      const page = await (await fetch(`${monitor?.url}`)).text()
      expect(page).toContain("Something is wrong.")
      expect(page).not.toContain("there is proof")
      // No later leaf mends it, and it is not read again and again.
      log.paths.length = 0
      await lookAt()
      expect([kinds(), log.paths]).toEqual([["invalid-entry"], ["checkpoint"]])
    })

    it("a fork whose tiles are served once, with proof of what was seen", async () => {
      await watch(logOf(opaqueEntries(700)))
      serveTimes(1)
      await lookAt(logOf([...opaqueEntries(698), ...opaqueEntries(9010).slice(9000)]))
      expect(found()).toMatchObject([{ kind: "forked", accusation: expect.any(String) }])
      expect(await convictions()).toHaveLength(1)
    })

    it("a broken entry that is served until it was read, with proof of what was seen", async () => {
      await watch(logOf(opaqueEntries(701)))
      // Once to compare the heads, once to read the entries.
      serveTimes(2)
      await lookAt(logOf([...opaqueEntries(701), opaqueEvent(701, { timeMs: START_MS + 5 })]))
      expect(found()).toMatchObject([{ kind: "time-went-back", accusation: expect.any(String) }])
      expect(await convictions()).toHaveLength(1)
    })

    it("an entry from the future: off-clock", async () => {
      await watch(logOf(opaqueEntries(200)))
      await lookAt(logOf([...opaqueEntries(200), opaqueEvent(200, { timeMs: NOW_MS + 700_000 })]))
      expect(found()).toMatchObject([{ kind: "off-clock", message: expect.stringContaining("ahead of") }])
    })

    it("an entry that is dated long before it could be seen: off-clock", async () => {
      await watch(logOf(opaqueEntries(200)))
      nowMs = NOW_MS + 3_600_000
      await lookAt()
      nowMs += 1_000
      await lookAt(logOf(opaqueEntries(201)))
      expect(found()).toMatchObject([{ kind: "off-clock", message: expect.stringContaining("backdated") }])
      await lookAt(logOf([...opaqueEntries(201), opaqueEvent(201, { timeMs: nowMs })]))
      expect(kinds()).toEqual([])
    })

    it("cosignatures that are old, or from the future: stale", async () => {
      const entries = opaqueEntries(200)
      const seconds = Math.floor(NOW_MS / 1000)
      await watch(logOf(entries, [seconds]), WITNESSED_POLICY)
      expect(kinds()).toEqual([])
      nowMs += 3 * 3_600_000
      await lookAt()
      expect(kinds()).toEqual(["stale"])
      await lookAt(logOf(entries, [Math.floor(nowMs / 1000)]))
      expect(kinds()).toEqual([])
      await lookAt(logOf(entries, [Math.floor(nowMs / 1000) + 3_600]))
      expect(found()).toMatchObject([{ kind: "stale", message: expect.stringContaining("ahead of") }])
    })

    it("a head that lacks the quorum: unchecked, which accuses nobody", async () => {
      await watch(logOf(opaqueEntries(200)), WITNESSED_POLICY)
      expect(found()).toMatchObject([{ kind: "unchecked", message: expect.stringContaining("no quorum") }])
      expect(defined(monitor).report().exitCode).toBe(2)
      await lookAt(logOf(opaqueEntries(200), [Math.floor(NOW_MS / 1000)]))
      expect(kinds()).toEqual([])
    })

    it("a head that lacks the quorum: it convicts all the same", async () => {
      const entries = opaqueEntries(200)
      await watch(logOf(entries, [Math.floor(NOW_MS / 1000)]), WITNESSED_POLICY)
      await lookAt(logOf([...entries.slice(0, 199), opaqueEvent(7777)]))
      await expect.poll(kinds).toEqual(expect.arrayContaining(["unchecked", "forked"]))
      expect(await convictions()).toHaveLength(1)
    })
  })

  describe("started again", () => {
    it("goes on where it was, and keeps what was found", async () => {
      await watch(logOf(opaqueEntries(700)))
      await lookAt(logOf([...opaqueEntries(698), opaqueEvent(9001), opaqueEvent(9002)]))
      log.show(logOf(opaqueEntries(700)))
      await defined(monitor).close()
      log.show(logOf(opaqueEntries(1300)))
      log.paths.length = 0
      const { report } = await restart()
      expect(kinds()).toEqual(["forked"])
      const [checkpoint, ...first] = log.paths
      expect(checkpoint).toBe("checkpoint")
      // Its first reading begins at the bundle in which it ended; the beginning is read again afterwards, for the commitments.
      expect(first.indexOf("tile/entries/002")).toBeGreaterThan(0)
      await expect.poll(() => report().logs[0]?.commitmentsFrom).toBe(0)
      expect(report().logs[0]?.audited?.counts.events).toBe(1299)
    })

    it("finds a repeat of what was read before it was started again", async () => {
      await watch(logOf(opaqueEntries(700)))
      const { report } = await restart()
      await expect.poll(() => report().logs[0]?.commitmentsFrom).toBe(0)
      await lookAt(logOf([...opaqueEntries(700), opaqueEvent(3, { timeMs: START_MS + 700 })]))
      expect(kinds()).toEqual(["repeated-commitment"])
      expect(await convictions()).toHaveLength(1)
    })

    it("knows a fork that happened while it was away", async () => {
      await watch(logOf(opaqueEntries(700)))
      await defined(monitor).close()
      log.show(logOf([...opaqueEntries(690), ...opaqueEntries(9020).slice(9000)]))
      await restart()
      expect(kinds()).toEqual(["forked"])
      expect(await convictions()).toHaveLength(1)
    })

    it("refuses state that is not its own", async () => {
      await watch(logOf(opaqueEntries(7)))
      await defined(monitor).close()
      const [file] = await readdir(join(folder.path, "logs"))
      const { writeFile } = await import("node:fs/promises")
      await writeFile(join(folder.path, "logs", defined(file)), "{}")
      const starting = startMonitor(configOf(folder.path, log.url), { logger: false })
      await expect(starting).rejects.toMatchObject({ code: "MONITOR_BAD_STATE" })
    })
  })

  it("blames no one for a look that was cut short by its own end", async () => {
    await watch(logOf(opaqueEntries(200)))
    log.show(logOf(opaqueEntries(1300)))
    const asked = new Promise<void>((resolve) => {
      log.answer = (path) => {
        if (path === "checkpoint") return false
        resolve()
        return true
      }
    })
    const looking = defined(monitor).pollNow()
    const ended = expect(looking).rejects.toThrow("the monitor is stopping")
    await asked
    await defined(monitor).close()
    await ended
    expect(kinds()).toEqual([])
  })

  it("shares its folder with no one", async () => {
    await watch(logOf([genesis()]))
    const other = startMonitor(configOf(folder.path, log.url), { logger: false })
    await expect(other).rejects.toMatchObject({ code: "MONITOR_FOLDER_IN_USE" })
  })

  it("reads entries of types it does not know", async () => {
    const entries = [...opaqueEntries(10), encodeCbor([9, START_MS + 10, "a later version"])]
    const { report } = await watch(logOf(entries))
    expect(report().logs[0]?.audited?.counts.unknown).toBe(1)
  })
})
