/**
 * The book of alerts: what fires, who has been told, what is silenced.
 *
 *     firing ──► fired ──► alert opened, told of again, resolved
 *                            └─► into groups ──► advance(now) ──► notifications
 *     silence, acknowledgement, inhibition ──────────┘
 *
 * Everything follows from what it is told and from the times that are given with it. Whoever keeps its changed rows with
 * the place up to which it was told, and restores them after a crash, gets the same alerts and the same notifications as
 * if nothing had happened.
 *
 * Bounded: of alerts there are {@link MAX_ALERTS}; for one more, the oldest of the lowest severity goes, if that is below
 * the new one's, or else the new one is not taken. What is not taken, not grouped or cut short is counted in
 * {@link BookCounts}, which are kept too.
 *
 * Pure: no clock; rows are handed out.
 */

import {
  type Acknowledgement,
  type Alert,
  alertWith,
  cutRecord,
  cutText,
  fingerprintOf,
  MAX_NOTE,
  openAlert,
} from "./alert.js"
import { AlertGroups } from "./alert-groups.js"
import type { AlertRoutes } from "./alert-routes.js"
import { AlertTable } from "./alert-table.js"
import { formatAlertRow, parseBookRow } from "./book-rows.js"
import type { Firing } from "./firing.js"
import { Forgetting } from "./forgetting.js"
import { Inhibition, type InhibitRule } from "./inhibition.js"
import { compareSeverity, type Notification } from "./notification.js"
import { formatSilence, KEPT_MS, type Silence, Silences } from "./silences.js"

export interface BookSettings {
  readonly routes: AlertRoutes
  readonly inhibit: readonly InhibitRule[]
  /** Names of all sinks. */
  readonly sinks: ReadonlySet<string>
}

export interface BookLimits {
  readonly alerts: number
  readonly groups: number
}

export const MAX_ALERTS = 10_000

export const MAX_GROUPS = 20_000

/** What was left out, since the first day. */
export interface BookCounts {
  /** Alerts that were not taken, or had to go for others. */
  readonly alertsDropped: number
  /** Alerts that were not told to a sink, as there were too many groups. */
  readonly groupsDropped: number
  /** Labels, details and their values that were cut or left out. */
  readonly valuesCut: number
}

/** What became of a firing, or of an alert. */
export interface AlertChange {
  readonly kind: "opened" | "again" | "resolved"
  readonly alert: Alert
  /** Another one that fired and had to go for it, resolved: to everyone it is over. */
  readonly wentForIt?: Alert
}

export class AlertBook {
  readonly #limits: BookLimits
  readonly #salt: string
  readonly #groups: AlertGroups
  #inhibition: Inhibition
  #inhibit: readonly InhibitRule[]
  readonly #alerts = new AlertTable()
  readonly #silences = new Silences((id) => this.#changed.add(`silence/${id}`))
  #counts: BookCounts = { alertsDropped: 0, groupsDropped: 0, valuesCut: 0 }
  readonly #changed = new Set<string>()

  /** @param salt - of alert ids: secret, and the same whenever the kept rows are restored */
  constructor({ routes, inhibit, sinks }: BookSettings, salt: string, limits: Partial<BookLimits> = {}) {
    this.#salt = salt
    this.#limits = { alerts: MAX_ALERTS, groups: MAX_GROUPS, ...limits }
    this.#inhibit = inhibit
    this.#inhibition = new Inhibition(inhibit)
    this.#groups = new AlertGroups({
      routes,
      sinks,
      maxGroups: this.#limits.groups,
      groupChanged: (key) => this.#changed.add(`group/${key}`),
      placesChanged: (id) => this.#changed.add(`alert/${id}`),
    })
  }

  get counts(): BookCounts {
    return this.#counts
  }

  get size(): { readonly alerts: number; readonly groups: number; readonly silences: number } {
    return { alerts: this.#alerts.size, groups: this.#groups.size, silences: this.#silences.size }
  }

  /** When {@link advance} next has something to look at: ms since 1970, or Infinity. */
  get dueMs(): number {
    return this.#groups.dueMs
  }

  /** Alerts that fire, and those that are over and not told yet. */
  alerts(): Iterable<Alert> {
    return this.#alerts.all()
  }

  alert(id: string): Alert | undefined {
    return this.#alerts.get(id)
  }

  /** Silences, those that are over for less than five days among them. */
  silences(): Iterable<Silence> {
    return this.#silences.all()
  }

  /** Returns the ids of the silences that mute an alert now, and of a firing alert that inhibits it. */
  mutedBy(alert: Alert, nowMs: number): { readonly silences: readonly string[]; readonly alert?: string } {
    const inhibitor = alert.state === "firing" ? this.#inhibition.inhibitor(alert) : undefined
    const silences = this.#silences.muting(alert, nowMs).map(({ id }) => id)
    return inhibitor === undefined ? { silences } : { silences, alert: inhibitor }
  }

  /**
   * Takes what a rule says.
   *
   * An alert that fires again before everyone was told that it is over is still the same alert.
   *
   * @returns what became of it; `undefined` if it resolves nothing that fires, or was not taken
   */
  fired(firing: Firing): AlertChange | undefined {
    const fingerprint = fingerprintOf(firing.rule.id, firing.labels)
    const known = this.#alerts.withFingerprint(fingerprint)
    if (firing.kind === "resolves") {
      if (known?.state !== "firing") return undefined
      return this.#resolve(known, firing.receivedMs, alertWith(known, firing))
    }
    if (known !== undefined) return this.#again(known, firing)
    const alert = openAlert(firing, fingerprint, this.#salt, this.#cut)
    const { receivedMs } = firing
    let victim: Alert | undefined
    if (this.#alerts.size >= this.#limits.alerts) {
      this.#count("alertsDropped", 1)
      victim = this.#alerts.oldestBelow(alert.severity)
      if (victim === undefined) return undefined
      this.#drop(victim)
    }
    this.#set(alert)
    this.#inhibition.add(alert)
    this.#place(alert, receivedMs)
    if (victim?.state !== "firing") return { kind: "opened", alert }
    return { kind: "opened", alert, wentForIt: resolved(victim, receivedMs) }
  }

  /**
   * Takes notice that time has come so far.
   *
   * @returns what sinks are to be told now, in order
   */
  advance(nowMs: number): readonly Notification[] {
    this.#silences.removeIf(({ endsMs }) => endsMs + KEPT_MS <= nowMs)
    const { notifications, left } = this.#groups.advance(nowMs, {
      alert: (id) => this.#alerts.get(id),
      isMuted: (alert) => this.#isMuted(alert, nowMs),
    })
    for (const id of left) this.#removeIfOver(id)
    return notifications
  }

  /**
   * Notes that a person takes care of an alert: a group all of whose alerts somebody takes care of is not repeated.
   * Whoever was first stays.
   *
   * @returns the alert as it is now; `undefined` if there is none that fires
   */
  acknowledge(id: string, { atMs, by, note }: Acknowledgement): Alert | undefined {
    const alert = this.#alerts.get(id)
    if (alert?.state !== "firing") return undefined
    if (alert.acknowledged !== undefined) return alert
    const acknowledged = { ...alert, acknowledged: { atMs, by, note: cutText(note, MAX_NOTE) } }
    this.#set(acknowledged)
    this.#groups.hasten(id, atMs)
    return acknowledged
  }

  /**
   * Adds a silence, or puts it in the place of the one with the same id.
   *
   * @returns whether there was room
   */
  addSilence(silence: Silence): boolean {
    return this.#silences.add(silence)
  }

  /**
   * Ends a silence before its time.
   *
   * @returns as it is now; `undefined` if there is none that is not over
   */
  endSilence(id: string, nowMs: number): Silence | undefined {
    return this.#silences.end(id, nowMs)
  }

  /** Takes other routes, inhibitions and sinks. What fires is told to whoever is to be told of it from now on. */
  setSettings({ routes, inhibit, sinks }: BookSettings, nowMs: number): void {
    this.#inhibit = inhibit
    this.#inhibition = new Inhibition(this.#inhibit)
    for (const id of this.#groups.setRoutes(routes, sinks)) this.#removeIfOver(id)
    for (const alert of this.#alerts.firing()) {
      this.#inhibition.add(alert)
      this.#place(alert, nowMs)
    }
  }

  /** Resolves what rules fired that go on with it no more: nobody else would ever say that it is over. */
  endRules(ids: ReadonlySet<string>, nowMs: number): readonly AlertChange[] {
    return this.#alerts
      .firing()
      .filter(({ rule }) => ids.has(rule.id))
      .map((alert) => this.#resolve(alert, nowMs))
  }

  /**
   * Forgets alerts that name one of these persons or stand on one of these leaves, and silences that name one. To sinks
   * that were told of such an alert it is over, which is told without a word of it.
   *
   * @param persons - as events name them
   * @returns ids of the alerts
   */
  forget(persons: ReadonlySet<string>, leaves: ReadonlySet<number>): readonly string[] {
    const forgetting = new Forgetting(persons, leaves)
    const forgotten = [...this.#alerts.all()].filter((alert) => forgetting.isAbout(alert))
    for (const alert of forgotten) this.#drop(alert)
    this.#groups.forget(forgetting)
    this.#silences.removeIf((silence) => forgetting.isNamedBy(silence))
    return forgotten.map(({ id }) => id)
  }

  /**
   * Puts a kept row back, before anything else is asked. In any order.
   *
   * @throws AlertsError `ALERTS_BAD_STATE` if it is none of the book's
   */
  restore(key: string, value: string): void {
    const row = parseBookRow(key, value)
    switch (row.kind) {
      case "alert":
        this.#alerts.set(row.alert)
        this.#groups.restorePlaces(row.alert.id, row.places)
        if (row.alert.state === "firing") this.#inhibition.add(row.alert)
        break
      case "group":
        this.#groups.restoreGroup(row.group)
        break
      case "silence":
        this.#silences.restore(row.silence)
        break
      case "counts":
        this.#counts = { ...this.#counts, ...row.counts }
    }
  }

  /** Hands out what has changed since it was last asked: rows to keep, and keys of rows to remove. */
  takeChanges(keep: (key: string, value: string) => void, remove: (key: string) => void): void {
    for (const key of this.#changed) {
      const value = this.#rowOf(key)
      if (value === undefined) remove(key)
      else keep(key, value)
    }
    this.#changed.clear()
  }

  #rowOf(key: string): string | undefined {
    const id = key.slice(key.indexOf("/") + 1)
    if (key.startsWith("alert/")) {
      const alert = this.#alerts.get(id)
      return alert && formatAlertRow(alert, this.#groups.placesOf(id))
    }
    if (key.startsWith("silence/")) {
      const silence = this.#silences.get(id)
      return silence && formatSilence(silence)
    }
    return JSON.stringify(key === "counts" ? this.#counts : this.#groups.group(id))
  }

  #again(known: Alert, firing: Firing): AlertChange {
    const { endsMs: _, ...alert } = alertWith(known, firing)
    const isHigher = compareSeverity(firing.severity, known.severity) < 0
    const severity = isHigher ? firing.severity : known.severity
    const again: Alert = {
      ...alert,
      severity,
      details: cutRecord(firing.details, this.#cut),
      state: "firing",
    }
    if (known.state === "firing") this.#inhibition.remove(known)
    this.#inhibition.add(again)
    this.#set(again)
    // Of one that was over, some groups have let go.
    if (isHigher || known.state === "resolved") this.#place(again, firing.receivedMs)
    return { kind: "again", alert: again }
  }

  #resolve(known: Alert, nowMs: number, last: Alert = known): AlertChange {
    this.#inhibition.remove(known)
    const alert = resolved(last, nowMs)
    this.#set(alert)
    this.#removeIfOver(alert.id)
    return { kind: "resolved", alert }
  }

  #drop(alert: Alert): void {
    if (alert.state === "firing") this.#inhibition.remove(alert)
    this.#groups.withdraw(alert.id)
    this.#remove(alert)
  }

  #place(alert: Alert, nowMs: number): void {
    const refused = this.#groups.place(alert, nowMs)
    if (refused > 0) this.#count("groupsDropped", refused)
  }

  #isMuted(alert: Alert, nowMs: number): boolean {
    if (alert.state !== "firing") return false
    return this.#inhibition.inhibitor(alert) !== undefined || this.#silences.muting(alert, nowMs).length > 0
  }

  /** What is over and in no group is known no more. */
  #removeIfOver(id: string): void {
    const alert = this.#alerts.get(id)
    if (alert?.state === "resolved" && this.#groups.placesOf(id).size === 0) this.#remove(alert)
  }

  #set(alert: Alert): void {
    this.#alerts.set(alert)
    this.#changed.add(`alert/${alert.id}`)
  }

  #remove({ id }: Alert): void {
    this.#alerts.remove(id)
    this.#changed.add(`alert/${id}`)
  }

  readonly #cut = (values: number): void => this.#count("valuesCut", values)

  #count(name: keyof BookCounts, n: number): void {
    this.#counts = { ...this.#counts, [name]: this.#counts[name] + n }
    this.#changed.add("counts")
  }
}

function resolved(alert: Alert, nowMs: number): Alert {
  return { ...alert, state: "resolved", endsMs: Math.max(nowMs, alert.lastMs) }
}
