/**
 * Proofs and receipts, made from tiles for whoever would rather not.
 *
 * Everything here could be made by the reader from `tile/…`; nothing here need be believed.
 */

import { encodeBase64 } from "@prooflog/tlog/base64"
import { proveConsistency } from "@prooflog/tlog/consistency"
import { formatReceipt } from "@prooflog/tlog/receipt"
import { contentHeaders, jsonAnswer } from "./answer.js"
import { ServerError } from "./error.js"
import type { Call } from "./gate.js"
import { indexParameter, malformed, parseIndex } from "./query.js"
import { INDEX_SCHEMA, type Parameter, type Route } from "./route.js"
import type { ServedLog } from "./served-log.js"

const RECEIPT_HEADERS = contentHeaders("text/plain; charset=utf-8", "no-cache")

export function proofRoutes(log: ServedLog): readonly Route[] {
  return [
    {
      method: "GET",
      path: "v1/proofs/inclusion",
      access: "public",
      summary: "Proof that a leaf is in the tree of a size",
      parameters: [
        parameter("leaf_index", "The leaf", true),
        parameter("tree_size", "At most the published tree size, which it is if left out", false),
      ],
      answers: {
        200: { description: "Hashes in base64, the leaf's sibling first", mediaType: "application/json" },
      },
      handle: (call) => inclusion(log, call),
    },
    {
      method: "GET",
      path: "v1/proofs/consistency",
      access: "public",
      summary: "Proof that the tree of one size extends that of another",
      parameters: [
        parameter("old_size", "The smaller tree", true),
        parameter("new_size", "At most the published tree size, which it is if left out", false),
      ],
      answers: {
        200: { description: "Hashes in base64, in the order of RFC 6962", mediaType: "application/json" },
      },
      handle: (call) => consistency(log, call),
    },
    {
      method: "GET",
      path: "v1/receipts/{leaf_index}",
      access: "public",
      summary: "A receipt (c2sp.org/tlog-proof) of a leaf at the published head; its extra line is the entry",
      parameters: [{ ...parameter("leaf_index", "The leaf", true), in: "path" }],
      answers: { 200: { description: "The receipt", mediaType: "text/plain" } },
      handle: (_, leafIndex) => receipt(log, leafIndex),
    },
  ]
}

async function inclusion({ ledger, reader }: ServedLog, call: Call) {
  const query = new URLSearchParams(call.query)
  const published = ledger.publishedHead.treeSize
  const leafIndex = indexParameter(query, "leaf_index")
  const treeSize = indexParameter(query, "tree_size", published)
  if (treeSize > published) throw notPublished(published)
  if (leafIndex >= treeSize) throw beyond(leafIndex, treeSize)
  const path = await reader.inclusionPath(leafIndex, treeSize)
  return jsonAnswer(200, `{"leaf_index":${leafIndex},"tree_size":${treeSize},"path":${hashList(path)}}`)
}

async function consistency({ ledger, reader }: ServedLog, call: Call) {
  const query = new URLSearchParams(call.query)
  const published = ledger.publishedHead.treeSize
  const oldSize = indexParameter(query, "old_size")
  const newSize = indexParameter(query, "new_size", published)
  if (newSize > published) throw notPublished(published)
  if (oldSize > newSize) throw malformed("old_size", "is larger than new_size")
  const proof = await proveConsistency(oldSize, newSize, reader.readTiles)
  return jsonAnswer(200, `{"old_size":${oldSize},"new_size":${newSize},"proof":${hashList(proof)}}`)
}

async function receipt({ ledger, reader }: ServedLog, text: string) {
  const { treeSize, note } = ledger.publishedHead
  const leafIndex = parseIndex(text)
  if (leafIndex === undefined)
    throw new ServerError("SERVER_NOT_FOUND", "a leaf index is an integer of 0 … 2^53-1")
  if (leafIndex >= treeSize) throw beyond(leafIndex, treeSize)
  const [extra, path] = await Promise.all([
    reader.entry(leafIndex, treeSize),
    reader.inclusionPath(leafIndex, treeSize),
  ])
  return {
    status: 200,
    headers: RECEIPT_HEADERS,
    body: formatReceipt({ extra, leafIndex, path, checkpoint: note }),
  }
}

/** The error of a leaf that the tree does not reach; if it was logged at all, a moment later it will. */
export function beyond(leafIndex: number, treeSize: number): ServerError {
  return new ServerError("SERVER_NOT_PUBLISHED", `the tree has ${treeSize} leaves`, { leafIndex })
}

function notPublished(published: number): ServerError {
  return new ServerError("SERVER_NOT_PUBLISHED", `the published tree has ${published} leaves`)
}

/** Base64 needs no escaping. */
function hashList(hashes: readonly Uint8Array[]): string {
  return hashes.length === 0 ? "[]" : `["${hashes.map(encodeBase64).join('","')}"]`
}

function parameter(name: string, description: string, required: boolean): Parameter {
  return { name, in: "query", required, description, schema: INDEX_SCHEMA }
}
