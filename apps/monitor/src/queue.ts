/**
 * One thing at a time, in the order in which it was asked for.
 *
 * Effects: those of the acts.
 */

export interface Queue {
  /** Runs `act` when everything before it has ended, well or not. */
  <T>(act: () => Promise<T>): Promise<T>
  /** The same, or `undefined` if too many wait. */
  tryRun<T>(act: () => Promise<T>): Promise<T> | undefined
}

/** @param limit - acts that may wait or run, for `tryRun` */
export function openQueue(limit = Number.POSITIVE_INFINITY): Queue {
  let last: Promise<unknown> = Promise.resolve()
  let waiting = 0
  const run = <T>(act: () => Promise<T>): Promise<T> => {
    waiting++
    const running = last.then(act).finally(() => waiting--)
    // Whoever asked hears of a failure; the next one does not care.
    last = running.catch(() => {})
    return running
  }
  return Object.assign(run, {
    tryRun: <T>(act: () => Promise<T>) => (waiting >= limit ? undefined : run(act)),
  })
}
