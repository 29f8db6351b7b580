/**
 * The formats that an export can have. They stand apart from what writes them, so that naming them loads nothing.
 *
 * Pure.
 */

export const EXPORT_FORMATS = ["csv", "ndjson", "parquet", "ocsf"] as const

export type ExportFormat = (typeof EXPORT_FORMATS)[number]
