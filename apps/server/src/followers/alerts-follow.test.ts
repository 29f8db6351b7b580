/** The alerts child of a followed log, while the query child beside it is of no use to anyone. */

import { execFileSync } from "node:child_process"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
// Built, as the processes that it begins are.
import { followLog } from "../../dist/followers/follow-log.js"
import { LogReader } from "../../dist/log-reader.js"
import { MovedRecords } from "../../dist/retention/moved-records.js"
import { openSmallLedger, SILENT } from "../../fixtures/small-ledger.js"

/** Long before the query child is found to hang. */
const WAIT = { timeout: 15_000 }

const NO_ARCHIVE = { records: () => Promise.reject(new Error("bug: nothing was moved")) }

describe("rules see events", () => {
  let base: string
  let count = 0
  const closers: (() => Promise<void>)[] = []
  beforeAll(async () => {
    base = await mkdtemp(join(tmpdir(), "prooflog-alerts-follow-"))
  })
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close()
  })
  afterAll(() => rm(base, { recursive: true }))

  async function open() {
    const { folder, ledger, submit } = await openSmallLedger(join(base, `log-${count++}`))
    closers.push(() => ledger.close())
    const { reading, alerts } = followLog({
      ledger,
      reader: new LogReader(ledger.storage, new MovedRecords(NO_ARCHIVE)),
      folder,
      logger: SILENT,
      clock: Date.now,
      timing: { pauseMs: [20, 200], pollMs: 50, patienceMs: 60_000 },
      alerting: {
        setup: {
          ...{ nowMs: Date.now(), storePath: folder.alertsStorePath, settingsPath: folder.alertsPath },
          ...{ base: folder.dir, origin: "log", mmdb: undefined },
        },
        own: async () => 0,
        health: () => ({ nowMs: Date.now(), treeSize: 0, problems: {} }),
      },
    })
    closers.push(() => reading.close())
    const through = async () => (await alerts.ask({ kind: "rules" })).through
    // The second page is one that both are given.
    for (let page = 0; page < 2; page++) {
      await submit(1)
      await expect.poll(through, WAIT).toBe(ledger.treeSize)
      await expect.poll(() => reading.status().through, WAIT).toBe(ledger.treeSize)
    }
    return { ledger, reading, submit, through }
  }

  /** Stops the query child for good; it is killed at the end of the test, since it cannot close. */
  function stopQuery(): void {
    const lines = execFileSync("ps", ["-A", "-o", "pid=,ppid=,args="], { encoding: "utf8" }).split("\n")
    const all = lines.map((line) => line.trim().split(/\s+/))
    const reader = all.find(([, parent]) => Number(parent) === process.pid && parent !== undefined)?.[0]
    const query = all.find(([, parent, , module]) => parent === reader && module?.endsWith("/query.js"))?.[0]
    process.kill(Number(query), "SIGSTOP")
    closers.push(async () => void process.kill(Number(query), "SIGKILL"))
  }

  it("though the query child hangs, and takes no page", async () => {
    const { ledger, submit, through } = await open()
    stopQuery()
    for (let page = 0; page < 8; page++) {
      await submit(3)
      const { treeSize } = ledger
      await expect.poll(through, WAIT).toBe(treeSize)
    }
  })

  it("while rows are made anew, however long that takes", async () => {
    const { ledger, reading, submit, through } = await open()
    stopQuery()
    // It never is: it ends with the reader.
    reading.reindex().catch(() => {})
    await submit(3)
    await expect.poll(through, WAIT).toBe(ledger.treeSize)
  })
})
