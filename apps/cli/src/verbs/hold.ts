/**
 * `prooflog hold`: what must not be destroyed, by order.
 */

import { escapeText } from "@prooflog/verifier/report"
import type { Command } from "commander"
import { CliError } from "../error.js"
import { filterOf } from "../filter-argument.js"
import { LogServer, logAddress, URL_FLAG } from "../log-server.js"
import { readSql } from "../sql-argument.js"
import { counted } from "../terminal.js"
import type { Surroundings } from "../verb.js"

interface HoldFlags {
  readonly json?: true
  readonly url?: string
}

interface PlaceFlags extends HoldFlags {
  readonly user?: string
  readonly sql?: string
  readonly reason: string
}

export function addHold(program: Command, surroundings: Surroundings): void {
  const hold = program
    .command("hold")
    .description("place, lift and list holds: what is under one is not destroyed, by any path")
  const add = (name: string, description: string) =>
    hold
      .command(name)
      .description(`${description}; needs an admin's key`)
      .option("--json", "print as JSON")
      .option(...URL_FLAG)

  add("place", "place a hold on a user, on filters, or on a question")
    .argument("[filter...]", "COLUMN=VALUE …, as those of prooflog tail, with from= and to=")
    .option("--user <id>", "events of a user, done for them, and about who asked for them")
    .option("--sql <sql>", "one SELECT over access_logs with a column leaf_index; - for SQL from stdin")
    .requiredOption("--reason <text>", "why, and by whose order; it is kept, and not public")
    .addHelpText("after", EXAMPLES)
    .action(async (filters: readonly string[], flags: PlaceFlags) => {
      const scope = await scopeIn(filters, flags)
      const server = new LogServer(logAddress(surroundings.environment, flags.url, "admin"))
      const placed = await server.post("v1/holds", { ...scope, why: flags.reason })
      const { print } = surroundings.terminal
      if (flags.json) print(JSON.stringify(placed))
      else print(`${describe(placed)}; it takes ${counted(Number(placed.takes), "event")} now`)
      surroundings.verdict = 0
    })

  add("release", "lift a hold")
    .argument("<id>", "hold_ and 16 hex digits")
    .requiredOption("--reason <text>", "why, and by whose order")
    .action(async (id: string, { reason, json, url }: HoldFlags & { readonly reason: string }) => {
      const server = new LogServer(logAddress(surroundings.environment, url, "admin"))
      const lifted = await server.post(`v1/holds/${encodeURIComponent(id)}/release`, { why: reason })
      surroundings.terminal.print(json ? JSON.stringify(lifted) : describe(lifted))
      surroundings.verdict = 0
    })

  add("list", "list every hold, the lifted ones too").action(async ({ json, url }: HoldFlags) => {
    const server = new LogServer(logAddress(surroundings.environment, url, "admin"))
    const { holds } = await server.json("v1/holds")
    if (!Array.isArray(holds))
      throw new CliError("CLI_UNEXPECTED_ANSWER", `${server.url}v1/holds did not answer as a log does`)
    const { print } = surroundings.terminal
    if (json) print(JSON.stringify({ holds }))
    else for (const each of holds) print(describe(each))
    surroundings.verdict = 0
  })
}

const EXAMPLES = `
Examples:
  prooflog hold place --user U12345 --reason "case 4711"
  prooflog hold place resource_accessed.prefix=/payroll from=2023-10-01 to=2024-01-01 --reason "audit of payroll"
  prooflog hold place --sql "SELECT leaf_index FROM access_logs WHERE result = 'denied'" --reason "case 4712"

A hold takes what comes later, too. In public stands only that one was placed, and when.`

async function scopeIn(filters: readonly string[], { user, sql }: PlaceFlags): Promise<object> {
  const given = [filters.length > 0, user !== undefined, sql !== undefined].filter(Boolean).length
  if (given !== 1)
    throw new CliError("CLI_USAGE", "a hold is on filters, or on --user, or on --sql: on one of them")
  if (user !== undefined) return { user_id: user }
  if (sql !== undefined) return { sql: await readSql(sql, process.stdin) }
  return { filter: String(filterOf(filters)) }
}

/** One line, whatever the server said. */
function describe(hold: unknown): string {
  const said = (hold ?? {}) as Readonly<Record<string, unknown>>
  const { id, in_force, user_id, filter, sql, why } = said
  const { at, by } = (said.placed ?? {}) as Readonly<Record<string, unknown>>
  const lifted = said.released as Readonly<Record<string, unknown>> | undefined
  const what = user_id !== undefined ? `user ${user_id}` : (filter ?? sql ?? "forgotten")
  const end = in_force === true ? "in force" : `lifted ${lifted?.at} by ${lifted?.by}`
  return escapeText(
    `${id}  ${end}  placed ${at} by ${by}  on ${what}${why === undefined ? "" : `  (${why})`}`,
  )
}
