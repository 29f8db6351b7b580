/**
 * The alerts there are: by id, by fingerprint, and which of them goes if there is no room for another one.
 *
 * Pure.
 */

import type { Alert } from "./alert.js"
import type { Severity } from "./firing.js"
import { compareSeverity } from "./notification.js"

export class AlertTable {
  readonly #alerts = new Map<string, Alert>()
  readonly #ids = new Map<string, string>()
  /** How many there are of each severity: a flood of alerts must not look through all of them for one that could go. */
  readonly #ofSeverity = new Map<Severity, number>()

  get size(): number {
    return this.#alerts.size
  }

  all(): Iterable<Alert> {
    return this.#alerts.values()
  }

  get(id: string): Alert | undefined {
    return this.#alerts.get(id)
  }

  withFingerprint(fingerprint: string): Alert | undefined {
    return this.#alerts.get(this.#ids.get(fingerprint) ?? "")
  }

  /** Returns those that fire, in an order that does not depend on the one in which they came. */
  firing(): readonly Alert[] {
    const firing = [...this.#alerts.values()].filter(({ state }) => state === "firing")
    return firing.sort((a, b) => a.startsMs - b.startsMs || (a.id < b.id ? -1 : 1))
  }

  /** Adds an alert, or puts it in the place of the one with the same id. */
  set(alert: Alert): void {
    this.remove(alert.id)
    this.#alerts.set(alert.id, alert)
    this.#ids.set(alert.fingerprint, alert.id)
    this.#ofSeverity.set(alert.severity, (this.#ofSeverity.get(alert.severity) ?? 0) + 1)
  }

  remove(id: string): void {
    const alert = this.#alerts.get(id)
    if (alert === undefined) return
    this.#alerts.delete(id)
    this.#ids.delete(alert.fingerprint)
    const left = (this.#ofSeverity.get(alert.severity) as number) - 1
    if (left === 0) this.#ofSeverity.delete(alert.severity)
    else this.#ofSeverity.set(alert.severity, left)
  }

  /** Returns the oldest of the least severe; `undefined` if all are as severe as this, or more. */
  oldestBelow(severity: Severity): Alert | undefined {
    const [least] = [...this.#ofSeverity.keys()].sort((a, b) => compareSeverity(b, a))
    if (least === undefined || compareSeverity(severity, least) >= 0) return undefined
    let oldest: Alert | undefined
    for (const alert of this.#alerts.values()) {
      if (alert.severity === least && (oldest === undefined || isOlder(alert, oldest))) oldest = alert
    }
    return oldest
  }
}

function isOlder(a: Alert, b: Alert): boolean {
  return a.startsMs < b.startsMs || (a.startsMs === b.startsMs && a.id < b.id)
}
