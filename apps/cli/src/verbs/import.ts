/**
 * `prooflog import`: events from files that other systems wrote.
 */

import { type Command, Option } from "commander"
import { CliError } from "../error.js"
import { FORMATS, type Format } from "../import-format.js"
import { type ImportCounts, importItems } from "../importer.js"
import { LogServer, logAddress, URL_FLAG } from "../log-server.js"
import { startProgress } from "../progress.js"
import { openRejects } from "../rejects.js"
import { readYear, readZone, syslogTime } from "../syslog-time.js"
import { count, counted, duration, type Terminal } from "../terminal.js"
import type { Surroundings } from "../verb.js"

/** How long a busy or lost server is waited for, once it has answered at all. */
const PATIENCE_MS = 5 * 60_000

/** Between remarks about waiting. */
const REMARK_MS = 5000

interface ImportFlags {
  readonly format: Format
  readonly url?: string
  readonly rejects?: string
  readonly year?: number
  readonly zone?: string
  readonly json?: true
}

export function addImport(program: Command, surroundings: Surroundings): void {
  program
    .command("import")
    .description("send the events of a file to the log; running it twice adds nothing")
    .argument("<file>", "plain or gzipped; for cloudtrail also a folder of files")
    .addOption(
      new Option("--format <format>", "how the file is written").choices(FORMATS).makeOptionMandatory(),
    )
    .option("--year <year>", "year of the first line: sshd writes none", readYear)
    .option("--zone <zone>", "zone of the lines, Z or as +02:00: sshd writes none", readZone)
    .option(...URL_FLAG)
    .option("--rejects <file>", "where bad lines are noted (default: FILE.rejects.ndjson)")
    .option("--json", "print the summary as JSON")
    .action(async (path: string, flags: ImportFlags) => {
      await importFile(path, flags, surroundings)
      surroundings.verdict = 0
    })
}

async function importFile(
  path: string,
  flags: ImportFlags,
  { terminal, environment }: Surroundings,
): Promise<void> {
  const time = syslogTime(flags)
  const address = logAddress(environment, flags.url, "writer")
  // Whoever is not there at all is not waited for.
  await new LogServer(address).json("v1/log")
  // Loads the schema of events, which whoever only asks for help does without.
  const { openImport } = await import("../import-source.js")
  const source = await openImport(path, flags.format, time)
  const rejectsPath = flags.rejects ?? `${path.replace(/\/+$/, "")}.rejects.ndjson`
  const rejects = await openRejects(rejectsPath, path)
  const progress = startProgress(terminal, "import", "events")
  const onWait = seldom(progress.say)
  const server = new LogServer({ ...address, patienceMs: PATIENCE_MS, onWait })
  const started = performance.now()
  let counts: Readonly<ImportCounts> = { accepted: 0, duplicates: 0, rejected: 0 }
  try {
    counts = await importItems(source, server, {
      onReject: (place, problem) => rejects.add(place, problem),
      onProgress: (soFar, share) => {
        counts = soFar
        progress.update(share, total(soFar))
      },
    })
  } catch (error) {
    const logged = counts.accepted + counts.duplicates
    if (logged > 0) progress.say(`${counted(logged, "event")} in the log so far; run it again for the rest`)
    throw error
  } finally {
    progress.stop()
    await rejects.close()
  }
  const seconds = (performance.now() - started) / 1000
  summarise({ ...counts, seconds, rejectsPath }, flags.json === true, terminal)
  if (counts.rejected > 0 && counts.rejected === total(counts))
    throw new CliError("CLI_FILE", `nothing in ${path} could be taken: is it really ${flags.format}?`)
}

/** Three batches wait at once, each of them again and again: one remark in a while is enough. */
function seldom(say: (text: string) => void): (text: string) => void {
  let last = Number.NEGATIVE_INFINITY
  return (text) => {
    if (performance.now() - last < REMARK_MS) return
    last = performance.now()
    say(text)
  }
}

function total({ accepted, duplicates, rejected }: Readonly<ImportCounts>): number {
  return accepted + duplicates + rejected
}

interface Summary extends Readonly<ImportCounts> {
  readonly seconds: number
  readonly rejectsPath: string
}

function summarise(summary: Summary, asJson: boolean, { print, paint }: Terminal): void {
  const { accepted, duplicates, rejected, seconds, rejectsPath } = summary
  if (asJson) {
    const rejects = rejected > 0 ? { rejects_file: rejectsPath } : {}
    print(JSON.stringify({ accepted, duplicates, rejected, seconds: Number(seconds.toFixed(3)), ...rejects }))
    return
  }
  const took = `in ${duration(seconds * 1000)} (${count(total(summary) / seconds)}/s, all told)`
  print(`${paint("green", counted(accepted, "event"))} accepted, ${took}`)
  if (duplicates > 0) print(`${counted(duplicates, "event")} in the log already`)
  if (rejected > 0) print(`${paint("yellow", count(rejected))} rejected: see ${rejectsPath}`)
}
