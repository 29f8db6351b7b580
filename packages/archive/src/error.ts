/**
 * What can go wrong in this room: one class, a closed list of codes.
 *
 *     schedule.yaml:12:5: classes.high.keep: unknown member: expected one of hot, archive, destroy_after, destroy
 *     segments/routine/2026-03/7-42-0011223344556677.parquet: leaf 9: its record does not open its commitment
 *
 * Pure.
 */

import type { FilePlace } from "@prooflog/settings/error"

/** Every code an {@link ArchiveError} can carry. */
export const ARCHIVE_ERROR_CODES = [
  /** The schedule file is no YAML, contradicts itself, or leaves an event without a class. */
  "ARCHIVE_BAD_SCHEDULE",
  /** The schedule file gives a class less than an active preset asks. */
  "ARCHIVE_BELOW_PRESET",
  /** The schedule file takes away what the log has promised. */
  "ARCHIVE_SHORTENS_PROMISE",
  /** The state file is of another log or format, or contradicts itself. */
  "ARCHIVE_BAD_STATE",
  /** Storage or the object store knows a segment that the catalog does not. */
  "ARCHIVE_CATALOG_BEHIND",
  /** The place of the segments is another archive's, or is not the one that they are in. */
  "ARCHIVE_FOREIGN_STORE",
  /** A segment is not what the log, its manifest or the catalog says. */
  "ARCHIVE_SEGMENT_REFUSED",
  /** A segment could not be read to its end. */
  "ARCHIVE_SEGMENT_UNREADABLE",
  /** What the log or the storage shows cannot be. */
  "ARCHIVE_LOG_REFUSED",
  /** Records were to be destroyed early, and no notice of that kind stands where it should. */
  "ARCHIVE_NOT_ANNOUNCED",
] as const

export type ArchiveErrorCode = (typeof ARCHIVE_ERROR_CODES)[number]

export interface ArchiveErrorOptions {
  readonly cause?: unknown
  /** Where in the schedule file. */
  readonly place?: FilePlace
  /** Of the segment it is about. */
  readonly key?: string
  /** The leaf it is about. */
  readonly leafIndex?: number
}

export class ArchiveError extends Error {
  readonly code: ArchiveErrorCode
  /** Line of the schedule file, from 1. */
  readonly line: number | undefined
  /** Column of that line in UTF-16 units, from 1. */
  readonly column: number | undefined
  /** Key of the segment it is about, if it is about one. */
  readonly key: string | undefined
  /** The leaf it is about, or the one that was to be read next. */
  readonly leafIndex: number | undefined

  constructor(code: ArchiveErrorCode, message: string, options: ArchiveErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = "ArchiveError"
    this.code = code
    this.line = options.place?.line
    this.column = options.place?.column
    this.key = options.key
    this.leafIndex = options.leafIndex
  }
}
