import type { Head } from "@prooflog/ledger"
import { MAX_CERTIFICATE_ITEMS } from "@prooflog/verifier/certificate"
import { describe, expect, it } from "vitest"
import type { LogReader } from "../log-reader.js"
import { makeCertificates } from "./erase-certificate.js"

describe("certificates", () => {
  it("are made one at a time: of a million records they are larger than memory", async () => {
    const leaves = Array.from({ length: 2 * MAX_CERTIFICATE_ITEMS + 1 }, (_, leaf) => leaf)
    const read: number[] = []
    const reader = {
      inclusionPath: async () => [],
      entry: async (leaf: number) => {
        read.push(leaf)
        return new Uint8Array(40)
      },
    } as unknown as LogReader
    const head = { note: "none", treeSize: leaves.length + 1 } as unknown as Head
    const items = leaves.map((leafIndex) => ({ leafIndex, salt: new Uint8Array(16) }))
    const certificates = makeCertificates(reader, head, leaves.length, items, leaves)
    expect((await certificates.next()).done).toBe(false)
    expect(read).toHaveLength(1 + MAX_CERTIFICATE_ITEMS)
    expect((await certificates.next()).done).toBe(false)
    expect((await certificates.next()).done).toBe(false)
    expect(read).toHaveLength(1 + leaves.length)
    expect((await certificates.next()).done).toBe(true)
  })
})
