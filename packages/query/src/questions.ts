/**
 * Questions answered: each on a connection of its own, in a transaction of its own.
 *
 *     question ─► tree ─► allowed? ─► BEGIN READ ONLY ─► through ─► rows, chunk by chunk ─► ROLLBACK
 *                                         └──────── one snapshot ────────┘
 *
 * What is withheld from the one who asks is hidden by a temporary view of the same name, which belongs to the
 * connection. So connections are kept by what they hide, and used again. With anything, `attributes` of the log's own
 * events are hidden: they tell what others asked, in words that may be the very values.
 *
 * Rows are streamed: DuckDB computes no further ahead than a few chunks of what is read.
 */

import type {
  DuckDBConnection,
  DuckDBInstance,
  DuckDBPreparedStatement,
  DuckDBResult,
} from "@duckdb/node-api"
import { COLUMNS, hiddenColumns, OWN_SOURCE, TABLE } from "./columns.js"
import { CURSOR_TABLE, EVENTS_TABLE } from "./database.js"
import { QueryError } from "./error.js"
import { bindFailure, runFailure } from "./failure.js"
import { type JsonValue, type ToJson, toJsonOf } from "./json-value.js"
import { bindParameters, type SqlParameters } from "./parameters.js"
import { checkStatement } from "./statement.js"
import type { SyntaxTrees } from "./syntax-tree.js"

export interface SqlQuestion {
  /** One SELECT over `access_logs`. Suspect. */
  readonly sql: string
  /** For `?` and `$1` an array, for `$name` an object. Suspect. */
  readonly parameters?: SqlParameters
  /** Committed names that are hidden from this asker: they are NULL, and so is what derives from them. */
  readonly withheld?: readonly string[]
  /** Interrupts. Its reason is thrown if it is a {@link QueryError}, else `QUERY_INTERRUPTED`. */
  readonly signal?: AbortSignal
}

export interface OutputColumn {
  readonly name: string
  /** DuckDB's, as SQL says it. */
  readonly type: string
}

export interface Rows {
  readonly columns: readonly OutputColumn[]
  /** Leaves whose rows were there when it was answered. */
  readonly through: number
  /**
   * Up to 2,048 rows at a time; can be read once. Throws `QUERY_FAILED` and its like in the middle, if it fails
   * there.
   */
  readonly batches: AsyncIterable<readonly (readonly JsonValue[])[]>
  /** Lets go of the connection. Must be called unless `batches` was read to its end or to an error. */
  close(): Promise<void>
}

/** How often a question that should end is interrupted, in ms. */
const INTERRUPT_MS = 20

/** Most connections that are kept for later. */
const MAX_IDLE = 8

export class Questions {
  readonly #instance: DuckDBInstance
  readonly #trees: SyntaxTrees
  /** Connections nobody uses, the longest idle first, by what they hide. */
  #idle: { readonly hidden: string; readonly connection: DuckDBConnection }[] = []
  readonly #open = new Set<Answer>()
  #closed = false

  constructor(instance: DuckDBInstance, trees: SyntaxTrees) {
    this.#instance = instance
    this.#trees = trees
  }

  /** @throws {@link QueryError} whatever is wrong with the question */
  async ask(question: SqlQuestion): Promise<Rows> {
    throwIfAborted(question.signal)
    checkStatement(await this.#trees.parse(question.sql), question.sql)
    const hidden = hiddenColumns(question.withheld ?? [])
    const connection = await this.#take(hidden)
    const answer = new Answer(connection, question, (reusable) => {
      this.#open.delete(answer)
      this.#giveBack(hidden, connection, reusable)
    })
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

  async #take(hidden: readonly string[]): Promise<DuckDBConnection> {
    if (this.#closed) throw new QueryError("QUERY_UNAVAILABLE", "the query store is closed")
    const at = this.#idle.findLastIndex((idle) => idle.hidden === hidden.join())
    const [idle] = at < 0 ? [] : this.#idle.splice(at, 1)
    if (idle !== undefined) return idle.connection
    const connection = await this.#instance.connect()
    await connection.run(viewWithout(hidden))
    return connection
  }

  #giveBack(hidden: readonly string[], connection: DuckDBConnection, reusable: boolean): void {
    if (!reusable || this.#closed) {
      connection.closeSync()
      return
    }
    this.#idle.push({ hidden: hidden.join(), connection })
    if (this.#idle.length > MAX_IDLE) this.#idle.shift()?.connection.closeSync()
  }
}

function viewWithout(hidden: readonly string[]): string {
  const columns = COLUMNS.map(({ name, type }) => {
    if (hidden.includes(name)) return `NULL::${type} AS "${name}"`
    if (name !== "attributes" || hidden.length === 0) return `"${name}"`
    return `(CASE WHEN ${EVENTS_TABLE}.source = '${OWN_SOURCE}' THEN NULL ELSE "${name}" END)::${type} AS "${name}"`
  })
  return `CREATE TEMP VIEW ${TABLE} AS SELECT ${columns.join(", ")} FROM ${EVENTS_TABLE}`
}

/** One question on its connection, from BEGIN to ROLLBACK. */
class Answer {
  readonly #connection: DuckDBConnection
  readonly #question: SqlQuestion
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

  constructor(connection: DuckDBConnection, question: SqlQuestion, release: (reusable: boolean) => void) {
    this.#connection = connection
    this.#question = question
    this.#release = release
  }

  async start(): Promise<Rows> {
    this.#question.signal?.addEventListener("abort", this.#onAbort)
    try {
      const { through, result } = await this.#onConnection(() => this.#run())
      const names = result.columnNames()
      const types = result.columnTypes()
      const converters = types.map(toJsonOf)
      return {
        columns: names.map((name, i) => ({ name, type: types[i]?.alias ?? String(types[i]) })),
        through,
        batches: this.#batches(result, converters),
        close: () => this.close(),
      }
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

  async #end(): Promise<void> {
    this.#ended = true
    this.#question.signal?.removeEventListener("abort", this.#onAbort)
    await this.#stop()
    const reusable = await this.#connection.run("ROLLBACK").then(
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
    this.#connection.interrupt()
    const again = setInterval(() => this.#connection.interrupt(), INTERRUPT_MS)
    await this.#running
    clearInterval(again)
  }

  async #run(): Promise<{ readonly through: number; readonly result: DuckDBResult }> {
    const { sql, parameters = [] } = this.#question
    await this.#connection.run("BEGIN TRANSACTION READ ONLY")
    const cursor = await this.#connection.runAndReadAll(`SELECT through FROM ${CURSOR_TABLE}`)
    this.#throwIfEnded()
    const statement = await this.#bound(sql)
    this.#statement = statement
    bindParameters(statement, parameters)
    this.#throwIfEnded()
    try {
      return { through: Number(cursor.getRows()[0]?.[0]), result: await statement.stream() }
    } catch (cause) {
      throw runFailure(cause, sql)
    }
  }

  async #bound(sql: string) {
    try {
      return await this.#connection.prepare(sql)
    } catch (cause) {
      throw bindFailure(cause, sql)
    }
  }

  async *#batches(
    result: DuckDBResult,
    converters: readonly ToJson[],
  ): AsyncGenerator<readonly (readonly JsonValue[])[]> {
    try {
      for (;;) {
        const chunk = await this.#onConnection(() => this.#fetch(result))
        if (chunk === null || chunk.rowCount === 0) return
        const columns = converters.map((convert, i) => chunk.getColumnValues(i).map(convert))
        yield Array.from({ length: chunk.rowCount }, (_, row) =>
          columns.map((column) => column[row] as JsonValue),
        )
      }
    } finally {
      await this.close()
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

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return
  throw signal.reason instanceof QueryError ? signal.reason : interrupted()
}

function interrupted(): QueryError {
  return new QueryError("QUERY_INTERRUPTED", "the question was interrupted")
}
