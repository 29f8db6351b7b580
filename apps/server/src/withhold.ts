/**
 * What a caller is not shown: the fields withheld from its role, and those it asked to leave out itself.
 *
 * Holding several roles, a caller is shown what any of them is shown. A writer is shown all of the events written
 * with its own key, and no others.
 */

import { CORE_NAMES } from "@prooflog/event/schema"
import { ServerError } from "./error.js"
import type { Caller } from "./key-ring.js"
import type { Role } from "./keys.js"
import { malformed } from "./query.js"

/** Names of fields, by the role they are withheld from. */
export type Withholding = Readonly<Partial<Record<Role, readonly string[]>>>

const READING_ROLES = ["reader", "auditor", "admin"] as const satisfies readonly Role[]

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
  return new Set([...first.filter((name) => others.every((list) => list.includes(name))), ...asked])
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
 * @throws {@link ServerError} `SERVER_MALFORMED_QUERY` for a core name: the core is always shown
 */
export function checkWithholdable(names: readonly string[]): readonly string[] {
  const core = names.find((name) => CORE.has(name))
  if (core !== undefined) throw malformed("withhold", `names ${core}, which is in the core and always shown`)
  return names
}

const CORE: ReadonlySet<string> = new Set(CORE_NAMES)
