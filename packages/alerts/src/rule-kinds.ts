/**
 * The kinds of rules, as they stand in our own form, each with what it takes for granted.
 *
 *     count: { over: 10m, at_least: 20 }                    first_seen: { of: action, learn_days: 7 }
 *     distinct: { of: http_path, over: 5m, at_least: 100 }  off_hours: { zone: Europe/Berlin, days: mon-fri, hours: 07:00-19:00 }
 *     rate: { over: 1m, above: 100 }                        new_country: { learn_days: 7, learn_events: 20 }
 *     ratio: { of: { result: error }, over: 5m,             impossible_travel: { above_kmh: 900, beyond_km: 500 }
 *       at_least: 50, above: 5%, times_baseline: 5 }        silence: { for: 15m }
 *
 * Pure.
 */

import type { YamlValue } from "@prooflog/settings/yaml-value"
import type { RuleBasis } from "./grouped-rule.js"
import { HEALTH_NAMES, type HealthName } from "./health.js"
import { networksTest, parseNetwork } from "./ip-network.js"
import type { OwnNames } from "./own-names.js"
import { PastCountry } from "./past-country.js"
import { PastFirstSeen } from "./past-first-seen.js"
import { PastOffHours } from "./past-off-hours.js"
import { PastTravel } from "./past-travel.js"
import { regularTest } from "./regular-expression.js"
import type { Rule } from "./rule.js"
import { versionOf } from "./rule-version.js"
import type { FieldSlots } from "./seen-event.js"
import { compileWhere } from "./selection.js"
import { Silence } from "./silence.js"
import { WindowCount } from "./window-count.js"
import { WindowDistinct } from "./window-distinct.js"
import { WindowRate } from "./window-rate.js"
import { WindowRatio } from "./window-ratio.js"
import type { Lateness } from "./window-rule.js"
import { readDays, readHours } from "./working-hours.js"

/** What holds of a rule of a kind unless the rule says otherwise. */
export interface Defaults {
  /** As `GroupKey` takes them. */
  readonly groupBy: readonly string[]
  readonly resolveAfterMs: number
  /** Whatever makes rows mean something else if it changes. */
  readonly means: readonly unknown[]
}

/** What a kind is made of, besides its own members. */
export interface KindMaking {
  readonly names: OwnNames
  readonly slots: FieldSlots
  readonly lateness: Lateness
  readonly basisOf: (defaults: Defaults) => RuleBasis
}

type ReadKind = (value: YamlValue, making: KindMaking) => Rule

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** Fewer are no window; more are counted by their rate. */
const AMOUNT = { min: 2, max: 10_000 }

/** Owners of networks that are rented by the hour, as databases have them. */
const HOSTS =
  "amazon|aws|google cloud|microsoft|azure|oracle|alibaba|tencent|digitalocean|ovh|hetzner|linode|akamai|vultr|choopa|" +
  "contabo|leaseweb|scaleway|online s\\.?a\\.?s|m247|datacamp|cloudflare|hosting|datacenter|data center|vpn|server"

export const HEALTH = "health"

export const KINDS = {
  count(value, { lateness, basisOf }) {
    const { over, at_least } = value.members({ required: ["over", "at_least"] })
    const overMs = over.durationMs({ minMs: 1_000, maxMs: 31 * DAY_MS })
    const basis = basisOf({ groupBy: [], resolveAfterMs: overMs, means: [overMs] })
    return new WindowCount(basis, { overMs, atLeast: at_least.integer(AMOUNT), ...lateness })
  },

  distinct(value, { lateness, names, basisOf }) {
    const { of, over, at_least } = value.members({ required: ["of", "over", "at_least"] })
    const field = { name: of.text(), slot: names.slotOf(of.text(), of) }
    const overMs = over.durationMs({ minMs: 1_000, maxMs: 31 * DAY_MS })
    const basis = basisOf({ groupBy: [], resolveAfterMs: overMs, means: [overMs, field.name] })
    return new WindowDistinct(basis, { of: field, overMs, atLeast: at_least.integer(AMOUNT), ...lateness })
  },

  rate(value, { lateness, basisOf }) {
    const { over, above } = value.members({ required: ["over", "above"] })
    const overMs = over.durationMs({ minMs: 20_000, maxMs: DAY_MS })
    const basis = basisOf({ groupBy: [], resolveAfterMs: overMs, means: [overMs] })
    return new WindowRate(basis, { overMs, above: numberOf(above), ...lateness })
  },

  ratio(value, { lateness, names, basisOf }) {
    const { of, over, at_least, above, times_baseline } = value.members({
      required: ["of", "over", "at_least", "above"],
      optional: ["times_baseline"],
    })
    const overMs = over.durationMs({ minMs: MINUTE_MS, maxMs: DAY_MS })
    const basis = basisOf({ groupBy: [], resolveAfterMs: 2 * overMs, means: [overMs, versionOf(of)] })
    return new WindowRatio(basis, {
      of: compileWhere(of, names).matches,
      overMs,
      atLeast: at_least.integer({ min: 1, max: 1_000_000 }),
      above: above.read(shareIn, "a share such as 5% or 0.5%"),
      timesBaseline: times_baseline === undefined ? 0 : numberOf(times_baseline),
      ...lateness,
    })
  },

  new_country(value, { slots, basisOf }) {
    const { learn_days, learn_events } = value.members({ optional: ["learn_days", "learn_events"] })
    return new PastCountry(basisOf(PAST), {
      learnMs: daysMs(learn_days),
      learnEvents: learn_events?.integer({ min: 1, max: 1_000_000 }) ?? 20,
      countrySlot: slots.slotOf("country"),
      resultSlot: slots.slotOf("result"),
    })
  },

  impossible_travel(value, { lateness, slots, basisOf }) {
    const { above_kmh, beyond_km, ignore, hosting } = value.members({
      optional: ["above_kmh", "beyond_km", "ignore", "hosting"],
    })
    const networks =
      ignore?.list().map((each) => each.read(parseNetwork, "a network such as 192.0.2.0/24")) ?? []
    const travel = {
      aboveKmh: above_kmh === undefined ? 900 : numberOf(above_kmh),
      beyondKm: beyond_km === undefined ? 500 : numberOf(beyond_km),
      toleranceMs: lateness.toleranceMs,
      ignores: networks.length === 0 ? () => false : networksTest(networks),
      hosts: hosting === undefined ? regularTest(HOSTS, "i") : hostsTest(hosting),
    }
    return new PastTravel(basisOf(PAST), travel, slots)
  },

  first_seen(value, { names, basisOf }) {
    const { of, learn_days } = value.members({ required: ["of"], optional: ["learn_days"] })
    const field = { name: of.text(), slot: names.slotOf(of.text(), of) }
    const basis = basisOf({ ...PAST, means: [field.name] })
    return new PastFirstSeen(basis, { of: field, learnMs: daysMs(learn_days) })
  },

  off_hours(value, { basisOf }) {
    const { zone, days, hours } = value.members({ required: ["zone", "days", "hours"] })
    const worked = {
      days: days.read(readDays, "days such as mon-fri or mon,wed,sat-sun"),
      ...hours.read(readHours, "hours such as 07:00-19:00"),
    }
    try {
      return new PastOffHours(basisOf({ ...PAST, resolveAfterMs: HOUR_MS }), { zone: zone.text(), ...worked })
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      throw zone.refuse("there is no such time zone: expected one such as Europe/Berlin or UTC", error)
    }
  },

  silence(value, { basisOf }) {
    const { for: quiet } = value.members({ required: ["for"] })
    const forMs = quiet.durationMs({ minMs: 10_000, maxMs: 31 * DAY_MS })
    return new Silence(basisOf({ groupBy: [], resolveAfterMs: DAY_MS, means: [] }), forMs)
  },
} satisfies Readonly<Record<string, ReadKind>>

export type KindName = keyof typeof KINDS | typeof HEALTH

export const KIND_NAMES = [...(Object.keys(KINDS) as (keyof typeof KINDS)[]), HEALTH] as const

/** What rules about a past take for granted. */
const PAST: Defaults = { groupBy: ["user_id"], resolveAfterMs: 10 * MINUTE_MS, means: [] }

export function readHealthName(value: YamlValue): HealthName {
  return value.oneOf(HEALTH_NAMES)
}

function hostsTest(pattern: YamlValue): (organization: string) => boolean {
  const text = pattern.text()
  try {
    return regularTest(text, "i")
  } catch (error) {
    throw error instanceof RangeError ? pattern.refuse(error.message, error) : error
  }
}

function daysMs(value: YamlValue | undefined): number {
  return (value?.integer({ min: 0, max: 365 }) ?? 7) * DAY_MS
}

function numberOf(value: YamlValue): number {
  const number = value.scalar()
  if (typeof number !== "number" || number <= 0) throw value.refuse("expected a number above 0")
  return number
}

/** "5%" → 0.05 */
function shareIn(text: string): number | undefined {
  const [, digits] = /^(\d{1,2}(?:\.\d{1,3})?)%$/.exec(text) ?? []
  return digits === undefined ? undefined : Number(digits) / 100
}
