/** `prooflog retention`, `init` and `serve`: the schedule on the command line. */

import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { SCHEDULE_TEMPLATE } from "@prooflog/archive/schedule-template"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { prooflog, prooflogHere, type RunHere } from "../cli/prooflog.js"
import { post, type ServingChild, serve, temporaryFolder } from "../running-log.js"
import { scheduleText } from "./schedule-texts.js"

const RULES = ['{ class: critical, action: "key.*" }', '{ class: high, result: denied, user_id: "ceo-*" }']
const EVENT = {
  timestamp: "2023-10-21T15:32:00Z",
  user_id: "ceo-1",
  resource_accessed: "/payroll",
  result: "denied",
}

interface Promised {
  readonly classes: Readonly<Record<string, { readonly keep_days: number }>>
}

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let server: ServingChild
let adminKey = ""
const at = (name: string) => join(folder.path, name)
const keys: Record<string, string> = {}

beforeAll(async () => {
  folder = await temporaryFolder()
  await writeFile(at("event.json"), JSON.stringify(EVENT))
  server = await serve(at("log"))
  adminKey = /admin key +(\S+)/.exec(server.printed)?.[1] ?? ""
  for (const role of ["reader", "auditor"]) {
    const { body } = await post(`${server.url}v1/keys`, adminKey, { roles: [role] })
    keys[role] = body.key as string
  }
})
afterAll(async () => {
  await server?.kill()
  await folder.remove()
})

/** Runs the verb in this process. */
function retention(args: readonly string[], key = adminKey): Promise<RunHere> {
  return prooflogHere(["retention", ...args], { PROOFLOG_URL: server.url, PROOFLOG_KEY: key })
}

async function named(name: string, text: string): Promise<string> {
  await writeFile(at(name), text)
  return at(name)
}

const dateIn = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10)

describe("init", () => {
  it("writes the template, and says that it can be edited now", async () => {
    const { code, out } = await prooflog(["init", at("made")])
    expect(code).toBe(0)
    expect(out).toMatch(/^schedule +\/.*schedule\.yaml +edit it now/m)
    expect(await readFile(join(at("made"), "schedule.yaml"), "utf8")).toBe(SCHEDULE_TEMPLATE)
  })
})

describe("serve", () => {
  it("says which schedule is in force", () => {
    expect(server.printed).toMatch(/^ {2}schedule +\S*schedule\.yaml, in force since leaf 0$/m)
  })

  it("says with path, line, column and code what is wrong with it, and does not start", async () => {
    await prooflog(["init", at("wrong")])
    await writeFile(join(at("wrong"), "schedule.yaml"), SCHEDULE_TEMPLATE.replace("hot: 5y", "hot: soon"))
    const { code, err, out } = await prooflog(["serve", at("wrong"), "--listen", "127.0.0.1:0"])
    expect({ code, out }).toEqual({ code: 2, out: "" })
    expect(err).toMatch(
      /^prooflog: \/.*wrong\/schedule\.yaml:14:20: classes\.high\.hot: .* \(ARCHIVE_BAD_SCHEDULE\)$/m,
    )
  })

  it("says what it changed", async () => {
    const first = await serve(at("edited"))
    await first.stop()
    await writeFile(join(at("edited"), "schedule.yaml"), scheduleText({ vip: "{ hot: 10y }" }, RULES))
    const second = await serve(at("edited"))
    await second.stop()
    expect(second.printed).toMatch(
      /changed, and in force from leaf 1:\n +class vip is new: at hand 3653 days, .*\n +rules: others than before\n/,
    )
  })
})

describe("retention show", () => {
  it("shows each class in days, and in dates from today", async () => {
    const { verdict, out, err } = await retention(["show"], keys.reader)
    expect(verdict).toBe(0)
    const [head, ...rows] = out.trimEnd().split("\n")
    expect(head?.split(/ {2,}/)).toEqual(["class", "at hand", "in the archive", "kept", "destroyed"])
    expect(rows.find((row) => row.startsWith("routine"))?.split(/ +/)).toEqual([
      ...["routine", "183", dateIn(183), "731", "914", dateIn(914), "944", dateIn(944), "default"],
    ])
    expect(err).toContain("promised by leaf")
  })

  it("does so as JSON", async () => {
    const { out } = await retention(["show", "--json"], keys.reader)
    expect(JSON.parse(out)).toMatchObject({
      leaf_index: expect.any(Number),
      default: "routine",
      presets: [],
      classes: {
        routine: {
          hot_days: 183,
          hot_until: dateIn(183),
          archive_days: 731,
          keep_days: 914,
          kept_until: dateIn(914),
          destroy_days: 944,
          destroyed_on: dateIn(944),
        },
      },
    })
  })

  it("could not tell without a key, or without a server", async () => {
    expect(await retention(["show"], "")).toMatchObject({ verdict: undefined, thrown: { code: "CLI_USAGE" } })
    const nobody = await prooflogHere(["retention", "show", "--url", "http://127.0.0.1:1"], {
      PROOFLOG_KEY: adminKey,
    })
    expect(nobody).toMatchObject({ verdict: undefined, thrown: { code: "CLI_UNREACHABLE" } })
  })
})

describe("retention test", () => {
  it("names the rule that takes an event, by file and line, and asks nobody", async () => {
    const path = await named("rules.yaml", scheduleText({}, RULES))
    const args = ["retention", "test", at("event.json"), "--schedule", path]
    // No server, no key.
    expect(await prooflogHere(args, {})).toMatchObject({
      verdict: 0,
      out: `class  high\nrule   2, ${path}:27\n`,
    })
    const json = await prooflogHere([...args, "--json"], {})
    expect(JSON.parse(json.out)).toEqual({ class: "high", rule: { file: path, line: 27, number: 2 } })
  })

  it("reads an event from stdin, and says that no rule takes it", async () => {
    const path = await named("rules.yaml", scheduleText({}, RULES))
    const input = JSON.stringify({ ...EVENT, result: "success" })
    const { code, out } = await prooflog(["retention", "test", "-", "--schedule", path], { input })
    expect({ code, out }).toEqual({ code: 0, out: "class  routine\nrule   none takes it\n" })
  })

  it("asks for the rules in force, which only an auditor is shown", async () => {
    await retention(["apply", await named("rules.yaml", scheduleText({}, RULES))])
    const { out } = await retention(["test", at("event.json")], keys.auditor)
    expect(out).toBe("class  high\nrule   2, schedule.yaml:27\n")
    expect((await retention(["test", at("event.json")], keys.reader)).thrown).toMatchObject({
      code: "CLI_REFUSED",
      message: expect.stringContaining("no auditor's"),
    })
  })

  it("knows the source that a key would give it", async () => {
    const path = await named("source.yaml", scheduleText({}, ["{ class: high, source: billing }"]))
    const test = (source: string) =>
      prooflogHere(["retention", "test", at("event.json"), "--schedule", path, "--source", source], {})
    expect((await test("billing")).out).toMatch(/^class {2}high$/m)
    expect((await test("api")).out).toMatch(/^class {2}routine$/m)
    expect((await test("prooflog")).out).toMatch(/^class {2}audit$/m)
    expect((await test("no blanks")).thrown).toMatchObject({ code: "CLI_USAGE" })
  })

  it.each([
    ["is no JSON", "{", /1:\d+/],
    ["breaks rules of an event", '{"user_id":7}', /no event/],
  ])("could not tell where the event %s", async (_, text, words) => {
    const path = await named("bad.json", text)
    const schedule = await named("rules.yaml", scheduleText())
    const { verdict, thrown } = await prooflogHere(["retention", "test", path, "--schedule", schedule], {})
    expect(verdict).toBeUndefined()
    expect(thrown).toMatchObject({ code: "CLI_FILE", message: expect.stringMatching(words) })
  })
})

describe("retention check", () => {
  it("says offline whether a file is a schedule", async () => {
    const path = await named("good.yaml", scheduleText({}, RULES))
    expect(await prooflogHere(["retention", "check", path], {})).toMatchObject({
      verdict: 0,
      out: `${path} is a schedule of 4 classes and 2 rules\n`,
      err: expect.stringContaining("PROOFLOG_KEY"),
    })
    const { code, err } = await prooflog(["retention", "check", await named("bad.yaml", "default: x\n")])
    expect(code).toBe(2)
    expect(err).toMatch(/bad\.yaml:1:1: classes is missing \(ARCHIVE_BAD_SCHEDULE\)/)
  })

  it("says what it would change of a running log, and changes nothing", async () => {
    const before = await (await fetch(`${server.url}v1/log`)).json()
    const path = await named("more.yaml", scheduleText({ vip: "{ hot: 10y }" }))
    const { verdict, out } = await retention(["check", path], keys.reader)
    expect(verdict).toBe(0)
    expect(out).toMatch(/^class vip is new: at hand 3653 days/)
    const json = JSON.parse((await retention(["check", path, "--json"], keys.reader)).out)
    expect(json).toMatchObject({
      valid: true,
      changes: [expect.stringMatching(/^class vip is new/), ...json.changes.slice(1)],
    })
    expect(((await (await fetch(`${server.url}v1/log`)).json()) as { schedule: object }).schedule).toEqual(
      (before as { schedule: object }).schedule,
    )
  })

  it("says that it would be refused, where", async () => {
    const path = await named("less.yaml", SCHEDULE_TEMPLATE.replace("hot: 5y", "hot: 4y"))
    const { verdict, out, thrown } = await retention(["check", path, "--json"], keys.reader)
    expect(verdict).toBeUndefined()
    expect(JSON.parse(out)).toMatchObject({
      valid: false,
      code: "ARCHIVE_SHORTENS_PROMISE",
      line: 14,
      column: 3,
    })
    expect(thrown).toMatchObject({ message: expect.stringContaining(`${path}:14:3: `) })
  })
})

describe("retention apply", () => {
  it("puts a file in force, and says what changed and from which leaf", async () => {
    const path = await named("apply.yaml", scheduleText({ legal: "{ hot: 20y, destroy: never }" }, RULES))
    const { verdict, out, err } = await retention(["apply", path])
    expect(verdict).toBe(0)
    expect(out).toMatch(/^class legal is new: at hand 7305 days, kept 7305 days, never destroyed$/m)
    expect(err).toMatch(/^in force from leaf \d+$/m)
    expect(await readFile(join(at("log"), "schedule.yaml"), "utf8")).toBe(await readFile(path, "utf8"))
    const again = JSON.parse((await retention(["apply", path, "--json"])).out)
    expect(again).toEqual({ leaf_index: expect.any(Number), committed: false, changes: [] })
  })

  it("is refused by name and line before anybody is asked, and by the server's word", async () => {
    const bad = await named("bad.yaml", "a: 1\n")
    expect((await retention(["apply", bad])).thrown).toMatchObject({
      code: "ARCHIVE_BAD_SCHEDULE",
      message: expect.stringContaining(`${bad}:1:1: `),
    })
    const { schedule } = (await (await fetch(`${server.url}v1/log`)).json()) as { schedule: Promised }
    const kept = Object.fromEntries(
      Object.entries(schedule.classes)
        .filter(([name]) => !SCHEDULE_TEMPLATE.includes(`  ${name}:`))
        .map(([name, { keep_days }]) => [name, `{ hot: ${keep_days}, destroy: never }`]),
    )
    const less = await named("less.yaml", scheduleText(kept).replace("hot: 5y", "hot: 4y"))
    expect((await retention(["apply", less])).thrown).toMatchObject({
      code: "CLI_REFUSED",
      problem: { code: "ARCHIVE_SHORTENS_PROMISE", line: 14 + Object.keys(kept).length, column: 3 },
    })
    const good = await named("good.yaml", scheduleText())
    expect((await retention(["apply", good], keys.reader)).thrown).toMatchObject({
      problem: { code: "SERVER_WRONG_ROLE" },
    })
  })
})

describe("retention template", () => {
  it("prints what init writes", async () => {
    expect((await prooflogHere(["retention", "template"], {})).out).toBe(SCHEDULE_TEMPLATE)
  })
})
