import { expect, it } from "vitest"
import { type AlertRoute, AlertRoutes, groupLabels, ROUTE_DEFAULTS } from "./alert-routes.js"
import { parseMatcher } from "./matchers.js"

function route(to: string[], match: string[] = [], more: Partial<AlertRoute> = {}): AlertRoute {
  const matchers = match.map(parseMatcher)
  return { matchers, to, continue: false, ...ROUTE_DEFAULTS, routes: [], ...more }
}

function sinksOf(routes: AlertRoute[], labels: Record<string, string>): string[] {
  return new AlertRoutes(routes).lanesOf(labels).map(({ sink }) => sink)
}

const high = ["severity = high"]

it.each<readonly [string, AlertRoute[], Record<string, string>, string[]]>([
  ["the first that matches takes", [route(["a"], high), route(["b"])], { severity: "high" }, ["a"]],
  ["what does not match goes on", [route(["a"], high), route(["b"])], { severity: "low" }, ["b"]],
  ["what nobody takes goes nowhere", [route(["a"], high)], { severity: "low" }, []],
  [
    "continue lets the next ones take",
    [route(["a"], high, { continue: true }), route(["b"])],
    { severity: "high" },
    ["a", "b"],
  ],
  [
    "continue ends at the first without",
    [route(["a"], [], { continue: true }), route(["b"]), route(["c"])],
    {},
    ["a", "b"],
  ],
  ["several sinks are all told", [route(["a", "b"])], {}, ["a", "b"]],
  [
    "its own routes take instead",
    [route(["a"], [], { routes: [route(["b"], high)] })],
    { severity: "high" },
    ["b"],
  ],
  ["or it takes itself", [route(["a"], [], { routes: [route(["b"], high)] })], { severity: "low" }, ["a"]],
  [
    "a taken alert does not come back up",
    [route(["a"], [], { routes: [route(["b"], high)] }), route(["c"])],
    { severity: "high" },
    ["b"],
  ],
  [
    "own routes continue among themselves only",
    [route(["a"], [], { routes: [route(["b"], [], { continue: true }), route(["c"])] }), route(["d"])],
    {},
    ["b", "c"],
  ],
  ["one lane is taken once", [route(["a"], [], { continue: true }), route(["a"])], {}, ["a"]],
])("%s", (_, routes, labels, expected) => {
  expect(sinksOf(routes, labels)).toEqual(expected)
})

it("keeps the keys of lanes when routes are added, moved and timed anew", () => {
  const before = new AlertRoutes([route(["a"], high), route(["b"])])
  const moved = route(["a"], high, { waitMs: 5, intervalMs: 6, repeatMs: 7, continue: true })
  const after = new AlertRoutes([route(["new"], ["rule = x"]), moved, route(["b"])])
  const keysOf = (routes: AlertRoutes, severity: string) => routes.lanesOf({ severity }).map(({ key }) => key)
  expect(keysOf(after, "high")).toEqual([...keysOf(before, "high"), ...keysOf(before, "low")])
  expect(after.lane(keysOf(before, "high")[0] as string)?.route.waitMs).toBe(5)
  expect(new AlertRoutes([]).lane(keysOf(before, "high")[0] as string)).toBeUndefined()
})

it("groups by the labels that it names, or by all", () => {
  const labels = { rule: "scan", severity: "high", ip_address: "203.0.113.7" }
  const lanes = new AlertRoutes([
    route(["a"], [], { continue: true, groupBy: ["rule", "service"] }),
    route(["b"], [], { continue: true, groupBy: [] }),
    route(["c"], [], { groupBy: "all" }),
  ]).lanesOf(labels)
  expect(lanes.map((lane) => groupLabels(lane, labels))).toEqual([
    { rule: "scan", service: "" },
    {},
    { rule: "scan", ip_address: "203.0.113.7" },
  ])
})
