/** What can go wrong with rules and settings of alerts. */

/** Every code an {@link AlertsError} can carry. */
export const ALERTS_ERROR_CODES = [
  /** A rule is not one: the message begins with file, line and column. */
  "ALERTS_BAD_RULE",
  /** The settings of sinks and routes are wrong: likewise. */
  "ALERTS_BAD_SETTINGS",
  /** A matcher of a route, a silence or an inhibition is none. */
  "ALERTS_BAD_MATCHER",
  /** What was kept of alerts cannot be read. */
  "ALERTS_BAD_STATE",
] as const

export type AlertsErrorCode = (typeof ALERTS_ERROR_CODES)[number]

export class AlertsError extends Error {
  override readonly name = "AlertsError"
  readonly code: AlertsErrorCode
  /** From 1, if it is about a text. */
  readonly line: number | undefined
  readonly column: number | undefined

  constructor(
    code: AlertsErrorCode,
    message: string,
    options: ErrorOptions & { readonly line?: number; readonly column?: number } = {},
  ) {
    super(message, options)
    this.code = code
    this.line = options.line
    this.column = options.column
  }
}
