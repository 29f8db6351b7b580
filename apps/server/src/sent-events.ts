/**
 * From the bytes of a body to the events in it, not yet checked.
 *
 *     application/json        {…}          one event
 *                             [{…}, {…}]   many
 *     application/x-ndjson    {…}⏎{…}⏎     many; a bad line is refused alone, by its number
 *     application/cbor        the same two shapes as JSON, in deterministic CBOR
 *
 * The bytes are suspect; what comes out is a value that has one meaning, and nothing more is known of it.
 */

import { isAscii, isUtf8 } from "node:buffer"
import { decodeCbor } from "@prooflog/event/cbor"
import { EventError } from "@prooflog/event/error"
import { parseStrictJson } from "@prooflog/event/json"
import { ServerError } from "./error.js"

/** Events in one request. */
export const MAX_EVENTS = 10_000

/** Deepest event: the object itself is 1. */
const MAX_DEPTH = 8

export interface SentEvents {
  /** Whether they came as a list: then there is one result for each. */
  readonly many: boolean
  /** Each a value, or the error that says why there is none. Read lazily, once. */
  readonly events: Iterable<unknown>
}

/**
 * @param mediaType - the Content-Type header, if there was one
 * @throws {@link ServerError} `SERVER_UNSUPPORTED_MEDIA_TYPE`, `SERVER_MALFORMED_UTF8`,
 * `SERVER_TOO_MANY_EVENTS` (also while NDJSON is being read)
 * @throws {@link EventError} `EVENT_MALFORMED_JSON`, `EVENT_MALFORMED_CBOR`
 */
export function readEvents(bytes: Uint8Array, mediaType: string | undefined): SentEvents {
  switch (mediaType === "application/json" ? mediaType : mediaTypeOf(mediaType)) {
    case "application/json":
      return asSent(parseStrictJson(readText(bytes), { maxDepth: MAX_DEPTH + 1 }))
    case "application/x-ndjson":
    case "application/ndjson":
      return { many: true, events: linesOf(readText(bytes)) }
    case "application/cbor":
      return asSent(decodeCbor(bytes))
    default:
      throw unsupported("application/json, application/x-ndjson or application/cbor")
  }
}

/**
 * Returns the one JSON value of a body that is not events.
 *
 * @param taken - the types that the path takes, for the words of a refusal
 * @throws {@link ServerError} `SERVER_UNSUPPORTED_MEDIA_TYPE`, `SERVER_MALFORMED_UTF8`
 * @throws {@link EventError} `EVENT_MALFORMED_JSON`
 */
export function readJson(
  bytes: Uint8Array,
  mediaType: string | undefined,
  taken = "application/json",
): unknown {
  if (mediaTypeOf(mediaType) !== "application/json") throw unsupported(taken)
  return parseStrictJson(readText(bytes), { maxDepth: MAX_DEPTH })
}

function asSent(value: unknown): SentEvents {
  if (!Array.isArray(value)) return { many: false, events: [value] }
  if (value.length > MAX_EVENTS) throw tooMany()
  return { many: true, events: value }
}

/** Blank lines are skipped, but counted. */
function* linesOf(text: string): Generator<unknown> {
  let count = 0
  for (let start = 0, number = 1; start < text.length; number++) {
    const newline = text.indexOf("\n", start)
    const end = newline < 0 ? text.length : newline
    const line = text.slice(start, end)
    start = end + 1
    if (line.trim() === "") continue
    if (++count > MAX_EVENTS) throw tooMany()
    yield parseLine(line, number)
  }
}

function parseLine(line: string, number: number): unknown {
  try {
    return parseStrictJson(line, { maxDepth: MAX_DEPTH })
  } catch (error) {
    if (!(error instanceof EventError)) throw error
    const { code, message, problem, column } = error
    return new EventError(code, message, {
      line: number,
      ...(problem && { problem }),
      ...(column && { column }),
    })
  }
}

/**
 * Returns the text of a body. Text that is ASCII, as most is, stays one byte a character.
 *
 * @throws {@link ServerError} `SERVER_MALFORMED_UTF8`
 */
export function readText(bytes: Uint8Array): string {
  const { buffer, byteOffset, length } = bytes
  if (isAscii(bytes)) return Buffer.from(buffer, byteOffset, length).toString("latin1")
  if (isUtf8(bytes)) return Buffer.from(buffer, byteOffset, length).toString("utf8")
  throw new ServerError("SERVER_MALFORMED_UTF8", "the body is not well-formed UTF-8")
}

/** "Application/JSON; charset=UTF-8" → "application/json"; any other charset is no type of ours. */
export function mediaTypeOf(mediaType = ""): string {
  const [type = "", ...parameters] = mediaType.toLowerCase().split(";")
  const foreign = parameters.some((parameter) => /^\s*charset=(?!"?utf-8"?\s*$)/.test(parameter))
  return foreign ? "" : type.trim()
}

function unsupported(types: string): ServerError {
  return new ServerError("SERVER_UNSUPPORTED_MEDIA_TYPE", `Content-Type must be ${types}`)
}

function tooMany(): ServerError {
  return new ServerError("SERVER_TOO_MANY_EVENTS", `a request may carry ${MAX_EVENTS} events`)
}
