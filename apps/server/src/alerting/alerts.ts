/**
 * What the server's routes know of alerts: they ask, and are told what changes.
 *
 *     route ─► Alerts ─► reader ─► alerts child        while events are followed
 *              Alerts ─► SERVER_ALERTS_AWAY            when they are not
 */

import type { AlertChange } from "@prooflog/alerts/alert-book"
import { ServerError } from "../error.js"
import type { AlertsAnswerOf, AlertsQuestion, Forgotten } from "../followers/alerts-calls.js"

export interface Alerts {
  /** @throws {@link ServerError} `SERVER_ALERTS_AWAY` */
  ask<Q extends AlertsQuestion>(question: Q): Promise<AlertsAnswerOf<Q>>
  /** Is told of each change; returns what ends that. */
  onChange(listener: (change: AlertChange) => void): () => void
  /** Leaves no word of what an erasure destroyed. @throws as `ask` */
  forget(forgotten: Forgotten): Promise<void>
}

/** Stands in where nobody is alerted. */
export const NO_ALERTS: Alerts = {
  ask: async () => {
    throw new ServerError("SERVER_ALERTS_AWAY", "this server alerts nobody: it was started without")
  },
  onChange: () => () => {},
  // Nothing is kept.
  forget: async () => {},
}
