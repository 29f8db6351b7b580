/**
 * For tests only: a world in which the runs can be killed before and after everything they do to it.
 *
 *     effect 1, 2, 3 … n     killed before or after one of them, every later call fails, too, until `revive`
 *
 * It is as strict as the real ones: a storage that keeps the rule of tombstones and a store that refuses other bytes.
 */

import { createHash } from "node:crypto"
import { commitmentOf } from "@prooflog/event/record"
import { decodeTombstone } from "@prooflog/event/tombstone"
import { type LogIdentity, parseState } from "./archive-state.js"
import { Catalog } from "./catalog.js"
import { keyOf, MANIFEST_SUFFIX } from "./manifest.js"
import { OWNER_KEY } from "./owner.js"
import {
  type DraftSegment,
  MAX_LEAVES,
  MAX_RESTORED_BYTES,
  type Ports,
  type SegmentPage,
  type SegmentRow,
  type StateFile,
  type StoredLeaf,
  type Told,
} from "./ports.js"
import { LOG_ID, ORIGIN, type SampleLeaf } from "./sample-leaves.js"
import { decodeRows, encodeRows, unpack } from "./stand-in-segment.js"

export class Killed extends Error {}

const IDENTITY: LogIdentity = { origin: ORIGIN, logId: LOG_ID }

export class StandInWorld {
  readonly leaves: readonly SampleLeaf[]
  /** As many leaves as the log shows. */
  treeSize: number
  readonly stored: StoredLeaf[]
  readonly objects = new Map<string, Uint8Array>()
  /** Leaves whose withdrawn records are still on disk. */
  readonly unpurged = new Set<number>()
  readonly rows = new Set<number>()
  /** Leaves whose forgotten rows are still on disk. */
  readonly unwritten = new Set<number>()
  readonly held = new Set<number>()
  readonly told = new Map<string, Told>()
  readonly drafts = new Set<number>()
  stateBytes: Uint8Array | undefined
  /** What a run draws. */
  id = "0".repeat(32)
  /** Names of what was done. */
  readonly done: string[] = []
  /** Whether two segments of the same rows have other bytes, as files with a date in them. */
  salted = false
  /** Whether the store holds bytes against the digest that is expected. */
  checksDigests = true
  /** Changes what is stored of an object when it is put. */
  spoil: ((key: string, bytes: Uint8Array) => Uint8Array) | undefined
  /** Is called before each effect; may throw. */
  refuse: ((effect: string) => void) | undefined
  #killAt = 0
  #killAfter = false
  #dead = false
  #effects = 0
  #salt = 0
  /** Leaves that no hold is on, while none can be placed. */
  #free: Set<number> | undefined

  constructor(leaves: readonly SampleLeaf[], treeSize = leaves.length) {
    this.leaves = leaves
    this.treeSize = treeSize
    this.stored = leaves.map(({ record: bytes }, leafIndex) => ({ kind: "record", leafIndex, bytes }))
    for (const [leaf, { className }] of leaves.entries()) if (className !== undefined) this.rows.add(leaf)
  }

  /** Returns a world like this one, in which nothing was done yet. */
  copy(): StandInWorld {
    const copy = new StandInWorld(this.leaves, this.treeSize)
    copy.stored.splice(0, this.stored.length, ...this.stored)
    for (const [key, bytes] of this.objects) copy.objects.set(key, bytes)
    for (const [id, told] of this.told) copy.told.set(id, told)
    copy.rows.clear()
    for (const name of ["unpurged", "rows", "unwritten", "held"] as const) {
      for (const leaf of this[name]) copy[name].add(leaf)
    }
    copy.stateBytes = this.stateBytes
    copy.salted = this.salted
    copy.#salt = this.#salt
    return copy
  }

  get effects(): number {
    return this.#effects
  }

  /** Dies before or after the effect of this number, counted from the beginning of the world; from 1. */
  killAt(effect: number, after: boolean): void {
    this.#killAt = effect
    this.#killAfter = after
  }

  revive(): void {
    this.#dead = false
    this.drafts.clear()
  }

  catalog(): Promise<Catalog> {
    return Catalog.open(this.stateFile, IDENTITY)
  }

  get stateFile(): StateFile {
    return {
      read: async () => this.#alive(() => this.stateBytes),
      replace: (bytes) =>
        this.#effect("state", () => {
          this.stateBytes = bytes
        }),
    }
  }

  get ports(): Ports {
    const { treeSize } = this
    return {
      log: {
        treeSize,
        entries: async (start, end) => this.#alive(() => this.#entries(start, end, treeSize)),
      },
      storage: {
        records: async (start, end) =>
          this.#alive(() => {
            if (start < 0 || end - start > MAX_LEAVES || end > this.leaves.length)
              throw new RangeError("records")
            return this.stored.slice(start, end)
          }),
        withdraw: (tombstones) => this.#effect("withdraw", () => this.#withdraw(tombstones)),
        restoreRecords: (records) => this.#effect("restore", () => this.#restore(records)),
        purge: () =>
          this.#effect("purge", () => {
            this.unpurged.clear()
            return true
          }),
      },
      objects: {
        put: async (key, source, { bytes, sha256 }) => {
          const whole = await collect(source)
          await this.#effect(`put ${key}`, () => this.#put(key, whole, bytes, sha256))
        },
        get: (key, expected) => this.#get(key, expected?.sha256),
        list: (prefix) => this.#list(prefix),
        destroy: (key) => this.#effect(`destroy ${key}`, () => (this.objects.delete(key) ? 1 : 0)),
      },
      segments: {
        write: (pages) => this.#write(pages),
        read: (source) => this.#read(source),
      },
      rows: {
        forget: (leaves) =>
          this.#effect("forget", () => {
            for (const leaf of leaves) if (this.rows.delete(leaf)) this.unwritten.add(leaf)
          }),
        rewrite: () => this.#effect("rewrite", () => this.unwritten.clear()),
      },
      holds: {
        heldLeaves: async (leaves) =>
          this.#alive(() => {
            this.refuse?.("held")
            for (const leaf of leaves) if (!this.held.has(leaf)) this.#free?.add(leaf)
            return leaves.filter((leaf) => this.held.has(leaf))
          }),
        whileTheyStay: async (task) => {
          this.#free = new Set()
          try {
            return await task()
          } finally {
            this.#free = undefined
          }
        },
      },
      tell: (told) =>
        this.#effect("tell", () => {
          const before = this.told.get(told.id)
          if (before !== undefined && words(before) !== words(told)) {
            throw new Error(`told otherwise: ${told.id}`)
          }
          this.told.set(told.id, told)
        }),
      newId: () => this.id,
    }
  }

  /** Where the record of each event is: "hot", "gone", or the trusted segments that have its row; and what is odd. */
  whereabouts(): readonly string[] {
    const rows = new Map<number, string[]>()
    for (const key of this.trustedKeys()) {
      for (const { leafIndex, record } of this.rowsOf(key)) {
        const same = Buffer.from(record).equals(this.leaves[leafIndex]?.record as Uint8Array)
        rows.set(leafIndex, [...(rows.get(leafIndex) ?? []), same ? key : "other bytes"])
      }
    }
    return this.leaves.map(({ className }, leaf) => {
      const { kind, bytes } = this.stored[leaf] as StoredLeaf
      const segments = rows.get(leaf) ?? []
      if (className === undefined) return "no event"
      const state = kind === "record" ? "hot" : bytes[1] === 0 ? "gone" : "moved"
      if (state !== "moved") return [state, ...segments].join(" + ")
      const tombstone = decodeTombstone(bytes)
      return tombstone.state === "moved" && segments.join() === tombstone.segment
        ? "archived"
        : `moved + ${segments}`
    })
  }

  trustedKeys(): readonly string[] {
    if (this.stateBytes === undefined) return []
    const { segments } = parseState(this.stateBytes, IDENTITY)
    return segments
      .filter(({ state }) => state === "verified" || state === "in force")
      .map(({ manifest }) => keyOf(manifest))
  }

  /** Rows of an object that is there. */
  rowsOf(key: string): readonly SegmentRow[] {
    const bytes = this.objects.get(key)
    if (bytes === undefined) throw new Error(`${key} is not there`)
    return decodeRows(bytes)
  }

  /** All that can be seen of the world when a run is over, in words that compare. */
  snapshot(): object {
    const state = parseState(this.stateBytes as Uint8Array, IDENTITY)
    const byKey = [...state.segments].sort((a, b) => (keyOf(a.manifest) < keyOf(b.manifest) ? -1 : 1))
    const counts: Record<string, number> = {}
    for (const { what, count } of this.told.values()) counts[what] = (counts[what] ?? 0) + count
    return {
      state: { ...state, segments: byKey },
      stored: this.stored.map(({ kind, bytes }, leaf) =>
        kind === "record" && bytes === this.leaves[leaf]?.record
          ? kind
          : `${kind} ${Buffer.from(bytes).toString("hex")}`,
      ),
      objects: [...this.objects].map(([key, bytes]) => `${key} ${Buffer.from(bytes).toString("hex")}`).sort(),
      rows: [...this.rows].sort((a, b) => a - b),
      left: [...this.unpurged, ...this.unwritten, ...this.drafts],
      counts,
    }
  }

  /** Objects that are no trusted segment and no manifest of one. */
  strangers(): readonly string[] {
    const known = this.trustedKeys().flatMap((key) => [key, key + MANIFEST_SUFFIX])
    return [...this.objects.keys()].filter((key) => key !== OWNER_KEY && !known.includes(key))
  }

  #alive<T>(look: () => T): T {
    if (this.#dead) throw new Killed()
    return look()
  }

  async #effect<T>(name: string, act: () => T): Promise<T> {
    if (this.#dead) throw new Killed()
    const isLast = ++this.#effects === this.#killAt
    if (isLast && !this.#killAfter) {
      this.#dead = true
      throw new Killed()
    }
    this.refuse?.(name)
    const result = act()
    this.done.push(name)
    if (isLast) {
      this.#dead = true
      throw new Killed()
    }
    return result
  }

  #entries(start: number, end: number, treeSize: number): Uint8Array {
    const isPage = Math.floor(start / MAX_LEAVES) === Math.floor((end - 1) / MAX_LEAVES)
    if (start < 0 || start >= end || end > treeSize || !isPage)
      throw new RangeError(`entries ${start} ${end}`)
    return Buffer.concat(
      this.leaves.slice(start, end).map(({ entry }) => {
        const packed = Buffer.alloc(2 + entry.length)
        packed.writeUInt16BE(entry.length)
        packed.set(entry, 2)
        return packed
      }),
    )
  }

  #withdraw(tombstones: readonly StoredLeaf[]): void {
    checkRows(tombstones)
    for (const { leafIndex, bytes } of tombstones) {
      const before = this.stored[leafIndex] as StoredLeaf
      if (before.bytes.length === 0) throw new RangeError("withdraw: no event")
      if (before.kind === "tombstone" && decodeTombstone(before.bytes).state === "destroyed") {
        if (Buffer.from(before.bytes).equals(bytes)) continue
        throw new Error(`withdraw: leaf ${leafIndex} is destroyed`)
      }
      const isDestroyed = decodeTombstone(bytes).state === "destroyed"
      if (isDestroyed && this.#free?.has(leafIndex) !== true)
        throw new Error(`withdraw: leaf ${leafIndex} may be held`)
    }
    for (const tombstone of tombstones) {
      if (this.stored[tombstone.leafIndex]?.kind === "record") this.unpurged.add(tombstone.leafIndex)
      this.stored[tombstone.leafIndex] = tombstone
    }
  }

  #restore(records: readonly StoredLeaf[]): void {
    checkRows(records)
    if (records.reduce((sum, { bytes }) => sum + bytes.length, 0) > MAX_RESTORED_BYTES)
      throw new RangeError("bytes")
    for (const { leafIndex, bytes } of records) {
      const before = this.stored[leafIndex] as StoredLeaf
      if (before.kind === "tombstone" && decodeTombstone(before.bytes).state === "destroyed") {
        throw new Error(`restore: leaf ${leafIndex} is destroyed`)
      }
      const { entry } = this.leaves[leafIndex] as SampleLeaf
      if (!Buffer.from(entry).includes(Buffer.from(commitmentOf(bytes))))
        throw new Error(`restore: leaf ${leafIndex}`)
    }
    for (const record of records) {
      const { record: bytes } = this.leaves[record.leafIndex] as SampleLeaf
      const isSame = Buffer.from(record.bytes).equals(bytes)
      this.stored[record.leafIndex] = isSame ? { ...record, bytes } : record
      this.unpurged.delete(record.leafIndex)
    }
  }

  #put(key: string, whole: Uint8Array, bytes: number, sha256: Uint8Array): void {
    if (whole.length !== bytes || !sha256Of(whole).equals(sha256))
      throw new Error(`${key}: other bytes than promised`)
    const before = this.objects.get(key)
    if (before !== undefined && !Buffer.from(before).equals(whole)) throw new Error(`${key}: exists`)
    this.objects.set(key, this.spoil?.(key, whole) ?? whole)
  }

  async *#get(key: string, sha256: Uint8Array | undefined): AsyncGenerator<Uint8Array> {
    const bytes = this.#alive(() => this.objects.get(key))
    if (bytes === undefined) throw new Error(`${key}: not found`)
    const middle = bytes.length >> 1
    yield bytes.subarray(0, middle)
    yield bytes.subarray(middle)
    if (this.checksDigests && sha256 !== undefined && !sha256Of(bytes).equals(sha256)) {
      throw new Error(`${key}: damaged`)
    }
  }

  async *#list(prefix: string): AsyncGenerator<{ key: string }> {
    for (const key of this.#alive(() => [...this.objects.keys()].sort()))
      if (key.startsWith(prefix)) yield { key }
  }

  async #write(pages: AsyncIterable<SegmentPage>): Promise<DraftSegment> {
    const rows: SegmentRow[] = []
    for await (const { leafIndices, entries, records } of pages) {
      if (unpack(entries).length !== leafIndices.length) throw new RangeError("pages")
      for (const [i, record] of unpack(records).entries()) {
        rows.push({ leafIndex: leafIndices[i] as number, record: record.slice() })
      }
    }
    return this.#effect("write", () => {
      if (rows.length === 0) throw new RangeError("pages: expected leaves")
      const id = ++this.#salt
      const file = encodeRows(rows, this.salted ? id : 0)
      this.drafts.add(id)
      return {
        rows: rows.length,
        bytes: file.length,
        sha256: sha256Of(file).toString("hex"),
        read: async function* () {
          yield file
        },
        discard: async () => void this.drafts.delete(id),
      }
    })
  }

  async *#read(source: AsyncIterable<Uint8Array>): AsyncGenerator<readonly SegmentRow[]> {
    const rows = decodeRows(await collect(source))
    for (let at = 0; at < rows.length; at += 3) yield rows.slice(at, at + 3)
  }
}

function checkRows(rows: readonly StoredLeaf[]): void {
  if (rows.length > MAX_LEAVES) throw new RangeError("too many")
  for (const [i, { leafIndex }] of rows.entries()) {
    if (leafIndex <= (rows[i - 1]?.leafIndex ?? -1)) throw new RangeError("out of order")
  }
}

async function collect(source: AsyncIterable<Uint8Array> | Uint8Array): Promise<Uint8Array> {
  if (source instanceof Uint8Array) return source
  const chunks: Uint8Array[] = []
  for await (const chunk of source) chunks.push(chunk)
  return new Uint8Array(Buffer.concat(chunks))
}

function sha256Of(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest()
}

function words(told: Told): string {
  return JSON.stringify(Object.entries(told).sort())
}
