/**
 * Whole answers as files.
 *
 *     DuckDB ── batch ──► encoder ── bytes ──► hash, file
 *        ▲                                       │
 *        └──────── asked for when written ◄──────┘
 *
 * No more than a few batches are in memory, however many rows there are. A file that could not be
 * finished is removed. `ocsf` attests the leaf of each row: who exports a question in SQL so asks
 * {@link requireWholeEvents} first.
 */

import { setImmediate } from "node:timers/promises"
import { QueryError } from "./error.js"
import { csvEncoder } from "./export-csv.js"
import type { Encoder, ExportSource } from "./export-encoder.js"
import { HashedFile } from "./export-file.js"
import type { ExportFormat } from "./export-format.js"
import { ndjsonEncoder } from "./export-ndjson.js"
import { ocsfEncoder } from "./export-ocsf.js"
import { parquetEncoder } from "./export-parquet.js"
import type { OutputColumn, Rows } from "./store.js"

export { requireWholeEvents } from "./export-whole.js"

/** Rows that are encoded at once: each may be 64 KiB and more. */
const SLICE = 512

/** What a file may say of where its rows are from. Only `ocsf` uses the hashes. */
export type ExportOptions = Omit<ExportSource, "through">

export interface Exported {
  readonly rows: number
  readonly bytes: number
  /** Of the whole file: 64 lower-case hex digits. */
  readonly sha256: string
  /** Leaves whose rows were there. */
  readonly through: number
}

/**
 * Writes an answer to a new file.
 *
 * @param rows - is read to its end, or closed
 * @param path - must not exist; its folder must
 * @throws {@link QueryError} `QUERY_INVALID` if the format cannot hold these columns; `QUERY_FAILED` if it
 * cannot hold a value, or the file cannot be written; what reading the rows throws. The file is gone then.
 */
export async function writeExport(
  rows: Rows,
  format: ExportFormat,
  path: string,
  options: ExportOptions = {},
): Promise<Exported> {
  try {
    const encoder = encoderOf(format, rows.columns, { ...options, through: rows.through })
    const file = await onDisk(HashedFile.create(path))
    try {
      const count = await writeRows(rows, encoder, file)
      return { rows: count, ...(await onDisk(file.finish())), through: rows.through }
    } catch (error) {
      await file.abandon()
      throw error
    }
  } finally {
    await rows.close()
  }
}

async function writeRows(rows: Rows, encoder: Encoder, file: HashedFile): Promise<number> {
  let count = 0
  await onDisk(file.write(encoder.begin()))
  for await (const batch of rows.batches) {
    for (let at = 0; at < batch.length; at += SLICE) {
      await onDisk(file.write(await encoder.encode(batch.slice(at, at + SLICE))))
    }
    count += batch.length
    // What is gathered is not written at once, and so may not wait: others want their turn.
    await setImmediate()
  }
  await onDisk(file.write(encoder.end()))
  return count
}

function encoderOf(format: ExportFormat, columns: readonly OutputColumn[], source: ExportSource): Encoder {
  switch (format) {
    case "csv":
      return csvEncoder(columns)
    case "ndjson":
      return ndjsonEncoder(columns)
    case "parquet":
      return parquetEncoder(columns, source)
    case "ocsf":
      return ocsfEncoder(columns, source)
  }
}

/** Says what the disk said, without the path: that is nobody's business who asks a question. */
async function onDisk<T>(done: Promise<T>): Promise<T> {
  try {
    return await done
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown"
    throw new QueryError("QUERY_FAILED", `the export could not be written (${code})`, { cause: error })
  }
}
