/**
 * Objects in a bucket of S3, or of a server that speaks as S3 does.
 *
 *     put      is it there? ─► upload, on condition that it is not ─► is it there, and ours?
 *     get      streamed, held against its length and its hash
 *     destroy  every version of exactly this key
 *
 * S3 is consistent: what it acknowledged, it answers. A server that does not know the condition `If-None-Match: *`
 * lets the last of two writers win who put other bytes under one key at the same time; the other learns it, if it still
 * looks. Keys that carry a hash of their bytes have no such others.
 */

import { createHash } from "node:crypto"
import { GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3"
import { ObjectsError } from "./error.js"
import {
  checked,
  existsAlready,
  isKey,
  isSame,
  type ListedObject,
  type NewObject,
  type ObjectDigest,
  type ObjectStore,
  requireDigest,
  requireKey,
  requirePrefix,
  type StorageClass,
} from "./object-store.js"
import { destroyAll } from "./s3-destroy.js"
import { told, toObjectsError } from "./s3-error.js"
import { type Place, SHA256_NAME, upload } from "./s3-upload.js"

export interface S3Options {
  readonly bucket: string
  /** Before every key, as the name of a folder: one log, one prefix. Up to 200 of `[A-Za-z0-9_.=/-]`. */
  readonly prefix?: string
  readonly region: string
  /** URL of a server other than AWS; buckets are then addressed in the path. Without TLS, all can be read on the way. */
  readonly endpoint?: string
  /** Where absent, they are found as every tool of AWS finds them: environment, profile, machine role. */
  readonly credentials?: S3Credentials
  /** For objects that are put without one of their own. */
  readonly storageClass?: StorageClass
}

export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

/** How often a request is sent before it counts as failed; longer and longer apart. */
const MAX_ATTEMPTS = 5

const CONNECT_TIMEOUT_MS = 10_000

/** Of a connection on which nothing moves. */
const IDLE_TIMEOUT_MS = 60_000

const PREFIX = /^[\w.=-]+(?:\/[\w.=-]+)*\/?$/
const MAX_PREFIX_LENGTH = 200

/**
 * Opens a bucket as a store, and asks it for one key, so that wrong credentials or a wrong name are told now.
 *
 * @throws ObjectsError `OBJECTS_BAD_CREDENTIALS`, `OBJECTS_ACCESS_DENIED`, `OBJECTS_NO_BUCKET`, `OBJECTS_UNAVAILABLE`
 * @throws RangeError for a prefix with other characters
 */
export async function openS3(options: S3Options): Promise<ObjectStore> {
  const { bucket, prefix = "", region, endpoint, credentials, storageClass } = options
  if (prefix !== "" && (!PREFIX.test(prefix) || prefix.length > MAX_PREFIX_LENGTH)) {
    throw new RangeError(`expected a prefix for keys, got ${JSON.stringify(prefix)}`)
  }
  const client = new S3Client({
    region,
    maxAttempts: MAX_ATTEMPTS,
    requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS, socketTimeout: IDLE_TIMEOUT_MS },
    // We give SHA-256 where bytes are sent, and look at it where they are read; not every server knows the others.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    ...(credentials === undefined ? {} : { credentials }),
  })
  const start = prefix === "" || prefix.endsWith("/") ? prefix : `${prefix}/`
  await told(undefined, () =>
    client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: start, MaxKeys: 1 })),
  )
  return new S3Store(client, bucket, start, storageClass)
}

interface Found {
  readonly bytes: number
  /** Absent if something else than this room put it. */
  readonly sha256: Uint8Array | undefined
}

class S3Store implements ObjectStore {
  readonly #client: S3Client
  readonly #bucket: string
  readonly #prefix: string
  readonly #storageClass: StorageClass | undefined

  constructor(client: S3Client, bucket: string, prefix: string, storageClass: StorageClass | undefined) {
    this.#client = client
    this.#bucket = bucket
    this.#prefix = prefix
    this.#storageClass = storageClass
  }

  async put(key: string, source: AsyncIterable<Uint8Array> | Uint8Array, object: NewObject): Promise<void> {
    const place = this.#placeOf(key)
    requireDigest(object)
    const before = await this.#find(place)
    if (before !== undefined) return await this.#requireSame(key, before, object)
    const storageClass = object.storageClass ?? this.#storageClass
    const failure = await upload(
      place,
      source,
      storageClass === undefined ? object : { ...object, storageClass },
    )
      .then(() => undefined)
      .catch((error: unknown) => {
        if (isUndecided(error)) return error
        throw error
      })
    // An answer can be lost on its way, and another can have been first: what is there decides.
    const after = await this.#find(place).catch((error: unknown) => {
      throw failure ?? error
    })
    if (after !== undefined) return await this.#requireSame(key, after, object)
    throw failure ?? new ObjectsError("OBJECTS_FAILED", "it was acknowledged and is not there", { key })
  }

  async *get(key: string, expected?: ObjectDigest): AsyncGenerator<Uint8Array, void, undefined> {
    const place = this.#placeOf(key)
    if (expected !== undefined) requireDigest(expected)
    const answer = await told(key, () =>
      this.#client.send(new GetObjectCommand({ Bucket: this.#bucket, Key: place.Key })),
    )
    const body = answer.Body as AsyncIterable<Uint8Array> | undefined
    const found = { bytes: answer.ContentLength ?? 0, sha256: sha256Of(answer.Metadata) }
    yield* checked(key, toldWhile(key, body ?? new Uint8Array()), expected ?? found)
  }

  async size(key: string): Promise<number | undefined> {
    return (await this.#find(this.#placeOf(key)))?.bytes
  }

  async *list(prefix: string): AsyncGenerator<ListedObject, void, undefined> {
    requirePrefix(prefix)
    let token: string | undefined
    do {
      const request = {
        Bucket: this.#bucket,
        Prefix: this.#prefix + prefix,
        ...(token === undefined ? {} : { ContinuationToken: token }),
      }
      const page = await told(undefined, () => this.#client.send(new ListObjectsV2Command(request)))
      for (const { Key = "", Size = 0 } of page.Contents ?? []) {
        const key = Key.slice(this.#prefix.length)
        if (isKey(key)) yield { key, bytes: Size }
      }
      token = page.IsTruncated ? page.NextContinuationToken : undefined
    } while (token !== undefined)
  }

  async destroy(key: string): Promise<number> {
    return await destroyAll(this.#placeOf(key))
  }

  #placeOf(key: string): Place {
    requireKey(key)
    return { client: this.#client, bucket: this.#bucket, key, Key: this.#prefix + key }
  }

  async #find({ key, Key }: Place): Promise<Found | undefined> {
    try {
      const head = await told(key, () =>
        this.#client.send(new HeadObjectCommand({ Bucket: this.#bucket, Key })),
      )
      return { bytes: head.ContentLength ?? 0, sha256: sha256Of(head.Metadata) }
    } catch (error) {
      if ((error as ObjectsError).code === "OBJECTS_NOT_FOUND") return undefined
      throw error
    }
  }

  /** @throws ObjectsError `OBJECTS_EXISTS` if what is found is something else than what is put */
  async #requireSame(key: string, { bytes, sha256 }: Found, object: ObjectDigest): Promise<void> {
    if (bytes !== object.bytes) throw existsAlready(key)
    if (!isSame({ bytes, sha256: sha256 ?? (await this.#hashOf(key)) }, object)) throw existsAlready(key)
  }

  async #hashOf(key: string): Promise<Uint8Array> {
    const hash = createHash("sha256")
    for await (const chunk of this.get(key)) hash.update(chunk)
    return hash.digest()
  }
}

/** Whether an upload that failed so may have put the object all the same, or found one. */
function isUndecided(error: unknown): boolean {
  if (!(error instanceof ObjectsError)) return false
  return error.code === "OBJECTS_UNAVAILABLE" || error.code === "OBJECTS_EXISTS"
}

function sha256Of(metadata: Record<string, string> | undefined): Uint8Array | undefined {
  const hex = metadata?.[SHA256_NAME]
  return hex !== undefined && /^[0-9a-f]{64}$/.test(hex) ? Buffer.from(hex, "hex") : undefined
}

/** The bytes of an answer; where the connection breaks, that is told in our words. */
async function* toldWhile(
  key: string,
  body: AsyncIterable<Uint8Array> | Uint8Array,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* body instanceof Uint8Array ? [body] : body
  } catch (error) {
    throw toObjectsError(key, error)
  }
}
