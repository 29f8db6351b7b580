/**
 * Whose the place of the segments is: one object in it, put once, with an id that one archive's state has.
 *
 *     state     place         a run
 *     no id     nothing       draws an id, keeps it, puts it
 *     an id     the same      goes on
 *     an id     nothing       puts it, if no segment is known: it died before it was put. Else it is refused
 *     any       another       is refused
 *
 * What a run does not know it takes for left over, and destroys: two folders of one log at one place would destroy each
 * other's only copies. A place from which the object is missing is another one than that of the segments: a disk that is
 * not mounted, most of all.
 *
 * If we crash anywhere here, the place is ours or nobody's, and the next run goes on.
 */

import type { ArchiveState, LogIdentity } from "./archive-state.js"
import { ArchiveError } from "./error.js"
import type { Job } from "./job.js"
import type { SegmentObjects } from "./ports.js"

export const OWNER_KEY = "owner.json"

/**
 * Every run that changes something begins with this, and changes nothing if it throws.
 *
 * @throws {@link ArchiveError} `ARCHIVE_FOREIGN_STORE`; what a port throws
 */
export async function ownPlace(job: Job): Promise<void> {
  const { catalog, objects } = job
  if (await isOwn(job)) return
  if (catalog.state.segments.length > 0) throw missing()
  if (catalog.state.owner === undefined) await catalog.change({ owner: job.newId() })
  const bytes = formatOwner(catalog.log, catalog.state)
  const sha256 = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>))
  await objects.put(OWNER_KEY, bytes, { bytes: bytes.length, sha256 })
  // Not every store lets only the first of two put.
  if (!(await isOwn(job))) throw missing()
}

/**
 * The same for a run that changes nothing.
 *
 * @throws {@link ArchiveError} `ARCHIVE_FOREIGN_STORE`; what a port throws
 */
export async function requireOwnPlace(job: Job): Promise<void> {
  if (!(await isOwn(job)) && job.catalog.state.segments.length > 0) throw missing()
}

/** @returns `false` if the place has no owner @throws {@link ArchiveError} `ARCHIVE_FOREIGN_STORE` */
async function isOwn({ catalog, objects }: Job): Promise<boolean> {
  if (!(await isThere(objects))) return false
  const ours = formatOwner(catalog.log, catalog.state)
  let at = 0
  let isSame = true
  for await (const chunk of objects.get(OWNER_KEY)) {
    isSame = isSame && chunk.every((byte, i) => byte === ours[at + i])
    at += chunk.length
    if (!isSame) break
  }
  if (isSame && at === ours.length) return true
  throw new ArchiveError(
    "ARCHIVE_FOREIGN_STORE",
    `${OWNER_KEY}: the segments there are another archive's: of another log, of another folder of this one, or of an archive.json that is not there`,
    { key: OWNER_KEY },
  )
}

async function isThere(objects: SegmentObjects): Promise<boolean> {
  for await (const { key } of objects.list(OWNER_KEY)) if (key === OWNER_KEY) return true
  return false
}

function formatOwner({ origin, logId }: LogIdentity, { owner }: ArchiveState): Uint8Array {
  const text = { format: "prooflog-archive-owner/1", origin, log_id: logId, owner }
  return new TextEncoder().encode(`${JSON.stringify(text)}\n`)
}

function missing(): ArchiveError {
  return new ArchiveError(
    "ARCHIVE_FOREIGN_STORE",
    `${OWNER_KEY}: it is not there, so that this is not the place of the segments that are known`,
    { key: OWNER_KEY },
  )
}
