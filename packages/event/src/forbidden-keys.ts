/**
 * Keys that mean something else to JavaScript than to the one who sent them.
 *
 * Pure.
 */

/** Keys that no object may have, at any depth: they reach into JavaScript's prototypes. */
export const FORBIDDEN_KEYS = ["__proto__", "constructor", "prototype"] as const

/** Whether a key is one of {@link FORBIDDEN_KEYS}. Spelled out, for it is asked of every key there is. */
export function isForbiddenKey(key: string): boolean {
  return key === FORBIDDEN_KEYS[0] || key === FORBIDDEN_KEYS[1] || key === FORBIDDEN_KEYS[2]
}
