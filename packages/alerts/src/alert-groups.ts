/**
 * Groups: alerts that one sink is told of together.
 *
 *     first alert ──wait──► told ──interval──► told, if anything has changed ──interval──► … ─► all over: told, and gone
 *                                         └──► told again, after `repeat`, if nothing has and nobody acknowledged it
 *
 * What a group has told of each alert is known, and decides what is news. Silence and inhibition keep what fires from
 * being told, and from being repeated; that an alert is over is told to whoever was told that it fires, muted or not:
 * else a page stays open that nobody can close.
 *
 * Nothing depends on the order in which groups and alerts were made known, so that one that was restored does the same.
 *
 * Spec: prometheus.io/docs/alerting/latest/configuration, "route". Pure: time is given.
 */

import { type Alert, hexHash } from "./alert.js"
import { type AlertRoutes, groupLabels, ROUTE_DEFAULTS } from "./alert-routes.js"
import type { Severity } from "./firing.js"
import type { Forgetting } from "./forgetting.js"
import { type Member, notificationOf, whatToTell } from "./group-notification.js"
import { matchedLabels } from "./matchers.js"
import type { Notification } from "./notification.js"

export interface Group {
  /** 64 hex digits. */
  readonly key: string
  /** Key of its lane. */
  readonly lane: string
  readonly sink: string
  readonly labels: Readonly<Record<string, string>>
  /** Id of the alert with which this life of the group began. */
  readonly firstAlert: string
  /** When it is next looked at: ms since 1970. */
  readonly dueMs: number
  /** Notifications of this life. */
  readonly sequence: number
  /** When the last of them was; absent before the first. */
  readonly toldMs?: number
  /** Whether the sink knows that all of it is acknowledged. */
  readonly acknowledged: boolean
  /** Alerts that the sink was told of and that are known no more: dropped, or forgotten. */
  readonly gone: number
}

/** What a group has told of an alert: its severity then, or nothing yet. */
export type Told = Severity | undefined

/** An alert's places: keys of its groups, and what each of them has told. */
export type Places = ReadonlyMap<string, Told>

export interface GroupsOptions {
  readonly routes: AlertRoutes
  /** Names of all sinks. */
  readonly sinks: ReadonlySet<string>
  /** Most groups at a time. */
  readonly maxGroups: number
  /** Is told of each group that is not as it was, by its key. */
  readonly groupChanged: (key: string) => void
  /** … and of each alert whose places are not, by its id. */
  readonly placesChanged: (alertId: string) => void
}

/** What groups need to know of alerts. */
export interface AlertView {
  alert(id: string): Alert | undefined
  isMuted(alert: Alert): boolean
}

export class AlertGroups {
  #options: GroupsOptions
  readonly #groups = new Map<string, Group>()
  readonly #members = new Map<string, Set<string>>()
  readonly #places = new Map<string, Map<string, Told>>()

  constructor(options: GroupsOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#groups.size
  }

  /** Returns when the next group is to be looked at: ms since 1970, or Infinity. */
  get dueMs(): number {
    let dueMs = Number.POSITIVE_INFINITY
    for (const group of this.#groups.values()) dueMs = Math.min(dueMs, group.dueMs)
    return dueMs
  }

  group(key: string): Group | undefined {
    return this.#groups.get(key)
  }

  placesOf(alertId: string): Places {
    return this.#places.get(alertId) ?? new Map()
  }

  restoreGroup(group: Group): void {
    this.#groups.set(group.key, group)
  }

  restorePlaces(alertId: string, places: Iterable<readonly [groupKey: string, told: Told]>): void {
    for (const [key, told] of places) this.#join(alertId, key, told)
  }

  /**
   * Takes other routes. Groups that no route has any more take no new alerts and repeat nothing: they tell what is over.
   * Those of sinks that are no more are gone.
   *
   * @returns ids of alerts that may have lost their last place
   */
  setRoutes(routes: AlertRoutes, sinks: ReadonlySet<string>): readonly string[] {
    this.#options = { ...this.#options, routes, sinks }
    const left: string[] = []
    for (const { key, sink } of [...this.#groups.values()]) {
      if (sinks.has(sink)) continue
      for (const alertId of this.#members.get(key) ?? []) {
        this.#leave(alertId, key)
        left.push(alertId)
      }
      this.#remove(key)
    }
    return left
  }

  /**
   * Puts a firing alert into each of its groups that it is not in yet.
   *
   * @param nowMs - new groups wait from here on
   * @returns how many groups it could not be put into, as there are too many
   */
  place(alert: Alert, nowMs: number): number {
    const { routes, maxGroups } = this.#options
    const labels = matchedLabels(alert)
    let refused = 0
    for (const lane of routes.lanesOf(labels)) {
      const ofGroup = groupLabels(lane, labels)
      const key = hexHash([lane.key, Object.entries(ofGroup).sort()])
      if (!this.#groups.has(key)) {
        if (this.#groups.size >= maxGroups) {
          refused++
          continue
        }
        this.#set({
          key,
          lane: lane.key,
          sink: lane.sink,
          labels: ofGroup,
          firstAlert: alert.id,
          dueMs: nowMs + lane.route.waitMs,
          sequence: 0,
          acknowledged: false,
          gone: 0,
        })
      }
      if (this.#join(alert.id, key, this.#places.get(alert.id)?.get(key))) {
        this.#options.placesChanged(alert.id)
      }
    }
    return refused
  }

  /** Takes an alert out of all groups, as it is known no more: to those who were told of it, it is over. */
  withdraw(alertId: string): void {
    for (const [key, told] of [...this.placesOf(alertId)]) {
      this.#leave(alertId, key)
      const group = this.#groups.get(key)
      if (group === undefined) continue
      if (told !== undefined) this.#set({ ...group, gone: group.gone + 1 })
      else if (this.#isEmpty(group)) this.#remove(key)
    }
  }

  /** Has the groups of an alert looked at as soon as time has come so far. */
  hasten(alertId: string, nowMs: number): void {
    for (const key of this.placesOf(alertId).keys()) {
      const group = this.#groups.get(key)
      if (group !== undefined && group.dueMs > nowMs) this.#set({ ...group, dueMs: nowMs })
    }
  }

  /** Takes the labels of groups away that hold what is to be forgotten. */
  forget(forgetting: Forgetting): void {
    for (const group of this.#groups.values()) {
      if (forgetting.isNamedIn(group.labels)) this.#set({ ...group, labels: {} })
    }
  }

  /**
   * Looks at each group whose time has come.
   *
   * @returns what its sinks are to be told, in order; and ids of alerts that have left a group, as they are over
   */
  advance(
    nowMs: number,
    view: AlertView,
  ): { readonly notifications: readonly Notification[]; readonly left: readonly string[] } {
    const due = [...this.#groups.values()].filter((group) => this.#isDue(group, nowMs))
    due.sort((a, b) => a.dueMs - b.dueMs || (a.key < b.key ? -1 : 1))
    const notifications: Notification[] = []
    const left: string[] = []
    for (const group of due) {
      notifications.push(...this.#lookAt(group, nowMs, view))
      for (const id of [...(this.#members.get(group.key) ?? [])]) {
        if (view.alert(id)?.state === "firing") continue
        this.#leave(id, group.key)
        left.push(id)
      }
      const looked = this.#groups.get(group.key) as Group
      if (this.#isEmpty(looked)) this.#remove(group.key)
    }
    return { notifications, left }
  }

  /** Whether its time has come, or was set by a clock that was ahead: no group waits for longer than its route says. */
  #isDue({ lane, dueMs }: Group, nowMs: number): boolean {
    const { waitMs, intervalMs } = this.#options.routes.lane(lane)?.route ?? ROUTE_DEFAULTS
    return dueMs <= nowMs || dueMs > nowMs + Math.max(waitMs, intervalMs)
  }

  #lookAt(group: Group, nowMs: number, view: AlertView): readonly Notification[] {
    const lane = this.#options.routes.lane(group.lane)
    const members = this.#membersOf(group.key, view)
    const notifications: Notification[] = []
    let next: Group = { ...group, dueMs: nowMs + (lane?.route.intervalMs ?? ROUTE_DEFAULTS.intervalMs) }
    const telling = whatToTell(next, members, lane, nowMs)
    if (telling !== undefined) {
      notifications.push(notificationOf(next, telling, members, nowMs))
      for (const { alert, muted, told } of members) {
        if (alert.state === "firing" && !muted && told !== alert.severity) {
          this.#join(alert.id, group.key, alert.severity)
          this.#options.placesChanged(alert.id)
        }
      }
      next = { ...next, toldMs: nowMs, sequence: next.sequence + 1, gone: 0 }
    }
    // Muted or not: who was told that something fires is told that somebody cares.
    const known = this.#membersOf(group.key, view)
      .filter(({ alert, told }) => alert.state === "firing" && told !== undefined)
      .map((member) => ({ ...member, muted: false }))
    const acknowledged = known.length > 0 && known.every(({ alert }) => alert.acknowledged !== undefined)
    if (acknowledged && !next.acknowledged) {
      const telling = { status: "acknowledged", reason: "acknowledged" } as const
      notifications.push(notificationOf(next, telling, known, nowMs))
      next = { ...next, sequence: next.sequence + 1 }
    }
    this.#set({ ...next, acknowledged })
    return notifications
  }

  #membersOf(key: string, view: AlertView): readonly Member[] {
    return [...(this.#members.get(key) ?? [])].flatMap((id) => {
      const alert = view.alert(id)
      if (alert === undefined) return []
      return [{ alert, told: this.#places.get(id)?.get(key), muted: view.isMuted(alert) }]
    })
  }

  /** Returns whether the alert was not in this group yet. */
  #join(alertId: string, key: string, told: Told): boolean {
    const members = this.#members.get(key) ?? new Set()
    const isNew = !members.has(alertId)
    this.#members.set(key, members.add(alertId))
    this.#places.set(alertId, (this.#places.get(alertId) ?? new Map()).set(key, told))
    return isNew
  }

  #leave(alertId: string, key: string): void {
    const members = this.#members.get(key)
    members?.delete(alertId)
    if (members?.size === 0) this.#members.delete(key)
    const places = this.#places.get(alertId)
    places?.delete(key)
    if (places?.size === 0) this.#places.delete(alertId)
    this.#options.placesChanged(alertId)
  }

  #isEmpty({ key, gone }: Group): boolean {
    return gone === 0 && !this.#members.has(key)
  }

  #set(group: Group): void {
    this.#groups.set(group.key, group)
    this.#options.groupChanged(group.key)
  }

  #remove(key: string): void {
    this.#groups.delete(key)
    this.#options.groupChanged(key)
  }
}
