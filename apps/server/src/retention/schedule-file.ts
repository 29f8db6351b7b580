/**
 * The schedule file of a folder, read.
 */

import { readFile } from "node:fs/promises"
import { ArchiveError } from "@prooflog/archive/error"
import { parseScheduleFile, type ScheduleFile } from "@prooflog/archive/schedule-file"

/** A schedule file as it was read. */
export interface ReadSchedule {
  readonly text: string
  readonly file: ScheduleFile
}

/**
 * Reads a schedule file, if it is there.
 *
 * @throws ArchiveError with the path, line and column of what is wrong
 */
export async function readScheduleFile(path: string): Promise<ReadSchedule | undefined> {
  let bytes: Buffer
  try {
    bytes = await readFile(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw error
  }
  const text = decode(bytes, path)
  return { text, file: parseScheduleFile(text, path) }
}

/** A pattern with a replaced character would match what nobody meant. */
function decode(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch (cause) {
    const place = { line: 1, column: 1 }
    throw new ArchiveError("ARCHIVE_BAD_SCHEDULE", `${path}:1:1: the file is not UTF-8`, { place, cause })
  }
}
