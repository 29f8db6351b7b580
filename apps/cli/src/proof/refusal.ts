/**
 * What is said of an answer that is not what was logged: verdicts, exit code 1.
 *
 *     leaf 17, result: the server says "success", logged was "denied"
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { CliError } from "../error.js"
import type { Row } from "../sql-answer.js"
import { counted } from "../terminal.js"
import type { Difference } from "./compare.js"

/** The first ones are enough to see what is going on. */
const SHOWN = 20

/** Of a value, so much is shown. */
const MAX_VALUE = 200

/** @param differences - at least one */
export function refusedCells(differences: readonly Difference[]): CliError {
  const leaves = new Set(differences.map(({ leafIndex }) => leafIndex))
  const details = differences
    .slice(0, SHOWN)
    .map(
      ({ leafIndex, column, answered, logged }) =>
        `leaf ${leafIndex}, ${column}: the server says ${short(answered)}, logged was ${short(logged)}`,
    )
  const cells = counted(differences.length, "cell")
  const where = counted(leaves.size, "leaf", "leaves")
  return new CliError(
    "CLI_NOT_VERIFIED",
    `${cells} of ${where} ${differences.length === 1 ? "is" : "are"} not what was logged`,
    {
      details: [...details, ...others(differences.length)],
      facts: {
        differences: differences.map(({ leafIndex, column, answered, logged }) => ({
          leaf_index: leafIndex,
          column,
          answered,
          logged,
        })),
      },
    },
  )
}

/**
 * @param answered - rows of the answer that do not follow
 * @param computed - rows that do follow and are not in the answer
 */
export function refusedRows(what: string, answered: readonly Row[], computed: readonly Row[] = []): CliError {
  const details = [
    ...answered.slice(0, SHOWN).map((row) => `the server says ${short(row)}`),
    ...others(answered.length),
    ...computed.slice(0, SHOWN).map((row) => `it should say   ${short(row)}`),
    ...others(computed.length),
  ]
  return new CliError("CLI_NOT_VERIFIED", what, {
    details,
    facts: {
      answered: answered.slice(0, SHOWN),
      ...(computed.length > 0 && { computed: computed.slice(0, SHOWN) }),
    },
  })
}

function others(count: number): readonly string[] {
  return count > SHOWN ? [`… and ${count - SHOWN} more`] : []
}

function short(value: unknown): string {
  const text = JSON.stringify(value)
  return text.length > MAX_VALUE ? `${text.slice(0, MAX_VALUE)}…` : text
}
