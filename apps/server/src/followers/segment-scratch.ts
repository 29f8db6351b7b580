/**
 * The scratch folder of the archive: segments as files, while they are written and while they are read.
 *
 *     pages ─► draft-3.parquet ─► put elsewhere ─► removed
 *     bytes from elsewhere ─► copy-4.parquet ─► rows ─► removed
 *     bytes of a file that is at hand ─► rows, with no copy
 *
 * It holds records. So it is emptied when it is opened and when it is closed: what is in it is never missed.
 */

import { createReadStream } from "node:fs"
import { mkdir, open, readdir, rm } from "node:fs/promises"
import { join } from "node:path"
import type { DraftSegment, SegmentFiles, SegmentPage, SegmentRow } from "@prooflog/archive/ports"
import { ObjectsError } from "@prooflog/objects/error"
import { QueryError } from "@prooflog/query/error"
import { readSegment, writeSegment } from "@prooflog/query/segment"
import { withoutWords } from "./query-words.js"

/** Bytes of a draft that are read at once. */
const CHUNK_BYTES = 1 << 20

/** The bytes of a file, and where it is: a segment in it can be read in its place. */
export class FileSource implements AsyncIterable<Uint8Array> {
  readonly path: string
  readonly #bytes: AsyncIterable<Uint8Array>

  /** @param bytes - of that file; rejects at their end if they are not those that are expected */
  constructor(path: string, bytes: AsyncIterable<Uint8Array>) {
    this.path = path
    this.#bytes = bytes
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return this.#bytes[Symbol.asyncIterator]()
  }
}

export class SegmentScratch implements SegmentFiles {
  readonly #folder: string
  #last = 0

  private constructor(folder: string) {
    this.#folder = folder
  }

  /** Makes the folder if it is not there, and empties it. */
  static async open(folder: string): Promise<SegmentScratch> {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const scratch = new SegmentScratch(folder)
    await scratch.empty()
    return scratch
  }

  /** Removes everything. */
  async empty(): Promise<void> {
    for (const name of await readdir(this.#folder)) {
      await rm(join(this.#folder, name), { recursive: true, force: true })
    }
  }

  /** @throws QueryError `QUERY_FAILED`, ObjectsError `OBJECTS_NO_ROOM`; what `pages` throws */
  async write(pages: AsyncIterable<SegmentPage>): Promise<DraftSegment> {
    const path = this.#newPath("draft")
    const { rows, bytes, sha256 } = await inPlainWords(() => writeSegment({ path, pages }))
    return {
      rows,
      bytes,
      sha256,
      read: () => createReadStream(path, { highWaterMark: CHUNK_BYTES }),
      discard: () => rm(path, { force: true }),
    }
  }

  async *read(source: AsyncIterable<Uint8Array>): AsyncGenerator<readonly SegmentRow[]> {
    if (source instanceof FileSource) {
      await readToEnd(source)
      yield* rowsOf(source.path)
      return
    }
    const path = await this.copy(source)
    try {
      yield* rowsOf(path)
    } finally {
      await rm(path, { force: true })
    }
  }

  /** Copies bytes into a file of its own, which is whoever's to remove who asked. @returns its path */
  async copy(source: AsyncIterable<Uint8Array>): Promise<string> {
    const path = this.#newPath("copy")
    try {
      const file = await open(path, "wx", 0o600)
      try {
        for await (const chunk of source) await file.writeFile(chunk)
      } finally {
        await file.close()
      }
      return path
    } catch (error) {
      await rm(path, { force: true })
      throw error
    }
  }

  #newPath(name: string): string {
    return join(this.#folder, `${name}-${++this.#last}.parquet`)
  }
}

async function* rowsOf(path: string): AsyncGenerator<readonly SegmentRow[]> {
  const pages = readSegment(path)
  // DuckDB is at the next rows while whoever asked is at these.
  const begin = () => {
    const next = inPlainWords(() => pages.next())
    next.catch(() => {})
    return next
  }
  try {
    for (let next = begin(); ; ) {
      const { done, value } = await next
      if (done) return
      next = begin()
      yield value
    }
  } finally {
    await pages.return(undefined)
  }
}

async function readToEnd(source: AsyncIterable<Uint8Array>): Promise<void> {
  const chunks = source[Symbol.asyncIterator]()
  while ((await chunks.next()).done !== true);
}

/** Does something with DuckDB: what it says of its own faults may quote rows. */
export async function inPlainWords<T>(task: () => Promise<T>): Promise<T> {
  try {
    return await task()
  } catch (error) {
    if (!(error instanceof QueryError)) throw error
    if (error.cause instanceof Error && /No space left on device/.test(error.cause.message)) {
      throw new ObjectsError("OBJECTS_NO_ROOM", "the scratch folder of the archive has no room")
    }
    throw withoutWords(error)
  }
}
