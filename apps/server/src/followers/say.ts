/**
 * What children tell the operator: over the link, so that the server writes it in its one format.
 *
 *     query child ─ say ─► reader ─ say ─► server ─► pino
 *
 * Words of our own, codes and numbers; nothing out of rows or questions.
 */

import type { Logger } from "pino"
import { type FarError, farError } from "./far-error.js"

export type Level = "info" | "warn" | "error"

export interface Said {
  readonly level: Level
  readonly message: string
  readonly details: Readonly<Record<string, unknown>>
}

export type Say = (level: Level, message: string, details?: Readonly<Record<string, unknown>>) => void

/** Says by handing on; errors among the details are made data. */
export function sayTo(hear: (said: Said) => void): Say {
  return (level, message, details = {}) => {
    const plain = Object.entries(details).map(([name, value]): [string, unknown] => [
      name,
      value instanceof Error ? farError(value) : value,
    ])
    hear({ level, message, details: Object.fromEntries(plain) })
  }
}

/** Writes down what was said. */
export function sayInto(logger: Logger): (said: Said) => void {
  return ({ level, message, details: { error, ...details } }) => {
    const { code } = (error ?? {}) as Partial<FarError>
    logger[level]({ ...details, ...(error !== undefined && { err: error }), ...(code && { code }) }, message)
  }
}
