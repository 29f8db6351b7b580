/**
 * The world of the archive's runs, as its process has it: storage, holds and rows are the server's, asked over the link;
 * the log is the server's, too, and held against a published head.
 */

import {
  type LegalHolds,
  type LogView,
  MAX_LEAVES,
  type RecordStorage,
  type Rows,
  type StoredLeaf,
} from "@prooflog/archive/ports"
import type { OpenedCheckpoint, Policy } from "@prooflog/tlog/policy"
import { advance } from "@prooflog/verifier/advance"
import { CheckedEntries } from "@prooflog/verifier/checked-entries"
import type { LogSource } from "@prooflog/verifier/source"
import { PackedWriter, unpack } from "../packed.js"
import type { PackedLeaves, ServerOfArchiveCalls } from "./archive-calls.js"
import type { Link } from "./link.js"

export type ServerLink = Link<ServerOfArchiveCalls>

/** Bytes of entries that are kept: those of the largest segment, which is gone through twice. */
const ENTRIES_BYTES = 64 * 1024 * 1024

/** The log, from one published head to the next. */
export class PublishedLog {
  readonly #source: LogSource
  readonly #policy: Policy
  #head: OpenedCheckpoint | undefined
  #entries: LogView | undefined

  constructor(server: ServerLink, policy: Policy) {
    this.#source = farSource(server)
    this.#policy = policy
  }

  /**
   * Returns the log as its published head has it now, which is shown to go on from the one before.
   *
   * @throws VerifierError as `advance` and `CheckedEntries.open`; what the server throws
   */
  async newest(): Promise<LogView> {
    const head = await advance(this.#head, this.#source, this.#policy)
    return this.#entries !== undefined && head.note === this.#head?.note ? this.#entries : this.#open(head)
  }

  /** Returns the log as it was seen last, if that has a leaf; else as it is now. */
  async reaching(leafIndex: number): Promise<LogView> {
    const known = this.#entries
    return known !== undefined && leafIndex < known.treeSize ? known : this.newest()
  }

  async #open(head: OpenedCheckpoint): Promise<LogView> {
    const entries = readingAhead(await CheckedEntries.open(this.#source, head.checkpoint, ENTRIES_BYTES))
    this.#head = head
    this.#entries = entries
    return entries
  }
}

/** A source whose reads of one turn go together: a page of entries is 32 of them, and each question costs. */
function farSource(server: ServerLink): LogSource {
  let paths: string[] = []
  let answers: Promise<readonly (Uint8Array | undefined)[]> | undefined
  return {
    async read(path) {
      const i = paths.push(path) - 1
      answers ??= Promise.resolve().then(() => {
        const asked = paths
        paths = []
        answers = undefined
        return server.ask("read", asked)
      })
      return (await answers)[i]
    },
  }
}

/** Returns the same log, which reads the next page while whoever asked is at this one. */
function readingAhead(log: LogView): LogView {
  const { treeSize } = log
  return {
    treeSize,
    entries(start, end) {
      const page = log.entries(start, end)
      if (end % MAX_LEAVES === 0 && end < treeSize) {
        const ahead = page.then(() => log.entries(end, Math.min(end + MAX_LEAVES, treeSize)))
        // What is wrong with it is told to who asks for it.
        ahead.catch(() => {})
      }
      return page
    },
  }
}

/**
 * @param treeSize - leaves of the log that a run is in
 * @param signal - ends a purge that is under way
 */
export function farStorage(server: ServerLink, treeSize: number, signal: AbortSignal): RecordStorage {
  const pages = new StoredPages(server, treeSize)
  return {
    records: (start, end) => pages.read(start, end),
    withdraw(tombstones) {
      pages.forget(tombstones)
      return server.ask("withdraw", packLeaves(tombstones))
    },
    restoreRecords(records) {
      pages.forget(records)
      return server.ask("restoreRecords", packLeaves(records))
    },
    purge: () => server.ask("purge", undefined, signal),
  }
}

/** Bytes of a page after which the next one is not read before it is asked for. */
const MAX_PAGE_BYTES = 8 * 1024 * 1024

interface StoredPage {
  readonly stored: readonly StoredLeaf[]
  readonly bytes: number
}

/**
 * What stands in storage, where most of a page was asked for with the page behind it, which is read while whoever asked is
 * at this one. A run is alone in changing it, and what it changes itself is forgotten here.
 */
class StoredPages {
  readonly #server: ServerLink
  readonly #treeSize: number
  /** Leaves `[start, end)`. */
  #ahead: { readonly start: number; readonly end: number; readonly page: Promise<StoredPage> } | undefined

  constructor(server: ServerLink, treeSize: number) {
    this.#server = server
    this.#treeSize = treeSize
  }

  /** @param end - in one page of {@link MAX_LEAVES} with `start` */
  async read(start: number, end: number): Promise<readonly StoredLeaf[]> {
    const ahead = this.#ahead
    if (ahead === undefined || start < ahead.start || end > ahead.end) {
      return this.#andBehind(start, end, await readStored(this.#server, start, end))
    }
    const { stored, bytes } = await ahead.page
    return this.#andBehind(start, end, {
      stored: stored.slice(start - ahead.start, end - ahead.start),
      bytes,
    })
  }

  forget(leaves: readonly { readonly leafIndex: number }[]): void {
    const [first, last] = [leaves[0], leaves.at(-1)]
    if (first === undefined || last === undefined || this.#ahead === undefined) return
    const { start, end } = this.#ahead
    if (last.leafIndex >= start && first.leafIndex < end) this.#ahead = undefined
  }

  /** Begins to read the page behind what was read. */
  #andBehind(start: number, end: number, { stored, bytes }: StoredPage): readonly StoredLeaf[] {
    const next = (Math.floor(start / MAX_LEAVES) + 1) * MAX_LEAVES
    const isMost = end - start > MAX_LEAVES / 2
    if (isMost && bytes <= MAX_PAGE_BYTES && next < this.#treeSize && this.#ahead?.start !== next) {
      const until = Math.min(next + MAX_LEAVES, this.#treeSize)
      const page = readStored(this.#server, next, until)
      // What is wrong with it is told to who asks for it.
      page.catch(() => {})
      this.#ahead = { start: next, end: until, page }
    }
    return stored
  }
}

async function readStored(server: ServerLink, start: number, end: number): Promise<StoredPage> {
  const stored: StoredLeaf[] = []
  let bytes = 0
  while (start + stored.length < end) {
    const at = start + stored.length
    const { packed, tombstones, end: until } = await server.ask("records", { start: at, end })
    if (!(until > at)) throw new Error("bug: the server answered no records")
    bytes += packed.length
    let next = 0
    for (const [i, each] of unpack(packed).entries()) {
      const isTombstone = tombstones[next] === at + i
      if (isTombstone) next++
      stored.push({ kind: isTombstone ? "tombstone" : "record", leafIndex: at + i, bytes: each })
    }
  }
  return { stored, bytes }
}

export function farRows(server: ServerLink): Rows {
  return {
    forget: (leaves) => server.ask("forget", leaves),
    rewrite: () => server.ask("rewrite", undefined),
  }
}

export function farHolds(server: ServerLink): LegalHolds {
  return {
    heldLeaves: (leaves) => server.ask("heldLeaves", leaves),
    async whileTheyStay(task) {
      await server.ask("holdsStay", undefined)
      try {
        return await task()
      } finally {
        await server.ask("holdsMay", undefined)
      }
    },
  }
}

function packLeaves(stored: readonly StoredLeaf[]): PackedLeaves {
  const leaves = Float64Array.from(stored, ({ leafIndex }) => leafIndex)
  const first = stored[0]?.bytes
  // The tombstones of one segment are the same.
  const some = stored.every(({ bytes }) => bytes === first) ? stored.slice(0, 1) : stored
  const packed = new PackedWriter(some.reduce((sum, { bytes }) => sum + 2 + bytes.length, 0))
  for (const { bytes } of some) packed.add(bytes)
  return { leaves, packed: packed.bytes() }
}
