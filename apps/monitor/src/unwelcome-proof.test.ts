/** A log that has forked does what it can to keep a monitor from telling: it adds, spoils, crowds and dawdles. */

import { mkdir, readdir, rm } from "node:fs/promises"
import { request } from "node:http"
import { join } from "node:path"
import { originHash } from "@prooflog/tlog/witness-request"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import {
  logOf,
  ORIGIN,
  opaqueEntries,
  opaqueEvent,
  POLICY,
  START_MS,
  WITNESSED_POLICY,
} from "../../../packages/verifier/fixtures/small-log.js"
import { configOf, ServedLog, temporaryFolder } from "../fixtures/served-log.js"
import { type RunningMonitor, startMonitor } from "./main.js"

const NOW_SECONDS = START_MS / 1_000 + 60
const QUIET = { logger: false, clock: () => NOW_SECONDS * 1_000 } as const

/** Of the same beginning, up to the last two leaves. */
const forkOf = (size: number, cosignedAt: readonly number[] = []) =>
  logOf([...opaqueEntries(size - 2), opaqueEvent(9_000), opaqueEvent(9_001)], cosignedAt)

/** The last cosignature of a note is none. */
const spoilt = (note: string) => note.replace(/.{8}\n$/, "AAAAAA==\n")

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let log: ServedLog
let monitor: RunningMonitor | undefined

beforeEach(async () => {
  folder = await temporaryFolder()
})

afterEach(async () => {
  await monitor?.close()
  monitor = undefined
  await log.close()
  await folder.remove()
})

async function watching(
  first: Parameters<typeof ServedLog.start>[0],
  policy = POLICY,
): Promise<RunningMonitor> {
  log = await ServedLog.start(first)
  monitor = await startMonitor(configOf(folder.path, log.url, { policy }), QUIET)
  await monitor.pollNow()
  return monitor
}

async function show(to: RunningMonitor, note: string): Promise<number> {
  const response = await fetch(`${to.url}v1/checkpoints`, { method: "POST", body: note })
  await response.arrayBuffer()
  return response.status
}

/** The same, from another address of this machine. */
function showFrom(localAddress: string, { url = "" }: RunningMonitor, note: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const asking = request(`${url}v1/checkpoints`, { method: "POST", localAddress }, (res) => {
      res.resume().on("end", () => resolve(res.statusCode ?? 0))
    })
    asking.on("error", reject).end(note)
  })
}

const kinds = ({ report }: RunningMonitor) =>
  (report().findings.get(ORIGIN) ?? []).map(({ kind, accusation }) => `${kind}${accusation ? " proven" : ""}`)

describe("a fork", () => {
  it("is proven though its head comes with a spoilt cosignature", async () => {
    const times = [NOW_SECONDS, NOW_SECONDS]
    const watcher = await watching(logOf(opaqueEntries(300), times), WITNESSED_POLICY)
    expect(await show(watcher, spoilt(forkOf(300, times).checkpoint))).toBe(200)
    await watcher.pollNow()
    expect(kinds(watcher)).toContain("forked proven")
    // The cosignature that is good convicts its witness.
    const files = await readdir(watcher.accusationsFolder)
    expect(files.map((name) => name.replace(/-\w+\.json$/, "")).sort()).toEqual([
      "same-size",
      "witness-equivocation",
    ])
  })

  it("is proven though the log itself shows it so, and no reader would believe it", async () => {
    const times = [NOW_SECONDS, NOW_SECONDS]
    const watcher = await watching(logOf(opaqueEntries(300), times), WITNESSED_POLICY)
    const fork = forkOf(300, times)
    log.show(fork)
    log.files.set("checkpoint", Buffer.from(spoilt(fork.checkpoint)))
    await watcher.pollNow()
    expect(kinds(watcher).sort()).toEqual(["forked proven", "refused-head"])
  })

  it("is proven though the log shows many more heads of its honest tree before it can be compared", async () => {
    const watcher = await watching(logOf(opaqueEntries(300)))
    expect(await show(watcher, forkOf(400).checkpoint)).toBe(200)
    for (let size = 301; size <= 340; size++) {
      await show(watcher, logOf(opaqueEntries(size)).checkpoint)
      await vi.waitFor(() => expect(watcher.report().logs[0]?.openHeads).toHaveLength(size - 299))
    }
    log.show(logOf(opaqueEntries(500)))
    await watcher.pollNow()
    expect(kinds(watcher)).toEqual(["forked proven"])
    expect(watcher.report().logs[0]?.openHeads).toEqual([])
  })

  it("has room of its own, whoever else shows heads: strangers are told apart by address, and not named", async () => {
    const watcher = await watching(logOf(opaqueEntries(300)))
    expect(await showFrom("127.0.0.2", watcher, forkOf(400).checkpoint)).toBe(200)
    expect(await showFrom("127.0.0.3", watcher, logOf(opaqueEntries(401)).checkpoint)).toBe(200)
    expect(watcher.report().logs[0]?.openHeads).toMatchObject([
      { by: "someone who asked", from: "address 127.0.0.2" },
      { by: "someone who asked", from: "address 127.0.0.3" },
    ])
    const page = await (await fetch(`${watcher.url}`)).text()
    expect(page).toContain("shown by someone who asked")
    expect(page).not.toContain("127.0.0.2")
  })

  it("is proven once though a look and someone who asks come upon it at the same moment", async () => {
    const watcher = await watching(logOf(opaqueEntries(300)))
    const held: (() => void)[] = []
    log.answer = (path, _, res) => {
      if (!path.startsWith("tile/")) return false
      held.push(() => res.writeHead(200).end(log.files.get(path)))
      return true
    }
    expect(await show(watcher, forkOf(299).checkpoint)).toBe(200)
    const looking = watcher.pollNow()
    // Both wait for the same hashes, as long as the log likes.
    await vi.waitFor(() => expect(held.length).toBeGreaterThanOrEqual(2), { timeout: 10_000 })
    log.answer = () => false
    for (const release of held) release()
    await looking
    await watcher.pollNow()
    expect(kinds(watcher)).toEqual(["forked proven"])
    expect(await readdir(watcher.accusationsFolder)).toHaveLength(1)
  })
})

describe("a watch that cannot go on", () => {
  it("ends alone: that is told, and other logs are looked at as before", async () => {
    log = await ServedLog.start(logOf(opaqueEntries(10)))
    const { logs, ...rest } = configOf(folder.path, log.url, { log: { pollMs: 10 } })
    const [one] = logs
    if (one === undefined) throw new Error("no log")
    const both = [one, { ...one, origin: "other.example/log" }]
    monitor = await startMonitor({ ...rest, logs: both }, QUIET)
    const { report, url, pollNow } = monitor
    await pollNow()
    const path = join(folder.path, "logs", `${originHash(ORIGIN)}.json`)
    // The loop may be writing it just then.
    await vi.waitFor(async () => {
      await rm(path, { recursive: true, force: true })
      await mkdir(path)
    }, 5_000)
    log.show(logOf(opaqueEntries(12)))
    await vi.waitFor(
      () => expect(report().findings.get(ORIGIN)).toMatchObject([{ kind: "unchecked" }]),
      5_000,
    )
    expect((await fetch(`${url}healthz`)).status).toBe(503)
    const looksOf = () => report().logs.map(({ looks }) => looks)
    const before = looksOf()
    await vi.waitFor(() => expect(looksOf()[1]).toBeGreaterThan((before[1] ?? 0) + 2), 5_000)
    expect(looksOf()[0]).toBe(before[0])
  })

  it("ends by what its audit cannot write down, too: that is told, and not tried again and again", async () => {
    log = await ServedLog.start(logOf(opaqueEntries(10)))
    const config = configOf(folder.path, log.url, { log: { pollMs: 10, clockMs: 1e15 } })
    monitor = await startMonitor(config, QUIET)
    const { report, url, pollNow, accusationsFolder } = monitor
    await pollNow()
    await rm(accusationsFolder, { recursive: true })
    log.show(logOf([...opaqueEntries(10), opaqueEvent(10, { timeMs: START_MS + 1 })]))
    const words = expect.stringContaining("looks at the log no more")
    await vi.waitFor(
      () => expect(report().findings.get(ORIGIN)).toMatchObject([{ kind: "unchecked", message: words }]),
      5_000,
    )
    expect((await fetch(`${url}healthz`)).status).toBe(503)
  })
})
