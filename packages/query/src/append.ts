/**
 * Rows into the database, and with each commit the cursor that they bring.
 *
 *     pages ─► projection ─► appender ──┬── flush ──► BEGIN … rows … cursor … COMMIT
 *                                       │                                        │
 *     next pages ─► projection ─► appender keeps them while a commit runs ◄──────┘
 *
 * A commit of whole row groups (122,880 rows) is written straight to the file and costs 2 µs a row; a small
 * one goes through the write-ahead log and costs 10. So whoever catches up, or is given so many that a row group
 * is soon full, commits row group by row group; whoever is level commits {@link LIVE_MS} after the first row that
 * waits, later on a machine so busy that its commits would take most of its time.
 *
 * Such a commit ends exactly where a row group of the table does, in the middle of a page if need be: what stands
 * beside whole row groups would be a small one of its own, which takes the memory of a large one until a checkpoint
 * and is read slowly for ever after. Its cursor is that of the page before: leaves that come again are passed over.
 *
 * If we die before a COMMIT is through, neither its rows nor its cursor are there, and the reader brings the
 * same leaves again. If we die after it, both are.
 *
 * One thing happens on the connection at a time. A failed commit ends the store's life as one that appends:
 * it must be opened again.
 */

import { setImmediate as turn } from "node:timers/promises"
import type { DuckDBAppender, DuckDBConnection, DuckDBDataChunk } from "@duckdb/node-api"
import { CURSOR_TABLE, EVENTS_TABLE, type Forgotten, type Position, readFilled } from "./database.js"
import { QueryError } from "./error.js"
import type { RowsToForget } from "./forget.js"
import type { Leaves, Projection } from "./projection.js"

/** Rows of one of DuckDB's row groups: a commit of fewer goes through its write-ahead log. */
const ROW_GROUP = 122_880

/** Rows the appender keeps before they are handed to the transaction: few enough not to hold up the event loop. */
const FLUSH_ROWS = 16_384

/** Longest time the first row that waits waits while we are level, in ms. */
const LIVE_MS = 250

/** Rows that fill a row group within this time wait for it, in ms. */
const SOON_MS = 5_000

/** Longest time that rows wait for a row group while more are known to follow, in ms. */
const BEHIND_MS = 15_000

/** The time between two live commits is at least so many times what the last one took. */
const COMMIT_SHARE = 3

export class Writer {
  readonly #connection: DuckDBConnection
  readonly #appender: DuckDBAppender
  readonly #projection: Projection
  readonly #listeners: ((through: number) => void)[] = []
  readonly #onFailure: (error: QueryError) => void
  /** Callers, one after the other. */
  #queue: Promise<unknown> = Promise.resolve()
  /** The COMMIT that runs, beside the queue. Never rejects: a failure is kept in {@link #failure}. */
  #running: Promise<void> | undefined
  #begun = false
  /** Rows of the table, as of the last commit that started. */
  #tableRows: number
  /** Columns in which a row has a value, as of then: no other is worth reading. */
  readonly #filled: Set<string>
  /** Rows given to the appender since then, and those of them that it still keeps. */
  #rows = 0
  #unflushed = 0
  #committed: Position
  #forgotten: Forgotten
  /** Where the leaves that were appended end. */
  #appended: Position
  /** Where the last page ended; nobody knows before the first. */
  #nextLeaf: number | undefined
  #timer: NodeJS.Timeout | undefined
  #commitStartMs = 0
  /** Of the last commit that the clock began. */
  #liveTookMs = 0
  #waitsSinceMs = 0
  /** Whether more leaves are known to follow those that were appended. */
  #more = false
  #failure: QueryError | undefined
  #closed = false

  private constructor(
    connection: DuckDBConnection,
    appender: DuckDBAppender,
    projection: Projection,
    position: Position,
    forgotten: Forgotten,
    tableRows: number,
    filled: readonly string[],
    onFailure: (error: QueryError) => void,
  ) {
    this.#connection = connection
    this.#appender = appender
    this.#projection = projection
    this.#committed = position
    this.#appended = position
    this.#forgotten = forgotten
    this.#tableRows = tableRows
    this.#filled = new Set(filled)
    this.#onFailure = onFailure
  }

  /**
   * @param connection - nobody else's from now on
   * @param onFailure - is told once, when a commit has failed: nothing is appended any more
   */
  static async open(
    connection: DuckDBConnection,
    projection: Projection,
    { position, forgotten }: { readonly position: Position; readonly forgotten: Forgotten },
    onFailure: (error: QueryError) => void,
  ): Promise<Writer> {
    const counted = await connection.runAndReadAll(`SELECT count(*) FROM ${EVENTS_TABLE}`)
    const tableRows = Number(counted.getRows()[0]?.[0])
    const filled = await readFilled(connection)
    const appender = await connection.createAppender(EVENTS_TABLE)
    return new Writer(connection, appender, projection, position, forgotten, tableRows, filled, onFailure)
  }

  /** What is committed, and so visible to every question that is asked from now on. */
  get committed(): Position {
    return this.#committed
  }

  get forgotten(): Forgotten {
    return this.#forgotten
  }

  /** @param listener - must not throw */
  onCommit(listener: (through: number) => void): void {
    this.#listeners.push(listener)
  }

  /**
   * Takes the leaves that come next; resolves when they are in the appender, which may have to wait for a commit.
   *
   * @param check - given where the leaves before these end; throws if these are not the next. The first page may
   * begin earlier than that: `isFirst`.
   * @param after - where the leaves end
   * @param more - whether more are known to follow
   * @throws {@link QueryError} `QUERY_UNAVAILABLE` if a commit has failed
   */
  append(
    leaves: Leaves,
    check: (through: number, isFirst: boolean) => void,
    after: Position,
    more: boolean,
  ): Promise<void> {
    return this.#inTurn(async () => {
      check(this.#nextLeaf ?? this.#appended.through, this.#nextLeaf === undefined)
      this.#more = more
      await this.#keepFailure(() => this.#take(leaves, after))
    })
  }

  /**
   * Commits what was appended. Resolves when it is visible.
   *
   * @throws {@link QueryError} `QUERY_UNAVAILABLE` if it or one before it has failed
   */
  async commit(): Promise<void> {
    await this.#inTurn(() => this.#keepFailure(() => this.#startCommit()))
    await this.#running
    this.#throwFailure()
  }

  /**
   * Deletes rows, those that were appended among them, and keeps the mark with that. Resolves when no question that is
   * asked from now on sees them.
   *
   * @returns how many there were
   * @throws {@link QueryError} `QUERY_UNAVAILABLE` if a commit has failed
   */
  forget({ where, values, types }: RowsToForget, mark: string): Promise<number> {
    return this.#inTurn(() =>
      this.#keepFailure(async () => {
        await this.#startCommit()
        await this.#running
        this.#throwFailure()
        await this.#connection.run("BEGIN")
        const sql = `DELETE FROM ${EVENTS_TABLE} WHERE ${where}`
        const { rowsChanged } = await this.#connection.run(sql, values, types)
        const rows = this.#forgotten.rows + rowsChanged
        await this.#connection.run(`UPDATE ${CURSOR_TABLE} SET forgotten = $1, deleted = $2`, [
          mark,
          BigInt(rows),
        ])
        // Should we die in here, either all of it was forgotten or nothing, and the mark says which.
        await this.#connection.run("COMMIT")
        this.#forgotten = { mark, rows }
        return rowsChanged
      }),
    )
  }

  /** Commits what was appended, unless a commit has failed, and lets go of the connection. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#queue
    if (this.#failure === undefined) await this.#startCommit()
    await this.#running
    clearTimeout(this.#timer)
    this.#appender.closeSync()
    this.#throwFailure()
  }

  async #take(leaves: Leaves, after: Position): Promise<void> {
    const { through, cursor } = this.#appended
    for (const { rows, nextLeaf } of this.#projection.chunksOf(leaves, through, () => this.#room())) {
      this.#appendChunk(rows)
      if (this.#room() === ROW_GROUP) {
        this.#appended = { through: nextLeaf, cursor }
        await this.#startCommit()
      } else if (this.#running === undefined && this.#unflushed >= FLUSH_ROWS) {
        await this.#flush()
        // A page is 20 ms of work: questions are not to wait for it.
      } else await turn()
    }
    this.#appended = { through: Math.max(through, after.through), cursor: after.cursor }
    this.#nextLeaf = after.through
    if (this.#timer === undefined) this.#startTimer()
  }

  /** Rows until a row group of the table is full: 1 … {@link ROW_GROUP}. */
  #room(): number {
    return ROW_GROUP - ((this.#tableRows + this.#rows) % ROW_GROUP)
  }

  #appendChunk(chunk: DuckDBDataChunk): void {
    this.#appender.appendDataChunk(chunk)
    this.#rows += chunk.rowCount
    this.#unflushed += chunk.rowCount
  }

  /** Hands the appender's rows to the transaction, which is begun if need be. No commit runs. */
  async #flush(): Promise<void> {
    if (!this.#begun) {
      await this.#connection.run("BEGIN")
      this.#begun = true
    }
    this.#appender.flushSync()
    this.#unflushed = 0
  }

  /** Resolves when the COMMIT has been sent off: {@link #running} is its end. */
  async #startCommit(isLive = false): Promise<void> {
    await this.#running
    this.#throwFailure()
    clearTimeout(this.#timer)
    this.#timer = undefined
    const position = this.#appended
    if (position === this.#committed) return
    this.#commitStartMs = performance.now()
    const rest = this.#projection.takeRest()
    if (rest !== undefined) this.#appendChunk(rest)
    await this.#flush()
    for (const name of this.#projection.filledColumns()) this.#filled.add(name)
    await this.#connection.run(`UPDATE ${CURSOR_TABLE} SET through = $1, cursor = $2, filled = $3`, [
      BigInt(position.through),
      position.cursor ?? null,
      [...this.#filled].join(),
    ])
    this.#tableRows += this.#rows
    this.#rows = 0
    this.#begun = false
    // Should we die in here, the store is as it was before, or as it is after: rows and cursor together.
    this.#running = this.#connection.run("COMMIT").then(
      () => this.#onCommitted(position, isLive),
      (cause) => {
        this.#running = undefined
        this.#fail(cause)
      },
    )
  }

  #onCommitted(position: Position, isLive: boolean): void {
    this.#running = undefined
    if (isLive) this.#liveTookMs = performance.now() - this.#commitStartMs
    this.#committed = position
    for (const listener of this.#listeners) listener(position.through)
  }

  #startTimer(): void {
    this.#waitsSinceMs = performance.now()
    const waitMs = Math.max(LIVE_MS, COMMIT_SHARE * this.#liveTookMs)
    this.#timer = setTimeout(() => this.#onTimer(), Math.min(waitMs, SOON_MS))
  }

  #onTimer(): void {
    if (this.#isRowGroupNear()) {
      this.#timer = setTimeout(() => this.#onTimer(), LIVE_MS)
      return
    }
    this.#timer = undefined
    if (this.#closed) return
    // A failure is kept, and told to whoever appends or commits next.
    this.#inTurn(() => this.#keepFailure(() => this.#startCommit(true))).catch(() => undefined)
  }

  #isRowGroupNear(): boolean {
    const waitedMs = performance.now() - this.#waitsSinceMs
    if (this.#more && waitedMs < BEHIND_MS) return true
    return waitedMs < SOON_MS && (this.#rows / waitedMs) * SOON_MS >= this.#room() + this.#rows
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new QueryError("QUERY_UNAVAILABLE", "the query store is closed"))
    const done = this.#queue.then(() => {
      this.#throwFailure()
      return task()
    })
    // The queue goes on; whoever waits for `done` is told.
    this.#queue = done.catch(() => undefined)
    return done
  }

  /** What was half done cannot be taken back: after a failure nothing is appended any more. */
  async #keepFailure<T>(task: () => Promise<T>): Promise<T> {
    try {
      return await task()
    } catch (cause) {
      this.#fail(cause)
      throw cause
    }
  }

  #fail(cause: unknown): void {
    if (this.#failure !== undefined) return
    const message = "the query store could not keep what it was given"
    this.#failure = new QueryError("QUERY_UNAVAILABLE", message, { cause })
    this.#onFailure(this.#failure)
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure
  }
}
