/** A log may answer a head with an accusation, which is longer than any head; nobody else may, and not all at once. */

import type { ServerResponse } from "node:http"
import { join } from "node:path"
import { pino } from "pino"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import {
  defined,
  logOf,
  ORIGIN,
  opaqueEntries,
  opaqueEvent,
} from "../../../packages/verifier/fixtures/small-log.js"
import { configOf, ServedLog, serveHttp, temporaryFolder } from "../fixtures/served-log.js"
import { Gossip, MAX_COMPARISON_BYTES } from "./gossip.js"
import { startMonitor } from "./main.js"
import { LogWatch } from "./watch.js"

const FORK = logOf([...opaqueEntries(299), opaqueEvent(9_000)]).checkpoint

/** What a log says of a head that contradicts its own. */
const comparison = (bytes: number) =>
  JSON.stringify({ relation: "inconsistent", checkpoint: FORK, accusation: { padding: "x".repeat(bytes) } })

const closers: (() => Promise<void>)[] = []
let folder = ""

beforeEach(async () => {
  const temporary = await temporaryFolder()
  closers.push(temporary.remove)
  folder = temporary.path
})

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function serve(answer: (res: ServerResponse) => void): Promise<ServedLog> {
  const log = await ServedLog.start(logOf(opaqueEntries(300)))
  log.answer = (path, _, res) => {
    if (path !== "v1/checkpoints") return false
    answer(res)
    return true
  }
  closers.push(() => log.close())
  return log
}

describe("the answer of a log to our head", () => {
  async function exchanged(bytes: number) {
    const log = await serve((res) => void res.end(comparison(bytes)))
    const config = configOf(folder, log.url, { log: { compare: true } })
    const monitor = await startMonitor(config, { logger: false })
    closers.push(() => monitor.close())
    await monitor.pollNow()
    const kinds = defined(monitor.report().findings.get(ORIGIN)).map(({ kind }) => kind)
    return { kinds, peer: defined(monitor.peers()[0]) }
  }

  it.each([1_000, 200_000, 8_000_000])("is read with an accusation of %d bytes", async (bytes) => {
    const { kinds, peer } = await exchanged(bytes)
    expect(kinds).toContain("forked")
    expect(peer).toMatchObject({ faults: { flood: 0, lie: 0, stall: 0 }, droppedUntilMs: undefined })
  })

  it("is a flood beyond what an accusation can be", async () => {
    const { kinds, peer } = await exchanged(MAX_COMPARISON_BYTES)
    expect(kinds).not.toContain("forked")
    expect(peer).toMatchObject({ faults: { flood: 1 }, droppedUntilMs: expect.any(Number) })
  })

  it("is the only one that may be long: that of a peer is a flood", async () => {
    const log = await ServedLog.start(logOf(opaqueEntries(300)))
    const peer = await serveHttp((_req, res) => void res.end(comparison(200_000)))
    closers.push(
      () => log.close(),
      () => peer.close(),
    )
    const monitor = await startMonitor(configOf(folder, log.url, { peers: [peer.url] }), { logger: false })
    closers.push(() => monitor.close())
    await monitor.pollNow()
    expect(monitor.peers()).toMatchObject([{ faults: { flood: 1 } }])
  })
})

it("long answers are read one at a time, and past some that wait the others are left for later", async () => {
  const logger = pino({ enabled: false })
  const { signal } = new AbortController()
  const gossip = new Gossip({ peers: [], clock: Date.now, logger, timeoutMs: 60_000 })
  let brokenOff = 0
  let reading = 0
  let most = 0
  const finish: (() => void)[] = []
  async function watchOf(i: number): Promise<LogWatch> {
    let asked = 0
    const log = await serve((res) => {
      if (++asked === 1) {
        res.on("close", () => brokenOff++)
        res.end(comparison(200_000))
        return
      }
      most = Math.max(most, ++reading)
      finish.push(() => {
        reading--
        res.end(comparison(200_000))
      })
    })
    const source = { read: async (path: string) => log.files.get(path) }
    const watch = await LogWatch.open({
      log: { ...defined(configOf("", log.url).logs[0]), compare: true },
      entries: source,
      looks: source,
      path: join(folder, `state-${i}.json`),
      accusations: { folder, keep: async () => "" },
      listener: { raised: () => {}, settled: () => {} },
      clock: Date.now,
      logger,
      signal,
    })
    await watch.poll()
    return watch
  }
  const watches = await Promise.all(Array.from({ length: 6 }, (_, i) => watchOf(i)))
  let ended = 0
  const exchanges = watches.map((watch) => gossip.exchange(watch, signal).finally(() => ended++))
  // Two of six are told to come again.
  await vi.waitFor(() => expect([brokenOff, ended, finish.length]).toEqual([6, 2, 1]), { timeout: 10_000 })
  for (let read = 1; read <= 4; read++) {
    await vi.waitFor(() => expect(finish).toHaveLength(read), { timeout: 10_000 })
    finish[read - 1]?.()
  }
  await Promise.all(exchanges)
  expect(most).toBe(1)
  expect(gossip.status().map(({ faults }) => faults)).toEqual(Array(6).fill({ lie: 0, flood: 0, stall: 0 }))
})
