/**
 * Schedules: what the log promises about keeping and destroying records.
 *
 *     {"rules": hash, "classes": {"routine": {"keep_days": 914, "destroy_days": 944}, …}, "default": "routine"}
 *
 * Leaf i is governed by the last schedule before leaf i. A later one never changes what
 * leaf i was promised, never removes a class, and never promises one less than before.
 *
 * Class names are public for ever: they must not name a case, a patient or a customer.
 *
 * Spec: docs/spec, "Entry", schedule-map.
 * Pure.
 */

import { sha256 } from "@prooflog/tlog/hash"
import { type CborValue, decodeCbor, encodeCbor } from "./cbor.js"
import { EventError } from "./error.js"
import { isForbiddenKey } from "./forbidden-keys.js"

/** How long records of one class live, in days from the time of their entry. */
export interface Retention {
  /** Days during which the record is kept, whatever happens. */
  readonly keep_days: number
  /** Day on which it is destroyed; never, if absent. At least `keep_days`. */
  readonly destroy_days?: number
}

export interface Schedule {
  /** By class name, `[a-z0-9_-]{1,32}`. At least one. */
  readonly classes: Readonly<Record<string, Retention>>
  /** The class of an event that no rule names. One of `classes`. */
  readonly default: string
  /** SHA-256 of the rules that give events their class; of nothing if there are none. 32 bytes. */
  readonly rules: Uint8Array
}

/** What `init` writes into a new log. */
export const DEFAULT_SCHEDULE: Schedule = {
  classes: {
    critical: { keep_days: 2557, destroy_days: 2587 },
    high: { keep_days: 1827, destroy_days: 1857 },
    routine: { keep_days: 914, destroy_days: 944 },
    audit: { keep_days: 2557, destroy_days: 2587 },
  },
  default: "routine",
  rules: sha256(new Uint8Array(0)),
}

/** The form of a class in an entry. */
export const CLASS_PATTERN = /^[a-z0-9_-]{1,32}$/

/** Whether a text may name a class. Says nothing about a schedule. */
export function isClassName(text: string): boolean {
  // A schedule is a map, and no map has such keys.
  return CLASS_PATTERN.test(text) && !isForbiddenKey(text)
}

/** Returns the CBOR of a schedule. @throws {@link EventError} `EVENT_BAD_SCHEDULE` */
export function encodeSchedule(schedule: Schedule): Uint8Array {
  return encodeCbor(scheduleValue(schedule))
}

/** Returns the schedule in suspect bytes. @throws {@link EventError} `EVENT_MALFORMED_CBOR`, `EVENT_BAD_SCHEDULE` */
export function decodeSchedule(bytes: Uint8Array): Schedule {
  return checkSchedule(decodeCbor(bytes))
}

/** Returns a schedule as the value that is encoded. @throws {@link EventError} `EVENT_BAD_SCHEDULE` */
export function scheduleValue(schedule: Schedule): { readonly [key: string]: CborValue } {
  return checkSchedule(schedule) as unknown as { readonly [key: string]: CborValue }
}

/**
 * Returns a suspect value as a schedule, with its members and no others.
 *
 * @throws {@link EventError} `EVENT_BAD_SCHEDULE`, saying which rule it breaks
 */
export function checkSchedule(value: unknown): Schedule {
  const members = membersOf(value, ["classes", "default", "rules"], "a schedule")
  const { classes, default: fallback, rules } = members
  if (!(rules instanceof Uint8Array) || rules.length !== 32) throw bad("rules is no hash of 32 bytes")
  const checked: Record<string, Retention> = {}
  for (const [name, retention] of Object.entries(objectOf(classes, "classes"))) {
    if (!isClassName(name)) throw bad("a class name of another form than [a-z0-9_-]{1,32}")
    checked[name] = checkRetention(name, retention)
  }
  if (Object.keys(checked).length === 0) throw bad("it has no class")
  if (typeof fallback !== "string" || !Object.hasOwn(checked, fallback))
    throw bad("default is none of the classes")
  return { classes: checked, default: fallback, rules }
}

/**
 * Checks that one schedule may follow another. An audit refuses a log in which one does not.
 *
 * @param previous - a schedule that was checked
 * @throws {@link EventError} `EVENT_BAD_SCHEDULE` if `next` is none, lacks a class of the former,
 * or keeps one for fewer days, or destroys it on an earlier day or at all where it was never to be
 */
export function checkNextSchedule(previous: Schedule, next: Schedule): void {
  const { classes } = checkSchedule(next)
  for (const [name, promised] of Object.entries(previous.classes)) {
    const now = Object.hasOwn(classes, name) ? classes[name] : undefined
    if (now === undefined) throw bad(`the class ${name} is gone; a class is never removed`)
    if (now.keep_days < promised.keep_days || destroyDay(now) < destroyDay(promised)) {
      throw bad(`class ${name} has less time than was promised; a promise is never shortened`)
    }
  }
}

function destroyDay({ destroy_days: day }: Retention): number {
  return day ?? Number.POSITIVE_INFINITY
}

function checkRetention(name: string, value: unknown): Retention {
  const members = membersOf(value, ["keep_days", "destroy_days"], `class ${name}`)
  const { keep_days: keep, destroy_days: destroy } = members
  if (!isDays(keep)) throw bad(`class ${name}: keep_days is no number of days`)
  if (destroy === undefined) return { keep_days: keep }
  if (!isDays(destroy)) throw bad(`class ${name}: destroy_days is no number of days`)
  if (destroy < keep) throw bad(`class ${name}: destroyed after ${destroy} days but kept for ${keep}`)
  return { keep_days: keep, destroy_days: destroy }
}

function isDays(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0
}

function membersOf(value: unknown, allowed: readonly string[], what: string): Record<string, unknown> {
  const members = objectOf(value, what)
  for (const key of Object.keys(members)) {
    if (!allowed.includes(key)) throw bad(`${what} has a member that is none of ${allowed.join(", ")}`)
  }
  return members
}

function objectOf(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof Uint8Array) {
    throw bad(`${what} is no map`)
  }
  return value as Record<string, unknown>
}

function bad(what: string): EventError {
  return new EventError("EVENT_BAD_SCHEDULE", `not a schedule: ${what}`)
}
