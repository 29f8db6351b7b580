/**
 * What is wrong with a file that a person wrote, and where.
 *
 *     rules.yaml:12:5: rules[3].clas: unknown member: expected one of class, action
 *
 * The room that reads the file passes it on as its own error: it knows what the file is for. Pure.
 */

/** Every code that a {@link SettingsError} can carry. */
export const SETTINGS_ERROR_CODES = [
  /** The file is no YAML, could mean something else than it looks like, or says what its reader does not take. */
  "SETTINGS_REFUSED",
] as const

export type SettingsErrorCode = (typeof SETTINGS_ERROR_CODES)[number]

/** A place in a file. */
export interface FilePlace {
  /** From 1. */
  readonly line: number
  /** In UTF-16 units, from 1. */
  readonly column: number
}

export class SettingsError extends Error {
  override readonly name = "SettingsError"
  readonly code: SettingsErrorCode = "SETTINGS_REFUSED"
  /** As its reader called it. */
  readonly file: string
  readonly place: FilePlace

  /** @param problem - what is wrong, for people; file, line and column are put before it */
  constructor(file: string, place: FilePlace, problem: string, options: { readonly cause?: unknown } = {}) {
    super(
      `${file}:${place.line}:${place.column}: ${problem}`,
      options.cause === undefined ? undefined : { cause: options.cause },
    )
    this.file = file
    this.place = place
  }

  get line(): number {
    return this.place.line
  }

  get column(): number {
    return this.place.column
  }
}
