import { describe, expect, it } from "vitest"
import { leafRecords } from "./record-sequence.js"

function bytes(...parts: (string | Uint8Array)[]): Uint8Array {
  return Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part, "hex") : part)))
}

const RECORD = Buffer.alloc(300, 7)

describe("records of a range of leaves", () => {
  it("are read in every form that a log has for a leaf", () => {
    const answer = bytes("821903e859012c", RECORD, "821903e940", "841903eaf6011907d0", "821a00010000f6")
    expect([...leafRecords(answer)].map(({ leafIndex, record }) => [leafIndex, record?.length])).toEqual([
      [1000, 300],
      [1001, 0],
      [1002, undefined],
      [65_536, undefined],
    ])
  })

  it("may be of leaves beyond 2³²", () => {
    expect([...leafRecords(bytes("821b001fffffffffffff40"))][0]?.leafIndex).toBe(Number.MAX_SAFE_INTEGER)
  })

  it("are not handed out in part", () => {
    expect(() => leafRecords(bytes("820142ff")).next()).toThrow(/v1\/records did not answer/)
  })

  it.each([
    ["cut in a head", "8219"],
    ["cut in a record", "820142ff"],
    ["a leaf past what a number holds", "821b002000000000000040"],
    ["a leaf below 0", "822040"],
    ["a text for a record", "82016161"],
    ["a record and a reason", "8401400102"],
    ["a reason that is none", "8401f6f602"],
    ["an array of three", "830140f6"],
    ["an array without end", "9f0140ff"],
    ["a length without end", "82015f40ff"],
    ["a number of 16 bytes", `821c${"00".repeat(16)}40`],
    ["another type", "a10140"],
  ])("are refused: %s", (_, hex) => {
    expect(() => [...leafRecords(bytes(hex))]).toThrow(
      expect.objectContaining({ code: "CLI_UNEXPECTED_ANSWER" }),
    )
  })
})
