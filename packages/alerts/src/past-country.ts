/**
 * A rule about countries: it fires when a group, usually a user, does something from a country for the first time.
 *
 *     DE DE DE … a week, or 20 events … DE FR ─► fires       FR is known from then on
 *
 * Only what succeeded makes a country known: else whoever guesses passwords from abroad, in vain, would pave the way for
 * the one guess that is right. What did not succeed fires with low severity.
 *
 * Pure.
 */

import type { RuleBasis } from "./grouped-rule.js"
import { happenedMs } from "./grouped-rule.js"
import { type KeptFields, notKept } from "./kept-fields.js"
import { PastRule, succeeded } from "./past-rule.js"
import { Row } from "./rows.js"
import type { Fire } from "./rule.js"
import type { SeenEvent } from "./seen-event.js"

export interface NewCountry {
  /** A past of this length has been learned: ms ≥ 0. */
  readonly learnMs: number
  /** Or one of so many events, at least 1. */
  readonly learnEvents: number
  readonly countrySlot: number
  readonly resultSlot: number
}

/** Countries that are remembered for one group; the first ones go. */
const MAX_COUNTRIES = 64

class Seen extends Row {
  /** Of the earliest event: seconds since 1970. */
  sinceS: number
  /** Events, as far as they matter for learning. */
  events = 1
  /** Codes of two letters, one behind the other, as they became known. */
  countries: string

  constructor(sinceS: number, countries: string) {
    super()
    this.sinceS = sinceS
    this.countries = countries
  }
}

const FORM = {
  fields: ({ sinceS, events, countries }: Seen) => [sinceS, events, countries],
  read(fields: KeptFields): Seen {
    const sinceS = fields.whole()
    const events = fields.whole()
    const countries = fields.text()
    if (countries.length % 2 === 1) throw notKept()
    const row = new Seen(sinceS, countries)
    row.events = events
    return row
  },
  bytes: ({ countries }: Seen) => 80 + countries.length,
}

export class PastCountry extends PastRule<Seen> {
  readonly #settings: NewCountry

  constructor(basis: RuleBasis, settings: NewCountry) {
    super(basis, FORM)
    this.#settings = settings
  }

  protected look(key: string, event: SeenEvent, fire: Fire | undefined): void {
    const { learnEvents, countrySlot, resultSlot } = this.#settings
    const country = event.value(countrySlot)
    if (typeof country !== "string" || country.length !== 2) return
    const isTrusted = succeeded(event, resultSlot)
    const nowS = Math.floor(happenedMs(event) / 1000)
    const row = this.table.use(key, event.leafIndex)
    if (row === undefined) {
      if (isTrusted) this.table.add(key, new Seen(nowS, country), event.leafIndex)
      return
    }
    const isKnown = knows(row.countries, country)
    if (!isKnown && fire !== undefined && this.#hasLearned(row, nowS)) {
      this.#tell(key, row, country, isTrusted, event, fire)
    }
    if (!isTrusted || (isKnown && row.events >= learnEvents && row.sinceS <= nowS)) return
    if (!isKnown)
      row.countries = row.countries.slice(row.countries.length < 2 * MAX_COUNTRIES ? 0 : 2) + country
    row.events = Math.min(learnEvents, row.events + 1)
    row.sinceS = Math.min(row.sinceS, nowS)
    this.table.changed(key, row)
  }

  #hasLearned({ sinceS, events }: Seen, nowS: number): boolean {
    const { learnMs, learnEvents } = this.#settings
    return (nowS - sinceS) * 1000 >= learnMs || events >= learnEvents
  }

  #tell(
    key: string,
    { countries }: Seen,
    country: string,
    isTrusted: boolean,
    event: SeenEvent,
    fire: Fire,
  ): void {
    const details = { country, known: countries.replace(/..(?=.)/g, "$& ") }
    const occasion = { details, leaves: [event.leafIndex], count: 1 }
    if (isTrusted) this.episodes.fireEach(key, { severity: this.head.severity, ...occasion }, event, fire)
    else this.episodes.fireOnce(key, { severity: "low", ...occasion }, event, fire)
  }
}

function knows(countries: string, country: string): boolean {
  for (let at = 0; at < countries.length; at += 2) if (countries.startsWith(country, at)) return true
  return false
}
