/**
 * `prooflog alerts check`: whether files of rules and settings are right, without a server.
 *
 *     prooflog-data: 31 rules, 2 sinks, 1 route
 *     rules/scan.yaml:7:5: rules[0].count: unknown member …
 */

import { existsSync } from "node:fs"
import { compileRules } from "@prooflog/alerts/compile-rules"
import { AlertsError } from "@prooflog/alerts/error"
import type { RuleHead } from "@prooflog/alerts/firing"
import { RuleSet } from "@prooflog/alerts/rule-set"
import { FieldSlots } from "@prooflog/alerts/seen-event"
import { escapeText } from "@prooflog/verifier/report"
import { CliError } from "../error.js"
import { counted, type Terminal } from "../terminal.js"
import { type RulesAt, rulesAt, SETTINGS } from "./rules-at.js"

/** What is said of one path. */
interface Checked {
  readonly path: string
  readonly at?: RulesAt
  readonly rules: readonly RuleHead[]
  /** With file, line and column. */
  readonly refused: readonly AlertsError[]
}

/**
 * Checks each path by itself: a log has one folder of rules.
 *
 * @param paths - as `rulesAt` takes them; none: this folder, if it is that of a log
 * @throws {@link CliError} `CLI_FILE` if anything was refused, after all was said; `CLI_USAGE`; what `rulesAt` throws
 */
export async function checkRules(
  paths: readonly string[],
  asJson: boolean,
  { print }: Pick<Terminal, "print">,
): Promise<void> {
  if (paths.length === 0 && !existsSync(SETTINGS))
    throw new CliError("CLI_USAGE", `this folder has no ${SETTINGS}: name the folder of a log, or files`)
  const all: Checked[] = []
  for (const path of paths.length === 0 ? ["."] : paths) all.push(await check(path))
  const refused = all.flatMap((each) => each.refused)
  if (asJson) {
    const rules = all.flatMap((each) => each.rules)
    const faults = refused.map(({ code, message, line, column }) => ({ code, message, line, column }))
    print(JSON.stringify({ valid: refused.length === 0, rules, refused: faults }))
  } else {
    for (const each of all) for (const line of linesOf(each)) print(escapeText(line))
  }
  if (refused.length > 0)
    throw new CliError(
      "CLI_FILE",
      `${counted(refused.length, "fault")} found: a running log keeps what it has`,
    )
}

async function check(path: string): Promise<Checked> {
  try {
    const at = await rulesAt(path)
    const slots = new FieldSlots()
    const { rules, refused } = compileRules(at.sources, slots, at.settings)
    return { path, at, rules: new RuleSet(rules, slots, at.settings).heads, refused }
  } catch (error) {
    // The settings: without them nobody knows which rules there are.
    if (!(error instanceof AlertsError)) throw error
    return { path, rules: [], refused: [error] }
  }
}

function linesOf({ path, at, rules, refused }: Checked): readonly string[] {
  const faults = refused.map(({ message }) => message)
  if (at === undefined) return faults
  const { sinks, routes, inhibit } = at.settings
  const said = [
    ...(at.sources.length > 0 ? [counted(rules.length, "rule")] : []),
    ...(at.hasSettings ? [counted(sinks.size, "sink"), counted(routes.length, "route")] : []),
    ...(inhibit.length > 0 ? [counted(inhibit.length, "inhibition")] : []),
  ]
  const unheard = at.hasSettings && sinks.size > 0 && routes.length === 0
  return [
    `${path}: ${said.join(", ")}`,
    ...(unheard ? ["  no route leads to a sink: nobody is told of anything"] : []),
    ...faults,
  ]
}
