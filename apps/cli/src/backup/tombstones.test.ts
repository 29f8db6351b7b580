import { encodeEventEntry, encodeNotice } from "@prooflog/event/entry"
import { encodeTombstone } from "@prooflog/event/tombstone"
import { expect, it } from "vitest"
import { requireTombstone } from "./tombstones.js"

const EVENT = encodeEventEntry("routine", new Uint8Array(32))
const DESTROYED = encodeTombstone({ state: "destroyed", reason: 0, reference: 0 })

it("what is destroyed may be missing in a backup, what is in a segment may not", () => {
  expect(requireTombstone(EVENT, DESTROYED)).toEqual({ state: "destroyed", reason: 0, reference: 0 })
  const moved = encodeTombstone({ state: "moved", segment: "segments/routine/2026-03/1-40.parquet" })
  expect(() => requireTombstone(EVENT, moved)).toThrow("its record was moved")
  const notice = encodeNotice({ kind: 3, count: 1, root: new Uint8Array(32) })
  expect(() => requireTombstone(notice, DESTROYED)).toThrow("no event")
})
