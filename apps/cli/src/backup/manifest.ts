/**
 * `prooflog-backup.json`: what a backup consists of. It is written last: what it does not list is not part of the backup.
 *
 *     { "format": "prooflog-backup/1", "origin": …, "log_id": …, "tree_size": 70000, "root": "<base64>", "made_at": …,
 *       "checkpoint": "<the published head it is of>",
 *       "records": [{ "first": 0, "end": 16384, "bytes": …, "sha256": … }, …],
 *       "files":   [{ "name": "policy", "bytes": …, "sha256": … }, …] }
 *
 * Every file it lists is named by its hash, so that a new one never takes the place of one that an older manifest lists:
 *
 *     records/<first>-<end>-<16 hex digits>     ranges of 16,384 leaves, the last one of fewer
 *     state/<32 hex digits>                     a small file of the log's folder
 *
 * Tiles and entries are not listed: they hang by the root.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { decodeBase64, encodeBase64 } from "@prooflog/tlog/base64"
import { HASH_SIZE } from "@prooflog/tlog/hash"
import { CliError } from "../error.js"

export const MANIFEST = "prooflog-backup.json"

/** Leaves whose records lie in one file. */
export const RANGE = 16_384

/** Records of the leaves `[first, end)`. */
export interface RecordFile {
  readonly first: number
  readonly end: number
  readonly bytes: number
  /** 64 hex digits. */
  readonly sha256: string
}

export interface StateFile {
  /** Below the folder of the log, with `/`. */
  readonly name: string
  readonly bytes: number
  readonly sha256: string
}

export interface BackupManifest {
  readonly origin: string
  /** 32 hex digits. */
  readonly logId: string
  /** ≥ 1 */
  readonly treeSize: number
  /** 32 bytes */
  readonly rootHash: Uint8Array
  /** RFC 3339, by the clock of whoever made it. */
  readonly madeAt: string
  /** A signed note, for that tree. */
  readonly checkpoint: string
  /** Together the whole tree, in order. */
  readonly records: readonly RecordFile[]
  readonly files: readonly StateFile[]
}

const FORMAT = "prooflog-backup/1"

/** Names that a log's folder has, none of which leads out of it. Files of rules are named by people. */
const NAME =
  /^(?:prooflog\.json|policy|schedule\.yaml|alerts\.yaml|keys\/(?:api-keys\.json|label\.key)|retention\/(?:[\w=-]+\/)*[\w=-][\w.=-]*|rules\/(?:[^./\\\p{C}][^/\\\p{C}]*\/)*[^./\\\p{C}][^/\\\p{C}]*\.ya?ml)$/u

export function isStateName(name: string): boolean {
  return NAME.test(name)
}

export function recordPath({ first, end, sha256 }: RecordFile): string {
  return `records/${digits(first)}-${digits(end)}-${sha256.slice(0, 16)}`
}

export function statePath({ sha256 }: StateFile): string {
  return `state/${sha256.slice(0, 32)}`
}

function digits(leaf: number): string {
  return String(leaf).padStart(16, "0")
}

/** Where the range ends that begins at `first`, in a tree of so many leaves. */
export function rangeEnd(first: number, treeSize: number): number {
  return Math.min(first + RANGE, treeSize)
}

export function formatManifest(manifest: BackupManifest): string {
  const { origin, logId, treeSize, rootHash, madeAt, checkpoint, records, files } = manifest
  const head = { format: FORMAT, origin, log_id: logId, tree_size: treeSize, root: encodeBase64(rootHash) }
  return `${JSON.stringify({ ...head, made_at: madeAt, checkpoint, records, files }, undefined, 1)}\n`
}

/** @throws {@link CliError} `CLI_DAMAGED_BACKUP`, saying what is wrong */
export function parseManifest(text: string): BackupManifest {
  let said: Readonly<Record<string, unknown>>
  try {
    said = { ...JSON.parse(text) }
  } catch {
    throw damaged("is not JSON")
  }
  const { format, origin, log_id, tree_size, root, made_at, checkpoint, records, files } = said
  if (format !== FORMAT) throw damaged(`is of format ${JSON.stringify(format)}, not ${FORMAT}`)
  const rootHash = typeof root === "string" ? decodeBase64(root) : undefined
  if (typeof origin !== "string" || typeof checkpoint !== "string" || rootHash?.length !== HASH_SIZE)
    throw damaged("does not say which head it is of")
  if (typeof log_id !== "string" || !/^[0-9a-f]{32}$/.test(log_id)) throw damaged("has no log_id")
  if (!isCount(tree_size) || tree_size < 1) throw damaged("has no tree_size")
  if (typeof made_at !== "string" || Number.isNaN(Date.parse(made_at))) throw damaged("has no made_at")
  if (!Array.isArray(records) || !coversAll(records, tree_size))
    throw damaged(`does not list the records of all ${tree_size} leaves`)
  if (!Array.isArray(files) || !files.every(isStateFile)) throw damaged("lists a file that is none")
  return {
    origin,
    logId: log_id,
    treeSize: tree_size,
    rootHash,
    madeAt: made_at,
    checkpoint,
    records: records.map(({ first, end, bytes, sha256 }) => ({ first, end, bytes, sha256 })),
    files: files.map(({ name, bytes, sha256 }) => ({ name, bytes, sha256 })),
  }
}

function coversAll(records: readonly unknown[], treeSize: number): records is RecordFile[] {
  if (records.length !== Math.ceil(treeSize / RANGE)) return false
  return records.every((value, i) => {
    const { first, end, bytes, sha256 } = (value ?? {}) as Partial<RecordFile>
    const isPlaced = first === i * RANGE && end === rangeEnd(i * RANGE, treeSize)
    return isPlaced && isCount(bytes) && isHash(sha256)
  })
}

function isStateFile(value: unknown): boolean {
  const { name, bytes, sha256 } = (value ?? {}) as Partial<StateFile>
  return typeof name === "string" && isStateName(name) && isCount(bytes) && isHash(sha256)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isHash(value: unknown): boolean {
  return typeof value === "string" && /^[0-9a-f]{64}$/.test(value)
}

function damaged(how: string): CliError {
  return new CliError("CLI_DAMAGED_BACKUP", `${MANIFEST} ${how}`)
}
