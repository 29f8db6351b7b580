/**
 * What a rule fires about, from the event that made it fire to the quiet after the last one.
 *
 *     event that matters ─► fires ─► more of them ─► nothing for `resolveAfterMs` ─► resolves
 *                             └────── one episode of one group ──────┘
 *
 * Quiet is measured in the log's own time, since an alert is over when nothing comes any more, whatever the producers'
 * clocks say. An episode that has to go because there are too many resolves as it goes.
 *
 * Pure.
 */

import { MAX_LEAVES, type RuleHead, SEVERITIES, type Severity } from "./firing.js"
import type { GroupKey } from "./group-key.js"
import { type KeptFields, notKept } from "./kept-fields.js"
import { listBytes, Row, Rows } from "./rows.js"
import type { Fire } from "./rule.js"
import type { SeenEvent } from "./seen-event.js"

/** Groups of one rule that can fire at the same time. */
const LIMITS = { rows: 10_000, bytes: 16 * 2 ** 20 }

/** What made a rule fire. */
export interface Occasion {
  readonly severity: Severity
  /** As `Firing.details`. */
  readonly details: Readonly<Record<string, string>>
  /** Ascending; of more than {@link MAX_LEAVES}, the newest are named. */
  readonly leaves: readonly number[]
  /** Events, named or not. */
  readonly count: number
}

/** One more of what a group fires about already: nothing of it is told. */
export const MORE_OF_THE_SAME: Occasion = { severity: "info", details: {}, leaves: [], count: 0 }

/** When an occasion was: by the event's own time, and by the log's. ms since 1970. */
export interface Moment {
  readonly timestampMs: number
  readonly receivedMs: number
}

class Episode extends Row {
  severity: Severity = "info"
  count = 0
  leaves: readonly number[] = []
  timestampMs = 0
  receivedMs = 0
}

const FORM = {
  fields: (row: Episode) => [
    SEVERITIES.indexOf(row.severity),
    row.count,
    row.timestampMs,
    row.receivedMs,
    row.leaves,
  ],
  read(fields: KeptFields): Episode {
    const row = new Episode()
    const severity = SEVERITIES[fields.whole()]
    if (severity === undefined) throw notKept()
    row.severity = severity
    row.count = fields.whole()
    row.timestampMs = fields.whole()
    row.receivedMs = fields.whole()
    row.leaves = fields.wholes()
    return row
  },
  bytes: (row: Episode) => 112 + listBytes(row.leaves.length),
}

export class Episodes {
  readonly table = new Rows<Episode>(FORM, LIMITS)
  readonly #head: RuleHead
  readonly #group: GroupKey
  readonly #resolveAfterMs: number
  /** No episode ends before. */
  #dueMs = 0

  constructor(head: RuleHead, group: GroupKey, resolveAfterMs: number) {
    this.#head = head
    this.#group = group
    this.#resolveAfterMs = resolveAfterMs
  }

  /** Earliest time at which an episode may end: ms since 1970, or infinity. */
  get dueMs(): number {
    return this.table.count === 0 ? Number.POSITIVE_INFINITY : this.#dueMs
  }

  isOpen(key: string): boolean {
    return this.table.count > 0 && this.table.get(key) !== undefined
  }

  /** Fires, if the group does not already. In any case it goes on from here. */
  fireOnce(key: string, occasion: Occasion, event: SeenEvent, fire: Fire): void {
    if (!this.isOpen(key)) this.fireEach(key, occasion, event, fire)
    else this.goOn(key, event)
  }

  /** Fires, whether the group does already or not. Its end will tell the highest severity. */
  fireEach(key: string, occasion: Occasion, event: SeenEvent, fire: Fire): void {
    this.fireAt(key, occasion, event, event.leafIndex, fire)
  }

  /** The same for what no event made. @param leaf - by which its age is told: never decreases */
  fireAt(key: string, occasion: Occasion, moment: Moment, leaf: number, fire: Fire): void {
    const { severity, details, count } = occasion
    const leaves = newest(occasion.leaves)
    const { timestampMs, receivedMs } = moment
    const labels = this.#group.labelsOf(key)
    fire({
      kind: "fires",
      rule: this.#head,
      severity,
      labels,
      details,
      leaves,
      count,
      timestampMs,
      receivedMs,
    })
    const open = this.table.use(key, leaf)
    const row = open ?? new Episode()
    if (SEVERITIES.indexOf(severity) > SEVERITIES.indexOf(row.severity)) row.severity = severity
    row.timestampMs = timestampMs
    row.receivedMs = receivedMs
    row.count += count
    row.leaves =
      open === undefined ? leaves : newest([...new Set([...row.leaves, ...leaves])].sort(ascending))
    this.#dueMs = Math.min(this.dueMs, receivedMs + this.#resolveAfterMs)
    const gone = (key: string, row: Episode) => this.#resolve(key, row, moment.receivedMs, fire)
    if (open === undefined) this.table.add(key, row, leaf, gone)
    else this.table.changed(key, row, gone)
  }

  /** One event more of an open episode: it stays open, and the event is one of those that it names at its end. */
  goOn(key: string, event: SeenEvent): void {
    const row = this.table.use(key, event.leafIndex)
    if (row === undefined) return
    row.count++
    row.leaves = newest([...row.leaves, event.leafIndex])
    row.timestampMs = Math.max(row.timestampMs, event.timestampMs)
    row.receivedMs = event.receivedMs
    this.table.changed(key, row)
  }

  /** Ends the episode of a group, if there is one. */
  end(key: string, nowMs: number, fire: Fire): void {
    const row = this.table.get(key)
    if (row === undefined) return
    this.table.delete(key)
    this.#resolve(key, row, nowMs, fire)
  }

  /** Ends what has been quiet for long enough. @param ended - is told of each */
  tick(nowMs: number, fire: Fire, ended: (key: string) => void): void {
    if (nowMs < this.dueMs) return
    let next = Number.POSITIVE_INFINITY
    const quiet: [key: string, row: Episode][] = []
    for (const entry of this.table.entries()) {
      const ends = entry[1].receivedMs + this.#resolveAfterMs
      if (ends <= nowMs) quiet.push(entry)
      else next = Math.min(next, ends)
    }
    // Not in the order of use, which is exact to some leaves only.
    quiet.sort(([a, { receivedMs: one }], [b, { receivedMs: other }]) => one - other || (a < b ? -1 : 1))
    for (const [key, row] of quiet) {
      this.table.delete(key)
      this.#resolve(key, row, nowMs, fire)
      ended(key)
    }
    this.#dueMs = next
  }

  #resolve(key: string, row: Episode, nowMs: number, fire: Fire): void {
    fire({
      kind: "resolves",
      rule: this.#head,
      severity: row.severity,
      labels: this.#group.labelsOf(key),
      details: {},
      leaves: row.leaves,
      count: row.count,
      timestampMs: row.timestampMs,
      receivedMs: nowMs,
    })
  }
}

function newest(leaves: readonly number[]): readonly number[] {
  return leaves.length > MAX_LEAVES ? leaves.slice(-MAX_LEAVES) : leaves
}

function ascending(a: number, b: number): number {
  return a - b
}
