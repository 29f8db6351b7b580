/**
 * Who can be asked what of alerts: the alerts child, its parent the reader, and the server behind it.
 *
 *     server ── question, health, forget ─► reader ── the same, pages ─► alerts child
 *     server ◄── own, changed, say ──────── reader ◄──────────────────────┘
 *
 * The reader hands on what it does not understand. Everything here is data.
 */

import type { Alert } from "@prooflog/alerts/alert"
import type { AlertChange, BookCounts } from "@prooflog/alerts/alert-book"
import type { Severity } from "@prooflog/alerts/firing"
import type { HealthName } from "@prooflog/alerts/health"
import type { LeafPage } from "@prooflog/query/store"
import type { SinkStatus } from "../alerting/delivery.js"
import type { Said as Told } from "../asked-text.js"
import type { OwnAction } from "../own-events.js"
import type { Said } from "./say.js"
import type { ChildCalls } from "./supervisor.js"

/** How the alerts child is begun. */
export interface AlertsSetup {
  /** Of the server: ms since 1970. */
  readonly nowMs: number
  /** Folder of what it keeps; made if it is not there. */
  readonly storePath: string
  /** `alerts.yaml`; need not be there. */
  readonly settingsPath: string
  /** Folder that paths in the settings are relative to. */
  readonly base: string
  readonly origin: string
  /** As `openEnricher` takes them. */
  readonly mmdb: readonly string[] | undefined
}

export interface AlertsBegun {
  /** Text of a follow cursor; none in a new store. */
  readonly cursor: string | undefined
}

/** Which alerts are asked for. */
export interface AlertFilter {
  readonly state?: "firing" | "resolved" | undefined
  readonly severity?: readonly Severity[] | undefined
  /** Id. */
  readonly rule?: string | undefined
  /** Those that were last seen then or later: ms since 1970. */
  readonly sinceMs?: number | undefined
  /** As an answer gave it. Suspect. */
  readonly cursor?: string | undefined
  readonly limit: number
}

export type AlertsQuestion =
  | { readonly kind: "list"; readonly filter: AlertFilter }
  | { readonly kind: "show"; readonly id: string }
  | {
      readonly kind: "acknowledge"
      readonly id: string
      readonly by: string
      readonly note: string
      readonly atMs: number
    }
  | { readonly kind: "silences" }
  | { readonly kind: "silence"; readonly silence: NewSilence }
  | { readonly kind: "end silence"; readonly id: string; readonly atMs: number }
  | { readonly kind: "rules" }
  | { readonly kind: "sinks" }
  | { readonly kind: "test sink"; readonly sink: string; readonly salt: string }
  | { readonly kind: "retry sink"; readonly sink: string }

export interface NewSilence {
  readonly id: string
  /** As `parseMatcher` takes them. Suspect. */
  readonly matchers: readonly string[]
  readonly startsMs: number
  readonly endsMs: number
  readonly by: string
  readonly why: string
}

/** An alert, and what keeps it from being told. */
export interface ShownAlert extends Alert {
  readonly silencedBy: readonly string[]
  /** Id of an alert. */
  readonly inhibitedBy?: string
}

export type ShownSilence = NewSilence

export interface ShownRule {
  readonly id: string
  readonly version: string
  readonly title: string
  readonly why: string
  readonly severity: Severity
  /** Rows that it keeps, and bytes of them in memory, about. */
  readonly rows: number
  readonly bytes: number
  /** Events that were too late for it. */
  readonly late: number
}

export interface ShownRules {
  readonly rules: readonly ShownRule[]
  /** What was refused at the last look, if anything: then the rules before it are in force. */
  readonly refused: readonly string[]
  /** Since when these are in force: ms since 1970. */
  readonly sinceMs: number
  readonly counts: BookCounts
  /** Leaves that the rules have seen. */
  readonly through: number
}

/** What each kind of question is answered with; `undefined` where there is no such thing. */
export interface AlertsAnswers {
  readonly list: { readonly alerts: readonly ShownAlert[]; readonly nextCursor?: string | undefined }
  readonly show: ShownAlert | undefined
  readonly acknowledge: ShownAlert | undefined
  readonly silences: readonly ShownSilence[]
  /** `full`: there are too many. */
  readonly silence: ShownSilence | "full"
  readonly "end silence": ShownSilence | undefined
  readonly rules: ShownRules
  readonly sinks: readonly SinkStatus[]
  readonly "test sink": { readonly delivered: boolean; readonly message: string } | undefined
  /** How many are sent again. */
  readonly "retry sink": number | undefined
}

export type AlertsAnswerOf<Q extends AlertsQuestion> = AlertsAnswers[Q["kind"]]

/** How the log itself is. */
export interface Health {
  /** ms since 1970, by the clock that stamps entries. */
  readonly nowMs: number
  /**
   * Leaves that are durable then: all that were received before, but for those on their way. Infinity while nobody knows
   * what time it is.
   */
  readonly treeSize: number
  /** What is wrong, in words of ours. */
  readonly problems: Readonly<Partial<Record<HealthName, string>>>
}

/** Whom and what an erasure has destroyed. */
export interface Forgotten {
  readonly persons: readonly string[]
  readonly leaves: readonly number[]
}

/** Something that was done about an alert, as an event of the log. */
export interface OwnStep {
  readonly action: OwnAction
  readonly resource: string
  readonly said: Told
  /** The same for the same step. */
  readonly eventId: string
  /** ms since 1970. */
  readonly timeMs: number
}

export interface AlertsCalls extends ChildCalls {
  begin(setup: AlertsSetup): AlertsBegun
  /** Resolves when it is taken. Pages come in order; they may overlap. */
  append(page: LeafPage): void
  question(question: AlertsQuestion): AlertsAnswers[keyof AlertsAnswers]
  health(health: Health): void
  /** No byte of it is left in any file of alerts when it resolves. */
  forget(forgotten: Forgotten): void
}

/** What the alerts child asks and tells. */
export interface ReaderOfAlertsCalls {
  say(said: Said): void
  /** Logs it, once however often it is asked. Answers the leaf. */
  own(step: OwnStep): number
  changed(change: AlertChange): void
}
