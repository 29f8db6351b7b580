/**
 * What a correlation is about: events that other rules find, and the group of each.
 *
 *     rules: [failed_login, vpn_login]      group-by: [who]
 *     aliases: { who: { failed_login: user_id, vpn_login: user_name } }
 *
 *     event ─► failed_login? ─► its user_id   ─┐
 *           └► vpn_login?    ─► its user_name ─┴─► group
 *
 * Rules that are correlations themselves have found an event when they fire about its group; so each of them has to
 * see every event, once.
 *
 * Pure.
 */

import { FIELD_NAMES } from "./field-places.js"
import { GroupKey } from "./group-key.js"
import type { SeenEvent } from "./seen-event.js"

/** One of the rules that are correlated. */
export interface HitSource {
  /** Looks at an event: of each event once. */
  readonly look: (event: SeenEvent) => boolean
  /** By what it tells events apart; `undefined` if all are one group. */
  readonly key: GroupKey
}

/** An event that one of the rules found. */
export interface Hit {
  /** Place of the rule among the others. */
  readonly source: number
  readonly key: string
}

export class Hits {
  readonly #sources: readonly HitSource[]
  #found: readonly Hit[] = []

  constructor(sources: readonly HitSource[]) {
    this.#sources = sources
  }

  /** What the event that was looked at last is to the rules, in their order. */
  get found(): readonly Hit[] {
    return this.#found
  }

  /** Looks at an event, and returns whether any rule found it, in a group. */
  look(event: SeenEvent): boolean {
    let found: Hit[] | undefined
    for (let source = 0; source < this.#sources.length; source++) {
      const { look, key } = this.#sources[source] as HitSource
      if (!look(event)) continue
      const group = key.keyOf(event)
      if (group === undefined) continue
      found ??= []
      found.push({ source, key: group })
    }
    this.#found = found ?? NOTHING
    return found !== undefined
  }
}

const NOTHING: readonly Hit[] = []

/** The group of whatever was looked at last: that of the first rule that found it. */
export class HitKey extends GroupKey {
  readonly #names: readonly string[]
  readonly #hits: Hits

  /** @param names - as `GroupKey` has them, one for each field of the group */
  constructor(names: readonly string[], hits: Hits) {
    super(names, { slotOf: () => 0 })
    this.#names = names
    this.#hits = hits
  }

  override keyOf(): string | undefined {
    return this.#hits.found[0]?.key
  }

  /** A name of another log's records may be any of ours: groups with one of the values in it are taken for meant. */
  override holding(field: string, values: ReadonlySet<string>): ((key: string) => boolean) | undefined {
    const meant = this.#names.filter((name) => name === field || !FIELD_NAMES.includes(name))
    const tests = meant.map((name) => super.holding(name, values)).filter((test) => test !== undefined)
    return tests.length === 0 ? undefined : (key) => tests.some((test) => test(key))
  }
}
