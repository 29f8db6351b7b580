import { createHash } from "node:crypto"
import { checkEvent } from "@prooflog/event/validate"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { sayAttributes } from "./asked-text.js"

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex")

describe("what an own event says of a question", () => {
  it("is the question itself, with the hash of its SQL", () => {
    expect(sayAttributes({ sql: "SELECT 1", rows: 1, truncated: false, limit: undefined })).toEqual({
      sql: "SELECT 1",
      sql_sha256: sha256("SELECT 1"),
      rows: 1,
      truncated: false,
    })
  })

  it("is cut where it is long, at a character, and then hashed whole", () => {
    const filter = `${"€".repeat(2_000)}`
    const said = sayAttributes({ filter })
    expect(said.filter_sha256).toBe(sha256(filter))
    // 4,096 bytes would end in the middle of a sign of three.
    expect(said.filter).toBe(`${"€".repeat(1_365)}`)
  })

  it("keeps the limits of attributes, whatever is asked", () => {
    const text = fc
      .string({ unit: "grapheme", maxLength: 40 })
      .chain((piece) => fc.integer({ min: 0, max: 2_000 }).map((times) => piece.repeat(times)))
    const question = fc.record({
      sql: text,
      filter: text,
      parameters: text,
      leaf_index: text,
      withhold: text,
      format: text,
    })
    fc.assert(
      fc.property(question, (said) => {
        const event = {
          timestamp: 1_700_000_000_000,
          user_id: "key:0a1b2c3d",
          resource_accessed: "access_logs",
          result: "success",
          attributes: sayAttributes({ ...said, rows: 10_000, through: 2 ** 50, truncated: true }),
        }
        expect(checkEvent(event, 1_700_000_000_000)).toEqual([])
      }),
      { numRuns: 200 },
    )
  })
})
