import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Notification } from "@prooflog/alerts/notification"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { failedLogin, pageOf, type Received } from "../../fixtures/alert-pages.js"
import type { AlertsAnswers, OwnStep } from "../followers/alerts-calls.js"
import { Alerting } from "./alerting.js"
import type { Outcome, Sink } from "./delivery.js"

/** One rule, so that what fires is plain. */
const RULES = `rules:
  - id: brute
    title: Many failures
    why: Somebody guesses.
    severity: high
    where: { category: auth, result: failure }
    group_by: [user_id]
    count: { over: 10m, at_least: 5 }
`

const SETTINGS = `shipped: false
sinks:
  hook: { type: alertmanager, url: http://127.0.0.1:9/ }
routes:
  - { to: [hook], group_wait: 0s, group_by: [user_id] }
`

describe("alerting", () => {
  let base: string
  let open: Alerting[]
  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), "prooflog-alerting-"))
    await mkdir(join(base, "rules"))
    await writeFile(join(base, "rules", "brute.yml"), RULES)
    await writeFile(join(base, "alerts.yaml"), SETTINGS)
    open = []
  })
  afterEach(async () => {
    for (const each of open) await each.close()
    await rm(base, { recursive: true })
  })

  interface World {
    readonly sent: Notification[]
    readonly steps: OwnStep[]
    readonly said: string[]
    answer: () => Outcome
    begun(path?: string, nowMs?: number): Promise<Alerting>
  }

  function world(): World {
    const sent: Notification[] = []
    const steps: OwnStep[] = []
    const said: string[] = []
    const made: World = {
      sent,
      steps,
      said,
      answer: () => ({ kind: "delivered", why: "200" }),
      async begun(path = join(base, "store"), nowMs = Date.now()) {
        const sink: Sink = {
          name: "hook",
          type: "alertmanager",
          hears: () => true,
          async deliver(notification) {
            const outcome = made.answer()
            if (outcome.kind === "delivered") sent.push(notification)
            return outcome
          },
        }
        const alerting = await Alerting.open({
          setup: {
            ...{ nowMs, storePath: path, settingsPath: join(base, "alerts.yaml"), base },
            ...{ origin: "log", mmdb: [] },
          },
          enrich: () => ({}),
          sinksOf: async () => [sink],
          own: async (step) => steps.push(step),
          onChange: () => {},
          say: (level, message) => said.push(`${level}: ${message}`),
          onBroken: (error) => {
            throw error
          },
        })
        open.push(alerting)
        return alerting
      },
    }
    return made
  }

  /** Closes without keeping anything more than was kept: what a killed process leaves. */
  async function crashed(alerting: Alerting, to: string): Promise<void> {
    await cp(join(base, "store"), to, { recursive: true, filter: (path) => !path.endsWith("LOCK") })
    await alerting.close()
    open = open.filter((each) => each !== alerting)
  }

  const failures = (user: string, n: number, receivedMs = Date.now()): Received[] =>
    Array.from({ length: n }, (_, i) => failedLogin(user, "203.0.113.9", receivedMs + i))

  const list = async (alerting: Alerting) => {
    const answer = await alerting.ask({ kind: "list", filter: { limit: 50 } })
    return (answer as AlertsAnswers["list"]).alerts
  }

  it("tells a sink once of what a rule finds, and the log of both", async () => {
    const made = world()
    const alerting = await made.begun()
    await alerting.append(pageOf(0, failures("eve", 5)))
    await expect.poll(() => made.sent.length).toBe(1)
    const [alert] = await list(alerting)
    expect(alert).toMatchObject({ labels: { user_id: "eve" }, leaves: [0, 1, 2, 3, 4], state: "firing" })
    // What was seen is passed over.
    await alerting.append(pageOf(2, failures("eve", 3)))
    await expect
      .poll(() => made.steps.map(({ action }) => action))
      .toEqual(["log.alert.fired", "log.alert.delivery"])
    expect(made.steps[0]?.said).toMatchObject({
      alert: alert?.id,
      rule: "brute",
      leaf_index: "0,1,2,3,4",
      hop: 1,
    })
    expect(JSON.stringify(made.steps)).not.toContain('"eve"')
    expect(made.sent[0]?.alerts.map(({ id }) => id)).toEqual([alert?.id])
    await expect(alerting.append(pageOf(9, failures("eve", 1)))).rejects.toThrow("leaf 5 is left out")
  })

  it("is the same after it died, wherever that was: the same ids, and nothing that was delivered again", async () => {
    const made = world()
    const whole = world()
    const nowMs = Date.now()
    const events = (i: number) => [...failures("eve", 3, nowMs), ...failures(`u${i}`, 1, nowMs + 3)]
    const pages = [0, 1, 2, 3].map((i) => pageOf(i * 4, events(i)))
    // Ids hang on the salt of a store: all of them begin with the same.
    await crashed(await whole.begun(undefined, nowMs - 1), join(base, "seed"))
    await rm(join(base, "store"), { recursive: true })
    const seeded = (path: string) => cp(join(base, "seed"), path, { recursive: true })
    await seeded(join(base, "alone"))
    const alone = await whole.begun(join(base, "alone"), nowMs - 1)
    for (const page of pages) await alone.append(page)
    await expect.poll(() => whole.sent.length).toBe(1)
    for (const dies of [1, 2, 3]) {
      const first = world()
      await seeded(join(base, "store"))
      const alerting = await first.begun(undefined, nowMs - 1)
      for (const page of pages.slice(0, dies)) await alerting.append(page)
      if (dies > 1) await expect.poll(() => first.steps.length).toBeGreaterThanOrEqual(2)
      const left = join(base, `left${dies}`)
      await crashed(alerting, left)
      const second = await made.begun(left, nowMs - 1)
      const next =
        second.cursor === undefined ? 0 : (JSON.parse(second.cursor) as { next_leaf: number }).next_leaf
      for (const page of pages) if (page.firstLeaf + page.count > next) await second.append(page)
      const ids = (await list(second)).map(({ id }) => id)
      expect(ids).toEqual((await list(alone)).map(({ id }) => id))
      const idsOf = (sent: readonly Notification[]) => [...new Set(sent.map(({ id }) => id))]
      await expect.poll(() => idsOf([...first.sent, ...made.sent])).toEqual(idsOf(whole.sent))
      // What was kept as delivered is not delivered again.
      if (dies > 1) expect(made.sent).toEqual([])
      made.sent.length = 0
      await rm(join(base, "store"), { recursive: true })
    }
  })

  it("tells nobody of what was received before there was this store, and of what happened long ago", async () => {
    const made = world()
    const alerting = await made.begun(undefined, Date.now())
    const past = Date.now() - 3_600_000
    await alerting.append(pageOf(0, failures("old", 9, past)))
    const imported = failures("imported", 9).map(({ event, receivedMs }) => ({
      event: { ...event, timestamp: receivedMs - 40 * 86_400_000 },
      receivedMs: receivedMs + 1_000,
    }))
    await alerting.append(pageOf(9, imported))
    await alerting.append(pageOf(18, failures("new", 5, Date.now() + 2_000)))
    expect((await list(alerting)).map(({ labels }) => labels.user_id)).toEqual(["new"])
  })

  it("reads changed rules, keeps what was learned, and refuses bad ones without a gap", async () => {
    const made = world()
    const alerting = await made.begun()
    await alerting.append(pageOf(0, failures("eve", 4)))
    await writeFile(join(base, "rules", "brute.yml"), `${RULES}    cuont: 3\n`)
    await expect.poll(() => made.said, { timeout: 8_000 }).toContainEqual(expect.stringContaining("refused"))
    const refused = (await alerting.ask({ kind: "rules" })) as AlertsAnswers["rules"]
    expect(refused.refused[0]).toMatch(/^rules\/brute\.yml:9:5: .*cuont/)
    expect(refused.rules.map(({ id }) => id)).toEqual(["brute"])
    const lower = RULES.replace("severity: high", "severity: low")
    await writeFile(join(base, "rules", "brute.yml"), lower)
    await expect
      .poll(() => made.steps.at(-1)?.said, { timeout: 8_000 })
      .toMatchObject({ refused: 0, rules: 1 })
    expect(made.steps.map(({ action }) => action)).toEqual(["log.alert.rules", "log.alert.rules"])
    await alerting.append(pageOf(4, failures("eve", 1)))
    expect(await list(alerting)).toMatchObject([{ severity: "low", leaves: [0, 1, 2, 3, 4] }])
  })

  it("tells nobody while it is silenced, and not again once somebody takes care of it", async () => {
    const made = world()
    const alerting = await made.begun()
    const nowMs = Date.now()
    const silence = { id: "silence_1", matchers: ["user_id = eve"], by: "k", why: "a test" }
    await alerting.ask({
      kind: "silence",
      silence: { ...silence, startsMs: nowMs, endsMs: nowMs + 3_600_000 },
    })
    await alerting.append(pageOf(0, [...failures("eve", 5), ...failures("bob", 5)]))
    await expect.poll(() => made.sent.length).toBe(1)
    expect(made.sent[0]?.groupLabels).toEqual({ user_id: "bob" })
    const eve = (await list(alerting)).find(({ labels }) => labels.user_id === "eve")
    expect(eve).toMatchObject({ silencedBy: ["silence_1"] })
    const question = { kind: "acknowledge", id: eve?.id ?? "", by: "k", note: "mine", atMs: nowMs } as const
    expect(await alerting.ask(question)).toMatchObject({ acknowledged: { by: "k", note: "mine" } })
    expect(await alerting.ask({ kind: "end silence", id: "silence_1", atMs: nowMs })).toMatchObject({
      endsMs: nowMs,
    })
    expect(await alerting.ask({ ...question, id: "alert_none" })).toBeUndefined()
  })

  it("leaves no word of whom an erasure has forgotten in any file", async () => {
    const made = world()
    made.answer = () => ({ kind: "later", why: "503" })
    const alerting = await made.begun()
    await alerting.append(pageOf(0, [...failures("needle-user", 5), ...failures("bob", 5)]))
    await expect.poll(() => made.steps.length).toBeGreaterThan(2)
    const words = async () => {
      const files = await readdir(join(base, "store"))
      return (await Promise.all(files.map((file) => readFile(join(base, "store", file), "latin1")))).join()
    }
    expect(await words()).toContain("needle-user")
    await alerting.forget({ persons: ["needle-user"], leaves: [0, 1, 2, 3, 4] })
    expect(await words()).not.toContain("needle-user")
    expect(await words()).toContain("bob")
    expect((await list(alerting)).map(({ labels }) => labels.user_id)).toEqual(["bob"])
    // What waits to be sent of others is sent all the same.
    made.answer = () => ({ kind: "delivered", why: "200" })
    await expect
      .poll(() => made.sent.map(({ groupLabels }) => groupLabels.user_id), { timeout: 8_000 })
      .toContain("bob")
    expect(JSON.stringify(made.sent)).not.toContain("needle-user")
  })
})
