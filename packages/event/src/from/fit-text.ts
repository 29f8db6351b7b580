/**
 * Fitting foreign texts into the fields of an access event.
 *
 *     too long for a field         →  its beginning there
 *     no event_id                  →  `h:` and its hash there
 *     too much for one record      →  the longest are halved
 *     in each case                 →  the field's name is added to `cut`, for the attributes to say so
 *
 * Whatever a source says, an event comes of it that can be logged: nobody shall keep an access
 * out of the log by the words he sends with it.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { encodeHex } from "@prooflog/tlog/base64"
import { sha256 } from "@prooflog/tlog/hash"
import { isWellFormed, utf8Length } from "../cbor-writer.js"
import { type AccessEvent, EVENT_ID_PATTERN, MAX_EVENT_ID_LENGTH } from "../schema.js"

/** An event while a mapping writes it. */
export type EventDraft = { -readonly [Name in keyof AccessEvent]: AccessEvent[Name] }

/**
 * Returns at most `max` UTF-16 units of `text`, never half a character, and
 * adds `name` to `cut` if that is less than the whole.
 *
 * A lone surrogate, which no UTF-8 can hold, becomes the six characters of its JSON escape.
 */
export function fitText(name: string, text: string, max: number, cut: string[]): string {
  const whole = isWellFormed(text) ? text : text.replace(LONE_SURROGATES, escapeSurrogate)
  if (whole.length <= max) return whole
  cut.push(name)
  const last = whole.charCodeAt(max - 1)
  return whole.slice(0, last >= 0xd800 && last < 0xdc00 ? max - 1 : max)
}

/** Returns a text as an `event_id`, and adds that to `cut` if the text itself can be none. The same text gives the same. */
export function fitEventId(text: string, cut: string[]): string {
  if (text.length <= MAX_EVENT_ID_LENGTH && EVENT_ID.test(text)) return text
  cut.push("event_id")
  return `h:${encodeHex(sha256(new TextEncoder().encode(text)).subarray(0, 16))}`
}

const EVENT_ID = new RegExp(EVENT_ID_PATTERN)

/**
 * Bytes that the texts of an event may take together: with full attributes beside them, and with
 * names and numbers, the event is within its limit. Only text that is not ASCII ever takes so many.
 */
const MAX_TEXT_BYTES = 46_000

/** Halves the longest texts of an event until all of them fit together, and adds their names to `cut`. */
export function fitTogether(event: EventDraft, cut: string[]): void {
  const members = event as Record<string, unknown>
  let bytes = (event.ip_chain ?? []).reduce((sum, text) => sum + utf8Length(text), 0)
  const texts: { name: string; text: string; bytes: number }[] = []
  for (const [name, text] of Object.entries(members)) {
    if (typeof text !== "string") continue
    texts.push({ name, text, bytes: utf8Length(text) })
    bytes += utf8Length(text)
  }
  while (bytes > MAX_TEXT_BYTES) {
    const longest = texts.reduce((a, b) => (b.bytes > a.bytes ? b : a))
    bytes -= longest.bytes
    longest.text = fitText(longest.name, longest.text, Math.floor(longest.text.length / 2), cut)
    longest.bytes = utf8Length(longest.text)
    bytes += longest.bytes
    members[longest.name] = longest.text
  }
}

/** With the `u` flag a surrogate matches only where it has no partner. */
const LONE_SURROGATES = /\p{Surrogate}/gu

function escapeSurrogate(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16)}`
}
