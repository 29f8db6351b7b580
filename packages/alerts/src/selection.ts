/**
 * What a rule looks for: fields and their values, lists of them, words.
 *
 *     category: auth                       ┐
 *     result: [failure, denied]            ┘ both
 *
 *     - http_path: /login                  ┐
 *     - action: login                      ┘ either
 *
 *     ["EVILSERVICE", "svchost.exe -n"]      one of the words, anywhere in the event
 *
 *     seen: { category: auth }             ┐
 *     known: { ip_address|cidr: … }        │ what the condition says
 *     condition: seen and not known        ┘
 *
 * Spec: Sigma rules specification 2.1.0, "Detection".
 * Pure.
 */

import type { YamlMember, YamlValue } from "@prooflog/settings/yaml-value"
import { type Condition, parseCondition } from "./condition.js"
import { allOf, anyOf, type EventTest, negationOf } from "./event-test.js"
import { parseFieldAsked } from "./modifiers.js"
import { compilePattern, type FieldNames } from "./pattern.js"
import { parseTextPattern, testOf as testOfText } from "./text-pattern.js"

/**
 * Returns the test of a selection: a map, a list of maps, or words.
 *
 * @throws SettingsError where it is none
 */
export function compileSelection(value: YamlValue, names: FieldNames): EventTest {
  switch (value.kind) {
    case "map":
      return compileMap(value, names)
    case "list":
      return compileList(value, names)
    default:
      return compileWords(value, value, names)
  }
}

/**
 * Returns the test of a whole detection: selections by their names, and the condition over them.
 *
 * @param value - a map with a member `condition`, which is a text, or a list of texts of which one must hold
 * @throws SettingsError where it is none
 */
export function compileDetection(value: YamlValue, names: FieldNames): EventTest {
  const members = value.entries()
  const condition = members.find(({ name }) => name === "condition")
  if (condition === undefined) throw value.refuse("condition is missing")
  const timeframe = members.find(({ name }) => name === "timeframe")
  if (timeframe !== undefined) throw timeframe.key.refuse(OLD_SYNTAX)
  const selections = new Map<string, EventTest>()
  for (const { name, value: selection } of members) {
    if (name !== "condition") selections.set(name, compileSelection(selection, names))
  }
  return anyOf(condition.value.oneOrMore().map((each) => compileCondition(each, selections)))
}

/** Returns the test of what our own rules have under `where`: a detection if it has a condition, or else a selection. */
export function compileWhere(value: YamlValue, names: FieldNames): EventTest {
  const isDetection = value.kind === "map" && value.member("condition") !== undefined
  return isDetection ? compileDetection(value, names) : compileSelection(value, names)
}

const OLD_SYNTAX = "aggregations of the old syntax are not evaluated: write a correlation rule"

function compileMap(value: YamlValue, names: FieldNames): EventTest {
  const lines = value.entries()
  if (lines.length === 0) throw value.refuse("a selection of nothing")
  return allOf(lines.map((line) => compileLine(line, names)))
}

function compileLine({ name, key, value }: YamlMember, names: FieldNames): EventTest {
  try {
    return compilePattern(parseFieldAsked(name), key, value, names)
  } catch (error) {
    throw error instanceof RangeError ? key.refuse(error.message, error) : error
  }
}

function compileList(value: YamlValue, names: FieldNames): EventTest {
  const items = value.list()
  if (items.length === 0) throw value.refuse("a selection of nothing")
  if (items.every(({ kind }) => kind !== "map")) return compileWords(value, value, names)
  return anyOf(
    items.map((item) => (item.kind === "map" ? compileMap(item, names) : compileWords(item, item, names))),
  )
}

function compileWords(key: YamlValue, value: YamlValue, names: FieldNames): EventTest {
  return compilePattern(parseFieldAsked(""), key, value, names)
}

function compileCondition(value: YamlValue, selections: ReadonlyMap<string, EventTest>): EventTest {
  let condition: Condition
  try {
    condition = parseCondition(value.text())
  } catch (error) {
    throw error instanceof RangeError ? value.refuse(error.message, error) : error
  }
  return testOf(condition, selections, value)
}

function testOf(
  condition: Condition,
  selections: ReadonlyMap<string, EventTest>,
  place: YamlValue,
): EventTest {
  switch (condition.kind) {
    case "and":
      return allOf(condition.parts.map((part) => testOf(part, selections, place)))
    case "or":
      return anyOf(condition.parts.map((part) => testOf(part, selections, place)))
    case "not":
      return negationOf(testOf(condition.part, selections, place))
    case "one":
      return anyOf(selectedBy(condition.pattern, selections, place))
    case "all":
      return allOf(selectedBy(condition.pattern, selections, place))
    case "name": {
      const selection = selections.get(condition.name)
      if (selection === undefined) throw place.refuse(`there is no selection "${condition.name}"`)
      return selection
    }
  }
}

/** Selections whose names begin with `_` are meant only where the pattern begins so. */
function selectedBy(
  pattern: string,
  selections: ReadonlyMap<string, EventTest>,
  place: YamlValue,
): readonly EventTest[] {
  const isMeant = testOfText(parseTextPattern(pattern))
  const names = [...selections.keys()].filter(
    (name) => isMeant(name) && (pattern.startsWith("_") || !name.startsWith("_")),
  )
  if (names.length === 0) throw place.refuse(`there is no selection like "${pattern}"`)
  return names.map((name) => selections.get(name) as EventTest)
}
