import { decodeCbor } from "@prooflog/event/cbor"
import { describe, expect, it } from "vitest"
import { encodeRecordSequence } from "./record-sequence.js"

describe("a sequence of records", () => {
  it.each([0, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER])(
    "has leaf %d and its record in the shortest form",
    (leafIndex) => {
      for (const length of [0, 23, 24, 255, 256, 1_000]) {
        const bytes = new Uint8Array(length).fill(7)
        // The strict reader refuses every longer form.
        expect(
          decodeCbor(new Uint8Array(encodeRecordSequence([{ kind: "record", leafIndex, bytes }]))),
        ).toEqual([leafIndex, bytes])
      }
    },
  )

  it("puts items one after another, and null for what was destroyed", () => {
    const sequence = encodeRecordSequence([
      { kind: "record", leafIndex: 1, bytes: Uint8Array.of(9) },
      { kind: "tombstone", leafIndex: 2, bytes: Uint8Array.of(1, 2, 3) },
      { kind: "record", leafIndex: 3, bytes: new Uint8Array(0) },
    ])
    expect(Buffer.from(sequence).toString("hex")).toBe("82014109" + "8202f6" + "820340")
  })
})
