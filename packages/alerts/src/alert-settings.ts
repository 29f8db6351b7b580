/**
 * The settings of alerts: `alerts.yaml`.
 *
 *     shipped: true              the rules that come with the log: all, none, or { without: [rule ids] }
 *     rules: rules               folder of the log's own rules
 *     tolerance: 10m             how late events may come to be counted
 *     history_after: 24h         what is older than this when it comes never fires
 *     external_url: https://…    of this log, for links in messages
 *     sinks: { … }               sink-settings.ts
 *     routes: [ … ]              alert-routes.ts
 *     inhibit: [ … ]             inhibition.ts
 *
 * All of it may be left out: then the rules are evaluated and nobody is told. What is wrong is refused with file, line
 * and column; nothing is guessed.
 *
 * Pure.
 */

import { SettingsError } from "@prooflog/settings/error"
import { parseYaml } from "@prooflog/settings/parse-yaml"
import type { YamlValue } from "@prooflog/settings/yaml-value"
import { type AlertRoute, ROUTE_DEFAULTS } from "./alert-routes.js"
import { AlertsError } from "./error.js"
import type { InhibitRule } from "./inhibition.js"
import { type Matcher, parseMatcher } from "./matchers.js"
import { readSinks, type SinkSettings } from "./sink-settings.js"

export interface AlertSettings {
  readonly shipped: {
    readonly on: boolean
    /** Ids of shipped rules that are off all the same. */
    readonly without: readonly string[]
  }
  /** Folder of rule files, as written: relative to the settings. */
  readonly rules: string
  readonly toleranceMs: number
  readonly historyAfterMs: number
  /** Ends in `/`. */
  readonly externalUrl?: string
  /** By name. */
  readonly sinks: ReadonlyMap<string, SinkSettings>
  /** Every sink that they name is one of `sinks`. */
  readonly routes: readonly AlertRoute[]
  readonly inhibit: readonly InhibitRule[]
}

const DEFAULTS = {
  rules: "rules",
  toleranceMs: 10 * 60_000,
  historyAfterMs: 24 * 3_600_000,
} as const

/** Most routes, whatever they are in; most inhibitions; most matchers and labels of one of them. */
const MAX_ROUTES = 200
const MAX_INHIBIT = 100
const MAX_LIST = 20

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/**
 * Reads settings.
 *
 * @param file - what it is called in messages
 * @throws {@link AlertsError} `ALERTS_BAD_SETTINGS`, with line and column
 */
export function parseAlertSettings(text: string, file = "alerts.yaml"): AlertSettings {
  try {
    const root = parseYaml(text, file)
    return root.kind === "none" ? readSettings(parseYaml("{}", file)) : readSettings(root)
  } catch (cause) {
    if (!(cause instanceof SettingsError)) throw cause
    const { line, column } = cause
    throw new AlertsError("ALERTS_BAD_SETTINGS", cause.message, { cause, line, column })
  }
}

function readSettings(root: YamlValue): AlertSettings {
  const { shipped, rules, tolerance, history_after, external_url, sinks, routes, inhibit } = root.members({
    optional: [
      "shipped",
      "rules",
      "tolerance",
      "history_after",
      "external_url",
      "sinks",
      "routes",
      "inhibit",
    ],
  })
  const known = sinks === undefined ? new Map<string, SinkSettings>() : readSinks(sinks)
  return {
    shipped: readShipped(shipped),
    rules: rules?.text({ max: 1_000 }) ?? DEFAULTS.rules,
    toleranceMs: tolerance?.durationMs({ maxMs: DAY }) ?? DEFAULTS.toleranceMs,
    historyAfterMs: history_after?.durationMs({ minMs: MINUTE, maxMs: 365 * DAY }) ?? DEFAULTS.historyAfterMs,
    ...(external_url && { externalUrl: readExternalUrl(external_url) }),
    sinks: known,
    routes: routes === undefined ? [] : new RouteReader(known).read(routes),
    inhibit: inhibit === undefined ? [] : readInhibit(inhibit),
  }
}

function readShipped(value: YamlValue | undefined): AlertSettings["shipped"] {
  if (value === undefined) return { on: true, without: [] }
  if (value.kind !== "map") return { on: value.boolean(), without: [] }
  const { without } = value.members({ required: ["without"] })
  return { on: true, without: without.oneOrMore().map((each) => each.text()) }
}

function readExternalUrl(value: YamlValue): string {
  const url = new URL(value.url())
  if (url.username !== "" || url.password !== "") throw value.refuse("expected no credentials")
  if (url.search !== "" || url.hash !== "") throw value.refuse('expected no "?" and no "#"')
  if (url.href.length > 1_000) throw value.refuse("expected at most 1000 characters")
  return url.href.endsWith("/") ? url.href : `${url.href}/`
}

/** What a route has from the one above it. */
type Above = Pick<AlertRoute, "groupBy" | "waitMs" | "intervalMs" | "repeatMs"> &
  Partial<Pick<AlertRoute, "to">>

class RouteReader {
  readonly #sinks: ReadonlyMap<string, SinkSettings>
  #count = 0

  constructor(sinks: ReadonlyMap<string, SinkSettings>) {
    this.#sinks = sinks
  }

  read(list: YamlValue, above: Above = ROUTE_DEFAULTS): readonly AlertRoute[] {
    let takesAll: string | undefined
    return list.list().map((value) => {
      if (takesAll !== undefined) throw value.refuse(`never reached: ${takesAll} takes everything`)
      const route = this.#readRoute(value, above)
      if (route.matchers.length === 0 && !route.continue) takesAll = value.name
      return route
    })
  }

  #readRoute(value: YamlValue, above: Above): AlertRoute {
    if (++this.#count > MAX_ROUTES) throw value.refuse(`more than ${MAX_ROUTES} routes`)
    const members = value.members({
      optional: [
        "match",
        "to",
        "continue",
        "group_by",
        "group_wait",
        "group_interval",
        "repeat_interval",
        "routes",
      ],
    })
    const to = members.to === undefined ? above.to : this.#readTo(members.to)
    if (to === undefined) throw value.refuse("to is missing: names of sinks")
    const own = {
      to,
      groupBy: members.group_by === undefined ? above.groupBy : readGroupBy(members.group_by),
      waitMs: members.group_wait?.durationMs({ maxMs: HOUR }) ?? above.waitMs,
      intervalMs: members.group_interval?.durationMs({ minMs: SECOND, maxMs: DAY }) ?? above.intervalMs,
      repeatMs: members.repeat_interval?.durationMs({ minMs: MINUTE, maxMs: 90 * DAY }) ?? above.repeatMs,
    }
    return {
      ...own,
      matchers: members.match === undefined ? [] : readMatchers(members.match),
      continue: members.continue?.boolean() ?? false,
      routes: members.routes === undefined ? [] : this.read(members.routes, own),
    }
  }

  #readTo(value: YamlValue): readonly string[] {
    const names = value.oneOrMore().map((each) => {
      const name = each.text()
      if (!this.#sinks.has(name)) throw each.refuse(`${JSON.stringify(name)} is none of the sinks`)
      return name
    })
    if (new Set(names).size < names.length) throw value.refuse("a sink is named twice")
    return names
  }
}

function readGroupBy(value: YamlValue): AlertRoute["groupBy"] {
  if (value.kind === "list" && value.list().length === 0) return []
  const names = readLabelNames(value)
  if (names.length === 1 && names[0] === "...") return "all"
  if (names.includes("...")) throw value.refuse('"..." means all labels, and stands alone')
  return names
}

function readInhibit(list: YamlValue): readonly InhibitRule[] {
  const rules = list.list().map((value): InhibitRule => {
    const { source, target, equal } = value.members({ required: ["source", "target"], optional: ["equal"] })
    return {
      source: readMatchers(source),
      target: readMatchers(target),
      equal: equal === undefined ? [] : readLabelNames(equal),
    }
  })
  if (rules.length > MAX_INHIBIT) throw list.refuse(`more than ${MAX_INHIBIT} inhibitions`)
  return rules
}

function readLabelNames(value: YamlValue): readonly string[] {
  const names = value.oneOrMore().map((each) => each.text({ max: 128 }))
  if (names.length > MAX_LIST) throw value.refuse(`more than ${MAX_LIST} labels`)
  if (new Set(names).size < names.length) throw value.refuse("a label is named twice")
  return names
}

function readMatchers(value: YamlValue): readonly Matcher[] {
  const matchers = value.oneOrMore().map((each) => {
    try {
      return parseMatcher(each.text())
    } catch (cause) {
      if (cause instanceof AlertsError) throw each.refuse(cause.message, cause)
      throw cause
    }
  })
  if (matchers.length > MAX_LIST) throw value.refuse(`more than ${MAX_LIST} matchers`)
  return matchers
}
