import type { JsonValue } from "@prooflog/query/store"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { writeRows } from "./answer-json.js"

function rowsOf(batches: readonly (readonly (readonly JsonValue[])[])[]) {
  const state = { closed: 0 }
  return {
    state,
    batches: (async function* () {
      yield* batches
    })(),
    close: async () => void state.closed++,
  }
}

const parse = (json: Uint8Array) => JSON.parse(new TextDecoder().decode(json))

describe("the rows of an answer", () => {
  it("are as JSON what they were, up to the limit, however they come", async () => {
    const value = fc.oneof(fc.string({ unit: "grapheme" }), fc.integer(), fc.constant(null), fc.boolean())
    const batches = fc.array(fc.array(fc.tuple(value, value), { maxLength: 5 }), { maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(batches, fc.integer({ min: 1, max: 20 }), async (batches, limit) => {
        const all = batches.flat()
        const rows = rowsOf(batches)
        const { json, count, truncated } = await writeRows(rows, limit)
        expect(parse(json)).toEqual(all.slice(0, limit))
        expect(count).toBe(Math.min(limit, all.length))
        expect(truncated).toBe(all.length > limit)
        expect(rows.state.closed).toBe(1)
      }),
    )
  })

  it("stop where the answer is full", async () => {
    const row = ["x".repeat(30), "y"]
    const { json, count, truncated } = await writeRows(rowsOf([[row, row, row]]), 9, 100)
    expect(parse(json)).toEqual([row, row])
    expect(json.length).toBeLessThanOrEqual(100)
    expect([count, truncated]).toEqual([2, true])
  })

  it("are closed when they fail", async () => {
    const rows = {
      ...rowsOf([]),
      batches: (async function* (): AsyncGenerator<never> {
        yield* []
        throw new Error("no more")
      })(),
    }
    await expect(writeRows(rows, 1)).rejects.toThrow("no more")
    expect(rows.state.closed).toBe(1)
  })
})
