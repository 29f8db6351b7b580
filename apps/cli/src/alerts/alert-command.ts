/**
 * What the commands about alerts have in common: a log, and a key to it.
 */

import type { Command } from "commander"
import { LogServer, logAddress, URL_FLAG } from "../log-server.js"
import type { Surroundings } from "../verb.js"

export interface LogFlags {
  readonly json?: true
  readonly url?: string
}

type Role = "admin" | "auditor" | "reader"

const KEYS: Readonly<Record<Role, string>> = {
  admin: "an admin's key",
  auditor: "an auditor's key",
  reader: "a reader's key",
}

/** Adds a command that asks a log. */
export function addLogCommand(alerts: Command, name: string, role: Role, description: string): Command {
  return alerts
    .command(name)
    .description(`${description}; needs ${KEYS[role]}`)
    .option("--json", "print as JSON")
    .option(...URL_FLAG)
}

/**
 * @param patienceMs - as `LogServer` takes it
 * @throws {@link CliError} `CLI_USAGE` if there is no key
 */
export function logServer(
  role: Role,
  { url }: LogFlags,
  { environment }: Surroundings,
  patienceMs = 0,
): LogServer {
  return new LogServer({ ...logAddress(environment, url, role), patienceMs })
}
