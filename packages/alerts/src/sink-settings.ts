/**
 * Sinks: who can be told.
 *
 *     security-channel: { type: slack, url: { env: SLACK_WEBHOOK_URL } }
 *     on-call:          { type: pagerduty, routing_key: { file: keys/pagerduty } }
 *     tickets:          { type: webhook, url: https://tickets.example/hook, secrets: [{ env: HOOK_SECRET }] }
 *     alertmanager:     { type: alertmanager, url: https://bridge.example/alerts }
 *     mail:             { type: email, host: smtp.example, from: log@example.org, to: [security@example.org] }
 *
 * What is secret is never in the file: it names an environment variable, or a file. Whoever reads the settings resolves it.
 *
 * Pure.
 */

import type { YamlValue } from "@prooflog/settings/yaml-value"
import { isLoopback, sinkUrlProblem } from "./sink-url.js"

/** Where a secret is. The path of a file is relative to the settings. */
export type SecretPlace = { readonly env: string } | { readonly file: string }

interface Named {
  readonly name: string
  /** Whether it is told what is over. */
  readonly sendResolved: boolean
}

export interface SlackSettings extends Named {
  readonly type: "slack"
  /** Of an incoming webhook: who knows it can post. */
  readonly url: SecretPlace
}

export interface PagerDutySettings extends Named {
  readonly type: "pagerduty"
  /** 32 characters: the integration key of a service. */
  readonly routingKey: SecretPlace
  readonly url: string
}

export interface WebhookSettings extends Named {
  readonly type: "webhook"
  readonly url: string | SecretPlace
  /** At least one: `whsec_` and base64 of 24 to 64 bytes. With several, each signs. */
  readonly secrets: readonly SecretPlace[]
}

export interface AlertmanagerSettings extends Named {
  readonly type: "alertmanager"
  readonly url: string | SecretPlace
  /** Of the header `Authorization`, whole. */
  readonly authorization?: SecretPlace
}

export interface EmailSettings extends Named {
  readonly type: "email"
  readonly host: string
  readonly port: number
  /** `none` to this machine itself only. */
  readonly tls: (typeof TLS)[number]
  readonly login?: { readonly user: string; readonly password: SecretPlace }
  readonly from: string
  readonly to: readonly string[]
}

export type SinkSettings =
  | SlackSettings
  | PagerDutySettings
  | WebhookSettings
  | AlertmanagerSettings
  | EmailSettings

export const SINK_TYPES = ["slack", "pagerduty", "webhook", "alertmanager", "email"] as const

const TLS = ["starttls", "implicit", "none"] as const

/** Most sinks. */
const MAX_SINKS = 50

const MAX_SECRETS = 5

const MAX_RECIPIENTS = 50

/** From developer.pagerduty.com/docs/events-api-v2; `events.eu.pagerduty.com` in the service region of the EU. */
const PAGERDUTY_URL = "https://events.pagerduty.com/v2/enqueue"

/**
 * Reads the sinks, by name.
 *
 * @throws SettingsError with the place of what is wrong
 */
export function readSinks(value: YamlValue): ReadonlyMap<string, SinkSettings> {
  const entries = value.entries()
  if (entries.length > MAX_SINKS) throw value.refuse(`more than ${MAX_SINKS} sinks`)
  const sinks = entries.map(({ name, key, value }): readonly [string, SinkSettings] => {
    if (!/^[a-z0-9-]{1,64}$/.test(name)) throw key.refuse("a sink is named by 1 to 64 of a-z 0-9 -")
    return [name, readSink(name, value)]
  })
  return new Map(sinks)
}

function readSink(name: string, value: YamlValue): SinkSettings {
  const type = value.member("type")
  if (type === undefined) throw value.refuse(`type is missing: one of ${SINK_TYPES.join(", ")}`)
  switch (type.oneOf(SINK_TYPES)) {
    case "slack": {
      const { url, send_resolved } = value.members({
        required: ["type", "url"],
        optional: ["send_resolved"],
      })
      return { type: "slack", ...named(name, send_resolved), url: readSecret(url) }
    }
    case "pagerduty": {
      const { routing_key, url, send_resolved } = value.members({
        required: ["type", "routing_key"],
        optional: ["url", "send_resolved"],
      })
      return {
        type: "pagerduty",
        ...named(name, send_resolved),
        routingKey: readSecret(routing_key),
        url: url === undefined ? PAGERDUTY_URL : readUrl(url),
      }
    }
    case "webhook": {
      const { url, secrets, send_resolved } = value.members({
        required: ["type", "url", "secrets"],
        optional: ["send_resolved"],
      })
      const places = secrets.oneOrMore()
      if (places.length > MAX_SECRETS) throw secrets.refuse(`more than ${MAX_SECRETS} secrets`)
      return {
        type: "webhook",
        ...named(name, send_resolved),
        url: readUrlOrSecret(url),
        secrets: places.map(readSecret),
      }
    }
    case "alertmanager": {
      const { url, authorization, send_resolved } = value.members({
        required: ["type", "url"],
        optional: ["authorization", "send_resolved"],
      })
      return {
        type: "alertmanager",
        ...named(name, send_resolved),
        url: readUrlOrSecret(url),
        ...(authorization && { authorization: readSecret(authorization) }),
      }
    }
    case "email":
      return readEmail(name, value)
  }
}

function readEmail(name: string, value: YamlValue): EmailSettings {
  const members = value.members({
    required: ["type", "host", "from", "to"],
    optional: ["port", "tls", "user", "password", "send_resolved"],
  })
  const { user, password } = members
  const host = members.host.text({
    max: 255,
    pattern: HOST,
    expected: "the name or address of a mail server",
  })
  const tls = members.tls?.oneOf(TLS) ?? "starttls"
  if (tls === "none" && !isLoopback(host.includes(":") ? `[${host}]` : host)) {
    throw (members.tls ?? value).refuse("only this machine itself is told without TLS")
  }
  if ((user === undefined) !== (password === undefined)) {
    throw value.refuse("user and password go together: either both, or neither")
  }
  const to = members.to.oneOrMore()
  if (to.length > MAX_RECIPIENTS) throw members.to.refuse(`more than ${MAX_RECIPIENTS} recipients`)
  return {
    type: "email",
    ...named(name, members.send_resolved),
    host,
    port: members.port?.integer({ min: 1, max: 65_535 }) ?? (tls === "implicit" ? 465 : 587),
    tls,
    ...(user && password && { login: { user: user.text({ max: 255 }), password: readSecret(password) } }),
    from: readAddress(members.from),
    to: to.map(readAddress),
  }
}

function named(name: string, sendResolved: YamlValue | undefined): Named {
  return { name, sendResolved: sendResolved?.boolean() ?? true }
}

const HOST = /^[A-Za-z0-9.:-]+$/

/** Of what RFC 5321 allows, what no mail program could take for anything else than one address. */
const ADDRESS = /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253}[A-Za-z0-9])?$/

function readAddress(value: YamlValue): string {
  return value.text({
    max: 320,
    pattern: ADDRESS,
    expected: "an address such as security@example.org, without a name",
  })
}

function readUrl(value: YamlValue): string {
  const text = value.text()
  const problem = sinkUrlProblem(text)
  if (problem !== undefined) throw value.refuse(problem)
  return new URL(text).href
}

function readUrlOrSecret(value: YamlValue): string | SecretPlace {
  return value.kind === "map" ? readSecret(value) : readUrl(value)
}

function readSecret(value: YamlValue): SecretPlace {
  if (value.kind !== "map")
    throw value.refuse("a secret is not written here: say { env: NAME } or { file: PATH }")
  const { env, file } = value.members({ optional: ["env", "file"] })
  if (env !== undefined && file === undefined) {
    const expected = "the name of an environment variable"
    return { env: env.text({ pattern: /^[A-Za-z_][A-Za-z0-9_]{0,127}$/, expected }) }
  }
  if (file !== undefined && env === undefined) return { file: file.text({ max: 1_000 }) }
  throw value.refuse("expected { env: NAME } or { file: PATH }")
}
