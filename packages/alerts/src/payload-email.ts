/**
 * A notification as a mail of plain text.
 *
 * The subject is one line and has nothing out of the log. In the text each fact of the log has a line of its own, which it
 * cannot leave, and nothing that a mail program would make a link of.
 *
 * Pure.
 */

import type { Notification } from "./notification.js"
import { factsOf, headline, leftOutWords, linkOf, summaryOf, whyOf } from "./notification-words.js"
import { hostlessText, shownText, timeText } from "./shown-text.js"

/** UTF-16 units of the longest subject. */
export const MAX_SUBJECT = 200

/** … and of the longest text. A line has at most 998 bytes as it is sent: whoever sends it sees to that. */
export const MAX_TEXT = 60_000

/** Kept for what stands below the alerts. */
const REST = 4_000

const MAX_VALUE = 256

export interface Email {
  readonly subject: string
  readonly text: string
}

export interface EmailOptions {
  /** What is watched: the log's origin. */
  readonly source: string
  /** Of the log, ending in `/`. */
  readonly externalUrl?: string
}

export function emailPayload(notification: Notification, { source, externalUrl }: EmailOptions): Email {
  const subject = shownText(headline(notification), MAX_SUBJECT)
  const why = whyOf(notification, hostlessText, 1_024)
  const top = [subject, ...(why === undefined ? [] : ["", why])].join("\n")
  const shown: string[] = []
  let length = top.length
  for (const alert of notification.alerts) {
    const facts = factsOf(alert, hostlessText, MAX_VALUE).map(([name, value]) => `  ${name}: ${value}`)
    const lines = [`${hostlessText(alert.rule.title, MAX_VALUE)} (${summaryOf(alert)})`, ...facts]
    if (alert.leaves.length > 0) lines.push(`  leaves: ${alert.leaves.slice(-32).join(" ")}`)
    lines.push(`  ${hostlessText(alert.id, 64)}, rule ${hostlessText(alert.rule.id, 64)}`)
    const text = lines.join("\n")
    length += text.length + 2
    if (length > MAX_TEXT - REST) break
    shown.push(text)
  }
  const leftOut = leftOutWords(notification.leftOut + notification.alerts.length - shown.length)
  const bottom = [
    `${timeText(notification.atMs)}, Prooflog of ${shownText(source, 255)}`,
    ...(externalUrl === undefined ? [] : [linkOf(notification, externalUrl)]),
  ].join("\n")
  return {
    subject,
    text: `${[top, ...shown, ...(leftOut === undefined ? [] : [leftOut]), bottom].join("\n\n")}\n`,
  }
}
