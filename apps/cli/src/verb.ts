/**
 * What a verb is: a function that ends in a verdict.
 *
 *     0   verified, or done
 *     1   not verified: said on purpose, never by a crash
 *     2   could not tell: thrown, whatever was thrown
 */

import type { Command } from "commander"
import { CliError } from "./error.js"
import type { Terminal } from "./terminal.js"

export type Verdict = 0 | 1

/** The surroundings a verb works in. */
export interface Surroundings {
  readonly terminal: Terminal
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Where a verb leaves its verdict. Nothing there means that it never came to one. */
  verdict: Verdict | undefined
}

/** Adds a verb to the program. */
export type AddVerb = (program: Command, surroundings: Surroundings) => void

/**
 * Splits `a,b` into its names; a flag that was not given has none.
 *
 * @throws {@link CliError} `CLI_USAGE` for what is no name: an empty `--withhold "$NAMES"` must not show everything
 */
export function names(flag: string, list: string | undefined): readonly string[] {
  if (list === undefined) return []
  const found = list.split(",")
  if (found.every((name) => /^[a-z][a-z0-9_]*$/.test(name))) return found
  throw new CliError("CLI_USAGE", `${flag} takes names with commas between them, not ${JSON.stringify(list)}`)
}
