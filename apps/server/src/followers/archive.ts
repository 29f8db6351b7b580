/**
 * The archive's process: it moves records into segments and reads them from there, destroys what is due, and holds
 * every byte that it moves against the log.
 *
 *     server ── archive, destroy, verify, restore, gone ─► one run after another ─► segments, storage
 *            ── records ─► segment ─► held against the log ─► bytes
 *
 * It touches nothing before it is asked for something, so that a bucket that is away fails what was asked and not the
 * process. It may be killed at any time: what it was at is found in its state file, and the next run goes on.
 */

import { randomBytes } from "node:crypto"
import { archiveRun } from "@prooflog/archive/archive-run"
import { Catalog } from "@prooflog/archive/catalog"
import { makeLeavesGone } from "@prooflog/archive/destroy-leaves"
import { destroyRun } from "@prooflog/archive/destroy-run"
import { firstLeafAt } from "@prooflog/archive/event-leaves"
import type { LogView, Ports, Progress, StateFile } from "@prooflog/archive/ports"
import { restoreRange } from "@prooflog/archive/restore-range"
import { isInPart } from "@prooflog/archive/verify-part"
import { verifyRun } from "@prooflog/archive/verify-run"
import { ObjectsError } from "@prooflog/objects/error"
import { encodeHex } from "@prooflog/tlog/base64"
import { parsePolicy } from "@prooflog/tlog/policy"
import { openState, writeState } from "../retention/case-folder.js"
import { Turns } from "../turns.js"
import type {
  ArchiveCalls,
  ArchiveSetup,
  OfRun,
  RestoreAsked,
  ServerOfArchiveCalls,
  VerifiedSegments,
} from "./archive-calls.js"
import { numbersOf } from "./archive-numbers.js"
import { farHolds, farRows, farStorage, PublishedLog } from "./archive-ports.js"
import { endNow, liveAsChild } from "./child.js"
import { farError } from "./far-error.js"
import { channelTo, openLink } from "./link.js"
import { sayTo } from "./say.js"
import { SegmentStore } from "./segment-objects.js"
import { MovedReader } from "./segment-records.js"
import { SegmentScratch } from "./segment-scratch.js"

/** Least time between two words of progress of one run. */
const PROGRESS_MS = 250

/** How many read moved records at once: each holds a row group in memory. */
const READERS = 2

interface Opened {
  readonly store: SegmentStore
  readonly moved: MovedReader
}

/** What a run is given. */
interface Run {
  readonly catalog: Catalog
  readonly ports: Ports
  readonly options: { readonly signal: AbortSignal; readonly onProgress: (progress: Progress) => void }
}

class Archive {
  readonly #setup: ArchiveSetup
  readonly #scratch: SegmentScratch
  readonly #log: PublishedLog
  readonly #readers = new Turns(READERS)
  readonly #closing = new AbortController()
  readonly #running = new Set<Promise<unknown>>()
  #catalog: Promise<Catalog> | undefined
  #opened: Promise<Opened> | undefined

  private constructor(setup: ArchiveSetup, scratch: SegmentScratch) {
    this.#setup = setup
    this.#scratch = scratch
    this.#log = new PublishedLog(server, parsePolicy(setup.policy))
  }

  static async begin(setup: ArchiveSetup): Promise<Archive> {
    return new Archive(setup, await SegmentScratch.open(setup.scratchPath))
  }

  get segmentRows(): number {
    return this.#setup.segmentRows
  }

  /** Does a run in the log as it is published now. */
  run<T>({ run }: OfRun, asked: AbortSignal, task: (run: Run) => Promise<T>): Promise<T> {
    const signal = AbortSignal.any([asked, this.#closing.signal])
    const done = (async () => {
      const catalog = await this.#known()
      const { store } = await this.#open()
      const log = await this.#log.newest()
      return await task({ catalog, ports: this.#ports(store, log, signal), options: watched(run, signal) })
    })()
    this.#running.add(done)
    const end = () => void this.#running.delete(done)
    done.then(end, end)
    return done
  }

  async records(moved: Parameters<ArchiveCalls["records"]>[0]): Promise<ReturnType<ArchiveCalls["records"]>> {
    const last = moved.at(-1)
    if (last === undefined) return { records: new Uint8Array(0), count: 0 }
    const opened = await this.#open()
    const log = await this.#log.reaching(last.leafIndex)
    return this.#readers.take(() => opened.moved.read(log, moved))
  }

  async numbers(): Promise<ReturnType<ArchiveCalls["numbers"]>> {
    return numbersOf((await this.#known()).state)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await Promise.allSettled(this.#running)
    await this.#scratch.empty()
  }

  /** What could not be opened is tried again by the next one who asks. */
  #known(): Promise<Catalog> {
    const { statePath, origin, logId } = this.#setup
    this.#catalog ??= Catalog.open(stateFile(statePath), { origin, logId })
    this.#catalog.catch(() => {
      this.#catalog = undefined
    })
    return this.#catalog
  }

  #open(): Promise<Opened> {
    this.#opened ??= this.#openStore()
    this.#opened.catch(() => {
      this.#opened = undefined
    })
    return this.#opened
  }

  async #openStore(): Promise<Opened> {
    const catalog = await this.#known()
    const store = await SegmentStore.open(this.#setup.store, this.#scratch)
    return { store, moved: new MovedReader(catalog, store) }
  }

  #ports(objects: SegmentStore, log: LogView, signal: AbortSignal): Ports {
    return {
      log,
      storage: farStorage(server, log.treeSize, signal),
      objects,
      segments: this.#scratch,
      rows: farRows(server),
      holds: farHolds(server),
      tell: (told) => server.ask("told", told),
      newId: () => encodeHex(randomBytes(16)),
    }
  }
}

/** Read only between two changes of it, and by nobody else. */
function stateFile(path: string): StateFile {
  return {
    async read() {
      const text = await openState(path)
      return text === undefined ? undefined : new TextEncoder().encode(text)
    },
    replace: (bytes) => writeState(path, new TextDecoder().decode(bytes)),
  }
}

function watched(run: number, signal: AbortSignal): Run["options"] {
  let toldMs = Number.NEGATIVE_INFINITY
  return {
    signal,
    onProgress(progress) {
      const nowMs = performance.now()
      if (nowMs - toldMs < PROGRESS_MS) return
      toldMs = nowMs
      server.tell("progress", { run, ...progress })
    },
  }
}

/** Returns the leaves that are asked for; those of a time are found in the log. */
async function leavesOf(asked: RestoreAsked, log: LogView): Promise<{ from: number; to: number }> {
  if ("from" in asked) return asked
  const from = await firstLeafAt(log, asked.fromMs, 0, log.treeSize)
  return { from, to: await firstLeafAt(log, asked.toMs, from, log.treeSize) }
}

async function verify({ catalog, ports, options }: Run, part: PartAsked): Promise<VerifiedSegments> {
  const { segments, rows, faults } = await verifyRun(catalog, ports, {
    ...options,
    ...(part && { isWanted: (manifest) => isInPart(manifest, part.sinceMs, part.nowMs) }),
  })
  return {
    segments,
    rows,
    faults: faults.map(({ key, error }) => {
      const { message, leafIndex } = farError(error)
      const code = isLost(error.cause) ? "ARCHIVE_SEGMENT_REFUSED" : error.code
      return { key, code, message, ...(leafIndex !== undefined && { leafIndex }) }
    }),
  }
}

/** Whether the store was there, and the object was not, or not its bytes: to look again would find the same. */
function isLost(cause: unknown): boolean {
  if (!(cause instanceof ObjectsError)) return false
  return cause.code === "OBJECTS_NOT_FOUND" || cause.code === "OBJECTS_DAMAGED"
}

type PartAsked = Parameters<ArchiveCalls["verify"]>[0]["part"]

let archive: Archive | undefined

function begun(): Archive {
  if (archive === undefined) throw new Error("bug: the archive has not begun")
  return archive
}

const server = openLink<ArchiveCalls, ServerOfArchiveCalls>(
  channelTo(process),
  {
    alive: () => {},
    async begin(setup) {
      archive = await Archive.begin(setup)
    },
    archive: (asked, signal) =>
      begun().run(asked, signal, ({ catalog, ports, options }) => {
        const { classes, promises, nowMs } = asked
        const maxRows = begun().segmentRows
        return archiveRun(catalog, ports, { ...options, schedule: { classes }, promises, nowMs, maxRows })
      }),
    destroy: (asked, signal) =>
      begun().run(asked, signal, ({ catalog, ports, options }) => {
        const { promises, nowMs, backupDays } = asked
        return destroyRun(catalog, ports, { ...options, promises, nowMs, backupDays })
      }),
    verify: (asked, signal) => begun().run(asked, signal, (run) => verify(run, asked.part)),
    restore: (asked, signal) =>
      begun().run(asked, signal, async ({ catalog, ports, options }) => {
        const { from, to } = await leavesOf(asked, ports.log)
        const { className } = asked
        return restoreRange(catalog, ports, { ...options, from, to, ...(className && { className }) })
      }),
    gone: (asked, signal) =>
      begun().run(asked, signal, ({ catalog, ports, options }) =>
        makeLeavesGone(catalog, ports, [...asked.leaves], options),
      ),
    records: (moved) => begun().records(moved),
    numbers: () => begun().numbers(),
    async close() {
      await archive?.close()
      endNow()
    },
  },
  (error) => say("error", "what the server said could not be understood", { error }),
)
const say = sayTo((said) => server.tell("say", said))
liveAsChild((level, message, details, sent) =>
  sayTo((said) => server.tell("say", said, sent))(level, message, details),
)
