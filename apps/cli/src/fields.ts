/**
 * Names of fields, as flags give them.
 *
 * Effects: loads the schema of events, once a name is given. That takes longer than all else a verb loads.
 */

import { CliError } from "./error.js"
import { names } from "./verb.js"

/**
 * Returns the names of `--withhold`.
 *
 * A name that is misspelt would withhold nothing, and show what was to be hidden.
 *
 * @throws {@link CliError} `CLI_USAGE` for a name that no field has, or that is in the core
 */
export async function withheldNames(list: string | undefined): Promise<readonly string[]> {
  const withhold = names("--withhold", list)
  if (withhold.length === 0) return withhold
  const { CORE_NAMES, FIELDS } = await import("@prooflog/event/schema")
  const core = withhold.find((name) => CORE_NAMES.some((each) => each === name))
  if (core !== undefined)
    throw new CliError(
      "CLI_USAGE",
      `${core} is in the core of an event, which is always shown: it cannot be withheld`,
    )
  const unknown = withhold.find((name) => !FIELDS.some((field) => field.name === name))
  if (unknown === undefined) return withhold
  throw new CliError("CLI_USAGE", `no event has a field ${unknown}: nothing would be withheld`)
}
