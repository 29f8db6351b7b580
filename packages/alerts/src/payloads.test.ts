/** Payloads against the documented limits of their receivers, for any input. */

import { createHmac } from "node:crypto"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { alertmanagerProblems } from "../../../test/alerts/alertmanager-stand-in.js"
import {
  alert,
  anyNotification,
  HOSTILE_TEXTS,
  NOON,
  notification,
  ruleHead,
} from "../../../test/alerts/made-alerts.js"
import {
  type PagerDutyEvent,
  pagerDutyProblems,
  ROUTING_KEY,
} from "../../../test/alerts/pagerduty-stand-in.js"
import { type SlackMessage, slackProblems } from "../../../test/alerts/slack-stand-in.js"
import { type WebhookBody, webhookProblems } from "../../../test/alerts/webhook-stand-in.js"
import type { Notification } from "./notification.js"
import { testNotification } from "./notification.js"
import { alertmanagerPayload } from "./payload-alertmanager.js"
import { emailPayload, MAX_SUBJECT, MAX_TEXT } from "./payload-email.js"
import { MAX_BODY as MAX_PAGERDUTY, pagerDutyPayload } from "./payload-pagerduty.js"
import { MAX_BODY as MAX_SLACK, slackPayload } from "./payload-slack.js"
import { parseWebhookSecret, signWebhook, webhookPayload } from "./payload-webhook.js"

const EXTERNAL = "https://log.example/"

const PAGERDUTY = { routingKey: ROUTING_KEY, source: "log.example/audit", externalUrl: EXTERNAL }

const EMAIL = { source: "log.example/audit", externalUrl: EXTERNAL }

/** Sixty alerts that all mean harm, each in another way. */
const HOSTILE: Notification = notification({
  alerts: Array.from({ length: 60 }, (_, i) => {
    const text = HOSTILE_TEXTS[i % HOSTILE_TEXTS.length] as string
    return alert({
      rule: { ...ruleHead(), title: text, why: text },
      labels: { user_id: text, [text]: "x" },
      details: { seen: text },
      acknowledged: { atMs: NOON, by: "key_1", note: text },
    })
  }),
  leftOut: 5,
})

const NOTHING: Notification = notification({ alerts: [], status: "resolved", leftOut: 1, resolved: 1 })

/** A property of every notification there is. */
function ofAny(check: (each: Notification) => void): void {
  check(HOSTILE)
  check(NOTHING)
  check(testNotification("sink", NOON, "1"))
  fc.assert(fc.property(anyNotification, check), { numRuns: 60 })
}

describe("to Slack", () => {
  const shownOf = (body: string) =>
    (JSON.parse(body) as SlackMessage).blocks.filter((each) => each.type === "section" && each.fields).length

  it("any notification keeps the limits, and nothing in it is markup, a link or a button but our own", () => {
    ofAny((each) => {
      const body = slackPayload(each, `${EXTERNAL}${"x".repeat(900)}/`)
      expect(slackProblems(body)).toEqual([])
      expect(body.length).toBeLessThanOrEqual(MAX_SLACK)
      expect(slackPayload(each)).not.toContain('"actions"')
    })
  })

  it("what fills the header and the line without blocks is not out of the log", () => {
    ofAny((each) => {
      const marked = {
        ...each,
        alerts: each.alerts.map((one) => ({
          ...one,
          labels: { user_id: "OUT-OF-THE-LOG" },
          details: { seen: "OUT-OF-THE-LOG" },
        })),
      }
      const { text, blocks } = JSON.parse(slackPayload(marked, EXTERNAL)) as SlackMessage
      const [header] = blocks
      const actions = blocks.filter(({ type }) => type === "actions")
      expect(JSON.stringify([text, header, actions])).not.toContain("OUT-OF-THE-LOG")
    })
  })

  it("one alert is shown at least, whatever it is, and all that are not are counted", () => {
    ofAny((each) => {
      const known = {
        ...each,
        alerts: each.alerts.map((one) => ({ ...one, labels: { a: "1", ...one.labels } })),
      }
      const body = slackPayload(known, EXTERNAL)
      if (known.alerts.length > 0) expect(shownOf(body)).toBeGreaterThan(0)
      const left = known.leftOut + known.alerts.length - shownOf(body)
      if (left > 0) expect(body).toContain(`… and ${left} more alert`)
      else expect(body).not.toMatch(/more alerts? not shown/)
    })
  })

  it("an alert looks like this", () => {
    const one = notification({
      alerts: [alert({ labels: { user_id: "<@U1> & *co*" }, details: { failures: "23" } })],
    })
    expect(JSON.parse(slackPayload(one, EXTERNAL))).toEqual({
      text: "Firing, high: Title of brute-force",
      mrkdwn: false,
      unfurl_links: false,
      unfurl_media: false,
      blocks: [
        { type: "header", text: plain("Firing, high: Title of brute-force") },
        { type: "section", text: plain("What brute-force finds, and why that matters.") },
        {
          type: "section",
          text: plain("Title of brute-force (high, firing since 2026-01-15T12:00:00Z, 2 events)"),
          fields: [plain("user_id: &lt;@U1&gt; &amp; *co*"), plain("failures: 23")],
        },
        {
          type: "context",
          elements: [plain("rules brute-force@0123456789abcdef"), plain("2026-01-15T12:00:01Z")],
        },
        {
          type: "actions",
          elements: [
            {
              type: "button",
              text: plain("Open in Prooflog"),
              url: `${EXTERNAL}v1/alerts/${one.alerts[0]?.id}`,
            },
          ],
        },
      ],
    })
  })
})

describe("to PagerDuty", () => {
  const parse = (body: string) => JSON.parse(body) as PagerDutyEvent

  it("any notification keeps the limits", () => {
    ofAny((each) => {
      expect(pagerDutyProblems(pagerDutyPayload(each, PAGERDUTY))).toEqual([])
      expect(pagerDutyProblems(pagerDutyPayload(each, { ...PAGERDUTY, source: "" }))).toEqual([])
    })
  })

  it("is triggered, acknowledged and resolved under one dedup key", () => {
    const actions = (["firing", "acknowledged", "resolved"] as const).map((status) => {
      const { event_action, dedup_key } = parse(pagerDutyPayload(notification({ status }), PAGERDUTY))
      return [event_action, dedup_key]
    })
    const key = "d".repeat(64)
    expect(actions).toEqual([
      ["trigger", key],
      ["acknowledge", key],
      ["resolve", key],
    ])
  })

  it("has no link out of the log, and counts what it does not show", () => {
    ofAny((each) => {
      const body = pagerDutyPayload(each, { ...PAGERDUTY, externalUrl: "https://log.example/" })
      const { payload } = parse(body)
      expect(body.replaceAll("https://log.example/", "")).not.toMatch(/:\/\//)
      if (payload === undefined) return
      const { alerts, not_shown } = payload.custom_details
      expect(alerts.length + not_shown).toBe(each.alerts.length + each.leftOut)
      if (each.alerts.length > 0) expect(alerts.length).toBeGreaterThan(0)
    })
  })

  it("many large alerts are as many as there is room for", () => {
    const texts = Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`l${i}`, "\u0001".repeat(256)]))
    const alerts = Array.from({ length: 50 }, () => alert({ labels: texts, details: texts }))
    const body = pagerDutyPayload(notification({ alerts }), PAGERDUTY)
    const { alerts: shown, not_shown } = parse(body).payload?.custom_details ?? { alerts: [], not_shown: 0 }
    expect(body.length).toBeLessThanOrEqual(MAX_PAGERDUTY)
    expect(shown.length + not_shown).toBe(50)
    expect(shown.length).toBeGreaterThan(2)
  })

  it.each([
    ["critical", "critical"],
    ["high", "error"],
    ["medium", "warning"],
    ["low", "info"],
    ["info", "info"],
  ] as const)("the severity %s is %s there", (severity, theirs) => {
    const { payload } = parse(pagerDutyPayload(notification({ alerts: [alert({ severity })] }), PAGERDUTY))
    expect(payload?.severity).toBe(theirs)
  })
})

describe("a signed webhook", () => {
  const SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`
  const OLD_SECRET = `whsec_${Buffer.alloc(24, 9).toString("base64")}`
  const secrets = (...texts: string[]) =>
    texts.map((text) => {
      const secret = parseWebhookSecret(text)
      if (secret === undefined) throw new Error("no secret")
      return secret
    })

  it("of any notification is shorter than 20 kB, and is taken by whoever has the secret", () => {
    ofAny((each) => {
      const body = webhookPayload(each)
      const headers = signWebhook(secrets(SECRET), { id: each.id, nowMs: Date.now(), body })
      expect(webhookProblems(SECRET, { ...headers, "content-type": "application/json" }, body)).toEqual([])
      const { data } = JSON.parse(body) as WebhookBody
      expect(data.alerts.length + data.left_out).toBe(each.alerts.length + each.leftOut)
      if (each.alerts.length > 0) expect(data.alerts.length).toBeGreaterThan(0)
      expect(body).not.toMatch(/\\ud[89a-f]/i)
    })
  })

  it("has the texts as they are, and says if it has cut them shorter", () => {
    const text = 'a <b> & "c" \\ https://evil.example \n\u202e'
    const exact = JSON.parse(webhookPayload(notification({ alerts: [alert({ labels: { user_id: text } })] })))
    expect(exact.data).toMatchObject({
      shortened: false,
      left_out: 0,
      alerts: [{ labels: { user_id: text } }],
    })
    const huge = Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`l${i}`, "\u0001".repeat(256)]))
    const cut = JSON.parse(webhookPayload(notification({ alerts: [alert({ labels: huge, details: huge })] })))
    expect(cut.data).toMatchObject({
      shortened: true,
      left_out: 0,
      alerts: [{ labels: { l0: `${"\u0001".repeat(31)}…` } }],
    })
  })

  it("is the same however often it is made", () => {
    ofAny((each) => {
      expect(webhookPayload(each)).toBe(webhookPayload(structuredClone(each)))
    })
  })

  it("is signed over id, timestamp and body, by each secret while they are exchanged", () => {
    const headers = signWebhook(secrets(SECRET, OLD_SECRET), {
      id: "n_1",
      nowMs: 1_700_000_000_999,
      body: "{}",
    })
    const signature = (secret: string) =>
      createHmac("sha256", Buffer.from(secret.slice(6), "base64"))
        .update("n_1.1700000000.{}")
        .digest("base64")
    expect(headers).toEqual({
      "webhook-id": "n_1",
      "webhook-timestamp": "1700000000",
      "webhook-signature": `v1,${signature(SECRET)} v1,${signature(OLD_SECRET)}`,
    })
    expect(() => signWebhook(secrets(SECRET), { id: "n.1", nowMs: 0, body: "" })).toThrow(RangeError)
  })

  it.each([
    ["nothing", ""],
    ["no prefix", Buffer.alloc(32).toString("base64")],
    ["another prefix", `whsk_${Buffer.alloc(32).toString("base64")}`],
    ["23 bytes", `whsec_${Buffer.alloc(23).toString("base64")}`],
    ["65 bytes", `whsec_${Buffer.alloc(65).toString("base64")}`],
    ["no base64", "whsec_!!!!"],
    ["bits too many", `whsec_${Buffer.alloc(25).toString("base64").replace("A=", "B=")}`],
    ["a line end", `${SECRET}\n`],
  ])("a secret of %s is none", (_, text) => {
    expect(parseWebhookSecret(text)).toBeUndefined()
  })
})

describe("in Alertmanager's form", () => {
  it("any notification is of the form", () => {
    ofAny((each) => {
      const body = alertmanagerPayload(each, EXTERNAL)
      expect(alertmanagerProblems(body)).toEqual([])
      const { alerts, truncatedAlerts } = JSON.parse(body)
      expect(alerts.length + truncatedAlerts).toBe(each.alerts.length + each.leftOut)
    })
  })

  it("an alert looks like this", () => {
    const over = alert({
      state: "resolved",
      endsMs: NOON + 5_000,
      severity: "low",
      labels: { severity: "x", a: "1" },
    })
    const fires = alert({
      labels: { a: "1", alertname: "feigned" },
      details: { summary: "feigned", seen: "\ud800" },
    })
    const body = JSON.parse(
      alertmanagerPayload(notification({ alerts: [fires, over], reason: "some-resolved" })),
    )
    expect(body).toMatchObject({
      version: "4",
      groupKey: "a".repeat(64),
      truncatedAlerts: 0,
      status: "firing",
      receiver: "security",
      groupLabels: { alertname: "brute-force" },
      commonLabels: { a: "1", alertname: "brute-force" },
      notification_reason: "some alerts resolved",
      externalURL: "",
      alerts: [
        {
          status: "firing",
          labels: { a: "1", alertname: "brute-force", severity: "high" },
          annotations: {
            summary: "Title of brute-force",
            seen: "\ufffd",
            alert_id: fires.id,
            count: "2",
            leaves: "100 101",
          },
          startsAt: "2026-01-15T12:00:00Z",
          endsAt: "0001-01-01T00:00:00Z",
          generatorURL: "",
          fingerprint: fires.fingerprint,
        },
        { status: "resolved", labels: { severity: "low" }, endsAt: "2026-01-15T12:00:05Z" },
      ],
    })
    expect(body.groupLabels).not.toHaveProperty("rule")
  })
})

describe("by mail", () => {
  it("any notification is a subject of one line and a text whose lines are ours", () => {
    ofAny((each) => {
      const { subject, text } = emailPayload(each, EMAIL)
      expect(subject).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u)
      expect(subject.length).toBeLessThanOrEqual(MAX_SUBJECT)
      expect(text.length).toBeLessThanOrEqual(MAX_TEXT)
      expect(text.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u)
      // Of one alert, each line is the headline, the title, the reason, one of its facts, or the end.
      if (each.alerts.length === 1) {
        const [one] = each.alerts
        const facts = Object.keys(one?.labels ?? {}).length + Object.keys(one?.details ?? {}).length
        expect(text.split("\n").length).toBeLessThanOrEqual(facts + 16)
      }
    })
  })

  it("has no link but our own", () => {
    ofAny((each) => {
      const { subject, text } = emailPayload(each, EMAIL)
      const ours = `${text.replaceAll(EXTERNAL, "").replace("log.example/audit", "")}`
      expect(ours).not.toMatch(/:\/\/|www\.|mailto:/i)
      expect(
        text
          .split("\n")
          .filter((line) => line.startsWith("  "))
          .join("\n"),
      ).not.toMatch(/[a-z]\.[a-z]{2}/i)
      expect(subject).not.toMatch(/:\/\//)
    })
  })

  it("nothing out of the log is in the subject", () => {
    const one = notification({ alerts: [alert({ labels: { user_id: "MARK" }, details: { seen: "MARK" } })] })
    expect(emailPayload(one, EMAIL).subject).toBe("Firing, high: Title of brute-force")
    expect(emailPayload(one, EMAIL).text).toContain("  user_id: MARK\n")
  })

  it("says how many alerts it leaves out", () => {
    const many = notification({ alerts: HOSTILE.alerts, leftOut: 100 })
    const { text } = emailPayload(many, EMAIL)
    const shown = text.split("rule brute-force").length - 1
    expect(shown).toBeGreaterThan(5)
    expect(shown).toBeLessThanOrEqual(60)
    expect(text).toContain(`… and ${160 - shown} more alerts not shown here`)
  })
})

function plain(text: string): object {
  return { type: "plain_text", text, emoji: false }
}
