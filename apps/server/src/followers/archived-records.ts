/**
 * Moved records, as the server gets them from its archive child: page by page, and then what stands in storage is looked at
 * again, as a segment may still have what was withdrawn meanwhile.
 *
 *     tombstones ─► child ─► bytes      ─► storage ─► moved, or hot again        a record
 *                                                 ─► destroyed                  none
 *                         ─► 0 bytes    ─► storage ─► destroyed, or hot again    none: read storage again
 *                                                 ─► the same tombstone         the record is lost
 */

import { ArchiveError } from "@prooflog/archive/error"
import { decodeTombstone } from "@prooflog/event/tombstone"
import { ServerError } from "../error.js"
import { unpack } from "../packed.js"
import type { MovedRecord, MovedRecords } from "./archive-calls.js"
import type { OfLedger } from "./served-leaves.js"

/** Leaves that are asked for at once. */
const MAX_LEAVES = 4_096

/**
 * Returns records in the order asked for; `undefined` where what stands in storage has changed.
 *
 * @param ask - asks the child for some
 * @throws ServerError `SERVER_ARCHIVE_UNAVAILABLE`, `SERVER_ARCHIVE_DAMAGED`
 */
export async function readArchived(
  ask: (moved: readonly MovedRecord[]) => Promise<MovedRecords>,
  storage: OfLedger["storage"],
  moved: readonly MovedRecord[],
): Promise<readonly (Uint8Array | undefined)[]> {
  const found: (Uint8Array | undefined)[] = []
  while (found.length < moved.length) {
    const some = moved.slice(found.length, found.length + MAX_LEAVES)
    const { records, count } = await ask(some).catch((error: unknown) => {
      throw refusalOf(error, some)
    })
    if (!(count > 0)) throw new Error("bug: the archive process answered no records")
    const standing = await standingAt(storage, some.slice(0, count))
    for (const [i, record] of unpack(records).entries()) {
      const now = standing[i] as Standing
      if (record.length === 0) requireOther(now, some[i] as MovedRecord)
      found.push(record.length === 0 || now === "destroyed" ? undefined : record)
    }
  }
  return found
}

/** What stands at a leaf: the key of a segment if its record was moved. */
type Standing = "hot" | "destroyed" | { readonly key: string }

/** Asked for in one turn, so that the storage looks them up in one go. */
function standingAt(storage: OfLedger["storage"], moved: readonly MovedRecord[]): Promise<Standing[]> {
  return Promise.all(
    moved.map(async ({ leafIndex }) => {
      const [stored] = await storage.records(leafIndex, leafIndex + 1)
      if (stored?.kind !== "tombstone") return "hot"
      const tombstone = decodeTombstone(stored.bytes)
      return tombstone.state === "moved" ? { key: tombstone.segment } : "destroyed"
    }),
  )
}

/** What an error of the archive's is called where a record was asked for. */
export function unavailable(message: string, cause?: unknown): ServerError {
  return new ServerError("SERVER_ARCHIVE_UNAVAILABLE", message, { cause })
}

/** No segment has the record that a tombstone sent us to. @throws ServerError if it still stands there */
function requireOther(standing: Standing, { leafIndex, key }: MovedRecord): void {
  if (typeof standing === "string" || standing.key !== key) return
  const message = `${key}: leaf ${leafIndex}: its record was moved there, and no segment has it`
  throw new ServerError("SERVER_ARCHIVE_DAMAGED", message, { leafIndex })
}

/** What a store says, and where it is, is for the operator alone: in the cause. */
function refusalOf(error: unknown, [first]: readonly MovedRecord[]): unknown {
  if (!(error instanceof Error) || error instanceof ServerError) return error
  if (!(error instanceof ArchiveError) || error.code !== "ARCHIVE_SEGMENT_REFUSED") {
    const key = error instanceof ArchiveError ? error.key : first?.key
    return unavailable(`${key}: the segment cannot be read now`, error)
  }
  const { message, leafIndex } = error
  const about = leafIndex === undefined ? {} : { leafIndex }
  return new ServerError("SERVER_ARCHIVE_DAMAGED", message, { cause: error, ...about })
}
