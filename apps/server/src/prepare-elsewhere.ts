/**
 * Large bodies, prepared in a thread of their own, so that ten thousand events hold up no one else.
 *
 *     main    body ──► copied ──► │ ┌─────────────────────────┐
 *     worker                      │ │ prepare: 10 µs an event │ ──► entries, records, handed over, not copied
 *     main    other requests meanwhile                            ──► ledger
 *
 * It is told the rules that classes are given by when it begins, and before the first body after they changed.
 *
 * One worker: the main thread has as much to do with each event as it has.
 */

import { Worker } from "node:worker_threads"
import type { ClassRules } from "./class-of.js"
import type { Body, Prepared, Unreadable } from "./prepare.js"

/** What the worker is told: a body, to be answered, or the rules from here on. */
export type WorkerMessage = Body | ClassRules

/** What the worker answers: as {@link Prepared}, with the ids in one array. */
export interface PreparedMessage extends Omit<Prepared, "ids"> {
  /** 16 bytes for each entry; zeros for one without. */
  readonly packedIds: Uint8Array
}

type WorkerAnswer = PreparedMessage | Unreadable

export interface PrepareElsewhere {
  prepare(body: Body): Promise<Prepared | Unreadable>
  close(): Promise<unknown>
}

/** Bytes of a packed id. */
export const ID_SIZE = 16

interface Waiting {
  readonly resolve: (answer: WorkerAnswer) => void
  readonly reject: (error: unknown) => void
}

/**
 * The worker begins with the first body. If it dies, those it had fail, and the next body begins another.
 *
 * @param classRules - those that classes are given by now
 */
export function prepareElsewhere(classRules: () => ClassRules): PrepareElsewhere {
  let worker: Worker | undefined
  /** What the worker gives classes by. */
  let told: ClassRules | undefined
  /** In the order in which they were sent, which is the order of the answers. */
  const waiting: Waiting[] = []

  function begin(): Worker {
    const begun = new Worker(new URL("./prepare-worker.js", import.meta.url))
    told = undefined
    begun.on("message", (answer: WorkerAnswer) => waiting.shift()?.resolve(answer))
    begun.on("error", (error) => end(begun, error))
    begun.on("exit", () => end(begun, new Error("the worker that prepares events has ended")))
    begun.unref()
    return begun
  }

  function end(ended: Worker, error: unknown): void {
    if (worker !== ended) return
    worker = undefined
    for (const { reject } of waiting.splice(0)) reject(error)
  }

  return {
    async prepare(body) {
      worker ??= begin()
      const asked = worker
      const rules = classRules()
      if (rules !== told) asked.postMessage(rules)
      told = rules
      const answer = await new Promise<WorkerAnswer>((resolve, reject) => {
        waiting.push({ resolve, reject })
        asked.postMessage(body)
      })
      return "refused" in answer ? answer : unpacked(answer)
    },
    close: async () => worker?.terminate(),
  }
}

function unpacked({ packedIds, ...message }: PreparedMessage): Prepared {
  const ids = Array.from({ length: message.count }, (_, i) => {
    const id = packedIds.subarray(i * ID_SIZE, (i + 1) * ID_SIZE)
    return id.some((byte) => byte !== 0) ? id : undefined
  })
  return { ...message, ids }
}
