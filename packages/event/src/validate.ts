/**
 * Whether a value is an access event, and if not, everything that is wrong with it.
 *
 *     value ─► each member by its schema ─► what a schema cannot say: times, addresses,
 *              (checks made once, from       nulls, keys, depth and bytes of attributes,
 *              the one schema)               bytes of the whole
 *
 * The checks are closures, one per field: nothing is generated as code, so this runs
 * under a strict content security policy, and an event of 14 fields takes below a
 * microsecond. TypeBox, reading the same schema, is the second opinion in tests.
 *
 * Spec: docs/spec, "Event".
 * Pure: no I/O; the clock is given.
 */

import { checkAttributes } from "./attributes.js"
import { encodeCbor } from "./cbor.js"
import { isWellFormed } from "./cbor-writer.js"
import { EventError, type EventProblem } from "./error.js"
import { isForbiddenKey } from "./forbidden-keys.js"
import { normalizeIpAddress } from "./ip-address.js"
import { isPlainObject } from "./plain-object.js"
import { codePoints, kindOf, label, type Path, Report } from "./report.js"
import { AccessEventSchema, SERVER_NAMES } from "./schema.js"
import { MAX_EPOCH_MS, MIN_EPOCH_MS, parseTimestamp } from "./timestamp.js"

export type { EventProblem, EventProblemCode } from "./error.js"

/** How far a producer's clock may be ahead. */
export const MAX_AHEAD_MS = 600_000

/**
 * Most bytes that an event may take as a CBOR map of what the producer said. The rest
 * of a record's 65,535 is for the seed and for what the server adds.
 */
export const MAX_EVENT_BYTES = 64_512

/** Below this many UTF-16 units of text, an event cannot reach {@link MAX_EVENT_BYTES}. */
const SURELY_SMALL = 15_000

const NO_PROBLEMS: readonly EventProblem[] = Object.freeze([])

type Check = (value: unknown, report: Report) => void

/**
 * Returns everything that keeps a value from being an access event; nothing, if it is one.
 *
 * A member that is null or undefined counts as absent.
 *
 * @param value - suspect: parsed JSON, or an object that a program made
 * @param nowMs - the time now, ms since 1970: what lies further ahead than 10 minutes is refused
 */
export function checkEvent(value: unknown, nowMs: number): readonly EventProblem[] {
  const report = new Report(nowMs)
  if (isPlainObject(value)) checkMembers(value, report)
  else report.add("not_an_object", [], `an event must be an object; this is ${kindOf(value)}`)
  return report.problems.length === 0 ? NO_PROBLEMS : report.problems
}

function checkMembers(event: Record<string, unknown>, report: Report): void {
  for (const name of Object.keys(event)) {
    const check = CHECKS.get(name)
    const value = event[name]
    if (check === undefined) refuseName(name, value, report)
    else if (value !== null && value !== undefined) check(value, report)
  }
  for (const name of REQUIRED) {
    if (event[name] === null || event[name] === undefined)
      report.add("missing_field", [name], `${name} is missing`)
  }
  if (report.units > SURELY_SMALL && report.problems.length === 0) checkSize(event, report)
}

function refuseName(name: string, value: unknown, report: Report): void {
  const path = [name]
  if (SERVER_NAMES.has(name)) {
    if (value !== null && value !== undefined)
      report.add("server_field", path, `${name} is set by the server`)
  } else if (isForbiddenKey(name)) {
    report.add("forbidden_key", path, `the key ${name} is not allowed`)
  } else {
    report.add(
      "unknown_field",
      path,
      "no field of an event has this name; data of your own goes into attributes",
    )
  }
}

function checkSize(event: Record<string, unknown>, report: Report): void {
  const said = Object.entries(event).filter(([, value]) => value !== null && value !== undefined)
  try {
    const bytes = encodeCbor(Object.fromEntries(said) as Record<string, string>).length
    if (bytes <= MAX_EVENT_BYTES) return
  } catch (error) {
    if (!(error instanceof EventError) || error.code !== "EVENT_TOO_LARGE") throw error
  }
  report.add("event_too_large", [], `the event takes more than ${MAX_EVENT_BYTES} bytes of CBOR`)
}

// ---- checks made from the schema

/** The parts of JSON Schema that the schema of events uses. */
interface Node {
  readonly type?: string
  readonly enum?: readonly string[]
  readonly minLength?: number
  readonly maxLength?: number
  readonly pattern?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly maxItems?: number
  readonly items?: Node
  readonly description?: string
}

/** Fields of which the schema cannot say everything. */
const OWN_CHECKS: Readonly<Record<string, Check>> = {
  timestamp: checkTimestamp,
  ip_address: checkIpAddress,
  attributes: checkAttributes,
}

const CHECKS: ReadonlyMap<string, Check> = new Map(
  Object.entries(AccessEventSchema.properties).map(([name, node]) => [
    name,
    OWN_CHECKS[name] ?? checkFrom([name], node as Node),
  ]),
)

const REQUIRED: readonly string[] = AccessEventSchema.required

function checkFrom(path: Path, node: Node): Check {
  if (node.enum !== undefined) return enumCheck(path, node.enum)
  switch (node.type) {
    case "string":
      return textCheck(path, node)
    case "integer":
    case "number":
      return numberCheck(path, node)
    case "boolean":
      return (value, report) => {
        if (typeof value !== "boolean") report.wrongType(path, "true or false", value)
      }
    case "array":
      return arrayCheck(path, node)
    default:
      throw new Error(`bug: no check for the schema of ${path.join(".")}`)
  }
}

function enumCheck(path: Path, allowed: readonly string[]): Check {
  const set: ReadonlySet<unknown> = new Set(allowed)
  return (value, report) => {
    if (set.has(value)) return
    if (typeof value !== "string") report.wrongType(path, "a string", value)
    else report.add("bad_format", path, `${label(path)} must be one of ${allowed.join(", ")}`)
  }
}

function textCheck(path: Path, node: Node): Check {
  const min = node.minLength ?? 0
  const max = node.maxLength ?? Number.MAX_SAFE_INTEGER
  const pattern = node.pattern === undefined ? undefined : new RegExp(node.pattern)
  return (value, report) => {
    if (typeof value !== "string") {
      report.wrongType(path, "a string", value)
      return
    }
    const units = value.length
    report.units += units
    if (units > max || units < min) checkLength(path, value, min, max, report)
    if (!isWellFormed(value)) report.loneSurrogate(path)
    else if (pattern !== undefined && !pattern.test(value) && units >= min) {
      report.add("bad_format", path, `${label(path)} has another form than ${pattern.source}`)
    }
  }
}

/** Counts code points, of which a text has at most as many as UTF-16 units. */
function checkLength(path: Path, value: string, min: number, max: number, report: Report): void {
  const length = value.length > 2 * max ? value.length : codePoints(value)
  if (length < min) report.add("too_short", path, `${label(path)} must have at least ${min} characters`)
  if (length > max) {
    report.add("too_long", path, `${label(path)} must have at most ${max} characters; it has ${length}`)
  }
}

function numberCheck(path: Path, node: Node): Check {
  const min = node.minimum ?? Number.NEGATIVE_INFINITY
  const max = node.maximum ?? Number.POSITIVE_INFINITY
  const integer = node.type === "integer"
  const wanted = integer ? "an integer" : "a number"
  return (value, report) => {
    if (typeof value !== "number") report.wrongType(path, wanted, value)
    else if (!Number.isFinite(value))
      report.add("unsafe_number", path, `${label(path)} is not a finite number`)
    else if (integer && !Number.isInteger(value))
      report.add("wrong_type", path, `${label(path)} must be an integer`)
    else if (value < min || value > max) {
      const range = max === Number.POSITIVE_INFINITY ? `at least ${min}` : `${min} to ${max}`
      report.add("out_of_range", path, `${label(path)} must be ${range}`)
    }
  }
}

function arrayCheck(path: Path, node: Node): Check {
  const max = node.maxItems ?? Number.MAX_SAFE_INTEGER
  const items = node.items ?? {}
  // One check per place, so that a pointer names the item.
  const checks = Array.from({ length: max }, (_, i) => checkFrom([...path, i], items))
  return (value, report) => {
    if (!Array.isArray(value)) {
      report.wrongType(path, "an array", value)
      return
    }
    if (value.length > max) {
      report.add("too_many", path, `${label(path)} must have at most ${max} items; it has ${value.length}`)
      return
    }
    for (let i = 0; i < value.length; i++) {
      if (value[i] === null) report.add("nested_null", [...path, i], `${label(path)} has a null in it`)
      else (checks[i] as Check)(value[i], report)
    }
  }
}

// ---- what the schema cannot say

function checkTimestamp(value: unknown, report: Report): void {
  const path = ["timestamp"]
  if (typeof value !== "string" && typeof value !== "number") {
    report.wrongType(path, "a string or an integer", value)
    return
  }
  const timestamp = parseTimestamp(value)
  if (timestamp === undefined) {
    report.add("bad_timestamp", path, typeof value === "number" ? badEpoch(value) : BAD_TIME_TEXT)
  } else if (timestamp > (report.nowMs + MAX_AHEAD_MS) * 1000) {
    report.add("future_timestamp", path, "timestamp is more than 10 minutes ahead of the server's clock")
  } else if (!Number.isSafeInteger(timestamp)) {
    report.add("bad_timestamp", path, "timestamp is past the year 2255")
  }
}

const BAD_TIME_TEXT =
  "timestamp must be RFC 3339 from 1970 on, with a zone, as 2023-10-21T15:32:00Z, or an integer of milliseconds since 1970"

function badEpoch(value: number): string {
  if (!Number.isInteger(value)) return "timestamp as a number must be an integer of milliseconds since 1970"
  if (value >= 0 && value < MIN_EPOCH_MS)
    return "timestamp must be milliseconds since 1970; this looks like seconds"
  if (value > MAX_EPOCH_MS) return "timestamp must be milliseconds since 1970; this looks like a finer unit"
  return "timestamp must be milliseconds since 1970"
}

function checkIpAddress(value: unknown, report: Report): void {
  if (typeof value !== "string") report.wrongType(["ip_address"], "a string", value)
  else if (normalizeIpAddress(value) === undefined) {
    const message =
      "ip_address must be an IPv4 or IPv6 address, without port, prefix or zone; other origins go into source_address"
    report.add("bad_ip", ["ip_address"], message)
  }
}
