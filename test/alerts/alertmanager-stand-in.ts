/**
 * A receiver of webhooks in Alertmanager's form, version 4.
 *
 * prometheus.io/docs/alerting/latest/configuration, "webhook_config"
 */

import { HttpStandIn } from "./http-stand-in.js"

type Texts = Readonly<Record<string, string>>

export interface AlertmanagerMessage {
  readonly version: string
  readonly groupKey: string
  readonly truncatedAlerts: number
  readonly status: string
  readonly receiver: string
  readonly groupLabels: Texts
  readonly commonLabels: Texts
  readonly commonAnnotations: Texts
  readonly externalURL: string
  readonly notification_reason: string
  readonly alerts: readonly {
    readonly status: string
    readonly labels: Texts
    readonly annotations: Texts
    readonly startsAt: string
    readonly endsAt: string
    readonly generatorURL: string
    readonly fingerprint: string
  }[]
}

export interface AlertmanagerStandIn {
  readonly http: HttpStandIn
  readonly messages: AlertmanagerMessage[]
}

export async function openAlertmanager(): Promise<AlertmanagerStandIn> {
  const messages: AlertmanagerMessage[] = []
  const http = await HttpStandIn.open({
    take({ headers, body }) {
      if (headers["content-type"] !== "application/json" || alertmanagerProblems(body).length > 0)
        return { status: 400 }
      messages.push(JSON.parse(body) as AlertmanagerMessage)
      return { status: 200 }
    },
  })
  return { http, messages }
}

/** Returns what is not of the form. */
export function alertmanagerProblems(body: string): readonly string[] {
  const problems: string[] = []
  const must = (holds: boolean, problem: string) => {
    if (!holds) problems.push(problem)
  }
  const areTexts = (value: unknown) =>
    typeof value === "object" &&
    value !== null &&
    Object.values(value).every((each) => typeof each === "string")
  const message = JSON.parse(body) as AlertmanagerMessage
  must(message.version === "4", "version")
  must(["firing", "resolved"].includes(message.status), "status")
  must(Number.isSafeInteger(message.truncatedAlerts) && message.truncatedAlerts >= 0, "truncatedAlerts")
  for (const name of ["groupLabels", "commonLabels", "commonAnnotations"] as const)
    must(areTexts(message[name]), name)
  for (const name of ["groupKey", "receiver", "externalURL", "notification_reason"] as const) {
    must(typeof message[name] === "string", name)
  }
  for (const { status, labels, annotations, startsAt, endsAt, generatorURL, fingerprint } of message.alerts) {
    must(["firing", "resolved"].includes(status), "status of an alert")
    must(areTexts(labels) && areTexts(annotations), "labels or annotations")
    must(typeof labels.alertname === "string" && typeof labels.severity === "string", "alertname or severity")
    must(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(startsAt), "startsAt")
    must(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(endsAt), "endsAt")
    must(typeof generatorURL === "string" && typeof fingerprint === "string", "generatorURL or fingerprint")
    for (const [name, value] of Object.entries(message.commonLabels))
      must(labels[name] === value, "commonLabels")
  }
  return problems
}
