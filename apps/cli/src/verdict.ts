/**
 * Verdicts, as a person or a machine reads them: the words are the verifier's, and the same as those
 * of `prooflog-verify`.
 */

import { VerifierError, verdictOf } from "@prooflog/verifier/error"
import { escapeText, formatJson } from "@prooflog/verifier/report"
import { CliError } from "./error.js"
import type { Terminal } from "./terminal.js"
import type { Verdict } from "./verb.js"

/** What was verified, in both forms. */
export interface Report {
  /** Several lines; the first one is the verdict. */
  readonly text: string
  readonly json: Readonly<Record<string, unknown>>
}

type Json = Readonly<Record<string, unknown>>

/**
 * Says what was verified, or why it was refused: both are answers, on stdout.
 *
 * @param verify - returns what it verified; what it throws decides between "not verified" and "could not tell"
 * @param within - puts the JSON of a verdict into a larger object
 * @throws whatever `verify` threw, unless that was a refusal
 */
export async function sayVerdict(
  verify: () => Report | Promise<Report>,
  asJson: boolean,
  { print, paint }: Pick<Terminal, "print" | "paint">,
  within: (verdict: Json) => Json = (verdict) => verdict,
): Promise<Verdict> {
  const printJson = (verdict: Json) => print(formatJson(within(verdict)).trimEnd())
  try {
    const { text, json } = await verify()
    const [first = "", ...rest] = text.trimEnd().split("\n")
    if (asJson) printJson(json)
    else print([`${paint(["green", "bold"], "✓")} ${paint("bold", first)}`, ...rest].join("\n"))
    return 0
  } catch (error) {
    const refusal = refusalIn(error)
    if (refusal === undefined) throw error
    const { isRefused, code, message, details, facts } = refusal
    if (asJson) printJson({ verdict: isRefused ? "not verified" : "could not tell", code, ...facts, message })
    if (!isRefused) throw error
    if (asJson) return 1
    print(`${paint(["red", "bold"], "✗ not verified:")} ${escapeText(message)} (${code})`)
    for (const line of details) print(`  ${escapeText(line)}`)
    return 1
  }
}

interface Refusal {
  /** Or nobody could tell. */
  readonly isRefused: boolean
  readonly code: string
  readonly message: string
  readonly details: readonly string[]
  readonly facts: Json
}

/** What an error says of what was verified; nothing if it speaks of something else. */
function refusalIn(error: unknown): Refusal | undefined {
  if (error instanceof VerifierError) {
    const { code, message, leafIndex, path } = error
    const isRefused = verdictOf(error) === "refused"
    return { isRefused, code, message, details: [], facts: { leaf_index: leafIndex, path } }
  }
  if (!(error instanceof CliError)) return undefined
  const { code, message, details, facts } = error
  if (code !== "CLI_NOT_VERIFIED" && code !== "CLI_CANNOT_TELL") return undefined
  return { isRefused: code === "CLI_NOT_VERIFIED", code, message, details, facts }
}
