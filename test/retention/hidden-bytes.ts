/**
 * Whether a text lies in any file below a folder, also where a file does not show it as it is.
 *
 *     every file                as it lies there, in UTF-8, UTF-16 and base64
 *     LevelDB's tables, .ldb    each block made whole, what was overwritten among them
 *     LevelDB's journals, .log  without the heads that stand in the middle of what is written
 *     Parquet                   every row of every column
 *     DuckDB                    every row of every table that is left, in a copy
 *
 * What is deleted in DuckDB and still lies there is found only as it lies there: rows of one go into blocks of it packed.
 */

import { cp, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api"

/** Returns the files that have it, as paths from the folder. */
export async function filesHiding(folder: string, text: string): Promise<readonly string[]> {
  const needles = [Buffer.from(text), Buffer.from(text, "utf16le"), Buffer.from(base64Inside(text))]
  const found: string[] = []
  for (const path of await filesBelow(folder)) {
    for await (const bytes of shapesOf(path)) {
      if (!needles.some((needle) => bytes.includes(needle))) continue
      found.push(path.slice(folder.length + 1))
      break
    }
  }
  return found.sort()
}

/** Bytes that the files below a folder take on the disk. */
export async function bytesOnDisk(folder: string): Promise<number> {
  let bytes = 0
  for (const path of await filesBelow(folder)) bytes += (await statOf(path)) * 512
  return bytes
}

async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.flatMap((each) => (each.isFile() ? [join(each.parentPath, each.name)] : []))
}

/** In blocks of 512 bytes. */
async function statOf(path: string): Promise<number> {
  return stat(path).then(({ blocks }) => blocks, ifGone(0))
}

/** What is written meanwhile may be gone already. */
function ifGone<T>(instead: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === "ENOENT") return instead
    throw error
  }
}

/** What base64 has of a text wherever it begins: its middle, without the ends that its neighbours share. */
function base64Inside(text: string): string {
  return Buffer.from(text).toString("base64").slice(0, -4)
}

async function* shapesOf(path: string): AsyncGenerator<Buffer> {
  const bytes = await readFile(path).catch(ifGone(Buffer.alloc(0)))
  yield bytes
  if (path.endsWith(".ldb")) yield* blocksOf(bytes)
  else if (/\/\d+\.log$/.test(path)) yield withoutHeads(bytes)
  else if (bytes.toString("latin1", 0, 4) === "PAR1") yield* rowsIn(path, parquetRows)
  else if (bytes.toString("latin1", 8, 12) === "DUCK") yield* rowsIn(path, duckRows)
}

const FOOTER_BYTES = 48
const TRAILER_BYTES = 5
const SNAPPY = 1

/** Every data block of a table. Spec: LevelDB, doc/table_format.md. */
function* blocksOf(table: Buffer): Generator<Buffer> {
  if (table.length < FOOTER_BYTES) return
  const footer = new Varints(table, table.length - FOOTER_BYTES)
  footer.next()
  footer.next()
  const index = blockAt(table, footer.next(), footer.next())
  const restarts = index.readUInt32LE(index.length - 4)
  const end = index.length - 4 * (restarts + 1)
  for (const entry = new Varints(index, 0); entry.at < end; ) {
    entry.next()
    const [keyBytes, valueBytes] = [entry.next(), entry.next()]
    const handle = new Varints(index, entry.at + keyBytes)
    yield blockAt(table, handle.next(), handle.next())
    entry.at += keyBytes + valueBytes
  }
}

function blockAt(table: Buffer, offset: number, size: number): Buffer {
  const block = table.subarray(offset, offset + size)
  if (offset + size + TRAILER_BYTES > table.length) throw new Error("no table of LevelDB")
  return table[offset + size] === SNAPPY ? unsnappy(block) : block
}

class Varints {
  readonly #bytes: Buffer
  at: number

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes
    this.at = at
  }

  next(): number {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#bytes.readUInt8(this.at++)
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
  }
}

/** Spec: Snappy, format_description.txt. */
function unsnappy(packed: Buffer): Buffer {
  const head = new Varints(packed, 0)
  const whole = Buffer.alloc(head.next())
  let to = 0
  for (let at = head.at; at < packed.length; ) {
    const tag = packed.readUInt8(at++)
    let length = (tag >> 2) + 1
    if ((tag & 3) === 0) {
      const more = Math.max(0, length - 60)
      if (more > 0) length = packed.readUIntLE(at, more) + 1
      at += more
      packed.copy(whole, to, at, at + length)
      at += length
      to += length
      continue
    }
    const bytes = [0, 1, 2, 4][tag & 3] as number
    let distance = packed.readUIntLE(at, bytes)
    at += bytes
    if (bytes === 1) {
      length = ((tag >> 2) & 7) + 4
      distance += (tag >> 5) << 8
    }
    // It may overlap what it makes.
    for (; length > 0; length--, to++) whole[to] = whole[to - distance] as number
  }
  if (to !== whole.length) throw new Error("no block of Snappy")
  return whole
}

const JOURNAL_BLOCK = 32 * 1024
const HEAD_BYTES = 7

/** What is written to a journal, as if it were one: fragments of it have heads of their own. */
function withoutHeads(journal: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at + HEAD_BYTES <= journal.length; ) {
    const left = JOURNAL_BLOCK - (at % JOURNAL_BLOCK)
    const length = left < HEAD_BYTES ? 0 : journal.readUInt16LE(at + 4)
    if (left < HEAD_BYTES || journal[at + 6] === 0) {
      at += left
      continue
    }
    parts.push(journal.subarray(at + HEAD_BYTES, at + HEAD_BYTES + length))
    at += HEAD_BYTES + length
  }
  return Buffer.concat(parts)
}

/** Rows of a file that a process may write to the next moment: of a copy. */
async function* rowsIn(
  path: string,
  rowsOf: (connection: DuckDBConnection, copy: string) => AsyncGenerator<Buffer>,
): AsyncGenerator<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), "hidden-"))
  const copy = join(folder, "copy")
  const instance = await DuckDBInstance.create(":memory:")
  const connection = await instance.connect()
  try {
    for (const suffix of ["", ".wal"]) await cp(path + suffix, copy + suffix).catch(ifGone(undefined))
    yield* rowsOf(connection, copy)
  } finally {
    connection.closeSync()
    instance.closeSync()
    await rm(folder, { recursive: true })
  }
}

async function* duckRows(connection: DuckDBConnection, copy: string): AsyncGenerator<Buffer> {
  await connection.run(`ATTACH '${copy}' AS seen`)
  const tables = await connection.runAndReadAll(
    "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'seen'",
  )
  for (const [schema, table] of tables.getRows()) {
    yield* textOf(connection, `SELECT * FROM seen."${schema}"."${table}"`)
  }
}

async function* parquetRows(connection: DuckDBConnection, copy: string): AsyncGenerator<Buffer> {
  yield* textOf(connection, `SELECT * FROM read_parquet('${copy}')`)
}

/** Every value as a text, columns of bytes as their bytes. */
async function* textOf(connection: DuckDBConnection, sql: string): AsyncGenerator<Buffer> {
  const result = await connection.stream(sql)
  for (
    let chunk = await result.fetchChunk();
    chunk && chunk.rowCount > 0;
    chunk = await result.fetchChunk()
  ) {
    const values = chunk.getRows().flat()
    yield Buffer.concat(values.flatMap((value) => [bytesOf(value), Buffer.from("\n")]))
  }
}

function bytesOf(value: unknown): Uint8Array {
  if (typeof value === "object" && value !== null && "bytes" in value && value.bytes instanceof Uint8Array) {
    return value.bytes
  }
  return Buffer.from(String(value))
}
