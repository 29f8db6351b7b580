/**
 * `--year` and `--zone`, as they stand on a command line: lines of syslog have neither.
 *
 * Pure.
 */

import type { SyslogTime } from "@prooflog/event/from/sshd"
import { CliError } from "./error.js"
import type { Format } from "./import-format.js"

export interface SyslogFlags {
  readonly format: Format
  readonly year?: number
  readonly zone?: string
}

/**
 * Only what is written without year and zone is told them: elsewhere they would seem to matter.
 *
 * @throws {@link CliError} `CLI_USAGE`
 */
export function syslogTime({ format, year, zone }: SyslogFlags): SyslogTime | undefined {
  if (format !== "sshd") {
    if (year === undefined && zone === undefined) return undefined
    throw new CliError("CLI_USAGE", `--year and --zone are for --format sshd: ${format} has times of its own`)
  }
  if (year !== undefined && zone !== undefined) return { year, zone }
  throw new CliError("CLI_USAGE", "--format sshd needs --year and --zone, as --year 2017 --zone +00:00")
}

/** @throws {@link CliError} `CLI_USAGE` */
export function readYear(text: string): number {
  if (/^(?:19[7-9]\d|[2-8]\d{3})$/.test(text)) return Number(text)
  throw new CliError("CLI_USAGE", `--year is a year such as 2017, not ${JSON.stringify(text)}`)
}

/** @throws {@link CliError} `CLI_USAGE` */
export function readZone(text: string): string {
  if (/^(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/.test(text)) return text
  throw new CliError("CLI_USAGE", `--zone is Z or a form like +02:00, not ${JSON.stringify(text)}`)
}
