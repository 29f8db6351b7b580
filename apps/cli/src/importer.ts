/**
 * Sends events to a log, a batch at a time, a few batches at once.
 *
 *     items ──► batches of ≤ 1,000 events, ≤ 9 MiB ──► POST v1/events, 3 in flight ──► one result per event
 *
 * Order is kept within a batch only: what holds the order of a log is when it received an event, and
 * events carry their own timestamp. If the process dies, every batch that was answered is in the log;
 * the next run sends everything again, and the log answers `duplicate` for what it has.
 */

import { CliError } from "./error.js"
import type { ImportSource, Place, Problem } from "./import-source.js"
import type { LogServer } from "./log-server.js"

const BATCH_EVENTS = 1000
/** Reached by the last event at most, which has hardly more than 1 MiB: below the 10 MiB that a server takes. */
const BATCH_BYTES = 8 * 1024 * 1024
const IN_FLIGHT = 3

export interface ImportCounts {
  accepted: number
  duplicates: number
  rejected: number
}

export interface ImportOptions {
  /** Told of each item that will not be in the log, in no particular order. */
  readonly onReject: (place: Place, problem: Problem) => void
  /** Told after each batch; `share` of the source was read when the batch was made, 0 … 1. */
  readonly onProgress?: (counts: Readonly<ImportCounts>, share: number) => void
}

/**
 * Sends everything, and resolves when all of it is answered.
 *
 * @throws {@link CliError} of {@link LogServer.ask}; what was answered before stays in the log
 */
export async function importItems(
  source: ImportSource,
  server: LogServer,
  { onReject, onProgress }: ImportOptions,
): Promise<ImportCounts> {
  const counts: ImportCounts = { accepted: 0, duplicates: 0, rejected: 0 }
  const inFlight = new Set<Promise<void>>()
  const failures: unknown[] = []
  let share = 0
  const reject = (place: Place, problem: Problem) => {
    counts.rejected += 1
    onReject(place, problem)
  }
  const send = async (batch: Batch): Promise<void> => {
    const results = await postBatch(batch, server)
    results.forEach((result, index) => {
      const place = batch.places[index] as Place
      if ("problem" in result) reject(place, result.problem)
      else if (result.duplicate) counts.duplicates += 1
      else counts.accepted += 1
    })
    share = Math.max(share, batch.share)
    onProgress?.(counts, share)
  }
  const start = async (batch: Batch): Promise<void> => {
    const sending: Promise<void> = send(batch)
      .catch((error) => void failures.push(error))
      .finally(() => inFlight.delete(sending))
    inFlight.add(sending)
    if (inFlight.size >= IN_FLIGHT) await Promise.race(inFlight)
  }
  try {
    for await (const batch of batches(source, reject)) {
      if (failures.length > 0) break
      await start(batch)
    }
  } finally {
    // Where the source fails, what was sent is still answered, and counted.
    await Promise.all(inFlight)
  }
  if (failures.length > 0) throw failures[0]
  return counts
}

interface Batch {
  /** NDJSON, one line each. */
  readonly lines: string[]
  readonly places: Place[]
  /** Of the source, read when the batch was complete: 0 … 1. */
  share: number
}

async function* batches(
  source: ImportSource,
  reject: (place: Place, problem: Problem) => void,
): AsyncGenerator<Batch> {
  let batch: Batch = { lines: [], places: [], share: 0 }
  let bytes = 0
  for await (const some of source.items) {
    for (const item of some) {
      if ("problem" in item) {
        reject(item.place, item.problem)
        continue
      }
      const line = JSON.stringify(item.event)
      batch.lines.push(line)
      batch.places.push(item.place)
      bytes += Buffer.byteLength(line)
      if (batch.lines.length < BATCH_EVENTS && bytes < BATCH_BYTES) continue
      batch.share = source.share()
      yield batch
      batch = { lines: [], places: [], share: 0 }
      bytes = 0
    }
  }
  batch.share = 1
  if (batch.lines.length > 0) yield batch
}

type Result = { readonly duplicate: boolean } | { readonly problem: Problem }

async function postBatch(batch: Batch, server: LogServer): Promise<readonly Result[]> {
  const body = `${batch.lines.join("\n")}\n`
  const answer = await server.json("v1/events", { method: "POST", body, type: "application/x-ndjson" })
  const { results } = answer
  // One result short, and every later place would be another line's.
  if (!Array.isArray(results) || results.length !== batch.lines.length) {
    throw new CliError("CLI_UNEXPECTED_ANSWER", `sent ${batch.lines.length} events, got other results back`)
  }
  return results.map(resultOf)
}

/** A refused event has the code and words of the problem document that it would have been alone. */
function resultOf(result: unknown): Result {
  const { leaf_index, duplicate, code, message, pointer } = (result ?? {}) as Record<string, unknown>
  if (typeof code !== "string" && typeof leaf_index === "number") return { duplicate: duplicate === true }
  return {
    problem: {
      code: typeof code === "string" ? code : "CLI_UNEXPECTED_ANSWER",
      message: typeof message === "string" ? message : "refused without a word",
      ...(typeof pointer === "string" && pointer !== "" ? { pointer } : {}),
    },
  }
}
