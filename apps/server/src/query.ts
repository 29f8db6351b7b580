/**
 * Numbers and lists out of a query string.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { ServerError } from "./error.js"
import { INDEX_SCHEMA, type Parameter } from "./route.js"

/** Returns the number that a decimal text names: a safe integer without sign or leading zero, else `undefined`. */
export function parseIndex(text: string): number | undefined {
  if (!/^(0|[1-9]\d{0,15})$/.test(text)) return undefined
  const index = Number(text)
  return Number.isSafeInteger(index) ? index : undefined
}

/**
 * Returns an index given by a query, or `fallback` if it is not there.
 *
 * @throws {@link ServerError} `SERVER_MALFORMED_QUERY` if it is no index, given twice, or missing and without fallback
 */
export function indexParameter(query: URLSearchParams, name: string, fallback?: number): number {
  const texts = query.getAll(name)
  if (texts.length === 0 && fallback !== undefined) return fallback
  const index = texts.length === 1 ? parseIndex(texts[0] as string) : undefined
  if (index === undefined) throw malformed(name, "must be given once, as an integer of 0 … 2^53-1")
  return index
}

/** Returns what a query gives in one list or several: `?a=1,2&a=3` → "1", "2", "3". */
export function listParameter(query: URLSearchParams, name: string): string[] {
  return query
    .getAll(name)
    .flatMap((list) => list.split(","))
    .filter((text) => text !== "")
}

/** The parameter of every question that can wait for what was just logged. */
export const MIN_SIZE: Parameter = {
  name: "min_size",
  in: "query",
  description: "Leaves that the answer must have seen: it waits for them, 5 seconds at most",
  schema: INDEX_SCHEMA,
}

/** Takes `min_size` out of a query; `undefined` if it is not there. */
export function minSizeOf(query: URLSearchParams): number | undefined {
  if (!query.has(MIN_SIZE.name)) return undefined
  const minSize = indexParameter(query, MIN_SIZE.name)
  query.delete(MIN_SIZE.name)
  return minSize
}

/** The error of a query parameter that cannot be used. */
export function malformed(parameter: string, why: string): ServerError {
  return new ServerError("SERVER_MALFORMED_QUERY", `${parameter} ${why}`, { parameter })
}
