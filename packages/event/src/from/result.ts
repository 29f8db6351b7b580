/**
 * What an HTTP status says about how an access ended.
 *
 * Pure.
 */

import type { AccessEvent } from "../schema.js"

/** Whether a number is a status that HTTP has. */
export function isHttpStatus(status: number): boolean {
  return Number.isInteger(status) && status >= 100 && status < 600
}

/** Returns the result of an HTTP status: 401 and 403 were denied, other 4xx failed, 5xx was the server's fault. */
export function httpResult(status: number): AccessEvent["result"] {
  if (status === 401 || status === 403) return "denied"
  if (status >= 100 && status < 400) return "success"
  if (status >= 400 && status < 500) return "failure"
  return status >= 500 && status < 600 ? "error" : "unknown"
}
