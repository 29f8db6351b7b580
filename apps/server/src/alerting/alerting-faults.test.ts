/** What goes wrong around alerting: files of rules, processes that die, persons who must not be found anywhere. */

import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { failedLogin, pageOf, type Received } from "../../fixtures/alert-pages.js"
import type { AlertsAnswers, OwnStep } from "../followers/alerts-calls.js"
import { Alerting } from "./alerting.js"
import { AlertsStore, StoreChanges } from "./alerts-store.js"

const SETTINGS = "shipped: false\n"

const DISK = `  - { id: disk, title: The disk, why: It is full., severity: high, health: disk }
`

/** A rule that fires at five events of a group. */
function counting(id: string, groupBy: string): string {
  return `  - id: ${id}
    title: Many failures
    why: Somebody guesses.
    severity: high
    where: { category: auth, result: failure }
    group_by: [${groupBy}]
    count: { over: 10m, at_least: 5 }
`
}

describe("alerting", () => {
  let base: string
  let open: Alerting[]
  let steps: OwnStep[]
  let broken: unknown[]
  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), "prooflog-alerting-"))
    await mkdir(join(base, "rules"))
    await settings(SETTINGS)
    open = []
    steps = []
    broken = []
  })
  afterEach(async () => {
    for (const each of open) await each.close().catch(() => {})
    await rm(base, { recursive: true })
  })

  const settings = (text: string) => writeFile(join(base, "alerts.yaml"), text)
  const rules = (...items: string[]) => writeFile(join(base, "rules", "r.yml"), `rules:\n${items.join("")}`)

  async function begun(enrich = (): object => ({})): Promise<Alerting> {
    const alerting = await Alerting.open({
      setup: {
        ...{
          nowMs: Date.now(),
          storePath: join(base, "store"),
          settingsPath: join(base, "alerts.yaml"),
          base,
        },
        ...{ origin: "log", mmdb: [] },
      },
      enrich,
      sinksOf: async () => [],
      own: async (step) => steps.push(step),
      onChange: () => {},
      say: () => {},
      onBroken: (error) => broken.push(error),
    })
    open.push(alerting)
    return alerting
  }

  async function closed(alerting: Alerting): Promise<void> {
    open = open.filter((each) => each !== alerting)
    await alerting.close()
  }

  const failures = (user: string, n: number, more: object = {}): Received[] =>
    Array.from({ length: n }, () => {
      const { event, receivedMs } = failedLogin(user, "203.0.113.9", Date.now())
      return { event: { ...event, ...more }, receivedMs }
    })

  const list = async (alerting: Alerting) =>
    ((await alerting.ask({ kind: "list", filter: { limit: 50 } })) as AlertsAnswers["list"]).alerts

  const shownRules = async (alerting: Alerting) =>
    (await alerting.ask({ kind: "rules" })) as AlertsAnswers["rules"]

  async function words(): Promise<string> {
    const files = await readdir(join(base, "store"))
    return (await Promise.all(files.map((file) => readFile(join(base, "store", file), "latin1")))).join()
  }

  it("keeps what a rule has learned while the rule is refused, over a start and back", async () => {
    await rules(counting("brute", "user_id"))
    const first = await begun()
    await first.append(pageOf(0, failures("eve", 4)))
    await closed(first)
    for (const [file, text] of [
      ["rules/r.yml", `rules:\n${counting("brute", "user_id")}    cuont: 3\n`],
      ["alerts.yaml", `${SETTINGS}sniks: {}\n`],
    ] as const) {
      const before = await readFile(join(base, file), "utf8")
      await writeFile(join(base, file), text)
      const second = await begun()
      expect((await shownRules(second)).refused).toHaveLength(1)
      await closed(second)
      await writeFile(join(base, file), before)
    }
    const third = await begun()
    await third.append(pageOf(4, failures("eve", 1)))
    expect(await list(third)).toMatchObject([{ leaves: [0, 1, 2, 3, 4] }])
  })

  it("ends the alerts of a rule that was taken away while no process ran", async () => {
    await rules(counting("brute", "user_id"), DISK)
    const first = await begun()
    await first.append(pageOf(0, failures("eve", 5)))
    await closed(first)
    await rules(DISK)
    expect(await list(await begun())).toMatchObject([{ state: "resolved", rule: { id: "brute" } }])
    await expect.poll(() => steps.map(({ action }) => action)).toContain("log.alert.resolved")
  })

  it("ends the alerts of a rule that tells events apart by something else now", async () => {
    await rules(counting("brute", "user_id"), counting("other", "user_id"))
    const alerting = await begun()
    await alerting.append(pageOf(0, failures("eve", 5)))
    await rules(counting("brute", "ip_address"), counting("other", "user_id").replace("high", "low"))
    const states = async () => (await list(alerting)).map(({ rule, state }) => `${rule.id} ${state}`).sort()
    await expect.poll(states, { timeout: 8_000 }).toEqual(["brute resolved", "other firing"])
  })

  it("refuses what are no files of rules, and reads them when they are", async () => {
    await rm(join(base, "rules"), { recursive: true })
    await writeFile(join(base, "rules"), "no folder")
    const alerting = await begun()
    expect((await shownRules(alerting)).refused).toEqual([expect.stringContaining("ENOTDIR")])
    await rm(join(base, "rules"))
    await mkdir(join(base, "rules"))
    await rules(DISK)
    const inForce = async () => (await shownRules(alerting)).rules.map(({ id }) => id)
    await expect.poll(inForce, { timeout: 8_000 }).toEqual(["disk"])
  })

  it("looks at the folder of rules that the settings name, also when a rule in there was refused", async () => {
    await mkdir(join(base, "others"))
    await writeFile(join(base, "others", "r.yml"), `rules:\n${DISK}`)
    await settings(`${SETTINGS}rules: others\n`)
    const alerting = await begun()
    expect((await shownRules(alerting)).rules.map(({ id }) => id)).toEqual(["disk"])
    await mkdir(join(base, "third"))
    await writeFile(join(base, "third", "r.yml"), "rules: [{}]\n")
    await settings(`${SETTINGS}rules: third\n`)
    const refused = async () => (await shownRules(alerting)).refused.length
    await expect.poll(refused, { timeout: 8_000 }).toBe(1)
    await writeFile(join(base, "third", "r.yml"), `rules:\n${counting("brute", "user_id")}`)
    const inForce = async () => (await shownRules(alerting)).rules.map(({ id }) => id)
    await expect.poll(inForce, { timeout: 8_000 }).toEqual(["brute"])
    // One for what was refused, one for what is in force; none for a start with nothing new.
    await expect.poll(() => steps.map(({ said }) => said.refused)).toEqual([1, 0])
  })

  it("passes over files that are hidden, as editors and mounted volumes make them", async () => {
    await rules(DISK)
    await mkdir(join(base, "rules", "..2026_03_01"))
    await writeFile(join(base, "rules", "..2026_03_01", "r.yml"), `rules:\n${DISK}`)
    await writeFile(join(base, "rules", ".#r.yml"), "half a ru")
    expect(await shownRules(await begun())).toMatchObject({ refused: [], rules: [{ id: "disk" }] })
  })

  it("takes notice of the log's health between pages and forgettings, not within", async () => {
    await rules(DISK)
    const alerting = await begun()
    const forgotten = alerting.forget({ persons: ["nobody"], leaves: [] })
    alerting.health({ nowMs: Date.now(), treeSize: 0, problems: { disk: "full" } })
    expect(await list(alerting)).toEqual([])
    await forgotten
    await expect.poll(async () => (await list(alerting)).map(({ state }) => state)).toEqual(["firing"])
  })

  it("keeps nothing of a page that a rule could not get through", async () => {
    await rules(
      counting("brute", "user_id"),
      "  - { id: abroad, title: Abroad, why: w., severity: low, new_country: {} }\n",
    )
    const seen = pageOf(0, failures("eve", 3))
    const alerting = await begun()
    await alerting.append(seen)
    await closed(alerting)
    let calls = 0
    const fails = await begun(() => {
      if (++calls === 2) throw new TypeError("bug")
      return { country: "DE" }
    })
    await expect(fails.append(pageOf(3, failures("eve", 3)))).rejects.toThrow("bug")
    expect(broken).toHaveLength(1)
    await closed(fails).catch(() => {})
    const next = await begun()
    await next.append(pageOf(3, failures("eve", 2)))
    expect(await list(next)).toMatchObject([{ leaves: [0, 1, 2, 3, 4], count: 5 }])
  })

  it("forgets whom a process that died had forgotten, and not written out of its files", async () => {
    await rules(counting("brute", "user_id"))
    const first = await begun()
    await first.append(pageOf(0, [...failures("needle-user", 5), ...failures("bob", 5)]))
    await expect.poll(() => steps.length).toBe(2)
    await closed(first)
    const store = await AlertsStore.open(join(base, "store"))
    const gone = new StoreChanges()
    for (const space of ["rule", "alert", "history"] as const) {
      for await (const [key, value] of store.rows(space))
        if ((key + value).includes("needle-user")) gone.remove(space, key)
    }
    await store.commit(gone)
    await store.close()
    const second = await begun()
    expect(await words()).toContain("needle-user")
    await second.forget({ persons: ["needle-user"], leaves: [0, 1, 2, 3, 4] })
    expect(await words()).not.toContain("needle-user")
    expect(await words()).toContain("bob")
  })

  it("writes its files anew for leaves only if they had something of them, or a process died before it did", async () => {
    await rules(counting("brute", "ip_address"))
    const alerting = await begun()
    await alerting.append(pageOf(0, failures("eve", 5)))
    const files = async () => (await stat(join(base, "store"))).ino
    const first = await files()
    await alerting.forget({ persons: [], leaves: [77] })
    expect(await files()).toBe(first)
    await alerting.forget({ persons: [], leaves: [3] })
    const second = await files()
    expect(second).not.toBe(first)
    expect(await list(alerting)).toEqual([])
    await closed(alerting)
    const store = await AlertsStore.open(join(base, "store"))
    const owed = new StoreChanges()
    owed.keep("meta", "rewrite-owed", "1")
    await store.commit(owed)
    await store.close()
    const next = await begun()
    await next.forget({ persons: [], leaves: [77] })
    const third = await files()
    expect(third).not.toBe(second)
    await next.forget({ persons: [], leaves: [77] })
    expect(await files()).toBe(third)
  })

  it("forgets a person by whatever field a rule tells events apart, and for rules that are not in force", async () => {
    await rules(counting("brute", "attributes.owner"), counting("path", "resource_accessed"))
    const first = await begun()
    const more = { attributes: { owner: "needle-user" }, resource_accessed: "/homes/needle-user/x" }
    await first.append(pageOf(0, failures("bob", 4, more)))
    await closed(first)
    await rules(counting("brute", "attributes.owner"), counting("path", "resource_accessed"), "  - {}\n")
    const second = await begun()
    expect((await shownRules(second)).refused).toHaveLength(1)
    expect(await words()).toContain("needle-user")
    await second.forget({ persons: ["needle-user"], leaves: [] })
    expect(await words()).not.toContain("needle-user")
    await closed(second)
    await rules(counting("path", "resource_accessed"), "  - {}\n")
    const third = await begun()
    await third.append(pageOf(4, failures("bob", 4, more)))
    await closed(third)
    await rules("  - {}\n")
    const fourth = await begun()
    expect(await words()).toContain("needle-user")
    await fourth.forget({ persons: ["needle-user"], leaves: [] })
    expect(await words()).not.toContain("needle-user")
  })
})
