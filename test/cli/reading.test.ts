/**
 * What else is read on the command line: the tail, exports and their check, the store made anew.
 */

import { createHash } from "node:crypto"
import { readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { sampleEvent } from "../running-log.js"
import { type AskedLog, startAskedLog } from "./asked-log.js"

let log: AskedLog

beforeAll(async () => {
  log = await startAskedLog(Array.from({ length: 40 }, (_, n) => sampleEvent(n + 1, `e-${n + 1}`)))
  await log.level()
})

afterAll(() => log.close())

describe("the tail", () => {
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

  it("shows all of an event as JSON, and goes on over a server that starts again", async () => {
    let seen = ""
    const { code, err } = await log.run(["tail", "--after", "38", "--json"], {
      during: (child) => {
        child.stdout?.on("data", (chunk) => {
          const isFirst = seen === ""
          seen += chunk
          if (isFirst)
            void log.alter("UPDATE prooflog_events SET reason = 'x' WHERE leaf_index = 1").then(again)
          if (/e-47/.test(seen)) child.kill("SIGINT")
        })
        const again = () => log.log([sampleEvent(47, "e-47")])
      },
    })
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

  it("of a filter that is none ends with exit code 2", async () => {
    for (const [args, words] of [
      [["denied"], "not a filter"],
      [["usr_id=U1"], "user_id"],
    ] as const) {
      const { code, out, err } = await log.run(["tail", ...args])
      expect({ code, out }).toEqual({ code: 2, out: "" })
      expect(err).toContain(words)
    }
  })
})

describe("an export", () => {
  const at = (name: string) => join(log.folder, name)
  const check = (file: string, ...more: string[]) =>
    log.run(["export-check", at(file), "--policy", log.policy, ...more])

  it("of a question is a file that proves itself, and leaves nothing else behind", async () => {
    const sql =
      "SELECT leaf_index, user_id FROM access_logs WHERE result = $1 AND leaf_index <= 40 ORDER BY 1"
    const args = ["export", sql, "--param", "denied", "--format", "csv", "-o", at("u.csv")]
    const { code, out } = await log.run(args)
    expect(code).toBe(0)
    expect(out).toMatch(/^3 rows, 44 bytes in .*u\.csv, through \d+ leaves/)
    expect(await readFile(at("u.csv"), "utf8")).toBe("leaf_index,user_id\r\n11,U11\r\n22,U22\r\n33,U33\r\n")
    const files = (await readdir(log.folder)).filter((name) => name.startsWith("u.csv"))
    expect(files.sort()).toEqual(["u.csv", "u.csv.evidence.json", "u.csv.manifest.json"])
    const checked = await check("u.csv", "--json")
    expect(checked.code).toBe(0)
    expect(JSON.parse(checked.out)).toMatchObject({ verdict: "verified", question: sql, rows: 3, bytes: 44 })
  })

  it("of filters has every column", async () => {
    const args = [
      "export",
      "user_id=U7",
      "user_id=U8",
      "to=2099-01-01",
      "--format",
      "ndjson",
      "-o",
      at("f.ndjson"),
    ]
    expect((await log.run(args)).code).toBe(0)
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
    ["a file with one byte more", "u.csv", (text: string) => `${text}\n`],
    [
      "a manifest that says another question",
      "u.csv.manifest.json",
      (text: string) => text.replace("= $1", "<> $1"),
    ],
    [
      "evidence with another value",
      "u.csv.evidence.json",
      (text: string) => text.replace('"manifest_sha256":"', '"manifest_sha256":"0'),
    ],
  ])("is not verified with %s", async (_, name, edit) => {
    const original = await readFile(at(name), "utf8")
    expect(edit(original)).not.toBe(original)
    await writeFile(at(name), edit(original))
    const { code, out, err } = await check("u.csv")
    await writeFile(at(name), original)
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
    await writeFile(at("u2.csv.manifest.json"), manifest)
    await writeFile(at("u2.csv"), await readFile(at("u.csv")))
    await log.level()
    expect((await log.run(["prove", "--event-id", "forged", "-o", at("u2.csv.evidence.json")])).code).toBe(0)
    const { code, out } = await check("u2.csv")
    expect(code).toBe(1)
    expect(out).toContain("the evidence is not of an export of the log")
  })

  it("that cannot be ends with exit code 2, and no file", async () => {
    for (const [args, words] of [
      [["SELECT usr_id FROM access_logs", "--format", "csv"], "usr_id"],
      [["SELECT 1", "SELECT 2", "--format", "csv"], "one argument"],
      [["user_id=U1", "--param", "x", "--format", "csv"], "for SQL"],
      [["user_id=U1", "--format", "xml"], "xml"],
    ] as const) {
      const { code, out, err } = await log.run(["export", ...args, "-o", at("never.csv")])
      expect({ code, out }).toEqual({ code: 2, out: "" })
      expect(err).toContain(words)
    }
    expect((await readdir(log.folder)).filter((name) => name.startsWith("never"))).toEqual([])
    expect((await check("never.csv")).code).toBe(2)
  })
})

describe("reindex", () => {
  it("makes the rows anew, so that an altered one is as it was logged", async () => {
    await log.alter("UPDATE prooflog_events SET user_id = 'nobody' WHERE leaf_index = 5")
    const sql = "SELECT user_id FROM access_logs WHERE leaf_index = 5"
    expect((await log.run(["query", sql, "--csv"])).out).toBe("user_id\r\nnobody\r\n")
    const { code, out } = await log.run(["reindex"])
    expect({ code, out }).toEqual({ code: 0, out: expect.stringMatching(/^reindexed \d+ leaves in /) })
    expect((await log.run(["query", sql, "--csv"])).out).toBe("user_id\r\nU5\r\n")
  })
})
