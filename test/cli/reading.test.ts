/**
 * What else is read on the command line: the tail, exports and their check, the rows made anew.
 */

import { createHash } from "node:crypto"
import { copyFile, readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { LogServer } from "../../apps/cli/dist/log-server.js"
import { askSql } from "../../apps/cli/dist/sql-answer.js"
import { sampleEvent } from "../running-log.js"
import { type AskedLog, startAskedLog } from "./asked-log.js"
import type { Run } from "./prooflog.js"

let log: AskedLog

beforeAll(async () => {
  log = await startAskedLog(Array.from({ length: 40 }, (_, n) => sampleEvent(n + 1, `e-${n + 1}`)))
  await log.level()
})

afterAll(() => log.close())

/** These begin together, and go on with what follows them: none of them minds the others. */
describe.concurrent("the tail", () => {
  /** Runs it until it has printed so many lines, logging events meanwhile, and ends it as Ctrl-C does. */
  async function tailed(args: readonly string[], lines: number, events: readonly object[]) {
    let seen = 0
    const run = log.run(["tail", ...args], {
      during: (child) => {
        child.stdout?.on("data", (chunk) => {
          seen += String(chunk).split("\n").length - 1
          if (seen >= lines) child.kill("SIGINT")
        })
      },
    })
    if (events.length > 0) await log.log(events)
    return run
  }

  it("shows what is there after a leaf and what comes, by filter, until Ctrl-C", async () => {
    const filters = ["--after", "20", "result=denied"]
    const { code, out } = await tailed(filters, 3, [sampleEvent(44, "e-44"), sampleEvent(45, "e-45")])
    expect(code).toBe(0)
    expect(
      out
        .trimEnd()
        .split("\n")
        .map((line) => line.split("  ").slice(1)),
    ).toEqual([22, 33, 44].map((n) => [`U${n}`, "access", `/secure-data/${n}`, "denied", `192.168.0.${n}`]))
  })

  it("of a filter that is none ends with exit code 2", async () => {
    const none = [
      ["denied", "not a filter"],
      ["usr_id=U1", "user_id"],
    ] as const
    const runs = await Promise.all(none.map(([filter]) => log.run(["tail", filter])))
    for (const [i, { code, out, err }] of runs.entries()) {
      expect({ code, out }).toEqual({ code: 2, out: "" })
      expect(err).toContain(none[i]?.[1])
    }
  })
})

describe.concurrent("an export", () => {
  const at = (name: string) => join(log.folder, name)
  const check = (file: string, ...more: string[]) =>
    log.run(["export-check", at(file), "--policy", log.policy, ...more])
  const SQL = "SELECT leaf_index, user_id FROM access_logs WHERE result = $1 AND leaf_index <= 40 ORDER BY 1"

  let bySql: Run
  let byFilter: Run

  beforeAll(async () => {
    const to = (name: string, format: string) => ["--format", format, "-o", at(name)]
    const filters = ["user_id=U7", "user_id=U8", "to=2099-01-01"]
    ;[bySql, byFilter] = await Promise.all([
      log.run(["export", SQL, "--param", "denied", ...to("u.csv", "csv")]),
      log.run(["export", ...filters, ...to("f.ndjson", "ndjson")]),
    ])
  })

  it("of a question is a file that proves itself, and leaves nothing else behind", async () => {
    expect(bySql.code).toBe(0)
    expect(bySql.out).toMatch(/^3 rows, 44 bytes in .*u\.csv, through \d+ leaves/)
    expect(await readFile(at("u.csv"), "utf8")).toBe("leaf_index,user_id\r\n11,U11\r\n22,U22\r\n33,U33\r\n")
    const files = (await readdir(log.folder)).filter((name) => name.startsWith("u.csv"))
    expect(files.sort()).toEqual(["u.csv", "u.csv.evidence.json", "u.csv.manifest.json"])
    const checked = await check("u.csv", "--json")
    expect(checked.code).toBe(0)
    expect(JSON.parse(checked.out)).toMatchObject({
      verdict: "verified",
      question: SQL,
      parameters: ["denied"],
      rows: 3,
      bytes: 44,
    })
  })

  it("says what was asked with the parameters of it", async () => {
    const { out } = await check("u.csv")
    expect(out).toMatch(/^ {2}question {5}".*result = \$1 AND .*"\n {2}parameters {3}\["denied"\]$/m)
  })

  it("of a question that is wrong is shown with its place and what may have been meant", async () => {
    const { code, out, err } = await log.run([
      ...["export", "SELECT user_id,\n  usr_id\nFROM access_logs"],
      ...["--format", "csv", "-o", at("wrong.csv")],
    ])
    expect({ code, out }).toEqual({ code: 2, out: "" })
    const [first, line, caret, hint] = err.split("\n")
    expect(first).toMatch(/^prooflog: the export failed: .*usr_id.* \(QUERY_UNKNOWN_COLUMN\)$/)
    expect([line, caret]).toEqual(["    usr_id", "    ^"])
    expect(hint).toContain("user_id")
  })

  it("of filters has every column", async () => {
    expect(byFilter.code).toBe(0)
    const rows = (await readFile(at("f.ndjson"), "utf8"))
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line))
    expect(rows.map(({ user_id, event_id }) => [user_id, event_id])).toEqual([
      ["U7", "e-7"],
      ["U8", "e-8"],
    ])
    const { code, out } = await check("f.ndjson")
    expect(code).toBe(0)
    expect(out).toMatch(/^✓ verified: the file is the one that the log /)
  })

  it.each([
    ["a file with one byte more", "", (text: string) => `${text}\n`],
    [
      "a manifest that says another question",
      ".manifest.json",
      (text: string) => text.replace("= $1", "<> $1"),
    ],
    [
      "evidence with another value",
      ".evidence.json",
      (text: string) => text.replace('"manifest_sha256":"', '"manifest_sha256":"0'),
    ],
  ])("is not verified with %s", async (what, end, edit) => {
    const copy = `${what}.csv`
    for (const each of ["", ".manifest.json", ".evidence.json"])
      await copyFile(at(`u.csv${each}`), at(`${copy}${each}`))
    const original = await readFile(at(`${copy}${end}`), "utf8")
    expect(edit(original)).not.toBe(original)
    await writeFile(at(`${copy}${end}`), edit(original))
    const { code, out, err } = await check(copy)
    expect({ code, err }).toEqual({ code: 1, err: "" })
    expect(out).toMatch(/^✗ not verified: /)
  })

  it("is not verified with a manifest that only a writer vouches for", async () => {
    const manifest = (await readFile(at("u.csv.manifest.json"), "utf8")).replace("denied", "success")
    const hash = createHash("sha256").update(manifest).digest("hex")
    const forged = {
      ...sampleEvent(1, "forged"),
      action: "log.export",
      attributes: { manifest_sha256: hash },
    }
    await log.log([forged])
    await writeFile(at("forged.csv.manifest.json"), manifest)
    await copyFile(at("u.csv"), at("forged.csv"))
    await log.level()
    const evidence = at("forged.csv.evidence.json")
    expect((await log.run(["prove", "--event-id", "forged", "-o", evidence])).code).toBe(0)
    const { code, out } = await check("forged.csv")
    expect(code).toBe(1)
    expect(out).toContain("the evidence is not of an export of the log")
  })

  it.each([
    [["SELECT usr_id FROM access_logs", "--format", "csv"], "usr_id"],
    [["SELECT 1", "SELECT 2", "--format", "csv"], "one argument"],
    [["user_id=U1", "--param", "x", "--format", "csv"], "for SQL"],
    [["user_id=U1", "--format", "xml"], "xml"],
  ])("that cannot be, %j, ends with exit code 2, and no file", async (args, words) => {
    const { code, out, err } = await log.run(["export", ...args, "-o", at("never.csv")])
    expect({ code, out }).toEqual({ code: 2, out: "" })
    expect(err).toContain(words)
    expect((await readdir(log.folder)).filter((name) => name.startsWith("never"))).toEqual([])
  })

  it("that is not there cannot be checked", async () => {
    expect((await check("never.csv")).code).toBe(2)
  })
})

describe("over a server that starts again, with a row altered meanwhile", () => {
  /** What the tail has printed, and the whole run of it. */
  let seen = ""
  let tail: Run

  beforeAll(async () => {
    const again = () => log.log([sampleEvent(47, "e-47")])
    tail = await log.run(["tail", "--after", "38", "--json"], {
      during: (child) => {
        child.stdout?.on("data", (chunk) => {
          const isFirst = seen === ""
          seen += chunk
          if (isFirst)
            void log.alter("UPDATE prooflog_events SET user_id = 'nobody' WHERE leaf_index = 5").then(again)
          if (/e-47/.test(seen)) child.kill("SIGINT")
        })
      },
    })
  })

  it("the tail goes on, and shows all of each event as JSON", () => {
    const { code, err } = tail
    expect(code).toBe(0)
    expect(err).toContain("lost the connection")
    const ids = seen
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).event_id)
    expect(ids.filter((id) => /^e-/.test(id)).at(-1)).toBe("e-47")
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids.slice(0, 2)).toEqual(["e-39", "e-40"])
  })

  it("reindex makes the rows anew, so that the altered one is as it was logged", async () => {
    const sql = "SELECT user_id FROM access_logs WHERE leaf_index = 5"
    const server = new LogServer({ url: log.url, key: log.adminKey })
    expect((await askSql(server, { sql })).rows).toEqual([["nobody"]])
    const { code, out } = await log.run(["reindex"])
    expect({ code, out }).toEqual({ code: 0, out: expect.stringMatching(/^reindexed \d+ leaves in /) })
    expect((await askSql(server, { sql })).rows).toEqual([["U5"]])
  })
})
