/**
 * Mail, by SMTP.
 *
 *     250 after the text, for one recipient at least    delivered; how many recipients were refused is told
 *     5xx to sender, recipients or text                 refused
 *     4xx, no answer, login or TLS that fails           later
 *
 * What is sent again has the same Message-ID; all of one group are one thread.
 *
 * Effects: the network.
 */

import { emailPayload } from "@prooflog/alerts/payload-email"
import type { EmailSettings } from "@prooflog/alerts/sink-settings"
import { createTransport } from "nodemailer"
import type { Outcome } from "../delivery.js"
import type { Deliver, SinkBasis } from "./sink-basis.js"

const TIMEOUT_MS = 60_000

export type MailServer = Pick<EmailSettings, "host" | "port" | "tls" | "from" | "to"> & {
  readonly login?: { readonly user: string; readonly password: string }
}

export function emailSink(
  { source, externalUrl, timeoutMs = TIMEOUT_MS }: SinkBasis,
  server: MailServer,
): Deliver {
  const { from, to } = server
  const domain = from.slice(from.lastIndexOf("@") + 1)
  const options = { source, ...(externalUrl !== undefined && { externalUrl }) }
  return async (notification, { signal }) => {
    const { subject, text } = emailPayload(notification, options)
    const thread = `<${notification.dedupKey}@${domain}>`
    const timeout = AbortSignal.timeout(timeoutMs)
    try {
      const { accepted, rejected } = await createTransport(transportOptions(server, timeoutMs)).sendMail({
        from,
        to: [...to],
        subject,
        text,
        messageId: `<${notification.id}@${domain}>`,
        inReplyTo: thread,
        references: thread,
        date: new Date(notification.atMs),
        headers: { "Auto-Submitted": "auto-generated" },
        disableFileAccess: true,
        disableUrlAccess: true,
        signal: AbortSignal.any([signal, timeout]),
      })
      if (rejected.length === 0) return { kind: "delivered", why: "250" }
      return { kind: "delivered", why: `250, for ${accepted.length} of ${to.length} recipients` }
    } catch (error) {
      if (timeout.aborted) return { kind: "later", why: `no answer within ${timeoutMs} ms` }
      return outcomeOf(error)
    }
  }
}

function transportOptions({ host, port, tls, login }: MailServer, timeoutMs: number) {
  return {
    host,
    port,
    secure: tls === "implicit",
    requireTLS: tls === "starttls",
    ignoreTLS: tls === "none",
    ...(login && { auth: { user: login.user, pass: login.password } }),
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
  }
}

/** What is about this mail: its sender, its recipients, its text. A login or TLS that fails is mended by the operator. */
const ABOUT_IT: ReadonlySet<unknown> = new Set(["EENVELOPE", "EMESSAGE"])

/** Numbers of SMTP and codes of Node: messages name hosts, users and recipients. */
function outcomeOf(error: unknown): Outcome {
  const { responseCode, code } = (error ?? {}) as { readonly responseCode?: unknown; readonly code?: unknown }
  const word = typeof code === "string" && /^[A-Z][A-Z0-9_]{1,63}$/.test(code) ? code : "the connection broke"
  if (typeof responseCode !== "number" || responseCode < 400 || responseCode > 599) {
    return { kind: "later", why: `no answer: ${word}` }
  }
  if (!ABOUT_IT.has(code)) return { kind: "later", why: `${responseCode} ${word}` }
  return { kind: responseCode >= 500 ? "refused" : "later", why: String(responseCode) }
}
