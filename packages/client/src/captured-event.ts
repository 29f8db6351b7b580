/**
 * One event as it will be sent, taken from the caller's hands once and for all.
 *
 * What the caller passes may change a moment later, may hold getters that throw, cycles, or be no
 * object at all. So it is written to JSON at once, inside one `try`, and only the text lives on:
 * the same bytes on every attempt, in the spool, and when evidence is compared with what was sent.
 *
 * No I/O; clock and identifiers are given.
 */

/**
 * Bytes of JSON above which an event is not even queued.
 *
 * A record holds at most 65,535 bytes; JSON escapes can swell a byte sixfold. What is longer than
 * this cannot become a record.
 */
export const MAX_EVENT_BYTES = 512 * 1024

export interface CapturedEvent {
  /** One line of JSON, an object, without its newline. Always holds an `event_id` that is not null. */
  readonly text: string
  /** UTF-8 bytes of `text`. */
  readonly bytes: number
}

/** Why an event was given up before the server could answer for it. */
export type DropReason =
  /** It cannot be written as a JSON object: a getter threw, a cycle, a BigInt, not an object. */
  | "unreadable"
  /** More than {@link MAX_EVENT_BYTES}. */
  | "too_large"
  /** The queue in memory is full, by count or by bytes. */
  | "queue_full"
  /** The spool on disk is full. */
  | "spool_full"
  /** Its line in the spool was torn by a crash or damaged on disk. */
  | "spool_damaged"
  /** Recorded after `close()`, or still unsent in memory when `close()` ran out of time. */
  | "closed"

/**
 * Returns the event as one line, or the reason why it cannot be one. Never throws.
 *
 * An `event_id` that is absent, or null in JSON, gets a fresh identifier, and an absent or null `timestamp`
 * the time of the clock; nothing else is added. An object with `toJSON` is asked for its JSON form first, as
 * `JSON.stringify` would.
 *
 * @param event - suspect: anything
 */
export function captureEvent(
  event: unknown,
  clock: () => number,
  newId: () => string,
): CapturedEvent | "unreadable" | "too_large" {
  try {
    const plain = toPlain(event)
    if (typeof plain !== "object" || plain === null || Array.isArray(plain)) return "unreadable"
    // The rest pattern reads every getter exactly once.
    const { event_id, timestamp, ...rest } = plain as Record<string, unknown>
    // It was asked already. Asked again, it could take away what is added here.
    if (typeof rest.toJSON === "function") delete rest.toJSON
    const text = JSON.stringify({
      event_id: writable(event_id) ?? newId(),
      timestamp: timestamp ?? new Date(clock()).toISOString(),
      ...rest,
    })
    const bytes = Buffer.byteLength(text)
    return bytes > MAX_EVENT_BYTES ? "too_large" : { text, bytes }
  } catch {
    return "unreadable"
  }
}

/** Returns the identifier inside a captured line, or `undefined` if it is not a string. */
export function eventIdOf(event: CapturedEvent): string | undefined {
  const { event_id } = JSON.parse(event.text) as { event_id?: unknown }
  return typeof event_id === "string" ? event_id : undefined
}

/** What JSON makes of a value; `null` for NaN, a function and others, whose place each try would fill anew. */
function writable(value: unknown): unknown {
  if (typeof value === "string" || value === undefined) return value
  return JSON.parse(JSON.stringify(value) ?? "null")
}

function toPlain(event: unknown): unknown {
  const toJson = (event as { toJSON?: unknown } | null | undefined)?.toJSON
  return typeof toJson === "function" ? toJson.call(event, "") : event
}
