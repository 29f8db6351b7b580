/**
 * Evidence files: events of the log that prove themselves to whoever holds its policy.
 *
 *     GET v1/evidence?leaf_index=7&leaf_index=9,12&withhold=ip_address
 *     POST v1/evidence {"leaf_index":[7,9,12],"withhold":["ip_address"],"tree_size":8123}
 *
 * Every item is made at one head, so that the file has one checkpoint: the published one, or one that was used
 * lately. Who asks for much in several requests names in each the tree size of the first answer.
 */

import { setImmediate as nextTurn } from "node:timers/promises"
import { disclose } from "@prooflog/event/disclosure"
import { openRecord } from "@prooflog/event/record"
import type { Head } from "@prooflog/ledger"
import { type EvidenceItem, formatEvidence } from "@prooflog/verifier/evidence"
import { type Answer, jsonAnswer } from "./answer.js"
import { withBody } from "./body.js"
import { ServerError } from "./error.js"
import { type Call, requireRole } from "./gate.js"
import { askLogged, WHOLE_LOG } from "./own-events.js"
import { beyond } from "./proofs.js"
import { indexParameter, listParameter, malformed, parseIndex } from "./query.js"
import { RecentHeads } from "./recent-heads.js"
import { membersOf, refused } from "./request-members.js"
import { recordOf } from "./retention/destroyed.js"
import type { StoredLeaf } from "./retention/moved-records.js"
import { INDEX_SCHEMA, type Route } from "./route.js"
import { readJson } from "./sent-events.js"
import type { ServedLog } from "./served-log.js"
import { checkWithholdable, withheldFrom } from "./withhold.js"

/** Events that one evidence file asked for by URL may hold, and by a body. */
const MAX_LEAVES = 256
const MAX_POSTED_LEAVES = 4_096

/** Bytes of a body that names them. */
const MAX_BYTES = 256 * 1024

/** Items made before other requests have their turn; about 3 ms. */
const TURN = 64

/** Which names of a record to withhold; throws if it may not be shown at all. */
export type Withhold = (record: Uint8Array) => ReadonlySet<string>

/** What is asked for, whichever way. */
interface Wanted {
  /** Ascending, without repeats. */
  readonly leafIndices: readonly number[]
  readonly withhold: readonly string[]
  readonly treeSize: number | undefined
}

export function evidenceRoutes(log: ServedLog): readonly Route[] {
  const heads = new RecentHeads(() => log.ledger.publishedHead)
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
        { name: "tree_size", in: "query", description: TREE_SIZE, schema: INDEX_SCHEMA },
      ],
      answers: { 200: { description: "The evidence file", mediaType: "application/json" } },
      handle: (call) => answerEvidence(log, heads, call, wantedOfQuery(call.query)),
    },
    {
      method: "POST",
      path: "v1/evidence",
      access: ["reader", "writer"],
      summary: "The same, of many events",
      requestBody: { required: true, content: { "application/json": { schema: EVIDENCE_REQUEST } } },
      answers: { 200: { description: "The evidence file", mediaType: "application/json" } },
      handle: async (call) => {
        const wanted = await withBody(
          call,
          log.budget,
          (bytes) => wantedOfBody(readJson(bytes, call.req.headers["content-type"])),
          MAX_BYTES,
        )
        return answerEvidence(log, heads, call, wanted)
      },
    },
  ]
}

const TREE_SIZE =
  "The tree to prove them in: the one of an answer before this one, so that the two make one file; the published one if left out"

const EVIDENCE_REQUEST = {
  type: "object",
  required: ["leaf_index"],
  additionalProperties: false,
  properties: {
    leaf_index: { type: "array", items: INDEX_SCHEMA, minItems: 1, maxItems: MAX_POSTED_LEAVES },
    withhold: { type: "array", items: { type: "string" } },
    tree_size: { ...INDEX_SCHEMA, description: TREE_SIZE },
  },
}

/**
 * Returns an evidence file.
 *
 * @param head - published
 * @param leafIndices - ascending, below the head's tree size, each an event
 * @throws {@link ServerError} `SERVER_NOT_AN_EVENT`, `SERVER_DESTROYED`, as `LogReader.storedRecords`, and what
 * `withhold` throws
 */
export async function evidenceOf(
  { reader }: ServedLog,
  head: Head,
  leafIndices: readonly number[],
  withhold: Withhold,
): Promise<string> {
  const items: EvidenceItem[] = []
  // All at once: those that were moved cost a segment each time.
  const stored = await reader.storedRecords(leafIndices)
  for (let at = 0; at < stored.length; at += TURN) {
    if (at > 0) await nextTurn()
    items.push(...(await Promise.all(stored.slice(at, at + TURN).map((leaf) => evidenceItem(leaf)))))
  }
  return formatEvidence({ checkpoint: head.note, items })

  async function evidenceItem(leaf: StoredLeaf): Promise<EvidenceItem> {
    const { leafIndex } = leaf
    const record = recordOf(leaf)
    const [path, entry] = await Promise.all([
      reader.inclusionPath(leafIndex, head.treeSize),
      reader.entry(leafIndex, head.treeSize),
    ])
    if (record.length === 0)
      throw new ServerError("SERVER_NOT_AN_EVENT", `leaf ${leafIndex} is no event`, { leafIndex })
    return { leafIndex, path, entry, disclosure: disclose(record, withhold(record)) }
  }
}

async function answerEvidence(
  log: ServedLog,
  heads: RecentHeads,
  call: Call,
  { leafIndices, withhold, treeSize }: Wanted,
): Promise<Answer> {
  const caller = requireRole(call, ["reader", "writer"])
  const head = heads.at(treeSize)
  const last = leafIndices.at(-1) as number
  if (last >= head.treeSize) throw beyond(last, head.treeSize)
  const asked = checkWithholdable(withhold)
  const withheldOf: Withhold = (record) =>
    withheldFrom(caller, () => writerOf(record), log.withholding, asked)
  const doing = {
    action: "log.evidence",
    resource: leafIndices.length === 1 ? `leaf/${last}` : WHOLE_LOG,
    said: {
      leaf_index: rangesOf(leafIndices),
      leaves: leafIndices.length,
      tree_size: head.treeSize,
      withhold: asked.length === 0 ? undefined : asked.join(","),
    },
  } as const
  return askLogged(log, call, doing, async () => {
    const file = await evidenceOf(log, head, leafIndices, withheldOf)
    return { answer: jsonAnswer(200, file), said: { rows: leafIndices.length } }
  })
}

/** @throws {@link ServerError} `SERVER_MALFORMED_QUERY` */
function wantedOfQuery(text: string): Wanted {
  const query = new URLSearchParams(text)
  const leafIndices = listParameter(query, "leaf_index").map((leaf) => {
    const index = parseIndex(leaf)
    if (index === undefined) throw malformed("leaf_index", "must be an integer of 0 … 2^53-1, or several")
    return index
  })
  const sorted = ascending(leafIndices)
  if (sorted.length === 0) throw malformed("leaf_index", "must be given")
  if (sorted.length > MAX_LEAVES) throw malformed("leaf_index", `may be given ${MAX_LEAVES} times`)
  return {
    leafIndices: sorted,
    withhold: listParameter(query, "withhold"),
    treeSize: query.has("tree_size") ? indexParameter(query, "tree_size") : undefined,
  }
}

/**
 * @param body - suspect
 * @throws {@link ServerError} `SERVER_REFUSED_REQUEST`
 */
function wantedOfBody(body: unknown): Wanted {
  const { leaf_index, withhold = [], tree_size } = membersOf(body, ["leaf_index", "withhold", "tree_size"])
  if (!Array.isArray(leaf_index) || leaf_index.length === 0 || !leaf_index.every(isIndex)) {
    throw refused("leaf_index", "must be a list of integers of 0 … 2^53-1")
  }
  const leafIndices = ascending(leaf_index)
  if (leafIndices.length > MAX_POSTED_LEAVES) {
    throw refused("leaf_index", `may name ${MAX_POSTED_LEAVES} leaves`)
  }
  if (!Array.isArray(withhold) || !withhold.every((name) => typeof name === "string")) {
    throw refused("withhold", "must be a list of names")
  }
  if (tree_size !== undefined && !isIndex(tree_size)) {
    throw refused("tree_size", "must be an integer of 0 … 2^53-1")
  }
  return { leafIndices, withhold, treeSize: tree_size }
}

function isIndex(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** 1, 2, 3, 7 → "1-3,7": of many leaves, few are asked for at random. */
function rangesOf(leafIndices: readonly number[]): string {
  const ranges: [start: number, end: number][] = []
  for (const leafIndex of leafIndices) {
    const last = ranges.at(-1)
    if (last !== undefined && last[1] === leafIndex - 1) last[1] = leafIndex
    else ranges.push([leafIndex, leafIndex])
  }
  return ranges.map(([start, end]) => (start === end ? String(start) : `${start}-${end}`)).join(",")
}

/** Without repeats: as an evidence file has them. */
function ascending(leafIndices: readonly number[]): readonly number[] {
  return [...new Set(leafIndices)].sort((a, b) => a - b)
}

/** The id of the key that a record was written with. */
export function writerOf(record: Uint8Array): unknown {
  return openRecord(record).core.find(([name]) => name === "source_key_id")?.[1]
}
