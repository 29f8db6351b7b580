/**
 * Who can be asked what: the three processes of reading, and the two links between them.
 *
 *     server ◄── read, records, say, state, through ── reader ◄── leafHashes, say, through ── query child
 *                                                         └── alerts child: alerts-calls.ts
 *        └── begin, question, reindex, forget, rewrite, alive, close ─► reader
 *                 └── begin, append, cursor, question, reindex, forget, rewrite, alive, close ─► query child
 *
 * The server's side of a link trusts nothing of a child but what it says of itself. Children trust their parent.
 */

import type { Facets, Filter, Histogram } from "@prooflog/query/listing"
import type { LeafPage } from "@prooflog/query/store"
import type {
  Database,
  ExportAnswer,
  ExportJob,
  HistogramAsked,
  ListAnswer,
  SqlAnswer,
  SqlAsked,
} from "../reading.js"
import type {
  AlertsAnswers,
  AlertsQuestion,
  AlertsSetup,
  Forgotten,
  Health,
  ReaderOfAlertsCalls,
} from "./alerts-calls.js"
import type { Said } from "./say.js"
import type { ChildCalls, Timing } from "./supervisor.js"

/** A question, as it goes down to the query child. */
export type Question =
  | { readonly kind: "sql"; readonly asked: Omit<SqlAsked, "minSize" | "signal"> }
  | {
      readonly kind: "list"
      readonly filter: Filter
      readonly withheld: readonly string[]
      readonly maxBytes: number | undefined
    }
  | {
      readonly kind: "facets"
      readonly filter: Filter
      readonly columns: readonly string[]
      readonly top: number | undefined
      readonly withheld: readonly string[]
    }
  | {
      readonly kind: "histogram"
      readonly filter: Filter
      readonly asked: HistogramAsked
      readonly withheld: readonly string[]
    }
  | { readonly kind: "export"; readonly job: Omit<ExportJob, "signal"> }

/** What each kind of question is answered with. */
export interface Answers {
  readonly sql: Omit<SqlAnswer, "ms">
  readonly list: ListAnswer
  readonly facets: Facets
  readonly histogram: Histogram
  readonly export: ExportAnswer
}

export type AnswerOf<Q extends Question> = Answers[Q["kind"]]

/** How the query child is begun. */
export interface QuerySetup {
  /** Of the database file; its folder is made. */
  readonly path: string
  readonly memoryMb: number
  /** As `openEnricher` takes them; the default database if there is none. */
  readonly mmdb: readonly string[] | undefined
}

/** What the query child has when it is ready. */
export interface QueryBegun {
  readonly through: number
  /** Text of a follow cursor; none in a new database. */
  readonly cursor: string | undefined
  readonly databases: readonly Database[]
}

export interface QueryCalls extends ChildCalls {
  begin(setup: QuerySetup): QueryBegun
  /** Resolves when it is taken, not when it is committed. Pages come in order. */
  append(page: LeafPage): void
  /** Commits what it has taken; what it has then is what it would have if it began now. */
  cursor(value: undefined): QueryBegun
  question(question: Question): Answers[keyof Answers]
  /** Throws away every row. Questions under way are interrupted. */
  reindex(value: undefined): QueryBegun
  /** Deletes rows of leaves: no question that is asked later sees them. */
  forget(leaves: readonly number[]): void
  /**
   * Leaves no byte of deleted rows in any file. Questions under way are interrupted. It answers nothing afterwards: what
   * it has seen could stand in what it writes next, so that another child is to be begun.
   */
  rewrite(value: undefined): void
}

/** What the query child asks and tells the reader. */
export interface ReaderOfQueryCalls {
  say(said: Said): void
  /** Leaves whose rows are committed. */
  through(through: number): void
  /** Told when one of them is found to be damaged. */
  databases(databases: readonly Database[]): void
  /** Leaf hashes, 32 bytes each, one after another. */
  leafHashes(leafIndices: readonly number[]): Uint8Array
}

/** How the reader is begun. */
export interface ReaderSetup {
  /** Text of the policy that heads are opened under: the log's own key, no quorum. */
  readonly policy: string
  readonly query: QuerySetup
  /** Nobody is alerted unless given. */
  readonly alerts: AlertsSetup | undefined
  readonly timeoutMs: number
  readonly exportTimeoutMs: number
  /** Between a deadline and the end of the query child. */
  readonly graceMs: number
  /** How often the signed head is looked at. */
  readonly pollMs: number
  readonly timing: Partial<Timing>
}

export interface ReaderCalls extends ChildCalls {
  begin(setup: ReaderSetup): void
  question(question: Question): Answers[keyof Answers]
  reindex(value: undefined): void
  forget(leaves: readonly number[]): void
  /** Questions under way are waited for, and those that come meanwhile wait. */
  rewrite(value: undefined): void
  /** Rejected with `SERVER_ALERTS_AWAY` while nobody is there to answer. */
  askAlerts(question: AlertsQuestion): AlertsAnswers[keyof AlertsAnswers]
  /** Told again and again: it is lost while nobody is there. */
  health(health: Health): void
  /** As `askAlerts`. */
  forgetAlerts(forgotten: Forgotten): void
}

/** How following goes, as the reader sees it. */
export interface FollowState {
  readonly state: "starting" | "following" | "restarting" | "stopped"
  readonly stoppedBy?: { readonly code: string; readonly message: string }
  readonly databases: readonly Database[]
  /** Of the query child, while there is one: it is the server's to end if the reader can not. */
  readonly queryPid: number | undefined
  /** Of the alerts child, likewise. */
  readonly alertsPid: number | undefined
  /** Deaths of both. */
  readonly deaths: number
}

/** Leaves `[start, end)`; an answer may end earlier. */
export interface RecordSlice {
  /** Packed, one per leaf; 0 bytes for a leaf that is no event and for a tombstone. */
  readonly records: Uint8Array
  /** Leaf indices. */
  readonly tombstones: readonly number[]
  /** Where the slice ends: > `start`. */
  readonly end: number
}

/** What the reader asks and tells the server. */
export interface ServerCalls extends Pick<ReaderOfAlertsCalls, "own" | "changed"> {
  /** As `LogSource.read`, up to the signed head. */
  read(path: string): Uint8Array | undefined
  records(range: { readonly start: number; readonly end: number }): RecordSlice
  say(said: Said): void
  state(state: FollowState): void
  through(through: number): void
}
