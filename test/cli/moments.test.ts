/**
 * Moments that a real server has only now and then: rows that are a moment late, exports that fail or lack a leaf,
 * answers without an end.
 */

import { createHash } from "node:crypto"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { temporaryFolder } from "../running-log.js"
import { type Says, type StandIn, startStandIn } from "./stand-in-log.js"

const EVIDENCE = '{"format":"prooflog-evidence/1","checkpoint":""}'
const ID = "0".repeat(32)

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let log: StandIn | undefined

beforeEach(async () => {
  folder = await temporaryFolder()
})

afterEach(async () => {
  await log?.close()
  await folder.remove()
})

/**
 * A log that signs and publishes more with each look at it, and whose newest row is there only for those who wait
 * for 8 leaves.
 */
function growing(heads: readonly (readonly [signed: number, published: number])[]): Says {
  let looks = 0
  return (path) => {
    if (path === "v1/log") {
      const [signed, published] = heads[Math.min(looks++, heads.length - 1)] ?? []
      return [200, { signed: { tree_size: signed }, published: { tree_size: published } }]
    }
    if (path === "v1/evidence") return [200, EVIDENCE]
    const rows = path === "v1/query?min_size=8" ? [[7]] : []
    const columns = [{ name: "leaf_index", type: "BIGINT" }]
    return [200, { columns, rows, row_count: rows.length, truncated: false, through: 8, ms: 1 }]
  }
}

describe("an event that was just logged", () => {
  it.each<[string, (readonly [number, number])[], string[]]>([
    ["has no row yet: it is waited for", [[8, 8]], ["query?min_size=8", "log", "evidence"]],
    [
      "is not signed yet: so is the question, and both are waited for",
      [
        [7, 7],
        [7, 7],
        [8, 8],
      ],
      ["query?min_size=7", "log", "log", "query?min_size=8", "log", "evidence"],
    ],
    [
      "is not published yet: that is waited for",
      [
        [8, 6],
        [8, 7],
        [8, 8],
      ],
      ["query?min_size=8", "log", "log", "evidence"],
    ],
  ])("%s", async (_, heads, asked) => {
    log = await startStandIn(growing(heads))
    const { verdict, out, thrown } = await log.run(["prove", "--event-id", "new"])
    expect({ verdict, out, thrown }).toEqual({ verdict: 0, out: `${EVIDENCE}\n`, thrown: undefined })
    expect(log.asked.map((path) => path.replace(/^.* v1\//, ""))).toEqual(["log", ...asked])
  })

  it("that is none is looked for under one head more, and not found", async () => {
    log = await startStandIn(
      growing([
        [7, 7],
        [9, 9],
      ]),
    )
    expect(await log.run(["prove", "--event-id", "new"])).toMatchObject({
      verdict: undefined,
      thrown: { code: "CLI_USAGE", message: 'no event has the id "new", of the first 9 leaves' },
    })
  })
})

describe("an answer that is longer than any", () => {
  const LONG = " ".repeat(64 * 1024 * 1024 + 1)

  it.each<[string, number]>([
    ["an answer", 200],
    ["a refusal", 400],
  ])("is not read to its end: %s", async (_, status) => {
    log = await startStandIn(() => [status, LONG])
    expect(await log.run(["query", "SELECT 1"])).toMatchObject({
      verdict: undefined,
      out: "",
      thrown: {
        code: "CLI_UNEXPECTED_ANSWER",
        message: expect.stringMatching(/v1\/query answered with more than/),
      },
    })
    expect(log.asked).toHaveLength(1)
  })
})

describe("an export", () => {
  const FILE = "n\r\n1\r\n"
  const MANIFEST = JSON.stringify({
    format: "prooflog-export/1",
    origin: "log.example",
    question: "SELECT 1 AS n",
    parameters: [],
    withheld: [],
    file_format: "csv",
    through: 8,
    rows: 1,
    bytes: FILE.length,
    sha256: createHash("sha256").update(FILE).digest("hex"),
  })

  /** An export that runs for a while, and then is what it is said to be. */
  function exportOf(end: object): Says {
    let looks = 0
    return (path) => {
      if (path === "v1/exports") return [202, { id: ID, state: "running" }]
      if (path === `v1/exports/${ID}`) return [200, ++looks < 2 ? { state: "running" } : end]
      if (path === `v1/exports/${ID}/manifest`) return [200, MANIFEST]
      if (path === `v1/exports/${ID}/file`) return [200, FILE]
      return path === "v1/evidence" ? [200, EVIDENCE] : [404, { code: "SERVER_NOT_FOUND" }]
    }
  }

  const exported = (...args: string[]) =>
    log?.run(["export", ...args, "--format", "csv", "-o", join(folder.path, "n.csv"), "--json"])

  it("is proven by the leaf that the server names, without a question of its own", async () => {
    log = await startStandIn(exportOf({ state: "done", leaf_index: 7 }))
    const run = await exported("SELECT 1 AS n")
    expect(run).toMatchObject({ verdict: 0, thrown: undefined })
    expect(JSON.parse(run?.out ?? "")).toMatchObject({ leaf_index: 7, rows: 1, through: 8 })
    expect(log.asked.filter((path) => path.includes("v1/query"))).toEqual([])
    expect(await readFile(join(folder.path, "n.csv.evidence.json"), "utf8")).toBe(EVIDENCE)
  })

  it("whose leaf the server does not name is no answer of a log", async () => {
    log = await startStandIn(exportOf({ state: "done", leaf_index: "7" }))
    const run = await exported("SELECT 1 AS n")
    expect(run).toMatchObject({ verdict: undefined, thrown: { code: "CLI_UNEXPECTED_ANSWER" } })
  })

  const REFUSAL = { code: "QUERY_UNKNOWN_COLUMN", message: "there is no column nn here" }

  it("that fails shows the place in its question, and the hint", async () => {
    const error = { ...REFUSAL, line: 2, column: 3, hint: "Did you mean n?" }
    log = await startStandIn(exportOf({ state: "failed", error }))
    expect((await exported("SELECT\n  nn"))?.thrown).toMatchObject({
      code: "CLI_REFUSED",
      message: "the export failed: there is no column nn here (QUERY_UNKNOWN_COLUMN)",
      details: ["  nn", "  ^", "Did you mean n?"],
    })
  })

  it.each<[string, object, string, readonly string[]]>([
    [
      "of a filter has no place to show",
      { ...REFUSAL, line: 1, column: 1, hint: "Or m?" },
      "user_id=U1",
      ["Or m?"],
    ],
    ["with a place that is none shows none", { ...REFUSAL, line: "1", column: {} }, "SELECT nn", []],
  ])("that fails and is %s", async (_, error, question, details) => {
    log = await startStandIn(exportOf({ state: "failed", error }))
    expect((await exported(question))?.thrown).toMatchObject({
      message: "the export failed: there is no column nn here (QUERY_UNKNOWN_COLUMN)",
      details,
    })
  })

  it("that fails without a reason says at least that", async () => {
    log = await startStandIn(exportOf({ state: "gone" }))
    expect((await exported("SELECT 1"))?.thrown).toMatchObject({
      code: "CLI_REFUSED",
      message: "the export failed: gone (no code)",
    })
  })
})
