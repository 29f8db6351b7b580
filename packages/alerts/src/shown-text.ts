/**
 * Text out of a log, made fit to be shown to people: all of it visible, on one line, and nothing of it a link.
 *
 *     line one⏎line two      line one\nline two
 *     user‮gnp.exe           user\u{202e}gnp.exe       whatever has no look of its own, or turns around what follows
 *     https://evil.example   https[:]//evil.example    where programs make links of what looks like one
 *
 * It is for looking at: a backslash that was there is not told from one that is put there.
 *
 * Pure.
 */

import { cutText } from "./alert.js"

/** Controls, formats (bidi, zero width, tags), separators of lines, halves of pairs, and what fonts leave out. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\u115f\u1160\u3164\uffa0]|[\ufe00-\ufe0f]|\u034f/gu

/** Marks past the third on one letter: they are drawn over the lines above and below. */
const PILED_MARKS = /(?<=\p{M}{3})\p{M}/gu

const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }

/**
 * Returns a text of at most `max` UTF-16 units in which everything can be seen.
 *
 * @param text - suspect, of any length
 */
export function shownText(text: string, max: number): string {
  // No character is shown as less than itself: what is further behind would be cut off anyway.
  return cutText(
    text
      .slice(0, max + 1)
      .replace(UNSEEN, escaped)
      .replace(PILED_MARKS, escaped),
    max,
  )
}

/** The same, with nothing that begins like a URL or an address of mail. */
export function unlinkedText(text: string, max: number): string {
  const shown = shownText(text, max)
  const unlinked = shown
    .replace(/:\/\//g, "[:]//")
    .replace(/\b(mailto|tel|sms|javascript|data|vbscript):/gi, "$1[:]")
    .replace(/\b(www)([.。．｡])/gi, "$1[$2]")
  return cutText(unlinked, max)
}

/** The same, with no names of hosts, of which mail programs make links, too: `evil[.]example`. */
export function hostlessText(text: string, max: number): string {
  return cutText(unlinkedText(text, max).replace(/(?<=[\p{L}\p{N}-])[.。．｡](?=\p{L}{2})/gu, "[$&]"), max)
}

/**
 * Returns a text of at most `max` UTF-16 units as data: exact but for halves of surrogate pairs, which many readers of
 * JSON refuse.
 */
export function dataText(text: string, max: number): string {
  return cutText(text.slice(0, max + 1).replace(/\p{Cs}/gu, "\ufffd"), max)
}

/** Returns RFC 3339 to the second; of what is no time within years of four digits, the nearest that is. */
export function timeText(ms: number): string {
  const nearest = Number.isNaN(ms) ? 0 : Math.min(Math.max(ms, FIRST_MS), LAST_MS)
  return new Date(nearest).toISOString().replace(/\.\d+/, "")
}

const FIRST_MS = Date.UTC(1970, 0, 1)
const LAST_MS = Date.UTC(9999, 11, 31, 23, 59, 59)

function escaped(character: string): string {
  return SHORT[character] ?? `\\u{${(character.codePointAt(0) as number).toString(16)}}`
}
