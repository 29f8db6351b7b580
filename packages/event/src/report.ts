/**
 * What is wrong with the event in hand, gathered as its checks find it.
 *
 * No message repeats a value: it says what was expected and what kind of value there is.
 *
 * Pure.
 */

import type { EventProblem, EventProblemCode } from "./error.js"
import { pointerOf } from "./json.js"

/** Names and indices that lead to a value. */
export type Path = readonly (string | number)[]

/** Most problems that are told of one event. */
const MAX_PROBLEMS = 32

/** What is known of the event in hand. */
export class Report {
  readonly problems: EventProblem[] = []
  readonly nowMs: number
  /** UTF-16 units of text seen outside `attributes`. */
  units = 0

  constructor(nowMs: number) {
    this.nowMs = nowMs
  }

  add(code: EventProblemCode, path: Path, message: string): void {
    if (this.problems.length < MAX_PROBLEMS) this.problems.push({ code, pointer: pointerOf(path), message })
  }

  wrongType(path: Path, wanted: string, value: unknown): void {
    this.add("wrong_type", path, `${label(path)} must be ${wanted}; this is ${kindOf(value)}`)
  }

  loneSurrogate(path: Path): void {
    this.add("lone_surrogate", path, `${label(path)} has half of a surrogate pair in it`)
  }
}

/** Returns the name of a field; of what lies in it, its own place. */
export function label(path: Path): string {
  return path.length === 2 && typeof path[1] === "number" ? `${path[0]}[${path[1]}]` : String(path[0])
}

/** Returns what a value is, in words: `an array`, `a string`. */
export function kindOf(value: unknown): string {
  if (value === null) return "null"
  if (Array.isArray(value)) return "an array"
  if (typeof value === "object") return "an object"
  return value === undefined ? "undefined" : `a ${typeof value}`
}

/** Returns how many Unicode code points a text has. */
export function codePoints(text: string): number {
  let count = 0
  for (const _ of text) count++
  return count
}
