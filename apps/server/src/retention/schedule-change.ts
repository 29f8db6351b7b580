/**
 * What differs between two schedules, in words that name no rule: they may name people.
 *
 * Pure: no I/O, no clock.
 */

import { encodeSchedule, type Retention, type Schedule } from "@prooflog/event/schedule"
import { equalBytes } from "@prooflog/tlog/hash"

/** A schedule, with the hot times of its file where that is known. */
export interface KnownSchedule {
  readonly schedule: Schedule
  /** Days at hand, by class. */
  readonly hotDays?: ReadonlyMap<string, number>
}

/** Returns a line for each class that is new or has other times, for the default, and for the rules. */
export function describeChange(before: KnownSchedule, after: KnownSchedule): readonly string[] {
  const lines = Object.entries(after.schedule.classes).flatMap(([name, retention]) => {
    const earlier = classOf(before.schedule, name)
    const hot = after.hotDays?.get(name)
    const words =
      earlier === undefined
        ? [...(hot === undefined ? [] : [`at hand ${hot} days`]), kept(retention), destroyed(retention)]
        : changed(earlier, retention, before.hotDays?.get(name), hot)
    if (words.length === 0) return []
    return [`class ${name}${earlier === undefined ? " is new" : ""}: ${words.join(", ")}`]
  })
  const [from, to] = [before.schedule, after.schedule]
  if (from.default !== to.default) lines.push(`default: ${to.default} instead of ${from.default}`)
  if (!equalBytes(from.rules, to.rules)) lines.push("rules: others than before")
  return lines
}

/** Whether two schedules promise the same, and are given by the same rules. */
export function isSameSchedule(one: Schedule, other: Schedule): boolean {
  return equalBytes(encodeSchedule(one), encodeSchedule(other))
}

function classOf({ classes }: Schedule, name: string): Retention | undefined {
  return Object.hasOwn(classes, name) ? classes[name] : undefined
}

function changed(
  before: Retention,
  after: Retention,
  hotBefore: number | undefined,
  hot: number | undefined,
): readonly string[] {
  const words: string[] = []
  if (hot !== undefined && hotBefore !== undefined && hot !== hotBefore)
    words.push(`at hand ${hot} days instead of ${hotBefore}`)
  if (before.keep_days !== after.keep_days) words.push(`${kept(after)} instead of ${before.keep_days}`)
  if (before.destroy_days !== after.destroy_days)
    words.push(
      `${destroyed(after)} instead of ${before.destroy_days === undefined ? "never" : `on day ${before.destroy_days}`}`,
    )
  return words
}

function kept({ keep_days: days }: Retention): string {
  return `kept ${days} days`
}

function destroyed({ destroy_days: day }: Retention): string {
  return day === undefined ? "never destroyed" : `destroyed on day ${day}`
}
