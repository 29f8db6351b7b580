/**
 * A question as it stands on a command line: its text or `-` for stdin, and its parameters in their order.
 */

import { text } from "node:stream/consumers"
import type { SqlParameters, SqlValue } from "@prooflog/query/store"
import { type Command, InvalidArgumentError } from "commander"
import { CliError } from "./error.js"

const MAX_SQL_BYTES = 1024 * 1024

/** @throws {@link CliError} `CLI_USAGE` if there is no text, or far too much */
export async function readSql(argument: string, stdin: NodeJS.ReadableStream): Promise<string> {
  const sql = argument === "-" ? await text(stdin) : argument
  if (sql.trim() === "") throw new CliError("CLI_USAGE", "there is no SQL to ask")
  if (sql.length > MAX_SQL_BYTES)
    throw new CliError("CLI_USAGE", `SQL of ${sql.length} characters is too long`)
  return sql
}

/** Collects `--param` and `--param-json`, in the order in which they stand. */
export class ParameterFlags {
  readonly #values: SqlValue[] = []
  #named: Readonly<Record<string, SqlValue>> | undefined

  addTo(command: Command): Command {
    return command
      .option("--param <text>", "the next parameter ($1, $2 … or ?), a text; may be repeated", (value) => {
        this.#values.push(value)
      })
      .option(
        "--param-json <json>",
        'the next parameter as JSON: a number, true, false, null; or {"name": …} for all of $name',
        (value) => this.#addJson(value),
      )
  }

  /** @throws {@link CliError} `CLI_USAGE` if some have names and some have not */
  get(): SqlParameters | undefined {
    if (this.#named === undefined) return this.#values.length === 0 ? undefined : this.#values
    if (this.#values.length === 0) return this.#named
    throw new CliError("CLI_USAGE", "parameters are either all named or all in order")
  }

  #addJson(json: string): void {
    let value: unknown
    try {
      value = JSON.parse(json)
    } catch {
      throw new InvalidArgumentError("it is no JSON; a text goes with --param")
    }
    if (isScalar(value)) this.#values.push(value)
    else if (!Array.isArray(value) && Object.values(value as object).every(isScalar))
      this.#named = { ...this.#named, ...(value as Record<string, SqlValue>) }
    else throw new InvalidArgumentError("a parameter is a text, a number, true, false or null")
  }
}

function isScalar(value: unknown): value is SqlValue {
  return value === null || ["string", "number", "boolean"].includes(typeof value)
}
