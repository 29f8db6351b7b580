/**
 * Events of a running log, read back: their records, in the order of their time.
 *
 *     times ─► SQL: first and last leaf ─► v1/records, some thousand leaves at a time ─► events of these times
 *                                          entries, if a rule asks for a class
 *
 * Nothing of it is checked: as with any question to a log, the answer is the server's word.
 *
 * Effects: the network.
 */

import { decodeEntry } from "@prooflog/event/entry"
import { openRecord } from "@prooflog/event/record"
import { formatTimestamp, parseTimestamp } from "@prooflog/event/timestamp"
import { forEachPacked } from "@prooflog/tlog/bundle"
import { TILE_WIDTH } from "@prooflog/tlog/tile"
import { type LogSource, readBundle } from "@prooflog/verifier/source"
import { CliError } from "../error.js"
import { readHeads, waitPublished } from "../log-heads.js"
import type { LogServer } from "../log-server.js"
import { sourceAt } from "../log-source.js"
import { askSql } from "../sql-answer.js"
import { inTimeOrder } from "./in-time-order.js"
import { leafRecords } from "./record-sequence.js"
import { type TriedEvent, timeOf } from "./trial.js"

/** Times, the second not included; microseconds since 1970. */
export interface Span {
  readonly from: number
  readonly to: number
}

/** Leaves asked for at once: more are not answered. */
const LEAVES = 4096

/**
 * Reads `2023-10-01` or `2023-10-01T12:00:00Z`, as microseconds since 1970.
 *
 * @throws {@link CliError} `CLI_USAGE`
 */
export function timeIn(flag: string, text: string): number {
  const micros = parseTimestamp(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text)
  if (micros !== undefined) return micros
  throw new CliError(
    "CLI_USAGE",
    `${flag} takes a time such as 2023-10-01 or 2023-10-01T12:00:00Z, not ${text}`,
  )
}

export class LoggedEvents {
  readonly #server: LogServer
  readonly #span: Span
  readonly #first: number
  /** After the last. */
  readonly #end: number
  readonly #treeSize: number
  #at: number
  /** Records that are not there any more. */
  gone = 0

  private constructor(
    server: LogServer,
    span: Span,
    leaves: Readonly<Record<"first" | "end", number>>,
    treeSize: number,
  ) {
    this.#server = server
    this.#span = span
    this.#first = leaves.first
    this.#end = leaves.end
    this.#treeSize = treeSize
    this.#at = leaves.first
  }

  /** Finds out where events of these times are. @throws as `askSql` and `waitPublished` */
  static async between(server: LogServer, span: Span): Promise<LoggedEvents> {
    const parameters = [span.from, span.to].map((micros) => formatTimestamp(micros).replace("Z", ""))
    const { rows } = await askSql(server, { sql: SPAN_SQL, parameters })
    const [first, last, count] = rows[0] ?? []
    if (typeof count !== "number" || !(count === 0 || (isLeaf(first) && isLeaf(last))))
      throw new CliError("CLI_UNEXPECTED_ANSWER", `${server.url}v1/query did not answer with leaf indices`)
    if (count === 0) return new LoggedEvents(server, span, { first: 0, end: 0 }, 0)
    const end = (last as number) + 1
    await waitPublished(server, last as number)
    const { published } = await readHeads(server)
    return new LoggedEvents(server, span, { first: first as number, end }, published)
  }

  /** How much of it was read: 0 … 1. */
  get share(): number {
    return this.#end === this.#first ? 1 : (this.#at - this.#first) / (this.#end - this.#first)
  }

  /** @param withClass - whether the class of each is wanted */
  read(withClass: boolean): AsyncGenerator<readonly TriedEvent[], void, undefined> {
    return inTimeOrder(this.#pages(withClass))
  }

  async *#pages(withClass: boolean): AsyncGenerator<readonly TriedEvent[], void, undefined> {
    const source = withClass ? sourceAt(this.#server.url) : undefined
    while (this.#at < this.#end) {
      const start = this.#at
      const events: TriedEvent[] = []
      for (const { leafIndex, record } of leafRecords(await this.#records(start))) {
        if (leafIndex !== this.#at) throw this.#unexpected()
        this.#at++
        if (record === undefined) this.gone++
        else if (record.length > 0) addWithin(events, leafIndex, record, this.#span)
      }
      if (this.#at === start) throw this.#unexpected()
      yield source === undefined ? events : await this.#classed(events, source)
    }
  }

  #records(start: number): Promise<Uint8Array> {
    return this.#server.bytes(`v1/records?start=${start}&end=${Math.min(this.#end, start + LEAVES)}`)
  }

  async #classed(events: readonly TriedEvent[], source: LogSource): Promise<readonly TriedEvent[]> {
    const classes = new Map<number, string>()
    for (const index of new Set(events.map(({ number }) => Math.floor(number / TILE_WIDTH)))) {
      const first = index * TILE_WIDTH
      const bundle = await readBundle(source, index, Math.min(TILE_WIDTH, this.#treeSize - first))
      let leaf = first
      forEachPacked(bundle, (start, end) => {
        const entry = decodeEntry(bundle.subarray(start, end))
        if (entry.type === "event") classes.set(leaf, entry.className)
        leaf++
      })
    }
    return events.map((event) => ({ ...event, className: classes.get(event.number) }))
  }

  #unexpected(): CliError {
    return new CliError("CLI_UNEXPECTED_ANSWER", `${this.#server.url}v1/records left out leaf ${this.#at}`)
  }
}

const SPAN_SQL = `SELECT min(leaf_index), max(leaf_index), count(*) FROM access_logs
WHERE timestamp >= CAST($1 AS TIMESTAMP) AND timestamp < CAST($2 AS TIMESTAMP)`

function isLeaf(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function addWithin(events: TriedEvent[], number: number, record: Uint8Array, { from, to }: Span): void {
  const event = openRecord(record)
  const timeMs = timeOf(event)
  if (timeMs * 1000 >= from && timeMs * 1000 < to) events.push({ number, event, timeMs })
}
