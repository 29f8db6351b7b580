/**
 * What the command says when it cannot go on.
 *
 * Every one of these but the last ends a verb with exit code 2, "could not tell": a missing file accuses nobody.
 */

export const CLI_ERROR_CODES = [
  "CLI_USAGE",
  "CLI_FILE",
  "CLI_UNREACHABLE",
  "CLI_REFUSED",
  "CLI_UNEXPECTED_ANSWER",
  "CLI_LINE_TOO_LONG",
  "CLI_ADDRESS_IN_USE",
  "CLI_DEMO_FAILED",
  "CLI_CANNOT_TELL",
  "CLI_DAMAGED_BACKUP",
  "CLI_RESTORE_REFUSED",
  /** A verdict, exit code 1: what was shown does not follow from what was logged. */
  "CLI_NOT_VERIFIED",
] as const

export type CliErrorCode = (typeof CLI_ERROR_CODES)[number]

/** What a server's problem+json (RFC 9457) says of a refusal; suspect, as far as it was there. */
export interface Problem {
  readonly code?: string
  readonly detail?: string
  /** Place in a question's text, from 1. */
  readonly line?: number
  readonly column?: number
  /** What may have been meant. */
  readonly hint?: string
}

export interface CliErrorOptions {
  readonly cause?: unknown
  /** Lines that stand below the message; suspect, as the message is. */
  readonly details?: readonly string[]
  /** With `CLI_NOT_VERIFIED`: what a machine is told beside code and message. */
  readonly facts?: Readonly<Record<string, unknown>>
  /** With `CLI_REFUSED`: the server's own words. */
  readonly problem?: Problem
}

export class CliError extends Error {
  override readonly name = "CliError"
  readonly code: CliErrorCode
  readonly details: readonly string[]
  readonly facts: Readonly<Record<string, unknown>>
  readonly problem: Problem | undefined

  constructor(code: CliErrorCode, message: string, options: CliErrorOptions = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined)
    this.code = code
    this.details = options.details ?? []
    this.facts = options.facts ?? {}
    this.problem = options.problem
  }
}

/** Returns the words of whatever was thrown, without the stack: what a person can act on. */
export function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { code, path } = error as { code?: unknown; path?: unknown }
  if (typeof path === "string" && isSystemError(error)) return `cannot use ${path}: ${reasonOf(error)}`
  const isOurs =
    typeof code === "string" &&
    /^(CLI|TLOG|EVENT|LEDGER|VERIFIER|SERVER|CLIENT|QUERY|MONITOR|ARCHIVE|ALERTS|ENRICH)_/.test(code)
  return isOurs && !code.startsWith("CLI_") ? `${error.message} (${code})` : error.message
}

/** Returns why the operating system, or zlib, said no. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return SAID.get(String((error as { code?: unknown }).code)) ?? error.message
}

function isSystemError(error: Error): boolean {
  return typeof (error as NodeJS.ErrnoException).syscall === "string"
}

const SAID = new Map([
  ["ENOENT", "there is no such file"],
  ["EISDIR", "it is a directory"],
  ["ENOTDIR", "a part of the path is not a directory"],
  ["EACCES", "permission denied"],
  ["EEXIST", "it exists already"],
  ["ENOSPC", "the disk is full"],
  ["EADDRNOTAVAIL", "no interface of this machine has this address"],
  ["ENOTFOUND", "there is no host of this name"],
  ["Z_BUF_ERROR", "it is gzip, and its end is missing"],
  ["Z_DATA_ERROR", "it is gzip, and damaged"],
])
