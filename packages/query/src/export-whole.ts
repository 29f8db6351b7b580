/**
 * Whether the rows of a question are events as they were logged: what a file may attest of them.
 *
 *     SELECT * FROM access_logs WHERE …                            yes
 *     SELECT * REPLACE ('mallory' AS user_id) FROM access_logs     no: the leaf says otherwise
 *     SELECT user_name AS user_id, … FROM access_logs              no
 *
 * Whatever is not surely so is answered with no.
 */

import { analyse } from "./analyse.js"
import { QueryError } from "./error.js"
import type { OutputColumn, QueryStore } from "./store.js"

/**
 * Refuses a question of which any row is not one event, or any column does not show what its name says.
 *
 * @param sql - suspect
 * @param columns - of its answer
 * @throws {@link QueryError} `QUERY_INVALID`
 */
export async function requireWholeEvents(
  { trees }: Pick<QueryStore, "trees">,
  sql: string,
  columns: readonly OutputColumn[],
): Promise<void> {
  const { columns: shown, isPlainRows, isSingleSelect } = await analyse(trees, sql)
  if (!isSingleSelect || !isPlainRows || shown === undefined) throw unfit("each row must be one event")
  if (shown.length !== columns.length) throw unfit("its columns cannot be told from the question")
  const changed = columns.find(({ name }, at) => shown[at] !== name)
  if (changed === undefined) return
  throw unfit(`${changed.name.slice(0, 100)} is computed, or another column under this name`)
}

function unfit(what: string): QueryError {
  return new QueryError("QUERY_INVALID", `this file attests what was logged, as it was logged: ${what}`, {
    hint: "SELECT * FROM access_logs WHERE …",
  })
}
