/**
 * One line of a selection, made into a test of events: a field, its modifiers, its values.
 *
 *     http_path|contains: [".git/", ".env"]     one of the texts is in the folded value
 *     http_status|gte: 500                      a number, or a text that is one
 *     ip_address|cidr: 10.0.0.0/8
 *     user_name|fieldref: resource_name         the same value in both
 *     error_code: null                          no value
 *
 * A field that holds a list matches if one of its items does.
 *
 * Spec: Sigma rules specification 2.1.0, "Maps", "Special Field Values"; Sigma modifiers 2.1.0.
 * Pure.
 */

import type { YamlValue } from "@prooflog/settings/yaml-value"
import { allOf, type EventTest, negationOf } from "./event-test.js"
import { networksTest, parseNetwork } from "./ip-network.js"
import type { FieldAsked } from "./modifiers.js"
import { referenceTest } from "./reference.js"
import { regularTest } from "./regular-expression.js"
import type { SeenEvent } from "./seen-event.js"
import { fieldSubject, KEYWORDS, type Subject, testOfTexts } from "./subject.js"
import type { TextTest } from "./text-pattern.js"
import { textsTest } from "./texts-test.js"

/** Finds the slot of a field by the name that a rule has for it. */
export interface FieldNames {
  /** @throws SettingsError at `place` if there is no such field */
  slotOf(name: string, place: YamlValue): number
}

/** Against 1 for a text without wildcards. */
const COSTS = { number: 2, reference: 4, network: 10, regular: 40 }

/**
 * Returns the test of one line.
 *
 * @param key - its name, for messages
 * @param value - one value, or a list of at least one
 * @throws SettingsError at the first value that cannot be what the modifiers say
 */
export function compilePattern(
  asked: FieldAsked,
  key: YamlValue,
  value: YamlValue,
  names: FieldNames,
): EventTest {
  const values = value.oneOrMore()
  const subject = asked.name === "" ? KEYWORDS : fieldSubject(names.slotOf(asked.name, key))
  const nothing = values.find(isNull)
  if (nothing !== undefined) return absence(subject, asked, nothing, values.length)
  const groups = asked.all ? values.map((each) => [each]) : [values]
  const test = allOf(groups.map((group) => oneOf(group, subject, asked, names)))
  return asked.negated ? negationOf(test) : test
}

/** Returns the test that one of the values is what the line says of its field. */
function oneOf(
  values: readonly YamlValue[],
  subject: Subject,
  asked: FieldAsked,
  names: FieldNames,
): EventTest {
  const cost = (each: number) => each * values.length * subject.weight
  if (asked.isReference) return referenceTest(subject, asked, values, names, cost(COSTS.reference))
  const { comparison } = asked
  switch (comparison) {
    case "exists":
      return existence(subject, values)
    case "lt":
    case "lte":
    case "gt":
    case "gte":
      return testOfTexts(subject.texts, someOf(values.map(numberTestOf(comparison))), cost(COSTS.number))
    case "cidr":
      return testOfTexts(subject.texts, networksTest(values.map(networkOf)), COSTS.network)
    case "re": {
      const tests = values.map((each) => regularOf(each, asked.flags))
      return testOfTexts(subject.texts, someOf(tests), cost(COSTS.regular))
    }
    default:
      return textsTest(subject, asked, comparison, values)
  }
}

function isNull({ kind }: YamlValue): boolean {
  return kind === "null" || kind === "none"
}

function absence(subject: Subject, asked: FieldAsked, place: YamlValue, values: number): EventTest {
  if (subject === KEYWORDS) throw place.refuse("expected a word to look for")
  if (values > 1) throw place.refuse("null stands alone: make it a selection of its own")
  if (asked.comparison !== "exact") throw place.refuse(`null is no value for "${asked.comparison}"`)
  const exists = existenceOf(subject)
  return asked.negated ? exists : negationOf(exists)
}

function existence(subject: Subject, [value, second]: readonly YamlValue[]): EventTest {
  if (second !== undefined) throw second.refuse('"exists" is either true or false')
  const exists = existenceOf(subject)
  return value?.boolean() === true ? exists : negationOf(exists)
}

function existenceOf({ texts }: Subject): EventTest {
  return { matches: (event: SeenEvent) => texts(event) !== undefined, cost: 1 }
}

type Order = "lt" | "lte" | "gt" | "gte"

const ORDERS: Readonly<Record<Order, (found: number, limit: number) => boolean>> = {
  lt: (found, limit) => found < limit,
  lte: (found, limit) => found <= limit,
  gt: (found, limit) => found > limit,
  gte: (found, limit) => found >= limit,
}

/** A number may have come as text: what is no decimal number is neither less nor more than any. */
function numberTestOf(order: Order): (value: YamlValue) => TextTest {
  return (value) => {
    const limit = value.scalar()
    if (typeof limit !== "number") throw value.refuse(`"${order}" is said of numbers`)
    const holds = ORDERS[order]
    return (text) => NUMBER.test(text) && holds(Number(text), limit)
  }
}

const NUMBER = /^-?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/

function networkOf(value: YamlValue) {
  return value.read(parseNetwork, "a network, as 10.0.0.0/8 or 2001:db8::/32")
}

function regularOf(value: YamlValue, flags: string): TextTest {
  try {
    return regularTest(value.text(), flags)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw value.refuse(`no regular expression that is evaluated here: ${error.message}`, error)
  }
}

function someOf(tests: readonly TextTest[]): TextTest {
  const [only, second] = tests
  if (only !== undefined && second === undefined) return only
  return (text) => tests.some((test) => test(text))
}
