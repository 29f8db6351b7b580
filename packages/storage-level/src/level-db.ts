/**
 * LevelDB as this package opens it: checked, with these sizes, of this format.
 */

import { mkdir, statfs } from "node:fs/promises"
import { LedgerError } from "@prooflog/ledger/error"
import type { Space } from "@prooflog/ledger/storage"
import { Level } from "level"
import { checkJournals } from "./journal.js"
import { ledgerError } from "./level-error.js"
import { FORMAT, formatNumber, type NumberName, numberKey, parseNumber } from "./rows.js"

/** `level` types only what it has in browsers, too. */
export type Db = Level<Uint8Array, Uint8Array> & {
  compactRange(start: Uint8Array, end: Uint8Array): Promise<void>
  getProperty(property: string): string
}

export interface LevelStorageOptions {
  /**
   * Bytes that LevelDB gathers in memory before it writes a table; twice that may be in use. 32 MiB unless set, and
   * less on a device below 2 GiB, so that a table still fits into what the ledger's watermark leaves free.
   */
  readonly writeBufferSize?: number
  /** Bytes of tables that LevelDB keeps in memory; 16 MiB unless set. */
  readonly cacheSize?: number
  /**
   * Tables that LevelDB keeps open, 40 unless set. Each is up to 8 MiB that count as resident memory once they were
   * read; a random read from one that is not open costs 50 µs more.
   */
  readonly openTables?: number
}

const MAX_WRITE_BUFFER = 32 * 2 ** 20
const WRITE_BUFFER_SHARE = 1 / 64
const DEFAULT_CACHE = 16 * 2 ** 20
const DEFAULT_OPEN_TABLES = 40

/** Files that LevelDB sets aside for everything but tables. */
const OTHER_FILES = 10

/**
 * Tables of 8 MiB: 2 MiB, LevelDB's own choice, means 50,000 files for 100 GB. Tidying up may need room for 25 of
 * them, so on a small device they are small, too.
 */
const MAX_TABLE_SIZE = 8 * 2 ** 20
const TABLE_SHARE = 1 / 4

/**
 * Opens the LevelDB in a folder, an empty one if the folder is not there.
 *
 * @throws LedgerError `LEDGER_LOCKED`, `LEDGER_CORRUPT` if a journal is damaged, `LEDGER_STORAGE_FAILED`
 */
export async function openDb(folder: string, options: LevelStorageOptions): Promise<Db> {
  try {
    await checkJournals(folder)
    const writeBufferSize = options.writeBufferSize ?? (await fittingWriteBuffer(folder))
    const db = new Level<Uint8Array, Uint8Array>(folder, {
      keyEncoding: "view",
      valueEncoding: "view",
      writeBufferSize,
      cacheSize: options.cacheSize ?? DEFAULT_CACHE,
      maxOpenFiles: OTHER_FILES + (options.openTables ?? DEFAULT_OPEN_TABLES),
      maxFileSize: Math.floor(Math.min(MAX_TABLE_SIZE, writeBufferSize * TABLE_SHARE)),
    }) as Db
    await db.open()
    return await ofKnownFormat(db)
  } catch (error) {
    throw ledgerError(error, `${folder} cannot be opened`)
  }
}

/** Bytes of the device that holds a folder. */
export async function spaceOf(folder: string): Promise<Space> {
  const { bsize, bavail, blocks } = await statfs(folder)
  return { free: bsize * bavail, total: bsize * blocks }
}

/** Returns a number that is kept, 0 if it never was. */
export async function readNumber(db: Db, name: NumberName): Promise<number> {
  const value = await db.get(numberKey(name))
  if (value === undefined) return 0
  const n = parseNumber(value)
  if (n === undefined) throw new LedgerError("LEDGER_CORRUPT", `the row ${name} is damaged`)
  return n
}

/** Closes it again if it is of another format; writes the format into an empty one. */
async function ofKnownFormat(db: Db): Promise<Db> {
  try {
    const value = await db.get(numberKey("format"))
    const format = value && parseNumber(value)
    if (format === FORMAT) return db
    if (value !== undefined || (await readNumber(db, "treeSize")) > 0) {
      throw new LedgerError(
        "LEDGER_STORAGE_FAILED",
        `it has format ${format ?? "unknown"}, expected ${FORMAT}`,
      )
    }
    await db.put(numberKey("format"), formatNumber(FORMAT), { sync: true })
    return db
  } catch (error) {
    await db.close()
    throw error
  }
}

/** A third of what 5 % of a small device are. */
async function fittingWriteBuffer(folder: string): Promise<number> {
  await mkdir(folder, { recursive: true })
  const { total } = await spaceOf(folder)
  return Math.floor(Math.min(MAX_WRITE_BUFFER, total * WRITE_BUFFER_SHARE))
}
