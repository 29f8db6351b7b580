/**
 * A rule about journeys: it fires when a group, usually a user, is at two places that nobody gets between so fast.
 *
 *     PT 15:13:03 ─ 5,800 km in 18 s ─► US 15:13:21      impossible
 *     PT 09:00:00 ─ 5,800 km in 12 h ─► US 21:00:00      possible: told with low severity, if it took no more than a day
 *
 * Places are those that an address has in the databases: its coordinates, or else the middle of its country. Where one
 * of two places is known by its country alone, they are apart only if the countries do not touch.
 *
 * An event is held against the last place from which something succeeded. What did not succeed has low severity and
 * moves nobody: anyone may try. So has a journey between two networks of hosting providers: that is a person who has
 * changed the exit of a tunnel. Addresses that one is told to ignore, and private ones, are no places.
 *
 * Of the time within the tolerance every stay is kept, so that a late event is held against what was before it and what
 * was after it, as if it had come in order, but for stays that it interrupts: of these the first and last event are known.
 *
 * Pure.
 */

import { distanceKm, touch } from "./countries.js"
import { durationText } from "./duration-text.js"
import type { Severity } from "./firing.js"
import { happenedMs, type RuleBasis } from "./grouped-rule.js"
import { type KeptFields, notKept } from "./kept-fields.js"
import { PastRule, succeeded } from "./past-rule.js"
import { type KnownPlaces, type Place, Places } from "./places.js"
import { Row, type RowForm } from "./rows.js"
import type { Fire } from "./rule.js"
import type { FieldSlots, SeenEvent } from "./seen-event.js"

export interface Travel extends KnownPlaces {
  /** Nobody is faster: km/h > 0. */
  readonly aboveKmh: number
  /** Less far apart may be a database's mistake: km ≥ 0. */
  readonly beyondKm: number
  /** As for windows: ms ≥ 0. */
  readonly toleranceMs: number
}

/** A slow journey is told of if it took no longer. */
const TOLD_S = 86_400

/** Stays that are kept of one group; the first ones go. */
const MAX_STAYS = 8

/** Events at one place, one after another. */
interface Stay {
  /** Seconds since 1970, as `lastS`. */
  readonly firstS: number
  readonly firstLeaf: number
  readonly lastS: number
  readonly lastLeaf: number
  readonly place: Place
}

const NO_STAYS: readonly Stay[] = []

class Journey extends Row {
  /** What is known of the time before `last`: ascending. */
  earlier: readonly Stay[] = NO_STAYS
  last: Stay

  constructor(last: Stay) {
    super()
    this.last = last
  }
}

function formWith(places: Places): RowForm<Journey> {
  return {
    fields({ earlier, last }) {
      const numbers: number[] = []
      const texts: string[] = []
      for (const stay of earlier) addStay(stay, numbers, texts)
      addStay(last, numbers, texts)
      return [numbers, texts]
    },
    read(fields: KeptFields) {
      const numbers = fields.wholes()
      const stays = fields.texts().map((text, at): Stay => {
        const [firstS, firstLeaf, lastS, lastLeaf] = numbers.slice(4 * at, 4 * at + 4)
        const place = places.read(text)
        if (firstS === undefined || firstLeaf === undefined || lastS === undefined) throw notKept()
        if (lastLeaf === undefined || place === undefined) throw notKept()
        return { firstS, firstLeaf, lastS, lastLeaf, place }
      })
      const last = stays.pop()
      if (last === undefined) throw notKept()
      const row = new Journey(last)
      if (stays.length > 0) row.earlier = stays
      return row
    },
    bytes: ({ earlier }) => 128 + (earlier.length > 0 ? 48 + 80 * earlier.length : 0),
  }
}

function addStay(stay: Stay, numbers: number[], texts: string[]): void {
  numbers.push(stay.firstS, stay.firstLeaf, stay.lastS, stay.lastLeaf)
  texts.push(stay.place.text)
}

export class PastTravel extends PastRule<Journey> {
  readonly #travel: Travel
  readonly #places: Places
  readonly #toleranceS: number
  readonly #result: number

  constructor(basis: RuleBasis, travel: Travel, slots: FieldSlots) {
    const places = new Places(travel, slots)
    super(basis, formWith(places))
    this.#travel = travel
    this.#places = places
    this.#toleranceS = Math.ceil(travel.toleranceMs / 1000)
    this.#result = slots.slotOf("result")
  }

  protected look(key: string, event: SeenEvent, fire: Fire | undefined): void {
    const place = this.#places.of(event)
    if (place === undefined) return
    const s = Math.floor(happenedMs(event) / 1000)
    const leaf = event.leafIndex
    const seen: Stay = { firstS: s, firstLeaf: leaf, lastS: s, lastLeaf: leaf, place }
    const isTrusted = succeeded(event, this.#result)
    const row = this.table.use(key, leaf)
    if (row === undefined) {
      if (isTrusted) this.table.add(key, new Journey(seen), leaf)
      return
    }
    const { last } = row
    if (s < last.lastS - this.#toleranceS) return
    if (place.text === last.place.text && s >= last.lastS) {
      if (!isTrusted) return
      row.last = merged(last, seen)
      row.earlier = this.#kept(row.earlier, row.last)
    } else {
      const { stays, at } = withStay([...row.earlier, last], seen)
      if (fire !== undefined)
        this.#judge(key, stays.slice(Math.max(0, at - 1), at + 2), isTrusted, event, fire)
      if (!isTrusted) return
      const joined = joinedStays(stays)
      row.last = joined.pop() as Stay
      row.earlier = this.#kept(joined, row.last)
    }
    this.table.changed(key, row)
  }

  /** Tells of one journey that is news, to the event or from it on: of one that is impossible, if there is one. */
  #judge(key: string, stays: readonly Stay[], isTrusted: boolean, event: SeenEvent, fire: Fire): void {
    const journeys = stays.slice(1).flatMap((to, at) => {
      const from = stays[at] as Stay
      const journey = this.#journey(from, to)
      return journey === undefined || (!isTrusted && !journey.isImpossible) ? [] : [{ ...journey, from, to }]
    })
    const told = journeys.find(({ isImpossible }) => isImpossible) ?? journeys[0]
    if (told === undefined) return
    const { from, to, isImpossible, details } = told
    const isTunnel = from.place.hosted && to.place.hosted
    const severity: Severity = isImpossible && isTrusted && !isTunnel ? this.head.severity : "low"
    const leaves = [from.lastLeaf, to.firstLeaf].sort((a, b) => a - b)
    const occasion = { severity, details, leaves, count: 2 }
    if (isTrusted) this.episodes.fireEach(key, occasion, event, fire)
    else this.episodes.fireOnce(key, occasion, event, fire)
  }

  #journey(from: Stay, to: Stay) {
    const { aboveKmh, beyondKm } = this.#travel
    const [here, there] = [from.place, to.place]
    if ((!here.exact || !there.exact) && touch(here.country, there.country)) return undefined
    const km = distanceKm(here, there)
    if (km <= beyondKm) return undefined
    const seconds = Math.max(1, to.firstS - from.lastS)
    const kmh = (km * 3600) / seconds
    const isImpossible = kmh > aboveKmh
    if (!isImpossible && (here.country === there.country || seconds > TOLD_S)) return undefined
    const details = {
      travel: isImpossible ? "impossible" : "possible",
      from: here.country,
      to: there.country,
      distance: `${Math.round(km)} km`,
      time: durationText(1000 * seconds),
      speed: `${Math.round(kmh)} km/h`,
    }
    return { isImpossible, details }
  }

  /** Leaves out stays that no event that is still to come can be within, or next to. */
  #kept(earlier: readonly Stay[], last: Stay): readonly Stay[] {
    if (earlier.length === 0) return earlier
    const reachedS = last.lastS - this.#toleranceS
    const kept = earlier.filter((_, at) => (earlier[at + 1] ?? last).firstS > reachedS)
    return kept.length === 0 ? NO_STAYS : kept.slice(1 - MAX_STAYS)
  }
}

/** Returns the stays with one more, which interrupts the one that it falls into, and its index. */
function withStay(stays: readonly Stay[], seen: Stay): { readonly stays: Stay[]; readonly at: number } {
  const at = stays.findLastIndex(({ firstS }) => firstS <= seen.firstS) + 1
  const around = stays[at - 1]
  if (around === undefined || around.lastS <= seen.firstS) {
    return { stays: stays.toSpliced(at, 0, seen), at }
  }
  const { firstS, firstLeaf, lastS, lastLeaf } = around
  const head: Stay = { ...around, lastS: firstS, lastLeaf: firstLeaf }
  const tail: Stay = { ...around, firstS: lastS, firstLeaf: lastLeaf }
  return { stays: stays.toSpliced(at - 1, 1, head, seen, tail), at }
}

/** Makes one of stays at the same place that nothing comes between. */
function joinedStays(stays: readonly Stay[]): Stay[] {
  const joined: Stay[] = []
  for (const stay of stays) {
    const before = joined.at(-1)
    if (before?.place.text === stay.place.text) joined[joined.length - 1] = merged(before, stay)
    else joined.push(stay)
  }
  return joined
}

function merged(before: Stay, after: Stay): Stay {
  if (after.lastS < before.lastS) return before
  const { firstS, firstLeaf, place } = before
  return { firstS, firstLeaf, lastS: after.lastS, lastLeaf: after.lastLeaf, place }
}
