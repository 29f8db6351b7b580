import { decodeCbor } from "@prooflog/event/cbor"
import { encodeTombstone } from "@prooflog/event/tombstone"
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

  it("puts items one after another, and for what was destroyed null, why, and the leaf that says so", () => {
    const salt = new Uint8Array(16)
    const sequence = encodeRecordSequence([
      { kind: "record", leafIndex: 1, bytes: Uint8Array.of(9) },
      {
        kind: "tombstone",
        leafIndex: 2,
        bytes: encodeTombstone({ state: "destroyed", reason: 1, reference: 2_000, salt }),
      },
      { kind: "tombstone", leafIndex: 3, bytes: encodeTombstone({ state: "moved", segment: "a/b" }) },
      { kind: "record", leafIndex: 4, bytes: new Uint8Array(0) },
    ])
    const hex = Buffer.from(sequence).toString("hex")
    expect(hex).toBe("82014109" + "8402f6011907d0" + "8203f6" + "820440")
  })
})
