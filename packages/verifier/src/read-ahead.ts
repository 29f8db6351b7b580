/**
 * Many reads under way, their results in order.
 *
 *     asked for     7 8 9 … 22        at most `window` at a time
 *     handed out  6                   strictly one after another
 *
 * Pure: whatever happens, happens in the reads it is given.
 */

/**
 * Starts `read(what)` for each of `wanted`, a window of them ahead of the consumer, and yields their results
 * in order.
 *
 * A read that fails is reported when its turn comes, not before: the first thing wrong is the first in the
 * log. Whoever stops early leaves at most a window of reads to end on their own.
 *
 * @param wanted - asked for the next one only when a read can start
 */
export async function* readAhead<W, T>(
  wanted: Iterable<W>,
  window: number,
  read: (what: W) => Promise<T>,
): AsyncGenerator<T, void, undefined> {
  const underWay: Promise<T>[] = []
  const next = wanted[Symbol.iterator]()
  for (;;) {
    while (underWay.length < window) {
      const { done, value } = next.next()
      if (done === true) break
      const promise = read(value)
      // Its failure is seen when it is awaited below; until then it must not count as unhandled.
      promise.catch(() => {})
      underWay.push(promise)
    }
    const first = underWay.shift()
    if (first === undefined) return
    yield await first
  }
}

/** The integers `first` … `end` − 1. */
export function* integers(first: number, end: number): Generator<number, void, undefined> {
  for (let index = first; index < end; index++) yield index
}
