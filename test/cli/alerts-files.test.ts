/** `prooflog alerts test` and `check`: rules and files, without a log and without a key. */

import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { ALERTS_TEMPLATE } from "@prooflog/alerts/alert-settings-template"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { temporaryFolder } from "../running-log.js"
import { prooflogHere } from "./prooflog.js"

const RULE = `rules:
  - id: thrice
    title: Refused three times
    why: Who is refused looks for what can be reached.
    severity: high
    where: { result: denied }
    group_by: [user_id]
    count: { over: 10m, at_least: 3 }
`

const WRONG = `rules:
  - id: wrong
    title: Wrong
    why: It says over twice.
    severity: high
    count: { over: 10m, over: 5m, at_least: 3 }
`

const SIGMA = `title: A query that unites
id: 1f3a0000-0000-4000-8000-000000000001
logsource: { category: webserver }
detection:
  words: { cs-uri-query|contains: "union select" }
  condition: words
level: low
`

const event = (minute: number, more: object = {}) =>
  JSON.stringify({
    timestamp: new Date(Date.UTC(2023, 9, 21, 12, minute)).toISOString(),
    user_id: "ada",
    resource_accessed: "/a",
    result: "denied",
    ...more,
  })

let folder: Awaited<ReturnType<typeof temporaryFolder>>
const at = (name: string) => join(folder.path, name)

beforeAll(async () => {
  folder = await temporaryFolder()
  await mkdir(at("log/own"), { recursive: true })
  await mkdir(at("empty"))
  await Promise.all(
    Object.entries({
      "rule.yaml": RULE,
      "wrong.yaml": WRONG,
      "sigma.yml": SIGMA,
      "log/alerts.yaml": "rules: own\nshipped: { without: [error-rate] }\n",
      "log/own/rule.yml": RULE,
      "settings.yaml": "sinks: { a: { type: slack, url: { env: A } } }\n",
      "bad-settings.yaml": "routes:\n  - { to: nobody }\n",
      "template.yaml": ALERTS_TEMPLATE,
      "alerts.yaml": "",
      "events.ndjson": `${[event(9), "no event", event(0), event(2, { user_id: 7 }), event(5), event(40)].join("\n")}\n`,
    }).map(([name, text]) => writeFile(at(name), text)),
  )
})

afterAll(() => folder.remove())

async function run(...args: string[]) {
  const { verdict, out, err, thrown } = await prooflogHere(["alerts", ...args], {})
  const { code, message } = (thrown ?? {}) as { code?: string; message?: string }
  const named = (text: string | undefined) => text?.replaceAll(`${folder.path}/`, "")
  return { verdict, out: named(out), err: named(err), code, message: named(message) }
}

describe("prooflog alerts test", () => {
  it("says at which line a rule fires, in the order of time, and which lines are no events", async () => {
    const { verdict, out, err } = await run("test", at("rule.yaml"), at("events.ndjson"))
    expect(verdict).toBe(0)
    expect(out).toBe("events.ndjson:1  high  thrice  user_id=ada  events=3 window=10m  lines 1, 3, 5\n")
    expect(err?.split("\n").slice(0, 2)).toEqual([
      expect.stringMatching(/^rejected events\.ndjson:2: .*\(EVENT_\w+\)$/),
      expect.stringMatching(/^rejected events\.ndjson:4: user_id .*\(wrong_type\)$/),
    ])
    expect(err).toMatch(/^thrice +high +1 +1 /m)
    expect(err).toMatch(/\n4 events, 1 rule: 1 alert; 2 lines rejected\n$/)
  })

  it("for programs, each firing is a line of JSON", async () => {
    const { out } = await run("test", at("rule.yaml"), at("events.ndjson"), "--json")
    expect(JSON.parse(out ?? "")).toMatchObject({
      rule: "thrice",
      severity: "high",
      labels: { user_id: "ada" },
      details: { events: "3", window: "10m" },
      events: 3,
      time: "2023-10-21T12:09:00.000Z",
      place: { line: 1 },
      places: [{ line: 1 }, { line: 3 }, { line: 5 }],
    })
  })

  it("takes rules of Sigma, and other formats", async () => {
    const line = (query: string) =>
      `203.0.113.7 - - [21/Oct/2023:12:00:00 +0000] "GET /a?${query} HTTP/1.1" 200 1 "-" "curl"`
    await writeFile(
      at("access.log"),
      `${line("q=1")}\n${line("q=1%20UNION%20SELECT")}\n${line("q=UNION SELECT")}\n`,
    )
    const { out } = await run("test", at("sigma.yml"), at("access.log"), "--format", "combined")
    expect(out).toMatch(/^access\.log:3 {2}low {2}1f3a0000-0000-4000-8000-000000000001 {2}/)
  })

  it("tries the folder of a log as the log would: its settings, its rules, and those that come with it", async () => {
    const { out, err } = await run("test", at("log"), at("events.ndjson"))
    expect(out).toMatch(/^events\.ndjson:1 {2}high {2}thrice /)
    const shipped = Number(
      /, (\d+) rules/.exec((await run("test", "shipped", at("events.ndjson"))).err ?? "")?.[1],
    )
    expect(err).toContain(`, ${shipped} rules: 1 alert`)
  })

  it("says which rule is wrong and where, tries the others, and fails", async () => {
    await mkdir(at("both"), { recursive: true })
    await writeFile(at("both/rule.yaml"), RULE)
    await writeFile(at("both/wrong.yaml"), WRONG)
    const { code, message, out, err } = await run("test", at("both"), at("events.ndjson"))
    expect({ code, message }).toEqual({ code: "CLI_FILE", message: "1 rule was refused; 1 other tried" })
    expect(out).toContain("thrice")
    expect(err).toMatch(/^refused {2}.*both\/wrong\.yaml:6:25: .*over/)
    const { out: json } = await run("test", at("both"), at("events.ndjson"), "--json")
    expect(JSON.parse((json ?? "").split("\n")[0] ?? "")).toMatchObject({ line: 6, column: 25 })
  })

  it.each([
    ["no such rules", ["nowhere.yaml", "events.ndjson"], "CLI_FILE", "there is no such file"],
    ["no such file", ["rule.yaml", "nothing.ndjson"], "CLI_FILE", "there is no such file"],
    ["a folder without rules", ["empty", "events.ndjson"], "CLI_FILE", "holds no alerts.yaml"],
    ["settings for rules", ["settings.yaml", "events.ndjson"], "CLI_FILE", "there is no rule to try"],
    [
      "wrong settings",
      ["bad-settings.yaml", "events.ndjson"],
      "ALERTS_BAD_SETTINGS",
      "bad-settings.yaml:2:11",
    ],
    ["no events", ["rule.yaml", "rule.yaml"], "CLI_FILE", "is it really ndjson?"],
  ])("cannot be done with %s", async (_, [rules = "", file = ""], code, words) => {
    const failed = await run("test", at(rules), at(file))
    expect(failed).toMatchObject({ verdict: undefined, code, message: expect.stringContaining(words) })
  })

  it("wants to be told year and zone of syslog, and nothing else's", async () => {
    expect((await run("test", at("rule.yaml"), at("access.log"), "--format", "sshd")).code).toBe("CLI_USAGE")
    expect((await run("test", at("rule.yaml"), at("access.log"), "--year", "2017")).code).toBe("CLI_USAGE")
  })
})

describe("prooflog alerts check", () => {
  it.each([
    ["rule.yaml", "rule.yaml: 1 rule"],
    ["sigma.yml", "sigma.yml: 1 rule"],
    ["template.yaml", "template.yaml: 0 sinks, 0 routes"],
    ["alerts.yaml", "alerts.yaml: 0 sinks, 0 routes"],
    [
      "settings.yaml",
      "settings.yaml: 1 sink, 0 routes\n  no route leads to a sink: nobody is told of anything",
    ],
    ["log", expect.stringMatching(/^log: \d+ rules, 0 sinks, 0 routes$/)],
  ])("%s is right", async (path, said) => {
    const { verdict, out } = await run("check", at(path))
    expect({ verdict, out: out?.trimEnd() }).toEqual({ verdict: 0, out: said })
  })

  it("says each fault with file, line and column, and fails", async () => {
    const { code, message, out } = await run(
      "check",
      at("wrong.yaml"),
      at("rule.yaml"),
      at("bad-settings.yaml"),
    )
    expect({ code, message }).toEqual({
      code: "CLI_FILE",
      message: "2 faults found: a running log keeps what it has",
    })
    expect(out).toMatch(
      /^wrong\.yaml: 0 rules\n.*wrong\.yaml:6:25: .*\nrule\.yaml: 1 rule\n.*bad-settings\.yaml:2:11: .*nobody/,
    )
    const { out: json } = await run("check", at("wrong.yaml"), "--json")
    expect(JSON.parse(json ?? "")).toMatchObject({
      valid: false,
      refused: [{ code: "ALERTS_BAD_RULE", line: 6, column: 25 }],
    })
  })

  it("asks which folder is meant, where none is", async () => {
    expect((await run("check")).code).toBe("CLI_USAGE")
  })
})
