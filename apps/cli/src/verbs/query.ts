/**
 * `prooflog query`: a question in SQL, and the proof of its answer.
 */

import { CORE_NAMES } from "@prooflog/event/schema"
import { csvText } from "@prooflog/query/export-csv"
import type { Policy } from "@prooflog/tlog/policy"
import { formatJson } from "@prooflog/verifier/report"
import { type Command, InvalidArgumentError } from "commander"
import { showAnswer } from "../answer-table.js"
import { CliError } from "../error.js"
import { withheldNames } from "../fields.js"
import { LogServer, logAddress } from "../log-server.js"
import { readPolicy } from "../policy.js"
import { startProgress } from "../progress.js"
import { askSql, type Question, type SqlAnswer } from "../sql-answer.js"
import { ParameterFlags, readSql } from "../sql-argument.js"
import { counted, duration, type Terminal } from "../terminal.js"
import type { Surroundings, Verdict } from "../verb.js"
import { type Report, sayVerdict } from "../verdict.js"

interface QueryFlags {
  readonly json?: true
  readonly csv?: true
  readonly limit?: number
  readonly minSize?: number
  readonly verify?: true
  readonly policy?: string
  readonly evidence?: string
  readonly withhold?: string
  readonly url?: string
}

export function addQuery(program: Command, surroundings: Surroundings): void {
  const parameters = new ParameterFlags()
  const command = program
    .command("query")
    .description("ask the log in SQL; with --verify, prove the answer")
    .argument("<sql>", "one SELECT over access_logs; - reads it from stdin")
  parameters
    .addTo(command)
    .option("--json", "print the answer as one JSON object")
    .option("--csv", "print the answer as CSV, safe to open in a spreadsheet")
    .option("--limit <n>", "most rows of the answer (default: 10,000)", wholeNumber)
    .option("--min-size <n>", "wait until the answer reaches a tree of this size", wholeNumber)
    .option("--verify", "prove the answer from what was logged; exit code 1 if it does not follow")
    .option(
      "--policy <file>",
      "with --verify: whose signatures you trust, the log's policy file, from where you trust it",
    )
    .option("--evidence <file>", "with --verify: write the evidence of all its rows, for prooflog verify")
    .option("--withhold <names>", "with --evidence: fields to hide in it, such as ip_address,user_agent")
    .option("--url <url>", "the log's URL (default: PROOFLOG_URL)")
    .addHelpText("after", EXAMPLES)
    .action(async (argument: string, flags: QueryFlags) => {
      const { environment, terminal } = surroundings
      checkFlags(flags)
      const given = parameters.get()
      const question: Question = {
        sql: await readSql(argument, process.stdin),
        ...(given !== undefined && { parameters: given }),
        ...(flags.limit !== undefined && { limit: flags.limit }),
        ...(flags.minSize !== undefined && { minSize: flags.minSize }),
      }
      const server = new LogServer(logAddress(environment, flags.url, "a reader's key"))
      surroundings.verdict = await ask(server, question, flags, terminal)
    })
}

const EXAMPLES = `
Examples:
  prooflog query "SELECT * FROM access_logs WHERE user_id = 'U12345' AND timestamp > '2023-10-01';"
  prooflog query "SELECT result, count(*) FROM access_logs WHERE user_id = \\$1 GROUP BY ALL" --param U12345
  prooflog query "SELECT leaf_index, action FROM access_logs WHERE result = 'denied'" --verify --policy policy
  prooflog query - --csv < question.sql > answer.csv

A verified answer says that its rows are in the log, never that there are no others.`

function checkFlags({ json, csv, verify, policy, evidence, withhold }: QueryFlags): void {
  if (json && csv) throw new CliError("CLI_USAGE", "--json and --csv are two answers: ask for one")
  if (verify && policy === undefined)
    throw new CliError("CLI_USAGE", "--verify needs --policy FILE: whose signatures you trust")
  if (!verify && (policy ?? evidence) !== undefined)
    throw new CliError(
      "CLI_USAGE",
      "--policy and --evidence say something of --verify, which is not asked for",
    )
  if (withhold !== undefined && evidence === undefined)
    throw new CliError("CLI_USAGE", "--withhold says what --evidence FILE is not to show")
}

async function ask(
  server: LogServer,
  question: Question,
  flags: QueryFlags,
  terminal: Terminal,
): Promise<Verdict> {
  const policy = flags.policy === undefined ? undefined : await readPolicy(flags.policy)
  const hidden = hideableNames(flags.withhold)
  const started = performance.now()
  const answer = await askSql(server, question)
  const ms = performance.now() - started
  if (policy === undefined) {
    show(answer, flags, terminal)
    sayHow(answer, ms, terminal)
    return 0
  }
  // As JSON, the answer and its verdict are one object.
  if (!flags.json) show(answer, flags, terminal)
  sayHow(answer, ms, terminal)
  // Beside CSV there is no room for a verdict.
  const verdictTo = flags.csv ? { ...terminal, print: terminal.say } : terminal
  const verify = () => verified(server, policy, question, answer, hidden, flags.evidence, terminal)
  const within = (verification: object) => ({ ...jsonOf(answer), verification })
  if (!flags.csv && !flags.json) terminal.print("")
  return await sayVerdict(verify, flags.json === true, verdictTo, within)
}

async function verified(
  server: LogServer,
  policy: Policy,
  question: Question,
  answer: SqlAnswer,
  hidden: readonly string[],
  path: string | undefined,
  terminal: Terminal,
): Promise<Report> {
  // Loads a database, which whoever only asks does without.
  const [{ verifyAnswer }, { EvidenceFile }, { answerReport }] = await Promise.all([
    import("../proof/verify-answer.js"),
    import("../proof/evidence-file.js"),
    import("../proof/report.js"),
  ])
  const evidenceFile = path === undefined ? undefined : new EvidenceFile(path, hidden)
  const progress = startProgress(terminal, "verify", "rows")
  const started = performance.now()
  try {
    const proof = await verifyAnswer(server, policy, question, answer, {
      onProgress: (done, total) => progress.update(done / total, done),
      ...(evidenceFile !== undefined && { evidenceFile }),
    })
    await evidenceFile?.finish()
    return answerReport(proof, policy, performance.now() - started, path)
  } finally {
    progress.stop()
    await evidenceFile?.drop()
  }
}

function show(answer: SqlAnswer, { json, csv }: QueryFlags, { print, say, paint }: Terminal): void {
  if (json || csv) {
    // Lines of CSV end in CR LF, and `print` adds the last LF.
    print(
      json ? formatJson(jsonOf(answer)).trimEnd() : csvText(answer.columns, answer.rows).replace(/\n$/, ""),
    )
    return
  }
  const width = process.stdout.isTTY ? process.stdout.columns : undefined
  const rows = width === undefined ? answer.rows : answer.rows.slice(0, MAX_SHOWN)
  const { text, isCut } = showAnswer({ ...answer, rows }, width, paint)
  print(text)
  const left = answer.rows.length - rows.length
  if (left > 0) say(`${counted(left, "more row")} of the answer not shown: --json and --csv have all`)
  if (isCut) say("cells were cut to fit: --json has all of them")
}

/** Of a longer table nobody sees the beginning. */
const MAX_SHOWN = 1000

/** In the names of the HTTP interface. */
function jsonOf({ columns, rows, truncated, through, ms }: SqlAnswer): Readonly<Record<string, unknown>> {
  return { columns, rows, row_count: rows.length, truncated, through, ms }
}

function sayHow({ rows, truncated, through, ms }: SqlAnswer, total: number, { say }: Terminal): void {
  const more = truncated ? ", and there are more: --limit" : ""
  say(
    `${counted(rows.length, "row")}${more} · through ${counted(through, "leaf", "leaves")} · ${duration(ms)} (${duration(total)} with the way there)`,
  )
}

function hideableNames(list: string | undefined): readonly string[] {
  const hidden = withheldNames(list)
  const core = hidden.find((name) => CORE_NAMES.some((each) => each === name))
  if (core === undefined) return hidden
  throw new CliError("CLI_USAGE", `${core} is in the core of an event, which is always shown`)
}

function wholeNumber(text: string): number {
  const number = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(number)) throw new InvalidArgumentError("expected an integer, 0 or more")
  return number
}
