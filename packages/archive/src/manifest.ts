/**
 * Manifests: what is written down of a segment when it is made, and the key that follows from it.
 *
 *     segments/routine/2026-03/1201-88410-0011223344556677.parquet         .parquet.json beside it
 *              class   month   first and last leaf, and the beginning of the hash of its bytes
 *
 * Pure.
 */

import { isClassName } from "@prooflog/event/schedule"
import { ArchiveError } from "./error.js"
import { Members, type Refuse } from "./json-members.js"

/** What keys of segments, and of their manifests, begin with. */
export const SEGMENT_PREFIX = "segments/"

export const MANIFEST_SUFFIX = ".json"

/** As it stands in JSON. */
export interface Manifest {
  readonly format: "prooflog-segment/1"
  readonly origin: string
  /** 32 hex digits. */
  readonly log_id: string
  readonly class: string
  /** Of the times of its entries, UTC: `2026-03`. */
  readonly month: string
  readonly first_leaf: number
  readonly last_leaf: number
  /** Rows: 1 or more. */
  readonly count: number
  /** Time of the entry of its first leaf, in ms. */
  readonly first_time: number
  readonly last_time: number
  readonly bytes: number
  /** Of its bytes: 64 hex digits. */
  readonly sha256: string
  /** Size of the tree that its rows were held against. */
  readonly tree_size: number
}

/** Which leaves a key speaks of. */
export interface KeyParts {
  readonly className: string
  readonly firstLeaf: number
  readonly lastLeaf: number
}

const NAMES = ["format", "origin", "log_id", "class", "month", "first_leaf", "last_leaf", "count"].concat([
  "first_time",
  "last_time",
  "bytes",
  "sha256",
  "tree_size",
])

const KEY =
  /^segments\/([a-z0-9_-]{1,32})\/\d{4}-\d{2}\/(0|[1-9]\d{0,15})-(0|[1-9]\d{0,15})-[0-9a-f]{16}\.parquet$/

/** Returns the key of the segment that a manifest describes. */
export function keyOf(
  manifest: Pick<Manifest, "class" | "month" | "first_leaf" | "last_leaf" | "sha256">,
): string {
  const { class: className, month, first_leaf: first, last_leaf: last, sha256 } = manifest
  return `${SEGMENT_PREFIX}${className}/${month}/${first}-${last}-${sha256.slice(0, 16)}.parquet`
}

/** Returns what the key of a segment, or of its manifest, speaks of; `undefined` if it is neither. */
export function parseKey(key: string): KeyParts | undefined {
  const bare = key.endsWith(MANIFEST_SUFFIX) ? key.slice(0, -MANIFEST_SUFFIX.length) : key
  const [, className, first, last] = KEY.exec(bare) ?? []
  if (className === undefined) return undefined
  const parts = { className, firstLeaf: Number(first), lastLeaf: Number(last) }
  return Number.isSafeInteger(parts.lastLeaf) && parts.firstLeaf <= parts.lastLeaf ? parts : undefined
}

/** Returns the bytes that stand beside a segment. */
export function formatManifest(manifest: Manifest): Uint8Array {
  return new TextEncoder().encode(
    `${JSON.stringify(Object.fromEntries(NAMES.map((name) => [name, manifest[name as keyof Manifest]])))}\n`,
  )
}

/**
 * Returns a suspect value as a manifest.
 *
 * @param refuse - makes the error that is thrown if it is none
 */
export function readManifest(value: unknown, refuse: Refuse): Manifest {
  const members = new Members(value, NAMES, [], refuse)
  const manifest: Manifest = {
    format: members.oneOf("format", ["prooflog-segment/1"]),
    origin: members.text("origin"),
    log_id: members.text("log_id", /^[0-9a-f]{32}$/),
    class: members.text("class"),
    month: members.text("month", /^\d{4}-(?:0[1-9]|1[0-2])$/),
    first_leaf: members.integer("first_leaf", 1),
    last_leaf: members.integer("last_leaf", members.integer("first_leaf")),
    count: members.integer("count", 1),
    first_time: members.integer("first_time"),
    last_time: members.integer("last_time", members.integer("first_time")),
    bytes: members.integer("bytes", 1),
    sha256: members.text("sha256", /^[0-9a-f]{64}$/),
    tree_size: members.integer("tree_size", members.integer("last_leaf") + 1),
  }
  const { first_leaf: first, last_leaf: last, count } = manifest
  if (!isClassName(manifest.class)) throw refuse("class is not what it should be")
  if (count > last - first + 1) throw refuse("count is more than there are leaves")
  if (monthOf(manifest.first_time) !== manifest.month || monthOf(manifest.last_time) !== manifest.month) {
    throw refuse("month is not that of its times")
  }
  return manifest
}

const LAST_MS = Date.UTC(10_000, 0) - 1

/** Returns the month of a time, UTC: `2026-03`. @throws {@link ArchiveError} `ARCHIVE_LOG_REFUSED` past the year 9999 */
export function monthOf(timeMs: number): string {
  if (timeMs > LAST_MS) throw new ArchiveError("ARCHIVE_LOG_REFUSED", `a time past the year 9999: ${timeMs}`)
  return new Date(timeMs).toISOString().slice(0, 7)
}

/** Returns the first millisecond behind a month. @param month - as {@link monthOf} returns it */
export function monthEndMs(month: string): number {
  return Date.UTC(Number(month.slice(0, 4)), Number(month.slice(5)))
}

/** Returns the 32 bytes of a hash in hex. */
export function hashBytes(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) =>
    Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16),
  )
}
