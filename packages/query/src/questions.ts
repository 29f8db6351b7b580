/**
 * Questions answered: each on a connection of its own, in a transaction of its own.
 *
 *     question ─► tree ─► allowed? ─► BEGIN READ ONLY ─► through ─► rows, chunk by chunk ─► ROLLBACK
 *                                         └──────── one snapshot ────────┘
 *
 * What is withheld from the one who asks is hidden by a view that belongs to the connection (view.ts). So connections
 * are kept by what they hide, and used again.
 *
 * Rows are streamed: DuckDB computes no further ahead than a few chunks of what is read. A scan, though, hands out
 * what it finds vector by vector, and reading a chunk costs the same for one row as for two thousand: what is found
 * here and there is asked for with a LIMIT first, for which DuckDB gathers it (bounded.ts).
 */

import type { DuckDBInstance, DuckDBPreparedStatement, DuckDBResult } from "@duckdb/node-api"
import { type Bounded, boundedSql } from "./bounded.js"
import { hiddenColumns } from "./columns.js"
import { QueryError } from "./error.js"
import { bindFailure, runFailure } from "./failure.js"
import { type JsonValue, type ToJson, toJsonOf } from "./json-value.js"
import { bindParameters, type SqlParameters } from "./parameters.js"
import { checkStatement } from "./statement.js"
import type { SyntaxTrees } from "./syntax-tree.js"
import { View } from "./view.js"

export interface SqlQuestion {
  /** One SELECT over `access_logs`. Suspect. */
  readonly sql: string
  /** For `?` and `$1` an array, for `$name` an object. Suspect. */
  readonly parameters?: SqlParameters
  /** Committed names that are hidden from this asker: they are NULL, and so is what derives from them. */
  readonly withheld?: readonly string[]
  /** Interrupts. Its reason is thrown if it is a {@link QueryError}, else `QUERY_INTERRUPTED`. */
  readonly signal?: AbortSignal
  /** Whether all rows are wanted, however many: no time is spent on gathering few. */
  readonly isExport?: boolean
}

export interface OutputColumn {
  readonly name: string
  /** DuckDB's, as SQL says it. */
  readonly type: string
}

type Batch = readonly (readonly JsonValue[])[]

export interface Rows {
  readonly columns: readonly OutputColumn[]
  /** Leaves whose rows were there when it was answered. */
  readonly through: number
  /**
   * Up to 2,048 rows at a time; can be read once. Throws `QUERY_FAILED` and its like in the middle, if it fails
   * there.
   */
  readonly batches: AsyncIterable<Batch>
  /** Lets go of the connection. Must be called unless `batches` was read to its end or to an error. */
  close(): Promise<void>
}

/** How often a question that should end is interrupted, in ms. */
const INTERRUPT_MS = 20

/** Most connections that are kept for later. */
const MAX_IDLE = 8

/** Texts known to be allowed, and the longest of them: pages and dashboards ask the same again and again. */
const MAX_KNOWN = 64
const MAX_KNOWN_LENGTH = 4_096

/** Most rows that are gathered, at first and if these were too few. DuckDB gathers none of a LIMIT of 10,000 or more. */
const FEW_ROWS = 2_048
const MORE_ROWS = 9_999

/** A scan that took longer than this, in ms, is not tried again: its time goes into looking, not into chunks. */
const QUICK_MS = 500

/** Bytes of values that gathered rows may have, about. */
const GATHERED_BYTES = 1 << 26

export class Questions {
  readonly #instance: DuckDBInstance
  readonly #trees: SyntaxTrees
  /** Nobody uses them now; the longest idle first. */
  #idle: View[] = []
  readonly #open = new Set<Answer>()
  /** Texts that were checked, the one asked last at the end, and how each is bounded if it is. */
  readonly #known = new Map<string, Bounded | undefined>()
  #closed = false

  constructor(instance: DuckDBInstance, trees: SyntaxTrees) {
    this.#instance = instance
    this.#trees = trees
  }

  /** @throws {@link QueryError} whatever is wrong with the question */
  async ask(question: SqlQuestion): Promise<Rows> {
    throwIfAborted(question.signal)
    const bounded = await this.#check(question.sql)
    const view = await this.#take(hiddenColumns(question.withheld ?? []))
    const answer = new Answer(
      view,
      question,
      question.isExport === true ? undefined : bounded,
      (reusable) => {
        this.#open.delete(answer)
        this.#giveBack(view, reusable)
      },
    )
    this.#open.add(answer)
    return answer.start()
  }

  /** Interrupts every question and waits for their end. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#open].map((answer) => answer.close()))
    for (const { connection } of this.#idle) connection.closeSync()
    this.#idle = []
  }

  /** Throws if a question is not allowed. */
  async #check(sql: string): Promise<Bounded | undefined> {
    const isKnown = this.#known.has(sql)
    let bounded = this.#known.get(sql)
    if (!isKnown) {
      const tree = await this.#trees.parse(sql)
      checkStatement(tree, sql)
      bounded = await boundedSql(this.#trees, tree, sql)
    }
    this.#known.delete(sql)
    if (sql.length <= MAX_KNOWN_LENGTH) this.#known.set(sql, bounded)
    const [oldest = ""] = this.#known.keys()
    if (this.#known.size > MAX_KNOWN) this.#known.delete(oldest)
    return bounded
  }

  async #take(hidden: readonly string[]): Promise<View> {
    if (this.#closed) throw new QueryError("QUERY_UNAVAILABLE", "the query store is closed")
    const at = this.#idle.findLastIndex((view) => view.hides(hidden))
    const [idle] = at < 0 ? [] : this.#idle.splice(at, 1)
    return idle ?? new View(await this.#instance.connect(), hidden)
  }

  #giveBack(view: View, reusable: boolean): void {
    if (!reusable || this.#closed) {
      view.connection.closeSync()
      return
    }
    this.#idle.push(view)
    if (this.#idle.length > MAX_IDLE) this.#idle.shift()?.connection.closeSync()
  }
}

/** One question on its connection, from BEGIN to ROLLBACK. */
class Answer {
  readonly #view: View
  readonly #question: SqlQuestion
  readonly #bounded: Bounded | undefined
  readonly #release: (reusable: boolean) => void
  readonly #onAbort = () => {
    this.close()
  }
  /** What runs on the connection, or ran last; never rejects. */
  #running: Promise<unknown> = Promise.resolve()
  #isRunning = false
  #statement: DuckDBPreparedStatement | undefined
  #closing: Promise<void> | undefined
  #ended = false

  constructor(
    view: View,
    question: SqlQuestion,
    bounded: Bounded | undefined,
    release: (reusable: boolean) => void,
  ) {
    this.#view = view
    this.#question = question
    this.#bounded = bounded
    this.#release = release
  }

  async start(): Promise<Rows> {
    this.#question.signal?.addEventListener("abort", this.#onAbort)
    try {
      return (await this.#gathered()) ?? (await this.#streamed())
    } catch (cause) {
      await this.close()
      throw cause
    }
  }

  /** Ends the question: interrupts it if it runs. */
  close(): Promise<void> {
    this.#closing ??= this.#end()
    return this.#closing
  }

  /** The whole answer, if it is a scan that finds few rows, and those not large. */
  async #gathered(): Promise<Rows | undefined> {
    const bounded = this.#bounded
    if (bounded === undefined) return undefined
    const began = performance.now()
    for (const limit of [FEW_ROWS, MORE_ROWS]) {
      const { through, result } = await this.#onConnection(() => this.#run(bounded(limit)))
      const batches: Batch[] = []
      let count = 0
      let bytes = 0
      for await (const batch of this.#read(result)) {
        batches.push(batch)
        count += batch.length
        bytes += sizeOf(batch)
        if (bytes > GATHERED_BYTES) break
      }
      const isWhole = count < limit && bytes <= GATHERED_BYTES
      if (isWhole) return this.#rows(through, result, again(batches))
      await this.#onConnection(() => this.#view.rollback())
      if ((bytes / count) * MORE_ROWS > GATHERED_BYTES || performance.now() - began > QUICK_MS) break
    }
    return undefined
  }

  async #streamed(): Promise<Rows> {
    const { through, result } = await this.#onConnection(() => this.#run(this.#question.sql))
    return this.#rows(through, result, this.#read(result))
  }

  #rows(through: number, result: DuckDBResult, batches: AsyncIterable<Batch>): Rows {
    const types = result.columnTypes()
    const columns = result
      .columnNames()
      .map((name, i) => ({ name, type: types[i]?.alias ?? String(types[i]) }))
    return { columns, through, batches: this.#untilEnd(batches), close: () => this.close() }
  }

  async *#untilEnd(batches: AsyncIterable<Batch>): AsyncGenerator<Batch> {
    try {
      yield* batches
    } finally {
      await this.close()
    }
  }

  async #end(): Promise<void> {
    this.#ended = true
    this.#question.signal?.removeEventListener("abort", this.#onAbort)
    await this.#stop()
    const reusable = await this.#view.rollback().then(
      () => true,
      // A connection that cannot even do this is not used again.
      () => false,
    )
    this.#statement?.destroySync()
    this.#release(reusable)
  }

  /** Resolves when nothing runs. An interrupt that comes before DuckDB has begun is lost, so it is said again. */
  async #stop(): Promise<void> {
    if (!this.#isRunning) return
    const { connection } = this.#view
    connection.interrupt()
    const again = setInterval(() => connection.interrupt(), INTERRUPT_MS)
    await this.#running
    clearInterval(again)
  }

  async #run(sql: string): Promise<{ readonly through: number; readonly result: DuckDBResult }> {
    const through = await this.#view.begin()
    this.#throwIfEnded()
    this.#statement?.destroySync()
    this.#statement = await this.#prepare(sql)
    bindParameters(this.#statement, this.#question.parameters ?? [])
    this.#throwIfEnded()
    try {
      return { through, result: await this.#statement.stream() }
    } catch (cause) {
      throw runFailure(cause, sql)
    }
  }

  async #prepare(sql: string): Promise<DuckDBPreparedStatement> {
    this.#statement = undefined
    try {
      return await this.#view.connection.prepare(sql)
    } catch (cause) {
      throw bindFailure(cause, sql)
    }
  }

  async *#read(result: DuckDBResult): AsyncGenerator<Batch> {
    const converters: readonly ToJson[] = result.columnTypes().map(toJsonOf)
    for (;;) {
      const chunk = await this.#onConnection(() => this.#fetch(result))
      if (chunk === null || chunk.rowCount === 0) return
      const columns = converters.map((convert, i) => chunk.getColumnValues(i).map(convert))
      yield Array.from({ length: chunk.rowCount }, (_, row) =>
        columns.map((column) => column[row] as JsonValue),
      )
    }
  }

  async #fetch(result: DuckDBResult) {
    try {
      return await result.fetchChunk()
    } catch (cause) {
      throw runFailure(cause, this.#question.sql)
    }
  }

  /** Runs a task unless the question has ended; if it ends meanwhile, that is why the task failed. */
  async #onConnection<T>(task: () => Promise<T>): Promise<T> {
    this.#throwIfEnded()
    this.#isRunning = true
    const done = task().finally(() => {
      this.#isRunning = false
    })
    this.#running = done.catch(() => undefined)
    try {
      return await done
    } catch (cause) {
      this.#throwIfEnded()
      throw cause
    }
  }

  #throwIfEnded(): void {
    throwIfAborted(this.#question.signal)
    if (this.#ended) throw interrupted()
  }
}

async function* again(batches: readonly Batch[]): AsyncGenerator<Batch> {
  yield* batches
}

/** Bytes of the texts in a value, about; eight for anything else. */
function sizeOf(value: JsonValue): number {
  if (typeof value === "string") return value.length
  if (typeof value !== "object" || value === null) return 8
  return Object.values(value).reduce((sum: number, item) => sum + sizeOf(item), 0)
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return
  throw signal.reason instanceof QueryError ? signal.reason : interrupted()
}

function interrupted(): QueryError {
  return new QueryError("QUERY_INTERRUPTED", "the question was interrupted")
}
