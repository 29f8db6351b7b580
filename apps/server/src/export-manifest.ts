/**
 * `prooflog-export/1`: what an exported file is the answer to. Its hash is an event of the log, so the file can be
 * proven: file → hash → manifest → hash → event → checkpoint.
 *
 *     { "format": "prooflog-export/1", "origin": …, "log_id": …, "question": "SELECT …", "parameters": […],
 *       "withheld": […], "file_format": "csv", "through": 8123, "rows": 7, "bytes": 912, "sha256": …, "created": … }
 *
 * Pure: no I/O, no clock, no randomness.
 */

import type { ExportFormat } from "@prooflog/query/export-format"
import type { SqlParameters } from "@prooflog/query/store"

export interface Manifest {
  readonly format: "prooflog-export/1"
  readonly origin: string
  /** 32 hex digits. */
  readonly log_id: string
  /** SQL; of a filter, what it is in SQL. */
  readonly question: string
  readonly parameters: SqlParameters
  /** Names of fields that the file does not show. */
  readonly withheld: readonly string[]
  readonly file_format: ExportFormat
  /** Leaves that the answer has seen. */
  readonly through: number
  readonly rows: number
  readonly bytes: number
  /** Of the file, in hex. */
  readonly sha256: string
  /** RFC 3339. */
  readonly created: string
}

/** The bytes that are hashed, and answered: JSON, a member a line. */
export function formatManifest(manifest: Manifest): string {
  return `${JSON.stringify(manifest, undefined, 2)}\n`
}

/**
 * Reads a manifest that this server wrote.
 *
 * @throws Error if it is not the text of one
 */
export function parseManifest(text: string): Manifest {
  const manifest = JSON.parse(text) as Manifest
  const { format, created, bytes, withheld } = manifest
  const isOne = format === "prooflog-export/1" && Number.isInteger(bytes) && Array.isArray(withheld)
  if (isOne && !Number.isNaN(Date.parse(created)) && formatManifest(manifest) === text) return manifest
  throw new Error("a manifest of an export is damaged")
}
