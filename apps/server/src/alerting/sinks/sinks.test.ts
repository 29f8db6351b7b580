/** Sinks against local stand-ins of those they tell: what is sent, and what every answer means. */

import { createHash } from "node:crypto"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseAlertSettings } from "@prooflog/alerts/alert-settings"
import type { Notification } from "@prooflog/alerts/notification"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { openAlertmanager } from "../../../../../test/alerts/alertmanager-stand-in.js"
import type { Behaviour, HttpStandIn } from "../../../../../test/alerts/http-stand-in.js"
import { alert, HOSTILE_TEXTS, NOON, notification } from "../../../../../test/alerts/made-alerts.js"
import { openPagerDuty, ROUTING_KEY } from "../../../../../test/alerts/pagerduty-stand-in.js"
import { openSlack } from "../../../../../test/alerts/slack-stand-in.js"
import { readMail, type SmtpBehaviour, SmtpStandIn } from "../../../../../test/alerts/smtp-stand-in.js"
import { openWebhook } from "../../../../../test/alerts/webhook-stand-in.js"
import type { Outcome, Sink } from "../delivery.js"
import { openSinks } from "./open-sinks.js"

const WEBHOOK_SECRET = `whsec_${Buffer.alloc(32, 5).toString("base64")}`

let base: string
const closing: (() => Promise<void>)[] = []
const variables: string[] = []

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), "prooflog-sinks-"))
})
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
  for (const name of variables.splice(0)) delete process.env[name]
  await rm(base, { recursive: true })
})

function setSecret(name: string, value: string): void {
  process.env[name] = value
  variables.push(name)
}

async function sinkOf(yaml: string, timeoutMs = 5_000): Promise<Sink> {
  const settings = parseAlertSettings(`external_url: https://log.example/\nsinks:\n  s: ${yaml}\n`)
  const [sink] = await openSinks(settings, { base, origin: "log.example/audit", timeoutMs })
  if (sink === undefined) throw new Error("no sink")
  return sink
}

async function tell(sink: Sink, given: Notification = notification()): Promise<Outcome> {
  return sink.deliver(given, { nowMs: Date.now(), signal: new AbortController().signal })
}

function closeLater<T extends { readonly http: HttpStandIn }>(standIn: T): T {
  closing.push(() => standIn.http.close())
  return standIn
}

/** What all that speak HTTP make of trouble. */
const TROUBLE: readonly (readonly [string, Behaviour, object])[] = [
  ["500", { status: 500 }, { kind: "later", why: "500" }],
  [
    "503 with patience in seconds",
    { status: 503, headers: { "Retry-After": "120" } },
    { kind: "later", why: "503", retryAfterMs: 120_000 },
  ],
  [
    "429 with patience in seconds",
    { status: 429, headers: { "Retry-After": "7" } },
    { kind: "later", why: "429", retryAfterMs: 7_000 },
  ],
  [
    "429 with patience that is none",
    { status: 429, headers: { "Retry-After": "soon" } },
    { kind: "later", why: "429", retryAfterMs: expect.any(Number) },
  ],
  [
    "a redirect, not followed",
    { status: 302, headers: { Location: "/elsewhere" } },
    { kind: "later", why: "302: redirects are not followed" },
  ],
  ["408", { status: 408 }, { kind: "later", why: "408" }],
  [
    "a connection that is dropped",
    "drop",
    { kind: "later", why: expect.stringMatching(/^no answer: [A-Z_]+$/) },
  ],
  ["no answer", "hang", { kind: "later", why: "no answer within 200 ms" }],
  ["an answer that comes too late", { lateMs: 5_000 }, { kind: "later", why: "no answer within 200 ms" }],
]

function isLate(behaviour: Behaviour): boolean {
  return typeof behaviour === "object" && "lateMs" in behaviour
}

describe.each<readonly [string, (timeoutMs?: number) => Promise<{ http: HttpStandIn; sink: Sink }>]>([
  [
    "slack",
    async (timeoutMs) => {
      const { http } = closeLater(await openSlack())
      setSecret("TEST_SINK_SECRET", http.url)
      return { http, sink: await sinkOf("{ type: slack, url: { env: TEST_SINK_SECRET } }", timeoutMs) }
    },
  ],
  [
    "pagerduty",
    async (timeoutMs) => {
      const { http } = closeLater(await openPagerDuty())
      setSecret("TEST_SINK_SECRET", ROUTING_KEY)
      const yaml = `{ type: pagerduty, url: "${http.url}", routing_key: { env: TEST_SINK_SECRET } }`
      return { http, sink: await sinkOf(yaml, timeoutMs) }
    },
  ],
  [
    "webhook",
    async (timeoutMs) => {
      const { http } = closeLater(await openWebhook(WEBHOOK_SECRET))
      setSecret("TEST_SINK_SECRET", WEBHOOK_SECRET)
      return {
        http,
        sink: await sinkOf(
          `{ type: webhook, url: "${http.url}", secrets: [{ env: TEST_SINK_SECRET }] }`,
          timeoutMs,
        ),
      }
    },
  ],
  [
    "alertmanager",
    async (timeoutMs) => {
      const { http } = closeLater(await openAlertmanager())
      setSecret("TEST_SINK_SECRET", "Bearer not-to-be-seen")
      const yaml = `{ type: alertmanager, url: "${http.url}", authorization: { env: TEST_SINK_SECRET } }`
      return { http, sink: await sinkOf(yaml, timeoutMs) }
    },
  ],
])("a sink of type %s", (_, open) => {
  it.each(TROUBLE)("takes %s for what it is", async (_, behaviour, expected) => {
    // Only where it is the answer that is waited for does time decide.
    const { http, sink } = await open(behaviour === "hang" || isLate(behaviour) ? 200 : undefined)
    http.plan(behaviour)
    expect(await tell(sink)).toEqual(expected)
  })

  it("says nothing of URL, host or secret, whatever fails", async () => {
    const { http, sink } = await open(200)
    const said: string[] = []
    for (const [, behaviour] of TROUBLE) {
      http.plan(behaviour)
      said.push((await tell(sink)).why)
    }
    for (const status of [400, 401, 403, 404, 410, 422]) {
      http.plan({ status, body: `${http.url} ${process.env.TEST_SINK_SECRET}` })
      said.push((await tell(sink)).why)
    }
    await http.close()
    said.push((await tell(sink)).why)
    const { port } = new URL(http.url)
    for (const secret of ["127.0.0.1", port, "secret-path", "not-to-be-seen", ROUTING_KEY, "whsec"]) {
      expect(said.join("\n")).not.toContain(secret)
    }
  })

  it("reads no more of an answer than it needs", async () => {
    const { http, sink } = await open()
    http.plan("endless")
    const { why } = await tell(sink)
    expect(why).toMatch(/^200/)
    // What the connection holds, and not what comes until somebody loses patience.
    expect(http.poured).toBeLessThan(64 * 2 ** 20)
  })

  it("ends an attempt that is called off", async () => {
    const { http, sink } = await open()
    http.plan("hang")
    const controller = new AbortController()
    const ended = sink.deliver(notification(), { nowMs: Date.now(), signal: controller.signal })
    controller.abort()
    expect((await ended).kind).toBe("later")
  })
})

describe("Slack", () => {
  async function open() {
    const slack = closeLater(await openSlack())
    setSecret("TEST_SINK_SECRET", slack.http.url)
    return { ...slack, sink: await sinkOf("{ type: slack, url: { env: TEST_SINK_SECRET } }") }
  }

  it("takes a message of hostile texts, and it is told once", async () => {
    const { sink, messages } = await open()
    const alerts = HOSTILE_TEXTS.map((text) =>
      alert({ labels: { user_id: text }, details: { [text]: text } }),
    )
    expect(await tell(sink, notification({ alerts }))).toEqual({ kind: "delivered", why: "200 ok" })
    expect(messages).toHaveLength(1)
  })

  it.each<readonly [Behaviour, Outcome]>([
    [
      { status: 400, body: "invalid_payload" },
      { kind: "refused", why: "400 invalid_payload" },
    ],
    [
      { status: 403, body: "action_prohibited" },
      { kind: "refused", why: "403 action_prohibited" },
    ],
    [
      { status: 404, body: "<html>" },
      { kind: "refused", why: "404" },
    ],
    [
      { status: 410, body: "channel_is_archived\n" },
      { kind: "refused", why: "410 channel_is_archived" },
    ],
    [
      { status: 200, body: "<html>log in" },
      { kind: "later", why: "200, and not ok: something else than Slack answers" },
    ],
    ["take-and-break-off", { kind: "later", why: "200, and not ok: something else than Slack answers" }],
  ])("%j means %j", async (behaviour, outcome) => {
    const { sink, http } = await open()
    http.plan(behaviour)
    expect(await tell(sink)).toEqual(outcome)
  })
})

describe("PagerDuty", () => {
  async function open() {
    const pagerDuty = closeLater(await openPagerDuty())
    setSecret("TEST_SINK_SECRET", ROUTING_KEY)
    const yaml = `{ type: pagerduty, url: "${pagerDuty.http.url}", routing_key: { env: TEST_SINK_SECRET } }`
    return { ...pagerDuty, sink: await sinkOf(yaml) }
  }

  it("opens an incident, acknowledges and resolves it, and knows what is sent again", async () => {
    const { sink, incidents } = await open()
    for (const status of ["firing", "firing", "acknowledged", "firing", "resolved", "resolved"] as const) {
      expect((await tell(sink, notification({ status }))).kind).toBe("delivered")
    }
    expect([...incidents]).toEqual([["d".repeat(64), ["opened", "acknowledged", "resolved"]]])
  })

  it.each<readonly [number, Outcome["kind"]]>([
    [200, "later"],
    [400, "refused"],
    [401, "refused"],
    [413, "refused"],
    [425, "later"],
  ])("%d means %s", async (status, kind) => {
    const { sink, http } = await open()
    http.plan({ status })
    expect((await tell(sink)).kind).toBe(kind)
  })

  it("a routing key that is none is said to be none, and tried again when it is there", async () => {
    const { sink, events } = await open()
    setSecret("TEST_SINK_SECRET", "short")
    expect(await tell(sink)).toEqual({ kind: "later", why: "routing_key is not 32 letters and digits" })
    setSecret("TEST_SINK_SECRET", ROUTING_KEY)
    expect((await tell(sink)).kind).toBe("delivered")
    expect(events).toHaveLength(1)
  })
})

describe("a webhook", () => {
  it("is signed with each of its secrets, read anew each time, and known when it comes again", async () => {
    const { http, taken, repeated } = closeLater(await openWebhook(WEBHOOK_SECRET))
    const other = `whsec_${Buffer.alloc(40, 6).toString("base64")}`
    await writeFile(join(base, "secret"), `${other}\n`)
    const sink = await sinkOf(
      `{ type: webhook, url: "${http.url}", secrets: [{ file: secret }, { env: TEST_NEW_SECRET }] }`,
    )
    expect(await tell(sink)).toEqual({
      kind: "later",
      why: "the environment variable TEST_NEW_SECRET is not set, or empty",
    })
    setSecret("TEST_NEW_SECRET", other)
    expect(await tell(sink)).toEqual({ kind: "refused", why: "400" })
    await writeFile(join(base, "secret"), WEBHOOK_SECRET)
    const one = notification()
    expect(await tell(sink, one)).toEqual({ kind: "delivered", why: "204" })
    expect(await tell(sink, one)).toEqual({ kind: "delivered", why: "204" })
    expect([...taken.keys()]).toEqual([one.id])
    expect(repeated).toEqual([one.id])
  })

  it("that is confirmed by its status is confirmed, whatever becomes of the text", async () => {
    const { http } = closeLater(await openWebhook(WEBHOOK_SECRET))
    setSecret("TEST_SINK_SECRET", WEBHOOK_SECRET)
    const sink = await sinkOf(`{ type: webhook, url: "${http.url}", secrets: { env: TEST_SINK_SECRET } }`)
    http.plan({ status: 200, body: "cut short", headers: { "Content-Length": "100" }, breaksOff: true })
    expect(await tell(sink)).toEqual({ kind: "delivered", why: "200" })
  })

  it.each<readonly [number, Outcome["kind"]]>([
    [201, "delivered"],
    [400, "refused"],
    [401, "later"],
    [404, "later"],
    [410, "refused"],
    [413, "refused"],
    [415, "refused"],
    [422, "refused"],
  ])("%d means %s", async (status, kind) => {
    const { http } = closeLater(await openWebhook(WEBHOOK_SECRET))
    setSecret("TEST_SINK_SECRET", WEBHOOK_SECRET)
    const sink = await sinkOf(`{ type: webhook, url: "${http.url}", secrets: { env: TEST_SINK_SECRET } }`)
    http.plan({ status })
    expect((await tell(sink)).kind).toBe(kind)
  })
})

it("Alertmanager's form is taken, with the header that the settings name", async () => {
  const { http, messages } = closeLater(await openAlertmanager())
  setSecret("TEST_SINK_SECRET", "Bearer token")
  const sink = await sinkOf(
    `{ type: alertmanager, url: "${http.url}", authorization: { env: TEST_SINK_SECRET } }`,
  )
  expect((await tell(sink, notification({ status: "resolved" }))).kind).toBe("delivered")
  expect(messages).toMatchObject([{ status: "resolved", receiver: "security" }])
  expect(http.requests[0]?.headers.authorization).toBe("Bearer token")
  expect(sink.hears(notification({ status: "acknowledged", reason: "acknowledged" }))).toBe(false)
})

describe("mail", () => {
  async function open(more = "", timeoutMs = 5_000) {
    const smtp = await SmtpStandIn.open()
    closing.push(() => smtp.close())
    const yaml = `{ type: email, host: "127.0.0.1", port: ${smtp.port}, tls: none, from: log@log.example, to: [a@b.example, c@d.example]${more} }`
    return { smtp, sink: await sinkOf(yaml, timeoutMs) }
  }

  it("is plain text, one thread for a group, and known when it comes again", async () => {
    const { smtp, sink } = await open()
    const one = notification()
    for (const each of [one, one, notification({ status: "resolved" })]) {
      expect(await tell(sink, each)).toEqual({ kind: "delivered", why: "250" })
    }
    const [first, again, over] = smtp.mails.map(readMail)
    expect(smtp.mails[0]).toMatchObject({ from: "log@log.example", to: ["a@b.example", "c@d.example"] })
    expect(first?.headers.get("subject")).toBe("Firing, high: Title of brute-force")
    expect(first?.headers.get("content-type")).toBe("text/plain; charset=utf-8")
    expect(first?.headers.get("auto-submitted")).toBe("auto-generated")
    expect(first?.headers.get("date")).toBe(new Date(NOON + 1_000).toUTCString().replace("GMT", "+0000"))
    expect(first?.text).toContain("ip_address: 203.0.113.7")
    expect(again?.headers.get("message-id")).toBe(first?.headers.get("message-id"))
    expect(over?.headers.get("message-id")).not.toBe(first?.headers.get("message-id"))
    expect(over?.headers.get("references")).toBe(first?.headers.get("references"))
  })

  it("of hostile texts has the same headers, recipients and commands as any other", async () => {
    const { smtp, sink } = await open()
    const shape = async (alerts: Notification["alerts"]) => {
      const before = smtp.commands.length
      expect((await tell(sink, notification({ alerts }))).kind).toBe("delivered")
      const mail = readMail(smtp.mails.at(-1) as (typeof smtp.mails)[number])
      return { headers: [...mail.headers.keys()], commands: smtp.commands.slice(before) }
    }
    const rule = {
      id: "r",
      version: "0",
      title: "a\r\nBcc: x@evil.example\r\n\r\nb \u202e 漢",
      why: "w",
      severity: "high",
    } as const
    const hostile = HOSTILE_TEXTS.map((text) =>
      alert({ rule, labels: { user_id: text }, details: { [text]: text } }),
    )
    const { headers, commands } = await shape(hostile)
    const usual = await shape([alert()])
    expect(headers.filter((name) => !["content-transfer-encoding"].includes(name))).toEqual(
      usual.headers.filter((name) => !["content-transfer-encoding"].includes(name)),
    )
    expect(commands).toEqual(usual.commands)
    expect(smtp.mails.map(({ to }) => to)).toEqual([
      ["a@b.example", "c@d.example"],
      ["a@b.example", "c@d.example"],
    ])
    for (const line of (smtp.mails[0]?.raw ?? "").split("\r\n")) expect(line.length).toBeLessThan(999)
  })

  it.each<readonly [SmtpBehaviour, object]>([
    ["drop", { kind: "later", why: expect.stringMatching(/^no answer: E[A-Z]+$/) }],
    ["take-and-drop", { kind: "later", why: expect.stringMatching(/^no answer: /) }],
    ["one-recipient", { kind: "delivered", why: "250, for 1 of 2 recipients" }],
    [
      { to: "MAIL", answer: "550 log@log.example is not wanted" },
      { kind: "refused", why: "550" },
    ],
    [
      { to: "MAIL", answer: "421 try again" },
      { kind: "later", why: "421" },
    ],
    [
      { to: "RCPT", answer: "550 a@b.example is unknown" },
      { kind: "refused", why: "550" },
    ],
    [
      { to: "RCPT", answer: "450 mailbox busy" },
      { kind: "later", why: "450" },
    ],
    [
      { to: "DATA", answer: "451 later" },
      { kind: "later", why: "451" },
    ],
    [
      { to: ".", answer: "554 looks like spam" },
      { kind: "refused", why: "554" },
    ],
    [
      { to: ".", answer: "452 no room" },
      { kind: "later", why: "452" },
    ],
  ])("%j means %j", async (behaviour, outcome) => {
    const { smtp, sink } = await open()
    smtp.plan(behaviour)
    expect(await tell(sink)).toEqual(outcome)
  })

  it("is tried again if the server does not know us", async () => {
    setSecret("TEST_SINK_SECRET", "wrong")
    const { smtp, sink } = await open(", user: u, password: { env: TEST_SINK_SECRET }")
    smtp.plan({ to: "AUTH", answer: "535 wrong password of u" })
    expect(await tell(sink)).toEqual({ kind: "later", why: "535 EAUTH" })
  })

  it("waits for no answer for ever", async () => {
    const { smtp, sink } = await open("", 200)
    smtp.plan("hang")
    expect(await tell(sink)).toEqual({ kind: "later", why: expect.stringMatching(/^no answer/) })
  })

  it("goes nowhere if the server has no TLS that the settings ask for", async () => {
    const { smtp } = await open()
    const yaml = `{ type: email, host: "127.0.0.1", port: ${smtp.port}, from: log@log.example, to: a@b.example }`
    expect(await tell(await sinkOf(yaml))).toEqual({ kind: "later", why: "502 ETLS" })
    expect(smtp.mails).toEqual([])
    expect(smtp.commands.join()).not.toContain("MAIL")
  })
})

it("a sink that is not told what is over hears nothing of it", async () => {
  const sink = await sinkOf("{ type: slack, url: { env: TEST_SINK_SECRET }, send_resolved: false }")
  expect(sink.hears(notification())).toBe(true)
  expect(sink.hears(notification({ status: "resolved", reason: "all-resolved" }))).toBe(false)
  expect(sink.hears(notification({ status: "firing", reason: "some-resolved" }))).toBe(false)
  expect(sink.hears(notification({ status: "acknowledged", reason: "acknowledged" }))).toBe(true)
})

describe("a secret", () => {
  it.each([
    [
      "that is not set",
      "{ env: TEST_NOT_SET }",
      undefined,
      "the environment variable TEST_NOT_SET is not set, or empty",
    ],
    ["in a file that is not there", "{ file: none }", undefined, "the file none cannot be read: ENOENT"],
    ["in an empty file", "{ file: s }", " \n", "the file s is not set, or empty"],
    ["of two lines", "{ file: s }", "a\nb", "the file s has more than one line of ASCII"],
    ["that is too long", "{ file: s }", "x".repeat(5_000), "the file s has more than 4096 bytes"],
    [
      "that is no URL to be told by",
      "{ file: s }",
      "http://evil.example/",
      "url: expected https: only this machine itself is told without TLS",
    ],
  ])("%s is named by its place", async (_, place, content, why) => {
    if (content !== undefined) await writeFile(join(base, "s"), content)
    const sink = await sinkOf(`{ type: slack, url: ${place} }`)
    expect(await tell(sink)).toEqual({ kind: "later", why })
  })

  it("that is missing is told when the sinks are opened, and takes no other sink with it", async () => {
    setSecret("TEST_SINK_SECRET", "https://hooks.example/x")
    const settings = parseAlertSettings(
      "sinks: { a: { type: slack, url: { env: TEST_NOT_SET } }, b: { type: slack, url: { env: TEST_SINK_SECRET } } }",
    )
    const said: unknown[] = []
    const sinks = await openSinks(settings, { base, origin: "o", say: (...words) => said.push(words) })
    expect(sinks.map(({ name }) => name)).toEqual(["a", "b"])
    expect(said).toMatchObject([
      ["warn", expect.any(String), { sink: "a", problem: expect.stringContaining("TEST_NOT_SET") }],
    ])
  })
})

it("what is sent of one notification is the same to the byte, however often", async () => {
  const { http } = closeLater(await openWebhook(WEBHOOK_SECRET))
  setSecret("TEST_SINK_SECRET", WEBHOOK_SECRET)
  const sink = await sinkOf(`{ type: webhook, url: "${http.url}", secrets: { env: TEST_SINK_SECRET } }`)
  const one = notification()
  await tell(sink, one)
  await tell(sink, structuredClone(one))
  const hashes = http.requests.map(({ body }) => createHash("sha256").update(body).digest("hex"))
  expect(new Set(hashes).size).toBe(1)
})
