/** A log that asks to be waited for is: by the audit, and not by looks. */

import { join } from "node:path"
import { pino } from "pino"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { defined, logOf, opaqueEntries, START_MS } from "../../../packages/verifier/fixtures/small-log.js"
import { configOf, ServedLog, temporaryFolder } from "../fixtures/served-log.js"
import { sourcesOf } from "./log-sources.js"
import { LogWatch } from "./watch.js"

describe("a log that says to everything but its head that it is busy for a minute", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  let log: ServedLog
  let waits: number[]
  let watch: LogWatch

  beforeEach(async () => {
    folder = await temporaryFolder()
    log = await ServedLog.start(logOf(opaqueEntries(300)))
    waits = []
    const { signal } = new AbortController()
    const watched = defined(configOf(folder.path, log.url, { log: { clockMs: 1e15 } }).logs[0])
    watch = await LogWatch.open({
      log: watched,
      ...sourcesOf(watched, signal, async (ms) => void waits.push(ms)),
      path: join(folder.path, "state.json"),
      accusations: { folder: folder.path, keep: async () => "" },
      listener: { raised: () => {}, settled: () => {} },
      clock: () => START_MS + 60_000,
      logger: pino({ enabled: false }),
      signal,
    })
    await watch.poll()
    await watch.audit()
    log.show(logOf(opaqueEntries(600)))
    log.answer = (path, _, res) => {
      if (path === "checkpoint") return false
      res.writeHead(429, { "Retry-After": "60" }).end()
      return true
    }
  })

  afterEach(async () => {
    await log.close()
    await folder.remove()
  })

  it("is named for it, and holds up no look for as long as it likes", async () => {
    await watch.poll()
    expect(watch.status().findings).toMatchObject([{ kind: "withheld", by: "growth" }])
    expect(waits.length).toBeGreaterThan(0)
    expect(Math.max(...waits)).toBe(5_000)
  })

  it("is waited for by the audit", async () => {
    const busy = log.answer
    log.answer = (path, ...rest) => path.startsWith("tile/entries/") && busy(path, ...rest)
    await watch.poll()
    expect(waits).toEqual([])
    log.answer = (path, ...rest) => {
      log.answer = () => false
      return busy(path, ...rest)
    }
    await watch.audit()
    expect(waits).toEqual([60_000])
    expect(watch.status()).toMatchObject({ findings: [], audited: { counts: { events: 599 } } })
  })
})
