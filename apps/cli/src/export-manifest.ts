/**
 * The manifest of an export, `prooflog-export/1`: what an exported file is the answer to, and the hash of the file.
 *
 *     FILE ──sha256──► FILE.manifest.json ──sha256──► an event of the log ──► FILE.evidence.json
 *
 * Pure, but for the native SHA-256.
 */

import { createHash } from "node:crypto"
import type { SqlParameters } from "@prooflog/query/store"
import type { VerifiedEvent, VerifiedEvidence } from "@prooflog/verifier/verify-evidence"
import { CliError } from "./error.js"

export const MANIFEST_FORMAT = "prooflog-export/1"

export interface Manifest {
  readonly origin: string
  /** SQL; of a filter, what it stands for. */
  readonly question: string
  readonly parameters: SqlParameters
  readonly withheld: readonly string[]
  readonly fileFormat: string
  readonly through: number
  readonly rows: number
  readonly bytes: number
  /** Of the file, hex. */
  readonly sha256: string
}

/**
 * Reads a manifest.
 *
 * @param text - suspect
 * @throws {@link CliError} `CLI_FILE` if it is none
 */
export function readManifest(text: string, path: string): Manifest {
  let value: Readonly<Record<string, unknown>>
  try {
    value = (JSON.parse(text) ?? {}) as Record<string, unknown>
  } catch {
    value = {}
  }
  const { format, origin, question, parameters = [], withheld = [] } = value
  const { file_format, through, rows, bytes, sha256 } = value
  const isManifest =
    format === MANIFEST_FORMAT &&
    [origin, question, file_format].every((member) => typeof member === "string") &&
    [through, rows, bytes].every((member) => Number.isSafeInteger(member)) &&
    areParameters(parameters) &&
    Array.isArray(withheld) &&
    /^[0-9a-f]{64}$/.test(String(sha256))
  if (!isManifest) throw new CliError("CLI_FILE", `${path} is no manifest of an export (${MANIFEST_FORMAT})`)
  return {
    origin: String(origin),
    question: String(question),
    parameters,
    withheld: withheld.map(String),
    fileFormat: String(file_format),
    through: Number(through),
    rows: Number(rows),
    bytes: Number(bytes),
    sha256: String(sha256),
  }
}

function areParameters(value: unknown): value is SqlParameters {
  if (typeof value !== "object" || value === null) return false
  return Object.values(value).every(
    (each) => each === null || ["string", "number", "boolean"].includes(typeof each),
  )
}

/** SHA-256 in hex. */
export function hexHash(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex")
}

/**
 * Returns the event that says that an export with this manifest was made.
 *
 * Anyone who may write to the log can say so in an event of its own; only what the log itself says counts.
 *
 * @param evidence - verified
 * @throws {@link CliError} `CLI_NOT_VERIFIED` if another manifest was logged, `CLI_CANNOT_TELL` if its hash is withheld
 */
export function exportEvent({ events }: VerifiedEvidence, manifestText: string | Uint8Array): VerifiedEvent {
  const own = events.filter(({ core }) => core.source === "prooflog" && core.action === "log.export")
  if (own.length === 0) throw new CliError("CLI_NOT_VERIFIED", "the evidence is not of an export of the log")
  const hash = hexHash(manifestText)
  const found = own.find(({ fields }) => hashIn(fields.attributes) === hash)
  if (found !== undefined) return found
  if (own.some(({ withheld }) => withheld.includes("attributes")))
    throw new CliError(
      "CLI_CANNOT_TELL",
      "could not tell: the evidence withholds attributes, which hold the manifest's hash",
    )
  throw new CliError("CLI_NOT_VERIFIED", "the manifest is not the one that was logged: its hash is another")
}

function hashIn(attributes: unknown): unknown {
  return (attributes as Readonly<Record<string, unknown>> | undefined)?.manifest_sha256
}
