/**
 * Rules in our own form.
 *
 *     rules:
 *       - id: brute-force-address
 *         title: Many failed logins from one address
 *         why: Guessing passwords shows as many failures from one source.
 *         severity: high
 *         where: { category: auth, result: [failure, denied] }
 *         group_by: [ip_address]
 *         count: { over: 10m, at_least: 20 }
 *
 * What a rule does must be what it looks like: whatever is missing, unknown, given twice or without effect is refused,
 * with its place.
 *
 * Pure.
 */

import type { YamlValue } from "@prooflog/settings/yaml-value"
import { hexHash } from "./alert.js"
import { type RuleHead, SEVERITIES } from "./firing.js"
import { GroupKey } from "./group-key.js"
import type { RuleBasis } from "./grouped-rule.js"
import { Health } from "./health.js"
import { OwnNames } from "./own-names.js"
import type { Rule } from "./rule.js"
import { type Defaults, HEALTH, KIND_NAMES, KINDS, type KindName, readHealthName } from "./rule-kinds.js"
import { versionOf } from "./rule-version.js"
import type { FieldSlots } from "./seen-event.js"
import { compileWhere } from "./selection.js"
import { SingleEvent } from "./single-event.js"
import type { Lateness } from "./window-rule.js"

/** Most fields by which a rule tells events apart. */
const MAX_GROUP_BY = 4

/** A rule without a kind: about single events. */
const SINGLE: Defaults = { groupBy: ["user_id?"], resolveAfterMs: 600_000, means: [] }

const DAY_MS = 86_400_000

type RuleMembers = ReturnType<typeof membersOf>

/**
 * Compiles one item of `rules`.
 *
 * @throws SettingsError where it is no rule
 */
export function compileOwnRule(item: YamlValue, slots: FieldSlots, lateness: Lateness): Rule {
  const members = membersOf(item)
  const head = headOf(item, members)
  const [kind, other] = KIND_NAMES.filter((name) => members[name] !== undefined)
  if (other !== undefined) {
    throw (members[other] as YamlValue).refuse(
      `the rule is one of ${kind} already: it can be of one kind only`,
    )
  }
  if (kind === HEALTH) return healthRule(members, head)
  const names = new OwnNames(slots)
  const basisOf = (defaults: Defaults) =>
    basis({ members, head, kind: kind ?? "single", names, slots, defaults })
  if (kind === undefined) return new SingleEvent(basisOf(SINGLE))
  return KINDS[kind](members[kind] as YamlValue, { names, slots, lateness, basisOf })
}

function membersOf(item: YamlValue) {
  return item.members({
    required: ["id", "title", "why", "severity"],
    optional: ["where", "own", "group_by", "resolve_after", ...KIND_NAMES],
  })
}

function headOf(item: YamlValue, { id, title, why, severity }: RuleMembers): RuleHead {
  return {
    id: id.text({ pattern: /^[a-z0-9-]{1,64}$/, expected: "1 to 64 of a-z, 0-9 and -" }),
    version: versionOf(item),
    title: title.text({ max: 256 }),
    why: why.text({ max: 500 }),
    severity: severity.oneOf(SEVERITIES),
  }
}

function healthRule(members: RuleMembers, head: RuleHead): Rule {
  for (const name of ["where", "own", "group_by", "resolve_after"] as const) {
    const member = members[name]
    if (member !== undefined) throw member.refuse("a rule about health looks at no events")
  }
  const watches = readHealthName(members[HEALTH] as YamlValue)
  return new Health(head, `${head.id}.health.${watches}`, watches)
}

interface Making {
  readonly members: RuleMembers
  readonly head: RuleHead
  readonly kind: KindName | "single"
  readonly names: OwnNames
  readonly slots: FieldSlots
  readonly defaults: Defaults
}

function basis({ members, head, kind, names, slots, defaults }: Making): RuleBasis {
  const { where, own, group_by: groupBy, resolve_after: resolveAfter } = members
  const fields = groupBy === undefined ? defaults.groupBy : readGroupBy(groupBy, names)
  const seesOwn = own?.boolean() ?? false
  const looksFor = where === undefined ? undefined : versionOf(where)
  const meaning = hexHash([kind, looksFor ?? null, seesOwn, fields, defaults.means])
  return {
    head,
    seesOwn,
    stateId: `${head.id}.${meaning.slice(0, 16)}`,
    where: where === undefined ? () => true : compileWhere(where, names).matches,
    group: new GroupKey(fields, slots),
    resolveAfterMs:
      resolveAfter?.durationMs({ minMs: 10_000, maxMs: 30 * DAY_MS }) ?? defaults.resolveAfterMs,
  }
}

function readGroupBy(value: YamlValue, names: OwnNames): readonly string[] {
  const items = value.list()
  const fields: string[] = []
  for (const item of items) {
    const field = item.text()
    const name = field.replace(/\?$/, "")
    names.slotOf(name, item)
    if (fields.some((each) => each.replace(/\?$/, "") === name)) throw item.refuse("it is given twice")
    if (fields.length === MAX_GROUP_BY) throw item.refuse(`more than ${MAX_GROUP_BY} fields`)
    fields.push(field)
  }
  return fields
}
