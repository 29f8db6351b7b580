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

import { encodeCbor } from "./cbor.js"
import { isWellFormed, utf8Length } from "./cbor-writer.js"
import { EventError, type EventProblem, type EventProblemCode } from "./error.js"
import { normalizeIpAddress } from "./ip-address.js"
import { pointerOf } from "./json.js"
import { AccessEventSchema, ATTRIBUTES_LIMITS, FORBIDDEN_KEYS, SERVER_NAMES } from "./schema.js"
import { MAX_EPOCH_MS, MIN_EPOCH_MS, parseTimestamp } from "./timestamp.js"

export type { EventProblem, EventProblemCode } from "./error.js"

/** How far a producer's clock may be ahead. */
export const MAX_AHEAD_MS = 600_000

/**
 * Most bytes that an event may take as a CBOR map of what the producer said. The rest
 * of a record's 65,535 is for the seed and for what the server adds.
 */
export const MAX_EVENT_BYTES = 64_512

/** Most problems that are told of one event. */
const MAX_PROBLEMS = 32

/** Below this many UTF-16 units of text, an event cannot reach {@link MAX_EVENT_BYTES}. */
const SURELY_SMALL = 15_000

const NO_PROBLEMS: readonly EventProblem[] = Object.freeze([])

type Path = readonly (string | number)[]

/** What is known of the event in hand. */
class Report {
  readonly problems: EventProblem[] = []
  readonly nowMs: number
  /** UTF-16 units of text seen outside `attributes`. */
  units = 0

  constructor(nowMs: number) {
    this.nowMs = nowMs
  }

  add(code: EventProblemCode, path: Path, message: string): void {
    if (this.problems.length < MAX_PROBLEMS) this.problems.push({ code, pointer: pointerOf(path), message })
  }
}

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
  } else if ((FORBIDDEN_KEYS as readonly string[]).includes(name)) {
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
        if (typeof value !== "boolean") wrongType(report, path, "true or false", value)
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
    if (typeof value !== "string") wrongType(report, path, "a string", value)
    else report.add("bad_format", path, `${label(path)} must be one of ${allowed.join(", ")}`)
  }
}

function textCheck(path: Path, node: Node): Check {
  const min = node.minLength ?? 0
  const max = node.maxLength ?? Number.MAX_SAFE_INTEGER
  const pattern = node.pattern === undefined ? undefined : new RegExp(node.pattern)
  return (value, report) => {
    if (typeof value !== "string") {
      wrongType(report, path, "a string", value)
      return
    }
    const units = value.length
    report.units += units
    if (units > max || units < min) checkLength(path, value, min, max, report)
    if (!isWellFormed(value)) loneSurrogate(report, path)
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

function codePoints(text: string): number {
  let count = 0
  for (const _ of text) count++
  return count
}

function numberCheck(path: Path, node: Node): Check {
  const min = node.minimum ?? Number.NEGATIVE_INFINITY
  const max = node.maximum ?? Number.POSITIVE_INFINITY
  const integer = node.type === "integer"
  const wanted = integer ? "an integer" : "a number"
  return (value, report) => {
    if (typeof value !== "number") wrongType(report, path, wanted, value)
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
      wrongType(report, path, "an array", value)
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
    wrongType(report, path, "a string or an integer", value)
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
  if (typeof value !== "string") wrongType(report, ["ip_address"], "a string", value)
  else if (normalizeIpAddress(value) === undefined) {
    const message =
      "ip_address must be an IPv4 or IPv6 address, without port, prefix or zone; other origins go into source_address"
    report.add("bad_ip", ["ip_address"], message)
  }
}

function checkAttributes(value: unknown, report: Report): void {
  if (!isPlainObject(value)) {
    wrongType(report, ["attributes"], "an object", value)
    return
  }
  const count = Object.keys(value).length
  if (count > ATTRIBUTES_LIMITS.keys) {
    const message = `attributes must have at most ${ATTRIBUTES_LIMITS.keys} keys; it has ${count}`
    report.add("too_many", ["attributes"], message)
    return
  }
  new AttributesWalk(report).walk(value, 0)
}

/** Thrown, and caught, in this file only: a limit is passed and the rest need not be seen. */
const STOP = Symbol("stop")

/** One walk over `attributes`, which counts keys and bytes as it goes. */
class AttributesWalk {
  readonly #report: Report
  readonly #path: (string | number)[] = ["attributes"]
  #keys = 0
  #bytes = 0

  constructor(report: Report) {
    this.#report = report
  }

  walk(value: unknown, depth: number): void {
    try {
      this.#visit(value, depth)
    } catch (stop) {
      if (stop !== STOP) throw stop
    }
  }

  #visit(value: unknown, depth: number): void {
    switch (typeof value) {
      case "string":
        if (!isWellFormed(value)) loneSurrogate(this.#report, this.#path)
        this.#count(headSize(value.length) + utf8Length(value))
        break
      case "number":
        if (!Number.isFinite(value)) this.#problem("unsafe_number", "a number that is not finite")
        this.#count(Number.isSafeInteger(value) ? headSize(value < 0 ? -1 - value : value) : 9)
        break
      case "boolean":
        this.#count(1)
        break
      default:
        this.#visitObject(value, depth)
    }
  }

  #visitObject(value: unknown, depth: number): void {
    if (value === null || value === undefined) {
      this.#problem("nested_null", "null inside attributes; leave the key out")
    } else if (!Array.isArray(value) && !isPlainObject(value)) {
      this.#problem("wrong_type", `a value must be JSON; this is ${kindOf(value)}`)
    } else if (depth === ATTRIBUTES_LIMITS.depth) {
      this.#problem("too_deep", `attributes must be at most ${ATTRIBUTES_LIMITS.depth} deep`)
    } else if (Array.isArray(value)) {
      this.#count(headSize(value.length))
      for (let i = 0; i < value.length; i++) this.#visitMember(i, value[i], depth)
    } else {
      const keys = Object.keys(value)
      this.#keys += keys.length
      if (this.#keys > ATTRIBUTES_LIMITS.allKeys) {
        this.#stop("too_many", `attributes must have at most ${ATTRIBUTES_LIMITS.allKeys} keys at all depths`)
      }
      this.#count(headSize(keys.length))
      for (const key of keys) {
        this.#checkKey(key)
        this.#visitMember(key, value[key], depth)
      }
    }
  }

  #visitMember(step: string | number, value: unknown, depth: number): void {
    this.#path.push(step)
    this.#visit(value, depth + 1)
    this.#path.pop()
  }

  #checkKey(key: string): void {
    const max = ATTRIBUTES_LIMITS.keyLength
    if ((FORBIDDEN_KEYS as readonly string[]).includes(key)) {
      this.#problem("forbidden_key", `the key ${key} is not allowed`)
    }
    if (key.length > max && codePoints(key) > max)
      this.#problem("too_long", `a key must have at most ${max} characters`)
    if (!isWellFormed(key)) loneSurrogate(this.#report, this.#path)
    this.#count(headSize(key.length) + utf8Length(key))
  }

  #count(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes > ATTRIBUTES_LIMITS.bytes) {
      this.#stop("too_long", `attributes must take at most ${ATTRIBUTES_LIMITS.bytes} bytes of CBOR`)
    }
  }

  #problem(code: EventProblemCode, message: string): void {
    this.#report.add(code, this.#path, message)
  }

  #stop(code: EventProblemCode, message: string): never {
    this.#report.add(code, ["attributes"], message)
    throw STOP
  }
}

/** Bytes of a CBOR head with this argument. */
function headSize(argument: number): number {
  if (argument < 24) return 1
  if (argument < 0x100) return 2
  if (argument < 0x10000) return 3
  return argument < 0x100000000 ? 5 : 9
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function wrongType(report: Report, path: Path, wanted: string, value: unknown): void {
  report.add("wrong_type", path, `${label(path)} must be ${wanted}; this is ${kindOf(value)}`)
}

function loneSurrogate(report: Report, path: Path): void {
  report.add("lone_surrogate", path, `${label(path)} has half of a surrogate pair in it`)
}

/** Returns the name of a field; of what lies in it, its own place. */
function label(path: Path): string {
  return path.length === 2 && typeof path[1] === "number" ? `${path[0]}[${path[1]}]` : String(path[0])
}

function kindOf(value: unknown): string {
  if (value === null) return "null"
  if (Array.isArray(value)) return "an array"
  const type = typeof value
  return type === "object" || type === "undefined"
    ? type.replace(/^/, type === "object" ? "an " : "")
    : `a ${type}`
}
