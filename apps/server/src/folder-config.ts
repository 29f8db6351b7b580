/**
 * `prooflog.json`: which log a folder holds, and how it is to be served.
 *
 *     { "format": 1, "origin": "log.example/acme", "log_id": "<32 hex digits>", "signer_key": "keys/signer.key",
 *       "listen": "127.0.0.1:8080", "prefix": "/", "withhold": { "reader": ["ip_address"] },
 *       "query": { "memory_mb": 1024, "timeout_ms": 30000, "max_rows": 100000, "mmdb": ["geo/city.mmdb"] },
 *       "publish_every_ms": 5000, "witnesses": { "timeout_ms": 5000, "refresh_ms": 3600000 }, "backup_days": 30,
 *       "archive": { "directory": "/mnt/archive", "segment_rows": 250000 } }
 *
 * All from `listen` on may be added, with as many of their members as are wanted. Which witnesses there are is said by
 * the policy.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { isAbsolute, join, relative, resolve } from "node:path"
import type { StorageClass } from "@prooflog/objects/object-store"
import { decodeHex, encodeHex } from "@prooflog/tlog/base64"
import { ServerError } from "./error.js"
import { READING_ROLES, type Withholding, whyNotWithheld } from "./withhold.js"

/** Members of `prooflog.json` that an operator may add. */
export interface Serving {
  /** `HOST:PORT`. */
  readonly listen?: string
  /** URL path under which the log is served; begins and ends with `/`. */
  readonly prefix?: string
  /**
   * Fields withheld from a role in every answer: `{ "reader": ["ip_address"] }`. What another field repeats is not:
   * `raw`, `ip_chain` and `source_address` may hold the same address.
   */
  readonly withhold?: Withholding
  readonly query: QuerySettings
  /** Least time between two published heads: 10 … 3,600,000; 1,000 unless set, 5,000 with witnesses. */
  readonly publishEveryMs?: number
  readonly witnesses: WitnessSettings
  /** How long a backup is kept, in days: 0 … 36,500; 30 unless set. What is erased has expired so long after it was gone. */
  readonly backupDays: number
  readonly archive: ArchiveSettings
}

/** Where records go that are no longer hot. */
export interface ArchiveSettings {
  readonly store: ArchiveStore
  /** Most rows of a segment: 10,000 … 1,000,000; 250,000 unless set. */
  readonly segmentRows: number
}

export type ArchiveStore =
  | {
      readonly kind: "directory"
      /** Absolute; `DIR/data/archive` unless set. */
      readonly path: string
    }
  | {
      readonly kind: "s3"
      readonly bucket: string
      readonly prefix?: string
      readonly region: string
      readonly endpoint?: string
      readonly storageClass?: StorageClass
      /** Of the files of AWS. Credentials never stand in `prooflog.json`. */
      readonly profile?: string
    }

/** How the witnesses of the policy are asked. */
export interface WitnessSettings {
  /** How long one exchange with a witness may take: 10 … 600,000; 5,000 unless set. */
  readonly timeoutMs: number
  /** The age at which the cosignatures of an idle log are renewed: 100 … 86,400,000; 3,600,000 unless set. */
  readonly refreshMs: number
}

/** What questions may take. */
export interface QuerySettings {
  /** Of DuckDB, in MiB: 128 … 1,048,576, as a row group of rows must fit in; 1,024 unless set. Its process may take 512 more, and dies above that. */
  readonly memoryMb: number
  /** After which a question is ended: 100 … 600,000; 30,000 unless set. */
  readonly timeoutMs: number
  /** Most rows of an answer: 1 … 1,000,000; 100,000 unless set. Exports know no such limit. */
  readonly maxRows: number
  /**
   * Databases that countries and networks are looked up in, absolute paths. The default one is asked after them if
   * none of them holds countries; an empty list means none at all.
   */
  readonly mmdb?: readonly string[]
}

export interface FolderConfig {
  readonly origin: string
  /** 16 bytes. */
  readonly logId: Uint8Array
  /** Absolute. */
  readonly signerKeyPath: string
  readonly serving: Serving
}

/** @param root - the folder, absolute; a signer key below it is noted so that it moves with it */
export function formatConfig(
  { origin, logId, signerKeyPath }: Omit<FolderConfig, "serving">,
  root: string,
): string {
  const below = relative(root, signerKeyPath)
  const signerKey = below.startsWith("..") || isAbsolute(below) ? signerKeyPath : below
  const config = { format: 1, origin, log_id: encodeHex(logId), signer_key: signerKey }
  return `${JSON.stringify(config, undefined, 2)}\n`
}

/**
 * @param root - the folder, absolute
 * @throws {@link ServerError} `SERVER_MALFORMED_FOLDER`, naming the member
 */
export function parseConfig(text: string, root: string): FolderConfig {
  const { format, origin, log_id, signer_key, ...serving } = membersOf(text)
  const { listen, prefix, withhold, query, publish_every_ms, witnesses, backup_days, archive, ...others } =
    serving
  const [stranger] = Object.keys(others)
  if (stranger !== undefined) throw malformed(`has ${JSON.stringify(stranger)}, which means nothing here`)
  if (format !== 1) throw malformed(`is of format ${JSON.stringify(format)}, not 1`)
  if (typeof origin !== "string") throw malformed("has no origin")
  const logId = typeof log_id === "string" ? decodeHex(log_id) : undefined
  if (logId?.length !== 16) throw malformed("has a log_id that is not 16 bytes in hex")
  if (typeof signer_key !== "string") throw malformed("does not say where the signer key is")
  return {
    origin,
    logId,
    signerKeyPath: resolve(root, signer_key),
    serving: {
      ...parseServing(listen, prefix, withhold),
      query: parseQuery(query, root),
      ...(publish_every_ms !== undefined && {
        publishEveryMs: integer("publish_every_ms", publish_every_ms, 10, 0, 3_600_000),
      }),
      witnesses: parseWitnesses(witnesses),
      backupDays: integer("backup_days", backup_days, 0, 30, 36_500),
      archive: parseArchive(archive, root),
    },
  }
}

function parseServing(
  listen: unknown,
  prefix: unknown,
  withhold: unknown,
): Pick<Serving, "listen" | "prefix" | "withhold"> {
  if (listen !== undefined && typeof listen !== "string")
    throw malformed("has a listen that is not HOST:PORT")
  if (prefix !== undefined && !isPrefix(prefix))
    throw malformed("has a prefix that does not begin and end with /")
  return {
    ...(listen !== undefined && { listen }),
    ...(prefix !== undefined && { prefix }),
    ...(withhold !== undefined && { withhold: parseWithholding(withhold) }),
  }
}

function parseQuery(query: unknown, root: string): QuerySettings {
  const { memory_mb, timeout_ms, max_rows, mmdb, ...others } = membersWithin("query", query)
  refuseStrangers("query", others)
  if (mmdb !== undefined && !isPaths(mmdb)) throw malformed("has a query.mmdb that is not a list of paths")
  return {
    memoryMb: integer("query.memory_mb", memory_mb, 128, 1_024, 1_048_576),
    timeoutMs: integer("query.timeout_ms", timeout_ms, 100, 30_000, 600_000),
    maxRows: integer("query.max_rows", max_rows, 1, 100_000, 1_000_000),
    ...(mmdb !== undefined && { mmdb: mmdb.map((path) => resolve(root, path)) }),
  }
}

function parseWitnesses(witnesses: unknown): WitnessSettings {
  const { timeout_ms, refresh_ms, ...others } = membersWithin("witnesses", witnesses)
  refuseStrangers("witnesses", others)
  return {
    timeoutMs: integer("witnesses.timeout_ms", timeout_ms, 10, 5_000, 600_000),
    refreshMs: integer("witnesses.refresh_ms", refresh_ms, 100, 3_600_000, 86_400_000),
  }
}

const STORAGE_CLASSES: readonly StorageClass[] = [
  "STANDARD",
  "STANDARD_IA",
  "ONEZONE_IA",
  "INTELLIGENT_TIERING",
  "GLACIER_IR",
]

function parseArchive(archive: unknown, root: string): ArchiveSettings {
  const { directory, s3, segment_rows, ...others } = membersWithin("archive", archive)
  refuseStrangers("archive", others)
  if (directory !== undefined && s3 !== undefined)
    throw malformed("has both a directory and an s3 in archive")
  if (directory !== undefined && !isText(directory))
    throw malformed("has an archive.directory that is not a path")
  const path = resolve(root, directory ?? join("data", "archive"))
  return {
    store: s3 === undefined ? { kind: "directory", path } : parseS3(s3),
    segmentRows: integer("archive.segment_rows", segment_rows, 10_000, 250_000, 1_000_000),
  }
}

function parseS3(s3: unknown): ArchiveStore {
  const { bucket, prefix, region, endpoint, storage_class, profile, ...others } = membersWithin(
    "archive.s3",
    s3,
  )
  refuseStrangers("archive.s3", others)
  if (!isText(bucket)) throw malformed("has no archive.s3.bucket")
  if (!isText(region)) throw malformed("has no archive.s3.region")
  for (const [name, value] of Object.entries({ prefix, endpoint, profile })) {
    if (value !== undefined && !isText(value)) throw malformed(`has an archive.s3.${name} that is not a text`)
  }
  if (isText(endpoint) && !(/^https?:/.test(endpoint) && URL.canParse(endpoint)))
    throw malformed("has an archive.s3.endpoint that is not a URL")
  const storageClass = STORAGE_CLASSES.find((each) => each === storage_class)
  if (storage_class !== undefined && storageClass === undefined)
    throw malformed(`has an archive.s3.storage_class that is none of ${STORAGE_CLASSES.join(", ")}`)
  return {
    kind: "s3",
    bucket,
    region,
    ...(isText(prefix) && { prefix }),
    ...(isText(endpoint) && { endpoint }),
    ...(storageClass !== undefined && { storageClass }),
    ...(isText(profile) && { profile }),
  }
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== ""
}

function membersWithin(name: string, value: unknown): Readonly<Record<string, unknown>> {
  if (value === undefined) return {}
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value }
  throw malformed(`has a ${name} that is not an object`)
}

function refuseStrangers(name: string, others: object): void {
  const [stranger] = Object.keys(others)
  if (stranger === undefined) return
  throw malformed(`has ${JSON.stringify(stranger)} in ${name}, which means nothing there`)
}

function integer(name: string, value: unknown, least: number, usual: number, most: number): number {
  if (value === undefined) return usual
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most)
    return value as number
  throw malformed(`has a ${name} that is not an integer of ${least} … ${most}`)
}

function membersOf(text: string): Readonly<Record<string, unknown>> {
  try {
    return { ...JSON.parse(text) }
  } catch (cause) {
    throw new ServerError("SERVER_MALFORMED_FOLDER", "prooflog.json is not JSON", { cause })
  }
}

function isPrefix(value: unknown): value is string {
  return typeof value === "string" && /^\/(.*\/)?$/.test(value)
}

function isPaths(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((path) => typeof path === "string" && path !== "")
}

/** A name that withholds nothing is refused: somebody believes that it does. */
function parseWithholding(value: unknown): Withholding {
  const lists = Object.entries(membersWithin("withhold", value))
  for (const [role, names] of lists) {
    if (!(READING_ROLES as readonly string[]).includes(role)) {
      const roles = READING_ROLES.join(", ")
      throw malformed(`has ${JSON.stringify(role)} in withhold, which is for ${roles}`)
    }
    if (!Array.isArray(names) || !names.every((name) => typeof name === "string")) {
      throw malformed(`has a withhold.${role} that is not a list of names`)
    }
    const why = names.map(whyNotWithheld).find((each) => each !== undefined)
    if (why !== undefined) throw malformed(`withholds ${why}`)
  }
  return Object.fromEntries(lists)
}

function malformed(how: string): ServerError {
  return new ServerError("SERVER_MALFORMED_FOLDER", `prooflog.json ${how}`)
}
