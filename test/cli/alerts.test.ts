/**
 * `prooflog alerts` of a real log: what fires, is acknowledged, silenced, told, watched, proven; and its history, tried again.
 */

import { mkdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { parsePolicy } from "@prooflog/tlog/policy"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { fetchAlertEvidence, verifyAlert } from "../../apps/cli/dist/alerts/prove-alert.js"
import { LogServer } from "../../apps/cli/dist/log-server.js"
import { openWebhook, type WebhookStandIn } from "../alerts/webhook-stand-in.js"
import { type AskedLog, startAskedLog } from "./asked-log.js"
import { prooflog } from "./prooflog.js"

/** Whoever writes a log may try to write to the terminal of those who read it. */
const HOSTILE = "ada\u001b[2Jseverity=critical  resolved"

const SECRET = `whsec_${Buffer.alloc(24, 7).toString("base64")}`

const RULES = `rules:
  - id: many-denied-here
    title: Refused three times
    why: Who is refused looks for what can be reached.
    severity: critical
    where: { result: denied, category: admin }
    group_by: [user_id]
    count: { over: 10m, at_least: 3 }
  - id: of-a-class
    title: An event of the class routine
    why: Classes are told from the entry, not from the record.
    severity: info
    where: { class: routine, action: class.asked }
`

const SETTINGS = (url: string) => `sinks:
  hook: { type: webhook, url: "${url}", secrets: [{ file: keys/hook }] }
  away: { type: webhook, url: "http://127.0.0.1:9/", secrets: [{ file: keys/hook }] }
routes:
  - { match: [severity = critical], to: hook }
`

describe("prooflog alerts, of a real log", () => {
  let log: AskedLog
  let hook: WebhookStandIn

  const run = async (...args: string[]) => {
    const { verdict, out, err, thrown } = await log.runHere(["alerts", ...args])
    return { verdict, out, err, code: (thrown as { code?: string } | undefined)?.code, thrown }
  }
  const listed = async (...args: string[]) =>
    (JSON.parse((await run("list", "--json", ...args)).out) as { alerts: Record<string, unknown>[] }).alerts
  /** Waits for an alert: a rule fires a moment after its event. */
  const alertOf = async (rule: string, ...args: string[]): Promise<string> => {
    for (let tries = 0; tries < 200; tries++) {
      const [alert] = await listed("--rule", rule, ...args)
      if (alert !== undefined) return alert.id as string
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error(`${rule} did not fire within 10 s`)
  }
  const denied = (user: string, count: number) =>
    Array.from({ length: count }, (_, i) => ({
      timestamp: new Date(Date.now() - 1000 * (count - i)).toISOString(),
      user_id: user,
      action: "user.delete",
      category: "admin",
      resource_accessed: `/users/${i}`,
      result: "denied",
    }))

  beforeAll(async () => {
    hook = await openWebhook(SECRET)
    log = await startAskedLog([])
    await mkdir(join(log.dir, "rules"), { recursive: true })
    await writeFile(join(log.dir, "keys/hook"), SECRET)
    await writeFile(join(log.dir, "rules/here.yaml"), RULES)
    await writeFile(join(log.dir, "alerts.yaml"), SETTINGS(hook.http.url))
    for (let tries = 0; !(await run("rules")).out.includes("many-denied-here"); tries++) {
      if (tries > 200) throw new Error("the rules were not read within 10 s")
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    await log.log(denied(HOSTILE, 4))
    await alertOf("many-denied-here")
  }, 30_000)

  afterAll(async () => {
    await log?.close()
    await hook?.http.close()
  })

  it("lists what fires, and no word of a log moves the cursor or passes for another", async () => {
    const { verdict, out } = await run("list", "--state", "firing", "--severity", "critical")
    const [head, line, ...others] = out.trimEnd().split("\n")
    expect({ verdict, others }).toEqual({ verdict: 0, others: [] })
    expect(head).toMatch(/^id +state +severity +rule +events +last seen +about$/)
    expect(line).toMatch(
      /^alert_[0-9a-f]{16} {2}firing +critical +many-denied-here +[34] {2}\S+Z {2}user_id="ada\\u001b\[2Jseverity=critical {2}resolved"$/,
    )
    expect((await run("list", "--severity", "low")).err).toBe("there are none\n")
  })

  it("says that there are more than were asked for", async () => {
    await log.log(denied("bob", 3))
    await alertOf("many-denied-here", "--since", new Date(0).toISOString())
    for (let tries = 0; (await listed("--rule", "many-denied-here")).length < 2; tries++) {
      if (tries > 200) throw new Error("the second alert did not come within 10 s")
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    const { out, err } = await run("list", "--rule", "many-denied-here", "--limit", "1")
    expect(out.trimEnd().split("\n")).toHaveLength(2)
    expect(err).toBe("there are more than 1 alert: --limit shows more of them\n")
  })

  it("shows one whole", async () => {
    const { out } = await run("show", await alertOf("many-denied-here"))
    expect(out).toMatch(
      /^alert_\w+ {2}firing {2}critical\nRefused three times\nWho is refused looks .*\n\n {2}rule +many-denied-here, version [0-9a-f]{16}\n/,
    )
    expect(out).toMatch(/^ {2}seen +events=3 window=10m$/m)
    expect(out).toMatch(/^ {2}leaves +\d+ … \d+$/m)
    expect((await run("show", "alert_0000000000000000")).code).toBe("CLI_REFUSED")
  })

  it("acknowledges, with a note that stays beside the alert", async () => {
    const id = await alertOf("many-denied-here")
    expect((await run("ack", id, "--note", "it is a drill")).out).toMatch(
      new RegExp(`^${id} {2}acknowledged `),
    )
    expect((await run("show", id)).out).toMatch(/^ {2}acknowledged +\S+Z by \S+: "it is a drill"$/m)
    expect(await run("ack", "alert_0000000000000000")).toMatchObject({
      verdict: undefined,
      code: "CLI_REFUSED",
    })
  })

  it("silences, lists and ends silences", async () => {
    const { out } = await run(
      "silence",
      "rule=many-denied-here",
      'user_id =~ "ada.*"',
      "--for",
      "2h",
      "--reason",
      "a drill",
    )
    expect(out).toMatch(
      /^silence_\w{16} {2}in force {2}\S+Z to \S+Z {2}by \w+ {2}on rule = many-denied-here, user_id =~ ada\.\* {2}\(a drill\)\n$/,
    )
    const [id = ""] = out.split(" ")
    expect((await run("silences")).out).toBe(out)
    expect((await run("list", "--rule", "many-denied-here")).out).toMatch(/ {2}(silenced|acknowledged) /)
    expect((await run("unsilence", id)).out).toMatch(new RegExp(`^${id} {2}not in force`))
    expect((await run("silence", "no matcher", "--for", "2h", "--reason", "r")).thrown).toMatchObject({
      code: "CLI_REFUSED",
      message: expect.stringContaining("expected a matcher"),
    })
    expect((await run("silence", "rule=x", "--for", "2", "--reason", "r")).code).toBe("CLI_REFUSED")
  })

  it("shows who is told, tries them, and sends again", async () => {
    expect((await run("send-test", "hook")).out).toBe("hook has taken it: 204\n")
    expect([...hook.taken.values()].some(({ data }) => data.alerts.length === 1)).toBe(true)
    const { thrown, verdict } = await run("send-test", "away")
    expect(verdict).toBeUndefined()
    expect(thrown).toMatchObject({
      code: "CLI_REFUSED",
      message: expect.stringMatching(/^away was not told: /),
    })
    expect((await run("send-test", "nobody")).code).toBe("CLI_REFUSED")
    expect((await run("retry", "hook")).out).toBe("0 messages sent to hook again\n")
    expect((await run("sinks")).out).toMatch(
      /^sink {2}type +circuit +waiting +dead +last delivered\nhook {2}webhook +closed +0 +0 {2}\S+Z?$/m,
    )
  })

  it("lists rules, and says what is wrong with a file without losing the others", async () => {
    await writeFile(
      join(log.dir, "rules/wrong.yaml"),
      "rules:\n  - id: Wrong\n    title: t\n    why: w\n    severity: low\n",
    )
    for (let tries = 0; ; tries++) {
      const { err, out } = await run("rules")
      if (err !== "") {
        expect(err).toBe("refused  rules/wrong.yaml:2:9: rules[0].id: expected 1 to 64 of a-z, 0-9 and -\n")
        expect(out).toMatch(
          /^many-denied-here +critical +[0-9a-f]{16} +\d+ +\S+ \S*B +0 {2}Refused three times$/m,
        )
        break
      }
      if (tries > 200) throw new Error("the wrong rule was not found within 10 s")
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  })

  it("watches: what fires first, then what changes", async () => {
    const id = await alertOf("many-denied-here")
    let seen = ""
    const { code, out } = await log.run(["alerts", "watch", "--json"], {
      during(child) {
        child.stdout?.on("data", (data) => {
          const before = seen
          seen += data
          if (!before.includes('"fires"') && seen.includes('"fires"')) void log.runHere(["alerts", "ack", id])
          if (seen.includes('"again"')) child.kill("SIGINT")
        })
      },
    })
    expect(code).toBe(0)
    const changes = out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line))
    expect(changes[0]).toMatchObject({ change: "fires", alert: { rule: { id: "many-denied-here" } } })
    expect(changes.at(-1)).toMatchObject({
      change: "again",
      alert: { id, acknowledged: { by: expect.any(String) } },
    })
    expect(out).not.toContain("\u001b")
  })

  describe("proves an alert", () => {
    const file = (name: string) => join(log.folder, name)

    it("in one file, that anyone can check: its events, and what the log said of it", async () => {
      const id = await alertOf("many-denied-here")
      const { verdict, out, err } = await run("prove", id, "-o", file("e.json"), "--policy", log.policy)
      expect(verdict).toBe(0)
      expect(out).toMatch(
        new RegExp(
          `^✓ verified: rule many-denied-here, version [0-9a-f]{16}, fired as ${id}\n {2}logged in leaf \\d+, .*\n {2}about leaves \\d+ … \\d+\n$`,
        ),
      )
      expect(err).toMatch(/3 events that it is about, and \d of the log itself: .*log\.alert\.fired/)
      const verified = await prooflog(["verify", file("e.json"), "--policy", log.policy, "--json"])
      expect(verified.code).toBe(0)
      const { events } = JSON.parse(verified.out) as {
        events: { core: Record<string, unknown>; fields: Record<string, unknown> }[]
      }
      expect(
        events.filter(({ core }) => core.source !== "prooflog").map(({ fields }) => fields.user_id),
      ).toEqual(["bob", "bob", "bob"])
      expect(events.map(({ core }) => core.action)).toContain("log.alert.fired")
    })

    it("unless what was logged is not what the server says of it", async () => {
      const server = new LogServer({ url: log.url, key: log.adminKey })
      const proof = await fetchAlertEvidence(server, await alertOf("many-denied-here"), [])
      const policy = parsePolicy(await readFile(log.policy))
      expect(verifyAlert(proof, policy).text).toMatch(/^verified: rule many-denied-here/)
      const { alert } = proof
      for (const changed of [{ version: "0000000000000000" }, { id: "another" }]) {
        const lie = { ...proof, alert: { ...alert, rule: { ...alert.rule, ...changed } } }
        expect(() => verifyAlert(lie, policy)).toThrow(expect.objectContaining({ code: "CLI_NOT_VERIFIED" }))
      }
      const ofOthers = { ...proof, leaves: proof.leaves.slice(1) }
      expect(() => verifyAlert(ofOthers, policy)).toThrow(
        expect.objectContaining({ code: "CLI_UNEXPECTED_ANSWER" }),
      )
      const ofAnother = { ...proof, alert: { ...alert, id: "alert_0000000000000000" } }
      expect(() => verifyAlert(ofAnother, policy)).toThrow(
        expect.objectContaining({ code: "CLI_CANNOT_TELL" }),
      )
    })

    it("and hides in it what is not to be shown", async () => {
      const { out } = await run("prove", await alertOf("many-denied-here"), "--withhold", "user_id")
      expect(out).not.toContain("bob")
      expect(JSON.parse(out)).toMatchObject({ format: "prooflog-evidence/1" })
    })

    it("but writes nothing that another policy does not believe", async () => {
      const other = (await readFile(log.policy, "utf8")).replace(/(?<=\+)[0-9a-f]{8}(?=\+)/, "00000000")
      await writeFile(file("other"), other)
      const { code } = await run(
        "prove",
        await alertOf("many-denied-here"),
        "-o",
        file("never.json"),
        "--policy",
        file("other"),
      )
      expect(code).toBe("CLI_FILE")
      await expect(readFile(file("never.json"))).rejects.toThrow(/ENOENT/)
    })
  })

  describe("tries rules on the history of a log", () => {
    const day = (n: number) => new Date(Date.UTC(2023, 9, n)).toISOString()

    beforeAll(async () => {
      const old = denied("carol", 3).map((event, i) => ({
        ...event,
        timestamp: `2023-10-0${5 - i}T00:00:0${i}Z`,
      }))
      // Not in the order of their time, as imports of several files are.
      const burst = denied("dave", 3).map((event, i) => ({
        ...event,
        timestamp: `2023-10-07T00:00:0${5 - i}Z`,
      }))
      const asked = { ...denied("eve", 1)[0], action: "class.asked", timestamp: "2023-10-08T00:00:00Z" }
      await log.log([...burst, ...old, asked])
      await log.level()
    })

    it("counts what would have fired, and tells nobody of it", async () => {
      const args = [
        "backtest",
        join(log.dir, "rules/here.yaml"),
        "--from",
        "2023-10-01",
        "--to",
        "2023-11-01",
      ]
      const { verdict, out, err } = await run(...args)
      expect(verdict).toBe(0)
      const [head, ...lines] = out.trimEnd().split("\n")
      expect(head).toMatch(/^rule +severity +alerts +firings +first +last +example leaves$/)
      expect(lines.map((line) => line.replace(/ +/g, " ").replace(/ \d+$/, ""))).toEqual([
        "many-denied-here critical 1 1 2023-10-07T00:00:05Z 2023-10-07T00:00:05Z",
        "of-a-class info 1 1 2023-10-08T00:00:00Z 2023-10-08T00:00:00Z",
      ])
      expect(err).toBe("7 events: 0 other rules would not have fired; nobody was told\n")
      expect(
        (await listed("--since", day(1))).filter(
          ({ labels }) => (labels as { user_id?: string }).user_id === "dave",
        ),
      ).toEqual([])
    })

    it("within its times, and for programs", async () => {
      const { out } = await run("backtest", join(log.dir, "rules/here.yaml"), "--from", day(8), "--json")
      const { rules } = JSON.parse(out) as {
        rules: { rule: string; alerts: number; example_leaves: number[] }[]
      }
      expect(rules.find(({ rule }) => rule === "of-a-class")).toMatchObject({
        alerts: 1,
        example_leaves: [expect.any(Number)],
      })
      // Those of today, of the tests above: each user once.
      expect(rules.find(({ rule }) => rule === "many-denied-here")).toMatchObject({ alerts: 2 })
      const none = await run("backtest", join(log.dir, "rules/here.yaml"), "--to", "2020-01-01")
      expect([none.verdict, none.out, none.err]).toEqual([
        0,
        "",
        "0 events: no rule would have fired; nobody was told\n",
      ])
    })

    it("tries those that are right, and says which are wrong", async () => {
      const { code, out, err } = await run(
        "backtest",
        join(log.dir, "rules"),
        "--from",
        "2023-10-01",
        "--to",
        "2023-11-01",
      )
      expect(code).toBe("CLI_FILE")
      expect(out).toContain("many-denied-here")
      expect(err).toContain("wrong.yaml:2:9: rules[0].id: expected")
      expect((await run("backtest", "shipped", "--from", "yesterday")).code).toBe("CLI_USAGE")
    })
  })
})
