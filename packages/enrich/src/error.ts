/**
 * What can go wrong in this room: one class, a closed list of codes.
 *
 * Only opening can fail. An address or an agent never does: what cannot be told is left out.
 * Pure.
 */

/** Every code an {@link EnrichError} can carry. */
export const ENRICH_ERROR_CODES = [
  /** A file that was named as a database cannot be read, or is no MMDB database; `file` names it. */
  "ENRICH_BAD_DATABASE",
] as const

export type EnrichErrorCode = (typeof ENRICH_ERROR_CODES)[number]

export class EnrichError extends Error {
  readonly code: EnrichErrorCode
  /** The file, as it was named. */
  readonly file: string

  /** @param problem - what is wrong with the file, for people */
  constructor(code: EnrichErrorCode, file: string, problem: string, cause?: unknown) {
    super(`${JSON.stringify(file)}: ${problem}`, cause === undefined ? undefined : { cause })
    this.name = "EnrichError"
    this.code = code
    this.file = file
  }
}
