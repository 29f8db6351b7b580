/**
 * What the command says when it cannot go on.
 *
 * Every one of these ends a verb with exit code 2, "could not tell": a missing file accuses nobody.
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
] as const

export type CliErrorCode = (typeof CLI_ERROR_CODES)[number]

export class CliError extends Error {
  override readonly name = "CliError"
  readonly code: CliErrorCode

  constructor(code: CliErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}

/** Returns the words of whatever was thrown, without the stack: what a person can act on. */
export function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { code, path } = error as { code?: unknown; path?: unknown }
  if (typeof path === "string" && isSystemError(error)) return `cannot use ${path}: ${reasonOf(error)}`
  const isOurs = typeof code === "string" && /^(CLI|TLOG|EVENT|LEDGER|VERIFIER|SERVER|CLIENT)_/.test(code)
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
