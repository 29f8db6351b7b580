/**
 * Names of fields, as flags give them.
 */

import { FIELDS } from "@prooflog/event/fields"
import { CliError } from "./error.js"
import { names } from "./verb.js"

/**
 * Returns the names of `--withhold`.
 *
 * A name that is misspelt would withhold nothing, and show what was to be hidden.
 *
 * @throws {@link CliError} `CLI_USAGE` for a name that no field has, or that is in the core
 */
export function withheldNames(list: string | undefined): readonly string[] {
  const withhold = names("--withhold", list)
  for (const name of withhold) {
    const field = FIELDS.find((each) => each.name === name)
    if (field === undefined)
      throw new CliError("CLI_USAGE", `no event has a field ${name}: nothing would be withheld`)
    if (field.core)
      throw new CliError(
        "CLI_USAGE",
        `${name} is in the core of an event, which is always shown: it cannot be withheld`,
      )
  }
  return withhold
}
