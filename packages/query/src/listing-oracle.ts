/**
 * For tests only: events in a store in memory, and filters read row by row, slowly and obviously.
 *
 *     rows ─► store ── run ──► listing, facets, …
 *         └─► matches(filter, row)                    must agree
 */

import { encodeEventEntry, stampEntryTime } from "@prooflog/event/entry"
import { normalizeEvent } from "@prooflog/event/event"
import { sealRecord } from "@prooflog/event/record"
import type { AccessEvent } from "@prooflog/event/schema"
import type { Condition, Filter } from "./filter.js"
import { type Leaf, pageOf, START_MS, scheduleLeaf } from "./sample-log.js"
import { type JsonValue, openQueryStore, type Rows, type SqlQuestion } from "./store.js"

/** A row by names, times as `2023-10-21T15:32:00.000000Z`. What an event must say and this does not is made up. */
export type TestRow = Readonly<Record<string, JsonValue>> & { readonly leaf_index: number }

export interface TestTable {
  /** Questions that were asked. */
  readonly asked: SqlQuestion[]
  run(question: SqlQuestion): Promise<Rows>
  readonly through: number
  /** Adds rows, whose leaves are past those there are. `through` is past the last of them, or as said. */
  insert(rows: readonly TestRow[], through?: number): Promise<void>
  close(): Promise<void>
}

/** Opens a store without rows. */
export async function openTestTable(): Promise<TestTable> {
  const store = await openQueryStore({ path: ":memory:", memoryMb: 512 })
  const asked: SqlQuestion[] = []
  return {
    asked,
    get through() {
      return store.through
    },
    async insert(rows, through) {
      const indices = rows.map((row) => row.leaf_index)
      const leaves = rows.map(leafOf)
      const last = (through ?? 0) - 1
      // A leaf that is no event: nothing of it is seen but how far the store has come.
      if (last > (indices.at(-1) ?? -1)) {
        indices.push(last)
        leaves.push(scheduleLeaf(last))
      }
      if (indices.length === 0) return
      await store.append(pageOf(leaves, indices[0] as number, indices))
      await store.commit()
    },
    run(question) {
      asked.push(question)
      return store.run(question)
    },
    close: () => store.close(),
  }
}

function leafOf(row: TestRow): Leaf {
  const { leaf_index, source, event_id, ...said } = row
  const event = {
    user_id: "U",
    resource_accessed: "/",
    action: "read",
    timestamp: START_MS,
    result: "success",
    ...said,
  }
  const added = {
    source: String(source ?? "api"),
    source_key_id: "k_01",
    event_id: String(event_id ?? `e${leaf_index}`),
  }
  const { record, commitment } = sealRecord(normalizeEvent(event as AccessEvent, added), new Uint8Array(32))
  const entry = encodeEventEntry("routine", commitment)
  stampEntryTime(entry, 0, START_MS + leaf_index)
  return { entry, record }
}

/** Returns whether a filter takes this row, but for its page. */
export function matches(filter: Filter, row: TestRow): boolean {
  const time = String(row.timestamp)
  if (filter.from !== undefined && time < filter.from) return false
  if (filter.to !== undefined && time >= filter.to) return false
  if (!filter.conditions.some(({ column }) => column === "source") && row.source === "prooflog") return false
  return filter.conditions.every((condition) => holds(condition, row[condition.column] ?? null))
}

function holds({ test, values, column }: Condition, value: JsonValue): boolean {
  const equal = (wanted: string | number | boolean) =>
    Array.isArray(value)
      ? value.includes(wanted)
      : column === "ip_address" && String(wanted).includes("/")
        ? isInNetwork(value, String(wanted))
        : value === wanted
  switch (test) {
    case "is":
      return values.some(equal)
    case "not":
      return !values.some(equal)
    case "prefix":
      return typeof value === "string" && values.some((each) => value.startsWith(String(each)))
    case "contains":
      return typeof value === "string" && values.some((each) => value.includes(String(each)))
    case "min":
      return value !== null && values.some((each) => value >= each)
    case "max":
      return value !== null && values.some((each) => value <= each)
    case "exists":
      return values.includes(value !== null)
  }
}

/** By numbers of 32 bits. */
function isInNetwork(value: JsonValue, network: string): boolean {
  const [start = "", length = ""] = network.split("/")
  if (typeof value !== "string" || value.includes(":")) return false
  const size = 2 ** (32 - Number(length))
  return Math.floor(numberOf(value) / size) === Math.floor(numberOf(start) / size)
}

function numberOf(address: string): number {
  return address.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0)
}
