/**
 * Which objects are data.
 *
 * Pure.
 */

/** Whether a value is an object as JSON has them: of no class, and no array. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
