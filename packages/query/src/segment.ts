/**
 * Segments of the archive: records as a Parquet file, each beside the columns that it makes.
 *
 *     pages of leaves ─► projection ─► rows in a DuckDB of their own ─► Parquet, zstd ─► synced, hashed
 *
 *     leaf_index │ timestamp │ user_id │ … COLUMNS … │ os │ record
 *
 * `record` is the truth, byte for byte; the columns are for whoever reads the file without this log, and derived. They
 * stand in leaf order, in row groups of 122,880 rows or fewer. Only `leaf_index` and `record` are read back: in the
 * years that a segment lives, other columns may come to be.
 *
 * A segment is trusted with nothing. What is read from it has to be held against the log, record by record: Parquet
 * as it is written here has no checksum, so damage may show as another record, another leaf or no row. If we crash
 * before {@link writeSegment} returned, a part of the file may stand there, and beside it a folder `.tmp` that holds
 * records, too: who owns the folder removes what it has no manifest for.
 */

import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { open, rm } from "node:fs/promises"
import { setImmediate as turn } from "node:timers/promises"
import type { DuckDBBlobVector, DuckDBDataChunk } from "@duckdb/node-api"
import { entryTimeMs } from "@prooflog/event/entry"
import { COLUMNS } from "./columns.js"
import { syncFile, syncFolderOf } from "./durable.js"
import { QueryError } from "./error.js"
import { type Enrich, Projection } from "./projection.js"
import { CHUNK_ROWS } from "./row-chunk.js"
import { openSegmentDatabase, type SegmentDatabase } from "./segment-database.js"

/** Leaves of one class, checked. */
export interface SegmentPage {
  /** One for each entry, ascending, after those of the page before. */
  readonly leafIndices: readonly number[]
  /** Packed (uint16be length ‖ bytes), events only. */
  readonly entries: Uint8Array
  /** Packed, none of 0 bytes. */
  readonly records: Uint8Array
}

export interface SegmentSource {
  /** A file that is not there, in a folder that is. */
  readonly path: string
  /** At least one leaf. */
  readonly pages: AsyncIterable<SegmentPage> | Iterable<SegmentPage>
  /** Makes the derived columns. They are NULL if absent. */
  readonly enrich?: Enrich
  /**
   * Most memory DuckDB may use, in MiB. What does not fit goes to the disk for a while. 1,024 if absent, which is
   * enough for 2,048 of the largest records at once; half of it is enough for those of a kilobyte.
   */
  readonly memoryMb?: number
}

export interface WrittenSegment {
  readonly rows: number
  readonly bytes: number
  /** Of the whole file: 64 lower-case hex digits. */
  readonly sha256: string
  readonly firstLeaf: number
  readonly lastLeaf: number
  /** Times of their entries, in ms. */
  readonly firstTimeMs: number
  readonly lastTimeMs: number
}

export interface SegmentRecord {
  readonly leafIndex: number
  /** Suspect: see {@link readSegment}. */
  readonly record: Uint8Array
}

const MEMORY_MB = 1_024

/** Rows of a row group, at most: readers skip groups, and hold one in memory. */
const GROUP_ROWS = 122_880

/** Bytes of the texts and records of a row group, about. */
const GROUP_BYTES = 1 << 26

/** Bytes of them that the appender keeps, about: few enough not to hold up the event loop. */
const FLUSH_BYTES = 1 << 24

/** DuckDB keeps a BLOB of up to so many bytes in its row. */
const SHORT_BYTES = 12

/**
 * Writes a segment to a new file, which only its owner may read, and resolves when it would survive a power cut.
 *
 * @throws RangeError if the pages are not well formed, or a leaf of them is no event or has no record
 * @throws {@link QueryError} `QUERY_FAILED` if the file cannot be written, as when the disk is full; what `pages`
 * throws. The file is gone then.
 */
export async function writeSegment(source: SegmentSource): Promise<WrittenSegment> {
  const { path, pages, enrich, memoryMb = MEMORY_MB } = source
  const database = await openSegmentDatabase(path, memoryMb, true)
  try {
    await onDisk(() => create(path))
    try {
      const { range, groupRows } = await stage(database, pages, new Projection(enrich, true))
      await onDisk(() => copyOut(database, groupRows))
      return { ...range, ...(await onDisk(() => keep(path))) }
    } catch (error) {
      await rm(path, { force: true })
      throw error
    }
  } finally {
    await database.close()
  }
}

/**
 * Reads a segment back, in leaf order and in bounded memory.
 *
 * @param path - of a file whose bytes are suspect: each record must be held against the log, and rows be counted
 * @param from - leaves before it are passed over
 * @param to - leaves from it on are, too
 * @throws {@link QueryError} `QUERY_BAD_SEGMENT` if it is not there, cut short, damaged, out of order, or no segment;
 * maybe in the middle
 */
export async function* readSegment(
  path: string,
  from = 0,
  to = Number.MAX_SAFE_INTEGER,
): AsyncGenerator<readonly SegmentRecord[]> {
  let next = from
  for await (const records of readWhere(path, `leaf_index >= ${leaf(from)} AND leaf_index < ${leaf(to)}`)) {
    for (const { leafIndex } of records) {
      if (leafIndex < next || leafIndex >= to) throw badSegment("its leaves are out of order")
      next = leafIndex + 1
    }
    yield records
  }
}

/**
 * Reads the records of some leaves.
 *
 * @param leafIndices - few enough for their records to be in memory
 * @returns by leaf; one that the segment does not have is left out. Suspect, as in {@link readSegment}
 * @throws {@link QueryError} `QUERY_BAD_SEGMENT` as in {@link readSegment}
 */
export async function readRecords(
  path: string,
  leafIndices: readonly number[],
): Promise<ReadonlyMap<number, Uint8Array>> {
  const found = new Map<number, Uint8Array>()
  if (leafIndices.length === 0) return found
  const wanted = new Set(leafIndices)
  for await (const records of readWhere(path, `leaf_index IN (${[...wanted].map(leaf).join()})`)) {
    for (const { leafIndex, record } of records) {
      if (!wanted.delete(leafIndex)) throw badSegment("it has a leaf twice")
      found.set(leafIndex, record)
    }
  }
  return found
}

/** Creates the file, so that nobody else may read it, and nothing there is written over. */
async function create(path: string): Promise<void> {
  const handle = await open(path, "wx", 0o600)
  await handle.close()
}

type Range = Omit<WrittenSegment, "bytes" | "sha256">

interface Staged {
  readonly range: Range
  /** Rows of a row group of so many bytes as a reader can hold. */
  readonly groupRows: number
}

/** Brings all rows into a table, from which they are copied out: DuckDB writes no file row by row. */
async function stage(
  { connection }: SegmentDatabase,
  pages: SegmentSource["pages"],
  projection: Projection,
): Promise<Staged> {
  const columns = COLUMNS.map(({ name, type }) => `"${name}" ${type}`).join(", ")
  // Never committed: a commit would lay the rows out as a table that lives on.
  await connection.run("BEGIN")
  await connection.run(`CREATE TABLE staged (${columns}, record BLOB)`)
  const appender = await connection.createAppender("staged")
  let range: Range | undefined
  let bytesPerRow = 1
  let rows = 0
  let waitingBytes = 0
  for await (const { leafIndices, entries, records } of pages) {
    checkAscending(leafIndices, range?.lastLeaf ?? -1)
    const [firstLeaf, lastLeaf] = [leafIndices[0], leafIndices.at(-1)]
    if (firstLeaf === undefined || lastLeaf === undefined) continue
    const count = leafIndices.length
    const page = { firstLeaf, count, entries, records, leafIndices }
    for (const chunk of projection.chunksOf(page, 0, () => CHUNK_ROWS)) {
      appender.appendDataChunk(chunk.rows)
      rows += chunk.rows.rowCount
      await turn()
    }
    // A record, and its texts once more.
    waitingBytes += 2 * records.length
    bytesPerRow = Math.max(bytesPerRow, (2 * records.length) / count)
    if (waitingBytes >= FLUSH_BYTES) {
      await onDisk(() => appender.flushSync())
      waitingBytes = 0
    }
    const [firstTimeMs, lastTimeMs] = timesOf(entries)
    range = { firstLeaf, firstTimeMs, ...range, lastLeaf, lastTimeMs, rows: (range?.rows ?? 0) + count }
  }
  const rest = projection.takeRest()
  if (rest !== undefined) appender.appendDataChunk(rest)
  rows += rest?.rowCount ?? 0
  await onDisk(() => appender.closeSync())
  if (range === undefined) throw new RangeError("pages: expected leaves")
  if (rows !== range.rows) throw new RangeError("pages: expected events that have a record")
  const chunks = Math.floor(GROUP_BYTES / bytesPerRow / CHUNK_ROWS)
  return { range, groupRows: Math.min(GROUP_ROWS, Math.max(1, chunks) * CHUNK_ROWS) }
}

function checkAscending(leafIndices: readonly number[], after: number): void {
  let last = after
  for (const leafIndex of leafIndices) {
    if (!Number.isSafeInteger(leafIndex) || leafIndex <= last) {
      throw new RangeError("leafIndices: expected leaf indices, ascending")
    }
    last = leafIndex
  }
}

/** Times of the first and the last of packed entries, in ms. */
function timesOf(entries: Uint8Array): readonly [firstMs: number, lastMs: number] {
  let last = 0
  for (let at = 0; at < entries.length; ) {
    last = at + 2
    at = last + (entries[at] as number) * 256 + (entries[at + 1] as number)
  }
  return [entryTimeMs(entries, 2), entryTimeMs(entries, last)]
}

async function copyOut({ connection, file }: SegmentDatabase, groupRows: number): Promise<void> {
  // Into the file that is there, with its rights, and into no other beside it.
  const options = `FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE ${groupRows}, USE_TMP_FILE false`
  await connection.run(`COPY staged TO ${file} (${options})`)
}

/** Has the file kept by the disk, and says what it holds. */
async function keep(path: string): Promise<Pick<WrittenSegment, "bytes" | "sha256">> {
  const hash = createHash("sha256")
  let bytes = 0
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    hash.update(chunk)
    bytes += chunk.length
  }
  await syncFile(path)
  await syncFolderOf(path)
  return { bytes, sha256: hash.digest("hex") }
}

async function onDisk<T>(task: () => T | Promise<T>): Promise<T> {
  try {
    return await task()
  } catch (cause) {
    throw new QueryError("QUERY_FAILED", "the segment could not be written", { cause })
  }
}

async function* readWhere(path: string, where: string): AsyncGenerator<readonly SegmentRecord[]> {
  const database = await openSegmentDatabase(path, MEMORY_MB, false)
  try {
    const { connection, file } = database
    const sql = `SELECT leaf_index, record FROM read_parquet(${file}, hive_partitioning = false) WHERE ${where}`
    const result = await readable(() => connection.stream(sql))
    const types = [result.columnType(0), result.columnType(1)]
    if (types.join() !== "BIGINT,BLOB") throw badSegment("its columns are of other types")
    for (;;) {
      const chunk = await readable(() => result.fetchChunk())
      if (chunk === null || chunk.rowCount === 0) return
      yield recordsOf(chunk)
    }
  } finally {
    await database.close()
  }
}

function recordsOf(chunk: DuckDBDataChunk): readonly SegmentRecord[] {
  const leaves = chunk.getColumnVector(0)
  const records = chunk.getColumnVector(1) as DuckDBBlobVector
  return Array.from({ length: chunk.rowCount }, (_, row) => {
    const leafIndex = Number(leaves.getItem(row))
    const record = records.getItemBytes(row)
    if (record === null) throw badSegment("a record is missing")
    // A short one is a view of memory that goes with the chunk.
    return { leafIndex, record: record.length > SHORT_BYTES ? record : record.slice() }
  })
}

/** @throws RangeError if it is none */
function leaf(index: number): number {
  if (Number.isSafeInteger(index) && index >= 0) return index
  throw new RangeError("expected a leaf index")
}

async function readable<T>(task: () => Promise<T>): Promise<T> {
  try {
    return await task()
  } catch (cause) {
    throw badSegment("it cannot be read", cause)
  }
}

function badSegment(why: string, cause?: unknown): QueryError {
  return new QueryError("QUERY_BAD_SEGMENT", `the file is no whole segment: ${why}`, { cause })
}
