/**
 * Many reads under way, their results in order.
 *
 *     asked for     7 8 9 … 22        at most `window` at a time
 *     handed out  6                   strictly one after another
 *
 * Results that wait for their turn may be bounded in bytes: sizes are the sender's word, and 390 KB on the wire can be
 * 16 MB each. A result that finds no room is forgotten and read again when its turn comes; and after a large one, no
 * more reads are begun than would fit if all were as large.
 *
 * Pure: whatever happens, happens in the reads it is given.
 */

/** What results may take up while they wait. */
export interface Room<T> {
  readonly maxBytes: number
  readonly bytesOf: (result: T) => number
}

/**
 * Starts `read(what)` for each of `wanted`, a window of them ahead of the consumer, and yields their results
 * in order.
 *
 * A read that fails is reported when its turn comes, not before: the first thing wrong is the first in the
 * log. Whoever stops early leaves at most a window of reads to end on their own.
 *
 * @param wanted - asked for the next one only when a read can start
 * @param room - of the results that wait; the one that is handed out comes on top. Without it there is no bound.
 */
export async function* readAhead<W, T>(
  wanted: Iterable<W>,
  window: number,
  read: (what: W) => Promise<T>,
  room: Room<T> = { maxBytes: Number.POSITIVE_INFINITY, bytesOf: () => 0 },
): AsyncGenerator<T, void, undefined> {
  const underWay: Reading<W, T>[] = []
  const next = wanted[Symbol.iterator]()
  let waiting = 0
  /** Bytes of a large result of late; each that is smaller makes it forgotten a little. */
  let large = 0
  const begin = async (what: W) => {
    const result = await read(what)
    const bytes = room.bytesOf(result)
    large = Math.max(bytes, large * FORGETTING)
    if (waiting + bytes > room.maxBytes) return undefined
    waiting += bytes
    return { result, bytes }
  }
  for (;;) {
    while (underWay.length < Math.max(1, Math.min(window, Math.floor(room.maxBytes / large)))) {
      const { done, value } = next.next()
      if (done === true) break
      const kept = begin(value)
      // Its failure is seen when it is awaited below; until then it must not count as unhandled.
      kept.catch(() => {})
      underWay.push({ what: value, kept })
    }
    const first = underWay.shift()
    if (first === undefined) return
    const kept = await first.kept
    waiting -= kept?.bytes ?? 0
    yield kept === undefined ? await read(first.what) : kept.result
  }
}

const FORGETTING = 0.9

interface Reading<W, T> {
  readonly what: W
  /** Resolves with nothing if there was no room for it. */
  readonly kept: Promise<{ readonly result: T; readonly bytes: number } | undefined>
}

/** The integers `first` … `end` − 1. */
export function* integers(first: number, end: number): Generator<number, void, undefined> {
  for (let index = first; index < end; index++) yield index
}
