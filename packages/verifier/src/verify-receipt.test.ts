import { encodeIndex } from "@prooflog/event/entry"
import { proveInclusion } from "@prooflog/tlog/inclusion"
import { formatReceipt, parseReceipt } from "@prooflog/tlog/receipt"
import { describe, expect, it } from "vitest"
import {
  defined,
  event,
  genesis,
  logOf,
  mangled,
  OTHER_POLICY,
  POLICY,
  START_MS,
  WITNESSED_POLICY,
} from "../fixtures/small-log.js"
import { VerifierError } from "./error.js"
import { tileReader } from "./source.js"
import { verifyReceipt } from "./verify-receipt.js"

const refused = (code: string) => expect.objectContaining({ name: "VerifierError", code })

const ENTRIES = [
  genesis(),
  ...[1, 2, 3].map((n) => event(n).entry),
  encodeIndex(4, new Uint8Array(32), START_MS + 100),
]

async function receiptOf(
  leafIndex: number,
  options: { extra?: Uint8Array | null; cosignedAt?: number[] } = {},
) {
  const { extra = defined(ENTRIES[leafIndex]), cosignedAt = [] } = options
  const log = logOf(ENTRIES, cosignedAt)
  const path = await proveInclusion(leafIndex, ENTRIES.length, tileReader(log.source, ENTRIES.length))
  return formatReceipt({ leafIndex, path, checkpoint: log.checkpoint, ...(extra === null ? {} : { extra }) })
}

describe("verifying a receipt", () => {
  it("returns the entry and what it means", async () => {
    const verified = verifyReceipt(await receiptOf(2), POLICY)
    expect(verified).toMatchObject({
      origin: "log.example/access",
      treeSize: 5,
      leafIndex: 2,
      entry: ENTRIES[2],
      opened: { type: "event", className: "routine", timeMs: START_MS + 20 },
      cosigned: undefined,
    })
    expect(verified.proven).toBe('This entry is leaf 2 of the log "log.example/access".')
    expect(verified.notClaimed).toMatch(/^Not claimed: what the entry stands for/)
  })

  it("proves every leaf, of whatever type", async () => {
    for (const [leafIndex, type] of ["genesis", "event", "event", "event", "index"].entries()) {
      expect(verifyReceipt(await receiptOf(leafIndex), POLICY).opened.type).toBe(type)
    }
  })

  it("names the earliest witness", async () => {
    const verified = verifyReceipt(await receiptOf(1, { cosignedAt: [50, 60] }), WITNESSED_POLICY)
    expect(verified.cosigned).toEqual({ witness: "w0", timeSeconds: 50 })
  })

  it("takes the entry from whoever has it, and then it must be that one", async () => {
    const bare = await receiptOf(2, { extra: null })
    expect(verifyReceipt(bare, POLICY, { entry: defined(ENTRIES[2]) }).entry).toEqual(ENTRIES[2])
    expect(() => verifyReceipt(bare, POLICY, { entry: defined(ENTRIES[1]) })).toThrow(
      refused("VERIFIER_NOT_IN_TREE"),
    )
    expect(() => verifyReceipt(bare, POLICY)).toThrow(refused("VERIFIER_MALFORMED_RECEIPT"))
    const full = await receiptOf(2)
    expect(verifyReceipt(full, POLICY, { entry: defined(ENTRIES[2]) }).leafIndex).toBe(2)
    expect(() => verifyReceipt(full, POLICY, { entry: defined(ENTRIES[1]) })).toThrow(
      refused("VERIFIER_ENTRY_REFUSED"),
    )
  })

  it("refuses a receipt that was dressed up for another entry", async () => {
    expect(() => verifyReceipt("receipt", POLICY)).toThrow(refused("VERIFIER_MALFORMED_RECEIPT"))
    const text = await receiptOf(2, { extra: defined(ENTRIES[1]) })
    expect(() => verifyReceipt(text, POLICY)).toThrow(refused("VERIFIER_NOT_IN_TREE"))
  })

  it("asks the policy whose signatures suffice", async () => {
    const text = await receiptOf(2)
    expect(() => verifyReceipt(text, OTHER_POLICY)).toThrow(refused("VERIFIER_CHECKPOINT_REFUSED"))
    expect(() => verifyReceipt(text, WITNESSED_POLICY)).toThrow(refused("VERIFIER_NO_QUORUM"))
  })

  it("refuses every file with a byte changed, dropped or doubled, or it means the same", async () => {
    const bytes = new TextEncoder().encode(await receiptOf(2))
    const meaning = parseReceipt(bytes)
    for (const { at, middle, bytes: changed } of mangled(bytes, 0x0a)) {
      try {
        verifyReceipt(changed, POLICY)
        expect(parseReceipt(changed)).toEqual(meaning)
      } catch (error) {
        if (!(error instanceof VerifierError)) throw new Error(`byte ${at}: ${middle}`, { cause: error })
      }
    }
  })
})
