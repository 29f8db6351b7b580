/**
 * Verdicts, as a person or a machine reads them: the words are the verifier's, and the same as those
 * of `prooflog-verify`.
 */

import { VerifierError, verdictOf } from "@prooflog/verifier/error"
import { escapeText } from "@prooflog/verifier/report"
import type { Terminal } from "./terminal.js"
import type { Verdict } from "./verb.js"

/** What was verified, in both forms. */
export interface Report {
  /** Several lines; the first one is the verdict. */
  readonly text: string
  readonly json: Readonly<Record<string, unknown>>
}

/**
 * Says what was verified, or why it was refused: both are answers, on stdout.
 *
 * @param verify - returns what it verified; what it throws decides between "not verified" and "could not tell"
 * @throws whatever `verify` threw, unless that was a refusal
 */
export async function sayVerdict(
  verify: () => Report | Promise<Report>,
  asJson: boolean,
  { print, paint }: Terminal,
): Promise<Verdict> {
  try {
    const { text, json } = await verify()
    const [first = "", ...rest] = text.trimEnd().split("\n")
    if (asJson) print(JSON.stringify(json))
    else print([`${paint(["green", "bold"], "✓")} ${paint("bold", first)}`, ...rest].join("\n"))
    return 0
  } catch (error) {
    if (!(error instanceof VerifierError)) throw error
    const { code, message, leafIndex, path } = error
    const isRefused = verdictOf(error) === "refused"
    const verdict = isRefused ? "not verified" : "could not tell"
    if (asJson) print(JSON.stringify({ verdict, code, leaf_index: leafIndex, path, message }))
    if (!isRefused) throw error
    if (!asJson) print(`${paint(["red", "bold"], "✗ not verified:")} ${escapeText(message)} (${code})`)
    return 1
  }
}
