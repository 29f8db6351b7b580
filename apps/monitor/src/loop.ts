/**
 * The loop over one log: looks at the pace of its config, whatever goes on beside.
 *
 *     look ─► pause ─► look ─► pause ─► …        audit, gossip, re-reading: at most one of each beside
 *
 * Effects: those of the watch and of gossip; timers.
 */

import type { Beside } from "./beside.js"
import type { Gossip } from "./gossip.js"
import type { LogWatch } from "./watch.js"

export interface LoopOptions {
  readonly gossip: Gossip
  readonly beside: Beside
  readonly signal: AbortSignal
  /** After each look. */
  readonly onLook: (watch: LogWatch) => void
}

/**
 * Looks, again and again, until the signal.
 *
 * It rejects for what is our own fault, in a look or in reading: the disk, or a bug.
 */
export async function watchOn(watch: LogWatch, options: LoopOptions): Promise<void> {
  const { gossip, beside, signal, onLook } = options
  let isExchanging = false
  const failures: unknown[] = []
  while (!signal.aborted) {
    const lookedMs = performance.now()
    await watch.poll()
    if (failures.length > 0) throw failures[0]
    if (!isExchanging) {
      isExchanging = true
      beside.run(
        gossip.exchange(watch, signal).finally(() => {
          isExchanging = false
        }),
      )
    }
    onLook(watch)
    // The next look throws it, so that the loop ends by it as by a failure of its own.
    beside.run(read(watch).catch((error: unknown) => failures.push(error)))
    await pause(lookedMs + watch.log.pollMs - performance.now(), signal)
  }
}

/** What is new first: the whole is read again under a head that the log still shows. */
async function read(watch: LogWatch): Promise<void> {
  if (watch.isAuditDue()) await watch.audit()
  if (watch.isRereadDue({ goesOn: true })) await watch.reread()
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener("abort", done)
      resolve()
    }
    const timer = setTimeout(done, Math.max(0, ms))
    signal.addEventListener("abort", done)
    if (signal.aborted) done()
  })
}
