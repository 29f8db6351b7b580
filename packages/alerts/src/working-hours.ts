/** Working days and hours as people write them: `mon-fri`, `07:00-19:00`. Pure. */

import type { WorkingHours } from "./past-off-hours.js"
import { WEEKDAYS } from "./wall-clock.js"

/**
 * Returns which days are meant, from Monday to Sunday; `undefined` if the text says none.
 *
 * @example
 * ```ts
 * readDays("sat-mon") // [true, false, false, false, false, true, true]
 * ```
 */
export function readDays(text: string): readonly boolean[] | undefined {
  const days = new Array<boolean>(7).fill(false)
  for (const part of text.split(",")) {
    const [from, to] = part.split("-").map((name) => WEEKDAYS.indexOf(name.trim() as "mon"))
    const last = to ?? from
    if (from === undefined || last === undefined || from < 0 || last < 0 || part.split("-").length > 2)
      return undefined
    for (let day = from; ; day = (day + 1) % 7) {
      days[day] = true
      if (day === last) break
    }
  }
  return days
}

/**
 * Returns from when to when, in minutes of the day; `undefined` if the text does not say so.
 *
 * @example
 * ```ts
 * readHours("22:00-06:00") // { fromMinute: 1320, toMinute: 360 }
 * ```
 */
export function readHours(text: string): Pick<WorkingHours, "fromMinute" | "toMinute"> | undefined {
  const [, ...digits] = /^(\d\d):(\d\d)-(\d\d):(\d\d)$/.exec(text) ?? []
  const [h1 = 99, m1 = 99, h2 = 99, m2 = 99] = digits.map(Number)
  const [fromMinute, toMinute] = [60 * h1 + m1, 60 * h2 + m2]
  const isTime = m1 < 60 && m2 < 60 && fromMinute < 1440 && toMinute >= 1 && toMinute <= 1440
  return isTime && fromMinute !== toMinute ? { fromMinute, toMinute } : undefined
}
