/**
 * `prooflog alerts rules`, `check`, `test`, `backtest`: rules in force, and rules that might be.
 */

import { escapeText } from "@prooflog/verifier/report"
import { type Command, Option } from "commander"
import { FORMATS, type Format } from "../import-format.js"
import { readYear, readZone, syslogTime } from "../syslog-time.js"
import type { Surroundings } from "../verb.js"
import { rulesIn } from "./alert-answer.js"
import { addLogCommand, type LogFlags, logServer } from "./alert-command.js"
import { rulesTable } from "./alert-table.js"

interface TestFlags {
  readonly format: Format
  readonly year?: number
  readonly zone?: string
  readonly source: string
  readonly mmdb?: readonly string[]
  readonly json?: true
}

interface BacktestFlags extends LogFlags {
  readonly from?: string
  readonly to?: string
  readonly mmdb?: readonly string[]
}

/** A server that is busy, or restarted, while its history is read. */
const PATIENCE_MS = 30_000

const RULES = [
  "<rules>",
  "a file or a folder of rules, the folder of a log, or shipped: those that come with the log",
] as const

const MMDB = [
  "--mmdb <file>",
  "a database of addresses, for country and network; may be repeated",
  collected,
] as const

export function addRuleCommands(alerts: Command, surroundings: Surroundings): void {
  const { terminal } = surroundings
  const { print, say } = terminal

  addLogCommand(
    alerts,
    "rules",
    "reader",
    "list the rules in force, and what is wrong with their files",
  ).action(async (flags: LogFlags) => {
    const answer = await logServer("reader", flags, surroundings).json("v1/alert-rules")
    const told = rulesIn(answer)
    for (const line of flags.json ? [JSON.stringify(answer)] : rulesTable(told)) print(line)
    if (!flags.json) for (const reason of told.refused) say(`refused  ${escapeText(reason)}`)
    surroundings.verdict = 0
  })

  alerts
    .command("check")
    .description("say whether rules and settings are right, with file, line and column; asks nobody")
    .argument(
      "[path...]",
      "a file of rules or settings, a folder of rules, the folder of a log (default: this one)",
    )
    .option("--json", "print as JSON")
    .action(async (paths: readonly string[], { json }: LogFlags) => {
      const { checkRules } = await import("./check-rules.js")
      await checkRules(paths, json === true, terminal)
      surroundings.verdict = 0
    })

  alerts
    .command("test")
    .description(
      "try rules on the events of a file, and say what fires at which line; asks nobody, tells nobody",
    )
    .argument(...RULES)
    .argument("<file>", "plain or gzipped; for cloudtrail also a folder of files")
    .addOption(new Option("--format <format>", "how the file is written").choices(FORMATS).default("ndjson"))
    .option("--year <year>", "year of the first line: sshd writes none", readYear)
    .option("--zone <zone>", "zone of the lines, Z or as +02:00: sshd writes none", readZone)
    .option("--source <name>", "the source of the key that would send the events", "api")
    .option(...MMDB)
    .option("--json", "print each firing as one line of JSON")
    .addHelpText("after", TEST)
    .action(async (rules: string, path: string, flags: TestFlags) => {
      const { format, source, mmdb, json } = flags
      const time = syslogTime(flags)
      const { testRules } = await import("./test-rules.js")
      const asked = { rules, path, format, source, json: json === true }
      await testRules({ ...asked, ...(time && { time }), ...(mmdb && { mmdb }) }, terminal)
      surroundings.verdict = 0
    })

  addLogCommand(
    alerts,
    "backtest",
    "auditor",
    "say what rules would have found in the history of a running log",
  )
    .argument(...RULES)
    .option(
      "--from <time>",
      "of events from then on, such as 2023-10-01 or 2023-10-01T12:00:00Z (default: all)",
    )
    .option("--to <time>", "likewise; not of what happened then or later (default: now)")
    .option(...MMDB)
    .addHelpText("after", BACKTEST)
    .action(async (rules: string, flags: BacktestFlags) => {
      const { from, to, mmdb, json } = flags
      const server = logServer("auditor", flags, surroundings, PATIENCE_MS)
      const { timeIn } = await import("./logged-events.js")
      const span = {
        from: from === undefined ? 0 : timeIn("--from", from),
        to: to === undefined ? Date.now() * 1000 : timeIn("--to", to),
      }
      const { backtest } = await import("./backtest.js")
      await backtest(server, { rules, span, json: json === true, ...(mmdb && { mmdb }) }, terminal)
      surroundings.verdict = 0
    })
}

const TEST = `
Examples:
  prooflog alerts test rule.yaml events.ndjson
  prooflog alerts test shipped access.log.gz --format combined
  prooflog alerts test rules/ auth.log --format sshd --year 2017 --zone +00:00

Each event counts as received when it happened, so that history fires here. Rules that learn begin with the first event.
Exit codes: 0 tried, whatever fired; 2 a rule was refused, or the file could not be read.`

const BACKTEST = `
Examples:
  prooflog alerts backtest rules/scan.yaml --from 2023-10-01 --to 2023-11-01
  prooflog alerts backtest prooflog-data --from 2023-10-01

Each event counts as received when it happened. Rules that learn begin with the first event; those about the health of
the log are not tried. It reads records, which is itself an event; it tells nobody, and changes nothing.`

function collected(value: string, soFar: readonly string[] | undefined): readonly string[] {
  return [...(soFar ?? []), value]
}
