/**
 * `prooflog archive`: records that are no longer at hand: how they stand, moved now, held against the log, brought back.
 *
 *     0   shown, or done; of `verify`: every segment is what the log says
 *     1   a segment that was looked at is not what the log says
 *     2   it could not be done, or not be looked at
 */

import { escapeText } from "@prooflog/verifier/report"
import type { Command } from "commander"
import {
  type ArchiveJob,
  archiveStatusIn,
  type JobKind,
  ranIn,
  restoredIn,
  type SegmentFault,
  type Verified,
  verifiedIn,
} from "../archive-answer.js"
import { beginJob, endedJob } from "../archive-job.js"
import { archiveLines, countsText } from "../archive-table.js"
import { CliError } from "../error.js"
import { LogServer, logAddress, URL_FLAG } from "../log-server.js"
import { counted } from "../terminal.js"
import type { Surroundings, Verdict } from "../verb.js"
import { type Report, sayVerdict } from "../verdict.js"

interface Flags {
  readonly json?: true
  readonly url?: string
}

interface BeginFlags extends Flags {
  readonly wait: boolean
}

interface RestoreFlags extends BeginFlags {
  readonly fromLeaf?: string
  readonly toLeaf?: string
  readonly class?: string
  readonly from?: string
  readonly to?: string
}

type Json = Readonly<Record<string, unknown>>

/** A server that is restarted, or busy, while something long goes on. */
const PATIENCE_MS = 30_000

export function addArchive(program: Command, surroundings: Surroundings): void {
  const archive = program
    .command("archive")
    .description("records that are no longer at hand: see how they stand, move, verify and bring them back")
  const add = (name: string, description: string) =>
    archive
      .command(name)
      .description(`${description}; needs an admin's key`)
      .option("--json", "print as JSON")
      .option(...URL_FLAG)
  const { terminal } = surroundings

  add("status", "show what each class has in the archive, and how the last run ended").action(
    async ({ json, url }: Flags) => {
      const answer = await serverAt(url, surroundings).json("v1/archive")
      const lines = archiveLines(archiveStatusIn(answer))
      for (const line of json ? [JSON.stringify(answer)] : lines) terminal.print(line)
      surroundings.verdict = 0
    },
  )

  add("run", "do the daily run now: erase, archive, destroy what is due, verify a part")
    .option("--no-wait", "only begin it, and leave it to the server")
    .addHelpText(
      "after",
      `
The server does this each day by itself. What a run leaves undone, the next one does.

Exit codes: 0 done, 1 a segment that it looked at is NOT what the log says, 2 a part of it could not be done.`,
    )
    .action(async (flags: BeginFlags) => {
      const job = await jobOf("run", {}, flags, surroundings)
      surroundings.verdict = flags.wait ? sayRan(job, flags, surroundings) : 0
    })

  add("verify", "have every segment held against the log, row by row")
    .addHelpText(
      "after",
      `
It is the server that looks, so this finds damage, not an operator who cheats: for that there is
prooflog audit URL --retention, with an auditor's key.

Exit codes: 0 every segment is what the log says, 1 one is NOT, 2 could not look.`,
    )
    .action(async ({ json, url }: Flags) => {
      const verify = async () => {
        const job = await jobOf("verify", {}, { wait: true, ...(url && { url }) }, surroundings)
        return reportOf(verifiedIn(resultOf(job)))
      }
      surroundings.verdict = await sayVerdict(verify, json === true, terminal)
    })

  add("restore", "make archived records hot again")
    .option("--from-leaf <index>", "the first leaf")
    .option("--to-leaf <index>", "the leaf behind the last")
    .option("--class <name>", "of this class, those received from --from up to --to")
    .option("--from <time>", "such as 2023-10-01 or 2023-10-01T12:00:00Z")
    .option("--to <time>", "likewise; what was received then is not restored any more")
    .option("--no-wait", "only begin it, and leave it to the server")
    .addHelpText(
      "after",
      `
Examples:
  prooflog archive restore --from-leaf 120000 --to-leaf 140000
  prooflog archive restore --class routine --from 2023-10-01 --to 2023-11-01

Archived records are found and proven as they are, only slower. Restored ones stay hot until they are destroyed.`,
    )
    .action(async (flags: RestoreFlags) => {
      const job = await jobOf("restore", rangeIn(flags), flags, surroundings)
      if (flags.wait) sayRestored(job, flags, surroundings)
      surroundings.verdict = 0
    })
}

function serverAt(url: string | undefined, { environment }: Surroundings, patienceMs = 0): LogServer {
  return new LogServer({ ...logAddress(environment, url, "admin"), patienceMs })
}

/** Has the server do something, and waits until it has ended unless that is not wanted. Shows it as JSON, if that is. */
async function jobOf(
  kind: JobKind,
  asked: object,
  { json, url, wait }: BeginFlags,
  surroundings: Surroundings,
): Promise<ArchiveJob> {
  const { print, say } = surroundings.terminal
  const begun = await beginJob(serverAt(url, surroundings), kind, asked)
  const server = serverAt(url, surroundings, PATIENCE_MS)
  const job = wait ? await endedJob(server, begun, surroundings.terminal) : begun
  if (json) print(JSON.stringify(job.json))
  else if (!wait) say(escapeText(`${kind} has begun (${job.id}); prooflog archive status says how far it is`))
  return job
}

/** @throws {@link CliError} `CLI_REFUSED` with the server's words if it failed */
function resultOf({ kind, state, result = {}, error }: ArchiveJob): Json {
  if (state === "done") return result
  const why = error === undefined ? "it does not say why" : `${error.message} (${error.code})`
  throw new CliError("CLI_REFUSED", `${kind} failed: ${why}`)
}

/**
 * Says what a run did.
 *
 * @throws {@link CliError} `CLI_REFUSED` with what could not be done; `CLI_CANNOT_TELL` if a segment could not be read
 */
function sayRan(job: ArchiveJob, { json }: Flags, { terminal }: Surroundings): Verdict {
  const { failed, verified, ...counts } = ranIn(job.result ?? resultOf(job))
  if (!json) terminal.print(countsText(counts))
  if (failed.length > 0)
    throw new CliError("CLI_REFUSED", "a part of the run failed, and is tried again by the next one", {
      details: failed.map(({ step, message, code }) => `${step}: ${message} (${code})`),
    })
  if (verified === undefined || verified.faults.length === 0) return 0
  const fault = falsified(verified)
  if (fault.code !== "CLI_NOT_VERIFIED") throw fault
  for (const line of [fault.message, ...fault.details.map((detail) => `  ${detail}`)])
    terminal.say(escapeText(line))
  return 1
}

function sayRestored(job: ArchiveJob, { json }: Flags, { terminal }: Surroundings): void {
  const { records, segments } = restoredIn(resultOf(job))
  if (json) return
  terminal.print(`${counted(records, "record")} restored`)
  if (records > 0) terminal.say("they are hot from now on, and stay so until they are destroyed")
  if (segments > 0) terminal.say(`${counted(segments, "segment")} became empty, and went`)
}

/** @throws {@link CliError} as {@link falsified} makes it, if there is a fault */
function reportOf(verified: Verified): Report {
  const { segments, records, faults } = verified
  if (faults.length > 0) throw falsified(verified)
  const text = `${counted(segments, "segment")} with ${counted(records, "record")}: all are what the log says`
  return { text: `verified: ${text}`, json: { verdict: "verified", segments, records, faults } }
}

/** Returns `CLI_NOT_VERIFIED` if a segment was refused, `CLI_CANNOT_TELL` if some could only not be read. */
function falsified({ segments, records, faults }: Verified): CliError {
  const refused = faults.filter(({ isRefused }) => isRefused).length
  const options = {
    facts: { segments, records, faults: faults.map(({ json }) => json) },
    details: faults.map(faultText),
  }
  const all = counted(segments, "segment")
  if (refused === 0)
    return new CliError("CLI_CANNOT_TELL", `${faults.length} of ${all} could not be read`, options)
  const what = `${refused} of ${all} ${refused === 1 ? "is" : "are"} not what the log says`
  return new CliError("CLI_NOT_VERIFIED", what, options)
}

function faultText({ key, leafIndex, message, code }: SegmentFault): string {
  const said = message.startsWith(key) ? message : `${key}: ${message}`
  const leaf = leafIndex === undefined || /\bleaf \d/.test(said) ? "" : ` (leaf ${leafIndex})`
  return `${said}${leaf} (${code})`
}

/** @throws {@link CliError} `CLI_USAGE` */
function rangeIn(flags: RestoreFlags): object {
  const { fromLeaf, toLeaf, class: className, from, to } = flags
  const byLeaf = fromLeaf !== undefined && toLeaf !== undefined
  const byTime = className !== undefined && from !== undefined && to !== undefined
  const given = [fromLeaf, toLeaf, className, from, to].filter((flag) => flag !== undefined).length
  if (byLeaf && given === 2)
    return { from_leaf: leafIn("--from-leaf", fromLeaf), to_leaf: leafIn("--to-leaf", toLeaf) }
  if (byTime && given === 3) return { class: className, from, to }
  throw new CliError("CLI_USAGE", "restore takes --from-leaf and --to-leaf, or --class, --from and --to")
}

function leafIn(flag: string, text: string): number {
  const leaf = Number(text)
  if (/^\d+$/.test(text) && Number.isSafeInteger(leaf)) return leaf
  throw new CliError("CLI_USAGE", `${flag} takes a leaf index, not ${JSON.stringify(text)}`)
}
