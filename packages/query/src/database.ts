/**
 * The database file: opened, closed to the world, thrown away when it is no good.
 *
 *     prooflog_events   one row per event leaf, COLUMNS
 *     prooflog_cursor   one row: leaves projected, where the reader goes on, layout, columns that have values,
 *                       how far rows were forgotten, how many since the file was written anew
 *
 * The file is derived from the log and holds nothing of its own. If it is damaged, or was written with other
 * columns, it is deleted and begun anew. If another process has it, that one may be on its way out, and is
 * waited for.
 *
 * DuckDB is told, before any question is heard, never to touch a file, the network or an extension, and
 * then that nobody may tell it otherwise. That is the first wall; the statement filter is the second.
 */

import { createHash } from "node:crypto"
import { rm } from "node:fs/promises"
import { setTimeout as sleep } from "node:timers/promises"
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api"
import { COLUMNS } from "./columns.js"
import { QueryError } from "./error.js"

/** How long a file that another process has open is waited for, in ms. */
const LOCK_WAIT_MS = 5_000
const LOCK_RETRY_MS = 50

/** Changes whenever the same record would make another row. */
const PROJECTION_VERSION = 2

const CURSOR_COLUMNS =
  "through BIGINT, cursor VARCHAR, layout VARCHAR, filled VARCHAR, forgotten VARCHAR, deleted BIGINT"

/** What the rows of this file mean. */
export const LAYOUT = createHash("sha256")
  .update(JSON.stringify([PROJECTION_VERSION, CURSOR_COLUMNS, COLUMNS.map(({ name, type }) => [name, type])]))
  .digest("hex")

/**
 * Names of the tables behind the view that questions read. No question may use a name that begins so, for a
 * CTE of its own neither.
 */
export const OWN_PREFIX = "prooflog_"
export const EVENTS_TABLE = `${OWN_PREFIX}events`
export const CURSOR_TABLE = `${OWN_PREFIX}cursor`

export interface DatabaseOptions {
  /** The file, or `:memory:`. */
  readonly path: string
  /** Most memory DuckDB may use, in MiB. */
  readonly memoryMb: number
  readonly threads?: number
  /** Is told when a file is thrown away, and why. Must not throw. */
  readonly onDiscard?: (reason: Discarded) => void
}

/** Why a file was thrown away: it could not be read, or was written with other columns or by another version. */
export type Discarded = "damaged" | "other columns"

export interface Position {
  /** Leaves whose rows are in the store. */
  readonly through: number
  /** What the reader needs to go on; `undefined` in a new store. */
  readonly cursor: string | undefined
}

/** What is no more. */
export interface Forgotten {
  /** The mark of the last forgetting; `undefined` before the first. */
  readonly mark: string | undefined
  /** Rows deleted since the file was last written anew: their bytes may still be in it. */
  readonly rows: number
}

export interface Database {
  readonly instance: DuckDBInstance
  /** For the one who appends. */
  readonly writer: DuckDBConnection
  readonly position: Position
  readonly forgotten: Forgotten
}

/**
 * Opens the database, or begins it.
 *
 * @throws {@link QueryError} `QUERY_UNAVAILABLE` if another process keeps it, or if it cannot be made
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const opened = await openFile(options)
  await deleteFresh(options.path)
  if (typeof opened !== "string") return opened
  options.onDiscard?.(opened)
  await deleteFile(options.path)
  const begun = await openFile(options)
  if (typeof begun === "string") throw new QueryError("QUERY_UNAVAILABLE", "the query store cannot be begun")
  return begun
}

/** Returns what is wrong with the file if it is of no use. */
async function openFile(options: DatabaseOptions): Promise<Database | Discarded> {
  const instance = await createInstance(options)
  if (instance === undefined) return "damaged"
  try {
    const writer = await instance.connect()
    const kept = await prepareTables(writer)
    if (kept !== undefined) {
      await writer.run(`SET checkpoint_threshold = '${checkpointMb(options.memoryMb)}MB'`)
      // Times without zone are UTC, whatever the machine thinks.
      await writer.run("SET GLOBAL TimeZone = 'UTC'")
      await writer.run("SET lock_configuration = true")
      return { instance, writer, ...kept }
    }
    writer.closeSync()
    instance.closeSync()
    return "other columns"
  } catch (cause) {
    instance.closeSync()
    if (isDamage(cause)) return "damaged"
    throw new QueryError("QUERY_UNAVAILABLE", "the query store cannot be opened", { cause })
  }
}

/** What the write-ahead log may hold: its rows stay in memory, uncompressed, until a checkpoint. */
function checkpointMb(memoryMb: number): number {
  return Math.min(128, Math.ceil(memoryMb / 8))
}

async function createInstance(options: DatabaseOptions): Promise<DuckDBInstance | undefined> {
  const settings = {
    ...ownSettings(options.memoryMb, options.threads ?? 2),
    enable_external_access: "false",
    errors_as_json: "true",
  }
  return orDamaged(() => DuckDBInstance.create(options.path, settings))
}

/**
 * Opens a file, and waits for one that another process has. Returns `undefined` if it is damaged.
 *
 * @throws {@link QueryError} `QUERY_UNAVAILABLE`
 */
export async function orDamaged<T>(openIt: () => Promise<T>): Promise<T | undefined> {
  const deadline = Date.now() + LOCK_WAIT_MS
  for (;;) {
    try {
      return await openIt()
    } catch (cause) {
      if (!isLock(cause)) {
        if (isDamage(cause)) return undefined
        throw new QueryError("QUERY_UNAVAILABLE", "the query store cannot be opened", { cause })
      }
      if (Date.now() > deadline) {
        throw new QueryError("QUERY_UNAVAILABLE", "another process has the query store open", { cause })
      }
    }
    await sleep(LOCK_RETRY_MS)
  }
}

/** The settings of a DuckDB that hears no question of a user. */
export function ownSettings(memoryMb: number, threads: number): Record<string, string> {
  return {
    threads: String(threads),
    memory_limit: `${memoryMb}MiB`,
    temp_directory: "",
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
    allow_community_extensions: "false",
  }
}

/** A path, as SQL says it. */
export function quoted(path: string): string {
  return `'${path.replaceAll("'", "''")}'`
}

/** Makes the tables if they are not there. Returns `undefined` if those there are of another layout. */
async function prepareTables(
  connection: DuckDBConnection,
): Promise<Pick<Database, "position" | "forgotten"> | undefined> {
  const tables = await connection.runAndReadAll("SELECT table_name FROM duckdb_tables() ORDER BY 1")
  if (tables.currentRowCount === 0) {
    await connection.run("BEGIN")
    await createTables(connection)
    await connection.run(`INSERT INTO ${CURSOR_TABLE} VALUES (0, NULL, $1, '', NULL, 0)`, [LAYOUT])
    await connection.run("COMMIT")
    return { position: { through: 0, cursor: undefined }, forgotten: { mark: undefined, rows: 0 } }
  }
  if (tables.getRows().join() !== `${CURSOR_TABLE},${EVENTS_TABLE}`) return undefined
  const layouts = await connection.runAndReadAll(`SELECT layout FROM ${CURSOR_TABLE}`)
  if (layouts.getRows().join() !== LAYOUT) return undefined
  const rows = await connection.runAndReadAll(
    `SELECT through, cursor, forgotten, deleted FROM ${CURSOR_TABLE}`,
  )
  const [through, cursor, mark, deleted] = rows.getRows()[0] as [bigint, string | null, string | null, bigint]
  return {
    position: { through: Number(through), cursor: cursor ?? undefined },
    forgotten: { mark: mark ?? undefined, rows: Number(deleted) },
  }
}

/** @param prefix - of the names: a database that is attached, and a dot */
export async function createTables(connection: DuckDBConnection, prefix = ""): Promise<void> {
  const columns = COLUMNS.map(({ name, type }) => `"${name}" ${type}`).join(", ")
  await connection.run(`CREATE TABLE ${prefix}${EVENTS_TABLE} (${columns})`)
  await connection.run(`CREATE TABLE ${prefix}${CURSOR_TABLE} (${CURSOR_COLUMNS})`)
}

/** Where a file is written anew, before it takes the place of the one at this path; and the rows on their way there. */
export function freshPaths(path: string): { readonly fresh: string; readonly rows: string } {
  return { fresh: `${path}.new`, rows: `${path}.new.parquet` }
}

/** Removes what was half written anew when a process died: it may hold rows that were forgotten since. */
export async function deleteFresh(path: string): Promise<void> {
  if (path === ":memory:") return
  const { fresh, rows } = freshPaths(path)
  await deleteFile(fresh)
  await rm(rows, { force: true })
}

/** Returns the columns in which any row that the connection sees has a value. */
export async function readFilled(connection: DuckDBConnection): Promise<readonly string[]> {
  const rows = await connection.runAndReadAll(`SELECT filled FROM ${CURSOR_TABLE}`)
  return String(rows.getRows()[0]?.[0])
    .split(",")
    .filter((name) => name !== "")
}

/** Removes a database, and what was written ahead for it. */
async function deleteFile(path: string): Promise<void> {
  if (path === ":memory:") return
  await rm(path, { force: true })
  await rm(`${path}.wal`, { force: true })
}

function isLock(cause: unknown): boolean {
  return (
    cause instanceof Error &&
    /Could not set lock|Conflicting lock|already open|Unique file handle/i.test(cause.message)
  )
}

/**
 * Whether the file, and not the machine, is to blame: DuckDB says so in many ways. What is left is what
 * deleting the file would not mend, as a directory that is not there or may not be written to.
 */
function isDamage(cause: unknown): boolean {
  if (!(cause instanceof Error)) return false
  return !/Cannot open file|Permission denied|No such file|No space left|Read-only file system/i.test(
    cause.message,
  )
}
