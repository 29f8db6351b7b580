/**
 * The words of a notification, in which people are told of it: the same in a chat, on a pager and in a mail.
 *
 * A headline has the words of the rule and nothing out of the log. Facts are the log's: each receiver says how its
 * texts are made harmless.
 *
 * Pure.
 */

import type { Alert } from "./alert.js"
import { type Notification, rulesOf, severityOf } from "./notification.js"
import { timeText, unlinkedText } from "./shown-text.js"

/** Makes a text harmless, and at most so many UTF-16 units long. */
export type Show = (text: string, max: number) => string

const STATUS_WORDS = { firing: "Firing", acknowledged: "Acknowledged", resolved: "Resolved" } as const

/** Most UTF-16 units of a title within a headline. */
const TITLE = 90

/** Returns one line, without anything out of the log: `Firing, high: Many failed logins from one address (3)`. */
export function headline(notification: Notification): string {
  const { status, reason, firing, resolved, alerts } = notification
  const [rule, ...others] = rulesOf(notification)
  const title =
    rule === undefined ? "alerts that are known no more" : unlinkedText(rule.title || rule.id, TITLE)
  const more = others.length > 0 ? ` and ${counted(others.length, "other rule")}` : ""
  const number = status === "resolved" ? resolved : Math.max(firing, alerts.length === 0 ? 0 : 1)
  const word = reason === "test" ? "Test" : STATUS_WORDS[status]
  return `${word}, ${severityOf(notification)}: ${title}${more}${number > 1 ? ` (${number})` : ""}`
}

/** Returns why the rule is there, if all alerts are of one rule. */
export function whyOf(notification: Notification, show: Show, max: number): string | undefined {
  const [rule, ...others] = rulesOf(notification)
  return rule === undefined || others.length > 0 || rule.why === "" ? undefined : show(rule.why, max)
}

/** Returns what is not in the log's own words: `high, firing since 2026-01-15T12:00:00Z, 23 events`. */
export function summaryOf({ severity, state, startsMs, endsMs, count }: Alert): string {
  const since =
    state === "firing" ? `firing since ${timeText(startsMs)}` : `over since ${timeText(endsMs ?? startsMs)}`
  return `${severity}, ${since}${count > 0 ? `, ${counted(count, "event")}` : ""}`
}

/** Returns names and values of labels and details, and who takes care of it. */
export function factsOf(alert: Alert, show: Show, max: number): readonly (readonly [string, string])[] {
  const said = [...Object.entries(alert.labels), ...Object.entries(alert.details)]
  const facts = said.map(([name, value]) => [show(name, 64), value === "" ? '""' : show(value, max)] as const)
  if (alert.acknowledged === undefined) return facts
  const { by, note } = alert.acknowledged
  const words = note === "" ? show(by, 64) : `${show(by, 64)}: ${show(note, max)}`
  return [...facts, ["acknowledged by", words]]
}

/** Returns what is to be said of alerts that are not shown; `undefined` if all are. */
export function leftOutWords(leftOut: number): string | undefined {
  return leftOut > 0 ? `… and ${counted(leftOut, "more alert")} not shown here` : undefined
}

/**
 * Returns where more is to be read: of the one alert, or of all of them.
 *
 * @param externalUrl - of the log, ending in `/`
 */
export function linkOf({ alerts }: Notification, externalUrl: string): string {
  const [alert, ...others] = alerts
  const isOne = alert !== undefined && others.length === 0 && /^alert_[0-9a-f]{16}$/.test(alert.id)
  return isOne ? `${externalUrl}v1/alerts/${alert.id}` : `${externalUrl}v1/alerts`
}

function counted(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`
}
