/**
 * What stands at `a.b.c` in foreign JSON.
 *
 *     { a: { b: { c: 1 } } }            1
 *     { a: [ { b: … }, { b: … } ] }     of each item: a list of texts
 *     { "a.b": { c: 1 } }               names may hold dots: the shortest that is there is taken
 *     { a: '{"b":{"c":1}}' }            JSON in a text is read, where the way goes on
 *
 * Nothing throws, and nothing takes more than the value has: lists are cut at {@link MAX_ITEMS} items.
 *
 * Pure.
 */

import { parseStrictJson } from "@prooflog/event/json"
import type { FieldValue } from "./seen-event.js"

/** Most items that one path leads to. */
export const MAX_ITEMS = 256

/** Deepest JSON that is read: nothing here recurses further. */
const MAX_DEPTH = 64

/** Reads texts as JSON, as {@link jsonIn} does: of one event each text once, however many paths lead into it. */
export interface JsonTexts {
  jsonIn(text: string): unknown
}

/** Returns the value of a JSON text, or `undefined` if it is none that has one meaning. */
export function jsonIn(text: string): unknown {
  try {
    return parseStrictJson(text, { maxDepth: MAX_DEPTH, integers: "double" })
  } catch {
    // Whoever wrote it is not to be believed about anything, and an event without it is still an event.
    return undefined
  }
}

/**
 * Returns what a path leads to: text, number, truth; of lists, the texts; of an object, its JSON. `undefined` where it
 * leads to nothing, or to null.
 *
 * @param path - names with dots between them
 */
export function valueAt(value: unknown, path: string, texts: JsonTexts): FieldValue | undefined {
  const found: unknown[] = []
  const isList = collect(value, path, texts, found)
  if (!isList) return fieldValueOf(found[0])
  return found.length === 0 ? undefined : fieldValueOf(found.flat())
}

/** Returns a value as rules see it. */
export function fieldValueOf(value: unknown): FieldValue | undefined {
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).map(textOf).filter(isText)
  return typeof value === "number" || typeof value === "boolean" ? value : textOf(value)
}

function textOf(value: unknown): string | undefined {
  if (value === null || value === undefined || value instanceof Uint8Array) return undefined
  return typeof value === "object" ? JSON.stringify(value) : String(value)
}

function isText(text: string | undefined): text is string {
  return text !== undefined
}

/** Adds to `found` what the path leads to. Returns whether it went through a list. */
function collect(value: unknown, path: string, texts: JsonTexts, found: unknown[]): boolean {
  if (value === null || value === undefined) return false
  if (Array.isArray(value)) {
    for (const item of value) collect(item, path, texts, found)
    return true
  }
  if (typeof value === "string" && /^\s*[[{]/.test(value))
    return collect(texts.jsonIn(value), path, texts, found)
  if (typeof value !== "object") return false
  const members = value as Readonly<Record<string, unknown>>
  if (Object.hasOwn(members, path)) {
    const member = members[path]
    if (member !== null && member !== undefined) found.push(member)
    return false
  }
  for (let dot = path.indexOf("."); dot > 0; dot = path.indexOf(".", dot + 1)) {
    const name = path.slice(0, dot)
    if (Object.hasOwn(members, name)) return collect(members[name], path.slice(dot + 1), texts, found)
  }
  return false
}
