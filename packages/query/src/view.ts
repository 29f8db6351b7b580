/**
 * One connection, and the view through which its questions read the events.
 *
 *     access_logs ─► prooflog_events      a column of its own, or NULL:
 *                                         hidden from the one who asks, or without a value in any row
 *
 * A log uses twenty of the fifty columns. To DuckDB the others cost as much as full ones wherever a row is read, and
 * they are most of the columns of `SELECT *`: so they are not read. Which they are stands beside the cursor, and
 * changes with a commit: each transaction looks, and makes the view anew if it must.
 *
 * With anything hidden, `attributes` of the log's own events are hidden, too: they tell what others asked, in words
 * that may be the very values.
 */

import type { DuckDBConnection } from "@duckdb/node-api"
import { COLUMNS, OWN_SOURCE, TABLE } from "./columns.js"
import { CURSOR_TABLE, EVENTS_TABLE } from "./database.js"

export class View {
  readonly connection: DuckDBConnection
  readonly #hidden: readonly string[]
  /** What the view was made for; there is none yet, if absent. */
  #filled: string | undefined

  /** @param hidden - names of columns */
  constructor(connection: DuckDBConnection, hidden: readonly string[]) {
    this.connection = connection
    this.#hidden = hidden
  }

  /** Whether it hides these, and nothing else. */
  hides(hidden: readonly string[]): boolean {
    return this.#hidden.join() === hidden.join()
  }

  /** Begins a transaction in which the view is right. Returns how many leaves it sees. */
  async begin(): Promise<number> {
    const sql = `BEGIN TRANSACTION READ ONLY; SELECT through, filled FROM ${CURSOR_TABLE}`
    for (;;) {
      const [row] = (await this.connection.runAndReadAll(sql)).getRows()
      const [through, filled] = row as [bigint, string]
      if (filled === this.#filled) return Number(through)
      await this.rollback()
      await this.connection.run(viewSql(this.#hidden, filled.split(",")))
      this.#filled = filled
    }
  }

  async rollback(): Promise<void> {
    await this.connection.run("ROLLBACK")
  }
}

function viewSql(hidden: readonly string[], filled: readonly string[]): string {
  const columns = COLUMNS.map(({ name, type }) => {
    if (hidden.includes(name) || !filled.includes(name)) return `NULL::${type} AS "${name}"`
    if (name !== "attributes" || hidden.length === 0) return `"${name}"`
    return `(CASE WHEN ${EVENTS_TABLE}.source = '${OWN_SOURCE}' THEN NULL ELSE "${name}" END)::${type} AS "${name}"`
  })
  return `CREATE OR REPLACE TEMP VIEW ${TABLE} AS SELECT ${columns.join(", ")} FROM ${EVENTS_TABLE}`
}
