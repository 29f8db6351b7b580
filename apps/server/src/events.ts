/**
 * Single events, as the log holds them, and raw records for whoever audits all of them.
 *
 *     GET v1/events/7                    {"leaf_index":7,"received_at":…,"class":…,"event":{…},"withheld":[…]}
 *     GET v1/records?start=0&end=1000    [0, h''] [1, h'8401…'] [2, null, 1, 9] …    a CBOR sequence
 */

import { decodeEntry } from "@prooflog/event/entry"
import { openRecord } from "@prooflog/event/record"
import { formatTimestamp } from "@prooflog/event/timestamp"
import { type Answer, contentHeaders, jsonAnswer } from "./answer.js"
import { ServerError } from "./error.js"
import { type Call, requireRole } from "./gate.js"
import { askLogged } from "./own-events.js"
import { beyond } from "./proofs.js"
import { indexParameter, listParameter, malformed, parseIndex } from "./query.js"
import { encodeRecordSequence } from "./record-sequence.js"
import { INDEX_SCHEMA, type Route } from "./route.js"
import type { ServedLog } from "./served-log.js"
import { timeText } from "./time-text.js"
import { checkWithholdable, withheldFrom } from "./withhold.js"

/** Leaves whose records one answer holds. */
const MAX_RECORDS = 4_096

/** Bytes of records after which an answer ends early. */
const MAX_RECORD_BYTES = 8 * 1024 * 1024

/** Leaves asked of the storage at once. */
const SLICE = 128

const SEQUENCE_HEADERS = contentHeaders("application/cbor-seq", "no-store")

export function eventRoutes(log: ServedLog): readonly Route[] {
  return [
    {
      method: "GET",
      path: "v1/events/{leaf_index}",
      access: ["reader"],
      summary: "An event, read; ask v1/evidence for one that proves itself",
      parameters: [
        { name: "leaf_index", in: "path", required: true, description: "The leaf", schema: INDEX_SCHEMA },
        {
          name: "withhold",
          in: "query",
          description: "Names of fields to leave out, beside those withheld from the role of the key",
          schema: { type: "array", items: { type: "string" } },
        },
      ],
      answers: { 200: { description: "The event", mediaType: "application/json" } },
      handle: (call, leafIndex) => answerEvent(log, call, leafIndex),
    },
    {
      method: "GET",
      path: "v1/records",
      access: ["auditor"],
      summary: "The records of a range of leaves, seeds included; fewer than asked for if they are large",
      parameters: [
        { name: "start", in: "query", required: true, description: "First leaf", schema: INDEX_SCHEMA },
        {
          name: "end",
          in: "query",
          required: true,
          description: `One past the last leaf; at most ${MAX_RECORDS} after start are answered`,
          schema: INDEX_SCHEMA,
        },
      ],
      answers: {
        200: {
          description:
            "A CBOR sequence (RFC 8742) of [leaf_index, record]: an empty byte string for a leaf that is no event; [leaf_index, null, reason, leaf of the notice or schedule] for a record that was destroyed",
          mediaType: "application/cbor-seq",
        },
      },
      handle: (call) => answerRecords(log, call),
    },
  ]
}

async function answerEvent(log: ServedLog, call: Call, text: string): Promise<Answer> {
  const { ledger, reader, withholding } = log
  const caller = requireRole(call, ["reader"])
  const { treeSize } = ledger.publishedHead
  const leafIndex = parseIndex(text)
  if (leafIndex === undefined)
    throw new ServerError("SERVER_NOT_FOUND", "a leaf index is an integer of 0 … 2^53-1")
  if (leafIndex >= treeSize) throw beyond(leafIndex, treeSize)
  const asked = checkWithholdable(listParameter(new URLSearchParams(call.query), "withhold"))
  const entry = decodeEntry(await reader.entry(leafIndex, treeSize))
  if (entry.type !== "event")
    throw new ServerError("SERVER_NOT_AN_EVENT", `leaf ${leafIndex} is no event`, { leafIndex })
  // So far nothing was looked at that not everyone may see.
  const doing = { action: "log.read", resource: `leaf/${leafIndex}`, said: {} } as const
  return askLogged(log, call, doing, async () => {
    const { core, fields } = openRecord(await reader.record(leafIndex))
    const said = Object.fromEntries(core)
    const withheld = withheldFrom(caller, () => said.source_key_id, withholding, asked)
    const shown = fields.filter(([name]) => !withheld.has(name))
    const answer = {
      leaf_index: leafIndex,
      received_at: timeText(entry.timeMs),
      class: entry.className,
      event: {
        ...said,
        timestamp: formatTimestamp(said.timestamp as number),
        ...Object.fromEntries(shown),
      },
      withheld: fields.map(([name]) => name).filter((name) => withheld.has(name)),
    }
    return { answer: jsonAnswer(200, JSON.stringify(answer)), said: { rows: 1 } }
  })
}

async function answerRecords(log: ServedLog, call: Call): Promise<Answer> {
  const { ledger, reader } = log
  const query = new URLSearchParams(call.query)
  const { treeSize } = ledger.publishedHead
  const start = indexParameter(query, "start")
  const end = Math.min(indexParameter(query, "end"), start + MAX_RECORDS, treeSize)
  if (start > treeSize) throw beyond(start, treeSize)
  if (end < start) throw malformed("end", "is less than start")
  const doing = { action: "log.records", resource: `records/${start}-${end}`, said: { start, end } } as const
  return askLogged(log, call, doing, async () => {
    const slices: Uint8Array[] = []
    let bytes = 0
    let rows = 0
    for await (const leaves of reader.leaves(start, end, SLICE)) {
      const slice = encodeRecordSequence(leaves)
      slices.push(slice)
      bytes += slice.length
      rows += leaves.length
      if (bytes >= MAX_RECORD_BYTES) break
    }
    const answer = { status: 200, headers: SEQUENCE_HEADERS, body: Buffer.concat(slices) }
    return { answer, said: { rows } }
  })
}
