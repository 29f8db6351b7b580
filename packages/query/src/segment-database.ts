/**
 * A DuckDB of its own for one segment: it may touch that file, and nothing else.
 *
 *     writeSegment ─► rows in memory ─► COPY ─► path            what does not fit goes to path.tmp
 *     readSegment  ─► read_parquet ◄── path
 *
 * No question of a user ever reaches it. It is told what it may touch all the same, and then that nobody may tell it
 * otherwise: the file may come from a store of objects that others write to.
 */

import { mkdir, rm } from "node:fs/promises"
import { resolve } from "node:path"
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api"
import { ownSettings, quoted } from "./database.js"

export interface SegmentDatabase {
  readonly connection: DuckDBConnection
  /** The file, as SQL says it. */
  readonly file: string
  /** Interrupts what runs, and leaves nothing behind but the file. */
  close(): Promise<void>
}

/**
 * @param path - of the one file that may be touched
 * @param memoryMb - most memory, in MiB
 * @param spills - whether what does not fit may go to a folder beside the file
 * @throws RangeError if DuckDB would take the path for a pattern
 */
export async function openSegmentDatabase(
  path: string,
  memoryMb: number,
  spills: boolean,
): Promise<SegmentDatabase> {
  const whole = resolve(path)
  if (/[*?[]/.test(whole)) throw new RangeError("path: expected none of the characters * ? [")
  const spillFolder = spills ? `${whole}.tmp` : ""
  if (spills) {
    await rm(spillFolder, { recursive: true, force: true })
    await mkdir(spillFolder, { mode: 0o700 })
  }
  const instance = await DuckDBInstance.create(":memory:", {
    // A second thread would hold as many rows again, and take the time of others.
    ...ownSettings(memoryMb, 1),
    temp_directory: spillFolder,
  })
  const connection = await instance.connect()
  const file = quoted(whole)
  await connection.run(`SET allowed_paths = [${file}]`)
  await connection.run("SET enable_external_access = false")
  await connection.run("SET lock_configuration = true")
  return {
    connection,
    file,
    async close() {
      connection.interrupt()
      connection.closeSync()
      instance.closeSync()
      if (spills) await rm(spillFolder, { recursive: true, force: true })
    },
  }
}
