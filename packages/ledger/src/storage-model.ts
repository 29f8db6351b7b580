/**
 * What a storage on exam should hold: the model of a log, slow and obvious.
 *
 * Asserts with node:assert.
 */

import assert from "node:assert/strict"
import { bundlePath, formatBundle } from "@prooflog/tlog/bundle"
import { equalBytes, leafHash, sha256 } from "@prooflog/tlog/hash"
import { type Edge, EMPTY_EDGE, integrate } from "@prooflog/tlog/integrate"
import { TILE_WIDTH, tileAt, tilePath } from "@prooflog/tlog/tile"
import { TileTree } from "@prooflog/tlog/tile-tree"
import { LedgerError, type LedgerErrorCode } from "./error.js"
import type { Commit, CommitRow, IdRow, LogStorage } from "./storage.js"

/** What a log should hold: an array of entries, an array of records. */
export class Model {
  readonly entries: Uint8Array[] = []
  readonly records: Uint8Array[] = []
  readonly commits: CommitRow[] = []
  #edge: Edge = EMPTY_EDGE
  #leafHashes: Uint8Array[] = []

  clone(): Model {
    const copy = new Model()
    copy.entries.push(...this.entries)
    copy.records.push(...this.records)
    copy.commits.push(...this.commits)
    copy.#leafHashes.push(...this.#leafHashes)
    copy.#edge = this.#edge
    return copy
  }

  /** Returns the commit that appends `count` leaves. */
  grow(count: number, ids: readonly IdRow[] = []): Commit {
    const follows = this.entries.length
    for (let i = 0; i < count; i++) {
      const entry = testEntry(follows + i)
      this.entries.push(entry)
      this.#leafHashes.push(leafHash(entry))
      this.records.push(testRecord(entry))
    }
    const treeSize = follows + count
    const { edge, rootHash, tiles } = integrate(this.#edge, concatenate(this.#leafHashes.slice(follows)))
    this.#edge = edge
    this.commits.push({ firstLeaf: follows, count, rootHash: rootHash.slice() })
    const bundles = []
    for (let index = Math.floor(follows / TILE_WIDTH); index * TILE_WIDTH < treeSize; index++) {
      bundles.push({ index, bytes: this.bundle(index, TILE_WIDTH) })
    }
    return {
      follows,
      treeSize,
      rootHash,
      tiles,
      bundles,
      records: formatBundle(this.records.slice(follows)),
      ids,
    }
  }

  /** What `grow` handed out was overwritten: begins anew from the entries. */
  forgetHandedOut(): void {
    this.#edge = integrate(EMPTY_EDGE, concatenate(this.#leafHashes)).edge
  }

  /** At most `width` entries of a bundle. */
  bundle(index: number, width: number): Uint8Array {
    return formatBundle(this.entries.slice(index * TILE_WIDTH, index * TILE_WIDTH + width))
  }

  /** A tile's bytes, each hash computed from the leaves. */
  tile(level: number, index: number, width: number): Uint8Array {
    const hashes = Array.from({ length: width }, (_, i) => this.#hash(level, index * TILE_WIDTH + i))
    return concatenate(hashes)
  }

  #hash(level: number, index: number): Uint8Array {
    if (level === 0) return this.#leafHashes[index] as Uint8Array
    return new TileTree(this.tile(level - 1, index, TILE_WIDTH)).hash(8, 0)
  }

  /** Asserts that a storage holds exactly this log, at every width. */
  async requireIn(storage: LogStorage): Promise<void> {
    const treeSize = this.entries.length
    assert.equal(await storage.treeSize(), treeSize)
    assert.deepEqual(await listCommits(storage, 0), this.commits)
    for (let level = 0; ; level++) {
      if (tileAt(level, 0, treeSize) === undefined) break
      for (let index = 0; ; index++) {
        const widest = tileAt(level, index, treeSize)
        if (widest === undefined) break
        await this.#requireWidths(storage, level, index, widest.width)
      }
    }
    await this.requireRecordsIn(storage)
  }

  /** Asserts that a storage has every record. */
  async requireRecordsIn(storage: LogStorage): Promise<void> {
    const treeSize = this.entries.length
    const records = treeSize === 0 ? [] : await storage.records(0, treeSize)
    assert.deepEqual(
      records.map(({ bytes }) => Buffer.from(bytes)),
      this.records.map((bytes) => Buffer.from(bytes)),
    )
  }

  async #requireWidths(storage: LogStorage, level: number, index: number, widest: number): Promise<void> {
    for (let width = 1; width <= widest; width++) {
      const tile = await storage.read(tilePath({ level, index, width }))
      assert.ok(
        tile !== undefined && equalBytes(tile, this.tile(level, index, width)),
        `${level}/${index}.p/${width}`,
      )
      if (level > 0) continue
      const bundle = await storage.read(bundlePath(index, width))
      assert.ok(
        bundle !== undefined && equalBytes(bundle, this.bundle(index, width)),
        `entries/${index}.p/${width}`,
      )
    }
  }
}

/** Random bytes, but the same ones for each leaf; 53 as events have. */
export function testEntry(leaf: number): Uint8Array {
  const random = testId(leaf)
  return concatenate([sha256(random), random, new Uint8Array(5)])
}

/** A record that says which entry it belongs to; not for every leaf, as some have the empty record. */
export function testRecord(entry: Uint8Array): Uint8Array {
  if ((entry[0] as number) === 0) return new Uint8Array(0)
  return concatenate([sha256(entry), sha256(entry.subarray(1))])
}

export function checkRecord(entry: Uint8Array, record: Uint8Array): void {
  if (!equalBytes(record, testRecord(entry))) throw new Error("the record is not that of the entry")
}

export function testId(n: number): Uint8Array {
  return sha256(Buffer.from(`exam ${n}`)).slice(0, 16)
}

export function testIdRow(leafIndex: number, generation: number): IdRow {
  return { id: testId(leafIndex), generation, leafIndex }
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

export async function listCommits(storage: LogStorage, start: number): Promise<CommitRow[]> {
  const rows: CommitRow[] = []
  for await (const { firstLeaf, count, rootHash } of storage.commits(start)) {
    rows.push({ firstLeaf, count, rootHash: new Uint8Array(rootHash) })
  }
  return rows
}

export async function rejectsWith(
  code: LedgerErrorCode,
  promise: Promise<unknown>,
  leafIndex?: number,
): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof LedgerError, String(error))
    assert.equal(error.code, code)
    if (leafIndex !== undefined) assert.equal(error.leafIndex, leafIndex)
    return true
  })
}
