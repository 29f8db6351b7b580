/**
 * Alerting: events in, alerts kept and told.
 *
 *     page ─► rules ─► firings ─► book ─► notifications ─► outbox
 *      └──────────────────── one commit: rows, alerts, outbox, own steps, cursor ───┐
 *                                                   sent, and logged ◄──────────────┘
 *
 * Whoever is told is told of what is kept: after a crash the same events fire the same alerts, with the same ids, and the
 * same notifications with the same keys.
 *
 * Nobody is told of what was received before this store was made: rules learn from it, and that is all.
 */

import { randomBytes } from "node:crypto"
import type { Alert } from "@prooflog/alerts/alert"
import { AlertBook, type AlertChange, type BookSettings } from "@prooflog/alerts/alert-book"
import { AlertRoutes } from "@prooflog/alerts/alert-routes"
import { type AlertSettings, parseAlertSettings } from "@prooflog/alerts/alert-settings"
import type { Firing } from "@prooflog/alerts/firing"
import { Forgetting } from "@prooflog/alerts/forgetting"
import { HEALTH_NAMES } from "@prooflog/alerts/health"
import { parseMatcher } from "@prooflog/alerts/matchers"
import { testNotification } from "@prooflog/alerts/notification"
import type { Silence } from "@prooflog/alerts/silences"
import type { Enricher } from "@prooflog/enrich/enrich"
import type { LeafPage } from "@prooflog/query/store"
import { encodeHex } from "@prooflog/tlog/base64"
import { parseFollowCursor } from "@prooflog/verifier/follow"
import type {
  AlertFilter,
  AlertsAnswers,
  AlertsQuestion,
  AlertsSetup,
  Forgotten,
  Health,
  NewSilence,
  OwnStep,
  ShownAlert,
  ShownSilence,
} from "../followers/alerts-calls.js"
import type { Say } from "../followers/say.js"
import { AlertHistory } from "./alert-history.js"
import { AlertsStore, StoreChanges } from "./alerts-store.js"
import type { OutboxClock, Sink } from "./delivery.js"
import { REAL_CLOCK } from "./delivery.js"
import { Outbox } from "./outbox.js"
import type { OutboxStep } from "./outbox-store.js"
import { OwnSteps } from "./own-steps.js"
import { alertStep, deliveryStep, rulesStep } from "./own-words.js"
import { RulesInForce, type RulesLook } from "./rules-in-force.js"

export interface AlertingOptions {
  readonly setup: AlertsSetup
  readonly enrich: Enricher["enrich"]
  /** Makes sinks of settings, whose secrets it reads. */
  readonly sinksOf: (settings: AlertSettings) => Promise<readonly Sink[]>
  /** Logs a step about an alert. */
  readonly own: (step: OwnStep) => Promise<number>
  readonly onChange: (change: AlertChange) => void
  readonly say: Say
  /** Is told that nothing can be kept any more: the process is of no use. */
  readonly onBroken: (error: unknown) => void
}

/** What was learned is kept so often; what is told is kept at once. */
const COMMIT_MS = 500

/** How often it is looked what is due, and what the files of rules say. */
const LOOK_MS = 250
const FILES_MS = 2_000

/** How long an event may be on its way from its time to its leaf. */
const ON_ITS_WAY_MS = 2_000

/** Where it is in the log, since when there is this store, and what makes ids of alerts say nothing of their labels. */
const CURSOR = "cursor"
const STARTED = "started"
const SALT = "salt"

/** That something was forgotten, and may still be in a file. */
const REWRITE_OWED = "rewrite-owed"

interface Parts {
  readonly store: AlertsStore
  readonly rules: RulesInForce
  readonly book: AlertBook
  readonly history: AlertHistory
  readonly startedMs: number
  readonly cursor: string | undefined
  readonly changes: StoreChanges
}

export class Alerting {
  readonly #options: AlertingOptions
  readonly #store: AlertsStore
  readonly #rules: RulesInForce
  readonly #book: AlertBook
  readonly #history: AlertHistory
  readonly #startedMs: number
  #steps!: OwnSteps
  #outbox!: Outbox
  /** To be kept with the next commit, beside what others hand out. */
  #changes: StoreChanges
  /** Called when it is kept. */
  #kept: (() => void)[] = []
  #cursor: string | undefined
  /** First leaf that was not looked at. */
  #next: number
  /** The clock that stamps entries, against this process's. */
  #aheadMs: number
  #rulesSinceMs: number
  #committing: Promise<void> = Promise.resolve()
  /** The one after that, while somebody waits for it. */
  #nextCommit: Promise<void> | undefined
  #commitTimer: NodeJS.Timeout | undefined
  #looking: readonly NodeJS.Timeout[] = []
  /** Pages, looks at files and forgettings, one after another. */
  #turn: Promise<unknown> = Promise.resolve()
  #closed = false

  private constructor(options: AlertingOptions, parts: Parts) {
    this.#options = options
    this.#store = parts.store
    this.#rules = parts.rules
    this.#book = parts.book
    this.#history = parts.history
    this.#startedMs = parts.startedMs
    this.#cursor = parts.cursor
    this.#next = parts.cursor === undefined ? 0 : parseFollowCursor(parts.cursor).nextLeaf
    this.#changes = parts.changes
    this.#aheadMs = options.setup.nowMs - Date.now()
    this.#rulesSinceMs = options.setup.nowMs
  }

  /** @throws AlertsError `ALERTS_BAD_STATE` if what was kept is damaged; what LevelDB says */
  static async open(options: AlertingOptions): Promise<Alerting> {
    const { setup, enrich } = options
    const store = await AlertsStore.open(setup.storePath)
    const changes = new StoreChanges()
    const started = await keptText(store, changes, STARTED, () => String(setup.nowMs))
    const without = parseAlertSettings("")
    const { rules, look } = await RulesInForce.open({ store, places: setup, enrich, without })
    changes.add(look.changes)
    const salt = await keptText(store, changes, SALT, () => encodeHex(randomBytes(16)))
    const book = new AlertBook(bookSettings(rules.settings), salt)
    for await (const [key, value] of store.rows("alert")) book.restore(key, value)
    const alerting = new Alerting(options, {
      store,
      rules,
      book,
      history: await AlertHistory.open(store),
      startedMs: Number(started),
      cursor: await store.row("meta", CURSOR),
      changes,
    })
    await alerting.#begin(look)
    return alerting
  }

  /** Text of the cursor up to which everything is kept; `undefined` before the first leaf. */
  get cursor(): string | undefined {
    return this.#cursor
  }

  /** Takes a page; leaves that were looked at are passed over. @throws RangeError if it leaves some out */
  append(page: LeafPage): Promise<void> {
    return this.#inTurn(() => this.#take(page))
  }

  /** Takes notice of how the log is, and of the time. */
  health({ nowMs, treeSize, problems }: Health): void {
    this.#aheadMs = nowMs - Date.now()
    const fire = (firing: Firing) => this.#fired(firing)
    // Not while other rules take the place of these: what these remembered then would be lost.
    void this.#inTurn(() => {
      if (this.#closed) return
      // What was received until then has been looked at, unless it is behind.
      if (this.#next >= treeSize) this.#rules.set.tick(nowMs - ON_ITS_WAY_MS, fire)
      for (const name of HEALTH_NAMES) this.#rules.set.health(name, problems[name], nowMs, fire)
      this.#advance()
    })
  }

  async ask(question: AlertsQuestion): Promise<AlertsAnswers[keyof AlertsAnswers]> {
    switch (question.kind) {
      case "list":
        return this.#list(question.filter)
      case "show":
        return this.#show(question.id)
      case "acknowledge":
        return this.#acknowledge(question)
      case "silences":
        return [...this.#book.silences()].map((each) => shownSilence(each))
      case "silence":
        return this.#silence(question.silence)
      case "end silence":
        return this.#endSilence(question.id, question.atMs)
      case "rules":
        return {
          rules: this.#rules.shown(),
          refused: this.#rules.refused,
          sinceMs: this.#rulesSinceMs,
          counts: this.#book.counts,
          through: this.#next,
        }
      case "sinks":
        return this.#outbox.status()
      case "test sink": {
        const outcome = await this.#outbox.try(testNotification(question.sink, this.#nowMs, question.salt))
        return outcome && { delivered: outcome.kind === "delivered", message: outcome.why }
      }
      case "retry sink":
        return this.#outbox.resend(question.sink)
    }
  }

  /** Resolves when no byte of it is left in a file. */
  forget({ persons, leaves }: Forgotten): Promise<void> {
    return this.#inTurn(async () => {
      const isOwed = (await this.#store.row("meta", REWRITE_OWED)) !== undefined
      const forgetting = new Forgetting(persons, leaves)
      const rows = await this.#rules.forget(persons)
      // From here on, whatever is kept says that it is owed.
      this.#changes.add(rows)
      this.#changes.keep("meta", REWRITE_OWED, "1")
      let forgotten = this.#book.forget(new Set(persons), new Set(leaves)).length
      for await (const alert of this.#history.all()) {
        if (!forgetting.isAbout(alert)) continue
        this.#history.remove(alert.id)
        forgotten++
      }
      // What was to be told before is in the outbox then, whole.
      await this.#commit()
      forgotten += await this.#outbox.rewrite((notification) => forgetting.without(notification))
      // What went long ago is in the files until they are written anew: of a person, that is enough to do it.
      if (isOwed || persons.length > 0 || forgotten > 0) {
        await this.#commit()
        await this.#store.rewrite()
      }
      this.#changes.remove("meta", REWRITE_OWED)
      await this.#commit()
    })
  }

  /** Keeps what there is, and ends what is under way. */
  async close(): Promise<void> {
    this.#closed = true
    for (const timer of this.#looking) clearInterval(timer)
    this.#steps.close()
    await this.#turn
    await this.#outbox.close()
    try {
      await this.#commit()
    } finally {
      await this.#store.close()
    }
  }

  async #begin({ ended }: RulesLook): Promise<void> {
    const { own, say, onBroken } = this.#options
    this.#steps = await OwnSteps.open({
      store: this.#store,
      own,
      onFailure: (error) =>
        say("warn", "what was done about alerts could not be logged, and is tried again", { error }),
      onLogged: () => this.#commitSoon(),
    })
    this.#endAlertsOf(ended)
    await this.#commit()
    const clock: OutboxClock = { ...REAL_CLOCK, nowMs: () => this.#nowMs }
    this.#outbox = await Outbox.open({
      store: { rows: () => this.#store.rows("outbox"), keep: (step) => this.#keepStep(step) },
      sinks: await this.#sinks(),
      onBroken,
      clock,
    })
    this.#steps.begin()
    this.#sayRefused()
    this.#looking = [
      setInterval(() => this.#advance(), LOOK_MS),
      setInterval(() => void this.#inTurn(() => this.#lookAtFiles()), FILES_MS),
    ]
  }

  #take(page: LeafPage): void {
    if (page.firstLeaf > this.#next) throw new RangeError(`page: leaf ${this.#next} is left out`)
    const { set, reader } = this.#rules
    const fire = (firing: Firing) => this.#fired(firing)
    try {
      for (const event of reader.eventsOf(page, this.#next)) {
        set.take(event, event.receivedMs < this.#startedMs ? IGNORE : fire)
      }
    } catch (error) {
      // The rules have seen a part of it, and would be shown that part again.
      this.#store.giveUp(error)
      this.#options.onBroken(error)
      throw error
    }
    this.#next = Math.max(this.#next, page.firstLeaf + page.count)
    this.#cursor = page.cursor
    this.#changes.keep("meta", CURSOR, page.cursor)
    this.#advance()
    this.#commitSoon()
  }

  #fired(firing: Firing): void {
    const change = this.#book.fired(firing)
    if (change === undefined) return
    const { wentForIt, ...told } = change
    if (wentForIt !== undefined) this.#changed({ kind: "resolved", alert: wentForIt })
    this.#changed(told)
  }

  #changed(change: AlertChange): void {
    const { kind, alert } = change
    const wasOver = this.#history.stateOf(alert.id) === "resolved"
    this.#history.set(alert)
    this.#options.onChange(change)
    this.#commitSoon()
    if (kind === "again" && !wasOver) return
    const what = kind === "resolved" ? "is over" : kind === "opened" ? "fires" : "fires anew"
    this.#steps.add(alertStep(what, alert, this.#nowMs))
  }

  /** Decides whom to tell, and has them told when that is kept. */
  #advance(): void {
    if (this.#closed) return
    const notifications = this.#book.advance(this.#nowMs)
    if (notifications.length === 0) return
    const { put, remove, release } = this.#outbox.stage(notifications)
    for (const [key, value] of put) this.#changes.keep("outbox", key, value)
    for (const key of remove) this.#changes.remove("outbox", key)
    this.#kept.push(release)
    this.#commit().catch(TOLD)
  }

  async #keepStep({ put, remove, attempts }: OutboxStep): Promise<void> {
    for (const [key, value] of put) this.#changes.keep("outbox", key, value)
    for (const key of remove) this.#changes.remove("outbox", key)
    for (const attempt of attempts) this.#steps.add(deliveryStep(attempt))
    await this.#commit()
  }

  async #lookAtFiles(): Promise<void> {
    if (this.#closed) return
    await this.#commit()
    const { found, changes, ended } = await this.#rules.look()
    if (found === "same") return
    const nowMs = this.#nowMs
    this.#steps.add(rulesStep(this.#rules, nowMs))
    if (found === "refused") {
      this.#sayRefused()
      return
    }
    // Rows and alerts of a rule that is no more go together, or after a crash nobody would know that it was there.
    this.#changes.add(changes)
    this.#endAlertsOf(ended)
    this.#rulesSinceMs = nowMs
    this.#options.say("info", "alert rules were read anew", { rules: this.#rules.set.heads.length })
    this.#book.setSettings(bookSettings(this.#rules.settings), nowMs)
    this.#outbox.setSinks(await this.#sinks())
    this.#commitSoon()
  }

  #endAlertsOf(rules: ReadonlySet<string>): void {
    for (const change of this.#book.endRules(rules, this.#nowMs)) this.#changed(change)
  }

  /** A sink whose secret is missing takes none of the others with it. */
  async #sinks(): Promise<readonly Sink[]> {
    return this.#options.sinksOf(this.#rules.settings)
  }

  #sayRefused(): void {
    const { refused } = this.#rules
    if (refused.length === 0) return
    this.#options.say("error", "alert rules were refused; those that were in force stay", {
      refused: refused.slice(0, MOST_SAID),
      count: refused.length,
    })
  }

  async #list(filter: AlertFilter): Promise<AlertsAnswers["list"]> {
    const { ids, nextCursor } = this.#history.list(filter)
    const alerts: ShownAlert[] = []
    for (const id of ids) {
      const alert = await this.#show(id)
      if (alert !== undefined) alerts.push(alert)
    }
    return { alerts, nextCursor }
  }

  async #show(id: string): Promise<ShownAlert | undefined> {
    const alert = this.#book.alert(id) ?? (await this.#history.get(id))
    return alert && this.#shown(alert)
  }

  #shown(alert: Alert): ShownAlert {
    const { silences, alert: inhibitedBy } = this.#book.mutedBy(alert, this.#nowMs)
    return { ...alert, silencedBy: silences, ...(inhibitedBy !== undefined && { inhibitedBy }) }
  }

  async #acknowledge({
    id,
    atMs,
    by,
    note,
  }: AlertsQuestion & { kind: "acknowledge" }): Promise<ShownAlert | undefined> {
    const alert = this.#book.acknowledge(id, { atMs, by, note })
    if (alert === undefined) return undefined
    this.#history.set(alert)
    this.#options.onChange({ kind: "again", alert })
    this.#advance()
    await this.#commit()
    return this.#shown(alert)
  }

  async #silence({ matchers, ...rest }: NewSilence): Promise<ShownSilence | "full"> {
    const silence = { ...rest, matchers: matchers.map(parseMatcher) }
    if (!this.#book.addSilence(silence)) return "full"
    await this.#commit()
    return shownSilence(silence)
  }

  async #endSilence(id: string, atMs: number): Promise<ShownSilence | undefined> {
    const ended = this.#book.endSilence(id, atMs)
    if (ended === undefined) return undefined
    await this.#commit()
    return shownSilence(ended)
  }

  get #nowMs(): number {
    return Date.now() + this.#aheadMs
  }

  #commitSoon(): void {
    this.#commitTimer ??= setTimeout(() => this.#commit().catch(TOLD), COMMIT_MS)
  }

  /**
   * Keeps everything that has changed until now, in one step. Resolves when it would survive a power cut. Who comes while
   * a step is under way shares the next one.
   */
  #commit(): Promise<void> {
    if (this.#nextCommit !== undefined) return this.#nextCommit
    const next = this.#committing.then(() => {
      this.#nextCommit = undefined
      return this.#commitNow()
    })
    this.#nextCommit = next
    this.#committing = next.catch(() => {})
    return next
  }

  async #commitNow(): Promise<void> {
    clearTimeout(this.#commitTimer)
    this.#commitTimer = undefined
    const changes = this.#changes
    const kept = this.#kept
    this.#changes = new StoreChanges()
    this.#kept = []
    this.#rules.takeChanges(changes)
    this.#book.takeChanges(
      (key, value) => changes.keep("alert", key, value),
      (key) => changes.remove("alert", key),
    )
    this.#history.takeChanges(changes)
    kept.push(this.#steps.takeChanges(changes))
    try {
      if (!changes.isEmpty) {
        await this.#store.commit(changes)
      }
    } catch (error) {
      // Nobody knows what was kept: the next process goes on from what was.
      this.#options.onBroken(error)
      throw error
    }
    for (const call of kept) call()
  }

  #inTurn(task: () => Promise<void> | void): Promise<void> {
    const done = this.#turn.then(task)
    this.#turn = done.catch(() => {})
    return done
  }
}

/** Returns a text of the store's own, made when there is none. */
async function keptText(
  store: AlertsStore,
  changes: StoreChanges,
  name: string,
  make: () => string,
): Promise<string> {
  const kept = await store.row("meta", name)
  if (kept !== undefined) return kept
  const made = make()
  changes.keep("meta", name, made)
  return made
}

/** Reasons that are said at once. */
const MOST_SAID = 10

const IGNORE = () => {}

/** What could not be kept is told to `onBroken`. */
const TOLD = () => {}

function bookSettings({ routes, inhibit, sinks }: AlertSettings): BookSettings {
  return { routes: new AlertRoutes(routes), inhibit, sinks: new Set(sinks.keys()) }
}

function shownSilence({ matchers, ...rest }: Silence): ShownSilence {
  return { ...rest, matchers: matchers.map(({ text }) => text) }
}
