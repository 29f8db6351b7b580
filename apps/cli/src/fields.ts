/**
 * Names of fields, as flags give them.
 *
 * Pure.
 */

import { FIELDS } from "@prooflog/event/schema"
import { CliError } from "./error.js"
import { names } from "./verb.js"

/**
 * Returns the names of `--withhold`.
 *
 * A name that is misspelt would withhold nothing, and show what was to be hidden.
 *
 * @throws {@link CliError} `CLI_USAGE`
 */
export function withheldNames(list: string | undefined): readonly string[] {
  const withhold = names("--withhold", list)
  const unknown = withhold.find((name) => !FIELDS.some((field) => field.name === name))
  if (unknown === undefined) return withhold
  throw new CliError("CLI_USAGE", `no event has a field ${unknown}: nothing would be withheld`)
}
