/**
 * Arbitrary events and values, for tests only (fast-check). Not part of the package.
 */

import fc from "fast-check"
import type { CborValue } from "./cbor.js"
import { isForbiddenKey } from "./forbidden-keys.js"
import type { AccessEvent } from "./schema.js"

export const arbitraryText = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.string({ unit: "grapheme", maxLength: 60 }),
  fc.constantFrom(
    "",
    "\uFEFF",
    `\uFEFF${"é".repeat(80)}`,
    "\0",
    "a".repeat(23),
    "a".repeat(24),
    "ü".repeat(129),
    "x".repeat(300),
  ),
)

export const arbitraryNumber = fc.oneof(
  fc.maxSafeInteger(),
  fc.integer({ min: -300, max: 70_000 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(
    0,
    -0,
    23,
    24,
    255,
    256,
    65_535,
    65_536,
    2 ** 32 - 1,
    2 ** 32,
    2 ** 53 - 1,
    2 ** 53,
    -(2 ** 53),
    1e21,
    5e-324,
  ),
)

const arbitraryKey = fc.string({ maxLength: 8 }).filter((key) => !isForbiddenKey(key))

/** Values of the profile up to this depth; byte strings among them only if asked for. */
export function arbitraryValue(depth: number, byteStrings = false): fc.Arbitrary<CborValue> {
  const scalars: fc.Arbitrary<CborValue>[] = [arbitraryText, arbitraryNumber, fc.boolean()]
  if (byteStrings) scalars.push(fc.uint8Array({ maxLength: 40 }))
  const scalar = fc.oneof(...scalars)
  if (depth === 0) return scalar
  const inner = arbitraryValue(depth - 1, byteStrings)
  return fc.oneof(
    { weight: 3, arbitrary: scalar },
    { weight: 1, arbitrary: fc.array(inner, { maxLength: 4 }) },
    { weight: 1, arbitrary: fc.dictionary(arbitraryKey, inner, { maxKeys: 4, noNullPrototype: true }) },
  )
}

const visible = (maxLength: number) => fc.string({ minLength: 1, maxLength, unit: "grapheme" })

const hex = (length: number) =>
  fc
    .array(fc.constantFrom(..."0123456789abcdef"), { minLength: length, maxLength: length })
    .map((digits) => digits.join(""))
    .filter((text) => /[1-9a-f]/.test(text))

/** Events that `checkEvent` accepts, once the clock is past 2100. */
export const arbitraryEvent: fc.Arbitrary<AccessEvent> = fc.record(
  {
    timestamp: fc.oneof(
      fc
        .date({ min: new Date("1970-01-01"), max: new Date("2099-12-31"), noInvalidDate: true })
        .map((date) => date.toISOString()),
      fc.integer({ min: 100_000_000_000, max: 4_000_000_000_000 }),
    ),
    user_id: visible(40),
    resource_accessed: visible(60),
    result: fc.constantFrom("success", "failure", "denied", "error", "unknown"),
    action: visible(20),
    ip_address: fc.oneof(
      fc.ipV4(),
      fc.ipV6().filter((text) => !text.includes(".")),
    ),
    ip_chain: fc.array(fc.string({ maxLength: 20 }), { maxLength: 4 }),
    event_id: fc.uuid(),
    category: fc.constantFrom("api", "auth", "admin", "data", "network", "system"),
    user_agent: fc.string({ maxLength: 200 }),
    http_status: fc.integer({ min: 100, max: 599 }),
    response_bytes: fc.nat(),
    duration_ms: fc.double({ min: 0, max: 1e9, noNaN: true }),
    trace_id: hex(32),
    mfa: fc.boolean(),
    tags: fc.array(fc.string({ maxLength: 10 }), { maxLength: 3 }),
    attributes: fc.dictionary(arbitraryKey, arbitraryValue(3), { maxKeys: 5, noNullPrototype: true }),
  },
  { requiredKeys: ["timestamp", "user_id", "resource_accessed", "result"] },
) as fc.Arbitrary<AccessEvent>

export const arbitrarySeed = fc.uint8Array({ minLength: 32, maxLength: 32 })
