/**
 * An event as rules see it, from the JSON that its producer would send.
 */

import { EventError } from "@prooflog/event/error"
import { type NormalEvent, normalizeEvent } from "@prooflog/event/event"
import { parseStrictJson } from "@prooflog/event/json"
import type { AccessEvent } from "@prooflog/event/schema"
import { checkEvent } from "@prooflog/event/validate"
import { CliError } from "./error.js"

/**
 * @param source - of the key that would send it
 * @throws {@link CliError} `CLI_FILE` with every rule that it breaks
 */
export function eventFor(json: string, source: string): NormalEvent {
  let event: unknown
  try {
    event = parseStrictJson(json)
  } catch (cause) {
    if (!(cause instanceof EventError)) throw cause
    const place = cause.line === undefined ? "" : ` at ${cause.line}:${cause.column ?? 1}`
    throw new CliError("CLI_FILE", `the event is no JSON that is read here${place}: ${cause.message}`, {
      cause,
    })
  }
  const problems = checkEvent(event, Date.now())
  if (problems.length > 0) {
    throw new CliError("CLI_FILE", "it is no event that the log would take", {
      details: problems.map(({ pointer, message, code }) => `${pointer || "/"}: ${message} (${code})`),
    })
  }
  try {
    return normalizeEvent(event as AccessEvent, { source, source_key_id: "test", event_id: "test" })
  } catch (cause) {
    if (cause instanceof RangeError) throw new CliError("CLI_USAGE", "--source: no key has such a source")
    throw cause
  }
}
