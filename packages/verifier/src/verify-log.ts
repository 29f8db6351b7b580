/**
 * Verifies a whole log: everything in it is derived again from what it serves.
 *
 *     checkpoint ──signatures──► root ──► tiles of the edge ──► every tile ──► every entry ──► the rules
 *
 * From the top down, so that each thing is checked against something signed, and what is wrong is named where
 * it lies: a tile that is not the one that was signed, an entry that is not, or an entry that was signed and
 * breaks the rules. Afterwards: every entry of the tree was seen, in order, and its hashes make the root.
 *
 * A reader needs 16 to 32 bytes a leaf (for "no commitment twice"; half as much again while that table grows) and a
 * window of bundles, of 32 MiB at most; everything else is streamed. Reads are many at a time, checks are in order.
 *
 * Spec: c2sp.org/tlog-tiles, RFC 6962 section 2.1, docs/spec.
 * Effects: those of the source; gives the event loop a turn now and then.
 */

import type { Schedule } from "@prooflog/event/schedule"
import { bundlePath, forEachPacked, parseBundle } from "@prooflog/tlog/bundle"
import { equalBytes, HASH_SIZE, leafHash } from "@prooflog/tlog/hash"
import { checkInclusion, proveInclusion } from "@prooflog/tlog/inclusion"
import type { OpenedCheckpoint, Policy } from "@prooflog/tlog/policy"
import { TILE_WIDTH, tileAt, tilePath } from "@prooflog/tlog/tile"
import { checkGrowth, openHead } from "./advance.js"
import { checkBundle } from "./checked-bundle.js"
import { CheckedTiles, type TileWitness } from "./checked-tiles.js"
import { CommitmentSet } from "./commitment-set.js"
import { type EntryCounts, EntryRules, type Twins } from "./entry-rules.js"
import { refusalBy, VerifierError } from "./error.js"
import { integers, readAhead } from "./read-ahead.js"
import { endable, type LogSource, readBundle, readCheckpoint, tileReader } from "./source.js"
import { Turns } from "./turns.js"
import { openEntry } from "./verify-evidence.js"

export type { TileWitness } from "./checked-tiles.js"
export type { EntryCounts } from "./entry-rules.js"

/** Where an audit ended, so that the next can go on from there. */
export interface AuditedHead {
  readonly checkpoint: OpenedCheckpoint
  /** Time of its last leaf; 0 in an empty log. */
  readonly lastTimeMs: number
  /** In force after its last leaf. */
  readonly schedule: Schedule | undefined
  /**
   * The commitments of its leaves. Without them (they are large, and not worth keeping across processes) the
   * next audit looks for repeats among the new leaves only, and says so.
   */
  readonly commitments?: CommitmentSet
  /** The first leaf whose commitment is in `commitments`. */
  readonly commitmentsFrom: number
}

export interface VerifyLogOptions {
  /** The end of an earlier audit: only what came after it is read, and that nothing before it changed. */
  readonly from?: AuditedHead
  /** Audit up to this head, a signed note, instead of the newest that the source shows. */
  readonly checkpoint?: string
  /** Told each schedule that was checked, the genesis's first, with its leaf: what the leaves after it are promised. */
  readonly onSchedule?: (leafIndex: number, schedule: Schedule) => void
  /** Told after each bundle. */
  readonly onProgress?: (progress: AuditProgress) => void
  readonly onTile?: TileWitness
  /** Bundles read ahead, each with its tile; fewer if they are large. 24 unless set. */
  readonly window?: number
  /** Ends the audit at once, which rejects with its reason; reads under way are left to end on their own. */
  readonly signal?: AbortSignal
}

export interface AuditProgress {
  /** Leaves checked, those before `from` included. */
  readonly leaves: number
  readonly treeSize: number
  /** Bytes of bundles and level-0 tiles checked in this audit. */
  readonly bytes: number
}

export interface VerifiedLog {
  /** One sentence for people. */
  readonly proven: string
  /** One sentence for people: what must not be concluded. */
  readonly notClaimed: string
  readonly origin: string
  readonly treeSize: number
  readonly checkpoint: OpenedCheckpoint
  /** First leaf that this audit read; the leaves before it stand as they were audited. */
  readonly firstLeaf: number
  /** No commitment occurs twice among the leaves from here on. */
  readonly commitmentsFrom: number
  /** Of the leaves that this audit read. */
  readonly entries: EntryCounts
  /** Of the leaves that this audit read. */
  readonly eventsByClass: Readonly<Record<string, number>>
  /** Time of the first and last leaf read: the operator's word. */
  readonly time: { readonly fromMs: number; readonly toMs: number } | undefined
  /** To go on from here the next time. */
  readonly end: AuditedHead
}

export const LOG_NOT_CLAIMED =
  "Not claimed: that the records behind these entries are still kept, or that everything that happened was logged."

/**
 * Leaves that the table of commitments has room for at first. What a head says of its size costs its log nothing;
 * beyond this the table grows with the leaves that were really shown.
 */
const MAX_FIRST_ROOM = 2 ** 20

/** Bytes of bundles that were read ahead: a full one has 20 to 30 KB, and could have 16 MB. */
const MAX_WAITING_BYTES = 32 * 1024 * 1024

/** Longest stretch without a turn of the event loop, in milliseconds: for timers, signals, progress bars. */
const MAX_STRETCH_MS = 50

/**
 * Returns what is proven about a whole log once all of it was checked.
 *
 * @throws {@link VerifierError} with leaf index or path: `VERIFIER_CHECKPOINT_REFUSED`,
 * `VERIFIER_UNKNOWN_KEY_TYPE`; with `from` also what `advance` throws; `VERIFIER_ROOT_REFUSED`, `VERIFIER_TILE_REFUSED`, `VERIFIER_BUNDLE_REFUSED` for what was
 * not signed so; `VERIFIER_ENTRY_REFUSED`, `VERIFIER_GENESIS_REFUSED`, `VERIFIER_TIME_WENT_BACK`,
 * `VERIFIER_UNKNOWN_CLASS`, `VERIFIER_SCHEDULE_REFUSED`, `VERIFIER_REPEATED_COMMITMENT` for what was signed
 * and should not have been; `VERIFIER_MISSING`, `VERIFIER_SOURCE_FAILED`, `VERIFIER_LOG_TOO_LARGE`
 */
export async function verifyLog(
  log: LogSource,
  policy: Policy,
  options: VerifyLogOptions = {},
): Promise<VerifiedLog> {
  const source = options.signal === undefined ? log : endable(log, options.signal)
  const checkpoint = openHead(options.checkpoint ?? (await readCheckpoint(source)), policy)
  const { from } = options
  if (from !== undefined) await checkGrowth(from.checkpoint, checkpoint, source)
  const { origin, treeSize } = checkpoint.checkpoint
  const firstLeaf = from?.checkpoint.checkpoint.treeSize ?? 0
  const commitments = from?.commitments ?? new CommitmentSet(Math.min(treeSize - firstLeaf, MAX_FIRST_ROOM))
  const commitmentsFrom = from?.commitments === undefined ? firstLeaf : from.commitmentsFrom
  const before = { lastTimeMs: from?.lastTimeMs ?? 0, schedule: from?.schedule }
  const rules = new EntryRules(origin, commitments, before, options.onSchedule)
  await auditLeaves(source, checkpoint, firstLeaf, rules, options)
  const { schedule, lastTimeMs, firstTimeMs } = rules
  return {
    proven: wordsFor(origin, treeSize, firstLeaf),
    notClaimed: LOG_NOT_CLAIMED,
    origin,
    treeSize,
    checkpoint,
    firstLeaf,
    commitmentsFrom,
    entries: rules.counts,
    eventsByClass: rules.eventsByClass,
    time: firstTimeMs === undefined ? undefined : { fromMs: firstTimeMs, toMs: lastTimeMs },
    end: { checkpoint, lastTimeMs, schedule, commitments, commitmentsFrom },
  }
}

async function auditLeaves(
  source: LogSource,
  head: OpenedCheckpoint,
  firstLeaf: number,
  rules: EntryRules,
  options: VerifyLogOptions,
): Promise<void> {
  const { treeSize, rootHash } = head.checkpoint
  const tiles = await CheckedTiles.open(source, treeSize, rootHash, options.onTile)
  const firstBundle =
    firstLeaf === treeSize ? Math.ceil(treeSize / TILE_WIDTH) : Math.floor(firstLeaf / TILE_WIDTH)
  const wanted = integers(firstBundle, Math.ceil(treeSize / TILE_WIDTH))
  const read = async (index: number) => {
    const width = Math.min(TILE_WIDTH, treeSize - index * TILE_WIDTH)
    const hashes = tiles.hashes(0, index)
    // Its failure is seen when it is awaited below.
    hashes.catch(() => {})
    // What waits for its hashes is counted already: a log could keep them back.
    return { index, width, hashes, bundle: await readBundle(source, index, width) }
  }
  const bundles = readAhead(wanted, options.window ?? 24, read, {
    maxBytes: MAX_WAITING_BYTES,
    bytesOf: ({ width, bundle }) => width * HASH_SIZE + bundle.length,
  })
  let bytes = 0
  const turns = new Turns(MAX_STRETCH_MS)
  for await (const read of bundles) {
    options.signal?.throwIfAborted()
    const { index, width, bundle } = read
    const hashes = await read.hashes
    checkBundle({ index, width, bundle, hashes })
    checkRules(index, bundle, firstLeaf, rules)
    for (const twins of rules.takeTwins()) await settle(twins, source, head)
    bytes += bundle.length + hashes.length
    options.onProgress?.({ leaves: index * TILE_WIDTH + width, treeSize, bytes })
    if (turns.isDue()) await turns.take()
  }
}

function checkRules(index: number, bundle: Uint8Array, firstLeaf: number, rules: EntryRules): void {
  const firstOfBundle = index * TILE_WIDTH
  forEachPacked(bundle, (start, end, i) => {
    if (firstOfBundle + i >= firstLeaf) rules.check(bundle, start, end, firstOfBundle + i)
  })
}

/**
 * Compares the entries of two leaves whose commitments have the same 64-bit hash.
 *
 * @throws {@link VerifierError} `VERIFIER_REPEATED_COMMITMENT` if the commitments are the same
 */
async function settle(
  { leafIndex, otherLeaf }: Twins,
  source: LogSource,
  head: OpenedCheckpoint,
): Promise<void> {
  const [one, other] = await Promise.all([
    readCommitment(leafIndex, source, head),
    readCommitment(otherLeaf, source, head),
  ])
  if (one === undefined || other === undefined || !equalBytes(one, other)) return
  const message = `leaf ${leafIndex} repeats the commitment of leaf ${otherLeaf}`
  throw new VerifierError("VERIFIER_REPEATED_COMMITMENT", message, { leafIndex, otherLeaf })
}

/** The commitment of one leaf, proven again: the source might answer otherwise the second time. */
async function readCommitment(
  leafIndex: number,
  source: LogSource,
  { checkpoint: { treeSize, rootHash } }: OpenedCheckpoint,
): Promise<Uint8Array | undefined> {
  const tile = tileAt(0, Math.floor(leafIndex / TILE_WIDTH), treeSize)
  if (tile === undefined) return undefined
  const bundle = await readBundle(source, tile.index, tile.width)
  const path = bundlePath(tile.index, tile.width)
  try {
    const entry = parseBundle(bundle, tile.width)[leafIndex % TILE_WIDTH] as Uint8Array
    const proof = await proveInclusion(leafIndex, treeSize, tileReader(source, treeSize))
    checkInclusion({ leafIndex, treeSize, leafHash: leafHash(entry), path: proof, rootHash })
    const opened = openEntry(leafIndex, entry)
    return opened.type === "event" ? opened.commitment : undefined
  } catch (cause) {
    const what = `leaf ${leafIndex}: ${path} or ${tilePath(tile)} changed while it was read`
    throw refusalBy(cause, "VERIFIER_BUNDLE_REFUSED", what, { path, leafIndex })
  }
}

function wordsFor(origin: string, treeSize: number, firstLeaf: number): string {
  if (treeSize === 0) return `The log ${JSON.stringify(origin)} is empty.`
  if (firstLeaf === treeSize) return `The log ${JSON.stringify(origin)} has not changed since it was audited.`
  const what = firstLeaf === 0 ? `All ${treeSize} entries` : `Entries ${firstLeaf} to ${treeSize - 1}`
  const grown = firstLeaf === 0 ? "" : `, which extend the ${firstLeaf} audited before,`
  return `${what} of the log ${JSON.stringify(origin)}${grown} are what its checkpoint signs and obey its rules.`
}
