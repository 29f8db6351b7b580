/**
 * Proven events as a table: what the log committed to, and nothing else, in memory, asked in the same SQL.
 *
 *     evidence ──verified──► values ──► record ──► access_logs ──► the question, once more
 *
 * The records are made anew from what was disclosed: names that were withheld are not in them, and their
 * columns are NULL.
 *
 * Effects: memory only.
 */

import { type CborValue, encodeCbor } from "@prooflog/event/cbor"
import { type OutputColumn, openQueryStore, type QueryStore } from "@prooflog/query/store"
import { formatBundle } from "@prooflog/tlog/bundle"
import type { VerifiedEvent } from "@prooflog/verifier/verify-evidence"
import type { Row } from "../sql-answer.js"
import type { ProvenBatch } from "./evidence-batches.js"
import { quoted, type Statement } from "./plan.js"

const MEMORY_MB = 2048

/** No record says its seed here: nobody needs one to read values. */
const NO_SEED = new Uint8Array(32)

/** An answer of proven rows. */
export interface Asked {
  readonly columns: readonly OutputColumn[]
  readonly rows: readonly Row[]
}

export class RowStore {
  readonly store: QueryStore
  /** Names that were withheld from some leaf. */
  readonly withheld = new Map<string, Set<number>>()
  count = 0

  private constructor(store: QueryStore) {
    this.store = store
  }

  static async open(): Promise<RowStore> {
    return new RowStore(await openQueryStore({ path: ":memory:", memoryMb: MEMORY_MB }))
  }

  async take({ items, events }: ProvenBatch): Promise<void> {
    for (const event of events) this.#noteWithheld(event)
    const leafIndices = events.map(({ leafIndex }) => leafIndex)
    await this.store.append({
      firstLeaf: leafIndices[0] as number,
      count: events.length,
      entries: formatBundle(items.map(({ entry }) => entry)),
      records: formatBundle(events.map(recordOf)),
      cursor: "",
      leafIndices,
    })
    this.count += events.length
  }

  /** Returns the logged values of every leaf, in the order of `names`. */
  async logged(names: readonly string[]): Promise<ReadonlyMap<number, Row>> {
    const columns = ["leaf_index", ...names].map(quoted).join(", ")
    const { rows } = await this.ask({ sql: `SELECT ${columns} FROM access_logs`, parameters: undefined })
    return new Map(rows.map(([leafIndex, ...values]) => [leafIndex as number, values]))
  }

  /** @throws {@link QueryError} if it cannot be answered here */
  async ask({ sql, parameters }: Statement): Promise<Asked> {
    await this.store.commit()
    const answer = await this.store.run({ sql, ...(parameters !== undefined && { parameters }) })
    const rows: Row[] = []
    for await (const batch of answer.batches) for (const row of batch) rows.push(row)
    return { columns: answer.columns, rows }
  }

  async close(): Promise<void> {
    await this.store.close()
  }

  #noteWithheld({ leafIndex, withheld }: VerifiedEvent): void {
    for (const name of withheld) {
      const leaves = this.withheld.get(name) ?? new Set()
      this.withheld.set(name, leaves.add(leafIndex))
    }
  }
}

/** `[1, seed, core, fields]`, of what was shown. */
function recordOf({ core, fields }: VerifiedEvent): Uint8Array {
  return encodeCbor([1, NO_SEED, pairsOf(core), pairsOf(fields)])
}

/** As they were verified, they stand in the order of a record. */
function pairsOf(values: Readonly<Record<string, CborValue>>): CborValue[] {
  return Object.entries(values)
}
