/**
 * Routes: who is told of which alerts, and how they are put together.
 *
 *     routes:
 *       - { match: [severity =~ "high|critical"], to: [on-call], continue: true }     takes, and lets the next ones take
 *       - match: [rule = source-silent]                                               the first that matches takes
 *         to: [operations]
 *         routes: [{ match: [service = billing], to: [billing] }]                     instead of its own sinks
 *
 * An alert goes down the list: the first route that matches takes it, and those after it only if it says `continue`. Of a
 * route's own routes the same holds; if none of them takes the alert, the route itself does. What no route takes, nobody is
 * told of. What a route leaves open it has from the route above it.
 *
 * A lane is one sink of one route. Its key follows from sink, matchers and grouping, and not from its place in the
 * list: groups live on when routes are added or moved.
 *
 * Spec: prometheus.io/docs/alerting/latest/configuration, "route". Pure.
 */

import { labelOf, type Matcher, matchAll } from "./matchers.js"

export interface AlertRoute {
  /** All must match. None: every alert is taken. */
  readonly matchers: readonly Matcher[]
  /** Names of sinks. */
  readonly to: readonly string[]
  readonly continue: boolean
  /** Labels whose values alerts of one group share; `all` of them, and the rule: every alert is a group. */
  readonly groupBy: readonly string[] | "all"
  /** From a group's first alert to its first notification: ms. */
  readonly waitMs: number
  /** From one notification of a group to the next, if anything has changed. */
  readonly intervalMs: number
  /** … if nothing has. */
  readonly repeatMs: number
  readonly routes: readonly AlertRoute[]
}

export const ROUTE_DEFAULTS = {
  groupBy: ["rule"],
  // "Within seconds": nothing else is waited for than the rest of one burst.
  waitMs: 1_000,
  intervalMs: 5 * 60_000,
  repeatMs: 4 * 3_600_000,
} as const

/** One sink of one route. */
export interface Lane {
  /** The same for the same sink, matchers and grouping. */
  readonly key: string
  readonly sink: string
  readonly route: AlertRoute
}

interface Node {
  readonly route: AlertRoute
  readonly lanes: readonly Lane[]
  readonly below: readonly Node[]
}

export class AlertRoutes {
  readonly #nodes: readonly Node[]
  readonly #lanes = new Map<string, Lane>()

  constructor(routes: readonly AlertRoute[]) {
    this.#nodes = routes.map((route) => this.#node(route, []))
  }

  /** Returns the lane of a key, if a route still has it. */
  lane(key: string): Lane | undefined {
    return this.#lanes.get(key)
  }

  /** Returns the lanes of an alert, each once. */
  lanesOf(labels: Readonly<Record<string, string>>): readonly Lane[] {
    const lanes = new Map<string, Lane>()
    take(this.#nodes, labels, lanes)
    return [...lanes.values()]
  }

  #node(route: AlertRoute, above: readonly (readonly string[])[]): Node {
    const path = [...above, route.matchers.map(({ text }) => text)]
    const lanes = route.to.map((sink): Lane => {
      const key = JSON.stringify([sink, path, route.groupBy])
      const lane = this.#lanes.get(key) ?? { key, sink, route }
      this.#lanes.set(key, lane)
      return lane
    })
    return { route, lanes, below: route.routes.map((each) => this.#node(each, path)) }
  }
}

/** Whether any of them took it. */
function take(
  nodes: readonly Node[],
  labels: Readonly<Record<string, string>>,
  lanes: Map<string, Lane>,
): boolean {
  let taken = false
  for (const { route, lanes: own, below } of nodes) {
    if (!matchAll(route.matchers, labels)) continue
    taken = true
    if (!take(below, labels, lanes)) for (const lane of own) lanes.set(lane.key, lane)
    if (!route.continue) break
  }
  return taken
}

/** Returns the labels by which a lane tells groups apart. */
export function groupLabels(
  { route: { groupBy } }: Lane,
  labels: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  if (groupBy === "all") {
    // An alert that becomes more severe stays the group that it is.
    const { severity: _, ...others } = labels
    return others
  }
  return Object.fromEntries(groupBy.map((name) => [name, labelOf(labels, name)]))
}
