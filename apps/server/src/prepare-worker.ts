/** The thread that large bodies are prepared in: see `prepare-elsewhere.ts`. */

import { randomFillSync } from "node:crypto"
import { parentPort } from "node:worker_threads"
import { SeedPool } from "@prooflog/event/record"
import { type ClassOf, classesOf } from "./class-of.js"
import { type Body, type Prepared, prepare } from "./prepare.js"
import { ID_SIZE, type PreparedMessage, type WorkerMessage } from "./prepare-elsewhere.js"

const seeds = new SeedPool((bytes) => void randomFillSync(bytes))
let classOf: ClassOf = () => {
  throw new Error("bug: a body came before the rules that classes are given by")
}

parentPort?.on("message", (message: WorkerMessage) => {
  if ("rules" in message) classOf = classesOf(message)
  else answer(message)
})

function answer(body: Body): void {
  const prepared = prepare(body, { classOf, seeds })
  if ("refused" in prepared) parentPort?.postMessage(prepared)
  else handOver(packed(prepared))
}

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
