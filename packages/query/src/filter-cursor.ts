/**
 * Cursors: where the next page begins, by leaf index.
 *
 *     newest first   … 7 8 9 │10 11 12     before-10: leaves less than 10
 *     oldest first   10 11 12│13 14 …      after-12: leaves greater than 12
 *
 * A leaf keeps its index for ever, and new ones only come at the end: a page begun at a cursor neither
 * repeats nor skips a row, however many arrived meanwhile.
 *
 * Pure.
 */

import { QueryError } from "./error.js"

export interface Cursor {
  readonly side: "before" | "after"
  readonly leafIndex: number
}

/** Returns `before-10`: characters that a URL takes as they are. */
export function formatCursor({ side, leafIndex }: Cursor): string {
  return `${side}-${leafIndex}`
}

/** Returns how many leaves an answer must see to tell a whole page: those that the cursor's own answer had seen. */
export function leavesBehind({ side, leafIndex }: Cursor): number {
  return side === "before" ? leafIndex : leafIndex + 1
}

/**
 * Parses what {@link formatCursor} wrote.
 *
 * @param text - suspect
 * @throws {@link QueryError} `QUERY_BAD_FILTER` if it is no cursor, or one of the other order
 */
export function parseCursor(text: string, order: "asc" | "desc"): Cursor {
  const [, side, digits = ""] = /^(before|after)-(0|[1-9]\d{0,15})$/.exec(text) ?? []
  const leafIndex = Number(digits)
  if ((side !== "before" && side !== "after") || !Number.isSafeInteger(leafIndex)) {
    throw badCursor("not a cursor: take it as an earlier answer gave it")
  }
  if (side !== (order === "desc" ? "before" : "after")) throw badCursor("it is a cursor of the other order")
  return { side, leafIndex }
}

function badCursor(what: string): QueryError {
  return new QueryError("QUERY_BAD_FILTER", `"cursor": ${what}`, { parameter: "cursor" })
}
