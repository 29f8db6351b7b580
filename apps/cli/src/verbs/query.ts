/**
 * `prooflog query`: a question in SQL, and the proof of its answer.
 */

import type { Policy } from "@prooflog/tlog/policy"
import { formatJson } from "@prooflog/verifier/report"
import { type Command, InvalidArgumentError } from "commander"
import { showAnswer, withoutEmptyColumns } from "../answer-table.js"
import { CliError } from "../error.js"
import { withheldNames } from "../fields.js"
import { HEAD_FLAG, HeadFile } from "../head-file.js"
import { LogServer, logAddress, URL_FLAG } from "../log-server.js"
import { sourceAt } from "../log-source.js"
import { POLICY_MEANING, readPolicy } from "../policy.js"
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
  readonly head?: string
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
    .option("--min-size <n>", "wait until rows are there for so many leaves of the log", wholeNumber)
    .option("--verify", "prove the answer from what was logged; exit code 1 if it does not follow from it")
    .option("--policy <file>", `with --verify: ${POLICY_MEANING}`)
    .option(HEAD_FLAG[0], `with --verify: ${HEAD_FLAG[1]}`)
    .option("--evidence <file>", "with --verify: write the evidence of all its rows, for prooflog verify")
    .option("--withhold <names>", "with --evidence: fields to hide in it, such as ip_address,user_agent")
    .option(...URL_FLAG)
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
      const server = new LogServer(logAddress(environment, flags.url, "reader"))
      surroundings.verdict = await ask(server, question, flags, terminal)
    })
}

const EXAMPLES = `
Examples:
  prooflog query "SELECT * FROM access_logs WHERE user_id = 'U12345' AND timestamp > '2023-10-01';"
  prooflog query "SELECT result, count(*) FROM access_logs WHERE user_id = \\$1 GROUP BY ALL" --param U12345
  prooflog query "SELECT leaf_index, action FROM access_logs WHERE result = 'denied'" --verify --policy policy
  prooflog query - --csv < question.sql > answer.csv

Needs a reader's key. The table leaves out columns that are NULL in every row, where there are more than 12.
A verified answer says that its rows are in the log, never that there are no others. Exit codes of --verify: 0 it
is what was logged, 1 it is NOT, 2 could not tell (a join, a field withheld from you, too few witnesses, no network).`

function checkFlags({ json, csv, verify, policy, head, evidence, withhold }: QueryFlags): void {
  if (json && csv) throw new CliError("CLI_USAGE", "--json and --csv are two answers: ask for one")
  if (verify && policy === undefined)
    throw new CliError("CLI_USAGE", "--verify needs --policy FILE: whose signatures you trust")
  if (!verify && (policy ?? head ?? evidence) !== undefined)
    throw new CliError(
      "CLI_USAGE",
      "--policy, --head and --evidence say something of --verify, which is not asked for",
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
  const hidden = withheldNames(flags.withhold)
  const head =
    policy === undefined || flags.head === undefined
      ? undefined
      : await HeadFile.open(flags.head, policy, sourceAt(server.url), terminal)
  const started = performance.now()
  const answer = await askSql(server, question)
  const ms = performance.now() - started
  if (policy === undefined) {
    await show(answer, flags, terminal)
    sayHow(answer, ms, terminal)
    return 0
  }
  // As JSON, the answer and its verdict are one object.
  if (!flags.json) await show(answer, flags, terminal)
  sayHow(answer, ms, terminal)
  // Beside CSV there is no room for a verdict.
  const verdictTo = flags.csv ? { ...terminal, print: terminal.say } : terminal
  const verify = () => verified(server, policy, head, question, answer, hidden, flags.evidence, terminal)
  const within = (verdict: object) => ({ ...jsonOf(answer), verification: { ...verdict, ...head?.facts() } })
  if (!flags.csv && !flags.json) terminal.print("")
  const verdict = await sayVerdict(verify, flags.json === true, verdictTo, within)
  if (!flags.json) for (const line of head?.lines() ?? []) verdictTo.print(line)
  return verdict
}

async function verified(
  server: LogServer,
  policy: Policy,
  head: HeadFile | undefined,
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
      ...(head !== undefined && { head }),
    })
    await evidenceFile?.finish()
    return answerReport(proof, policy, performance.now() - started, path)
  } finally {
    progress.stop()
    await evidenceFile?.drop()
  }
}

async function show(answer: SqlAnswer, { json, csv }: QueryFlags, terminal: Terminal): Promise<void> {
  if (json) {
    terminal.print(formatJson(jsonOf(answer)).trimEnd())
  } else if (csv) {
    const { csvText } = await import("@prooflog/query/export-csv")
    // Lines of CSV end in CR LF, and `print` adds the last LF.
    terminal.print(csvText(answer.columns, answer.rows).replace(/\n$/, ""))
  } else showTable(answer, terminal)
}

function showTable(whole: SqlAnswer, { print, say, paint }: Terminal): void {
  const width = process.stdout.isTTY ? process.stdout.columns : undefined
  const { answer, left } = withoutEmptyColumns(whole)
  const rows = width === undefined ? answer.rows : answer.rows.slice(0, MAX_SHOWN)
  const { text, isCut } = showAnswer({ ...answer, rows }, width, paint)
  if (text !== "") print(text)
  if (left > 0)
    say(`${counted(left, "column")}, NULL in every row, left out: --json and --csv have all of them`)
  const more = answer.rows.length - rows.length
  if (more > 0) say(`${counted(more, "more row")} of the answer not shown: --json and --csv have all`)
  if (isCut) say("cells were cut to fit: --json has all of them")
}

/** Of a longer table nobody sees the beginning. */
const MAX_SHOWN = 1000

/** In the names of the HTTP interface. */
function jsonOf({ columns, rows, truncated, through, ms }: SqlAnswer): Readonly<Record<string, unknown>> {
  return { columns, rows, row_count: rows.length, truncated, through, ms }
}

function sayHow({ rows, truncated, through, ms }: SqlAnswer, total: number, { say }: Terminal): void {
  const more = truncated ? ", and there are more: see --limit" : ""
  say(
    `${counted(rows.length, "row")}${more} · through ${counted(through, "leaf", "leaves")} · ${duration(ms)} (${duration(total)} with the way there)`,
  )
}

function wholeNumber(text: string): number {
  const number = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(number)) throw new InvalidArgumentError("expected an integer, 0 or more")
  return number
}
