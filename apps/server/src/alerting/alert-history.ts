/**
 * Every alert there was, as far back as there is room: what is listed and shown.
 *
 * Those that fire are in the book as well, which is what counts for them. Here they stay when they are over.
 */

import type { Alert } from "@prooflog/alerts/alert"
import { AlertsError } from "@prooflog/alerts/error"
import type { AlertFilter } from "../followers/alerts-calls.js"
import type { AlertsStore, StoreChanges } from "./alerts-store.js"

/** Alerts that are kept; past that, the oldest that are over go. */
export const MAX_KEPT = 20_000

/** What is looked through. */
type Head = Pick<Alert, "state" | "severity" | "startsMs" | "lastMs"> & { readonly rule: string }

export class AlertHistory {
  readonly #store: AlertsStore
  readonly #most: number
  readonly #heads = new Map<string, Head>()
  /** Not kept yet. */
  readonly #changed = new Map<string, Alert | undefined>()

  private constructor(store: AlertsStore, most: number) {
    this.#store = store
    this.#most = most
  }

  static async open(store: AlertsStore, most = MAX_KEPT): Promise<AlertHistory> {
    const history = new AlertHistory(store, most)
    for await (const [id, value] of store.rows("history")) history.#heads.set(id, headOf(alertIn(id, value)))
    return history
  }

  set(alert: Alert): void {
    this.#heads.set(alert.id, headOf(alert))
    this.#changed.set(alert.id, alert)
    if (this.#heads.size > this.#most) this.#makeRoom()
  }

  stateOf(id: string): Alert["state"] | undefined {
    return this.#heads.get(id)?.state
  }

  remove(id: string): void {
    this.#heads.delete(id)
    this.#changed.set(id, undefined)
  }

  async get(id: string): Promise<Alert | undefined> {
    if (!this.#heads.has(id)) return undefined
    const changed = this.#changed.get(id)
    if (changed !== undefined) return changed
    const value = await this.#store.row("history", id)
    return value === undefined ? undefined : alertIn(id, value)
  }

  /** Returns ids, those that began last first. @param isAfter - of a cursor */
  list({ state, severity, rule, sinceMs, cursor, limit }: AlertFilter): {
    readonly ids: readonly string[]
    readonly nextCursor?: string
  } {
    const found = [...this.#heads]
      .filter(
        ([id, head]) =>
          (state === undefined || head.state === state) &&
          (severity === undefined || severity.includes(head.severity)) &&
          (rule === undefined || head.rule === rule) &&
          (sinceMs === undefined || head.lastMs >= sinceMs) &&
          (cursor === undefined || placeOf(id, head) < cursor),
      )
      .map(([id, head]) => [placeOf(id, head), id] as const)
      .sort(([a], [b]) => (a < b ? 1 : -1))
    const page = found.slice(0, limit)
    const last = page.at(-1)?.[0]
    return {
      ids: page.map(([, id]) => id),
      ...(found.length > page.length && last !== undefined && { nextCursor: last }),
    }
  }

  /** Answers all of them. */
  async *all(): AsyncGenerator<Alert> {
    for (const id of [...this.#heads.keys()]) {
      const alert = await this.get(id)
      if (alert !== undefined) yield alert
    }
  }

  takeChanges(changes: StoreChanges): void {
    for (const [id, alert] of this.#changed) {
      if (alert === undefined) changes.remove("history", id)
      else changes.keep("history", id, JSON.stringify(alert))
    }
    this.#changed.clear()
  }

  #makeRoom(): void {
    const over = [...this.#heads].filter(([, { state }]) => state === "resolved")
    over.sort(([, a], [, b]) => a.lastMs - b.lastMs)
    // A tenth at once, so that not every alert looks through all of them.
    for (const [id] of over.slice(0, Math.ceil(this.#most / 10))) this.remove(id)
  }
}

function headOf({ state, severity, startsMs, lastMs, rule }: Alert): Head {
  return { state, severity, startsMs, lastMs, rule: rule.id }
}

/** By when it began: texts that are compared as the times are. */
function placeOf(id: string, { startsMs }: Head): string {
  return `${String(Math.max(0, startsMs)).padStart(16, "0")}.${id}`
}

function alertIn(id: string, value: string): Alert {
  try {
    const alert = JSON.parse(value) as Alert
    if (alert?.id === id) return alert
    throw new SyntaxError("it is another's")
  } catch (cause) {
    throw new AlertsError("ALERTS_BAD_STATE", `the kept alert ${id} is damaged`, { cause })
  }
}
