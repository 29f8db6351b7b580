import { describe, expect, it } from "vitest"
import { parseAlertSettings } from "./alert-settings.js"
import { ALERTS_TEMPLATE } from "./alert-settings-template.js"
import { AlertsError } from "./error.js"
import { sinkUrlProblem } from "./sink-url.js"

/** The template with all that is ready to be used in use. */
const WHOLE = ALERTS_TEMPLATE.replaceAll(/^#(?! )/gm, "").replaceAll(/^#(?= {2})/gm, "")

describe("the template", () => {
  it("is complete, and tells nobody", () => {
    expect(parseAlertSettings(ALERTS_TEMPLATE)).toEqual({
      shipped: { on: true, without: [] },
      rules: "rules",
      toleranceMs: 600_000,
      historyAfterMs: 86_400_000,
      sinks: new Map(),
      routes: [],
      inhibit: [],
    })
  })

  it("says what is taken for granted where nothing is said", () => {
    expect(parseAlertSettings("")).toEqual(parseAlertSettings(ALERTS_TEMPLATE))
    expect(parseAlertSettings("# nothing\n")).toEqual(parseAlertSettings(ALERTS_TEMPLATE))
  })

  it("has examples of everything, and each of them is right", () => {
    const { externalUrl, sinks, routes, inhibit } = parseAlertSettings(WHOLE)
    expect(externalUrl).toBe("https://log.example.org/")
    expect([...sinks.values()].map(({ type }) => type)).toEqual([
      "slack",
      "pagerduty",
      "webhook",
      "alertmanager",
      "email",
    ])
    expect(routes).toMatchObject([
      {
        to: ["on-call", "security-channel"],
        groupBy: ["rule"],
        waitMs: 1_000,
        intervalMs: 300_000,
        repeatMs: 14_400_000,
      },
      { to: ["security-channel"], matchers: [{ name: "severity", operator: "!=", value: "info" }] },
    ])
    expect(inhibit).toMatchObject([{ equal: ["service"] }])
  })
})

it("reads sinks, each with its secrets where they are", () => {
  const { sinks } = parseAlertSettings(`
sinks:
  a: { type: slack, url: { env: URL }, send_resolved: false }
  b: { type: pagerduty, routing_key: { file: keys/b }, url: https://events.eu.pagerduty.com/v2/enqueue }
  c: { type: webhook, url: { file: keys/url }, secrets: { env: ONE } }
  d: { type: webhook, url: "http://127.0.0.1:9/x", secrets: [{ env: ONE }, { file: two }] }
  e: { type: alertmanager, url: "http://[::1]:9/", authorization: { env: TOKEN } }
  f: { type: email, host: "127.0.0.1", tls: none, from: a@b.example, to: c@d.example }
  g: { type: email, host: m.example, tls: implicit, user: u, password: { env: P }, from: a@b.example, to: [c@d.example] }
`)
  expect([...sinks.values()]).toEqual([
    { type: "slack", name: "a", sendResolved: false, url: { env: "URL" } },
    {
      type: "pagerduty",
      name: "b",
      sendResolved: true,
      routingKey: { file: "keys/b" },
      url: "https://events.eu.pagerduty.com/v2/enqueue",
    },
    { type: "webhook", name: "c", sendResolved: true, url: { file: "keys/url" }, secrets: [{ env: "ONE" }] },
    {
      type: "webhook",
      name: "d",
      sendResolved: true,
      url: "http://127.0.0.1:9/x",
      secrets: [{ env: "ONE" }, { file: "two" }],
    },
    {
      type: "alertmanager",
      name: "e",
      sendResolved: true,
      url: "http://[::1]:9/",
      authorization: { env: "TOKEN" },
    },
    {
      type: "email",
      name: "f",
      sendResolved: true,
      host: "127.0.0.1",
      port: 587,
      tls: "none",
      from: "a@b.example",
      to: ["c@d.example"],
    },
    {
      type: "email",
      name: "g",
      sendResolved: true,
      host: "m.example",
      port: 465,
      tls: "implicit",
      login: { user: "u", password: { env: "P" } },
      from: "a@b.example",
      to: ["c@d.example"],
    },
  ])
})

it("gives a route what it leaves open from the route above it", () => {
  const { routes } = parseAlertSettings(`
sinks: { a: { type: slack, url: { env: A } }, b: { type: slack, url: { env: B } } }
routes:
  - to: a
    group_by: [service]
    group_wait: 30s
    group_interval: 1m
    repeat_interval: 2h
    routes:
      - { match: rule = x, to: b, group_by: ["..."], continue: true }
      - { match: [rule = y], group_wait: 0s, group_by: [] }
`)
  const times = { intervalMs: 60_000, repeatMs: 7_200_000 }
  expect(routes).toMatchObject([
    {
      to: ["a"],
      groupBy: ["service"],
      waitMs: 30_000,
      ...times,
      routes: [
        { to: ["b"], groupBy: "all", waitMs: 30_000, ...times, continue: true },
        { to: ["a"], groupBy: [], waitMs: 0, ...times, continue: false },
      ],
    },
  ])
})

const SINK = "sinks: { a: { type: slack, url: { env: A } } }\n"

it.each([
  ["an unknown member", "sink: {}", "1:1: sink: unknown member"],
  ["what is no YAML", "a: [", "1:"],
  ["a list", "- a", "1:1: expected a map"],
  ["a member without a value", "sinks:", "1:1: sinks: it has no value"],
  ["shipped that is neither", "shipped: maybe", "1:10: shipped: expected true or false"],
  ["a tolerance of days", "tolerance: 2d", "1:12: tolerance: expected at most"],
  [
    "a log's URL with a key in it",
    "external_url: https://u:p@log.example",
    "1:15: external_url: expected no credentials",
  ],
  ["a log's URL with a question", "external_url: https://log.example/?a", "1:15: external_url: expected no"],
  [
    "a sink with a name of its own kind",
    "sinks: { A: { type: slack, url: { env: A } } }",
    "1:10: sinks.A: a sink is named by",
  ],
  ["a sink without a type", "sinks:\n  a: { url: x }", "2:6: sinks.a: type is missing"],
  ["a sink of no known type", "sinks:\n  a: { type: irc }", "2:14: sinks.a.type: expected one of slack"],
  [
    "a secret that is written down",
    "sinks:\n  a: { type: slack, url: https://hooks.slack.com/services/x }",
    "2:26: sinks.a.url: a secret is not",
  ],
  [
    "a secret in two places",
    "sinks:\n  a: { type: slack, url: { env: A, file: b } }",
    "2:26: sinks.a.url: expected { env",
  ],
  [
    "a secret in a variable that cannot be",
    "sinks:\n  a: { type: slack, url: { env: A-B } }",
    "2:33: sinks.a.url.env: expected the name",
  ],
  [
    "a webhook without a secret",
    "sinks:\n  a: { type: webhook, url: https://a.example }",
    "2:6: sinks.a: secrets is missing",
  ],
  [
    "a webhook without TLS",
    "sinks:\n  a: { type: webhook, url: http://a.example, secrets: { env: A } }",
    "2:28: sinks.a.url: expected https",
  ],
  [
    "mail without TLS",
    "sinks:\n  a: { type: email, host: m.example, tls: none, from: a@b, to: a@b }",
    "2:43: sinks.a.tls: only this machine",
  ],
  [
    "a password without a user",
    "sinks:\n  a: { type: email, host: m, password: { env: A }, from: a@b, to: a@b }",
    "2:6: sinks.a: user and password",
  ],
  [
    "an address with a name",
    'sinks:\n  a: { type: email, host: m, from: "A <a@b>", to: a@b }',
    "2:36: sinks.a.from: expected an address",
  ],
  [
    "an address of two lines",
    'sinks:\n  a: { type: email, host: m, from: "a@b\\nBcc: c@d", to: a@b }',
    "2:36: sinks.a.from: expected an address",
  ],
  [
    "a route to a sink that is not there",
    `${SINK}routes:\n  - to: [b]`,
    '3:10: routes[0].to[0]: "b" is none of the sinks',
  ],
  ["a route to nobody", `${SINK}routes:\n  - match: [rule = x]`, "3:5: routes[0]: to is missing"],
  [
    "a route that names a sink twice",
    `${SINK}routes:\n  - to: [a, a]`,
    "3:9: routes[0].to: a sink is named twice",
  ],
  [
    "a matcher that is none",
    `${SINK}routes:\n  - { to: a, match: [rule] }`,
    "3:22: routes[0].match[0]: expected a matcher",
  ],
  [
    "an expression that is none",
    `${SINK}routes:\n  - { to: a, match: ['rule =~ "("'] }`,
    "3:22: routes[0].match[0]: not a regular",
  ],
  [
    "all labels among others",
    `${SINK}routes:\n  - { to: a, group_by: [rule, "..."] }`,
    '3:24: routes[0].group_by: "..." means',
  ],
  [
    "a label given twice",
    `${SINK}routes:\n  - { to: a, group_by: [rule, rule] }`,
    "3:24: routes[0].group_by: a label",
  ],
  [
    "an interval of nothing",
    `${SINK}routes:\n  - { to: a, group_interval: 0s }`,
    "3:30: routes[0].group_interval: expected at least",
  ],
  [
    "a route that is never reached",
    `${SINK}routes:\n  - to: a\n  - { to: a, match: [rule = x] }`,
    "4:5: routes[1]: never reached: routes[0] takes",
  ],
  [
    "an inhibition without a target",
    "inhibit:\n  - source: [rule = x]",
    "2:5: inhibit[0]: target is missing",
  ],
])("refuses %s, and says where", (_, text, message) => {
  const parse = () => parseAlertSettings(text, "alerts.yaml")
  expect(parse).toThrowError(AlertsError)
  try {
    parse()
  } catch (error) {
    expect(error).toMatchObject({ code: "ALERTS_BAD_SETTINGS", line: Number(message.split(":")[0]) })
    expect((error as Error).message).toContain(`alerts.yaml:${message}`)
  }
})

it.each([
  ["https://a.example/b?c=d", undefined],
  ["http://localhost:8080/", undefined],
  ["http://127.9.9.9/", undefined],
  ["http://[::1]/", undefined],
  ["http://2130706433/", undefined],
  ["http://a.example/", "expected https"],
  ["http://localhost.a.example/", "expected https"],
  ["http://127.0.0.1.a.example/", "expected https"],
  ["http://[::2]/", "expected https"],
  ["https://u@a.example/", "credentials"],
  ["https://:p@a.example/", "credentials"],
  ["https://a.example/#x", "#"],
  ["ftp://a.example/", "https URL"],
  ["javascript:alert(1)", "https URL"],
  ["a.example", "https URL"],
  ["", "https URL"],
  [`https://a.example/${"x".repeat(3_000)}`, "at most"],
])("the URL %s: %s", (url, problem) => {
  const found = sinkUrlProblem(url)
  if (problem === undefined) expect(found).toBeUndefined()
  else expect(found).toContain(problem)
})
