/**
 * Which leaves a case is about: those of a person, of a filter, or given.
 *
 *     a person's   user_id is theirs, or on_behalf_of; and events of the log about itself whose `attributes` quote them
 *
 * Asked of the rows, which must have come as far as the log.
 */

import { TABLE } from "@prooflog/query/columns"
import { QueryError } from "@prooflog/query/error"
import { filterSql, parseRowFilter, type SqlText } from "@prooflog/query/listing"
import { OWN_SOURCE } from "../keys.js"
import type { Reading } from "../reading.js"
import type { CaseScope } from "./case-file.js"

/** A leaf that a case is about. */
export interface FoundLeaf {
  readonly leafIndex: number
  readonly className: string
  /** As SQL says it: UTC, to the microsecond. */
  readonly receivedAt: string
}

/** Rows asked for at once. */
const PAGE = 10_000

/** The same with attributes: 16 MiB at most. */
const ATTRIBUTES_PAGE = 1_000

/** Leaves of one case: of more, several are made. */
export const MOST_LEAVES = 1_000_000

/**
 * Returns the leaves of a scope, ascending.
 *
 * @param minSize - leaves that the answer must have seen
 * @throws QueryError, among it `QUERY_BEHIND`; `QUERY_FAILED` past {@link MOST_LEAVES}
 */
export async function findLeaves(
  reading: Reading,
  scope: Exclude<CaseScope, { readonly leaves: unknown }>,
  minSize: number,
): Promise<readonly FoundLeaf[]> {
  const found = new Map<number, FoundLeaf>()
  const add = ([leafIndex, className, receivedAt]: readonly unknown[]) => {
    const leaf = {
      leafIndex: leafIndex as number,
      className: String(className),
      receivedAt: String(receivedAt),
    }
    found.set(leaf.leafIndex, leaf)
    if (found.size > MOST_LEAVES)
      throw new QueryError(
        "QUERY_FAILED",
        `a case has at most ${MOST_LEAVES} records: divide it by from and to`,
      )
  }
  if ("filter" in scope) {
    const rows = filterSql(parseRowFilter(new URLSearchParams(scope.filter)))
    await forEachRow(reading, rows, "NULL", PAGE, minSize, add)
  } else {
    const person = scope.user_id
    await forEachRow(reading, ofPerson(person), "NULL", PAGE, minSize, add)
    await forEachRow(reading, quotingPerson(person), "attributes", ATTRIBUTES_PAGE, minSize, (row) => {
      if (quotes(row[3], person)) add(row)
    })
  }
  return [...found.values()].sort((a, b) => a.leafIndex - b.leafIndex)
}

/** Tells each row of a statement: leaf index, class, when it was received, and another column. */
async function forEachRow(
  reading: Reading,
  { sql, parameters }: SqlText,
  column: string,
  page: number,
  minSize: number,
  tell: (row: readonly unknown[]) => void,
): Promise<void> {
  for (let last = -1; ; ) {
    const part =
      `SELECT leaf_index, class, received_at, ${column} FROM (${sql}) AS found` +
      ` WHERE leaf_index > ${last} ORDER BY leaf_index LIMIT ${page}`
    const rows = await rowsOf(reading, { sql: part, parameters }, minSize)
    for (const row of rows) tell(row)
    if (rows.length < page) return
    last = rows.at(-1)?.[0] as number
  }
}

/** Events of a person, or done for them. */
function ofPerson(userId: string): SqlText {
  return { sql: `SELECT * FROM ${TABLE} WHERE ${THEIRS}`, parameters: [userId] }
}

/** Events about the log itself that quote a person, and some that only seem to. */
function quotingPerson(userId: string): SqlText {
  const parameters = quotations(userId)
  return { sql: `SELECT * FROM ${TABLE} WHERE ${quoting(parameters.length, 1)}`, parameters }
}

/** Statement for all of them, and some that only seem to quote the person: what is kept may be more. */
export function personSql(userId: string): SqlText {
  const quoted = quotations(userId)
  const sql = `SELECT * FROM ${TABLE} WHERE ${THEIRS} OR (${quoting(quoted.length, 2)})`
  return { sql, parameters: [userId, ...quoted] }
}

const THEIRS = "user_id = $1::VARCHAR OR on_behalf_of = $1::VARCHAR"

/** @param first - number of the first parameter of `count` */
function quoting(count: number, first: number): string {
  const contains = Array.from(
    { length: count },
    (_, i) => `contains(attributes::VARCHAR, $${first + i}::VARCHAR)`,
  )
  return `source = '${OWN_SOURCE}' AND (${contains.join(" OR ")})`
}

/** Asks once; all of the answer must be there. */
export async function rowsOf(
  reading: Reading,
  { sql, parameters }: SqlText,
  minSize: number,
  withheld: readonly string[] = [],
): Promise<readonly (readonly unknown[])[]> {
  const answer = await reading.sql({ sql, parameters, limit: PAGE, minSize, withheld })
  // Made anew while it was asked, they may have begun again.
  if (answer.through < minSize)
    throw new QueryError("QUERY_BEHIND", `answers see ${answer.through} leaves, not ${minSize}`)
  if (answer.truncated) throw new QueryError("QUERY_FAILED", "the answer is too long to be destroyed by")
  return JSON.parse(Buffer.from(answer.rowsJson).toString()) as unknown[][]
}

/** How a text may stand in the attributes of an own event: in SQL, in a URL, in JSON within JSON. */
function quotations(text: string): readonly string[] {
  const said = [text, text.replaceAll("'", "''"), encodeURIComponent(text), inForm(text), inJson(text)]
  return [...new Set([...said, ...said.map(inJson)])]
}

function inForm(text: string): string {
  return new URLSearchParams([["", text]]).toString().slice(1)
}

function inJson(text: string): string {
  return JSON.stringify(text).slice(1, -1)
}

/**
 * Whether attributes quote a person: a text in them has the id, and no letter, digit or underscore goes on beside it.
 * `U1` is not in `U12`. An id without any letter or digit would be in every text, and is taken to be in none.
 */
export function quotes(attributes: unknown, userId: string): boolean {
  if (!/[\p{L}\p{N}]/u.test(userId)) return false
  const values =
    typeof attributes === "object" && attributes !== null ? Object.values(attributes) : [attributes]
  const forms = [userId, userId.replaceAll("'", "''"), inJson(userId)]
  return values.some((value) => {
    if (typeof value === "object" && value !== null) return quotes(value, userId)
    if (typeof value !== "string") return String(value) === userId
    return [value, decoded(value)].some((text) => forms.some((form) => hasWord(text, form)))
  })
}

function hasWord(text: string, word: string): boolean {
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
    if (!goesOn(text[at - 1], word[0]) && !goesOn(word.at(-1), text[at + word.length])) return true
  }
  return false
}

/** Whether two characters beside each other are of one word. */
function goesOn(a: string | undefined, b: string | undefined): boolean {
  return a !== undefined && b !== undefined && /[\p{L}\p{N}_]/u.test(a) && /[\p{L}\p{N}_]/u.test(b)
}

/** A query of a URL in plain text; what is none stays as it is. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "))
  } catch {
    return text
  }
}
