/**
 * A real log whose time is the test's: years pass while it is served, and nobody restarts it.
 *
 *     pass(to) ─► the clock on the wall ┐
 *              ─► the clock no one sets ┴─► both go on by the same, as a log that believes its clock must find them
 *
 * Its server runs in this process, its reader, its rows and its archive in children of it. What stands in its storage can
 * be looked at, and tampered with, behind its back.
 */

import { createHash } from "node:crypto"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { decodeEntry } from "@prooflog/event/entry"
import { decodeTombstone } from "@prooflog/event/tombstone"
import type { LogStorage } from "@prooflog/ledger/storage"
import { type RunningServer, type ServerConfig, startServer } from "@prooflog/server"
import { initFolder } from "@prooflog/server/folder"
import { openLevelStorage } from "@prooflog/storage-level"
import { bundlePath, parseBundle } from "@prooflog/tlog/bundle"
import { TILE_WIDTH } from "@prooflog/tlog/tile"
import { Decoder } from "cbor-x"
import { expect } from "vitest"
import { published, temporaryFolder } from "../running-log.js"
import { eventually, get, type Json, tell } from "./asked.js"

/** Most leaves of an answer of v1/records, and of one look into storage. */
const PAGE = 4_096
const LOOK = 256

/** An event, as anyone sees it. */
export interface SeenEvent {
  readonly className: string
  readonly timeMs: number
}

/** What stands at a leaf: `hot`, `gone`, or the key of a segment. */
export type Standing = "hot" | "gone" | `segments/${string}`

export class LivingLog {
  readonly #folder: Awaited<ReturnType<typeof temporaryFolder>>
  readonly #keys: { readonly admin: string; readonly writer: string }
  readonly #server: RunningServer
  readonly #time: PassingTime
  /** Behind the server's back. */
  readonly storage: LogStorage
  /** Every leaf that was seen; `undefined` where there is no event. */
  readonly leaves: (SeenEvent | undefined)[] = []

  private constructor(
    folder: Awaited<ReturnType<typeof temporaryFolder>>,
    server: RunningServer,
    storage: LogStorage,
    time: PassingTime,
  ) {
    const keyOf = (role: "admin" | "writer") =>
      server.firstKeys?.find(({ apiKey }) => apiKey.roles.includes(role))?.key ?? "no such key"
    this.#folder = folder
    this.#server = server
    this.#time = time
    this.#keys = { admin: keyOf("admin"), writer: keyOf("writer") }
    this.storage = storage
  }

  /** A new log that begins at this time. @param config - members that `prooflog.json` has besides */
  static async begin(
    schedule: string,
    beginMs: number,
    { settings, ...config }: Partial<ServerConfig> & { readonly settings?: Json } = {},
  ): Promise<LivingLog> {
    const folder = await temporaryFolder()
    const dir = join(folder.path, "log")
    const { origin, logId } = await initFolder(dir)
    await writeFile(join(dir, "schedule.yaml"), schedule)
    if (settings !== undefined) {
      const own = {
        format: 1,
        origin,
        log_id: Buffer.from(logId).toString("hex"),
        signer_key: "keys/signer.key",
      }
      await writeFile(join(dir, "prooflog.json"), JSON.stringify({ ...own, ...settings }))
    }
    const time = new PassingTime(beginMs)
    let storage: LogStorage | undefined
    const server = await startServer({
      dir,
      port: 0,
      logger: false,
      alerts: false,
      publishEveryMs: 20,
      ...config,
      clock: () => time.nowMs,
      openStorage: async ({ logPath }) => {
        storage = await openLevelStorage(logPath)
        return storage
      },
    })
    return new LivingLog(folder, server, storage as LogStorage, time)
  }

  get path(): string {
    return this.#folder.path
  }

  get dir(): string {
    return join(this.path, "log")
  }

  get url(): string {
    return this.#server.url
  }

  get adminKey(): string {
    return this.#keys.admin
  }

  get writerKey(): string {
    return this.#keys.writer
  }

  get nowMs(): number {
    return this.#time.nowMs
  }

  /** Lets time pass, up to then. */
  pass(toMs: number): void {
    this.#time.pass(toMs)
  }

  /** Has the daily run begin, after one that began by itself, and waits for its end. */
  async run(): Promise<Json> {
    const begun = await eventually(async () => {
      const { status, body } = await tell(this, "v1/archive/run")
      if (status === 409) return undefined
      expect([status, body.code]).toEqual([202, undefined])
      return body.id as string
    })
    // However long it takes: the test has a limit of its own.
    for (;;) {
      const { status, body } = await get(this, "v1/archive")
      const { job } = body as { job: Json }
      // A busy machine may take long to begin the archive's process: 503.
      if (status === 200 && job.id === begun && job.state !== "running") return job
      await sleep(50)
    }
  }

  /** Resolves when answers see all that was logged before, however much that is. */
  async followed(): Promise<void> {
    for (;;) {
      const { state, lag_leaves } = (await get(this, "v1/reading")).body
      if (state === "following" && lag_leaves === 0) return
      expect(state).not.toBe("stopped")
      await sleep(50)
    }
  }

  /**
   * Reads the entries that came since the last time, once they are published.
   *
   * @param least - leaves that there are
   * @returns how many leaves there are now
   */
  async see(least = 0): Promise<number> {
    const { signed } = (await get(this, "v1/log")).body as { signed: { tree_size: number } }
    const size = Math.max(least, signed.tree_size)
    await published(this.url, size)
    while (this.leaves.length < size) {
      const index = Math.floor(this.leaves.length / TILE_WIDTH)
      const width = Math.min(TILE_WIDTH, size - index * TILE_WIDTH)
      const response = await fetch(`${this.url}${bundlePath(index, width)}`)
      expect(response.status).toBe(200)
      const entries = parseBundle(new Uint8Array(await response.arrayBuffer()), width)
      for (const bytes of entries.slice(this.leaves.length - index * TILE_WIDTH)) {
        const entry = decodeEntry(bytes)
        const { timeMs } = entry
        this.leaves.push(entry.type === "event" ? { className: entry.className, timeMs } : undefined)
      }
    }
    return size
  }

  /** What stands in storage, for each leaf that was seen. */
  async standing(): Promise<readonly Standing[]> {
    const found: Standing[] = []
    while (found.length < this.leaves.length) {
      const end = Math.min(found.length + LOOK, this.leaves.length)
      for (const { kind, bytes } of await this.storage.records(found.length, end)) {
        const tombstone = kind === "tombstone" ? decodeTombstone(bytes) : undefined
        if (tombstone === undefined) found.push("hot")
        else found.push(tombstone.state === "moved" ? (tombstone.segment as Standing) : "gone")
      }
    }
    return found
  }

  /**
   * What the log serves of leaves `[start, end)`: of a record the SHA-256, of what is no event nothing, and of what is
   * gone why and by which leaf.
   */
  async served(start: number, end: number): Promise<readonly string[]> {
    const found: string[] = []
    while (start + found.length < end) {
      const from = start + found.length
      const response = await fetch(`${this.url}v1/records?start=${from}&end=${Math.min(end, from + PAGE)}`, {
        headers: { authorization: `Bearer ${this.adminKey}` },
      })
      expect(response.status).toBe(200)
      const items = new Decoder({ mapsAsObjects: false }).decodeMultiple(
        new Uint8Array(await response.arrayBuffer()),
      ) as readonly (readonly [leaf: number, record: Uint8Array | null, reason?: number, leaf?: number])[]
      expect(items.length).toBeGreaterThan(0)
      for (const [leaf, record, reason, by] of items) {
        expect(leaf).toBe(start + found.length)
        if (record === null) found.push(`gone ${reason} ${by}`)
        else found.push(record.length === 0 ? "" : createHash("sha256").update(record).digest("hex"))
      }
    }
    return found
  }

  async end(): Promise<void> {
    await this.#server.close()
    this.#time.end()
    await this.#folder.remove()
  }
}

/** Two clocks that go on together, and only when they are told to: that of the wall, and that of the process. */
class PassingTime {
  readonly #now = performance.now
  #nowMs: number
  #passedMs = 0

  constructor(beginMs: number) {
    this.#nowMs = beginMs
    const now = this.#now.bind(performance)
    performance.now = () => now() + this.#passedMs
  }

  get nowMs(): number {
    return this.#nowMs
  }

  pass(toMs: number): void {
    if (toMs < this.#nowMs) throw new RangeError(`time does not go back to ${new Date(toMs).toISOString()}`)
    this.#passedMs += toMs - this.#nowMs
    this.#nowMs = toMs
  }

  end(): void {
    performance.now = this.#now
  }
}
