/** A log that dawdles with its entries holds up its own audit, and nothing else. */

import { join } from "node:path"
import { pino } from "pino"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import {
  defined,
  logOf,
  ORIGIN,
  opaqueEntries,
  opaqueEvent,
  START_MS,
} from "../../../packages/verifier/fixtures/small-log.js"
import { configOf, type Served, ServedLog, serveHttp, temporaryFolder } from "../fixtures/served-log.js"
import { type RunningMonitor, startMonitor } from "./main.js"
import { LogWatch } from "./watch.js"

const SOON = { timeout: 10_000 }

describe("while a log dawdles with its entries", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  let log: ServedLog
  let peer: Served | undefined
  let monitor: RunningMonitor | undefined
  let nowMs = START_MS + 60_000
  /** What it answers with, by path, once it is let go. */
  const held = new Map<string, (() => void)[]>()
  /** What it dawdles with. */
  let isHeld: (path: string) => boolean

  beforeEach(async () => {
    nowMs = START_MS + 60_000
    held.clear()
    isHeld = (path) => path.startsWith("tile/entries/")
    folder = await temporaryFolder()
    log = await ServedLog.start(logOf(opaqueEntries(700)))
    log.answer = (path, _, res) => {
      if (!isHeld(path)) return false
      const bytes = log.files.get(path)
      held.set(path, [...(held.get(path) ?? []), () => res.writeHead(200).end(bytes)])
      return true
    }
  })

  afterEach(async () => {
    await monitor?.close()
    monitor = undefined
    await peer?.close()
    peer = undefined
    await log.close()
    await folder.remove()
  })

  async function watch(
    more: Parameters<typeof configOf>[2] = {},
    pollMs = 20,
    rereadMs = 86_400_000,
  ): Promise<void> {
    const config = configOf(folder.path, log.url, { ...more, log: { pollMs, rereadMs, clockMs: 1e15 } })
    monitor = await startMonitor(config, { logger: false, clock: () => nowMs })
  }

  function letGo(path: string): void {
    for (const answer of held.get(path) ?? []) answer()
    held.delete(path)
  }

  const status = () => defined(defined(monitor).report().logs[0])
  const kinds = () => defined(defined(monitor).report().findings.get(ORIGIN)).map(({ kind }) => kind)

  /** So many looks from now, each of which ends. */
  async function looks(count: number): Promise<void> {
    const before = status().looks
    await vi.waitFor(() => expect(status().looks).toBeGreaterThanOrEqual(before + count), SOON)
  }

  it("it is looked at, and its heads are compared: one audit waits, and goes on when it can", async () => {
    let shown = logOf(opaqueEntries(700)).checkpoint
    let asked = 0
    peer = await serveHttp((_req, res) => {
      asked++
      res.end(shown)
    })
    await watch({ peers: [peer.url] })
    await looks(5)
    log.show(logOf(opaqueEntries(710)))
    await vi.waitFor(() => expect(status().latest?.checkpoint.treeSize).toBe(710), SOON)
    expect(asked).toBeGreaterThan(1)
    shown = logOf([...opaqueEntries(599), opaqueEvent(9_000)]).checkpoint
    await vi.waitFor(() => expect(kinds()).toEqual(["forked"]), SOON)
    expect(status()).toMatchObject({
      audited: undefined,
      readings: [{ what: "audit", leaves: 0, treeSize: 700 }],
    })
    expect([...held.values()].map((each) => each.length)).toEqual([1, 1, 1])
    isHeld = () => false
    for (const path of held.keys()) letGo(path)
    await vi.waitFor(() => expect(status().audited?.end.checkpoint.checkpoint.treeSize).toBe(710), SOON)
    expect(status()).toMatchObject({ readings: [], audited: { counts: { events: 709 } } })
  })

  it("whoever wants one look with all that belongs to it waits for the audit", async () => {
    await watch({}, 3_600_000)
    await vi.waitFor(() => expect(held.size).toBe(3), SOON)
    let isDone = false
    const looking = defined(monitor)
      .pollNow()
      .finally(() => {
        isDone = true
      })
    await looks(1)
    expect(isDone).toBe(false)
    isHeld = () => false
    for (const path of held.keys()) letGo(path)
    await looking
    expect(status().audited?.end.checkpoint.checkpoint.treeSize).toBe(700)
  })

  it("a reading of the whole holds up no look either, not even with what came in the meantime", async () => {
    isHeld = () => false
    await watch({}, 20, 1)
    await vi.waitFor(() => expect(status().audited).toBeDefined(), SOON)
    isHeld = (path) => path === "tile/entries/000"
    nowMs += 10
    await vi.waitFor(() => expect(held.size).toBe(1), SOON)
    log.show(logOf(opaqueEntries(710)))
    await vi.waitFor(() => expect(status().audited?.end.checkpoint.checkpoint.treeSize).toBe(710), SOON)
    isHeld = (path) => path === "tile/entries/002.p/198"
    letGo("tile/entries/000")
    await vi.waitFor(() => expect(held.size).toBe(1), SOON)
    await looks(5)
    expect(status().readings).toMatchObject([{ what: "re-read", leaves: 700, treeSize: 710 }])
    isHeld = () => false
    letGo("tile/entries/002.p/198")
    await vi.waitFor(() => expect(status().readings).toEqual([]), SOON)
    expect(kinds()).toEqual([])
  })

  it("that it withholds is found when its audit gets no further, and the monitor stays healthy", async () => {
    await watch()
    await vi.waitFor(() => expect(held.size).toBe(3), SOON)
    const seen = async () => {
      await looks(2)
      const { findings } = status()
      return [
        (await fetch(`${monitor?.url}healthz`)).status,
        ...findings.map(({ kind, by }) => `${kind} ${by}`),
      ]
    }
    nowMs += 200_000
    expect(await seen()).toEqual([200])
    letGo("tile/entries/000")
    await vi.waitFor(() => expect(status().readings[0]?.leaves).toBe(256), SOON)
    nowMs += 200_000
    expect(await seen()).toEqual([200])
    nowMs += 200_000
    expect(await seen()).toEqual([200, "withheld audit"])
    expect(status().findings[0]?.message).toContain(
      "no more than 256 of 700 leaves could be read for 6 minutes",
    )
    isHeld = () => false
    for (const path of held.keys()) letGo(path)
    await vi.waitFor(() => expect(status().readings).toEqual([]), SOON)
    expect(await seen()).toEqual([200])
  })

  it("no other audit is due, nor a reading of the whole", async () => {
    const letThrough: (() => void)[] = []
    const { files } = logOf(opaqueEntries(300))
    const source = {
      read: async (path: string) => {
        if (path.startsWith("tile/entries/")) await new Promise<void>((resolve) => letThrough.push(resolve))
        return files.get(path)
      },
    }
    const { logs } = configOf("", log.url, { log: { rereadMs: 1, clockMs: 1e15 } })
    const one = await LogWatch.open({
      log: defined(logs[0]),
      entries: source,
      looks: source,
      path: join(folder.path, "state.json"),
      accusations: { folder: folder.path, keep: async () => "" },
      listener: { raised: () => {}, settled: () => {} },
      clock: () => nowMs,
      logger: pino({ enabled: false }),
      signal: new AbortController().signal,
    })
    const due = () => [one.isAuditDue(), one.isRereadDue({ goesOn: true })]
    expect(due()).toEqual([false, false])
    await one.poll()
    expect(due()).toEqual([true, false])
    const first = one.audit()
    expect(due()).toEqual([false, false])
    await vi.waitFor(() => expect(letThrough).toHaveLength(2), SOON)
    await one.poll()
    expect(due()).toEqual([false, false])
    for (const go of letThrough) go()
    await first
    expect(due()).toEqual([false, false])
    nowMs += 10
    expect(due()).toEqual([false, true])
    // While it is read to its new end, it is not read from its beginning, too.
    for (const [path, bytes] of logOf(opaqueEntries(310)).files) files.set(path, bytes)
    await one.poll()
    expect(due()).toEqual([true, true])
    const second = one.audit()
    expect(due()).toEqual([false, false])
    await vi.waitFor(() => expect(letThrough).toHaveLength(3), SOON)
    letThrough[2]?.()
    await second
    expect(one.status().audited?.end.checkpoint.checkpoint.treeSize).toBe(310)
  })
})
