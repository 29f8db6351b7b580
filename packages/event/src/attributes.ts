/**
 * Whether `attributes`, which hold whatever a producer likes, keep their limits.
 *
 *     {"a": [1, {"b": true}]}      keys: 2      depth: 3      bytes of CBOR: 9
 *
 * One walk counts as it goes and stops where a limit is passed, however much is left.
 *
 * Spec: docs/spec, "Event".
 * Pure: no I/O, no clock.
 */

import { headSize, isWellFormed, textSize } from "./cbor-writer.js"
import type { EventProblemCode } from "./error.js"
import { isForbiddenKey } from "./forbidden-keys.js"
import { isPlainObject } from "./plain-object.js"
import { codePoints, kindOf, type Report } from "./report.js"
import { ATTRIBUTES_LIMITS } from "./schema.js"

/** Adds to the report what keeps a value from being `attributes`. */
export function checkAttributes(value: unknown, report: Report): void {
  if (!isPlainObject(value)) {
    report.wrongType(["attributes"], "an object", value)
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
        if (!isWellFormed(value)) this.#report.loneSurrogate(this.#path)
        this.#count(textSize(value))
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
      this.#count(1)
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
    if (isForbiddenKey(key)) {
      this.#problem("forbidden_key", `the key ${key} is not allowed`)
    }
    if (key.length > max && codePoints(key) > max)
      this.#problem("too_long", `a key must have at most ${max} characters`)
    if (!isWellFormed(key)) this.#report.loneSurrogate(this.#path)
    this.#count(textSize(key))
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
