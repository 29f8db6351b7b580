/**
 * The first reading of a backup, and of what it misses: everything is checked, and what the restore must know is noted.
 *
 *     entries, under their head ─► notices, leaves of events that no one has the records of, the time of the last one
 *     records, under their entries; tombstones ─► what they say of notices; that what fell due was promised to
 *     genesis ─► that the small files are those of this log
 *
 * Effects: reads files.
 */

import { decodeEntry, entryTimeMs } from "@prooflog/event/entry"
import { dueMs, type Promises, promiseOf } from "@prooflog/event/promises"
import { TOMBSTONE_REASONS } from "@prooflog/event/tombstone"
import { checkRecord } from "@prooflog/server/check-record"
import { decodeHex } from "@prooflog/tlog/base64"
import { parseBundle } from "@prooflog/tlog/bundle"
import { equalBytes, sha256 } from "@prooflog/tlog/hash"
import { TILE_WIDTH } from "@prooflog/tlog/tile"
import type { NoticeItem } from "@prooflog/verifier/notice"
import { CliError, wordsOf } from "../error.js"
import type { KeptBackup } from "./kept-backup.js"
import { RANGE } from "./manifest.js"
import type { TreeHead } from "./mirror.js"
import { readMissing } from "./missing-leaves.js"
import type { PlacedNotice } from "./noticed-leaves.js"
import type { KeptLeaf } from "./record-range.js"
import { isEvent, requireTombstone } from "./tombstones.js"

export class Survey {
  readonly notices: PlacedNotice[] = []
  /** By the leaf of their notice. */
  readonly buried = new Map<number, NoticeItem[]>()
  /** Leaves of events whose records no one has. */
  readonly missingEvents: number[] = []
  /** Time of the last entry, ms. */
  lastMs = 0
  readonly #backup: KeptBackup
  readonly #nowMs: number
  readonly #promises: Promises[number][] = []

  /** @param nowMs - ms since 1970: what is destroyed by schedule was due by then */
  constructor(backup: KeptBackup, nowMs: number) {
    this.#backup = backup
    this.#nowMs = nowMs
  }

  async ofBackup(onLeaves: (leaves: number) => void): Promise<void> {
    for await (const { first, entries, kept } of bundlesOf(this.#backup)) {
      for (const [i, entry] of entries.entries()) this.#take(first + i, entry, kept[i] as KeptLeaf)
      onLeaves(first + entries.length)
    }
  }

  async ofMissing(gap: string, { treeSize }: TreeHead): Promise<void> {
    const from = this.#backup.manifest.treeSize
    for (let first = from - (from % TILE_WIDTH); first < treeSize; first += TILE_WIDTH) {
      for (const [i, entry] of (await readMissing(gap, first, treeSize)).entries()) {
        if (first + i < from) continue
        this.#look(first + i, entry)
        if (isEvent(entry)) this.missingEvents.push(first + i)
      }
    }
  }

  #take(leafIndex: number, entry: Uint8Array, { kind, bytes }: KeptLeaf): void {
    try {
      if (kind === "record") checkRecord(entry, bytes)
      else this.#bury(leafIndex, entry, bytes)
      if (leafIndex === 0) requireGenesis(entry, this.#backup)
    } catch (cause) {
      throw new CliError("CLI_DAMAGED_BACKUP", `leaf ${leafIndex}: ${wordsOf(cause)}`, { cause })
    }
    this.#look(leafIndex, entry)
  }

  #bury(leafIndex: number, entry: Uint8Array, bytes: Uint8Array): void {
    const tombstone = requireTombstone(entry, bytes)
    if (tombstone.reason === TOMBSTONE_REASONS.bySchedule) {
      this.#requireDue(leafIndex, entry, tombstone.reference)
      return
    }
    const { reference, salt } = tombstone
    const items = this.buried.get(reference) ?? []
    items.push({ leafIndex, salt })
    this.buried.set(reference, items)
  }

  /** All of this is public: a backup that says otherwise would have the log destroy what it promised to keep. */
  #requireDue(leafIndex: number, bytes: Uint8Array, by: number): void {
    const entry = decodeEntry(bytes)
    const promised =
      entry.type === "event" ? promiseOf(this.#promises, leafIndex, entry.className) : undefined
    if (promised?.by !== by || dueMs(promised, entry.timeMs) > this.#nowMs)
      throw new Error("its tombstone says that it was destroyed by schedule, and it was not due")
  }

  #look(leafIndex: number, bytes: Uint8Array): void {
    this.lastMs = entryTimeMs(bytes, 0)
    if (isEvent(bytes)) return
    const entry = decodeEntry(bytes)
    if (entry.type === "notice") this.notices.push({ leafIndex, notice: entry })
    if (entry.type === "genesis" || entry.type === "schedule")
      this.#promises.push([leafIndex, entry.schedule])
  }
}

/** The folder's secrets must be those that the log began with. */
function requireGenesis(bytes: Uint8Array, { manifest, files }: KeptBackup): void {
  const genesis = decodeEntry(bytes)
  if (genesis.type !== "genesis" || genesis.origin !== manifest.origin)
    throw new Error("no genesis of this log")
  if (!equalBytes(genesis.logId, decodeHex(manifest.logId) as Uint8Array))
    throw new Error("the genesis has another log_id")
  const labelKey = files.get("keys/label.key") as Uint8Array
  if (!equalBytes(sha256(Uint8Array.of(LABEL_KEY_PREFIX, ...labelKey)), genesis.labelKey))
    throw new Error("keys/label.key is not the one that the genesis commits to")
}

const LABEL_KEY_PREFIX = 0x05

/** Leaves of a bundle: their entries, and what the backup keeps of them. */
interface KeptBundle {
  readonly first: number
  readonly entries: readonly Uint8Array[]
  readonly kept: readonly KeptLeaf[]
}

/** Reads a backup bundle by bundle. @throws {@link CliError} `CLI_DAMAGED_BACKUP`; VerifierError for entries */
export async function* bundlesOf(backup: KeptBackup): AsyncGenerator<KeptBundle> {
  for (const file of backup.manifest.records) {
    const leaves = await backup.leaves(file)
    for (let first = file.first; first < file.end; first += TILE_WIDTH) {
      const index = first / TILE_WIDTH
      const entries = parseBundle(await backup.entries.bundle(index), backup.entries.width(index))
      const at = first % RANGE
      yield { first, entries, kept: leaves.slice(at, at + entries.length) }
    }
  }
}
