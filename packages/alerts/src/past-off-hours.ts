/**
 * A rule about the time of day: it fires when a group does something outside of working hours.
 *
 *     zone: Europe/Berlin   days: mon-fri   hours: 07:00-19:00
 *
 * Hours may pass midnight (`22:00-06:00`); what is after midnight belongs to the day on which it began.
 *
 * Pure.
 */

import { GroupedRule, happenedMs, type RuleBasis } from "./grouped-rule.js"
import type { Fire } from "./rule.js"
import { RuleTables } from "./rule-tables.js"
import type { SeenEvent } from "./seen-event.js"
import { DAY_MINUTES, WallClock, wallText } from "./wall-clock.js"

export interface WorkingHours {
  /** Of the IANA database. */
  readonly zone: string
  /** From Monday to Sunday: whether one works on it. */
  readonly days: readonly boolean[]
  /** Minutes of the day, 0 … 1439. */
  readonly fromMinute: number
  /** 1 … 1440; unlike `fromMinute`. If less, that of the next day. Not included. */
  readonly toMinute: number
}

export class PastOffHours extends GroupedRule {
  readonly rows: RuleTables
  readonly #hours: WorkingHours
  readonly #clock: WallClock

  /** @throws RangeError if there is no such zone */
  constructor(basis: RuleBasis, hours: WorkingHours) {
    super(basis)
    this.#hours = hours
    this.#clock = new WallClock(hours.zone)
    this.rows = new RuleTables(basis.stateId, basis.group, { e: this.episodes.table })
  }

  protected look(key: string, event: SeenEvent, fire: Fire): void {
    const minuteOfWeek = this.#clock.minuteOfWeek(happenedMs(event))
    if (isWorked(this.#hours, minuteOfWeek)) return
    const details = { time: wallText(minuteOfWeek), zone: this.#hours.zone }
    const occasion = { severity: this.head.severity, details, leaves: [event.leafIndex], count: 1 }
    this.episodes.fireOnce(key, occasion, event, fire)
  }
}

function isWorked({ days, fromMinute, toMinute }: WorkingHours, minuteOfWeek: number): boolean {
  const day = Math.floor(minuteOfWeek / DAY_MINUTES)
  const minute = minuteOfWeek % DAY_MINUTES
  if (fromMinute < toMinute) return days[day] === true && fromMinute <= minute && minute < toMinute
  return (days[day] === true && minute >= fromMinute) || (days[(day + 6) % 7] === true && minute < toMinute)
}
