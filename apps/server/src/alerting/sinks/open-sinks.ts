/**
 * The sinks of the settings.
 *
 *     settings ─► sink ── each attempt ─► secrets read ─► Slack, PagerDuty, webhook, Alertmanager's form, mail
 *                                            └─ missing or wrong: later, and says which
 *
 * A sink whose secret is missing takes none of the others with it, and works from the moment that there is one.
 */

import type { AlertSettings } from "@prooflog/alerts/alert-settings"
import { parseWebhookSecret } from "@prooflog/alerts/payload-webhook"
import type { SecretPlace, SinkSettings } from "@prooflog/alerts/sink-settings"
import { sinkUrlProblem } from "@prooflog/alerts/sink-url"
import type { Say } from "../../followers/say.js"
import type { Sink } from "../delivery.js"
import { emailSink } from "./email-sink.js"
import { pagerDutySink } from "./pagerduty-sink.js"
import { readSecret, SecretError } from "./secrets.js"
import { type Deliver, hears, type SinkBasis } from "./sink-basis.js"
import { slackSink } from "./slack-sink.js"
import { alertmanagerSink, webhookSink } from "./webhook-sink.js"

export interface SinkSurroundings {
  /** Folder that paths of secrets are relative to. */
  readonly base: string
  /** Of the log. */
  readonly origin: string
  /** Is told which secrets are missing now. */
  readonly say?: Say
  /** For one answer; that of each sink unless set. */
  readonly timeoutMs?: number
}

/** Returns a sink for each that the settings have. */
export async function openSinks(
  { sinks, externalUrl }: Pick<AlertSettings, "sinks" | "externalUrl">,
  { base, origin, say, timeoutMs }: SinkSurroundings,
): Promise<readonly Sink[]> {
  const basis: SinkBasis = {
    source: origin,
    ...(externalUrl !== undefined && { externalUrl }),
    ...(timeoutMs !== undefined && { timeoutMs }),
  }
  const opened: Sink[] = []
  for (const settings of sinks.values()) {
    const { name, type } = settings
    const problem = await deliverBy(settings, basis, base).then(() => undefined, problemOf)
    if (problem !== undefined) say?.("warn", "a sink of alerts cannot be told", { sink: name, problem })
    opened.push({
      name,
      type,
      hears: (notification) => hears(settings, notification),
      async deliver(notification, attempt) {
        let deliver: Deliver
        try {
          deliver = await deliverBy(settings, basis, base)
        } catch (error) {
          return { kind: "later", why: problemOf(error) }
        }
        return deliver(notification, attempt)
      },
    })
  }
  return opened
}

/**
 * Returns how a sink is told, by the secrets as they are now.
 *
 * @throws {@link SecretError}
 */
async function deliverBy(settings: SinkSettings, basis: SinkBasis, base: string): Promise<Deliver> {
  const secret = (place: SecretPlace) => readSecret(place, base)
  switch (settings.type) {
    case "slack":
      return slackSink(basis, await urlOf(settings.url, base))
    case "pagerduty": {
      const key = await secret(settings.routingKey)
      if (!/^[A-Za-z0-9]{32}$/.test(key)) throw new SecretError("routing_key is not 32 letters and digits")
      return pagerDutySink(basis, settings.url, key)
    }
    case "webhook": {
      const texts = await Promise.all(settings.secrets.map(secret))
      return webhookSink(basis, await urlOf(settings.url, base), texts.map(signingSecret))
    }
    case "alertmanager": {
      const { authorization } = settings
      const header = authorization && (await secret(authorization))
      return alertmanagerSink(basis, await urlOf(settings.url, base), header)
    }
    case "email": {
      const { login, ...server } = settings
      if (login === undefined) return emailSink(basis, server)
      return emailSink(basis, {
        ...server,
        login: { user: login.user, password: await secret(login.password) },
      })
    }
  }
}

function signingSecret(text: string): Uint8Array {
  const bytes = parseWebhookSecret(text)
  if (bytes === undefined) throw new SecretError('a secret is not "whsec_" and base64 of 24 to 64 bytes')
  return bytes
}

async function urlOf(url: string | SecretPlace, base: string): Promise<string> {
  if (typeof url === "string") return url
  const text = await readSecret(url, base)
  const problem = sinkUrlProblem(text)
  if (problem !== undefined) throw new SecretError(`url: ${problem}`)
  return text
}

function problemOf(error: unknown): string {
  if (error instanceof SecretError) return error.message
  throw error
}
