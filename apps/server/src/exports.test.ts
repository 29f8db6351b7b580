import { createHash } from "node:crypto"
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { QueryError } from "@prooflog/query/error"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { type Export, type ExportOrder, type Exports, KEPT_MS, openExports } from "./exports.js"
import type { ExportAnswer, ExportJob } from "./reading.js"

const sha256 = (bytes: string | Uint8Array) => createHash("sha256").update(bytes).digest("hex")
const NOW_MS = Date.parse("2026-03-01T12:00:00Z")
const ROWS = "leaf_index,user_id\r\n1,U12345\r\n"

let root: string
let stopping: AbortController
let nowMs: number
let reason: string | undefined
let told: unknown[]
let write: (job: ExportJob) => Promise<ExportAnswer>

beforeEach(async () => {
  root = join(await mkdtemp(join(tmpdir(), "prooflog-exports-")), "exports")
  stopping = new AbortController()
  nowMs = NOW_MS
  reason = undefined
  told = []
  write = async ({ path }) => {
    await writeFile(path, ROWS)
    return { rows: 1, bytes: ROWS.length, sha256: sha256(ROWS), through: 7 }
  }
})
afterEach(async () => {
  stopping.abort()
  await rm(join(root, ".."), { recursive: true })
})

/** Exports over the folder, as a server that has just started has them. */
function start(): Exports {
  const log = {
    folder: { exportsPath: root, origin: "log.example/acme", logId: new Uint8Array(16) },
    ledger: { status: () => ({ accepting: reason === undefined, reason }) },
    reading: { export: (job: ExportJob) => write(job) },
    report: (error: unknown) => told.push(error),
  }
  return openExports(log as never, { clock: () => nowMs, stopping: stopping.signal })
}

function order(changes: Partial<ExportOrder> = {}): ExportOrder {
  return {
    question: { sql: "SELECT 1" },
    asked: { question: "SELECT 1", parameters: [] },
    format: "csv",
    withheld: ["raw"],
    createdMs: nowMs,
    onDone: async () => 9,
    onFailed: async () => {},
    ...changes,
  }
}

/** Waits for a signal of an export: until then it runs for ever. */
function givenUp({ signal }: ExportJob): Promise<never> {
  return new Promise((_, reject) => {
    const giveUp = () => reject(new QueryError("QUERY_INTERRUPTED", "it was given up"))
    if (signal?.aborted) giveUp()
    signal?.addEventListener("abort", giveUp)
  })
}

async function settled(exports: Exports, id: string): Promise<Export> {
  for (;;) {
    const one = await exports.get(id)
    if (one.state.kind !== "running") return one
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

describe("an export", () => {
  it("is done when the event of its manifest is durable, not before", async () => {
    const exports = start()
    let durable = (_: number) => {}
    let begun = (_: string) => {}
    const held = new Promise<number>((resolve) => {
      durable = resolve
    })
    const asked = new Promise<string>((resolve) => {
      begun = resolve
    })
    const { id, state } = await exports.start(
      order({
        onDone: (_, hash) => {
          begun(hash)
          return held
        },
      }),
    )
    expect(state.kind).toBe("running")
    const hash = await asked
    expect((await exports.get(id)).state.kind).toBe("running")
    expect(await readdir(root)).toEqual([`${id}.new`])
    durable(4711)
    const done = await settled(exports, id)
    if (done.state.kind !== "done") throw new Error("it is not done")
    expect(sha256(done.state.text)).toBe(hash)
    expect(done.state.sha256).toBe(hash)
    expect(done.state.leafIndex).toBe(4711)
    expect(done.state.text).toBe(`${JSON.stringify(done.state.manifest, undefined, 2)}\n`)
    expect(done.state.manifest).toEqual({
      format: "prooflog-export/1",
      origin: "log.example/acme",
      log_id: "00000000000000000000000000000000",
      question: "SELECT 1",
      parameters: [],
      withheld: ["raw"],
      file_format: "csv",
      through: 7,
      rows: 1,
      bytes: ROWS.length,
      sha256: sha256(await readFile(exports.pathOf(id))),
      created: "2026-03-01T12:00:00.000Z",
    })
    expect(await readdir(root)).toEqual([id])
    expect(told).toEqual([])
  })

  it("is found again after a restart, with the same bytes, and what was unfinished is gone", async () => {
    const exports = start()
    const { id } = await exports.start(order())
    const before = await settled(exports, id)
    await mkdir(join(root, `${"a".repeat(32)}.new`))
    await writeFile(join(root, `${"a".repeat(32)}.new`, "file"), "half")
    const again = start()
    expect(await again.list()).toMatchObject([{ id, format: "csv", withheld: ["raw"], state: before.state }])
    expect(await readFile(again.pathOf(id), "utf8")).toBe(ROWS)
    expect(await readdir(root)).toEqual([id])
  })

  it("is not there if its file or manifest or leaf index is damaged, and the operator is told", async () => {
    const exports = start()
    const damages = { file: "shorter", "manifest.json": "{}", leaf_index: "-1" }
    for (const [name, damage] of Object.entries(damages)) {
      const { id } = await exports.start(order())
      await settled(exports, id)
      await writeFile(join(root, id, name), damage)
    }
    const again = start()
    expect(await again.list()).toEqual([])
    expect(told).toHaveLength(3)
  })

  it("fails with the reason, leaves nothing, and its failure is logged", async () => {
    const exports = start()
    let logged: unknown
    write = async ({ path }) => {
      await writeFile(path, "half")
      throw new QueryError("QUERY_SYNTAX", "this is no SQL", { line: 1, column: 3 })
    }
    const { id } = await exports.start(
      order({
        onFailed: async (error) => {
          logged = error
        },
      }),
    )
    expect((await settled(exports, id)).state).toEqual({
      kind: "failed",
      refusal: { code: "QUERY_SYNTAX", message: "this is no SQL", line: 1, column: 3 },
    })
    expect(logged).toMatchObject({ code: "QUERY_SYNTAX" })
    expect(await readdir(root)).toEqual([])
  })

  it("fails if its event cannot be made durable", async () => {
    const exports = start()
    const { id } = await exports.start(order({ onDone: () => Promise.reject(new Error("no")) }))
    expect((await settled(exports, id)).state.kind).toBe("failed")
    expect(await readdir(root)).toEqual([])
  })

  it("fails if the file is not what was said of it", async () => {
    const exports = start()
    write = async ({ path }) => {
      await writeFile(path, ROWS)
      return { rows: 1, bytes: 1, sha256: sha256(ROWS), through: 7 }
    }
    const { id } = await exports.start(order())
    expect((await settled(exports, id)).state).toMatchObject({ refusal: { code: "SERVER_BUG" } })
  })

  it("is made after those before it", async () => {
    const exports = start()
    const [usual, paths] = [write, [] as string[]]
    let end = () => {}
    const held = new Promise<void>((resolve) => {
      end = resolve
    })
    write = async (job) => {
      paths.push(job.path)
      await held
      return usual(job)
    }
    const all = [await exports.start(order()), await exports.start(order()), await exports.start(order())]
    while (paths.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    for (let i = 0; i < 10; i++) await new Promise((resolve) => setTimeout(resolve, 2))
    expect(paths).toHaveLength(1)
    end()
    for (const { id } of all) await settled(exports, id)
    expect(paths.map((path) => path.split("/").at(-2))).toEqual(all.map(({ id }) => `${id}.new`))
  })

  it("is given up when it is removed, and the next one is made", async () => {
    const exports = start()
    const usual = write
    write = givenUp
    const first = await exports.start(order())
    const second = await exports.start(order())
    await exports.remove(first.id)
    write = usual
    await expect(exports.get(first.id)).rejects.toMatchObject({ code: "SERVER_NOT_FOUND" })
    expect((await settled(exports, second.id)).state.kind).toBe("done")
    expect(await readdir(root)).toEqual([second.id])
  })

  it("is given up before its turn comes, as an export and not as a bug of ours", async () => {
    const exports = start()
    const usual = write
    write = givenUp
    const failures: unknown[] = []
    const onFailed = async (error: unknown) => failures.push(error)
    const [first, second] = [await exports.start(order()), await exports.start(order({ onFailed }))]
    await exports.remove(second.id)
    write = usual
    await exports.remove(first.id)
    const third = await exports.start(order())
    expect((await settled(exports, third.id)).state.kind).toBe("done")
    expect(failures).toMatchObject([{ code: "QUERY_INTERRUPTED" }])
  })

  it("is given up when the log needs the room, or the server stops", async () => {
    const exports = start()
    write = givenUp
    const full = await exports.start(order())
    reason = "LEDGER_DISK_FULL"
    expect((await settled(exports, full.id)).state).toMatchObject({ refusal: { code: "SERVER_BUSY" } })
    reason = undefined
    const stopped = await exports.start(order())
    stopping.abort()
    expect((await settled(exports, stopped.id)).state).toMatchObject({
      refusal: { code: "QUERY_INTERRUPTED" },
    })
  })

  it("is kept for a day", async () => {
    const exports = start()
    const { id } = await exports.start(order())
    await settled(exports, id)
    nowMs = NOW_MS + KEPT_MS - 1
    expect((await exports.get(id)).id).toBe(id)
    nowMs++
    await expect(exports.get(id)).rejects.toMatchObject({ code: "SERVER_NOT_FOUND" })
    expect(await readdir(root)).toEqual([])
  })

  it("is one of 64 at most", async () => {
    const exports = start()
    write = givenUp
    for (let i = 0; i < 64; i++) await exports.start(order())
    await expect(exports.start(order())).rejects.toMatchObject({ code: "SERVER_BUSY" })
    const [{ id } = { id: "" }] = await exports.list()
    await exports.remove(id)
    expect((await exports.start(order())).state.kind).toBe("running")
  })

  it.each(["", "..", "../keys", "a".repeat(32)])("is not found under %j", async (id) => {
    await expect(start().get(id)).rejects.toMatchObject({ code: "SERVER_NOT_FOUND" })
  })
})
