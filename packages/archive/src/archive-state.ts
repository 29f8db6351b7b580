/**
 * What the archive knows, as it is kept: which segments are trusted with records, and how far the runs came.
 *
 *     put ──► verified ──► in force ──► replaced ──► not there any more
 *      │         │             │            └ its object goes, and all its versions; nothing is read from it
 *      │         │             └ its records are nowhere else: what storage has of them is a tombstone with its key
 *      │         └ every row was held against the log: its records may be withdrawn from storage, and are being
 *      └ its object may be there, whole or not at all; it goes if this is all that is known at a start
 *
 * One JSON text, replaced as a whole. Losing it loses no record, but the runs stop until it is there again: storage
 * still names the segments.
 *
 * Pure.
 */

import { EventError } from "@prooflog/event/error"
import { parseStrictJson } from "@prooflog/event/json"
import { isClassName } from "@prooflog/event/schedule"
import { ArchiveError } from "./error.js"
import { Members } from "./json-members.js"
import { keyOf, type Manifest, readManifest } from "./manifest.js"
import type { Told } from "./ports.js"

const SEGMENT_STATES = ["put", "verified", "in force", "replaced"] as const

export interface Segment {
  readonly state: (typeof SEGMENT_STATES)[number]
  /** Whether records in it were destroyed, so that it must be written anew without them. */
  readonly stale: boolean
  readonly manifest: Manifest
}

/** How far the runs came with one class. */
export interface ClassProgress {
  /** Leaves before this one were archived, or will not be. */
  readonly archived: number
  /** Leaves before this one were destroyed if they were due, but for those held back. */
  readonly destroyed: number
  /** Leaves that are due and that a hold was on, ascending. */
  readonly held_back: readonly number[]
}

/** Records that are gone, and may still be in backups. */
export interface GoneMark {
  /** Unlike that of any other. */
  readonly id: string
  readonly count: number
  /** ms since 1970. */
  readonly gone_ms: number
  /** When the last backup with them is to be over. */
  readonly expires_ms: number
}

export interface ArchiveState {
  /** By name. */
  readonly classes: Readonly<Record<string, ClassProgress>>
  /** Of one class those that are trusted are apart from each other. */
  readonly segments: readonly Segment[]
  /** Whether storage may still hold bytes of withdrawn records. */
  readonly purge_owed: boolean
  /** Whether the query store may still hold bytes of forgotten rows. */
  readonly rewrite_owed: boolean
  /** Records that were destroyed by schedule and are not gone yet. */
  readonly withdrawn: number
  readonly gone: readonly GoneMark[]
  /** Done, and maybe not told. */
  readonly untold: readonly Told[]
  /** What says that the place of the segments is this archive's: 32 hex digits. Absent before the first run. */
  readonly owner?: string
}

export interface LogIdentity {
  readonly origin: string
  /** 32 lower-case hex digits. */
  readonly logId: string
}

export const EMPTY_STATE: ArchiveState = {
  classes: {},
  segments: [],
  purge_owed: false,
  rewrite_owed: false,
  withdrawn: 0,
  gone: [],
  untold: [],
}

/** Whether records may be read from it. */
export function isTrusted({ state }: Segment): boolean {
  return state === "verified" || state === "in force"
}

/** Returns the text of a state. */
export function formatState({ origin, logId }: LogIdentity, state: ArchiveState): Uint8Array {
  const head = { format: "prooflog-archive/1", origin, log_id: logId }
  return new TextEncoder().encode(`${JSON.stringify({ ...head, ...state })}\n`)
}

/**
 * Returns the state in a text.
 *
 * @param bytes - suspect
 * @throws {@link ArchiveError} `ARCHIVE_BAD_STATE`
 */
export function parseState(bytes: Uint8Array, { origin, logId }: LogIdentity): ArchiveState {
  const names = ["format", "origin", "log_id", ...Object.keys(EMPTY_STATE)]
  const members = new Members(parseJson(bytes), names, ["owner"], refuse)
  members.oneOf("format", ["prooflog-archive/1"])
  if (members.text("origin") !== origin || members.text("log_id") !== logId) {
    throw refuse("it is the state of another log")
  }
  const segments = members.list("segments").map((value) => readSegment(value, { origin, logId }))
  checkApart(segments)
  return {
    classes: readClasses(members.value("classes")),
    segments,
    purge_owed: members.oneOf("purge_owed", [true, false]),
    rewrite_owed: members.oneOf("rewrite_owed", [true, false]),
    withdrawn: members.integer("withdrawn"),
    gone: members.list("gone").map(readMark),
    untold: members.list("untold").map(readTold),
    ...(members.has("owner") && { owner: members.text("owner", /^[0-9a-f]{32}$/) }),
  }
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return parseStrictJson(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes))
  } catch (cause) {
    if (cause instanceof EventError || cause instanceof TypeError) throw refuse("it is no JSON", cause)
    throw cause
  }
}

function readClasses(value: unknown): Readonly<Record<string, ClassProgress>> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw refuse("classes is no object")
  const classes = Object.entries(value).map(([name, each]): [string, ClassProgress] => {
    if (!isClassName(name)) throw refuse("classes: a name is that of no class")
    const at = (problem: string) => refuse(`classes.${name}: ${problem}`)
    const members = new Members(each, ["archived", "destroyed", "held_back"], [], at)
    const heldBack = members.list("held_back")
    let next = 0
    for (const leaf of heldBack) {
      if (typeof leaf !== "number" || !Number.isSafeInteger(leaf) || leaf < next) {
        throw at("held_back is no list of leaves")
      }
      next = leaf + 1
    }
    return [
      name,
      {
        archived: members.integer("archived"),
        destroyed: members.integer("destroyed"),
        held_back: heldBack as readonly number[],
      },
    ]
  })
  return Object.fromEntries(classes)
}

function readSegment(value: unknown, { origin, logId }: LogIdentity): Segment {
  const at = (problem: string) => refuse(`a segment: ${problem}`)
  const members = new Members(value, ["state", "stale", "manifest"], [], at)
  const manifest = readManifest(members.value("manifest"), at)
  if (manifest.origin !== origin || manifest.log_id !== logId) throw at("it is of another log")
  return {
    state: members.oneOf("state", SEGMENT_STATES),
    stale: members.oneOf("stale", [true, false]),
    manifest,
  }
}

/** Two segments that could both hold one leaf would make it a matter of luck which one is read. */
function checkApart(segments: readonly Segment[]): void {
  const keys = new Set(segments.map(({ manifest }) => keyOf(manifest)))
  if (keys.size < segments.length) throw refuse("a segment stands there twice")
  for (const trusted of trustedByClass(segments).values()) {
    for (const [i, { manifest }] of trusted.entries()) {
      const before = trusted[i - 1]?.manifest.last_leaf ?? -1
      if (manifest.first_leaf <= before) throw refuse(`${keyOf(manifest)} begins in the segment before it`)
    }
  }
}

/** Returns the trusted segments of each class, ascending. */
export function trustedByClass(segments: readonly Segment[]): ReadonlyMap<string, readonly Segment[]> {
  const classes = new Map<string, Segment[]>()
  for (const segment of segments.filter(isTrusted)) {
    const { class: className } = segment.manifest
    const known = classes.get(className)
    if (known === undefined) classes.set(className, [segment])
    else known.push(segment)
  }
  for (const each of classes.values()) each.sort((a, b) => a.manifest.first_leaf - b.manifest.first_leaf)
  return classes
}

function readMark(value: unknown): GoneMark {
  const at = (problem: string) => refuse(`gone: ${problem}`)
  const members = new Members(value, ["id", "count", "gone_ms", "expires_ms"], [], at)
  return {
    id: members.text("id"),
    count: members.integer("count", 1),
    gone_ms: members.integer("gone_ms", Number.MIN_SAFE_INTEGER),
    expires_ms: members.integer("expires_ms", members.integer("gone_ms", Number.MIN_SAFE_INTEGER)),
  }
}

function readTold(value: unknown): Told {
  const at = (problem: string) => refuse(`untold: ${problem}`)
  const optional = ["class", "key", "first_leaf", "last_leaf"]
  const members = new Members(value, ["id", "what", "count"], optional, at)
  return {
    id: members.text("id"),
    what: members.oneOf("what", ["archived", "withdrawn", "gone", "expired", "restored"]),
    count: members.integer("count", 1),
    ...(members.has("class") && { class: members.text("class") }),
    ...(members.has("key") && { key: members.text("key") }),
    ...(members.has("first_leaf") && { first_leaf: members.integer("first_leaf") }),
    ...(members.has("last_leaf") && { last_leaf: members.integer("last_leaf") }),
  }
}

function refuse(problem: string, cause?: unknown): ArchiveError {
  return new ArchiveError("ARCHIVE_BAD_STATE", `the archive's state: ${problem}`, { cause })
}
