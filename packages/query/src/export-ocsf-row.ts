/**
 * One row while it is mapped: what was taken from it has its place, the rest goes to `unmapped`.
 *
 *     take("user_id") ─► "U12345"        rest() ─► { environment: "production", … }
 *
 * So nothing a row says can be forgotten by a mapping.
 */

import { COLUMNS } from "./columns.js"
import { QueryError } from "./error.js"
import type { Row } from "./export-encoder.js"
import type { JsonValue, OutputColumn } from "./store.js"

export class MappedRow {
  readonly #places: ReadonlyMap<string, number>
  readonly #row: Row
  readonly #taken = new Set<string>()

  /** @param places - from {@link placesOf} */
  constructor(places: ReadonlyMap<string, number>, row: Row) {
    this.#places = places
    this.#row = row
  }

  /** Returns a value, or `undefined` for NULL, and leaves it. */
  peek(name: string): NonNullable<JsonValue> | undefined {
    return this.#row[this.#places.get(name) ?? -1] ?? undefined
  }

  /** Returns a text and leaves it. */
  peekText(name: string): string | undefined {
    const value = this.peek(name)
    return typeof value === "string" ? value : undefined
  }

  /** Returns a value, or `undefined` for NULL; it has found its place. */
  take(name: string): NonNullable<JsonValue> | undefined {
    this.#taken.add(name)
    return this.peek(name)
  }

  /** Returns a text, or `undefined` for NULL; it has found its place. */
  takeText(name: string): string | undefined {
    this.#taken.add(name)
    return this.peekText(name)
  }

  /** Returns what found no place, or `undefined` if that is nothing. */
  rest(): Readonly<Record<string, unknown>> | undefined {
    const left = [...this.#places.keys()].filter((name) => !this.#taken.has(name))
    return some(Object.fromEntries(left.map((name) => [name, this.peek(name)])))
  }
}

/** Returns an object without its members that are `undefined`, or `undefined` if it has no others. */
export function some<T extends object>(members: T): T | undefined {
  return Object.values(members).some((value) => value !== undefined) ? members : undefined
}

/**
 * Returns where each column stands.
 *
 * @throws {@link QueryError} `QUERY_INVALID` unless all columns of `access_logs` but derived ones are there,
 * each once and of its type
 */
export function placesOf(columns: readonly OutputColumn[]): ReadonlyMap<string, number> {
  const places = new Map(columns.map(({ name }, at) => [name, at]))
  const wrong = COLUMNS.find(
    ({ name, type, origin }) => origin !== "derived" && columns[places.get(name) ?? -1]?.type !== type,
  )
  if (wrong !== undefined) throw unfit(`${wrong.name} is missing or of another type`)
  if (places.size < columns.length) throw unfit("a name is there twice")
  return places
}

function unfit(what: string): QueryError {
  return new QueryError("QUERY_INVALID", `an OCSF file is made of whole events: ${what}`, {
    hint: "SELECT * FROM access_logs WHERE …",
  })
}
