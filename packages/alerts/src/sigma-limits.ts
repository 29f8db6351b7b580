/**
 * What a correlation's number is held against: `gte: 100`, or `gt: 100` and `lte: 200`.
 *
 * Spec: Sigma correlation rules specification 2.1.0, "Condition".
 * Pure.
 */

import type { YamlValue } from "@prooflog/settings/yaml-value"

const COMPARISONS = {
  gt: (found: number, limit: number) => found > limit,
  gte: (found: number, limit: number) => found >= limit,
  lt: (found: number, limit: number) => found < limit,
  lte: (found: number, limit: number) => found <= limit,
  eq: (found: number, limit: number) => found === limit,
  neq: (found: number, limit: number) => found !== limit,
} as const

type Comparison = keyof typeof COMPARISONS

export const COMPARISON_NAMES = Object.keys(COMPARISONS) as Comparison[]

export interface Limits {
  /** Whether a number is what is asked for. */
  readonly hold: (found: number) => boolean
  /** Whether more can never be less right: then it can be told as soon as it holds. */
  readonly areLower: boolean
  /** The least integer for which lower limits hold. */
  readonly atLeast: number
  /** As they are told: `>= 100`. */
  readonly text: string
}

const SIGNS: Readonly<Record<Comparison, string>> = {
  gt: ">",
  gte: ">=",
  lt: "<",
  lte: "<=",
  eq: "=",
  neq: "!=",
}

/**
 * Reads the comparisons of a condition; its other members are the caller's.
 *
 * @param members - of the condition, by their names
 * @param place - for what is missing
 * @throws SettingsError where a limit is no number
 */
export function readLimits(members: Readonly<Partial<Record<string, YamlValue>>>, place: YamlValue): Limits {
  const limits = COMPARISON_NAMES.flatMap((name) => {
    const value = members[name]
    return value === undefined ? [] : [{ name, limit: numberOf(value) }]
  })
  if (limits.length === 0) throw place.refuse(`expected at least one of ${COMPARISON_NAMES.join(", ")}`)
  return {
    hold: (found) => limits.every(({ name, limit }) => COMPARISONS[name](found, limit)),
    areLower: limits.every(({ name }) => name === "gt" || name === "gte"),
    atLeast: Math.max(
      0,
      ...limits.map(({ name, limit }) => (name === "gt" ? Math.floor(limit) + 1 : Math.ceil(limit))),
    ),
    text: limits.map(({ name, limit }) => `${SIGNS[name]} ${limit}`).join(" and "),
  }
}

function numberOf(value: YamlValue): number {
  const limit = value.scalar()
  if (typeof limit !== "number") throw value.refuse("expected a number")
  return limit
}
