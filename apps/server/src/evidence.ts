/**
 * Evidence files: events of the log that prove themselves to whoever holds its policy.
 *
 *     GET v1/evidence?leaf_index=7&leaf_index=9,12&withhold=ip_address
 *
 * Every item is made at one head, the published one, so that the file has one checkpoint.
 */

import { setImmediate as nextTurn } from "node:timers/promises"
import { disclose } from "@prooflog/event/disclosure"
import { openRecord } from "@prooflog/event/record"
import type { Head } from "@prooflog/ledger"
import { type EvidenceItem, formatEvidence } from "@prooflog/verifier/evidence"
import { type Answer, jsonAnswer } from "./answer.js"
import { ServerError } from "./error.js"
import { type Call, requireRole } from "./gate.js"
import { beyond } from "./proofs.js"
import { listParameter, malformed, parseIndex } from "./query.js"
import { INDEX_SCHEMA, type Route } from "./route.js"
import type { ServedLog } from "./served-log.js"
import { checkWithholdable, withheldFrom } from "./withhold.js"

/** Events that one evidence file asked for by leaf may hold. */
const MAX_LEAVES = 256

/** Items made before other requests have their turn; about 3 ms. */
const TURN = 64

/** Which names of a record to withhold; throws if it may not be shown at all. */
export type Withhold = (record: Uint8Array) => ReadonlySet<string>

export function evidenceRoutes(log: ServedLog): readonly Route[] {
  return [
    {
      method: "GET",
      path: "v1/evidence",
      access: ["reader", "writer"],
      summary: "An evidence file (prooflog-evidence/1) of events; writers get those of their own key",
      parameters: [
        {
          name: "leaf_index",
          in: "query",
          required: true,
          description: `1 to ${MAX_LEAVES} leaves: repeated, or with commas between them`,
          schema: { type: "array", items: INDEX_SCHEMA, minItems: 1, maxItems: MAX_LEAVES },
        },
        {
          name: "withhold",
          in: "query",
          description: "Names of fields to leave closed, beside those withheld from the role of the key",
          schema: { type: "array", items: { type: "string" } },
        },
      ],
      answers: { 200: { description: "The evidence file", mediaType: "application/json" } },
      handle: (call) => answerEvidence(log, call),
    },
  ]
}

/**
 * Returns an evidence file.
 *
 * @param head - published
 * @param leafIndices - ascending, below the head's tree size, each an event
 * @throws {@link ServerError} `SERVER_NOT_AN_EVENT`, `SERVER_DESTROYED`, and what `withhold` throws
 */
export async function evidenceOf(
  { reader }: ServedLog,
  head: Head,
  leafIndices: readonly number[],
  withhold: Withhold,
): Promise<string> {
  const items: EvidenceItem[] = []
  for (let at = 0; at < leafIndices.length; at += TURN) {
    if (at > 0) await nextTurn()
    const turn = leafIndices.slice(at, at + TURN)
    items.push(...(await Promise.all(turn.map((leafIndex) => evidenceItem(leafIndex)))))
  }
  return formatEvidence({ checkpoint: head.note, items })

  async function evidenceItem(leafIndex: number): Promise<EvidenceItem> {
    const [path, entry, record] = await Promise.all([
      reader.inclusionPath(leafIndex, head.treeSize),
      reader.entry(leafIndex, head.treeSize),
      reader.record(leafIndex),
    ])
    if (record.length === 0)
      throw new ServerError("SERVER_NOT_AN_EVENT", `leaf ${leafIndex} is no event`, { leafIndex })
    return { leafIndex, path, entry, disclosure: disclose(record, withhold(record)) }
  }
}

async function answerEvidence(log: ServedLog, call: Call): Promise<Answer> {
  const caller = requireRole(call, ["reader", "writer"])
  const query = new URLSearchParams(call.query)
  const head = log.ledger.publishedHead
  const leafIndices = parseLeaves(listParameter(query, "leaf_index"))
  const last = leafIndices.at(-1) as number
  if (last >= head.treeSize) throw beyond(last, head.treeSize)
  const asked = checkWithholdable(listParameter(query, "withhold"))
  const withhold: Withhold = (record) => withheldFrom(caller, () => writerOf(record), log.withholding, asked)
  return jsonAnswer(200, await evidenceOf(log, head, leafIndices, withhold))
}

/** Ascending, without repeats: as an evidence file has them. */
function parseLeaves(texts: readonly string[]): readonly number[] {
  const leafIndices = new Set<number>()
  for (const text of texts) {
    const index = parseIndex(text)
    if (index === undefined) throw malformed("leaf_index", "must be an integer of 0 … 2^53-1, or several")
    leafIndices.add(index)
  }
  if (leafIndices.size === 0) throw malformed("leaf_index", "must be given")
  if (leafIndices.size > MAX_LEAVES) throw malformed("leaf_index", `may be given ${MAX_LEAVES} times`)
  return [...leafIndices].sort((a, b) => a - b)
}

function writerOf(record: Uint8Array): unknown {
  return openRecord(record).core.find(([name]) => name === "source_key_id")?.[1]
}
