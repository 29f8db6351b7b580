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
  const { code } = error as { code?: unknown }
  const isOurs = typeof code === "string" && /^(CLI|TLOG|EVENT|LEDGER|VERIFIER|SERVER|CLIENT)_/.test(code)
  return isOurs && !code.startsWith("CLI_") ? `${error.message} (${code})` : error.message
}
