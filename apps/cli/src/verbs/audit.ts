/**
 * `prooflog audit`: derives a whole log again from what it serves; with `--retention` draws leaves, too, and has the log show
 * their records.
 *
 *     0   in order      1   not verified      2   could not tell: no answer, or a head that has no quorum yet
 */

import { logToJson, reportLog } from "@prooflog/verifier/report"
import type { Command } from "commander"
import { type AuditedLog, type Auditing, auditLog } from "../audit-log.js"
import { nonceOf, sampleOf, timeOf } from "../challenge/ask-challenge.js"
import { auditRetention } from "../challenge/audit-retention.js"
import { CliError } from "../error.js"
import { HEAD_FLAG, HeadFile } from "../head-file.js"
import { logAddress } from "../log-server.js"
import { sourceAt } from "../log-source.js"
import { POLICY_MEANING, readPolicy } from "../policy.js"
import { count, counted, duration } from "../terminal.js"
import { names, type Surroundings } from "../verb.js"
import { type Report, sayVerdict } from "../verdict.js"

interface AuditFlags {
  readonly policy: string
  readonly head?: string
  readonly crossCheck?: true
  readonly retention?: true
  readonly sample?: string
  readonly nonce?: string
  readonly mayWithhold?: string
  readonly at?: string
  readonly out?: string
  readonly json?: true
}

/** They find a loss of one record in a hundred with 95 %. */
const SAMPLE = "300"

export function addAudit(program: Command, surroundings: Surroundings): void {
  program
    .command("audit")
    .description(
      "re-derive a whole log from its URL: every entry, every tile, every rule; sample what it keeps",
    )
    .argument("<url>", "the log's URL, or a folder that mirrors it, such as a backup")
    .requiredOption("--policy <file>", POLICY_MEANING)
    .option(...HEAD_FLAG)
    .option("--cross-check", "have every tile's root computed a second time, by merkletreejs")
    .option("--retention", "then draw leaves, and have the log show their records, or why it need not")
    .option("--sample <n>", `with --retention: how many leaves to draw (default: ${SAMPLE})`)
    .option("--nonce <hex>", "with --retention: 16 bytes to draw by, instead of fresh ones")
    .option("--may-withhold <names>", "with --retention: fields that may be withheld from your key")
    .option("--at <time>", "with --retention: judge what is due as of this time, instead of now")
    .option("-o, --out <file>", "with --retention: write all that the verdict rests on; records are in it")
    .option("--json", "print as JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (url: string, flags: AuditFlags) => {
      const audit = auditOf(url, flags, surroundings)
      const policy = await readPolicy(flags.policy)
      const { terminal } = surroundings
      const source = sourceAt(url)
      const head =
        flags.head === undefined ? undefined : await HeadFile.open(flags.head, policy, source, terminal)
      const auditing = { source, policy, head, crossChecks: flags.crossCheck === true, terminal }
      const within = (verdict: object) => ({ ...verdict, ...head?.facts() })
      surroundings.verdict = await sayVerdict(() => audit(auditing), flags.json === true, terminal, within)
      if (flags.json !== true) for (const line of head?.lines() ?? []) terminal.print(line)
    })
}

const EXAMPLES = `
Examples:
  prooflog audit https://log.example/access --policy policy --head log.head
  PROOFLOG_KEY=pl_… prooflog audit https://log.example/access --policy policy --retention --sample 3000 -o audit.json
  prooflog verify audit.json --policy policy

--retention needs an auditor's key. Exit codes: 0 in order, and all that was drawn is kept or its absence is excused; 1 NOT
verified, or of a leaf neither record nor excuse was shown; 2 could not tell (no network, too few witnesses, fields withheld).`

const SAMPLING_FLAGS = ["sample", "nonce", "mayWithhold", "at", "out"] as const

/** Returns the audit that the flags want. @throws {@link CliError} `CLI_USAGE` */
function auditOf(
  url: string,
  flags: AuditFlags,
  { environment }: Surroundings,
): (auditing: Auditing) => Promise<Report> {
  if (flags.retention !== true) {
    const stray = SAMPLING_FLAGS.find((name) => flags[name] !== undefined)
    if (stray === undefined) return async (auditing) => report(await auditLog(auditing), auditing.crossChecks)
    throw new CliError(
      "CLI_USAGE",
      `--${stray === "mayWithhold" ? "may-withhold" : stray} goes with --retention`,
    )
  }
  if (!/^https?:/.test(url))
    throw new CliError("CLI_USAGE", "--retention asks the log itself: name its URL, not a folder")
  const address = logAddress(environment, url, "auditor")
  const sampling = {
    sample: sampleOf(flags.sample ?? SAMPLE),
    nonce: flags.nonce === undefined ? undefined : nonceOf(flags.nonce),
    mayWithhold: names("--may-withhold", flags.mayWithhold),
    atMs: flags.at === undefined ? undefined : timeOf(flags.at),
    out: flags.out,
  }
  return (auditing) => auditRetention(auditing, address, sampling)
}

function report({ verified, ms, tiles }: AuditedLog, crossChecks: boolean): Report {
  const rate = count((verified.treeSize / ms) * 1000)
  const rows = [`  time taken         ${duration(ms)} (${rate} entries/s)`]
  if (crossChecks)
    rows.unshift(`  second opinion     merkletreejs finds the same root for ${counted(tiles, "tile")}`)
  const json = {
    ...logToJson(verified),
    ...(crossChecks && { cross_checked_tiles: tiles }),
    ms: Math.round(ms),
  }
  return { text: [reportLog(verified).trimEnd(), ...rows].join("\n"), json }
}
