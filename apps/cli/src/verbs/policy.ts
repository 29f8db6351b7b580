/**
 * `prooflog policy check`: what a policy asks for, and what it can bear, in plain words.
 *
 *     0   read and explained, warnings on stderr      2   not a policy, with its line
 *
 * A weak policy is no lie: exit code 1 is not for it.
 */

import { formatVerifierKey } from "@prooflog/tlog/key"
import type { Policy } from "@prooflog/tlog/policy"
import { type Tolerance, toleranceOf } from "@prooflog/tlog/quorum-tolerance"
import { escapeText, formatJson } from "@prooflog/verifier/report"
import type { Command } from "commander"
import { readPolicy } from "../policy.js"
import { counted, type Terminal } from "../terminal.js"
import type { Surroundings } from "../verb.js"

interface Flags {
  readonly json?: true
}

export function addPolicy(program: Command, surroundings: Surroundings): void {
  program
    .command("policy")
    .description("explain a policy file")
    .command("check")
    .description("say what its quorum can bear: how many witnesses may lie, how many may be silent")
    .argument("<file>", "a policy (c2sp.org/tlog-policy)")
    .option("--json", "print as JSON")
    .action(async (path: string, { json }: Flags) => {
      const policy = await readPolicy(path)
      explain(policy, toleranceOf(policy), json === true, surroundings.terminal)
      surroundings.verdict = 0
    })
}

function explain(policy: Policy, tolerance: Tolerance, asJson: boolean, { print, say }: Terminal): void {
  const warnings = [...(policy.logs.length === 0 ? [NO_LOG] : []), ...tolerance.warnings]
  if (asJson) {
    print(formatJson(jsonOf(policy, tolerance, warnings)).trimEnd())
    return
  }
  for (const line of linesFor(policy, tolerance)) print(escapeText(line))
  for (const warning of warnings) say(`warning: ${escapeText(warning)}`)
}

const NO_LOG = "It names no log: nothing can be verified by it."

function linesFor(policy: Policy, tolerance: Tolerance): readonly string[] {
  const { logs, witnesses, groups, quorum } = policy
  return [
    ...logs.map(({ key, url }) => row("log", `${key.name}${url === undefined ? "" : ` at ${url}`}`)),
    ...witnesses.map(({ name, key, url }) =>
      row("witness", `${name}, which signs as ${key.name}, ${url === undefined ? "no URL" : `at ${url}`}`),
    ),
    ...groups.map(({ name, threshold, members }) =>
      row("group", `${name}: ${threshold} of ${members.length}: ${members.join(" ")}`),
    ),
    row("quorum", quorumWords(quorum, tolerance)),
    row("may collude", colludeWords(tolerance)),
    row("may be silent", silentWords(tolerance)),
    ...urlWords(policy),
  ]
}

function row(label: string, text: string): string {
  return `${label.padEnd(15)}${text}`
}

function quorumWords(quorum: string, { witnesses, needed }: Tolerance): string {
  if (needed === 0) return `${quorum}: no cosignature is asked for`
  if (needed === undefined) return `${quorum}: it can never be met`
  return `${quorum}: at least ${needed} of ${counted(witnesses, "witness", "witnesses")} must cosign`
}

function colludeWords({ splitBy }: Tolerance): string {
  if (splitBy === undefined) return "all: nothing is ever believed"
  if (splitBy === 0) return "none need to: the log alone can show two clients different histories"
  const liars = splitBy === 1 ? "1 that lies" : `${splitBy} that lie`
  return `${splitBy - 1}: it takes ${liars}, together with the log, to show two clients different histories`
}

function silentWords({ stoppedBy }: Tolerance): string {
  if (stoppedBy === undefined) return "all: none is asked"
  if (stoppedBy === 0) return "none: it cannot be met anyway"
  const silent = stoppedBy === 1 ? "1 that is silent" : `${stoppedBy} that are silent`
  return `${stoppedBy - 1}: ${silent} can stop new heads from being believed`
}

/** Readers need no URLs; the log that publishes by the policy does. */
function urlWords({ witnesses }: Policy): readonly string[] {
  const names = witnesses.filter(({ url }) => url === undefined).map(({ name }) => name)
  if (names.length === 0) return []
  return [row("no URL", `${names.join(" ")}: enough to verify by, but a log cannot ask them to cosign`)]
}

/** Counts are `null` where there is no such number. */
function jsonOf(
  { logs, witnesses, groups, quorum }: Policy,
  tolerance: Tolerance,
  warnings: readonly string[],
): Readonly<Record<string, unknown>> {
  const { needed, splitBy, stoppedBy } = tolerance
  return {
    logs: logs.map(({ key, url }) => ({ origin: key.name, key: formatVerifierKey(key), url: url ?? null })),
    witnesses: witnesses.map(({ name, key, url }) => ({
      name,
      key: formatVerifierKey(key),
      url: url ?? null,
    })),
    groups,
    quorum,
    counted_witnesses: tolerance.witnesses,
    needed: needed ?? null,
    split_by: splitBy ?? null,
    stopped_by: stoppedBy ?? null,
    warnings,
  }
}
