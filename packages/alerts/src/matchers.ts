/**
 * Matchers: which alerts a route takes, a silence mutes, an inhibition is about.
 *
 *     severity =~ "high|critical"        = equal, != not equal, =~ the expression is the whole value, !~ it is not
 *     rule = brute-force-address
 *     user_id != "service account"       a value with spaces or any of {}!=~,\"'` is put in quotes; \" and \\ within them
 *
 * An alert is matched by its labels, by `rule`, its rule's id, and by `severity`, its own: a label of one of these two
 * names cannot be asked for. A label that it does not have is the empty text.
 *
 * Spec: prometheus.io/docs/alerting/latest/configuration, "Label matchers". Pure.
 */

import type { Alert } from "./alert.js"
import { AlertsError } from "./error.js"
import { regularTest } from "./regular-expression.js"

export interface Matcher {
  readonly name: string
  readonly operator: (typeof OPERATORS)[number]
  readonly value: string
  /** As {@link formatMatcher} writes it. */
  readonly text: string
  /** Whether it matches a label of this value. */
  readonly test: (value: string) => boolean
}

const OPERATORS = ["=~", "!~", "!=", "="] as const

/** Most UTF-16 units of a matcher. */
const MAX_TEXT = 2_000

/** A name without quotes, or a text in them. */
const TOKEN = String.raw`[^\s{}!=~,\\"'\`]+|"(?:[^"\\]|\\["\\])*"`

const MATCHER = new RegExp(`^\\s*(${TOKEN})\\s*(=~|!~|!=|=)\\s*(${TOKEN})\\s*$`)

/**
 * Reads one matcher.
 *
 * @throws {@link AlertsError} `ALERTS_BAD_MATCHER` if it is none, or its expression is none that can be used
 */
export function parseMatcher(text: string): Matcher {
  const [, name, operator, value] = (text.length <= MAX_TEXT && MATCHER.exec(text)) || []
  if (name === undefined || value === undefined) {
    throw new AlertsError(
      "ALERTS_BAD_MATCHER",
      'expected a matcher such as rule = scan or severity =~ "high|critical"',
    )
  }
  return matcher(unquoted(name), operator as Matcher["operator"], unquoted(value))
}

/**
 * Makes a matcher.
 *
 * @throws {@link AlertsError} `ALERTS_BAD_MATCHER` if the expression cannot be used
 */
export function matcher(name: string, operator: Matcher["operator"], value: string): Matcher {
  return { name, operator, value, text: formatMatcher(name, operator, value), test: testOf(operator, value) }
}

/** Returns the labels that an alert is matched by. */
export function matchedLabels({
  labels,
  rule,
  severity,
}: Pick<Alert, "labels" | "rule" | "severity">): Readonly<Record<string, string>> {
  return { ...labels, rule: rule.id, severity }
}

/** Returns the value of a label; of one that is not there the empty text. */
export function labelOf(labels: Readonly<Record<string, string>>, name: string): string {
  return Object.hasOwn(labels, name) ? (labels[name] as string) : ""
}

/** Whether all of them match. Of none, they do. */
export function matchAll(matchers: readonly Matcher[], labels: Readonly<Record<string, string>>): boolean {
  return matchers.every(({ name, test }) => test(labelOf(labels, name)))
}

function formatMatcher(name: string, operator: string, value: string): string {
  return `${quoted(name)} ${operator} ${quoted(value)}`
}

function testOf(operator: Matcher["operator"], wanted: string): (value: string) => boolean {
  if (operator === "=") return (value) => value === wanted
  if (operator === "!=") return (value) => value !== wanted
  const isWhole = wholeTest(wanted)
  return operator === "=~" ? isWhole : (value) => !isWhole(value)
}

function wholeTest(pattern: string): (value: string) => boolean {
  try {
    // By itself first: "a)|(b" is none, although it would be one within parentheses.
    regularTest(pattern)
    return regularTest(String.raw`\A(?:${pattern})\z`, "s")
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw new AlertsError(
      "ALERTS_BAD_MATCHER",
      `not a regular expression that can be used: ${cause.message}`,
      {
        cause,
      },
    )
  }
}

function unquoted(token: string): string {
  return token.startsWith('"') ? token.slice(1, -1).replace(/\\(["\\])/g, "$1") : token
}

const PLAIN = /^[^\s{}!=~,\\"'`]+$/

function quoted(text: string): string {
  return PLAIN.test(text) ? text : `"${text.replace(/["\\]/g, "\\$&")}"`
}
