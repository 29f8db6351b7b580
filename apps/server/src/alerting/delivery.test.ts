/**
 * From firings to receivers that fail: book, outbox and sinks together, against local stand-ins that answer 429 and 500,
 * time out, drop the connection before and after they have taken something, and answer too late.
 */

import { AlertBook } from "@prooflog/alerts/alert-book"
import { AlertRoutes } from "@prooflog/alerts/alert-routes"
import { parseAlertSettings } from "@prooflog/alerts/alert-settings"
import type { Notification } from "@prooflog/alerts/notification"
import { afterEach, beforeEach, expect, it } from "vitest"
import { type AlertmanagerStandIn, openAlertmanager } from "../../../../test/alerts/alertmanager-stand-in.js"
import type { Behaviour } from "../../../../test/alerts/http-stand-in.js"
import { firing, NOON, ruleHead } from "../../../../test/alerts/made-alerts.js"
import {
  openPagerDuty,
  type PagerDutyStandIn,
  ROUTING_KEY,
} from "../../../../test/alerts/pagerduty-stand-in.js"
import { openSlack, type SlackStandIn } from "../../../../test/alerts/slack-stand-in.js"
import { readMail, type SmtpBehaviour, SmtpStandIn } from "../../../../test/alerts/smtp-stand-in.js"
import { openWebhook, type WebhookStandIn } from "../../../../test/alerts/webhook-stand-in.js"
import type { DeliveryAttempt, OutboxClock } from "./delivery.js"
import { Outbox } from "./outbox.js"
import { openSinks } from "./sinks/open-sinks.js"

const SECRET = `whsec_${Buffer.alloc(32, 3).toString("base64")}`

/** Real time, sixty times as fast: what waits for minutes waits for a moment. */
const SPEED = 60
const began = Date.now()
const FAST: OutboxClock = {
  nowMs: () => began + (Date.now() - began) * SPEED,
  after(ms, call) {
    const timer = setTimeout(call, ms / SPEED)
    return () => clearTimeout(timer)
  },
  random: () => Math.random(),
}

const HTTP_TROUBLE: readonly Behaviour[] = [
  { status: 500 },
  "take",
  "drop",
  { status: 429, headers: { "Retry-After": "3" } },
  "take",
  "hang",
  { status: 503, headers: { "Retry-After": "1" } },
  "take",
  { lateMs: 2_000 },
  "take",
  "take-and-drop",
  { status: 502 },
  "take",
  { status: 302, headers: { Location: "/" } },
  "take",
]

const SMTP_TROUBLE: readonly SmtpBehaviour[] = [
  "drop",
  "take",
  { to: "MAIL", answer: "421 later" },
  "hang",
  "take",
  { to: ".", answer: "452 no room" },
  "take-and-drop",
  "take",
]

let slack: SlackStandIn
let pagerDuty: PagerDutyStandIn
let webhook: WebhookStandIn
let alertmanager: AlertmanagerStandIn
let smtp: SmtpStandIn

beforeEach(async () => {
  slack = await openSlack()
  pagerDuty = await openPagerDuty()
  webhook = await openWebhook(SECRET, FAST.nowMs)
  alertmanager = await openAlertmanager()
  smtp = await SmtpStandIn.open()
  Object.assign(process.env, { TEST_SLACK: slack.http.url, TEST_KEY: ROUTING_KEY, TEST_SECRET: SECRET })
})
afterEach(async () => {
  for (const name of ["TEST_SLACK", "TEST_KEY", "TEST_SECRET"]) delete process.env[name]
  for (const { http } of [slack, pagerDuty, webhook, alertmanager]) await http.close()
  await smtp.close()
})

function settingsText(): string {
  return `
external_url: https://log.example/
sinks:
  slack: { type: slack, url: { env: TEST_SLACK } }
  pagerduty: { type: pagerduty, url: "${pagerDuty.http.url}", routing_key: { env: TEST_KEY } }
  webhook: { type: webhook, url: "${webhook.http.url}", secrets: { env: TEST_SECRET } }
  alertmanager: { type: alertmanager, url: "${alertmanager.http.url}" }
  mail: { type: email, host: "127.0.0.1", port: ${smtp.port}, tls: none, from: log@log.example, to: a@b.example }
routes:
  - { to: [slack, pagerduty, webhook, alertmanager, mail], group_by: [user_id] }
`
}

it("what fires reaches every receiver, in order for each group, and again only if they did not confirm it", async () => {
  const settings = parseAlertSettings(settingsText())
  const routes = new AlertRoutes(settings.routes)
  const book = new AlertBook({ routes, inhibit: [], sinks: new Set(settings.sinks.keys()) }, "salt")
  const rows = new Map<string, string>()
  const attempts: DeliveryAttempt[] = []
  const broken: unknown[] = []
  const outbox = await Outbox.open({
    store: {
      async *rows() {},
      async keep({ put, remove, attempts: told }) {
        for (const [key, value] of put) rows.set(key, value)
        for (const key of remove) rows.delete(key)
        attempts.push(...told)
      },
    },
    sinks: await openSinks(settings, { base: ".", origin: "log.example/audit", timeoutMs: 250 }),
    clock: FAST,
    onBroken: (error) => broken.push(error),
  })
  for (const { http } of [slack, pagerDuty, webhook, alertmanager]) http.plan(...HTTP_TROUBLE)
  smtp.plan(...SMTP_TROUBLE)

  const sent: Notification[] = []
  const send = () => {
    const notifications = book.advance(nowMs)
    const { put, release } = outbox.stage(notifications)
    for (const [key, value] of put) rows.set(key, value)
    release()
    sent.push(...notifications)
  }
  let nowMs = NOON
  let leaf = 0
  const fire = (user: string, kind: "fires" | "resolves") =>
    book.fired(
      firing({ kind, rule: ruleHead("r"), labels: { user_id: user }, leaves: [leaf++], receivedMs: nowMs }),
    )
  const users = ["u1", "u2", "u3", "u4"]
  for (const user of users) fire(user, "fires")
  nowMs += 1_000
  send()
  for (const { id } of book.alerts()) book.acknowledge(id, { atMs: nowMs, by: "key_1", note: "mine" })
  send()
  for (const user of users) fire(user, "resolves")
  nowMs += 300_000
  send()
  expect(sent).toHaveLength(3 * 5 * users.length)

  const undelivered = () => outbox.status().filter(({ waiting, dead }) => waiting > 0 || dead.length > 0)
  await expect.poll(undelivered, { timeout: 50_000, interval: 20 }).toEqual([])
  await outbox.close()
  expect(broken).toEqual([])
  expect(rows.size).toBe(0)

  // Of these nobody can know whether they were taken.
  const unanswered = (name: string) =>
    attempts.filter(({ sink, why }) => sink === name && why.startsWith("no answer")).length
  // The webhook's receiver has each of them once, those of one group in order; what came again, it could not confirm.
  const toWebhook = sent.filter(({ sink }) => sink === "webhook")
  expect([...webhook.taken.keys()].sort()).toEqual(toWebhook.map(({ id }) => id).sort())
  expect(webhook.repeated.length).toBeLessThanOrEqual(unanswered("webhook"))
  for (const dedupKey of new Set(toWebhook.map((each) => each.dedupKey))) {
    const inOrder = toWebhook.filter((each) => each.dedupKey === dedupKey).map(({ id }) => id)
    expect([...webhook.taken.keys()].filter((id) => inOrder.includes(id))).toEqual(inOrder)
  }
  // Nobody was woken twice.
  expect([...pagerDuty.incidents.values()]).toEqual(users.map(() => ["opened", "acknowledged", "resolved"]))
  // Slack knows no repeats: beyond one of each there is only what it could not confirm.
  expect(slack.messages.length).toBeGreaterThanOrEqual(3 * users.length)
  expect(slack.messages.length).toBeLessThanOrEqual(3 * users.length + unanswered("slack"))
  expect(alertmanager.messages.length).toBeGreaterThanOrEqual(2 * users.length)
  expect(alertmanager.messages.length).toBeLessThanOrEqual(2 * users.length + unanswered("alertmanager"))
  // A mail that came twice is known by its id.
  const mailIds = smtp.mails.map((mail) => readMail(mail).headers.get("message-id"))
  expect(new Set(mailIds).size).toBe(2 * users.length)
  // No sink was tried again with what it had confirmed.
  const confirmed = new Set<string>()
  for (const { id, outcome } of attempts) {
    expect(confirmed.has(id)).toBe(false)
    if (outcome === "delivered") confirmed.add(id)
  }
  // And all the trouble there was, they had.
  for (const { http } of [slack, pagerDuty, webhook, alertmanager]) {
    expect(http.requests.length).toBeGreaterThan(HTTP_TROUBLE.length)
  }
}, 90_000)
