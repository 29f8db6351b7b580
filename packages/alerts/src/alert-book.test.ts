import { describe, expect, it } from "vitest"
import { firing, NOON, ruleHead } from "../../../test/alerts/made-alerts.js"
import { AlertBook, type BookLimits } from "./alert-book.js"
import { type AlertRoute, AlertRoutes, ROUTE_DEFAULTS } from "./alert-routes.js"
import type { Firing, Severity } from "./firing.js"
import type { InhibitRule } from "./inhibition.js"
import { parseMatcher } from "./matchers.js"
import type { Notification } from "./notification.js"

const { waitMs, intervalMs, repeatMs } = ROUTE_DEFAULTS

const DAY_MS = 86_400_000

/** Everything to one sink, grouped by rule. */
const ALL: AlertRoute = { matchers: [], to: ["slack"], continue: false, ...ROUTE_DEFAULTS, routes: [] }

function settings(routes: AlertRoute[] = [ALL], inhibit: InhibitRule[] = []) {
  return { routes: new AlertRoutes(routes), inhibit, sinks: new Set(routes.flatMap(({ to }) => to)) }
}

function book(given = settings(), limits: Partial<BookLimits> = {}): AlertBook {
  return new AlertBook(given, "salt", limits)
}

/** That rule `r` fires about an address. */
function about(address: string, more: Partial<Firing> = {}): Firing {
  return firing({ rule: ruleHead("r"), labels: { ip_address: address }, ...more })
}

function over(address: string, receivedMs: number): Firing {
  return about(address, { kind: "resolves", receivedMs, leaves: [] })
}

/** What a notification says, as short as it can be. */
function said(notifications: readonly Notification[]): string[] {
  return notifications.map(({ status, reason, alerts }) =>
    [status, reason, ...alerts.map(({ labels, state }) => `${labels.ip_address} ${state}`)].join(", "),
  )
}

describe("an alert", () => {
  it("is opened by the first firing, and is the same for all with the same rule and labels", () => {
    const alerts = book()
    const opened = alerts.fired(about("a", { leaves: [7], labels: { ip_address: "a", user_id: "u" } }))
    const again = alerts.fired(about("a", { leaves: [8], labels: { user_id: "u", ip_address: "a" } }))
    const other = alerts.fired(about("a", { rule: ruleHead("s"), labels: { user_id: "u", ip_address: "a" } }))
    expect(opened).toMatchObject({ kind: "opened", alert: { state: "firing", leaves: [7], count: 1 } })
    expect(again).toMatchObject({ kind: "again", alert: { id: opened?.alert.id, leaves: [7, 8], count: 2 } })
    expect(other?.alert.id).not.toBe(opened?.alert.id)
    expect(opened?.alert.id).toMatch(/^alert_[0-9a-f]{16}$/)
    expect(opened?.alert.fingerprint).toMatch(/^[0-9a-f]{64}$/)
  })

  it("has the id that its firing gives it, whoever evaluates it", () => {
    const ids = (leaves: number[], receivedMs: number) =>
      book().fired(about("a", { leaves, receivedMs }))?.alert.id
    expect(ids([7], NOON)).toBe(ids([7], NOON))
    expect(ids([8], NOON)).not.toBe(ids([7], NOON))
    expect(ids([], NOON)).not.toBe(ids([], NOON + 1))
  })

  it("has the highest severity that it had, and all of what its firings were about", () => {
    const alerts = book()
    const fire = (severity: Severity, leaves: number[], count: number, timestampMs: number) =>
      alerts.fired(about("a", { severity, leaves, count, timestampMs, details: { count: String(count) } }))
        ?.alert
    fire("low", [1, 2], 2, NOON)
    fire("critical", [4], 1, NOON + 5)
    expect(fire("medium", [3, 5], 2, NOON - 5)).toMatchObject({
      severity: "critical",
      leaves: [1, 2, 4, 5],
      startsMs: NOON - 5,
      lastMs: NOON + 5,
      details: { count: "2" },
    })
  })

  it("counts what a firing that looks back tells for the second time once", () => {
    const alerts = book()
    alerts.fired(about("a", { leaves: [1, 2, 3], count: 3 }))
    const { alert } = alerts.fired({ ...over("a", NOON + 9), leaves: [1, 2, 3, 4], count: 40 }) ?? {}
    expect(alert).toMatchObject({ count: 40, leaves: [1, 2, 3, 4], state: "resolved", endsMs: NOON + 9 })
  })

  it("names the newest 32 leaves", () => {
    const alerts = book()
    for (let leaf = 0; leaf < 40; leaf++) alerts.fired(about("a", { leaves: [leaf] }))
    const [alert] = alerts.alerts()
    expect(alert?.leaves).toEqual(Array.from({ length: 32 }, (_, i) => i + 8))
    expect(alert?.count).toBe(40)
  })

  it("that nobody is to be told of is gone when it is over", () => {
    const alerts = book(settings([]))
    expect(alerts.fired(about("a"))?.kind).toBe("opened")
    expect(alerts.advance(NOON + repeatMs)).toEqual([])
    expect(alerts.fired(over("a", NOON + 1))?.kind).toBe("resolved")
    expect(alerts.size.alerts).toBe(0)
  })

  it("is not resolved twice, and not before it fires", () => {
    const alerts = book()
    expect(alerts.fired(over("a", NOON))).toBeUndefined()
    alerts.fired(about("a"))
    expect(alerts.fired(over("a", NOON))?.kind).toBe("resolved")
    expect(alerts.fired(over("a", NOON))).toBeUndefined()
  })

  it("is over when its rule is no more", () => {
    const alerts = book()
    alerts.fired(about("a"))
    alerts.fired(about("a", { rule: ruleHead("s") }))
    expect(alerts.endRules(new Set(["r"]), NOON + 5)).toMatchObject([
      { kind: "resolved", alert: { rule: { id: "r" }, endsMs: NOON + 5 } },
    ])
    expect(alerts.endRules(new Set(["r"]), NOON + 5)).toEqual([])
  })
})

describe("a clock that was ahead", () => {
  it("and is set right keeps nothing from being told that fires then, nor from being repeated", () => {
    const alerts = book()
    alerts.fired(about("a", { receivedMs: NOON + 10 * DAY_MS }))
    expect(said(alerts.advance(NOON + 10 * DAY_MS + waitMs))).toEqual(["firing, first, a firing"])
    alerts.fired(about("b", { receivedMs: NOON }))
    expect(said(alerts.advance(NOON + waitMs))).toEqual(["firing, new, b firing, a firing"])
    const other = book()
    other.fired(about("a", { receivedMs: NOON + 10 * DAY_MS }))
    other.advance(NOON + 10 * DAY_MS + waitMs)
    expect(said(other.advance(NOON))).toEqual(["firing, repeat, a firing"])
    expect(said(other.advance(NOON + intervalMs))).toEqual([])
    expect(said(other.advance(NOON + repeatMs))).toEqual(["firing, repeat, a firing"])
  })
})

describe("a group", () => {
  it("waits for the rest of a burst, and is told once", () => {
    const alerts = book()
    alerts.fired(about("a"))
    alerts.fired(about("b", { receivedMs: NOON + waitMs - 1 }))
    expect(alerts.dueMs).toBe(NOON + waitMs)
    expect(alerts.advance(NOON + waitMs - 1)).toEqual([])
    const [told, ...others] = alerts.advance(NOON + waitMs)
    expect(others).toEqual([])
    expect(told).toMatchObject({
      sink: "slack",
      status: "firing",
      reason: "first",
      groupLabels: { rule: "r" },
      firing: 2,
      resolved: 0,
      leftOut: 0,
      atMs: NOON + waitMs,
    })
    expect(alerts.advance(NOON + waitMs + intervalMs)).toEqual([])
  })

  it("is told of new alerts, and of those that are over, an interval later", () => {
    const alerts = book()
    alerts.fired(about("a"))
    const start = NOON + waitMs
    alerts.advance(start)
    alerts.fired(about("b", { receivedMs: start + 1, timestampMs: start + 1 }))
    expect(alerts.advance(start + intervalMs - 1)).toEqual([])
    expect(said(alerts.advance(start + intervalMs))).toEqual(["firing, new, b firing, a firing"])
    alerts.fired(over("a", start + intervalMs + 1))
    expect(said(alerts.advance(start + 2 * intervalMs))).toEqual([
      "firing, some-resolved, b firing, a resolved",
    ])
    alerts.fired(over("b", start + 2 * intervalMs + 1))
    expect(said(alerts.advance(start + 3 * intervalMs))).toEqual(["resolved, all-resolved, b resolved"])
    expect(alerts.size).toEqual({ alerts: 0, groups: 0, silences: 0 })
    expect(alerts.dueMs).toBe(Number.POSITIVE_INFINITY)
  })

  it("is told nothing of what came and went meanwhile", () => {
    const alerts = book()
    alerts.fired(about("a"))
    alerts.fired(over("a", NOON + 1))
    expect(alerts.advance(NOON + repeatMs)).toEqual([])
    expect(alerts.size.groups).toBe(0)
  })

  it("is told nothing of an alert that was over for a moment", () => {
    const alerts = book()
    const opened = alerts.fired(about("a"))
    alerts.advance(NOON + waitMs)
    alerts.fired(over("a", NOON + 2_000))
    const again = alerts.fired(about("a", { receivedMs: NOON + 3_000, leaves: [200] }))
    expect(again).toMatchObject({ kind: "again", alert: { id: opened?.alert.id, state: "firing" } })
    expect(again?.alert).not.toHaveProperty("endsMs")
    expect(alerts.advance(NOON + waitMs + intervalMs)).toEqual([])
  })

  it("takes an alert back that it had let go as over, while another group had not", () => {
    const chat: AlertRoute = { ...ALL, to: ["chat"], continue: true, intervalMs: 60_000 }
    const alerts = book(settings([chat, ALL]))
    alerts.fired(about("a"))
    alerts.advance(NOON + waitMs)
    alerts.fired(over("a", NOON + 2_000))
    const toChat = NOON + waitMs + 60_000
    expect(alerts.advance(toChat)).toMatchObject([{ sink: "chat", status: "resolved" }])
    alerts.fired(about("a", { receivedMs: toChat, leaves: [200] }))
    expect(alerts.advance(toChat + waitMs)).toMatchObject([{ sink: "chat", status: "firing" }])
    expect(alerts.advance(NOON + waitMs + intervalMs)).toEqual([])
  })

  it("is told again when an alert becomes more severe", () => {
    const alerts = book()
    alerts.fired(about("a", { severity: "low" }))
    alerts.advance(NOON + waitMs)
    alerts.fired(about("a", { severity: "critical", leaves: [101] }))
    expect(alerts.advance(NOON + waitMs + intervalMs)).toMatchObject([
      { reason: "new", alerts: [{ severity: "critical" }] },
    ])
  })

  it("is repeated when nothing has changed for long, and not before", () => {
    const alerts = book()
    alerts.fired(about("a"))
    let nowMs = NOON + waitMs
    const start = nowMs
    alerts.advance(nowMs)
    const repeated: number[] = []
    for (; nowMs <= start + 2 * repeatMs; nowMs += 60_000) {
      for (const { reason } of alerts.advance(nowMs)) {
        expect(reason).toBe("repeat")
        repeated.push(nowMs - start)
      }
    }
    expect(repeated).toEqual([repeatMs, 2 * repeatMs])
  })

  it("has one dedup key for its life and another id for each notification, and new ones for its next life", () => {
    const alerts = book()
    let nowMs = NOON
    const live = (leaf: number) => {
      alerts.fired(about("a", { leaves: [leaf], receivedMs: nowMs }))
      const opened = alerts.advance(nowMs + waitMs)
      alerts.fired(over("a", nowMs + waitMs + 1))
      nowMs += waitMs + intervalMs
      return [...opened, ...alerts.advance(nowMs)]
    }
    const [first, second, third, fourth] = [...live(1), ...live(2)]
    expect([first?.status, second?.status, third?.status, fourth?.status]).toEqual([
      "firing",
      "resolved",
      "firing",
      "resolved",
    ])
    expect(first?.dedupKey).toBe(second?.dedupKey)
    expect(third?.dedupKey).toBe(fourth?.dedupKey)
    expect(third?.dedupKey).not.toBe(first?.dedupKey)
    expect(third?.groupKey).toBe(first?.groupKey)
    expect(new Set([first, second, third, fourth].map((each) => each?.id)).size).toBe(4)
  })

  it("lists what is new first, then the severe, then the latest, and says how many it leaves out", () => {
    const alerts = book()
    const told = NOON + waitMs
    alerts.fired(about("told", { severity: "critical" }))
    alerts.advance(told)
    for (let i = 0; i < 60; i++) alerts.fired(about(`n${i}`, { severity: "low", timestampMs: NOON + i }))
    alerts.fired(about("worst", { severity: "high" }))
    const [notification] = alerts.advance(told + intervalMs)
    expect(notification?.alerts.map(({ labels }) => labels.ip_address)).toEqual([
      "worst",
      ...Array.from({ length: 49 }, (_, i) => `n${59 - i}`),
    ])
    expect(notification).toMatchObject({ firing: 62, leftOut: 12 })
  })

  it("of a route that is gone takes nothing new, repeats nothing, and tells what is over", () => {
    const alerts = book()
    alerts.fired(about("a"))
    alerts.advance(NOON + waitMs)
    const other = { ...ALL, matchers: [parseMatcher("rule = s")] }
    alerts.setSettings(settings([other]), NOON + waitMs)
    alerts.fired(about("b", { receivedMs: NOON + waitMs }))
    alerts.fired(about("a", { receivedMs: NOON + waitMs, severity: "critical" }))
    expect(alerts.advance(NOON + 2 * repeatMs)).toEqual([])
    alerts.fired(over("a", NOON + 2 * repeatMs))
    expect(said(alerts.advance(NOON + 3 * repeatMs))).toEqual(["resolved, all-resolved, a resolved"])
  })

  it("goes on when routes are added, and what fires is told to whoever is new", () => {
    const alerts = book()
    alerts.fired(about("a"))
    alerts.advance(NOON + waitMs)
    const added: AlertRoute = { ...ALL, to: ["mail"], continue: true }
    alerts.setSettings(settings([added, ALL]), NOON + 10_000)
    expect(alerts.advance(NOON + 10_000 + waitMs)).toMatchObject([{ sink: "mail", reason: "first" }])
    alerts.setSettings(settings([ALL]), NOON + 20_000)
    expect(alerts.size.groups).toBe(1)
    alerts.fired(over("a", NOON + 20_000))
    expect(alerts.advance(NOON + waitMs + intervalMs)).toMatchObject([{ sink: "slack", status: "resolved" }])
    expect(alerts.size).toMatchObject({ alerts: 0, groups: 0 })
  })
})

describe("an acknowledged group", () => {
  it("says so at once, is not repeated, and is told of what is new and what is over", () => {
    const alerts = book()
    const id = alerts.fired(about("a"))?.alert.id as string
    const start = NOON + waitMs
    alerts.advance(start)
    const acknowledged = { atMs: start + 1, by: "key_1", note: "mine" }
    expect(alerts.acknowledge(id, acknowledged)).toMatchObject({ acknowledged })
    expect(alerts.acknowledge(id, { ...acknowledged, by: "key_2" })).toMatchObject({ acknowledged })
    expect(said(alerts.advance(start + 1))).toEqual(["acknowledged, acknowledged, a firing"])
    for (let nowMs = start + 2; nowMs < start + 3 * repeatMs; nowMs += intervalMs) {
      expect(alerts.advance(nowMs)).toEqual([])
    }
    const late = start + 3 * repeatMs
    alerts.fired(about("b", { receivedMs: late }))
    expect(said(alerts.advance(late + intervalMs))).toEqual(["firing, new, b firing, a firing"])
    expect(alerts.advance(late + intervalMs + repeatMs)).toMatchObject([{ reason: "repeat" }])
    alerts.fired(over("a", late + 2 * repeatMs))
    alerts.fired(over("b", late + 2 * repeatMs))
    expect(alerts.advance(late + 3 * repeatMs)).toMatchObject([{ status: "resolved", resolved: 2 }])
  })

  it("was told that it fires before it is told that somebody cares", () => {
    const alerts = book()
    const id = alerts.fired(about("a"))?.alert.id as string
    alerts.acknowledge(id, { atMs: NOON + 1, by: "key_1", note: "" })
    const told = alerts.advance(NOON + 1)
    expect(said(told)).toEqual(["firing, first, a firing", "acknowledged, acknowledged, a firing"])
    expect(told[0]?.dedupKey).toBe(told[1]?.dedupKey)
    expect(told[0]?.id).not.toBe(told[1]?.id)
  })

  it("takes an acknowledgement of nothing that is over or unknown", () => {
    const alerts = book()
    const id = alerts.fired(about("a"))?.alert.id as string
    alerts.fired(over("a", NOON))
    const ack = { atMs: NOON, by: "key_1", note: "" }
    expect(alerts.acknowledge(id, ack)).toBeUndefined()
    expect(alerts.acknowledge("alert_0000000000000000", ack)).toBeUndefined()
  })
})

describe("a silence", () => {
  const silence = (id: string, startsMs: number, endsMs: number, match = "ip_address = a") => ({
    id,
    matchers: [parseMatcher(match)],
    startsMs,
    endsMs,
    by: "key_1",
    why: "planned work",
  })

  it("keeps what it matches from being told until it ends", () => {
    const alerts = book()
    alerts.addSilence(silence("s", NOON, NOON + intervalMs))
    alerts.fired(about("a"))
    const [alert] = alerts.alerts()
    expect(alert && alerts.mutedBy(alert, NOON)).toEqual({ silences: ["s"] })
    expect(alerts.advance(NOON + waitMs)).toEqual([])
    expect(said(alerts.advance(NOON + waitMs + intervalMs))).toEqual(["firing, first, a firing"])
  })

  it("mutes from its start to just before its end, and not what it does not match", () => {
    const alerts = book()
    alerts.addSilence(silence("s", NOON + 10, NOON + 20))
    alerts.fired(about("a"))
    const [alert] = alerts.alerts()
    if (alert === undefined) throw new Error("no alert")
    const mutedAt = [9, 10, 19, 20].map((ms) => alerts.mutedBy(alert, NOON + ms).silences.length)
    expect(mutedAt).toEqual([0, 1, 1, 0])
    alerts.addSilence(silence("t", NOON, NOON + 99, "ip_address = b"))
    expect(alerts.mutedBy(alert, NOON).silences).toEqual([])
  })

  it("stops repeats, and lets it be told that something is over", () => {
    const alerts = book()
    alerts.fired(about("a"))
    alerts.advance(NOON + waitMs)
    alerts.addSilence(silence("s", NOON, NOON + 10 * repeatMs))
    expect(alerts.advance(NOON + 2 * repeatMs)).toEqual([])
    alerts.fired(over("a", NOON + 2 * repeatMs))
    expect(said(alerts.advance(NOON + 3 * repeatMs))).toEqual(["resolved, all-resolved, a resolved"])
  })

  it("does not keep other alerts of the group from being told", () => {
    const alerts = book()
    alerts.addSilence(silence("s", NOON, NOON + repeatMs))
    alerts.fired(about("a"))
    alerts.fired(about("b"))
    expect(said(alerts.advance(NOON + waitMs))).toEqual(["firing, first, b firing"])
  })

  it("can be ended before its time, and is known for five more days", () => {
    const alerts = book()
    alerts.addSilence(silence("s", NOON, NOON + repeatMs))
    expect(alerts.endSilence("s", NOON + 5)).toMatchObject({ id: "s", endsMs: NOON + 5 })
    expect(alerts.endSilence("s", NOON + 6)).toBeUndefined()
    expect(alerts.endSilence("other", NOON)).toBeUndefined()
    alerts.advance(NOON + 5 + 5 * 86_400_000 - 1)
    expect([...alerts.silences()]).toHaveLength(1)
    alerts.advance(NOON + 5 + 5 * 86_400_000)
    expect([...alerts.silences()]).toHaveLength(0)
  })

  it("is refused when there are a thousand", () => {
    const alerts = book()
    for (let i = 0; i < 1_000; i++) expect(alerts.addSilence(silence(`s${i}`, NOON, NOON + 1))).toBe(true)
    expect(alerts.addSilence(silence("one more", NOON, NOON + 1))).toBe(false)
    expect(alerts.addSilence(silence("s1", NOON, NOON + 2))).toBe(true)
  })
})

it("an inhibited alert is not told while the other one fires", () => {
  const inhibit = [{ source: [parseMatcher("rule = s")], target: [parseMatcher("rule = r")], equal: [] }]
  const alerts = book(settings([ALL], inhibit))
  const source = alerts.fired(about("a", { rule: ruleHead("s") }))?.alert.id
  alerts.fired(about("a"))
  const target = [...alerts.alerts()].find(({ rule }) => rule.id === "r")
  expect(target && alerts.mutedBy(target, NOON)).toEqual({ silences: [], alert: source })
  expect(alerts.advance(NOON + waitMs)).toMatchObject([{ groupLabels: { rule: "s" } }])
  alerts.fired(over("a", NOON + 2_000))
  alerts.fired({ ...over("a", NOON + 2_000), rule: ruleHead("s") })
  alerts.fired(about("a", { receivedMs: NOON + 3_000 }))
  expect(
    alerts.advance(NOON + waitMs + intervalMs).map(({ groupLabels, status }) => [groupLabels.rule, status]),
  ).toEqual(
    expect.arrayContaining([
      ["s", "resolved"],
      ["r", "firing"],
    ]),
  )
})

it("an alert that becomes more severe inhibits what it does then, and no more what it did", () => {
  const inhibit = [
    { source: [parseMatcher("severity = low")], target: [parseMatcher("rule = x")], equal: [] },
    { source: [parseMatcher("severity = high")], target: [parseMatcher("rule = y")], equal: [] },
  ]
  const alerts = book(settings([ALL], inhibit))
  const inhibited = () =>
    ["x", "y"].filter((id) => {
      const target = [...alerts.alerts()].find(({ rule }) => rule.id === id)
      return target !== undefined && alerts.mutedBy(target, NOON).alert !== undefined
    })
  for (const id of ["x", "y"]) alerts.fired(about("a", { rule: ruleHead(id), severity: "info" }))
  alerts.fired(about("a", { severity: "low" }))
  expect(inhibited()).toEqual(["x"])
  alerts.fired(about("a", { severity: "high" }))
  expect(inhibited()).toEqual(["y"])
  alerts.fired(over("a", NOON))
  expect(inhibited()).toEqual([])
})

describe("bounds", () => {
  it("cut labels and details, counted, and tell alerts apart by the whole", () => {
    const alerts = book()
    const long = "x".repeat(10_000)
    const labels = Object.fromEntries(
      Array.from({ length: 30 }, (_, i) => [`l${String(i).padStart(2, "0")}`, "v"]),
    )
    const first = alerts.fired(about("a", { labels: { a: `${long}1` } }))
    const second = alerts.fired(about("a", { labels: { a: `${long}2` } }))
    expect(first?.alert.fingerprint).not.toBe(second?.alert.fingerprint)
    expect(first?.alert.labels.a).toHaveLength(256)
    expect(first?.alert.labels.a).toMatch(/x…$/)
    expect(alerts.counts.valuesCut).toBe(2)
    alerts.fired(about("a", { labels, details: { d: "😀".repeat(500) } }))
    const third = [...alerts.alerts()].at(-1)
    expect(Object.keys(third?.labels ?? {})).toHaveLength(16)
    expect(third?.details.d).toBe(`${"😀".repeat(127)}…`)
    expect(alerts.counts.valuesCut).toBe(2 + 14 + 1)
  })

  it("take no alert more than they say, but for a more severe one the oldest of the least severe goes", () => {
    const alerts = book(settings(), { alerts: 3 })
    const fire = (address: string, severity: Severity, timestampMs = NOON) =>
      alerts.fired(about(address, { severity, timestampMs }))?.kind
    const addresses = () => [...alerts.alerts()].map(({ labels }) => labels.ip_address).sort()
    fire("a", "medium", NOON + 2)
    fire("b", "low", NOON + 1)
    fire("c", "low", NOON)
    expect(fire("d", "low")).toBeUndefined()
    expect(fire("a", "low")).toBe("again")
    expect(alerts.counts.alertsDropped).toBe(1)
    expect(fire("e", "high")).toBe("opened")
    expect(addresses()).toEqual(["a", "b", "e"])
    expect(fire("f", "high")).toBe("opened")
    expect(fire("g", "critical")).toBe("opened")
    expect(fire("h", "high")).toBeUndefined()
    expect(addresses()).toEqual(["e", "f", "g"])
    expect(alerts.counts.alertsDropped).toBe(5)
  })

  it("tell which alert that fired had to go, so that nobody takes it for one that fires", () => {
    const alerts = book(settings(), { alerts: 1 })
    const gone = alerts.fired(about("a", { severity: "low" }))?.alert
    const change = alerts.fired(about("b", { severity: "high", receivedMs: NOON + 5 }))
    expect(change?.wentForIt).toEqual({ ...gone, state: "resolved", endsMs: NOON + 5 })
    alerts.advance(NOON + 5 + waitMs)
    alerts.fired(over("b", NOON + 9))
    expect(alerts.fired(about("c", { severity: "critical" }))).not.toHaveProperty("wentForIt")
  })

  it("tell those who knew of an alert that had to go that it is over", () => {
    const alerts = book(settings(), { alerts: 1 })
    alerts.fired(about("a", { severity: "low" }))
    alerts.advance(NOON + waitMs)
    alerts.fired(about("z", { severity: "high", rule: ruleHead("z") }))
    const told = alerts.advance(NOON + waitMs + intervalMs)
    expect(told.map(({ groupLabels, status }) => [groupLabels.rule, status])).toEqual(
      expect.arrayContaining([
        ["r", "resolved"],
        ["z", "firing"],
      ]),
    )
    const [gone] = told.filter(({ status }) => status === "resolved")
    expect(gone).toMatchObject({ alerts: [], resolved: 1, leftOut: 1 })
    expect(alerts.size.groups).toBe(1)
  })

  it("make no group more than they say, and count it", () => {
    const each: AlertRoute = { ...ALL, groupBy: "all" }
    const alerts = book(settings([each]), { groups: 2 })
    for (const address of ["a", "b", "c"]) alerts.fired(about(address))
    expect(alerts.size).toMatchObject({ alerts: 3, groups: 2 })
    expect(alerts.counts.groupsDropped).toBe(1)
  })
})

describe("after an erasure", () => {
  it("nothing names the person any more, and whoever was told hears that it is over", () => {
    const alerts = book(settings([{ ...ALL, groupBy: ["rule", "user_id"] }]))
    alerts.fired(firing({ rule: ruleHead("r"), labels: { user_id: "ada@example.com" }, leaves: [1] }))
    alerts.fired(
      firing({ rule: ruleHead("s"), labels: { user_id: "bob" }, details: { seen: "as ada@example.com." } }),
    )
    const kept = alerts.fired(firing({ rule: ruleHead("t"), labels: { user_id: "xada@example.com" } }))?.alert
      .id
    alerts.addSilence({
      id: "s1",
      matchers: [parseMatcher("user_id = ada@example.com")],
      startsMs: NOON,
      endsMs: NOON + 1,
      by: "key_1",
      why: "",
    })
    alerts.advance(NOON + waitMs)
    const rows = new Map<string, string>()
    const keepRows = () =>
      alerts.takeChanges(
        (key, value) => void rows.set(key, value),
        (key) => void rows.delete(key),
      )
    keepRows()
    expect(alerts.forget(new Set(["ada@example.com"]), new Set())).toHaveLength(2)
    keepRows()
    expect([...alerts.alerts()].map(({ id }) => id)).toEqual([kept])
    expect([...rows.values()].join("\n").replaceAll("xada@", "")).not.toContain("ada@example.com")
    expect([...alerts.silences()]).toEqual([])
    const told = alerts.advance(NOON + waitMs + intervalMs)
    expect(told.map(({ status, alerts }) => [status, alerts.length])).toEqual([
      ["resolved", 0],
      ["resolved", 0],
    ])
    expect(JSON.stringify(told)).not.toContain("ada@example.com")
    expect(alerts.size.groups).toBe(1)
  })

  it("alerts on destroyed leaves are forgotten, whatever they say", () => {
    const alerts = book()
    alerts.fired(about("a", { leaves: [1, 2] }))
    alerts.fired(about("b", { leaves: [3] }))
    expect(alerts.forget(new Set(), new Set([2]))).toHaveLength(1)
    expect([...alerts.alerts()].map(({ labels }) => labels.ip_address)).toEqual(["b"])
    expect(alerts.advance(NOON + waitMs)).toMatchObject([{ alerts: [{ labels: { ip_address: "b" } }] }])
  })
})

describe("a kept row", () => {
  it("is handed out once for each change", () => {
    const alerts = book()
    alerts.fired(about("a"))
    const taken = () => {
      const keys: string[] = []
      alerts.takeChanges(
        (key) => void keys.push(`keep ${key}`),
        (key) => void keys.push(`remove ${key}`),
      )
      return keys.map((key) => key.replace(/[0-9a-f]{16,}/, "…")).sort()
    }
    expect(taken()).toEqual(["keep alert/alert_…", "keep group/…"])
    expect(taken()).toEqual([])
    alerts.fired(over("a", NOON))
    alerts.advance(NOON + waitMs)
    expect(taken()).toEqual(["remove alert/alert_…", "remove group/…"])
  })

  it.each([
    ["of another room", "window/1", "{}"],
    ["that is cut short", "alert/alert_1", '{"alert":'],
    ["of an alert that is none", "alert/alert_1", "{}"],
    [
      "of an alert under another key",
      "alert/alert_2",
      '{"alert":{"id":"alert_1","fingerprint":""},"places":[]}',
    ],
    ["of a group that is none", "group/abc", '{"key":"abc"}'],
    ["of a silence that is none", "silence/s", '{"id":"s","matchers":[]}'],
  ])("%s is refused", (_, key, value) => {
    expect(() => book().restore(key, value)).toThrowError(
      expect.objectContaining({ code: "ALERTS_BAD_STATE" }),
    )
  })
})
