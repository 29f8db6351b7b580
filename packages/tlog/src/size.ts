/**
 * Tree sizes and leaf indices: safe integers, 0 … 2⁵³ − 1.
 *
 * JavaScript's bit operators work on 32 bits and trees outgrow that, so all
 * arithmetic on sizes is division and remainder. A larger number is refused,
 * never rounded.
 */

/** Whether `n` can be a tree size or a leaf index. */
export function isSize(n: number): boolean {
  return Number.isSafeInteger(n) && n >= 0
}

/** @throws `RangeError` if `n` is not a safe integer ≥ 0 */
export function requireSize(label: string, n: number): void {
  if (!isSize(n)) throw new RangeError(`${label}: expected an integer in 0 … 2^53-1, got ${n}`)
}

/** Parses a size in its one decimal spelling; `undefined` for signs, leading zeros and anything past 2⁵³ − 1. */
export function parseSize(text: string): number | undefined {
  if (!DECIMAL.test(text)) return undefined
  const n = Number(text)
  return Number.isSafeInteger(n) ? n : undefined
}

const DECIMAL = /^(?:0|[1-9][0-9]{0,15})$/

/** The largest power of two strictly less than `n`, which is at least 2: where RFC 6962 splits a tree. */
export function largestPowerBelow(n: number): number {
  let k = 1
  while (k * 2 < n) k *= 2
  return k
}

export function isPowerOfTwo(n: number): boolean {
  if (n < 1) return false
  let rest = n
  while (rest % 2 === 0) rest /= 2
  return rest === 1
}
