/** What all sinks have in common. */

import type { Notification } from "@prooflog/alerts/notification"
import type { SinkSettings } from "@prooflog/alerts/sink-settings"
import type { Sink } from "../delivery.js"

/** One attempt: as a sink makes it. */
export type Deliver = Sink["deliver"]

export interface SinkBasis {
  /** What is watched: the log's origin. */
  readonly source: string
  /** Of the log, ending in `/`. */
  readonly externalUrl?: string
  /** For one answer: 15 s unless set, 60 s of a mail server. */
  readonly timeoutMs?: number
}

/**
 * Whether that somebody takes care of a group means something there: Alertmanager's form has no word for it, and it is no
 * reason to write to everybody.
 */
const HEARS_ACKNOWLEDGED: Readonly<Record<SinkSettings["type"], boolean>> = {
  slack: true,
  pagerduty: true,
  webhook: true,
  alertmanager: false,
  email: false,
}

/** Whether a sink is to be told. */
export function hears(
  { type, sendResolved }: Pick<SinkSettings, "type" | "sendResolved">,
  { status, reason }: Pick<Notification, "status" | "reason">,
): boolean {
  if (status === "acknowledged") return HEARS_ACKNOWLEDGED[type]
  return sendResolved || (status !== "resolved" && reason !== "some-resolved")
}
