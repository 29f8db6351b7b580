/**
 * The book against two oracles: itself, restored at any point; and a list of alerts that is asked anew each time.
 */

import fc from "fast-check"
import { expect, it } from "vitest"
import { firing, NOON, ruleHead } from "../../../test/alerts/made-alerts.js"
import { AlertBook, type BookLimits, type BookSettings } from "./alert-book.js"
import { type AlertRoute, AlertRoutes, ROUTE_DEFAULTS } from "./alert-routes.js"
import { SEVERITIES, type Severity } from "./firing.js"
import { parseMatcher } from "./matchers.js"
import type { Notification } from "./notification.js"

const { waitMs, intervalMs, repeatMs } = ROUTE_DEFAULTS

const ROUTES: readonly AlertRoute[] = [
  {
    matchers: [parseMatcher('severity =~ "high|critical"')],
    to: ["pager"],
    continue: true,
    ...ROUTE_DEFAULTS,
    groupBy: "all",
    routes: [],
  },
  { matchers: [], to: ["chat"], continue: false, ...ROUTE_DEFAULTS, routes: [] },
]

const SETTINGS = { routes: new AlertRoutes(ROUTES), inhibit: [], sinks: new Set(["pager", "chat"]) }

const OTHER_SETTINGS = {
  routes: new AlertRoutes([{ ...(ROUTES[1] as AlertRoute), to: ["chat", "mail"], groupBy: ["ip_address"] }]),
  inhibit: [
    { source: [parseMatcher("rule = r")], target: [parseMatcher("rule = s")], equal: ["ip_address"] },
  ],
  sinks: new Set(["chat", "mail"]),
}

type Step =
  | {
      readonly do: "fire" | "resolve"
      readonly rule: string
      readonly address: string
      readonly severity: Severity
    }
  | { readonly do: "acknowledge" | "silence" | "unsilence"; readonly rule: string; readonly address: string }
  | { readonly do: "settings"; readonly other: boolean }
  | { readonly do: "rules" | "forget"; readonly rule: string; readonly address: string }
  | { readonly do: "advance"; readonly ms: number }

const rule = fc.constantFrom("r", "s")
const address = fc.constantFrom("a", "b", "c")
const severity = fc.constantFrom<Severity>("low", "medium", "high")

const fireOrResolve = fc.record({
  do: fc.constantFrom("fire" as const, "resolve" as const),
  rule,
  address,
  severity,
})
const byPerson = fc.record({
  do: fc.constantFrom("acknowledge" as const, "silence" as const, "unsilence" as const),
  rule,
  address,
})

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fireOrResolve },
  { weight: 3, arbitrary: byPerson },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom("rules" as const, "forget" as const), rule, address }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("settings" as const), other: fc.boolean() }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("advance" as const),
      ms: fc.constantFrom(0, 1, waitMs, 10_000, intervalMs - 1, intervalMs, repeatMs, 6 * 86_400_000),
    }),
  },
)

/** Does steps with a book, and says all that comes of them. */
class Run {
  book: AlertBook
  nowMs = NOON
  leaf = 0
  readonly rows = new Map<string, string>()
  readonly #limits: Partial<BookLimits>
  #settings: BookSettings = SETTINGS

  constructor(limits: Partial<BookLimits> = {}) {
    this.#limits = limits
    this.book = new AlertBook(SETTINGS, "salt", limits)
  }

  do(step: Step): unknown {
    const { book, nowMs } = this
    switch (step.do) {
      case "fire":
      case "resolve": {
        const { rule, address, severity } = step
        return book.fired(
          firing({
            kind: step.do === "fire" ? "fires" : "resolves",
            rule: ruleHead(rule),
            severity,
            labels: { ip_address: address },
            leaves: [this.leaf++],
            receivedMs: nowMs,
          }),
        )
      }
      case "acknowledge":
        return book.acknowledge(this.#idOf(step.rule, step.address), { atMs: nowMs, by: "key", note: "" })
      case "silence":
        return book.addSilence({
          id: `${step.rule} ${step.address}`,
          matchers: [parseMatcher(`rule = ${step.rule}`), parseMatcher(`ip_address = ${step.address}`)],
          startsMs: nowMs,
          endsMs: nowMs + 10 * repeatMs,
          by: "key",
          why: "",
        })
      case "unsilence":
        return book.endSilence(`${step.rule} ${step.address}`, nowMs)?.endsMs
      case "settings":
        this.#settings = step.other ? OTHER_SETTINGS : SETTINGS
        return book.setSettings(this.#settings, nowMs)
      case "rules":
        return sorted(book.endRules(new Set([step.rule]), nowMs).map(({ alert }) => alert.id))
      case "forget":
        return sorted(book.forget(new Set([step.address]), new Set()))
      case "advance":
        this.nowMs += step.ms
        return book.advance(this.nowMs)
    }
  }

  /** Keeps what has changed, throws the book away, and makes one of what was kept. */
  crash(): void {
    this.keep()
    this.book = new AlertBook(this.#settings, "salt", this.#limits)
    for (const [key, value] of [...this.rows].sort(() => -1)) this.book.restore(key, value)
  }

  keep(): void {
    this.book.takeChanges(
      (key, value) => void this.rows.set(key, value),
      (key) => {
        this.rows.delete(key)
      },
    )
  }

  #idOf(rule: string, address: string): string {
    const alerts = [...this.book.alerts()]
    return alerts.find((each) => each.rule.id === rule && each.labels.ip_address === address)?.id ?? ""
  }
}

function sorted(texts: readonly string[]): readonly string[] {
  return [...texts].sort()
}

it("a book that was kept and restored, at any points, does what one does that was never away", () => {
  const limits = { alerts: 4, groups: 5 }
  fc.assert(
    fc.property(fc.array(fc.tuple(anyStep, fc.boolean()), { maxLength: 60 }), (steps) => {
      const lasting = new Run(limits)
      const crashing = new Run(limits)
      for (const [step, crashes] of steps) {
        expect(crashing.do(step)).toEqual(lasting.do(step))
        if (crashes) crashing.crash()
      }
      lasting.keep()
      crashing.keep()
      expect(Object.fromEntries(crashing.rows)).toEqual(Object.fromEntries(lasting.rows))
      expect(crashing.book.counts).toEqual(lasting.book.counts)
    }),
    { numRuns: 400 },
  )
})

/** All alerts in a list, and what each group was told: asked anew each time. */
class Oracle {
  readonly alerts: {
    rule: string
    address: string
    severity: Severity
    fires: boolean
    acknowledged: boolean
  }[] = []
  readonly silenced = new Set<string>()
  readonly told = new Map<string, { ofAlert: Map<object, Severity>; atMs: number; acknowledged: boolean }>()

  do(step: Step): void {
    if (!("rule" in step)) return
    const { rule, address } = step
    const known = this.alerts.find((each) => each.rule === rule && each.address === address)
    if (step.do === "fire") {
      if (known === undefined) {
        this.alerts.push({ rule, address, severity: step.severity, fires: true, acknowledged: false })
      } else {
        known.fires = true
        known.severity = highest(known.severity, step.severity)
      }
    }
    if (step.do === "resolve" && known !== undefined) known.fires = false
    if (step.do === "acknowledge" && known?.fires) known.acknowledged = true
    if (step.do === "silence") this.silenced.add(`${rule} ${address}`)
    if (step.do === "unsilence") this.silenced.delete(`${rule} ${address}`)
  }

  /** What is to be said now, if every group is looked at. */
  advance(nowMs: number): string[] {
    const said: string[] = []
    const groups = new Map<string, typeof this.alerts>()
    for (const alert of this.alerts) {
      const keys = [`chat ${alert.rule}`]
      if (alert.severity === "high") keys.push(`pager ${alert.rule} ${alert.address}`)
      for (const key of keys) groups.set(key, [...(groups.get(key) ?? []), alert])
    }
    for (const [key, alerts] of groups) {
      const told = this.told.get(key) ?? { ofAlert: new Map(), atMs: nowMs, acknowledged: false }
      this.told.set(key, told)
      const heard = alerts.filter(
        ({ fires, rule, address }) => fires && !this.silenced.has(`${rule} ${address}`),
      )
      const over = alerts.filter((each) => !each.fires && told.ofAlert.has(each))
      const open = alerts.filter((each) => each.fires && told.ofAlert.has(each))
      const hasNews = heard.some((each) => told.ofAlert.get(each) !== each.severity)
      const isLongAgo = told.ofAlert.size > 0 && nowMs - told.atMs >= repeatMs
      const reason = hasNews
        ? open.length > 0
          ? "new"
          : "first"
        : over.length > 0
          ? open.length > 0
            ? "some-resolved"
            : "all-resolved"
          : isLongAgo && heard.some(({ acknowledged }) => !acknowledged)
            ? "repeat"
            : undefined
      if (reason !== undefined) {
        said.push(words(key.split(" ")[0] as string, reason, heard, over))
        for (const each of heard) told.ofAlert.set(each, each.severity)
        told.atMs = nowMs
      }
      for (const each of alerts) if (!each.fires) told.ofAlert.delete(each)
      const known = alerts.filter((each) => told.ofAlert.has(each))
      const acknowledged = known.length > 0 && known.every((each) => each.acknowledged)
      if (acknowledged && !told.acknowledged)
        said.push(words(key.split(" ")[0] as string, "acknowledged", known, []))
      told.acknowledged = acknowledged
    }
    for (const each of [...this.alerts]) if (!each.fires) this.alerts.splice(this.alerts.indexOf(each), 1)
    return said.sort()
  }
}

function highest(a: Severity, b: Severity): Severity {
  return SEVERITIES[Math.max(SEVERITIES.indexOf(a), SEVERITIES.indexOf(b))] as Severity
}

interface Named {
  readonly rule: string
  readonly address: string
}

function words(sink: string, reason: string, fire: readonly Named[], over: readonly Named[]): string {
  const names = (alerts: readonly Named[]) => alerts.map(({ rule, address }) => `${rule}:${address}`).sort()
  return `${sink} is told ${reason}: ${names(fire)} fire, ${names(over)} are over`
}

function wordsOf({ sink, reason, alerts }: Notification): string {
  const named = (state: string) =>
    alerts
      .filter((each) => each.state === state)
      .map(({ rule, labels }) => ({ rule: rule.id, address: labels.ip_address as string }))
  return words(sink, reason, named("firing"), named("resolved"))
}

it("tells what a list of all alerts would tell, group by group", () => {
  const step = fc.oneof({ weight: 2, arbitrary: fireOrResolve }, { weight: 1, arbitrary: byPerson })
  const between = fc.constantFrom(intervalMs, intervalMs + 1, repeatMs - 1, repeatMs)
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.array(step, { maxLength: 6 }), between), { maxLength: 20 }),
      (rounds) => {
        const run = new Run()
        const oracle = new Oracle()
        for (const [steps, ms] of rounds) {
          for (const each of steps) {
            run.do(each)
            oracle.do(each)
          }
          run.nowMs += ms
          const told = run.book.advance(run.nowMs)
          expect(told.map(wordsOf).sort()).toEqual(oracle.advance(run.nowMs))
        }
      },
    ),
    { numRuns: 400 },
  )
})

it("never tells a group sooner than its interval, nor anything twice under one id, and says at last what is over", () => {
  fc.assert(
    fc.property(
      fc.array(
        anyStep.filter((step) => step.do !== "settings"),
        { maxLength: 80 },
      ),
      (steps) => {
        const run = new Run()
        const told: Notification[] = []
        const advance = (ms: number) => {
          run.nowMs += ms
          told.push(...run.book.advance(run.nowMs))
        }
        for (const step of steps) {
          if (step.do === "advance") advance(step.ms)
          else run.do(step)
        }
        const hastened = steps.some((step) => step.do === "acknowledge")
        run.book.endRules(new Set([...run.book.alerts()].map(({ rule }) => rule.id)), run.nowMs)
        advance(intervalMs)
        expect(run.book.size).toMatchObject({ alerts: 0, groups: 0 })
        expect(new Set(told.map(({ id }) => id)).size).toBe(told.length)
        for (const dedupKey of new Set(told.map((each) => each.dedupKey))) {
          const ofGroup = told.filter((each) => each.dedupKey === dedupKey)
          const timed = ofGroup.filter(({ status }) => status !== "acknowledged")
          expect(ofGroup[0]?.reason).toBe("first")
          expect(ofGroup.at(-1)?.status).toBe("resolved")
          timed.forEach(({ atMs, reason }, i) => {
            const before = timed[i - 1]
            if (before === undefined) return
            if (!hastened) expect(atMs - before.atMs).toBeGreaterThanOrEqual(intervalMs)
            if (reason === "repeat") expect(atMs - before.atMs).toBeGreaterThanOrEqual(repeatMs)
          })
        }
      },
    ),
    { numRuns: 300 },
  )
})
