/**
 * The name that was most likely meant.
 *
 *     usr_id  ─►  user_id        few letters apart
 *     country_code  ─►  country  one holds the other
 *     zebra  ─►  (none)
 *
 * Pure.
 */

/**
 * Returns the one of `names` that is nearest to `name`, or `undefined` if none is near.
 *
 * @param name - suspect; what is past 64 characters is not looked at
 */
export function nearestName(name: string, names: Iterable<string>): string | undefined {
  const wanted = name.slice(0, 64).toLowerCase()
  const limit = Math.max(1, Math.floor(wanted.length / 3))
  let best: string | undefined
  let bestDistance = limit + 1
  for (const candidate of names) {
    const holds = wanted.length >= 3 && (candidate.includes(wanted) || wanted.includes(candidate))
    const distance = Math.min(lettersApart(wanted, candidate.toLowerCase()), holds ? limit : Infinity)
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** Letters to insert, leave out or exchange to make one name of the other (Levenshtein). */
function lettersApart(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const exchange = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(exchange, (row[j] as number) + 1, (next[j - 1] as number) + 1))
    }
    row = next
  }
  return row[b.length] as number
}
