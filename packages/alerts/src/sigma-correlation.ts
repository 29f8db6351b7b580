/**
 * A Sigma correlation, as it is written, made into a rule.
 *
 *     correlation:
 *       type: event_count                 what is worked out
 *       rules: [failed_login]             of the events that these rules find, or correlations
 *       group-by: [who]                   told apart by these fields
 *       aliases: { who: { failed_login: user_id } }
 *       timespan: 10m
 *       condition: { gte: 10 }
 *
 * Spec: Sigma correlation rules specification 2.1.0.
 * Pure.
 */

import type { YamlValue } from "@prooflog/settings/yaml-value"
import { hexHash } from "./alert.js"
import { Correlation, type CorrelationWindow } from "./correlation.js"
import { placeOf } from "./field-places.js"
import { GroupKey } from "./group-key.js"
import type { RuleBasis } from "./grouped-rule.js"
import type { FieldNames } from "./pattern.js"
import type { FieldSlots, SeenEvent } from "./seen-event.js"
import { HitKey, type HitSource, Hits } from "./sigma-hits.js"
import { COMPARISON_NAMES, type Limits, readLimits } from "./sigma-limits.js"
import { SIGMA_RESOLVE_AFTER_MS, type SigmaHead } from "./sigma-rule.js"
import {
  averageWindow,
  type CorrelatedField,
  countWindow,
  distinctWindow,
  MAX_COUNTED,
  percentileWindow,
  sumWindow,
  temporalWindow,
  type WindowMaking,
} from "./sigma-windows.js"
import type { Lateness } from "./window-rule.js"

/** A rule that a correlation asks for. */
export interface CorrelatedRule extends SigmaHead {
  /** Where its fields are. */
  readonly names: FieldNames
  /** Looks at an event: of each event once. */
  readonly finds: (event: SeenEvent) => boolean
  /** If it is a correlation itself. */
  readonly correlation: Correlation | undefined
}

const TYPES = [
  "event_count",
  "value_count",
  "temporal",
  "temporal_ordered",
  "value_sum",
  "value_avg",
  "value_percentile",
  "value_median",
] as const

type CorrelationType = (typeof TYPES)[number]

/** Most rules of one correlation. */
const MAX_RULES = 20

/** Most fields of one group. */
const MAX_GROUP_BY = 8

const MAX_SPAN_MS = 31 * 86_400_000

/**
 * Returns the members of a document's `correlation`. Others are refused: what is not known here may change what is meant.
 *
 * @throws SettingsError where it is none
 */
export function correlationMembers(document: YamlValue) {
  const value = document.member("correlation")
  if (value === undefined) throw document.refuse("correlation is missing")
  return value.members({
    required: ["type", "rules", "timespan"],
    optional: ["group-by", "condition", "aliases", "generate"],
  })
}

export type CorrelationMembers = ReturnType<typeof correlationMembers>

export interface CorrelationMaking {
  readonly slots: FieldSlots
  readonly lateness: Lateness
  /** Whether another correlation asks for it: then what it fires about is over with its own window. */
  readonly isInner: boolean
}

/**
 * Compiles a correlation.
 *
 * @param rules - those that it asks for, in their order
 * @throws SettingsError where it is none that is evaluated here
 */
export function compileCorrelation(
  { head }: SigmaHead,
  members: CorrelationMembers,
  rules: readonly CorrelatedRule[],
  { slots, lateness, isInner }: CorrelationMaking,
): Correlation {
  if (rules.length > MAX_RULES) throw members.rules.refuse(`more than ${MAX_RULES} rules`)
  const type = members.type.oneOf(TYPES)
  const overMs = members.timespan.durationMs({ minMs: 1_000, maxMs: MAX_SPAN_MS })
  const fields = new CorrelatedFields(members, rules, slots)
  const group = readGroup(members["group-by"], fields)
  const labels = [...group.keys()]
  const sources = rules.map(({ finds }, place): HitSource => {
    const named = { slotOf: (label: string) => group.get(label)?.slots[place] ?? 0 }
    return { look: finds, key: new GroupKey(labels, named) }
  })
  const hits = new Hits(sources)
  const grouped = [...group.values()].map((field) => field.slots.map((slot) => slots.names()[slot]))
  const meaning = hexHash([type, overMs, labels, grouped, rules.map((rule) => rule.head.version)])
  const basis: RuleBasis = {
    head,
    seesOwn: false,
    stateId: `${head.id}.${meaning.slice(0, 16)}`,
    where: () => true,
    group: new HitKey(labels, hits),
    resolveAfterMs: isInner ? overMs : Math.max(overMs, SIGMA_RESOLVE_AFTER_MS),
  }
  const window = windowOf(type, { basis, hits, overMs, ...lateness }, members, fields)
  const inner = rules.flatMap(({ correlation }) => (correlation === undefined ? [] : [correlation]))
  return new Correlation(window, hits, inner)
}

function windowOf(
  type: CorrelationType,
  making: WindowMaking,
  { condition, rules, type: place }: CorrelationMembers,
  fields: CorrelatedFields,
): CorrelationWindow {
  if (type === "temporal" || type === "temporal_ordered") {
    const all = rules.oneOrMore().length
    const atLeast = condition === undefined ? all : rulesAsked(condition, all, type === "temporal_ordered")
    return temporalWindow(making, all, atLeast, type === "temporal_ordered")
  }
  if (condition === undefined) throw place.refuse(`${type} needs a condition`)
  const asked = condition.members({ optional: [...COMPARISON_NAMES, "field", "percentile"] })
  const limits = readLimits(asked, condition)
  if (asked.percentile !== undefined && type !== "value_percentile") {
    throw asked.percentile.refuse(`${type} has no percentile`)
  }
  if (type === "event_count") {
    if (asked.field !== undefined) throw asked.field.refuse("events are counted, whatever their fields")
    checkCountable(limits, condition)
    return countWindow(making, limits)
  }
  if (asked.field === undefined) throw condition.refuse(`${type} needs a field`)
  const field = fields.read(asked.field)
  switch (type) {
    case "value_count":
      checkCountable(limits, condition)
      return distinctWindow(making, limits, field)
    case "value_sum":
      return sumWindow(making, limits, field)
    case "value_avg":
      return averageWindow(making, limits, field)
    case "value_median":
      return percentileWindow(making, limits, field, 50)
    case "value_percentile": {
      if (asked.percentile === undefined) {
        throw condition.refuse("which percentile? expected percentile: 1 to 99; a median is percentile: 50")
      }
      return percentileWindow(making, limits, field, asked.percentile.integer({ min: 1, max: 99 }))
    }
  }
}

function checkCountable({ areLower, atLeast }: Limits, place: YamlValue): void {
  if (areLower && atLeast > MAX_COUNTED)
    throw place.refuse(`more than ${MAX_COUNTED} are not counted one by one`)
}

/** A temporal correlation may be about some of its rules. */
function rulesAsked(condition: YamlValue, all: number, isOrdered: boolean): number {
  const limits = readLimits(condition.members({ optional: COMPARISON_NAMES }), condition)
  if (!limits.areLower)
    throw condition.refuse("expected gt or gte: how many of the rules have to find something")
  if (limits.atLeast > all) throw condition.refuse(`there are ${all} rules only`)
  if (isOrdered && limits.atLeast < all) throw condition.refuse("ordered, all rules have to find something")
  return Math.max(1, limits.atLeast)
}

/** Returns the fields of `group-by`, by the names of their labels. */
function readGroup(
  value: YamlValue | undefined,
  fields: CorrelatedFields,
): ReadonlyMap<string, CorrelatedField> {
  const group = new Map<string, CorrelatedField>()
  for (const item of value?.list() ?? []) {
    const field = fields.read(item)
    if (group.has(field.name)) throw item.refuse("it is given twice")
    group.set(field.name, field)
  }
  if (value !== undefined && group.size > MAX_GROUP_BY) throw value.refuse(`more than ${MAX_GROUP_BY} fields`)
  return group
}

/** Fields by the names that a correlation has for them: its aliases, or those of the rules. */
class CorrelatedFields {
  readonly #rules: readonly CorrelatedRule[]
  readonly #slots: FieldSlots
  readonly #aliases: ReadonlyMap<string, YamlValue>

  constructor({ aliases }: CorrelationMembers, rules: readonly CorrelatedRule[], slots: FieldSlots) {
    this.#rules = rules
    this.#slots = slots
    this.#aliases = new Map(aliases?.entries().map(({ name, value }) => [name, value]))
  }

  /**
   * Reads the name of a field. What is a field of ours for all rules is told by our name.
   *
   * @throws SettingsError if one of the rules has no such field
   */
  read(value: YamlValue): CorrelatedField {
    const name = value.text({ max: 256 })
    const alias = this.#aliases.get(name)
    const slots = this.#rules.map((rule) => {
      if (alias === undefined) return rule.names.slotOf(name, value)
      const field = alias.entries().find((each) => each.name === rule.name || each.name === rule.head.id)
      if (field === undefined) throw alias.refuse(`it names no field of "${rule.name ?? rule.head.id}"`)
      return rule.names.slotOf(field.value.text(), field.value)
    })
    const [own, other] = new Set(slots.map((slot) => this.#slots.names()[slot] as string))
    const isOwn =
      alias === undefined && own !== undefined && other === undefined && placeOf(own) !== undefined
    return { name: isOwn ? own : name, slots }
  }
}
