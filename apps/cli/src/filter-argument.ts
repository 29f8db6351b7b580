/**
 * Filters as they stand on a command line: `user_id=U1 user_id=U2 resource_accessed.prefix=/admin from=2023-10-01`.
 *
 * Pure.
 */

import { CliError } from "./error.js"

const FILTER = /^([a-z][a-z0-9_]*(?:\.[a-z]+)?)=(.*)$/s

/** @returns whether each of the arguments reads as a filter */
export function areFilters(args: readonly string[]): boolean {
  return args.every((arg) => FILTER.test(arg))
}

/**
 * Returns the filters as the query of a URL.
 *
 * @throws {@link CliError} `CLI_USAGE` for an argument that is none
 */
export function filterOf(args: readonly string[]): URLSearchParams {
  const query = new URLSearchParams()
  for (const arg of args) {
    const [, name, value] = FILTER.exec(arg) ?? []
    if (name === undefined || value === undefined)
      throw new CliError(
        "CLI_USAGE",
        `not a filter: ${JSON.stringify(arg)}; one is COLUMN=VALUE, such as user_id=U12345`,
      )
    query.append(name, value)
  }
  return query
}
