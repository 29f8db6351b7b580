/**
 * Uploads: one request for what fits into a part, else one part after the other.
 *
 *     create ─► part 1 ─► part 2 ─► … ─► complete        visible from here on, whole
 *                                  └───► abort           whatever failed
 *
 * Each request carries the SHA-256 of its bytes, which the server holds against what arrived. One part is in memory at
 * a time, so that the SDK can send it again.
 *
 * A process that is killed leaves its parts in the bucket, where nobody can read them. They go with `destroy`, and by
 * the bucket's own rule for unfinished uploads, which every bucket should have.
 */

import { createHash } from "node:crypto"
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3"
import { checked, type NewObject } from "./object-store.js"
import { isNotImplemented, told } from "./s3-error.js"

/** S3 takes no parts below 5 MiB, but for the last one. */
export const PART_BYTES = 8 * 1024 * 1024

/** S3 takes no more. */
const MAX_PARTS = 10_000

/** Under which name an object keeps its whole SHA-256, in hexadecimal: S3's own of many parts is a hash of hashes. */
export const SHA256_NAME = "sha256"

export interface Place {
  readonly client: S3Client
  readonly bucket: string
  /** The key of the port, for errors. */
  readonly key: string
  /** The key in the bucket. */
  readonly Key: string
}

/**
 * Puts an object that is not there, in a way that fails if it is there by now: where the server knows how.
 *
 * @throws ObjectsError `OBJECTS_EXISTS` if the server found an object under the key
 */
export async function upload(
  place: Place,
  source: AsyncIterable<Uint8Array> | Uint8Array,
  object: NewObject,
): Promise<void> {
  const partBytes = Math.max(PART_BYTES, Math.ceil(object.bytes / MAX_PARTS))
  const parts = partsOf(checked(place.key, source, object), Math.min(partBytes, object.bytes))
  if (object.bytes > partBytes) await uploadParts(place, parts, object)
  else await uploadWhole(place, parts, object)
}

async function uploadWhole(
  { client, bucket, key, Key }: Place,
  parts: AsyncIterable<Uint8Array>,
  object: NewObject,
): Promise<void> {
  let Body: Uint8Array = new Uint8Array()
  for await (const part of parts) Body = part
  const ChecksumSHA256 = base64(object.sha256)
  await ifAbsent((condition) =>
    told(key, () =>
      client.send(
        new PutObjectCommand({
          Bucket: bucket,
          Key,
          Body,
          ContentLength: Body.length,
          ChecksumSHA256,
          ...about(object),
          ...condition,
        }),
      ),
    ),
  )
}

async function uploadParts(place: Place, parts: AsyncIterable<Uint8Array>, object: NewObject): Promise<void> {
  const { client, bucket, key, Key } = place
  const { UploadId } = await told(key, () =>
    client.send(
      new CreateMultipartUploadCommand({
        Bucket: bucket,
        Key,
        ChecksumAlgorithm: "SHA256",
        ...about(object),
      }),
    ),
  )
  const unfinished = { Bucket: bucket, Key, UploadId }
  try {
    const Parts: CompletedPart[] = []
    for await (const Body of parts) {
      const PartNumber = Parts.length + 1
      const ChecksumSHA256 = base64(createHash("sha256").update(Body).digest())
      const { ETag } = await told(key, () =>
        client.send(
          new UploadPartCommand({
            ...unfinished,
            PartNumber,
            Body,
            ContentLength: Body.length,
            ChecksumSHA256,
          }),
        ),
      )
      Parts.push({ PartNumber, ETag, ChecksumSHA256 })
    }
    await ifAbsent((condition) =>
      told(key, () =>
        client.send(
          new CompleteMultipartUploadCommand({ ...unfinished, MultipartUpload: { Parts }, ...condition }),
        ),
      ),
    )
  } catch (error) {
    await abort(place, UploadId as string, error)
    throw error
  }
}

/** Ends an upload that failed; an error of its own is told with the one that came first. */
async function abort({ client, bucket, Key }: Place, UploadId: string, failure: unknown): Promise<void> {
  try {
    await client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId }))
  } catch (error) {
    // It is over already: it was completed and the answer lost, or it was destroyed.
    if ((error as Error).name === "NoSuchUpload") return
    if (failure instanceof Error) {
      failure.message += ` (and its parts stay in the bucket for now: ${(error as Error).message})`
    }
  }
}

/** Asks with the condition that nothing is there, and without it where the server does not know it. */
async function ifAbsent<T>(send: (condition: { IfNoneMatch?: "*" }) => Promise<T>): Promise<T> {
  try {
    return await send({ IfNoneMatch: "*" })
  } catch (error) {
    if (!isNotImplemented(error)) throw error
    return await send({})
  }
}

function about({ sha256, storageClass }: NewObject) {
  const Metadata = { [SHA256_NAME]: Buffer.from(sha256).toString("hex") }
  return storageClass === undefined ? { Metadata } : { Metadata, StorageClass: storageClass }
}

/**
 * Cuts a stream into parts of `partBytes`, the last of what is left. All stand in the same memory, one after the other:
 * a part is sent, and answered, before the next is asked for.
 */
async function* partsOf(
  source: AsyncIterable<Uint8Array>,
  partBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const part = Buffer.alloc(partBytes)
  let filled = 0
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; ) {
      const piece = chunk.subarray(at, at + partBytes - filled)
      part.set(piece, filled)
      filled += piece.length
      at += piece.length
      if (filled < partBytes) continue
      yield part
      filled = 0
    }
  }
  if (filled > 0) yield part.subarray(0, filled)
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64")
}
