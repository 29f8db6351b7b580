/**
 * The leaves that an answer comes from: those that its rows name, or those that the server names when it is asked.
 *
 * What the server says of them is suspect, until their evidence is there.
 *
 * Effects: the network.
 */

import { CliError } from "../error.js"
import type { LogServer } from "../log-server.js"
import { askSql, type SqlAnswer } from "../sql-answer.js"
import { count, counted } from "../terminal.js"
import { cannotTell, type Plan } from "./plan.js"
import { refusedRows } from "./refusal.js"

/** Most leaves that one answer is verified by. */
const MAX_LEAVES = 100_000

/**
 * Asks which leaves the answer comes from, of those that were there when it was given. The server's rows may be made
 * anew meanwhile, and begin at nothing: an answer that has seen less says nothing about the first.
 */
export async function askForLeaves(
  server: LogServer,
  plan: Plan,
  { through }: SqlAnswer,
): Promise<SqlAnswer> {
  const { sql, parameters } = plan.leaves
  const most = await mostRows(server)
  const answer = await askSql(server, {
    sql: `${sql} WHERE leaf_index < ${through}`,
    ...(parameters !== undefined && { parameters }),
    limit: most,
    minSize: through,
  }).catch((error: unknown) => {
    throw isBehind(error) ? fellBack(through) : error
  })
  if (answer.through < through) throw fellBack(through)
  if (answer.truncated) {
    const why = `it was computed from more rows than can be proven at once (${counted(answer.rows.length, "row")} of at most ${count(most)} came)`
    throw cannotTell(
      plan.isPlainRows ? `${why}; with leaf_index among its columns, only its own rows have to` : why,
    )
  }
  const names = answer.columns.map(({ name }) => name)
  const expected = ["leaf_index", ...plan.compared]
  if (names.length === expected.length && names.every((name, i) => name === expected[i])) return answer
  throw new CliError(
    "CLI_UNEXPECTED_ANSWER",
    `${server.url}v1/query answered with other columns than were asked for`,
  )
}

function isBehind(error: unknown): boolean {
  return error instanceof CliError && error.problem?.code === "QUERY_BEHIND"
}

function fellBack(through: number): CliError {
  const leaves = counted(through, "leaf", "leaves")
  return cannotTell(`the server's rows no longer go through ${leaves}: they are being made anew; ask again`)
}

/** A server may give fewer rows at once. */
async function mostRows(server: LogServer): Promise<number> {
  const { limits } = await server.json("v1/schema")
  const { rows } = (limits ?? {}) as { readonly rows?: unknown }
  return typeof rows === "number" && rows >= 1 ? Math.min(MAX_LEAVES, rows) : MAX_LEAVES
}

/**
 * @param leafAt - the position of `leaf_index`
 * @returns ascending
 * @throws {@link CliError} `CLI_NOT_VERIFIED` if one is none, or is there twice
 */
export function leavesIn({ rows }: SqlAnswer, leafAt: number): readonly number[] {
  const leaves = new Set<number>()
  for (const row of rows) {
    const leaf = row[leafAt]
    if (!Number.isSafeInteger(leaf) || (leaf as number) < 0)
      throw refusedRows("a row of the answer names no leaf of the log", [row])
    if (leaves.has(leaf as number))
      throw refusedRows(`leaf ${leaf} is in the answer twice, and once in the log`, [row])
    leaves.add(leaf as number)
  }
  return [...leaves].sort((a, b) => a - b)
}
