import { LedgerError } from "@prooflog/ledger/error"
import type { LogStorage, StoredRecord, Tombstone } from "@prooflog/ledger/storage"
import { parseBundle } from "@prooflog/tlog/bundle"
import { HASH_SIZE } from "@prooflog/tlog/hash"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { LogReader } from "../log-reader.js"
import { MovedRecords } from "../retention/moved-records.js"
import type { ServerCalls } from "./calls.js"
import { farLeaves, leafHashes } from "./far-leaves.js"
import type { Link } from "./link.js"
import { type OfLedger, readRecords, readSigned } from "./served-leaves.js"

type Stored = StoredRecord | Tombstone

/** A ledger with these records, whose reads are counted. */
function ledgerOf(stored: readonly Stored[], signed = stored.length) {
  const asked: number[] = []
  const storage = {
    records: async (start: number, end: number) => {
      asked.push(end - start)
      return stored.slice(start, end)
    },
    read: async (path: string) => new TextEncoder().encode(path),
  } as Partial<LogStorage> as LogStorage
  const signedHead = { treeSize: signed, note: "origin\nnote\n", rootHash: new Uint8Array(32), timeMs: 0 }
  return { asked, ledger: { storage, signedHead, scrubLater: () => {} } satisfies OfLedger }
}

/** Reads it; nothing of it was moved to anywhere. */
function readerOf({ storage }: OfLedger): LogReader {
  const records = () => Promise.reject(new Error("bug: nothing was moved"))
  return new LogReader(storage, new MovedRecords({ records }))
}

/** The reader's end, without a pipe between. */
function farOf(ledger: OfLedger) {
  const answers = {
    read: (path: string) => readSigned(ledger, path),
    records: (range: { start: number; end: number }) => readRecords(ledger, readerOf(ledger), range),
  }
  const ask = (name: "read" | "records", value: never) => answers[name](value)
  return farLeaves({ ask, tell: () => {} } as unknown as Link<ServerCalls>)
}

const record = (leafIndex: number, size: number): Stored => ({
  kind: "record",
  leafIndex,
  bytes: new Uint8Array(size).fill(leafIndex & 0xff),
})

describe("the log as the reader gets it", () => {
  it("has every record and tombstone in its place, whatever their sizes", async () => {
    const kinds = fc.oneof(
      { weight: 8, arbitrary: fc.nat(300) },
      { weight: 1, arbitrary: fc.integer({ min: 30_000, max: 65_535 }) },
      { weight: 1, arbitrary: fc.constant("tombstone" as const) },
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(kinds, { minLength: 1, maxLength: 600 }),
        fc.nat(),
        fc.nat(),
        async (all, a, b) => {
          const stored = all.map(
            (kind, leafIndex): Stored =>
              kind === "tombstone"
                ? { kind, leafIndex, bytes: Uint8Array.of(1, 2, 3) }
                : record(leafIndex, kind),
          )
          const [start, end] = [a % all.length, b % (all.length + 1)].sort((a, b) => a - b) as [
            number,
            number,
          ]
          const { ledger } = ledgerOf(stored)
          const { records, tombstones } = await farOf(ledger).records(start, end)
          const expected = stored.slice(start, end)
          expect(parseBundle(records, end - start)).toEqual(
            expected.map(({ kind, bytes }) =>
              kind === "tombstone" ? new Uint8Array(0) : new Uint8Array(bytes),
            ),
          )
          expect(tombstones).toEqual(
            expected.filter(({ kind }) => kind === "tombstone").map(({ leafIndex }) => leafIndex),
          )
        },
      ),
      { numRuns: 25 },
    )
  })

  it("is read in slices of about a megabyte, however much is asked for", async () => {
    const { asked, ledger } = ledgerOf(Array.from({ length: 600 }, (_, i) => record(i, 60_000)))
    const { end, records } = await readRecords(ledger, readerOf(ledger), { start: 0, end: 600 })
    expect(end).toBe(256)
    expect(records.length).toBe(256 * 60_002)
    expect(asked).toEqual([256])
  })

  it("ends with the signed head, though more is stored", async () => {
    const { ledger } = ledgerOf(
      Array.from({ length: 10 }, (_, i) => record(i, 1)),
      7,
    )
    const { read, records } = farOf(ledger)
    expect(new TextDecoder().decode(await read("checkpoint"))).toBe("origin\nnote\n")
    expect(await read("tile/entries/000.p/7")).toBeDefined()
    expect(await read("tile/0/000.p/7")).toBeDefined()
    for (const path of ["tile/entries/000.p/8", "tile/0/000", "tile/0/001", "tile/1/000"]) {
      expect(await read(path)).toBeUndefined()
    }
    await expect(records(0, 8)).rejects.toThrow(RangeError)
    for (const path of ["tile/00/000", "../keys/signer.key", ""]) await expect(read(path)).rejects.toThrow()
  })

  it("fails as the storage fails", async () => {
    const { ledger } = ledgerOf([])
    const storage = {
      ...ledger.storage,
      records: async () => {
        throw new LedgerError("LEDGER_MISSING_RECORD", "leaf 3", { leafIndex: 3 })
      },
    } as LogStorage
    const signedHead = { ...ledger.signedHead, treeSize: 9 }
    await expect(farOf({ ...ledger, storage, signedHead }).records(0, 9)).rejects.toMatchObject({
      leafIndex: 3,
    })
  })

  it("tells the hashes of leaves, in the order asked for", async () => {
    const reads: string[] = []
    const read = async (path: string) => {
      reads.push(path)
      const first = path.startsWith("tile/0/000") ? 0 : 256
      const width = path.endsWith(".p/44") ? 44 : 256
      return new Uint8Array(width * HASH_SIZE).map((_, i) => (first + Math.floor(i / HASH_SIZE)) % 251)
    }
    const asked = [0, 255, 256, 299, 7]
    const hashes = await leafHashes({ read }, asked, 300)
    expect(asked.map((_, i) => hashes[i * HASH_SIZE + 31])).toEqual(asked.map((leaf) => leaf % 251))
    expect(reads).toEqual(["tile/0/000", "tile/0/001.p/44", "tile/0/000"])
    await expect(leafHashes({ read }, [512], 300)).rejects.toThrow(RangeError)
  })
})
