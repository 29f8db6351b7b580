/**
 * Events in the order of their time, as far as that can be had without all of them at once.
 *
 *     files of three regions, one after another ─► the newest 20,000 wait ─► what is older goes on, in order
 *
 * Pure, if what it reads is.
 */

/** Events that wait; at most three times as many are in memory. */
const HELD = 20_000

/** @param timeMs - ms since 1970; of the same time, they stay in their order */
export async function* inTimeOrder<Event extends { readonly timeMs: number }>(
  batches: AsyncIterable<readonly Event[]>,
  held = HELD,
): AsyncGenerator<readonly Event[], void, undefined> {
  let waiting: Event[] = []
  const sort = () => waiting.sort((a, b) => a.timeMs - b.timeMs)
  for await (const batch of batches) {
    waiting = waiting.concat(batch)
    if (waiting.length < 2 * held) continue
    sort()
    yield waiting.splice(0, waiting.length - held)
  }
  yield sort()
}
