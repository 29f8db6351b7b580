/**
 * A notification as the body of a Slack incoming webhook, in Block Kit.
 *
 *     header    Firing, high: Many failed logins …       the rule's words, plain
 *     section   why the rule is there                    plain
 *     section   high, firing since …, 23 events          plain; one for each alert
 *               ip_address: 203.0.113.7 | …              plain fields
 *     context   … and 7 more alerts not shown here
 *     actions   [ Open in Prooflog ]                     our own URL, if the log has one
 *
 * Nothing is mrkdwn: every text is plain_text, without emoji, with & < > escaped. `text`, which Slack shows where there
 * is no room for blocks, has nothing out of the log. Nothing of the log is a header, a link or a button.
 *
 * Limits of docs.slack.dev/reference/block-kit: 50 blocks, 150 characters of a header, 3,000 of a text, 10 fields of
 * 2,000. Above some 13,000 characters in all Slack refuses a message all the same; here are at most {@link MAX_BODY}.
 *
 * Pure.
 */

import type { Alert } from "./alert.js"
import type { Notification } from "./notification.js"
import { factsOf, headline, leftOutWords, linkOf, summaryOf, whyOf } from "./notification-words.js"
import { timeText, unlinkedText } from "./shown-text.js"

/** UTF-16 units of the longest body. */
export const MAX_BODY = 12_000

const MAX_HEADER = 150
const MAX_FIELDS = 10
const MAX_FIELD = 220
const MAX_WHY = 400
const MAX_ALERTS = 20

/** Kept for what stands below the alerts. */
const REST = 3_500

interface PlainText {
  readonly type: "plain_text"
  readonly text: string
  readonly emoji: false
}

/**
 * Returns the body, JSON.
 *
 * @param externalUrl - of the log, ending in `/`, at most 1,000 characters
 */
export function slackPayload(notification: Notification, externalUrl?: string): string {
  const why = whyOf(notification, unlinkedText, MAX_WHY)
  const title = headline(notification)
  const top: object[] = [{ type: "header", text: plain(title, MAX_HEADER) }]
  if (why !== undefined) top.push({ type: "section", text: plain(why, MAX_WHY) })
  const shown: object[] = []
  let length = JSON.stringify(top).length + title.length * 5
  for (const alert of notification.alerts.slice(0, MAX_ALERTS)) {
    const section = sectionOf(alert)
    length += JSON.stringify(section).length + 1
    if (length > MAX_BODY - REST) break
    shown.push(section)
  }
  const leftOut = notification.leftOut + notification.alerts.length - shown.length
  return JSON.stringify({
    text: escapedText(title, 1_000),
    mrkdwn: false,
    unfurl_links: false,
    unfurl_media: false,
    blocks: [...top, ...shown, ...bottomOf(notification, leftOut, externalUrl)],
  })
}

function sectionOf(alert: Alert): object {
  const facts = factsOf(alert, unlinkedText, MAX_FIELD).map(([name, value]) => `${name}: ${value}`)
  const shown = facts.length > MAX_FIELDS ? facts.slice(0, MAX_FIELDS - 1) : facts
  if (shown.length < facts.length) shown.push(`… and ${facts.length - shown.length} more`)
  return {
    type: "section",
    text: plain(`${unlinkedText(alert.rule.title, 120)} (${summaryOf(alert)})`, 300),
    ...(shown.length > 0 && { fields: shown.map((fact) => plain(fact, MAX_FIELD)) }),
  }
}

function bottomOf(
  { atMs, alerts }: Notification,
  leftOut: number,
  externalUrl: string | undefined,
): object[] {
  const rules = [
    ...new Set(alerts.map(({ rule }) => `${unlinkedText(rule.id, 64)}@${unlinkedText(rule.version, 16)}`)),
  ]
  const said = [
    leftOutWords(leftOut),
    rules.length > 0 ? `rules ${rules.slice(0, 3).join(", ")}${rules.length > 3 ? " …" : ""}` : undefined,
    timeText(atMs),
  ]
  const context = {
    type: "context",
    elements: said.filter((words) => words !== undefined).map((words) => plain(words, 300)),
  }
  if (externalUrl === undefined) return [context]
  const url = linkOf({ alerts } as Notification, externalUrl)
  const button = { type: "button", text: plain("Open in Prooflog", 75), url }
  return [context, { type: "actions", elements: [button] }]
}

function plain(text: string, max: number): PlainText {
  return { type: "plain_text", text: escapedText(text, max) || " ", emoji: false }
}

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" }

/** Returns at most `max` UTF-16 units with the characters escaped that Slack gives a meaning; none is cut in two. */
function escapedText(text: string, max: number): string {
  const whole = text.replace(/[&<>]/g, (character) => ENTITIES[character] as string)
  if (whole.length <= max) return whole
  let cut = ""
  for (const character of text) {
    const next = ENTITIES[character] ?? character
    if (cut.length + next.length > max - 1) break
    cut += next
  }
  return `${cut}…`
}
