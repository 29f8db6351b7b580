/**
 * What a hold takes: its predicate, asked of the rows for some leaves.
 *
 * The rows must have come as far as the newest of those leaves; rows of archived records stay among them.
 */

import { QueryError } from "@prooflog/query/error"
import { type Filter, filterSql, parseRowFilter, type SqlText } from "@prooflog/query/listing"
import type { Reading } from "../reading.js"
import { personSql, rowsOf } from "./erase-leaves.js"
import type { HoldScope } from "./hold-file.js"

/** Leaves asked about at once: a statement of 50 KB. */
const AT_ONCE = 5_000

/**
 * Returns those of some leaves that a hold takes.
 *
 * @throws QueryError if that cannot be told of each of them
 */
export async function leavesTaken(
  reading: Reading,
  scope: HoldScope,
  leaves: readonly number[],
): Promise<readonly number[]> {
  const { sql, parameters } = holdSql(scope)
  const taken: number[] = []
  const minSize = leaves.reduce((most, leaf) => Math.max(most, leaf + 1), 0)
  for (let at = 0; at < leaves.length; at += AT_ONCE) {
    const some = leaves.slice(at, at + AT_ONCE)
    const asked = `SELECT DISTINCT leaf_index FROM (${sql}\n) AS held WHERE leaf_index IN (${some.join()})`
    for (const [leaf] of await rowsOf(reading, { sql: asked, parameters }, minSize))
      taken.push(leaf as number)
  }
  return taken
}

/**
 * Finds out whether a hold can be asked at all, before it is placed; and how many events it takes now.
 *
 * @param withheld - names hidden from whoever places it: the number tells nothing of them
 * @throws QueryError as for the question, with the place in its text
 */
export async function checkHold(
  reading: Reading,
  scope: HoldScope,
  minSize: number,
  withheld: readonly string[],
): Promise<number> {
  // As it was written, so that an error points into it.
  if ("sql" in scope) {
    const { columns } = await reading.sql({ sql: scope.sql, limit: 1, withheld })
    // Of two that are named so, only the first would be asked.
    const [leaf, second] = columns.filter(({ name }) => name.toLowerCase() === "leaf_index")
    if (
      leaf?.name !== "leaf_index" ||
      second !== undefined ||
      !/^U?(BIG|HUGE|SMALL|TINY)?INT(EGER)?$/.test(leaf.type)
    ) {
      const hint = "SELECT leaf_index FROM access_logs WHERE …"
      throw new QueryError("QUERY_INVALID", "a hold needs one column leaf_index of the log", { hint })
    }
  }
  const { sql, parameters } = holdSql(scope)
  const counted = `SELECT count(DISTINCT leaf_index) FROM (${sql}\n) AS held`
  const [[count] = []] = await rowsOf(reading, { sql: counted, parameters }, minSize, withheld)
  return Number(count)
}

function holdSql(scope: HoldScope): { readonly sql: string; readonly parameters: SqlText["parameters"] } {
  if ("user_id" in scope) return personSql(scope.user_id)
  if ("sql" in scope) return { sql: scope.sql.replace(/[\s;]+$/, ""), parameters: [] }
  return filterSql(withOwnEvents(parseRowFilter(new URLSearchParams(scope.filter))))
}

/** Elsewhere a filter leaves out events about the log itself: here that would let them be destroyed. */
function withOwnEvents(filter: Filter): Filter {
  if (filter.conditions.some(({ column }) => column === "source")) return filter
  return {
    ...filter,
    conditions: [...filter.conditions, { column: "source", test: "exists", values: [true] }],
  }
}
