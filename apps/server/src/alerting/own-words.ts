/**
 * What is said in the log of what is done about alerts. Labels and details are values of events, and may name persons:
 * they stand in no event.
 *
 * Each event says `hop`, so that no rule fires because of it. Pure.
 */

import type { Alert } from "@prooflog/alerts/alert"
import type { OwnStep } from "../followers/alerts-calls.js"
import type { DeliveryAttempt } from "./delivery.js"
import type { RulesInForce } from "./rules-in-force.js"

/** An alert fires, maybe anew after it was over, or is over. */
export function alertStep(kind: "fires" | "fires anew" | "is over", alert: Alert, timeMs: number): OwnStep {
  const { id, rule, severity, leaves, count, lastMs, endsMs } = alert
  const over = kind === "is over"
  return {
    action: over ? "log.alert.resolved" : "log.alert.fired",
    resource: `alert/${id}`,
    said: {
      alert: id,
      rule: rule.id,
      version: rule.version,
      severity,
      leaf_index: leaves.join(","),
      events: count,
      hop: 1,
    },
    // It may be over, fire again as the same alert, and be over again.
    eventId: over ? `${id}.resolved.${endsMs}` : kind === "fires" ? `${id}.fired` : `${id}.fired.${lastMs}`,
    timeMs,
  }
}

export function deliveryStep(attempt: DeliveryAttempt): OwnStep {
  const { sink, id, status, reason, alerts, number, atMs, tookMs, outcome, why } = attempt
  return {
    action: "log.alert.delivery",
    resource: `sink/${sink}`,
    said: {
      notification: id,
      alerts: alerts.join(","),
      status,
      reason,
      attempt: number,
      outcome,
      why,
      took_ms: Math.round(tookMs),
      hop: 1,
    },
    eventId: `${id}.${number}`,
    timeMs: atMs,
  }
}

/** Other files of rules were found. */
export function rulesStep({ set, refused }: RulesInForce, timeMs: number): OwnStep {
  return {
    action: "log.alert.rules",
    resource: "alert-rules",
    said: {
      rules: set.heads.length,
      refused: refused.length,
      hop: 1,
    },
    eventId: `alert-rules.${timeMs}`,
    timeMs,
  }
}
