/**
 * From one line of a combined log (Apache, nginx) to an access event.
 *
 *     203.0.113.7 - ada [20/Feb/2016:00:00:45 -0500] "GET /a?b=c HTTP/1.1" 200 187 "https://example.org/" "curl/8"
 *     │           │ │    │                            │   │  │   │         │   │    │                      user_agent
 *     │           │ │    timestamp                    │   │  │   │         │   │    http_referrer
 *     │           │ user_id, `-` is anonymous         │   │  │   │         │   response_bytes
 *     │           attributes.ident, if not `-`        │   │  │   │         http_status, result
 *     │                                               │   │  │   http_protocol
 *     ip_address, or source_address                   │   │  http_query
 *                  http_method, action `http.GET`     ┘   resource_accessed, http_path
 *
 * `raw` stays empty: the fields, with a status that no field takes in `attributes.status`, give back
 * the whole line but for its zone, and a copy would double the record and undo every withheld field.
 *
 * Escapes (`\x22`, `\"`) stay as the server wrote them. `event_id` is not here: a line has
 * none of its own, and lines repeat.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { EventError } from "../error.js"
import { normalizeIpAddress } from "../ip-address.js"
import type { AccessEvent } from "../schema.js"
import { parseTimestamp } from "../timestamp.js"
import { fitAttributes } from "./fit-attributes.js"
import { type EventDraft, fitText, fitTogether } from "./fit-text.js"
import { httpResult, isHttpStatus } from "./result.js"

/** Longest line that is read, in UTF-16 units: what a record could hold. */
const MAX_LINE = 65_535

/**
 * Returns the event that a combined log line tells.
 *
 * A request that is not `METHOD target HTTP/x` (a TLS greeting on the wrong port, `-` after
 * a time-out) is an event too: its text is the resource, its action `http.request`.
 *
 * @param line - without its line end
 * @throws {@link EventError} `EVENT_UNMAPPABLE`, with the column (counted from 1) where it stops being such a line
 */
export function parseCombined(line: string): AccessEvent {
  const parts = line.length <= MAX_LINE ? LINE.exec(line) : null
  if (parts === null) throw explain(line)
  const [
    ,
    remote = "",
    ident,
    user = "",
    ,
    ,
    ,
    ,
    ,
    ,
    request = "",
    status,
    bytes,
    referrer = "",
    agent = "",
  ] = parts
  const cut: string[] = []
  const event: EventDraft = {
    timestamp: timestampOf(parts, line),
    user_id: user === "-" ? "anonymous" : fitText("user_id", user, 256, cut),
    action: "http.request",
    resource_accessed: "-",
    result: httpResult(Number(status)),
    category: "network",
  }
  if (normalizeIpAddress(remote) !== undefined) event.ip_address = remote
  else event.source_address = fitText("source_address", remote, 255, cut)
  addRequest(event, request, cut)
  if (isHttpStatus(Number(status))) event.http_status = Number(status)
  if (bytes !== "-") event.response_bytes = Number(bytes)
  if (referrer !== "-") event.http_referrer = fitText("http_referrer", referrer, 2048, cut)
  if (agent !== "-") event.user_agent = fitText("user_agent", agent, 8192, cut)
  fitTogether(event, cut)
  const rest = {
    ...(ident !== "-" && { ident }),
    ...(event.http_status === undefined && { status }),
  }
  const attributes = fitAttributes(rest, cut, () => line)
  if (attributes !== undefined) event.attributes = attributes
  return event
}

function addRequest(event: EventDraft, request: string, cut: string[]): void {
  const [, method, target, protocol] = REQUEST.exec(request) ?? []
  if (method === undefined || target === undefined || protocol === undefined) {
    event.resource_accessed = fitText("resource_accessed", request, 2048, cut) || "-"
    return
  }
  const query = target.indexOf("?")
  const path = query > 0 ? target.slice(0, query) : target
  event.action = `http.${method}`
  event.resource_accessed = fitText("resource_accessed", path, 2048, cut)
  event.http_method = method
  event.http_path = fitText("http_path", path, 4096, cut)
  if (query > 0) event.http_query = fitText("http_query", target.slice(query + 1), 8192, cut)
  event.http_protocol = protocol
}

/** `20/Feb/2016:00:00:45 -0500` → `2016-02-20T00:00:45-05:00` */
function timestampOf(parts: RegExpExecArray, line: string): string {
  const [, , , , day = "", monthName = "", year = "", time = "", zoneHours, zoneMinutes] = parts
  const timestamp = `${year}-${MONTHS.get(monthName)}-${day}T${time}${zoneHours}:${zoneMinutes}`
  if (parseTimestamp(timestamp) !== undefined) return timestamp
  throw unmappable(line.indexOf(`[${day}/${monthName}/${year}:${time}`) + 1, "there is no such time")
}

const MONTH_NAMES = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
const MONTHS = new Map(MONTH_NAMES.map((name, index) => [name, String(index + 1).padStart(2, "0")]))

/** What stands between two quotes; a backslash escapes what follows it. */
const QUOTED = String.raw`[^"\\]*(?:\\.[^"\\]*)*`

/**
 * The line, part by part. A user may hold spaces and brackets, and nginx writes whatever a client sends
 * as one; but no server lets a bare quote through, so the first ` [time] "` is the real one. Apache
 * writes a name that is empty, which any client can send, as `""`.
 */
const PARTS: readonly { readonly is: string; readonly pattern: string }[] = [
  { is: "a remote address", pattern: "([^ ]+) " },
  { is: "an identity", pattern: "([^ ]+) " },
  { is: "a user", pattern: String.raw`(""|(?:[^"\\]|\\.)+?) (?=\[)` },
  {
    is: "a time like [20/Feb/2016:00:00:45 -0500]",
    pattern:
      String.raw`\[(\d{2})\/([A-Z][a-z]{2})\/(\d{4}):` +
      String.raw`(\d{2}:\d{2}:\d{2}) ([+-]\d{2})(\d{2})\] (?=")`,
  },
  { is: "a request in quotes", pattern: `"(${QUOTED})" ` },
  { is: "a status of three digits", pattern: String.raw`(\d{3}) ` },
  { is: "a number of bytes or -", pattern: String.raw`(\d{1,15}|-) ` },
  { is: "a referrer in quotes", pattern: `"(${QUOTED})" ` },
  { is: "a user agent in quotes", pattern: `"(${QUOTED})"` },
  { is: "the end of the line", pattern: "$" },
]

const LINE = new RegExp(`^${PARTS.map(({ pattern }) => pattern).join("")}`)

const REQUEST = /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,16}) (.+) (HTTP\/\d(?:\.\d)?)$/

/** Only a line that was refused is walked part by part, to say where it went wrong. */
function explain(line: string): EventError {
  if (line.length > MAX_LINE) return unmappable(MAX_LINE + 1, `a line has at most ${MAX_LINE} characters`)
  let at = 0
  for (const { is, pattern } of PARTS) {
    const part = new RegExp(pattern, "y")
    part.lastIndex = at
    if (!part.test(line)) {
      return unmappable(at + 1, `expected ${is}${at === line.length ? ", found the end of the line" : ""}`)
    }
    at = part.lastIndex
  }
  return unmappable(1, "not a line of a combined log")
}

/** Names the place, never what stands there. */
function unmappable(column: number, why: string): EventError {
  return new EventError("EVENT_UNMAPPABLE", `column ${column}: ${why}`, { column })
}
