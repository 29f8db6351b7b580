/** The thread that large bodies are prepared in: see `prepare-elsewhere.ts`. */

import { randomFillSync } from "node:crypto"
import { parentPort, workerData } from "node:worker_threads"
import { SeedPool } from "@prooflog/event/record"
import { classesOf } from "./class-of.js"
import { type Body, type Prepared, prepare } from "./prepare.js"
import { ID_SIZE, type PreparedMessage } from "./prepare-elsewhere.js"

const options = {
  classOf: classesOf(workerData),
  seeds: new SeedPool((bytes) => void randomFillSync(bytes)),
}

parentPort?.on("message", (body: Body) => {
  const prepared = prepare(body, options)
  if ("refused" in prepared) parentPort?.postMessage(prepared)
  else handOver(packed(prepared))
})

/** Cut to what was written: a view would take all the room around it along. */
function packed({ ids, entries, records, ...rest }: Prepared): PreparedMessage {
  const packedIds = new Uint8Array(ids.length * ID_SIZE)
  for (const [i, id] of ids.entries()) if (id !== undefined) packedIds.set(id, i * ID_SIZE)
  return { ...rest, packedIds, entries: entries.slice(), records: records.slice() }
}

function handOver(message: PreparedMessage): void {
  const { entries, records, packedIds } = message
  parentPort?.postMessage(message, [entries.buffer, records.buffer, packedIds.buffer] as ArrayBuffer[])
}
