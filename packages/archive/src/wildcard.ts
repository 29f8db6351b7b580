/**
 * Wildcards: `*` is any run of characters, also none; `?` is exactly one; all else is itself.
 *
 *     iam.*        iam.CreateUser, iam.
 *     /patients/?  /patients/7, not /patients/77
 *
 * A character is a Unicode code point. Case counts. There is no escape: `?` also stands for a `*` or a `?`.
 * Matching never takes more than length of pattern × length of text steps, whatever both are.
 *
 * Spec: docs/spec, "Rules".
 * Pure.
 */

const STAR = 0x2a
const QUESTION_MARK = 0x3f

/** Whether a pattern has no wildcard, so that it matches itself alone. */
export function isLiteral(pattern: string): boolean {
  return !pattern.includes("*") && !pattern.includes("?")
}

/** Whether a pattern matches the whole of a text. Both well-formed. */
export function matchesWildcard(pattern: string, text: string): boolean {
  let p = 0
  let t = 0
  /** Behind the last star, and where in the text what follows it is tried. Earlier stars need no second try. */
  let afterStar = -1
  let tried = 0
  while (t < text.length) {
    const code = p < pattern.length ? pattern.charCodeAt(p) : -1
    if (code === STAR) {
      afterStar = ++p
      tried = t
    } else if (code === QUESTION_MARK) {
      p++
      t += isPair(text, t) ? 2 : 1
    } else if (code === text.charCodeAt(t)) {
      p++
      t++
    } else if (afterStar >= 0) {
      // A try in the middle of a pair finds nothing that the one before it did not.
      p = afterStar
      t = ++tried
    } else return false
  }
  while (p < pattern.length && pattern.charCodeAt(p) === STAR) p++
  return p === pattern.length
}

/**
 * Whether everything that `narrow` matches is surely matched by `wide`, too. `false` says nothing.
 *
 * Where `wide` has no `?`, only its stars can match the wildcards of `narrow` as they are written, and a star
 * matches whatever may stand in their place.
 */
export function coversWildcard(wide: string, narrow: string): boolean {
  if (wide === narrow) return true
  return (isLiteral(narrow) || !wide.includes("?")) && matchesWildcard(wide, narrow)
}

function isPair(text: string, at: number): boolean {
  return (text.charCodeAt(at) & 0xfc00) === 0xd800 && (text.charCodeAt(at + 1) & 0xfc00) === 0xdc00
}
