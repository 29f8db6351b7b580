/**
 * What the server's routes know of reading: questions, and how far behind the log the answers are.
 *
 *     route ─► Reading ─► reader ─► query child        while events are followed
 *              Reading ─► QUERY_UNAVAILABLE            when `follow` is false
 *
 * Everything asked for crosses processes: it is data, and so are the answers. Whoever asks has checked the role of
 * its caller; what that role may not see is named in `withheld`.
 */

import { QueryError } from "@prooflog/query/error"
import type { ExportFormat } from "@prooflog/query/export-format"
import type { Facets, Filter, Histogram } from "@prooflog/query/listing"
import type { SqlParameters } from "@prooflog/query/store"

/** What every question may say beside what it asks. */
export interface Asking {
  /** Names of fields hidden from whoever asks; columns derived from them are hidden too. */
  readonly withheld: readonly string[]
  /** Leaves that the answer must have seen: it waits for them, 5 s at most. */
  readonly minSize?: number | undefined
  /** Ends the question: it fails with `QUERY_INTERRUPTED`. Crosses no process itself. */
  readonly signal?: AbortSignal | undefined
}

export interface ListAsking extends Asking {
  /** Bytes of JSON after which a page ends early, with a cursor behind its last event; 4 MiB unless given. */
  readonly maxBytes?: number | undefined
}

export interface FacetsAsking extends Asking {
  /** Values of each column: 1 … 1,000; 20 unless given. Suspect. */
  readonly top?: number | undefined
}

export interface SqlAsked extends Asking {
  readonly sql: string
  readonly parameters?: SqlParameters | undefined
  /** Most rows of the answer: 1 … `query.max_rows`. */
  readonly limit: number
  /** Key of the one who asks: who ends the process that answers must wait before it asks again. */
  readonly asker?: string | undefined
}

export interface SqlAnswer {
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  /** Text of a JSON array with a row in each element, itself an array of values, UTF-8. */
  readonly rowsJson: Uint8Array
  readonly rowCount: number
  /** Whether there are more rows than were asked for, or than an answer may hold: 32 MiB of JSON. */
  readonly truncated: boolean
  /** Leaves that were seen. */
  readonly through: number
  /** From the question to its answer, to a tenth. */
  readonly ms: number
}

export interface ListAnswer {
  /** Text of a JSON array of flat events, UTF-8. */
  readonly eventsJson: Uint8Array
  readonly count: number
  /** Where the next page begins; there may be one behind a page of fewer events than were asked for, too. */
  readonly nextCursor?: string | undefined
  readonly through: number
}

export interface HistogramAsked {
  /** `1m`, `5m`, `15m`, `1h`, `1d`, … Suspect. */
  readonly interval: string
  /** IANA name or ±hh:mm; UTC unless given. Suspect. */
  readonly zone?: string | undefined
}

export interface ExportJob {
  readonly question:
    | { readonly sql: string; readonly parameters?: SqlParameters | undefined }
    | { readonly filter: Filter }
  readonly format: ExportFormat
  /** File to write, absolute; one that is there is written anew. */
  readonly path: string
  readonly withheld: readonly string[]
  readonly origin: string
  /** In hex. */
  readonly logId: string
  readonly signal?: AbortSignal | undefined
}

export interface ExportAnswer {
  readonly rows: number
  readonly bytes: number
  /** Of the file, in hex. */
  readonly sha256: string
  readonly through: number
}

export interface ReadingStatus {
  /**
   * `starting`: not yet ready for the first time; `following`; `restarting`: a process died and is begun anew;
   * `stopped`: the log failed a check, which no restart can mend; `off`: nobody wants it.
   */
  readonly state: "starting" | "following" | "stopped" | "restarting" | "off"
  /** Leaves that answers have seen. */
  readonly through: number
  /** Leaves of the signed head. */
  readonly treeSize: number
  /** Leaves that are signed and not yet seen by answers. */
  readonly lagLeaves: number
  /** How long the oldest of those has been signed and not been seen; 0 if there is none. */
  readonly lagSeconds: number
  /** Why it is `stopped`. */
  readonly stoppedBy?: { readonly code: string; readonly message: string }
  /** What countries and networks are looked up in. */
  readonly databases: readonly Database[]
  /** How often a process of it died and was begun anew. */
  readonly restarts: number
}

export interface Database {
  readonly path: string
  readonly type: string
  readonly built: Date
  /** Lookups that met a record which cannot be read, since the query process began; such an address is unknown. */
  readonly faults: number
}

/** @throws QueryError from every question, among them `QUERY_UNAVAILABLE`, `QUERY_BUSY`, `QUERY_TIMEOUT`, `QUERY_BEHIND` */
export interface Reading {
  status(): ReadingStatus
  sql(question: SqlAsked): Promise<SqlAnswer>
  list(filter: Filter, asking: ListAsking): Promise<ListAnswer>
  /** @param columns - suspect */
  facets(filter: Filter, columns: readonly string[], asking: FacetsAsking): Promise<Facets>
  histogram(filter: Filter, asked: HistogramAsked, asking: Asking): Promise<Histogram>
  /** Writes a file, beside other questions. Whoever asks gives one job at a time. */
  export(job: ExportJob): Promise<ExportAnswer>
  /** Throws the rows away and begins anew from leaf 0. Resolves when it has begun. */
  reindex(): Promise<void>
  /**
   * Deletes rows of leaves whose records are withdrawn: no question that is asked once it resolves finds them. Repeatable.
   *
   * @param minSize - leaves there were when they had been withdrawn: rows that were on their way then have come
   */
  forget(leaves: readonly number[], minSize: number): Promise<void>
  /** Leaves no byte of deleted rows in any file. Questions wait meanwhile. Repeatable. */
  rewrite(): Promise<void>
  /** Is told each time that answers see further; returns what ends that. */
  onThrough(listener: (through: number) => void): () => void
  /** Ends the processes. Repeatable. */
  close(): Promise<void>
}

/** Stands in where events are not followed: every question is refused, and nothing runs. */
export function readingOff(treeSize: () => number): Reading {
  const refuse = async (): Promise<never> => {
    throw new QueryError("QUERY_UNAVAILABLE", "this server does not follow its log: it was started without")
  }
  return {
    status: () => ({
      state: "off",
      through: 0,
      treeSize: treeSize(),
      lagLeaves: treeSize(),
      lagSeconds: 0,
      databases: [],
      restarts: 0,
    }),
    sql: refuse,
    list: refuse,
    facets: refuse,
    histogram: refuse,
    export: refuse,
    reindex: refuse,
    forget: refuse,
    rewrite: refuse,
    onThrough: () => () => {},
    close: async () => {},
  }
}
