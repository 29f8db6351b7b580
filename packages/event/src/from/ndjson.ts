/**
 * From one line of NDJSON to an access event, as it stands.
 *
 *     {"timestamp":"2023-10-21T15:32:00Z","user_id":"U12345","resource_accessed":"/secure-data","result":"success"}
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { EventError } from "../error.js"
import { parseStrictJson } from "../json.js"
import type { AccessEvent } from "../schema.js"
import { isJsonObject } from "./member.js"

/**
 * Returns the object that a line holds. Its members are not checked here: that is the
 * schema's business, on the server or in `event/validate`.
 *
 * @param line - without its line end
 * @throws {@link EventError} `EVENT_MALFORMED_JSON` if it is not strict JSON, with its column;
 * `EVENT_UNMAPPABLE` if it is JSON but no object
 */
export function parseNdjson(line: string): AccessEvent {
  const value = parseStrictJson(line)
  if (isJsonObject(value)) return value as unknown as AccessEvent
  throw new EventError("EVENT_UNMAPPABLE", "column 1: an event is a JSON object", { column: 1 })
}
