/**
 * Regular expressions that cannot stall whoever evaluates them.
 *
 *     pattern ─► RE2, no backtracking ─► program of at most 1,000 steps
 *     text    ─► its first 4,000,000 / steps characters ─► found, or not
 *
 * However pattern and text were made for each other, one question costs at most {@link MAX_STEPS} steps. What RE2 does not
 * have (look-around, back references) is refused when the rule is read.
 *
 * Spec: github.com/google/re2/wiki/Syntax; Sigma modifiers 2.1.0, "Regular Expression": case matters, found anywhere.
 * Pure.
 */

import { RE2JS, RE2JSException } from "re2js"

/** Most characters of a pattern, in UTF-16 units. */
export const MAX_PATTERN = 2_000

/** Most instructions of a compiled pattern. */
export const MAX_PROGRAM = 1_000

/** Most steps for one text: instructions times characters. */
export const MAX_STEPS = 4_000_000

/** i: case does not matter. m: `^` and `$` are those of lines. s: `.` is a line end too. */
export type RegularFlag = "i" | "m" | "s"

const FLAGS: Readonly<Record<RegularFlag, number>> = {
  i: RE2JS.CASE_INSENSITIVE,
  m: RE2JS.MULTILINE,
  s: RE2JS.DOTALL,
}

/**
 * Returns the test whether an expression is found anywhere in a text.
 *
 * Of a text of more than `MAX_STEPS / steps of the program` characters only the first are looked at: of a usual pattern's
 * 50 steps, 80,000.
 *
 * @param flags - of {@link RegularFlag}, without separators
 * @throws RangeError if it is no such expression, or too large; the message says which
 */
export function regularTest(pattern: string, flags = ""): (text: string) => boolean {
  if (pattern.length > MAX_PATTERN) throw new RangeError(`longer than ${MAX_PATTERN} characters`)
  const expression = compile(pattern, flags)
  const steps = expression.programSize()
  if (steps > MAX_PROGRAM) {
    throw new RangeError(`too large: ${steps} steps, and ${MAX_PROGRAM} are taken; do repetitions multiply?`)
  }
  const longest = Math.floor(MAX_STEPS / steps)
  return (text) => expression.test(text.length > longest ? text.slice(0, longest) : text)
}

/** Returns the expression that is this text. */
export function quoteRegular(text: string): string {
  return RE2JS.quote(text)
}

function compile(pattern: string, flags: string): RE2JS {
  const bits = [...flags].reduce((sum, flag) => sum | FLAGS[flag as RegularFlag], 0)
  try {
    return RE2JS.compile(pattern, bits)
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error
    // It repeats the expression, which may be long.
    const message = error.message.replace(/^error parsing regexp: /, "")
    throw new RangeError(message.length > 200 ? `${message.slice(0, 200)}…` : message, { cause: error })
  }
}
