/**
 * `prooflog export`: the whole answer to a question or a filter as a file, with what proves it.
 */

import { setTimeout as sleep } from "node:timers/promises"
import { EXPORT_FORMATS, type ExportFormat } from "@prooflog/query/export-format"
import type { SqlParameters } from "@prooflog/query/store"
import { type Command, Option } from "commander"
import { download } from "../download.js"
import { CliError } from "../error.js"
import { type Manifest, readManifest } from "../export-manifest.js"
import { writeNamedFile } from "../file.js"
import { areFilters, filterOf } from "../filter-argument.js"
import { type LogAddress, LogServer, logAddress, problemIn, URL_FLAG } from "../log-server.js"
import { startProgress } from "../progress.js"
import { fetchEvidence } from "../proof/evidence-batches.js"
import { ParameterFlags, readSql } from "../sql-argument.js"
import { withPlace } from "../sql-fault.js"
import { counted, duration, type Terminal } from "../terminal.js"
import type { Surroundings } from "../verb.js"

interface ExportFlags {
  readonly format: ExportFormat
  readonly out: string
  readonly json?: true
  readonly url?: string
}

const POLL_MS = 250

/** How long it is waited for until the event of a finished export is published: within a second, mostly. */
const EVENT_MS = 30_000

/** How long a server that is busy, or starts again, is asked again for what it has begun. */
const PATIENCE_MS = 60_000

export function addExport(program: Command, surroundings: Surroundings): void {
  const parameters = new ParameterFlags()
  const command = program
    .command("export")
    .description("write the whole answer to a question to a file that can be proven; needs an admin's key")
    .argument("<question...>", "SQL, - for SQL from stdin, or filters: COLUMN=VALUE …")
    .addOption(
      new Option("--format <format>", "of the file; ocsf is NDJSON")
        .choices(EXPORT_FORMATS)
        .makeOptionMandatory(),
    )
    .requiredOption(
      "-o, --out <file>",
      "where to write it; what proves it goes beside it: FILE.manifest.json and FILE.evidence.json",
    )
  parameters
    .addTo(command)
    .option("--json", "print what was written as JSON")
    .option(...URL_FLAG)
    .addHelpText("after", EXAMPLES)
    .action(async (args: readonly string[], flags: ExportFlags) => {
      const question = await questionIn(args, parameters.get())
      const address = logAddress(surroundings.environment, flags.url, "admin")
      await exportFile(question, flags, address, surroundings.terminal)
      surroundings.verdict = 0
    })
}

const EXAMPLES = `
Examples:
  prooflog export "SELECT * FROM access_logs WHERE user_id = 'U12345'" --format csv -o u12345.csv
  prooflog export user_id=U12345 from=2023-10-01 --format ocsf -o u12345.ndjson
  prooflog export-check u12345.csv --policy policy

The file has all rows, not only the first 10,000. Filters are those of prooflog tail, with from= and to= (times).`

type ExportQuestion =
  | { readonly sql: string; readonly parameters?: SqlParameters }
  | { readonly filter: string }

async function questionIn(
  args: readonly string[],
  parameters: SqlParameters | undefined,
): Promise<ExportQuestion> {
  if (areFilters(args)) {
    if (parameters !== undefined)
      throw new CliError("CLI_USAGE", "parameters are for SQL: a filter has its values in it")
    return { filter: String(filterOf(args)) }
  }
  const [argument = "", ...others] = args
  if (others.length > 0)
    throw new CliError("CLI_USAGE", "SQL is one argument, in quotes; filters are COLUMN=VALUE, each of them")
  return { sql: await readSql(argument, process.stdin), ...(parameters !== undefined && { parameters }) }
}

async function exportFile(
  question: ExportQuestion,
  { format, out, json }: ExportFlags,
  address: LogAddress,
  terminal: Terminal,
): Promise<void> {
  const started = performance.now()
  const server = new LogServer({ ...address, patienceMs: PATIENCE_MS })
  // Asked once: a second try may begin a second export.
  const { id } = await new LogServer(address)
    .post("v1/exports", { ...question, format })
    .catch((error: unknown) => {
      throw placed(error, question)
    })
  if (typeof id !== "string" || !/^[\w-]+$/.test(id)) throw noExport(server)
  const path = `v1/exports/${id}`
  const leaf = await finished(server, path, question, terminal)
  const text = await server.text(`${path}/manifest`)
  const manifest = readManifest(text, `${server.url}${path}/manifest`)
  await fetchFile(server, `${path}/file`, out, manifest, terminal)
  await writeNamedFile(`${out}.manifest.json`, "the manifest", text)
  await writeNamedFile(`${out}.evidence.json`, "the evidence", await evidenceOf(server, leaf))
  const { rows, bytes, through } = manifest
  const ms = performance.now() - started
  if (json) {
    terminal.print(
      JSON.stringify({
        id,
        file: out,
        rows,
        bytes,
        sha256: manifest.sha256,
        through,
        leaf_index: leaf,
        ms: Math.round(ms),
      }),
    )
    return
  }
  terminal.print(
    `${counted(rows, "row")}, ${counted(bytes, "byte")} in ${out}, through ${counted(through, "leaf", "leaves")}, in ${duration(ms)}`,
  )
  terminal.print(`leaf ${leaf} of the log says so: prooflog export-check ${out} --policy FILE`)
}

/**
 * Waits until the export is done.
 *
 * @returns the leaf of the event that says so
 */
async function finished(
  server: LogServer,
  path: string,
  question: ExportQuestion,
  { isLive, say }: Terminal,
): Promise<number> {
  const started = performance.now()
  const said = (text: string) => isLive && process.stderr.write(text)
  for (;;) {
    const { state, error, leaf_index } = await server.json(path)
    if (state === "done") {
      said(CLEAR_LINE)
      say(`written by the server in ${duration(performance.now() - started)}`)
      if (!Number.isSafeInteger(leaf_index) || (leaf_index as number) < 0) throw noExport(server)
      return leaf_index as number
    }
    if (state !== "running") {
      said(CLEAR_LINE)
      throw placed(failure(state, error), question)
    }
    said(`${CLEAR_LINE}export  the server is writing: ${duration(performance.now() - started)}`)
    await sleep(POLL_MS)
  }
}

function failure(state: unknown, error: unknown): CliError {
  const { message = state, ...others } = (error ?? {}) as Readonly<Record<string, unknown>>
  const problem = problemIn({ ...others, detail: `the export failed: ${message}` })
  return new CliError("CLI_REFUSED", `${problem.detail} (${problem.code ?? "no code"})`, {
    problem,
    details: problem.hint === undefined ? [] : [problem.hint],
  })
}

/** A filter has no place to point to. */
function placed(error: unknown, question: ExportQuestion): unknown {
  return "sql" in question ? withPlace(error, question.sql) : error
}

const CLEAR_LINE = "\r\u001b[K"

async function fetchFile(
  server: LogServer,
  remotePath: string,
  out: string,
  manifest: Manifest,
  terminal: Terminal,
): Promise<void> {
  const progress = startProgress(terminal, "download", "bytes")
  try {
    await download(server, remotePath, out, manifest, (bytes) =>
      progress.update(manifest.bytes === 0 ? 1 : bytes / manifest.bytes, bytes),
    )
  } finally {
    progress.stop()
  }
}

/** Waits until the leaf is published. */
async function evidenceOf(server: LogServer, leaf: number): Promise<string> {
  const started = performance.now()
  for (;;) {
    try {
      return await fetchEvidence(server, [leaf], undefined)
    } catch (error) {
      const isEarly = error instanceof CliError && error.problem?.code === "SERVER_NOT_PUBLISHED"
      if (!isEarly || performance.now() - started > EVENT_MS) throw error
    }
    await sleep(POLL_MS)
  }
}

function noExport(server: LogServer): CliError {
  return new CliError("CLI_UNEXPECTED_ANSWER", `${server.url}v1/exports did not answer as a log does`)
}
