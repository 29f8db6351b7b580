/**
 * What went wrong in retention, in words that may be kept and shown to an admin.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { ObjectsError } from "@prooflog/objects/error"
import { refusalOf } from "../refusal.js"

export interface Failure {
  readonly code: string
  readonly message: string
}

/** Returns the code of an error, and what it says; of one without a code, that it is a bug. */
export function failureOf(error: unknown): Failure {
  if (error instanceof ObjectsError) return { code: error.code, message: error.message }
  const { code, message } = refusalOf(error)
  return { code, message }
}
