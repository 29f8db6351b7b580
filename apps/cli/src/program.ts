/**
 * The program: every verb, one file each.
 *
 * Only the verb that is asked for is loaded, and it loads what is heavy (a server, a database, the schema of events) only
 * once it acts: an auditor's `verify` starts without them, and so does help.
 */

import { Command } from "commander"
import { CliError } from "./error.js"
import type { AddVerb, Surroundings } from "./verb.js"

const VERBS: ReadonlyMap<string, () => Promise<AddVerb>> = new Map([
  ["init", async () => (await import("./verbs/init.js")).addInit],
  ["serve", async () => (await import("./verbs/serve.js")).addServe],
  ["key", async () => (await import("./verbs/key.js")).addKey],
  ["keygen", async () => (await import("./verbs/keygen.js")).addKeygen],
  ["import", async () => (await import("./verbs/import.js")).addImport],
  ["query", async () => (await import("./verbs/query.js")).addQuery],
  ["tail", async () => (await import("./verbs/tail.js")).addTail],
  ["export", async () => (await import("./verbs/export.js")).addExport],
  ["export-check", async () => (await import("./verbs/export-check.js")).addExportCheck],
  ["reindex", async () => (await import("./verbs/reindex.js")).addReindex],
  ["hold", async () => (await import("./verbs/hold.js")).addHold],
  ["erase", async () => (await import("./verbs/erase.js")).addErase],
  ["alerts", async () => (await import("./verbs/alerts.js")).addAlerts],
  ["prove", async () => (await import("./verbs/prove.js")).addProve],
  ["verify", async () => (await import("./verbs/verify.js")).addVerify],
  ["verify-evidence", async () => (await import("./verbs/verify-evidence.js")).addVerifyEvidence],
  ["retention", async () => (await import("./verbs/retention.js")).addRetention],
  ["monitor", async () => (await import("./verbs/monitor.js")).addMonitor],
  ["policy", async () => (await import("./verbs/policy.js")).addPolicy],
  ["archive", async () => (await import("./verbs/archive.js")).addArchive],
  ["backup", async () => (await import("./verbs/backup.js")).addBackup],
  ["restore", async () => (await import("./verbs/restore.js")).addRestore],
  ["audit", async () => (await import("./verbs/audit.js")).addAudit],
  ["demo", async () => (await import("./verbs/demo.js")).addDemo],
])

/**
 * The verb that the arguments name; all of them if they name none, as the help shows them.
 *
 * @throws {@link CliError} `CLI_USAGE` for help on what is no verb
 */
function namedIn(args: readonly string[]): readonly (() => Promise<AddVerb>)[] {
  const [verb = "", topic = ""] = args
  if (verb === "--version" || verb === "-V") return []
  const load = VERBS.get(verb === "help" ? topic : verb)
  // Commander would show all of the help, as if that had been asked for.
  if (verb === "help" && topic !== "" && load === undefined)
    throw new CliError("CLI_USAGE", `there is no verb ${JSON.stringify(topic)}`)
  return load === undefined ? [...VERBS.values()] : [load]
}

const HINT = "(add --help for what is possible)"

/**
 * @param args - of the command, without node and script
 * @param version - of the command, as its package.json has it
 */
export async function createProgram(
  args: readonly string[],
  surroundings: Surroundings,
  version: string,
): Promise<Command> {
  const program = new Command("prooflog")
    .description("A transparency log for access events: anyone can check what was logged.")
    .version(version)
    .showHelpAfterError(HINT)
    .exitOverride()
    .addHelpText(
      "after",
      `
Environment:
  PROOFLOG_URL    the log's URL, http://127.0.0.1:8080 unless set
  PROOFLOG_KEY    an API key, for import, query, tail, export, reindex, hold, erase, alerts, prove, key, retention, archive,
                  backup and audit --retention

Exit codes:
  0  verified, or done
  1  NOT verified
  2  could not tell: a wrong flag, a missing file, no network, a crash`,
    )
  for (const load of namedIn(args)) (await load())(program, surroundings)
  return program
}
