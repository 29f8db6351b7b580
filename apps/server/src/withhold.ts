/**
 * What a caller is not shown: the fields withheld from its role, and those it asked to leave out itself.
 *
 * Holding several roles, a caller is shown what any of them is shown. A writer is shown all of the events written
 * with its own key, and no others. From whom anything is withheld, the `attributes` of the log's own events are too:
 * they tell what others asked, in words that may be the very values, and how many rows it found.
 */

import { findColumn, WITHHOLDABLE } from "@prooflog/query/columns"
import { nearestName } from "@prooflog/query/nearest"
import { ServerError } from "./error.js"
import type { Caller } from "./key-ring.js"
import { OWN_SOURCE, type Role } from "./keys.js"
import { malformed } from "./query.js"

/** Names of fields, by the role they are withheld from. */
export type Withholding = Readonly<Partial<Record<Role, readonly string[]>>>

/** Roles that something can be withheld from: they read what others wrote. */
export const READING_ROLES = ["reader", "auditor", "admin"] as const satisfies readonly Role[]

/**
 * Returns the names to withhold from a caller in the disclosure of one record.
 *
 * @param writerOf - finds the key that the record was written with; asked only where it matters
 * @throws {@link ServerError} `SERVER_NOT_YOURS` if the caller may not see this record at all
 */
export function withheldFrom(
  caller: Caller,
  writerOf: () => unknown,
  withholding: Withholding,
  asked: readonly string[],
): ReadonlySet<string> {
  if (caller.roles.includes("writer") && caller.keyId === writerOf()) return new Set(asked)
  const lists = READING_ROLES.filter((role) => caller.roles.includes(role)).map(
    (role) => withholding[role] ?? [],
  )
  const [first, ...others] = lists
  if (first === undefined) {
    throw new ServerError(
      "SERVER_NOT_YOURS",
      "a writer may see the events that were written with its own key",
    )
  }
  const withheld = first.filter((name) => others.every((list) => list.includes(name)))
  const isOwn = withheld.length > 0 && writerOf() === OWN_SOURCE
  return new Set([...withheld, ...(isOwn ? ["attributes"] : []), ...asked])
}

/**
 * Returns the names to withhold from a caller in whatever was written with other keys: in rows, which do not say
 * whose they are until they are read.
 *
 * @throws {@link ServerError} `SERVER_NOT_YOURS` if the caller has no role that reads
 */
export function withheldFromReader(caller: Caller, withholding: Withholding): readonly string[] {
  return [...withheldFrom(caller, () => undefined, withholding, [])]
}

/**
 * Checks the names that a query asks to withhold.
 *
 * @throws {@link ServerError} `SERVER_MALFORMED_QUERY` for a name that withholds nothing
 */
export function checkWithholdable(names: readonly string[]): readonly string[] {
  for (const name of names) {
    const why = whyNotWithheld(name)
    if (why !== undefined) throw malformed("withhold", `names ${why}`)
  }
  return names
}

/**
 * Says why a name withholds nothing; `undefined` if it does withhold something. A name that is misspelt would show what
 * was to be hidden.
 *
 * @param name - suspect
 */
export function whyNotWithheld(name: string): string | undefined {
  if (WITHHOLDABLE.includes(name)) return undefined
  const said = JSON.stringify(name.slice(0, 100))
  const column = findColumn(name)
  if (column?.from !== undefined) return `${said}, which is made from ${column.from}: withhold that`
  if (column?.origin === "committed") return `${said}, which is in the core of an event and always shown`
  if (column !== undefined) return `${said}, which is public`
  const near = nearestName(name, WITHHOLDABLE)
  const hint = near === undefined ? "" : `: did you mean ${near}?`
  return `${said}, which no event has${hint}`
}
