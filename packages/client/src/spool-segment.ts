/**
 * One append-only file of the spool.
 *
 *     0 ────────── read ─────────── written ─── end of file
 *       in flight    unread           a write under way, or the torn end a crash left
 *     or settled
 *
 * It is deleted when it gets no more lines and every line was answered for.
 *
 * Effects: one file.
 */

import { type FileHandle, open, stat, unlink } from "node:fs/promises"
import type { CapturedEvent } from "./captured-event.js"
import { MAX_EVENT_BYTES } from "./captured-event.js"
import type { BatchBounds } from "./queue.js"
import { formatSpoolLines, LINE_OVERHEAD, parseSpoolLines } from "./spool-line.js"

/** An event that lies in the spool; its segment goes when all of its events are settled. */
export interface SpooledEvent extends CapturedEvent {
  readonly segment: Segment
}

const NEWLINE = 0x0a
const COUNT_CHUNK = 1 << 20

export class Segment {
  readonly path: string
  #handle: FileHandle | undefined
  #read = 0
  #written: number
  #unreadEvents: number
  #unsettled = 0
  #isAppending = false
  /** Gets no more lines. */
  sealed: boolean
  /** Reading failed: left alone for a while. */
  setAside = false

  private constructor(path: string, handle: FileHandle | undefined, written: number, events: number) {
    this.path = path
    this.#handle = handle
    this.#written = written
    this.#unreadEvents = events
    this.sealed = handle === undefined
  }

  /** Creates an empty segment. */
  static async create(path: string): Promise<Segment> {
    return new Segment(path, await open(path, "ax+", 0o600), 0, 0)
  }

  /** Takes a segment as another process left it; a torn last line counts as one event, and will be found damaged. */
  static async adopt(path: string): Promise<Segment> {
    const { size } = await stat(path)
    return new Segment(path, undefined, size, await countLines(path))
  }

  /** Events that wait to be read. */
  get unreadEvents(): number {
    return this.#unreadEvents
  }

  /** Bytes of lines that wait to be read. */
  get unreadBytes(): number {
    return this.#written - this.#read
  }

  /** Bytes of lines it holds. */
  get bytes(): number {
    return this.#written
  }

  /** Every line was read and answered for, and none is on its way. */
  get isSettled(): boolean {
    return !this.#isAppending && this.unreadBytes === 0 && this.#unsettled === 0
  }

  /**
   * Appends lines. Once it resolves they survive the death of the process; of the machine, only
   * after {@link sync}. If it rejects, none of them counts as written.
   */
  async append(events: readonly CapturedEvent[]): Promise<void> {
    const lines = formatSpoolLines(events)
    this.#isAppending = true
    try {
      await this.#write(lines)
      this.#written += lines.length
      this.#unreadEvents += events.length
    } finally {
      this.#isAppending = false
    }
  }

  async sync(): Promise<void> {
    await this.#handle?.datasync()
  }

  /** Gives up on a failed append: what it left behind the last whole line is cut off if possible. */
  async seal(): Promise<void> {
    this.sealed = true
    await this.#handle?.truncate(this.#written).catch(() => {})
  }

  /**
   * Reads the next lines; they are in flight until {@link settle}.
   *
   * @returns `damaged`: events that were written and did not turn up, told with the last line
   */
  async read(batch: BatchBounds): Promise<{ events: SpooledEvent[]; damaged: number }> {
    // A batch of many short lines, and in any case one line of the greatest length.
    const overhead = Math.min(batch.events, batch.bytes) * LINE_OVERHEAD
    const length = Math.max(batch.bytes + overhead, MAX_EVENT_BYTES + LINE_OVERHEAD)
    const buffer = Buffer.allocUnsafe(Math.min(length, this.unreadBytes))
    const { bytesRead } = await (await this.#open()).read(buffer, 0, buffer.length, this.#read)
    const lines = parseSpoolLines(buffer.subarray(0, bytesRead), batch.events, batch.bytes)
    // No newline in so much: the torn end of a crashed writer, or a hole in the middle, after which lines go on.
    const passed = lines.end > 0 ? lines.end : bytesRead
    this.#read = passed > 0 ? this.#read + passed : this.#written
    const events = lines.events.filter((event) => event !== undefined)
    this.#unsettled += events.length
    this.#unreadEvents -= events.length
    // Damage makes one line of two, and two of one: only at the end is it known how many did not turn up.
    const damaged = this.unreadBytes === 0 ? this.#unreadEvents : 0
    this.#unreadEvents -= damaged
    return { events: events.map((event) => ({ ...event, segment: this })), damaged }
  }

  /** Marks `count` of its events as answered for. */
  settle(count: number): void {
    this.#unsettled -= count
  }

  async close(): Promise<void> {
    await this.#handle?.close().catch(() => {})
    this.#handle = undefined
  }

  async remove(): Promise<void> {
    await this.close()
    // Gone already if another process adopted it meanwhile.
    await unlink(this.path).catch(() => {})
  }

  async #write(lines: Buffer): Promise<void> {
    const handle = await this.#open()
    for (let done = 0; done < lines.length; ) {
      done += (await handle.write(lines, done)).bytesWritten
    }
  }

  async #open(): Promise<FileHandle> {
    this.#handle ??= await open(this.path, "r")
    return this.#handle
  }
}

async function countLines(path: string): Promise<number> {
  const handle = await open(path, "r")
  try {
    const chunk = Buffer.allocUnsafe(COUNT_CHUNK)
    let lines = 0
    let lastByte = NEWLINE
    for (;;) {
      const { bytesRead } = await handle.read(chunk, 0, chunk.length)
      if (bytesRead === 0) return lines + (lastByte === NEWLINE ? 0 : 1)
      for (let at = chunk.indexOf(NEWLINE); at >= 0 && at < bytesRead; at = chunk.indexOf(NEWLINE, at + 1))
        lines++
      lastByte = chunk[bytesRead - 1] as number
    }
  } finally {
    await handle.close()
  }
}
