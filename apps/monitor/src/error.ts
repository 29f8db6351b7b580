/**
 * The errors of this room: one class, a closed list of codes.
 *
 * What a log does wrong is no error here but a finding (finding.ts): these are for the one who starts a monitor.
 */

import type { FilePlace } from "@prooflog/settings/error"

/** Every code that a {@link MonitorError} can carry. */
export const MONITOR_ERROR_CODES = [
  /** The config says what cannot be; file, line and column are in the message. */
  "MONITOR_BAD_CONFIG",
  /** A file of the monitor's own state is damaged, or belongs to another key or log. */
  "MONITOR_BAD_STATE",
  /** Another process has the folder. */
  "MONITOR_FOLDER_IN_USE",
  /** The command line names no verb, or a file that is there or is not. */
  "MONITOR_USAGE",
] as const

export type MonitorErrorCode = (typeof MONITOR_ERROR_CODES)[number]

export class MonitorError extends Error {
  override readonly name = "MonitorError"
  readonly code: MonitorErrorCode
  /** With `MONITOR_BAD_CONFIG`, where a place can be named. */
  readonly place: FilePlace | undefined

  constructor(
    code: MonitorErrorCode,
    message: string,
    options: { readonly cause?: unknown; readonly place?: FilePlace } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.place = options.place
  }
}

/** The words of whatever was thrown, for a message that quotes its cause. */
export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The code of what Node throws: `ENOENT`, `EEXIST`, … */
export function systemCode(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown }
  return typeof code === "string" ? code : undefined
}
