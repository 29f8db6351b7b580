/**
 * What is kept of the book, row by row.
 *
 *     alert/ID      {"alert":{…},"places":[["group key","high"],["another",null]]}     what each of its groups has told of it
 *     group/KEY     {"key":…,"lane":…,"sink":…,"labels":{…},"dueMs":…}
 *     silence/ID    {"id":…,"matchers":["rule = x"],"startsMs":…,"endsMs":…}
 *     counts        {"alertsDropped":0}
 *
 * Pure.
 */

import type { Alert } from "./alert.js"
import type { BookCounts } from "./alert-book.js"
import type { Group, Places, Told } from "./alert-groups.js"
import { AlertsError } from "./error.js"
import { parseSilence, type Silence } from "./silences.js"

export type BookRow =
  | {
      readonly kind: "alert"
      readonly alert: Alert
      readonly places: readonly (readonly [groupKey: string, told: Told])[]
    }
  | { readonly kind: "group"; readonly group: Group }
  | { readonly kind: "silence"; readonly silence: Silence }
  | { readonly kind: "counts"; readonly counts: BookCounts }

export function formatAlertRow(alert: Alert, places: Places): string {
  const sorted = [...places].sort(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify({ alert, places: sorted.map(([key, told]) => [key, told ?? null]) })
}

/** @throws {@link AlertsError} `ALERTS_BAD_STATE` */
export function parseBookRow(key: string, value: string): BookRow {
  const [, kind, id = ""] = /^(alert|group|silence|counts)(?:\/(.+))?$/.exec(key) ?? []
  try {
    const kept: unknown = JSON.parse(value)
    if (kind === "alert") return alertRow(id, kept)
    if (kind === "group") return { kind, group: groupOf(id, kept) }
    if (kind === "silence") return { kind, silence: parseSilence(value) }
    if (kind === "counts") return { kind, counts: kept as BookCounts }
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause
    throw new AlertsError("ALERTS_BAD_STATE", `the kept row ${key} is damaged`, { cause })
  }
  throw new AlertsError("ALERTS_BAD_STATE", `not a row of alerts: ${JSON.stringify(key)}`)
}

function alertRow(id: string, kept: unknown): BookRow {
  const { alert, places } = (kept ?? {}) as {
    readonly alert?: Alert
    readonly places?: readonly (readonly [string, Told | null])[]
  }
  if (alert?.id !== id || typeof alert.fingerprint !== "string" || !Array.isArray(places)) {
    throw new AlertsError("ALERTS_BAD_STATE", `the kept alert ${id} is none`)
  }
  return { kind: "alert", alert, places: places.map(([key, told]) => [key, told ?? undefined]) }
}

function groupOf(key: string, kept: unknown): Group {
  const group = (kept ?? {}) as Group
  const { dueMs, sequence, lane, sink, labels } = group
  const isGroup =
    group.key === key &&
    typeof dueMs === "number" &&
    Number.isSafeInteger(sequence) &&
    typeof lane === "string" &&
    typeof sink === "string" &&
    typeof labels === "object"
  if (!isGroup) throw new AlertsError("ALERTS_BAD_STATE", `the kept group ${key} is none`)
  return group
}
