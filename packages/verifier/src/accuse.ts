/**
 * Makes accusations, out of what a reader has seen and the log's own tiles.
 *
 *     two heads                         accuseHeads, accuseWitnesses
 *     a receipt, a head                 accuseReceipt
 *     a receipt or evidence, a head     accusePromise: what it breaks, or that the log still keeps it
 *     an audit's error                  accuseEntry, in accuse-entry.ts
 *
 * The tiles are suspect, so every accusation is verified before it is handed out: it convicts before anyone who
 * believes the same keys. Wrong tiles can only prevent one.
 *
 * Effects: those of the source.
 */

import { type Checkpoint, parseCheckpoint } from "@prooflog/tlog/checkpoint"
import { checkConsistency, proveConsistency } from "@prooflog/tlog/consistency"
import { TlogError } from "@prooflog/tlog/error"
import { equalBytes, leafHash } from "@prooflog/tlog/hash"
import { checkInclusion, proveInclusion, rootFromTiles } from "@prooflog/tlog/inclusion"
import { formatVerifierKey, isVerifierKey, type OpaqueKey, type VerifierKey } from "@prooflog/tlog/key"
import { type Note, openNote, parseNote } from "@prooflog/tlog/note"
import type { OpenedCheckpoint, Policy } from "@prooflog/tlog/policy"
import { formatReceipt, parseReceipt, type Receipt } from "@prooflog/tlog/receipt"
import { TILE_WIDTH, tileAt } from "@prooflog/tlog/tile"
import {
  type Accusation,
  type BrokenReceipt,
  type Inconsistent,
  openLogHead,
  type SameSize,
  verifyAccusation,
  type WitnessEquivocation,
} from "./accusation.js"
import { isPerfect } from "./accusation-heads.js"
import { refusalBy, VerifierError } from "./error.js"
import type { EvidenceItem } from "./evidence.js"
import { type LogSource, remembering, tileReader } from "./source.js"

export { accuseEntry } from "./accuse-entry.js"

/** A head, opened or as the signed note; opened ones are opened again. */
export type Head = OpenedCheckpoint | string

/**
 * Returns what two heads of one log convict it of, or `undefined` if the larger is shown to extend the smaller.
 *
 * @param source - serves the larger tree; not read where the sizes are equal. Of a fork whose tiles nobody serves only
 * the smaller head convicts: whoever waits until the log's own head is the larger one can accuse it
 * @param policy - its logs' keys are believed, its witnesses are not asked for
 * @throws {@link VerifierError} `VERIFIER_CHECKPOINT_REFUSED`, `VERIFIER_UNKNOWN_KEY_TYPE`, `VERIFIER_OTHER_LOG`;
 * `VERIFIER_TILE_REFUSED` if the tiles are not those of the larger tree, which proves nothing either way; and what
 * reading throws
 */
export async function accuseHeads(
  a: Head,
  b: Head,
  source: LogSource,
  policy: Policy,
): Promise<SameSize | Inconsistent | undefined> {
  const opened = [a, b].map((head) => openLogHead(noteOf(head), policy)) as [
    OpenedCheckpoint,
    OpenedCheckpoint,
  ]
  const [smaller, larger] = ascending(opened, ({ checkpoint }) => checkpoint)
  const hashes = await conflictBetween(smaller.checkpoint, larger.checkpoint, source)
  if (hashes === undefined) return undefined
  const { origin } = larger.checkpoint
  const heads = [smaller.note, larger.note] as const
  return hashes.length === 0
    ? convicting({ kind: "same-size", origin, heads }, policy)
    : convicting({ kind: "inconsistent", origin, heads, hashes }, policy)
}

/**
 * Returns an accusation of each witness of the policy that cosigned both of two heads which contradict each other;
 * none if the larger is shown to extend the smaller. Whether the log signed them does not matter.
 *
 * @param source - as that of {@link accuseHeads}
 * @throws {@link VerifierError} `VERIFIER_CHECKPOINT_REFUSED` for what is no note of a checkpoint; otherwise as
 * {@link accuseHeads}
 */
export async function accuseWitnesses(
  a: Head,
  b: Head,
  source: LogSource,
  policy: Policy,
): Promise<readonly WitnessEquivocation[]> {
  const parsed = [a, b].map((head) => parseHead(noteOf(head))) as [ParsedHead, ParsedHead]
  const both = policy.witnesses.filter(({ key }) => parsed.every(({ note }) => isCosigned(note, key)))
  if (both.length === 0) return []
  const [smaller, larger] = ascending(parsed, ({ checkpoint }) => checkpoint)
  const hashes = await conflictBetween(smaller.checkpoint, larger.checkpoint, source)
  if (hashes === undefined) return []
  const { origin } = larger.checkpoint
  const heads = [smaller.whole, larger.whole] as const
  return both.map(({ key }) => {
    const witness = formatVerifierKey(key)
    return convicting({ kind: "witness-equivocation", origin, witness, heads, hashes }, policy)
  })
}

/**
 * Returns the proof that a receipt was broken, or `undefined` if its entry stands at its place under the head, or the
 * head's tree does not reach that far (which an older head may well not do).
 *
 * @param receipt - a `.tlog-proof` text, suspect
 * @param entry - what the receipt is for, if it does not carry it
 * @param source - serves the head's tree
 * @throws {@link VerifierError} `VERIFIER_MALFORMED_RECEIPT`, `VERIFIER_CHECKPOINT_REFUSED`,
 * `VERIFIER_UNKNOWN_KEY_TYPE`; `VERIFIER_ACCUSATION_REFUSED` if the log never gave this receipt;
 * `VERIFIER_TILE_REFUSED` if the tiles are not those under the head; and what reading throws
 */
export async function accuseReceipt(
  receipt: string,
  entry: Uint8Array | undefined,
  head: Head,
  source: LogSource,
  policy: Policy,
): Promise<BrokenReceipt | undefined> {
  const { leafIndex, extra } = openReceipt(receipt)
  const promised = entry ?? extra
  if (promised === undefined) {
    throw new VerifierError("VERIFIER_MALFORMED_RECEIPT", "the receipt carries no entry", { leafIndex })
  }
  const { note, checkpoint } = openLogHead(noteOf(head), policy)
  const { origin, treeSize, rootHash } = checkpoint
  const tile = leafIndex < treeSize ? tileAt(0, Math.floor(leafIndex / TILE_WIDTH), treeSize) : undefined
  if (tile === undefined) return undefined
  const readTiles = tileReader(source, treeSize)
  const [[leaves], path] = await Promise.all([
    readTiles([tile]),
    proveInclusion(leafIndex, treeSize, readTiles),
  ])
  const hash = leaves?.hash(0, leafIndex % TILE_WIDTH).slice() ?? new Uint8Array(0)
  try {
    checkInclusion({ leafIndex, treeSize, leafHash: hash, path, rootHash })
  } catch (cause) {
    throw refusalBy(cause, "VERIFIER_TILE_REFUSED", `the tiles of leaf ${leafIndex} are not under the head`)
  }
  if (equalBytes(hash, leafHash(promised))) return undefined
  const heads = [note] as const
  return convicting(
    { kind: "broken-receipt", origin, receipt, entry: promised, heads, leafHash: hash, path },
    policy,
  )
}

/** What a log has promised: entries, each at its place under a head that it signed. A receipt is a promise of one. */
export interface LogPromise {
  /** A signed note, suspect. */
  readonly checkpoint: string
  /** At least one, suspect; read only where the heads are not shown to be of one history. */
  readonly items: Iterable<Pick<EvidenceItem, "leafIndex" | "path" | "entry">>
}

/**
 * Returns what a promise and a head of the log convict it of, or `undefined` if the larger of the two trees is shown to
 * extend the smaller: then every leaf that is in both is the same in both.
 *
 * The first entry that is another under the head makes a `broken-receipt`. Where each entry is in its place, or its tiles
 * are withheld, the two heads are accused.
 *
 * @param source - serves the larger of the two trees; of the head's for a broken receipt
 * @throws {@link VerifierError} as {@link accuseHeads}, if nothing convicts and nothing shows that all is well
 */
export async function accusePromise(
  { checkpoint, items }: LogPromise,
  head: Head,
  source: LogSource,
  policy: Policy,
): Promise<SameSize | Inconsistent | BrokenReceipt | undefined> {
  // All of it is said of the tiles that were seen first, whatever the log serves next.
  const seen = remembering(source, MAX_REMEMBERED_BYTES)
  const heads = await orFailure(() => accuseHeads(checkpoint, head, seen, policy))
  if (heads === undefined) return undefined
  const broken = await orFailure(async () => {
    for (const { entry: extra, ...place } of items) {
      const receipt = formatReceipt({ ...place, extra, checkpoint })
      const accusation = await accuseReceipt(receipt, undefined, head, seen, policy)
      if (accusation !== undefined) return accusation
    }
    return undefined
  })
  if (broken !== undefined && !(broken instanceof VerifierError)) return broken
  if (heads instanceof VerifierError) throw heads
  return heads
}

/** Tiles that are kept while a promise is compared with a head: 256 MiB, those of eight million leaves. */
const MAX_REMEMBERED_BYTES = 1 << 28

/** What was found, or why it could not be: what cannot be read on one way may be on another. */
async function orFailure<T>(find: () => Promise<T>): Promise<T | VerifierError> {
  try {
    return await find()
  } catch (error) {
    if (error instanceof VerifierError) return error
    throw error
  }
}

/**
 * Returns the hashes that show that two heads contradict each other, none where their sizes are equal; `undefined` if
 * the larger extends the smaller.
 */
async function conflictBetween(
  smaller: Checkpoint,
  larger: Checkpoint,
  source: LogSource,
): Promise<readonly Uint8Array[] | undefined> {
  const { treeSize: oldSize, rootHash: oldRoot } = smaller
  const { treeSize: newSize, rootHash: newRoot } = larger
  if (smaller.origin !== larger.origin) {
    const message = `one head is of ${JSON.stringify(smaller.origin)}, one of ${JSON.stringify(larger.origin)}`
    throw new VerifierError("VERIFIER_OTHER_LOG", message)
  }
  if (oldSize === newSize) return equalBytes(oldRoot, newRoot) ? undefined : []
  if (oldSize === 0) return undefined
  const readTiles = tileReader(source, newSize)
  const proof = await proveConsistency(oldSize, newSize, readTiles)
  if (leadsTo(oldRoot, proof)) return undefined
  const otherRoot = await rootFromTiles(oldSize, readTiles)
  if (leadsTo(otherRoot, proof)) return isPerfect(oldSize) ? [otherRoot, ...proof] : proof
  const message = `the tiles do not make the root of the head of ${newSize} leaves`
  throw new VerifierError("VERIFIER_TILE_REFUSED", message)

  function leadsTo(root: Uint8Array, hashes: readonly Uint8Array[]): boolean {
    try {
      checkConsistency({ oldSize, oldRoot: root, newSize, newRoot, proof: hashes })
      return true
    } catch (error) {
      if (error instanceof TlogError) return false
      throw error
    }
  }
}

/** @throws {@link VerifierError} `VERIFIER_ACCUSATION_REFUSED` */
function convicting<T extends Accusation>(accusation: T, policy: Policy): T {
  verifyAccusation(accusation, policy)
  return accusation
}

interface ParsedHead {
  readonly note: Note
  readonly checkpoint: Checkpoint
  readonly whole: string
}

function parseHead(whole: string): ParsedHead {
  try {
    const note = parseNote(whole)
    return { note, checkpoint: parseCheckpoint(note.text), whole }
  } catch (cause) {
    throw refusalBy(cause, "VERIFIER_CHECKPOINT_REFUSED", "checkpoint refused")
  }
}

function isCosigned(note: Note, key: VerifierKey | OpaqueKey): boolean {
  if (!isVerifierKey(key)) return false
  try {
    openNote(note, [key])
    return true
  } catch (error) {
    if (error instanceof TlogError) return false
    throw error
  }
}

function openReceipt(receipt: string): Receipt {
  try {
    return parseReceipt(receipt)
  } catch (cause) {
    throw refusalBy(cause, "VERIFIER_MALFORMED_RECEIPT", "malformed receipt")
  }
}

/** The smaller tree first; of two trees of one size the one with the lower root, so that one fork makes one file. */
function ascending<T>([a, b]: readonly [T, T], checkpointOf: (head: T) => Checkpoint): readonly [T, T] {
  const order = compare(checkpointOf(a), checkpointOf(b))
  return order <= 0 ? [a, b] : [b, a]
}

function compare(a: Checkpoint, b: Checkpoint): number {
  if (a.treeSize !== b.treeSize) return a.treeSize - b.treeSize
  const at = a.rootHash.findIndex((byte, i) => byte !== b.rootHash[i])
  return at < 0 ? 0 : (a.rootHash[at] as number) - (b.rootHash[at] as number)
}

function noteOf(head: Head): string {
  return typeof head === "string" ? head : head.note
}
