/**
 * Many reads under way, their results in order.
 *
 *     asked for     7 8 9 … 22        at most `window` at a time
 *     handed out  6                   strictly one after another
 *
 * Pure: whatever happens, happens in the reads it is given.
 */

/**
 * Starts `read(first)`, `read(first + 1)`, … `read(end − 1)`, a window of them ahead of the consumer, and
 * yields their results in order.
 *
 * A read that fails is reported when its turn comes, not before: the first thing wrong is the first in the
 * log. Whoever stops early leaves at most a window of reads to end on their own.
 */
export async function* readAhead<T>(
  first: number,
  end: number,
  window: number,
  read: (index: number) => Promise<T>,
): AsyncGenerator<T, void, undefined> {
  const underWay: Promise<T>[] = []
  let next = first
  for (let index = first; index < end; index++) {
    for (; next < end && next < index + window; next++) {
      const promise = read(next)
      // Its failure is seen when it is awaited below; until then it must not count as unhandled.
      promise.catch(() => {})
      underWay.push(promise)
    }
    yield await (underWay.shift() as Promise<T>)
  }
}
