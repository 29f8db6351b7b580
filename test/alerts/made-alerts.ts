/** Firings, alerts and notifications made for tests, and texts that mean harm. */

import type { Alert } from "@prooflog/alerts/alert"
import type { Firing, RuleHead, Severity } from "@prooflog/alerts/firing"
import type { Notification } from "@prooflog/alerts/notification"
import fc from "fast-check"

export const NOON = Date.UTC(2026, 0, 15, 12)

export function ruleHead(id = "brute-force", severity: Severity = "high"): RuleHead {
  return {
    id,
    version: "0123456789abcdef",
    title: `Title of ${id}`,
    why: `What ${id} finds, and why that matters.`,
    severity,
  }
}

export function firing(given: Partial<Firing> = {}): Firing {
  const rule = given.rule ?? ruleHead()
  const receivedMs = given.receivedMs ?? NOON
  return {
    kind: "fires",
    rule,
    severity: rule.severity,
    labels: { ip_address: "203.0.113.7" },
    details: { failures: "23", window: "10m" },
    leaves: [100],
    count: 1,
    timestampMs: receivedMs,
    receivedMs,
    ...given,
  }
}

let made = 0

export function alert(given: Partial<Alert> = {}): Alert {
  const number = (++made).toString(16)
  const rule = given.rule ?? ruleHead()
  return {
    id: `alert_${number.padStart(16, "0")}`,
    fingerprint: number.padStart(64, "0"),
    rule,
    severity: rule.severity,
    labels: { ip_address: "203.0.113.7" },
    details: { failures: "23", window: "10m" },
    leaves: [100, 101],
    count: 2,
    state: "firing",
    startsMs: NOON,
    lastMs: NOON + 1_000,
    ...given,
  }
}

export function notification(given: Partial<Notification> = {}): Notification {
  const alerts = given.alerts ?? [alert()]
  const resolved = alerts.filter(({ state }) => state === "resolved").length
  const leftOut = given.leftOut ?? 0
  return {
    id: `notification_${(++made).toString(16).padStart(32, "0")}`,
    dedupKey: "d".repeat(64),
    sink: "security",
    groupKey: "a".repeat(64),
    groupLabels: { rule: "brute-force" },
    status: "firing",
    reason: "first",
    atMs: NOON + 1_000,
    alerts,
    firing: alerts.length - resolved + leftOut,
    resolved,
    leftOut,
    ...given,
  }
}

/** What has been used against those who show other people's texts. */
export const HOSTILE_TEXTS = [
  "",
  " ",
  "<!channel> <@U123> <#C123|general>",
  "<https://evil.example/login|Sign in again>",
  "https://evil.example/?a=b&c=d",
  "HTTP://EVIL.EXAMPLE www.evil.example mailto:ceo@evil.example evil.example/reset",
  "*bold* _italic_ ~gone~ `code` ```block``` > quote :rotating_light:",
  "[click](javascript:alert(1)) <script>alert(1)</script> <img src=x onerror=alert(1)>",
  "quote \" backslash \\ apostrophe ' &amp; &lt;b&gt; &#60;",
  "line one\nline two\r\nBcc: everyone@evil.example\r\n\r\nbody",
  "\u0000\u0007\u001b[31mred\u001b[0m\u007f\u0085\u2028\u2029",
  "user\u202egnp.exe \u2066isolated\u2069 \u200fright \u200bzero",
  "half \ud83d of a pair \udc00 and the other",
  "\u{1f6a8}".repeat(40),
  "e\u0301".repeat(60) + "\u0300".repeat(200),
  "=cmd|' /C calc'!A0",
  ".\r\nQUIT\r\n",
  "__proto__",
  "constructor",
  "x".repeat(5_000),
  "&".repeat(5_000),
  "\u0001".repeat(5_000),
  "漢".repeat(5_000),
  "\ud800".repeat(3_000),
]

/** Any text, and more often than not one that means harm. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(...HOSTILE_TEXTS),
  fc.string({ unit: "binary", maxLength: 400 }),
  fc.string({
    unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)),
    maxLength: 400,
  }),
  fc
    .tuple(fc.constantFrom(...HOSTILE_TEXTS), fc.constantFrom(...HOSTILE_TEXTS))
    .map((texts) => texts.join("")),
)

const anyRecord = fc.dictionary(anyText, anyText, { maxKeys: 20 })

const anySeverity = fc.constantFrom<Severity>("info", "low", "medium", "high", "critical")

const anyMs = fc.integer({ min: NOON - 10 ** 10, max: NOON + 10 ** 10 })

/** An alert, bounded in nothing but the number of its labels: payloads rely on no one before them. */
export const anyAlert: fc.Arbitrary<Alert> = fc
  .record({
    title: anyText,
    why: anyText,
    id: anyText,
    severity: anySeverity,
    labels: anyRecord,
    details: anyRecord,
    leaves: fc.array(fc.integer({ min: 0, max: 2 ** 40 }), { maxLength: 32 }),
    count: fc.integer({ min: 0, max: 10 ** 9 }),
    resolved: fc.boolean(),
    startsMs: anyMs,
    note: fc.option(anyText, { nil: undefined }),
  })
  .map(({ title, why, id, severity, labels, details, leaves, count, resolved, startsMs, note }) =>
    alert({
      rule: { ...ruleHead(), id, title, why },
      severity,
      labels,
      details,
      leaves,
      count,
      state: resolved ? "resolved" : "firing",
      startsMs,
      lastMs: startsMs + 1,
      ...(resolved && { endsMs: startsMs + 2 }),
      ...(note !== undefined && { acknowledged: { atMs: startsMs, by: "key_1", note } }),
    }),
  )

/** A notification of any alerts, few and many. */
export const anyNotification: fc.Arbitrary<Notification> = fc
  .record({
    alerts: fc.oneof(
      fc.array(anyAlert, { maxLength: 3 }),
      fc
        .array(anyAlert, { minLength: 1, maxLength: 4 })
        .map((few) => Array.from({ length: 15 }, () => few).flat()),
    ),
    groupLabels: anyRecord,
    status: fc.constantFrom<Notification["status"]>("firing", "acknowledged", "resolved"),
    leftOut: fc.nat(10_000),
    sink: anyText,
  })
  .map(({ alerts, groupLabels, status, leftOut, sink }) =>
    notification({ alerts, groupLabels, status, leftOut, sink, reason: "new" }),
  )
