/**
 * What clocks on the wall show somewhere, through every change of daylight saving.
 *
 *     2026-03-29T00:59Z  Europe/Berlin  ─►  Sunday 01:59
 *     2026-03-29T01:00Z  Europe/Berlin  ─►  Sunday 03:00
 *
 * Pure: Intl is asked for zones, not for the time.
 */

export const WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const

export const DAY_MINUTES = 1_440

const WEEK_MINUTES = 7 * DAY_MINUTES

/** 1970 began on a Thursday. */
const FIRST_MINUTE = 3 * DAY_MINUTES

/** No zone has changed its clocks within a quarter of an hour for fifty years. */
const QUARTER_MS = 900_000

/** Quarters of an hour that are remembered before all are forgotten: 100 days. */
const MAX_QUARTERS = 9_600

export class WallClock {
  readonly #format: Intl.DateTimeFormat
  /** By quarter of an hour since 1970: minutes that clocks are ahead of UTC. */
  readonly #offsets = new Map<number, number>()

  /**
   * @param zone - of the IANA database
   * @throws RangeError if there is no such zone
   */
  constructor(zone: string) {
    this.#format = new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      calendar: "iso8601",
      numberingSystem: "latn",
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
    })
  }

  /** Returns the minutes since Monday began there: 0 … 10,079. @param ms - since 1970 */
  minuteOfWeek(ms: number): number {
    const quarter = Math.floor(ms / QUARTER_MS)
    let offset = this.#offsets.get(quarter)
    if (offset === undefined) {
      if (this.#offsets.size >= MAX_QUARTERS) this.#offsets.clear()
      offset = this.#offsetAt(quarter * QUARTER_MS)
      this.#offsets.set(quarter, offset)
    }
    return modulo(Math.floor(ms / 60_000) + offset + FIRST_MINUTE, WEEK_MINUTES)
  }

  #offsetAt(ms: number): number {
    const parts = new Map(this.#format.formatToParts(ms).map(({ type, value }) => [type, Number(value)]))
    const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) as number
    const shown = Date.UTC(part("year"), part("month") - 1, part("day"), part("hour"), part("minute"))
    return (shown - ms) / 60_000
  }
}

/** Returns minutes of a week as people say them: 4392 is "thu 01:12". */
export function wallText(minuteOfWeek: number): string {
  const minute = minuteOfWeek % DAY_MINUTES
  const digits = [Math.floor(minute / 60), minute % 60].map((each) => String(each).padStart(2, "0"))
  return `${WEEKDAYS[Math.floor(minuteOfWeek / DAY_MINUTES)]} ${digits.join(":")}`
}

function modulo(value: number, by: number): number {
  return ((value % by) + by) % by
}
