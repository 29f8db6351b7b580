/**
 * Destroying in a bucket: all that it keeps of one key.
 *
 *     unfinished uploads    aborted: their parts hold bytes
 *     versions              deleted by their ids, the current one like the old ones
 *     delete markers        deleted by their ids: they hold no bytes, but name the key
 *
 * A bucket with versioning answers a plain delete by putting a marker on top, and keeps every byte. So versions are
 * asked for by name, until there are none. Servers that keep no versions need not know the question.
 */

import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  ListObjectVersionsCommand,
  type ListObjectVersionsCommandOutput,
} from "@aws-sdk/client-s3"
import { ObjectsError } from "./error.js"
import { isNotImplemented, told } from "./s3-error.js"
import type { Place } from "./s3-upload.js"

/** Others may put the same key meanwhile; but not for ever. */
const MAX_ROUNDS = 10

interface Version {
  readonly id: string
  readonly isMarker: boolean
}

/**
 * Destroys every version of an object, and what else is under exactly its key.
 *
 * @returns how many versions had bytes
 * @throws ObjectsError `OBJECTS_LOCKED`, before anything was destroyed
 */
export async function destroyAll(place: Place): Promise<number> {
  const { key } = place
  let destroyed = 0
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const uploads = await unlessUnknown(() => uploadsOf(place), [])
    const versions = await unlessUnknown(() => versionsOf(place), [])
    const held = versions.filter(({ isMarker }) => !isMarker)
    for (const { id } of held) await requireUnlocked(place, id)
    for (const id of uploads) await abort(place, id)
    for (const { id } of versions) await remove(place, id)
    destroyed += held.length
    if (uploads.length > 0 || versions.length > 0) continue
    // No versions are told of: either there is nothing, or the server does not know versions.
    if (!(await isThere(place))) return destroyed
    await removeUnversioned(place)
    destroyed++
  }
  throw new ObjectsError("OBJECTS_UNAVAILABLE", "it comes back as often as it is destroyed", { key })
}

/** @throws ObjectsError `OBJECTS_LOCKED` if object lock holds this version */
async function requireUnlocked({ client, bucket, key, Key }: Place, VersionId: string): Promise<void> {
  const head = await told(key, () => client.send(new HeadObjectCommand({ Bucket: bucket, Key, VersionId })))
  if (head.ObjectLockLegalHoldStatus === "ON") {
    throw new ObjectsError("OBJECTS_LOCKED", `its version ${VersionId} is under legal hold`, { key })
  }
  const until = head.ObjectLockRetainUntilDate
  if (until !== undefined && until.getTime() > Date.now()) {
    const kind = head.ObjectLockMode?.toLowerCase()
    throw new ObjectsError(
      "OBJECTS_LOCKED",
      `its version ${VersionId} is locked (${kind}) until ${until.toISOString()}`,
      { key },
    )
  }
}

async function remove({ client, bucket, key, Key }: Place, VersionId: string): Promise<void> {
  await told(key, () => client.send(new DeleteObjectCommand({ Bucket: bucket, Key, VersionId })))
}

async function removeUnversioned({ client, bucket, key, Key }: Place): Promise<void> {
  const answer = await told(key, () => client.send(new DeleteObjectCommand({ Bucket: bucket, Key })))
  if (!answer.DeleteMarker) return
  throw new ObjectsError("OBJECTS_FAILED", "the bucket keeps old versions, but does not tell which", { key })
}

async function isThere({ client, bucket, key, Key }: Place): Promise<boolean> {
  try {
    await told(key, () => client.send(new HeadObjectCommand({ Bucket: bucket, Key })))
    return true
  } catch (error) {
    if ((error as ObjectsError).code === "OBJECTS_NOT_FOUND") return false
    throw error
  }
}

async function abort({ client, bucket, key, Key }: Place, UploadId: string): Promise<void> {
  try {
    await client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId }))
  } catch (error) {
    // Whoever began it has ended it meanwhile: what came of it is found in the next round.
    if ((error as Error).name !== "NoSuchUpload") await told(key, () => Promise.reject(error))
  }
}

/** Those of exactly this key: a server lists all that begin with it. */
async function versionsOf({ client, bucket, key, Key }: Place): Promise<Version[]> {
  const found: Version[] = []
  let page: Partial<ListObjectVersionsCommandOutput> = {}
  do {
    const request = new ListObjectVersionsCommand({
      Bucket: bucket,
      Prefix: Key,
      KeyMarker: page.NextKeyMarker,
      VersionIdMarker: page.NextVersionIdMarker,
    })
    page = await told(key, () => client.send(request))
    for (const version of page.Versions ?? []) {
      if (version.Key === Key) found.push({ id: version.VersionId as string, isMarker: false })
    }
    for (const marker of page.DeleteMarkers ?? []) {
      if (marker.Key === Key) found.push({ id: marker.VersionId as string, isMarker: true })
    }
  } while (page.IsTruncated)
  return found
}

/** Of exactly this key, as above. */
async function uploadsOf({ client, bucket, key, Key }: Place): Promise<string[]> {
  const found: string[] = []
  let page: Partial<ListMultipartUploadsCommandOutput> = {}
  do {
    const request = new ListMultipartUploadsCommand({
      Bucket: bucket,
      Prefix: Key,
      KeyMarker: page.NextKeyMarker,
      UploadIdMarker: page.NextUploadIdMarker,
    })
    page = await told(key, () => client.send(request))
    for (const upload of page.Uploads ?? []) if (upload.Key === Key) found.push(upload.UploadId as string)
  } while (page.IsTruncated)
  return found
}

async function unlessUnknown<T>(ask: () => Promise<T>, otherwise: T): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (isNotImplemented(error)) return otherwise
    throw error
  }
}
