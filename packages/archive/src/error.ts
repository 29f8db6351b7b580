/**
 * What can go wrong in this room: one class, a closed list of codes.
 *
 *     schedule.yaml:12:5: classes.high.keep: unknown member: expected one of hot, archive, destroy_after, destroy
 *
 * Pure.
 */

/** Every code an {@link ArchiveError} can carry. */
export const ARCHIVE_ERROR_CODES = [
  /** The schedule file is no YAML, contradicts itself, or leaves an event without a class. */
  "ARCHIVE_BAD_SCHEDULE",
  /** The schedule file gives a class less than an active preset asks. */
  "ARCHIVE_BELOW_PRESET",
  /** The schedule file takes away what the log has promised. */
  "ARCHIVE_SHORTENS_PROMISE",
] as const

export type ArchiveErrorCode = (typeof ARCHIVE_ERROR_CODES)[number]

/** A place in a file. */
export interface FilePlace {
  /** From 1. */
  readonly line: number
  /** In UTF-16 units, from 1. */
  readonly column: number
}

export interface ArchiveErrorOptions {
  readonly cause?: unknown
  /** Where in the schedule file. */
  readonly place?: FilePlace
}

export class ArchiveError extends Error {
  readonly code: ArchiveErrorCode
  /** Line of the schedule file, from 1. */
  readonly line: number | undefined
  /** Column of that line in UTF-16 units, from 1. */
  readonly column: number | undefined

  constructor(code: ArchiveErrorCode, message: string, options: ArchiveErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = "ArchiveError"
    this.code = code
    this.line = options.place?.line
    this.column = options.place?.column
  }
}
