/**
 * What the log promised, found without reading all of it each time.
 *
 *     DIR/retention/promises.json
 *         {"format":"prooflog-promises/1","log_id":"…","through":70000,"root":"…","leaves":[0,42]}
 *
 * The file says only where to look: below leaf `through`, these leaves and no others are genesis or schedules. What they
 * promise is read from the entries. It is believed as far as the tree of `through` leaves still has that root; from
 * there on, or from leaf 0, entries are read again. Whoever removes it costs the next start that reading.
 */

import { decodeEntry } from "@prooflog/event/entry"
import type { Promises } from "@prooflog/event/promises"
import type { Schedule } from "@prooflog/event/schedule"
import type { LogStorage } from "@prooflog/ledger/storage"
import { decodeBase64, decodeHex, encodeBase64, encodeHex } from "@prooflog/tlog/base64"
import { bundlePath, forEachPacked } from "@prooflog/tlog/bundle"
import { equalBytes } from "@prooflog/tlog/hash"
import { rootFromTiles } from "@prooflog/tlog/inclusion"
import { readText, rewriteFile } from "../durable-file.js"
import type { LogReader } from "../log-reader.js"

const FORMAT = "prooflog-promises/1"
const OWNER_ONLY = 0o600

/** Entries in a bundle. */
const BUNDLE_WIDTH = 256

/** Second byte of an entry: its type. */
const GENESIS = 0
const SCHEDULE = 3

/** A log as far as its promises are to be known. */
export interface ScannedLog {
  readonly storage: Pick<LogStorage, "read">
  readonly reader: LogReader
  /** 16 bytes. */
  readonly logId: Uint8Array
  /** A signed head: leaves up to it are read. At least 1. */
  readonly head: Head
}

export interface Head {
  readonly treeSize: number
  /** 32 bytes. */
  readonly rootHash: Uint8Array
}

/** Where schedules stand in a tree. */
interface Noted extends Head {
  /** Ascending; the first is 0. */
  readonly leaves: readonly number[]
}

/** Returns all that the log has promised, and how many leaves were read to know it. */
export async function readPromises(
  path: string,
  log: ScannedLog,
): Promise<{ readonly promises: Promises; readonly leavesRead: number }> {
  const noted = parseNote(await readText(path), log.logId)
  const isTrue = noted !== undefined && noted.treeSize <= log.head.treeSize && (await isRootOf(log, noted))
  const known = isTrue ? await schedulesAt(log, noted.leaves) : undefined
  const from = isTrue && known !== undefined ? noted.treeSize : 0
  const found = await schedulesAt(log, await findSchedules(log, from))
  if (found === undefined) throw new Error("bug: an entry that was read as a schedule is none")
  const promises = [...(known ?? []), ...found]
  if (promises[0]?.[0] !== 0) throw new Error("bug: leaf 0 is not the genesis of the log")
  return { promises, leavesRead: log.head.treeSize - from }
}

/**
 * Notes where the schedules stand; durable when it resolves.
 *
 * @param head - a signed head; below its size there are no schedules but these
 */
export async function notePromises(
  path: string,
  logId: Uint8Array,
  { treeSize, rootHash }: Head,
  promises: Promises,
): Promise<void> {
  const note = {
    format: FORMAT,
    log_id: encodeHex(logId),
    through: treeSize,
    root: encodeBase64(rootHash),
    leaves: promises.map(([leaf]) => leaf).filter((leaf) => leaf < treeSize),
  }
  await rewriteFile(path, OWNER_ONLY, () => `${JSON.stringify(note)}\n`)
}

/** Whatever is wrong with the file, the log itself says it better. */
function parseNote(text: string | undefined, logId: Uint8Array): Noted | undefined {
  let note: Readonly<Record<string, unknown>>
  try {
    note = { ...JSON.parse(text ?? "null") }
  } catch {
    return undefined
  }
  const { format, log_id, through, root, leaves } = note
  const rootHash = typeof root === "string" ? decodeBase64(root) : undefined
  const isOurs = typeof log_id === "string" && equalBytes(decodeHex(log_id) ?? new Uint8Array(0), logId)
  if (format !== FORMAT || !isOurs || rootHash?.length !== 32 || !isSize(through)) return undefined
  if (!Array.isArray(leaves) || leaves[0] !== 0) return undefined
  if (!leaves.every((leaf, i) => isSize(leaf + 1) && leaf < through && (i === 0 || leaf > leaves[i - 1]))) {
    return undefined
  }
  return { treeSize: through, rootHash, leaves }
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1
}

async function isRootOf({ reader }: ScannedLog, { treeSize, rootHash }: Head): Promise<boolean> {
  return equalBytes(await rootFromTiles(treeSize, reader.readTiles), rootHash)
}

/** Returns what these leaves promise, or `undefined` if one of them promises nothing. */
async function schedulesAt(
  { reader, head }: ScannedLog,
  leaves: readonly number[],
): Promise<Promises | undefined> {
  const promises: (readonly [number, Schedule])[] = []
  for (const leaf of leaves) {
    const entry = decodeEntry(await reader.entry(leaf, head.treeSize))
    const isSchedule = entry.type === "schedule" || (entry.type === "genesis" && leaf === 0)
    if (!isSchedule) return undefined
    promises.push([leaf, entry.schedule])
  }
  return promises
}

async function findSchedules({ storage, head }: ScannedLog, from: number): Promise<readonly number[]> {
  const leaves: number[] = []
  for (let first = from - (from % BUNDLE_WIDTH); first < head.treeSize; first += BUNDLE_WIDTH) {
    const path = bundlePath(first / BUNDLE_WIDTH, Math.min(BUNDLE_WIDTH, head.treeSize - first))
    const bundle = await storage.read(path)
    if (bundle === undefined) throw new Error(`bug: ${path} is signed and not stored`)
    forEachPacked(bundle, (start, _, i) => {
      const type = bundle[start + 1]
      if (first + i >= from && (type === GENESIS || type === SCHEDULE)) leaves.push(first + i)
    })
  }
  return leaves
}
