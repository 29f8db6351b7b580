import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { LedgerError } from "@prooflog/ledger/error"
import type { LogStorage } from "@prooflog/ledger/storage"
import { parseCursor } from "@prooflog/query/listing"
import { type Logger, pino } from "pino"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
// Built, as the processes that it begins are.
import { type FollowTiming, followLog } from "../../dist/followers/follow-log.js"
import { LogReader } from "../../dist/log-reader.js"
import { MovedRecords } from "../../dist/retention/moved-records.js"
import { eventLeaves, openSmallLedger, SILENT, storageBut } from "../../fixtures/small-ledger.js"

/** Nobody gives up before a slow machine is done, where that is not what the test is about. */
const TIMING: Partial<FollowTiming> = { pauseMs: [20, 200], pollMs: 50, patienceMs: 60_000 }

const NO_ARCHIVE = { records: () => Promise.reject(new Error("bug: nothing was moved")) }

describe("reading, end to end", () => {
  let base: string
  let count = 0
  const closers: (() => Promise<void>)[] = []
  beforeAll(async () => {
    base = await mkdtemp(join(tmpdir(), "prooflog-reading-"))
  })
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close()
    expect(familyOf(process.pid)).toEqual([])
  })
  afterAll(() => rm(base, { recursive: true }))

  /** A real log in a folder, and what follows it. */
  async function open(
    given: {
      timing?: Partial<FollowTiming>
      query?: object
      wrap?: (storage: LogStorage) => LogStorage
      logger?: Logger
    } = {},
  ) {
    const log = await openSmallLedger(join(base, `log-${count++}`), given.wrap)
    const { folder, ledger } = log
    closers.push(() => ledger.close())
    const serving = { ...folder.serving, query: { ...folder.serving.query, ...given.query } }
    const { reading } = followLog({
      ledger,
      reader: new LogReader(ledger.storage, new MovedRecords(NO_ARCHIVE)),
      folder: { ...folder, serving },
      logger: given.logger ?? SILENT,
      clock: Date.now,
      timing: { ...TIMING, ...given.timing },
    })
    closers.push(() => reading.close())
    return { ...log, reading }
  }

  it("answers what was asked, having seen what it must have seen; and begins anew when told to", async () => {
    const { ledger, reading, submit } = await open()
    expect(reading.status()).toMatchObject({ state: "starting", through: 0 })
    await until(() => reading.status().through === 1)
    await submit(500)
    const leaves = { ...ASKED, sql: "SELECT leaf_index, user_id FROM access_logs ORDER BY 1" }
    const answer = await reading.sql({ ...leaves, limit: 2, minSize: 501 })
    expect(rowsOf(answer.rowsJson)).toEqual([
      [1, "U0"],
      [2, "U1"],
    ])
    expect(answer).toMatchObject({ rowCount: 2, truncated: true, through: 501 })
    expect(reading.status()).toMatchObject({
      state: "following",
      through: 501,
      treeSize: 501,
      lagLeaves: 0,
      lagSeconds: 0,
      restarts: 0,
    })
    const unknown = reading.sql({ ...ASKED, sql: "SELECT nobody FROM access_logs" })
    await expect(unknown).rejects.toMatchObject({ code: "QUERY_UNKNOWN_COLUMN", line: 1, column: 8 })

    const seen: number[] = []
    reading.onThrough((through) => void seen.push(through))
    await reading.reindex()
    await until(() => reading.status().through === 501)
    const again = await reading.sql({ ...leaves, sql: "SELECT leaf_index FROM access_logs ORDER BY 1" })
    expect(rowsOf(again.rowsJson).flat()).toEqual(await eventLeaves(ledger))
    expect(seen[0]).toBe(0)
    expect(reading.status().restarts).toBe(0)
  })

  it("waits for what an answer must have seen, and not for ever", async () => {
    const { reading } = await open({ timing: { patienceMs: 100 } })
    await until(() => reading.status().state === "following")
    expect(await codeOf(reading.sql({ ...ASKED, minSize: 1_000 }))).toBe("QUERY_BEHIND")
  })

  it("is behind while rows that were lost are made again: says so, and cuts no page short", async () => {
    const gate = { open: Promise.resolve(), close: () => {} }
    const told: unknown[] = []
    const logger = pino({ level: "warn" }, { write: (line) => void told.push(JSON.parse(line)) })
    const { folder, reading, submit } = await open({
      timing: { pauseMs: [700, 700] },
      logger,
      wrap: (storage) =>
        storageBut(storage, {
          async records(start, end) {
            await gate.open
            return storage.records(start, end)
          },
        }),
    })
    await submit(300)
    await until(() => reading.status().through === 301)
    const page = { conditions: [], limit: 100, order: "desc" } as const
    const { nextCursor = "" } = await reading.list(page, { withheld: [] })
    let release = () => {}
    gate.open = new Promise<void>((resolve) => {
      release = resolve
    })
    process.kill((await bothOf(process.pid))[1], "SIGKILL")
    await until(() => reading.status().state === "restarting")
    await writeFile(folder.queryPath, "no database".repeat(1_000))
    await until(() => reading.status().state === "following")
    expect(reading.status()).toMatchObject({ through: 0, lagLeaves: 301 })
    await until(() => reading.status().lagSeconds > 0)
    expect(told).toContainEqual(
      expect.objectContaining({ level: 40, msg: expect.stringMatching(/no good \(damaged\).*made again/) }),
    )
    const cursor = parseCursor(nextCursor, "desc")
    const next = reading.list({ ...page, cursor }, { withheld: [] })
    const early = await Promise.race([next, new Promise((resolve) => setTimeout(resolve, 50, "it waits"))])
    expect(early).toBe("it waits")
    release()
    expect((await next).count).toBe(100)
    expect(reading.status()).toMatchObject({ through: 301, lagSeconds: 0 })
  })

  it("misses no row and has none twice, whoever is killed while events come", async () => {
    const { ledger, reading, submit } = await open()
    let submitting = true
    const submitted = (async () => {
      while (submitting) {
        await submit(40)
        await new Promise((resolve) => setTimeout(resolve, 25))
      }
    })()
    const seen: number[] = []
    reading.onThrough((through) => void seen.push(through))
    for (let i = 0; i < 9; i++) {
      await new Promise((resolve) => setTimeout(resolve, 100 + Math.random() * 600))
      const [reader, query] = await bothOf(process.pid)
      process.kill(i % 3 === 2 ? reader : query, "SIGKILL")
    }
    submitting = false
    await submitted
    const { treeSize } = ledger
    await until(() => reading.status().through >= treeSize)
    const answer = await reading.sql({
      ...ASKED,
      sql: "SELECT leaf_index FROM access_logs ORDER BY 1",
      minSize: treeSize,
    })
    expect(rowsOf(answer.rowsJson).flat()).toEqual(await eventLeaves(ledger))
    expect(reading.status().restarts).toBeGreaterThan(0)
    // Each step is one that the log has taken, and only forwards.
    expect(seen).toEqual([...seen].sort((a, b) => a - b))
  })

  it("waits with a reindex for a process that is begun anew", async () => {
    const { reading, submit } = await open({ timing: { pauseMs: [700, 700] } })
    await submit(3)
    await until(() => reading.status().through === 4)
    process.kill((await bothOf(process.pid))[1], "SIGKILL")
    await until(() => reading.status().state === "restarting")
    await reading.reindex()
    await until(() => reading.status().through === 4)
    process.kill((await bothOf(process.pid))[0], "SIGKILL")
    await until(() => reading.status().state === "restarting")
    await reading.reindex()
    await until(() => reading.status().through === 4)
    expect(rowsOf((await reading.sql({ ...ASKED, minSize: 4 })).rowsJson)).toEqual([[3]])
  })

  it("waits with a reindex no longer than with a question", async () => {
    const { reading } = await open({ timing: { pauseMs: [600_000, 600_000], patienceMs: 100 } })
    await until(() => reading.status().state === "following")
    const [reader, query] = await bothOf(process.pid)
    process.kill(query, "SIGKILL")
    await until(() => reading.status().state === "restarting")
    expect(await codeOf(reading.reindex())).toBe("QUERY_UNAVAILABLE")
    process.kill(reader, "SIGKILL")
    expect(await codeOf(reading.reindex())).toBe("QUERY_UNAVAILABLE")
    expect(await codeOf(reading.reindex())).toBe("QUERY_UNAVAILABLE")
  })

  it("is begun anew when it hangs", async () => {
    const { reading, submit } = await open({ timing: { hungMs: 5_000 } })
    await until(() => reading.status().state === "following")
    const [reader, query] = await bothOf(process.pid)
    // Both at once: the reader's death alone would leave a stopped child behind that keeps the rows locked.
    process.kill(query, "SIGSTOP")
    process.kill(reader, "SIGSTOP")
    await until(() => !isThere(reader))
    await until(() => reading.status().state === "following")
    await submit(2)
    const answer = await reading.sql({ ...ASKED, minSize: 3 })
    expect(rowsOf(answer.rowsJson)).toEqual([[2]])
    expect(isThere(query)).toBe(false)
  })

  it("lets a question that runs away die alone", async () => {
    const { reading, submit } = await open({ query: { memoryMb: 128, timeoutMs: 6_000 } })
    await submit(100)
    await until(() => reading.status().through === 101)
    const rssBefore = process.memoryUsage.rss()
    const runaways = [
      "SELECT length(repeat('x', 3000000000))",
      "SELECT count(*) FROM range(1000000000) a, range(1000000000) b",
    ]
    const codes = Promise.all(runaways.map((sql) => codeOf(reading.sql({ ...ASKED, sql }))))
    let running = true
    void codes.then(() => {
      running = false
    })
    // Whichever of these is under way when the process is killed is asked again, and answered.
    const light = "SELECT count(*) FROM access_logs, range(20000) r WHERE (leaf_index + r.range) % 7 <> 3"
    while (running) {
      const { rowsJson } = await reading.sql({ ...ASKED, sql: light })
      expect(rowsOf(rowsJson)[0]?.[0]).toBeGreaterThan(1_600_000)
    }
    for (const code of await codes) expect(["QUERY_TIMEOUT", "QUERY_TOO_MUCH_MEMORY"]).toContain(code)
    expect(reading.status().restarts).toBeGreaterThan(0)
    // Bounds far from what is measured: a few megabytes.
    expect(process.memoryUsage.rss() - rssBefore).toBeLessThan(200_000_000)
    await submit(1)
    expect(rowsOf((await reading.sql({ ...ASKED, minSize: 102 })).rowsJson)).toEqual([[101]])
  })

  it("forgets rows, and a process that has never seen them answers once no file has them", async () => {
    const { reading, submit } = await open()
    await submit(100)
    await until(() => reading.status().through === 101)
    await reading.forget([5, 6], 101)
    const count = { ...ASKED, sql: "SELECT count(*) FROM access_logs" }
    expect(rowsOf((await reading.sql(count)).rowsJson)).toEqual([[98]])
    expect(reading.status().restarts).toBe(0)
    await reading.rewrite()
    expect(reading.status().restarts).toBe(1)
    expect(rowsOf((await reading.sql(count)).rowsJson)).toEqual([[98]])
    await submit(1)
    expect(rowsOf((await reading.sql({ ...count, minSize: 102 })).rowsJson)).toEqual([[99]])
  })

  it("stops at a leaf that has neither record nor tombstone, and goes on answering", async () => {
    const { reading, submit } = await open({
      wrap: (storage) =>
        storageBut(storage, {
          async records(start, end) {
            if (end <= 5) return storage.records(start, end)
            throw new LedgerError("LEDGER_MISSING_RECORD", "leaf 5 has no record", { leafIndex: 5 })
          },
        }),
    })
    await submit(2)
    await until(() => reading.status().through === 3)
    await submit(20)
    await until(() => reading.status().state === "stopped")
    expect(reading.status()).toMatchObject({
      through: 3,
      stoppedBy: { code: "LEDGER_MISSING_RECORD", message: "leaf 5 has no record" },
    })
    expect(reading.status().lagLeaves).toBeGreaterThan(0)
    expect(rowsOf((await reading.sql(ASKED)).rowsJson)).toEqual([[2]])
    // A new query process does not begin to follow what is known to be wrong.
    process.kill((await bothOf(process.pid))[1], "SIGKILL")
    await until(() => reading.status().restarts === 1)
    expect(rowsOf((await reading.sql(ASKED)).rowsJson)).toEqual([[2]])
    expect(reading.status().state).toBe("stopped")
  })

  it("ends with its server, whoever waits", async () => {
    const { reading } = await open()
    await until(() => reading.status().state === "following")
    const processes = await bothOf(process.pid)
    const asked = codeOf(reading.sql({ ...ASKED, minSize: 1_000 }))
    const runaway = codeOf(reading.sql({ ...ASKED, sql: "SELECT length(repeat('x', 3000000000))" }))
    const began = performance.now()
    await reading.close()
    // Far more than it takes, and less than the question would.
    expect(performance.now() - began).toBeLessThan(25_000)
    expect(processes.filter(isThere)).toEqual([])
    expect(await asked).toBe("QUERY_BEHIND")
    expect(await runaway).toBe("QUERY_UNAVAILABLE")
    expect(await codeOf(reading.sql(ASKED))).toBe("QUERY_UNAVAILABLE")
  })

  it("dies with its server when that is killed", async () => {
    const script = `
      import { startServer } from ${JSON.stringify(import.meta.resolve("@prooflog/server"))}
      await startServer({ dir: ${JSON.stringify(join(base, `log-${count++}`))}, port: 0, logger: false })
      console.log("up")`
    const server = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    })
    await once(server.stdout, "data")
    const pid = server.pid as number
    const processes = await bothOf(pid)
    server.kill("SIGKILL")
    await until(() => !processes.some(isThere))
  })
})

const ASKED = {
  sql: "SELECT count(*) FROM access_logs",
  withheld: [],
  limit: 10_000,
} as const

function rowsOf(json: Uint8Array): unknown[][] {
  return JSON.parse(new TextDecoder().decode(json))
}

async function codeOf(answer: Promise<unknown>): Promise<unknown> {
  return answer.then(
    () => "answered",
    (error) => error.code ?? error,
  )
}

/** Processes that run, as the system tells; those that are dead and not yet buried are none. */
function processes(): { pid: number; parent: number }[] {
  return execFileSync("ps", ["-A", "-o", "pid=,ppid=,stat=,args="], { encoding: "utf8" })
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , state, name]) => !state?.startsWith("Z") && name !== "ps")
    .map(([pid, parent]) => ({ pid: Number(pid), parent: Number(parent) }))
}

/** The reader that a process has begun, and the query child that this has begun. */
function familyOf(pid: number): number[] {
  const all = processes()
  const family: number[] = []
  for (let parent: number | undefined = pid; parent !== undefined; ) {
    parent = all.find((process) => process.parent === parent)?.pid
    if (parent !== undefined) family.push(parent)
  }
  return family
}

/** The same, once both are there. */
async function bothOf(pid: number): Promise<[reader: number, query: number]> {
  for (;;) {
    const [reader, query] = familyOf(pid)
    if (reader !== undefined && query !== undefined) return [reader, query]
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

function isThere(pid: number): boolean {
  return processes().some((process) => process.pid === pid)
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20))
}
