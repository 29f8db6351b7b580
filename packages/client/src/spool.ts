/**
 * The spool: events on disk until they are answered for.
 *
 *     append → [ buffer ] → one write → segment … segment → take → settle → segment deleted
 *
 * What a crash leaves:
 *
 *     in the buffer           lost; it is written within the same turn of the event loop, or as
 *                             soon as the write before it is done
 *     written (`spooled`)     survives the death of the process, kill -9 included; a power cut
 *                             loses what was written since the last fsync, at most
 *                             `fsyncEveryMs` ago (0: each write is synced before it counts)
 *     in flight, unsettled    still on disk; the next process sends it again, and the server knows
 *                             it by its event_id
 *
 * Effects: the spool folder. `append` itself touches no disk.
 */

import { mkdir, open } from "node:fs/promises"
import { basename, join } from "node:path"
import type { CapturedEvent, DropReason } from "./captured-event.js"
import { ClientError } from "./error.js"
import type { BatchBounds, QueueBounds } from "./queue.js"
import { LINE_OVERHEAD } from "./spool-line.js"
import { Segment, type SpooledEvent } from "./spool-segment.js"
import { HEARTBEAT_MS, SpoolSession } from "./spool-session.js"

/** A segment of this length gets no more lines. */
const SEGMENT_BYTES = 4 << 20

/** Bytes written at once at most. */
const WRITE_BYTES = 1 << 20

/** After a failed write, events stay in memory for this long before the disk is tried again, milliseconds. */
const PAUSE_MS = 1000

export interface SpoolOptions {
  /** Folder, shared by any number of processes. */
  readonly folder: string
  /** Bytes of lines on disk at most, those adopted from other processes included. */
  readonly bytes: number
  /** Events that wait in memory for the disk, at most. */
  readonly buffer: QueueBounds
  /** Time between two fsyncs, milliseconds; 0 syncs every write before it counts as spooled. */
  readonly fsyncEveryMs: number
  readonly clock: () => number
  readonly monotonic: () => number
  readonly newId: () => string
}

/** What the spool tells its user. */
export interface SpoolEvents {
  /** `count` events were written. */
  written(count: number): void
  /** What could not be read a while ago waits again. */
  waiting(): void
  /** `count` events of processes that are gone were found. */
  recovered(count: number): void
  /** These could not be written, and are the user's again. */
  spill(events: readonly CapturedEvent[]): void
  /** `count` lines were torn or damaged, and are gone. */
  damaged(count: number, error: ClientError): void
  failed(error: ClientError): void
}

export class Spool {
  readonly #options: SpoolOptions
  readonly #events: SpoolEvents
  readonly #session: SpoolSession
  readonly #heartbeat: NodeJS.Timeout
  /** Oldest first; the last one may be {@link Spool.#active}. */
  readonly #segments: Segment[] = []
  #active: Segment | undefined
  #sequence = 0
  #buffer: CapturedEvent[] = []
  #bufferBytes = 0
  #diskBytes = 0
  #heldEvents = 0
  #writing: Promise<void> | undefined
  #syncTimer: NodeJS.Timeout | undefined
  #pausedUntil = 0
  #closed = false

  /** Resolves when what was left behind by processes that are gone was looked for once. */
  readonly adopted: Promise<void>

  /** @throws {@link ClientError} `CLIENT_SPOOL_FAILED` if the folder cannot be used */
  constructor(options: SpoolOptions, events: SpoolEvents) {
    this.#options = options
    this.#events = events
    try {
      this.#session = new SpoolSession(options.folder, options.newId(), options.monotonic)
    } catch (cause) {
      throw new ClientError("CLIENT_SPOOL_FAILED", `cannot use the spool folder ${options.folder}`, { cause })
    }
    this.#heartbeat = setInterval(() => void this.#beat(), HEARTBEAT_MS).unref()
    this.adopted = this.#adopt()
  }

  /** Events in its care: buffered, on disk, in flight. */
  get heldEvents(): number {
    return this.#heldEvents
  }

  /** Events and bytes that wait to be taken. */
  get waiting(): { readonly events: number; readonly bytes: number } {
    let events = 0
    let bytes = 0
    for (const segment of this.#segments) {
      if (segment.setAside) continue
      events += segment.unreadEvents
      bytes += segment.unreadBytes
    }
    return { events, bytes }
  }

  /** The disk failed a moment ago: events are better kept in memory. */
  get isPaused(): boolean {
    return this.#closed || this.#options.monotonic() < this.#pausedUntil
  }

  /** Takes the event in, or says why not. */
  append(event: CapturedEvent): DropReason | undefined {
    const { buffer, bytes } = this.#options
    if (this.#diskBytes + this.#bufferBytes + event.bytes + LINE_OVERHEAD > bytes) return "spool_full"
    if (this.#buffer.length + 1 > buffer.events) return "queue_full"
    if (this.#bufferBytes + event.bytes > buffer.bytes) return "queue_full"
    this.#buffer.push(event)
    this.#bufferBytes += event.bytes
    this.#heldEvents += 1
    this.#write()
    return undefined
  }

  /** Returns the oldest waiting events, none if there are none; they are in flight from here on. */
  async take(batch: BatchBounds): Promise<SpooledEvent[]> {
    for (const segment of [...this.#segments]) {
      while (segment.unreadBytes > 0 && !segment.setAside) {
        const events = await this.#read(segment, batch)
        if (events.length > 0) return events
      }
      await this.#removeIfDone(segment)
    }
    return []
  }

  /** Marks events as answered for; a segment without any others is deleted. */
  async settle(events: readonly SpooledEvent[]): Promise<void> {
    const counts = new Map<Segment, number>()
    for (const { segment } of events) counts.set(segment, (counts.get(segment) ?? 0) + 1)
    this.#heldEvents -= events.length
    for (const [segment, count] of counts) {
      segment.settle(count)
      await this.#removeIfDone(segment)
    }
  }

  /** Resolves when everything appended before is written, or was spilled. */
  async written(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing
  }

  /** Writes and syncs what is buffered, and lets go of the session; unsettled events stay for the next process. */
  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#heartbeat)
    clearTimeout(this.#syncTimer)
    await this.adopted
    await this.written()
    await this.#sync().catch((cause) => this.#fail("cannot fsync the spool", cause))
    for (const segment of [...this.#segments]) {
      await this.#removeIfDone(segment)
      await segment.close()
    }
    await this.#session.release()
  }

  async #read(segment: Segment, batch: BatchBounds): Promise<SpooledEvent[]> {
    try {
      const { events, damaged } = await segment.read(batch)
      if (damaged > 0) {
        this.#heldEvents -= damaged
        const name = basename(segment.path)
        const error = new ClientError("CLIENT_SPOOL_DAMAGED", `${damaged} damaged or torn lines in ${name}`)
        this.#events.damaged(damaged, error)
      }
      return events
    } catch (cause) {
      segment.setAside = true
      // What is written from here on must be read again.
      if (segment === this.#active) await this.#rotate().catch(() => {})
      this.#fail(`cannot read ${segment.path}`, cause)
      return []
    }
  }

  #write(): void {
    // One turn later: a burst of events becomes one write.
    this.#writing ??= new Promise<void>((resolve) => setImmediate(resolve))
      .then(() => this.#drain())
      .finally(() => {
        this.#writing = undefined
        if (this.#buffer.length > 0) this.#write()
        else if (this.#active !== undefined) void this.#removeIfDone(this.#active)
      })
  }

  async #drain(): Promise<void> {
    while (this.#buffer.length > 0) {
      const events = this.#takeBuffer()
      try {
        await this.#append(events)
      } catch (cause) {
        await this.#spill(events, cause)
        continue
      }
      // A failed fsync takes nothing back: the lines are in the file and will be sent from it.
      await this.#afterWrite().catch((cause) => this.#fail("cannot fsync the spool", cause))
      this.#events.written(events.length)
    }
  }

  async #append(events: readonly CapturedEvent[]): Promise<void> {
    this.#active ??= await this.#create()
    // Another may be the active one when this is written: a heartbeat can rotate meanwhile.
    const segment = this.#active
    const before = segment.bytes
    await segment.append(events)
    this.#diskBytes += segment.bytes - before
  }

  async #afterWrite(): Promise<void> {
    if (this.#options.fsyncEveryMs === 0) await this.#sync()
    else this.#syncSoon()
    if ((this.#active?.bytes ?? 0) >= SEGMENT_BYTES) await this.#rotate()
  }

  #takeBuffer(): CapturedEvent[] {
    let bytes = 0
    let count = 0
    for (const event of this.#buffer) {
      if (count > 0 && bytes + event.bytes > WRITE_BYTES) break
      bytes += event.bytes
      count++
    }
    this.#bufferBytes -= bytes
    return this.#buffer.splice(0, count)
  }

  async #create(): Promise<Segment> {
    const name = `${basename(this.#session.folder)}-${String(++this.#sequence).padStart(6, "0")}.spool`
    // Something may have tidied up the folder meanwhile.
    await mkdir(this.#session.folder, { recursive: true, mode: 0o700 })
    const segment = await Segment.create(join(this.#session.folder, name))
    this.#segments.push(segment)
    await syncFolder(this.#session.folder)
    return segment
  }

  async #rotate(): Promise<void> {
    const segment = this.#active
    this.#active = undefined
    if (segment === undefined) return
    segment.sealed = true
    await segment.sync()
  }

  /** A write failed: gives these events and all that are buffered back, and tries a fresh segment later. */
  async #spill(events: readonly CapturedEvent[], cause: unknown): Promise<void> {
    this.#pausedUntil = this.#options.monotonic() + PAUSE_MS
    const segment = this.#active
    this.#active = undefined
    await segment?.seal()
    const all = [...events, ...this.#buffer]
    this.#buffer = []
    this.#bufferBytes = 0
    this.#heldEvents -= all.length
    this.#fail("cannot write to the spool", cause)
    this.#events.spill(all)
  }

  #syncSoon(): void {
    if (this.#syncTimer !== undefined || this.#closed) return
    const timer = setTimeout(() => {
      this.#syncTimer = undefined
      this.#sync().catch((cause) => this.#fail("cannot fsync the spool", cause))
    }, this.#options.fsyncEveryMs)
    this.#syncTimer = timer.unref()
  }

  async #sync(): Promise<void> {
    await this.#active?.sync()
  }

  async #removeIfDone(segment: Segment): Promise<void> {
    if (!segment.isSettled || segment.setAside) return
    if (segment === this.#active) {
      if (this.#writing !== undefined) return
      this.#active = undefined
    } else if (!segment.sealed) return
    const at = this.#segments.indexOf(segment)
    if (at < 0) return
    this.#segments.splice(at, 1)
    this.#diskBytes -= segment.bytes
    await segment.remove()
  }

  async #beat(): Promise<void> {
    try {
      if (await this.#session.beat(this.#options.clock())) await this.#rotate()
      await this.#adopt()
      this.#lookAgain()
    } catch (cause) {
      this.#fail("cannot touch the lock of the spool", cause)
    }
  }

  /** Too many open files, for one, is a reason not to read that passes. */
  #lookAgain(): void {
    const aside = this.#segments.filter(({ setAside }) => setAside)
    for (const segment of aside) segment.setAside = false
    if (aside.length > 0) this.#events.waiting()
  }

  async #adopt(): Promise<void> {
    try {
      for (const path of await this.#session.adopt()) await this.#adoptSegment(path)
      this.#segments.sort((a, b) => (basename(a.path) < basename(b.path) ? -1 : 1))
    } catch (cause) {
      this.#fail("cannot adopt the spool of a process that is gone", cause)
    }
  }

  async #adoptSegment(path: string): Promise<void> {
    try {
      const segment = await Segment.adopt(path)
      this.#segments.push(segment)
      this.#diskBytes += segment.bytes
      this.#heldEvents += segment.unreadEvents
      this.#events.recovered(segment.unreadEvents)
    } catch (cause) {
      // It stays in our folder, for the next process; the others are sent.
      this.#fail(`cannot read ${path}`, cause)
    }
  }

  #fail(what: string, cause: unknown): void {
    const why = cause instanceof Error ? cause.message : String(cause)
    this.#events.failed(new ClientError("CLIENT_SPOOL_FAILED", `${what}: ${why}`, { cause }))
  }
}

/** Makes a new name in the folder survive a power cut. Not possible everywhere, nor needed for a crash. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, "r")
    await handle.sync().finally(() => handle.close())
  } catch {
    // Windows cannot open a folder.
  }
}
