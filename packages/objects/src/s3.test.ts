/** The store on a bucket that stands in for S3: what it asks for, and what it makes of what goes wrong. */

import { afterEach, beforeEach, describe, expect, it } from "vitest"
import type { ObjectStore } from "./object-store.js"
import { type ObjectStoreUnderTest, objectStoreSuite } from "./object-store-suite.js"
import { openS3 } from "./s3.js"
import { StandInBucket, type StandInOptions } from "./stand-in-bucket.js"
import { digestOf, read } from "./store-under-test.js"

class BucketUnderTest implements ObjectStoreUnderTest {
  readonly #bucket: StandInBucket

  constructor(bucket: StandInBucket) {
    this.#bucket = bucket
  }

  open() {
    return openS3(this.#bucket.options)
  }

  async flipBit(key: string) {
    const bytes = this.#bucket.current(`log/${key}`)?.bytes as Buffer
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1
  }

  async cutShort(key: string) {
    const version = this.#bucket.current(`log/${key}`)
    if (version !== undefined) version.bytes = version.bytes?.subarray(0, -1) as Buffer
  }

  async holds(bytes: Uint8Array) {
    return this.#bucket.holds(bytes)
  }

  async destroy() {
    await this.#bucket.stop()
  }
}

const sit = (name: string, options: StandInOptions) =>
  objectStoreSuite(
    name,
    { describe, it },
    async () => new BucketUnderTest(await StandInBucket.start(options)),
  )

sit("a bucket", { pageSize: 3 })
sit("a bucket with versions", { versioning: true, pageSize: 3 })

const BYTES = Buffer.from("the bytes of an object")
const LARGE = Buffer.alloc(20 * 1024 * 1024, "the bytes of a large object ")

let bucket: StandInBucket
let store: ObjectStore

async function start(options: StandInOptions = {}): Promise<void> {
  bucket = await StandInBucket.start(options)
  store = await openS3(bucket.options)
  bucket.asked.length = 0
}

beforeEach(() => start({ versioning: true }))
afterEach(() => bucket.stop())

const operations = () => bucket.asked.map(({ operation }) => operation)

describe("a put", () => {
  it("asks whether it is there, puts on condition that it is not, and looks", async () => {
    await store.put("a/b", BYTES, digestOf(BYTES))
    expect(operations()).toEqual(["HeadObject", "PutObject", "HeadObject"])
    const { key, headers } = bucket.asked[1] as (typeof bucket.asked)[0]
    const { sha256 } = digestOf(BYTES)
    expect(key).toBe("log/a/b")
    expect(headers).toMatchObject({
      "if-none-match": "*",
      "x-amz-checksum-sha256": Buffer.from(sha256).toString("base64"),
      "x-amz-meta-sha256": Buffer.from(sha256).toString("hex"),
    })
    expect(headers).not.toHaveProperty("x-amz-storage-class")
  })

  it("of a large object sends part by part, each with its checksum", async () => {
    await store.put("a", LARGE, { ...digestOf(LARGE), storageClass: "GLACIER_IR" })
    const parts = ["UploadPart", "UploadPart", "UploadPart"]
    expect(operations()).toEqual([
      "HeadObject",
      "CreateMultipartUpload",
      ...parts,
      "CompleteMultipartUpload",
      "HeadObject",
    ])
    expect(bucket.asked[1]?.headers["x-amz-storage-class"]).toBe("GLACIER_IR")
    for (const { headers } of bucket.asked.slice(2, 5)) {
      expect(headers["x-amz-checksum-sha256"]).toMatch(/^[\w+/]{43}=$/)
    }
    expect(bucket.asked[5]?.headers["if-none-match"]).toBe("*")
  })

  it("takes the storage class of the store where it has none", async () => {
    store = await openS3({ ...bucket.options, storageClass: "STANDARD_IA" })
    await store.put("a", BYTES, digestOf(BYTES))
    await store.put("b", BYTES, { ...digestOf(BYTES), storageClass: "ONEZONE_IA" })
    expect(bucket.current("log/a")?.headers["x-amz-storage-class"]).toBe("STANDARD_IA")
    expect(bucket.current("log/b")?.headers["x-amz-storage-class"]).toBe("ONEZONE_IA")
  })

  it("of an object that is there sends nothing, and reads nothing of its source", async () => {
    await store.put("a", BYTES, digestOf(BYTES))
    bucket.asked.length = 0
    // biome-ignore lint/correctness/useYield: that it is not read is what is tested
    async function* unread(): AsyncGenerator<Uint8Array> {
      throw new Error("the source is read")
    }
    await store.put("a", unread(), digestOf(BYTES))
    expect(operations()).toEqual(["HeadObject"])
  })

  it("holds an object that others put, without a hash beside it, against the bytes", async () => {
    const key = "log/a"
    bucket.versions.push({ key, id: "null", bytes: BYTES, headers: {} })
    await store.put("a", BYTES, digestOf(BYTES))
    const other = Buffer.from("THE BYTES OF AN OBJECT")
    await expect(store.put("a", other, digestOf(other))).rejects.toMatchObject({ code: "OBJECTS_EXISTS" })
  })

  it("whose answer was lost is found done", async () => {
    bucket.fail("PutObject", "lost answer")
    await store.put("a", BYTES, digestOf(BYTES))
    bucket.fail("CompleteMultipartUpload", "lost answer")
    await store.put("b", LARGE, digestOf(LARGE))
    expect(await store.destroy("a")).toBe(1)
    expect(await store.destroy("b")).toBe(1)
    expect(bucket.uploads).toEqual([])
  })

  it("is done without the condition where the server does not know it", async () => {
    for (const options of [
      { lacks: ["If-None-Match"] },
      { ignores: ["If-None-Match"] },
    ] satisfies StandInOptions[]) {
      await bucket.stop()
      await start(options)
      await store.put("a", BYTES, digestOf(BYTES))
      await store.put("b", LARGE, digestOf(LARGE))
      expect(await read(store, "a", digestOf(BYTES))).toEqual(BYTES)
      expect((await read(store, "b", digestOf(LARGE))).equals(LARGE)).toBe(true)
      await expect(store.put("a", LARGE, digestOf(LARGE))).rejects.toMatchObject({ code: "OBJECTS_EXISTS" })
    }
  })

  it("that another overwrote, where the server does not know the condition, is not acknowledged", async () => {
    await bucket.stop()
    await start({ ignores: ["If-None-Match"] })
    const other = Buffer.from("others")
    async function* late(): AsyncGenerator<Uint8Array> {
      yield BYTES
      // Between our put and our look: the stand-in answers the put when it has kept it.
      bucket.afterNext("PutObject", () => {
        bucket.versions = [{ key: "log/a", id: "null", bytes: other, headers: {} }]
      })
    }
    await expect(store.put("a", late(), digestOf(BYTES))).rejects.toMatchObject({ code: "OBJECTS_EXISTS" })
  })

  it("that fails aborts its upload", async () => {
    bucket.fail("UploadPart", { status: 403, code: "AccessDenied" })
    await expect(store.put("a", LARGE, digestOf(LARGE))).rejects.toMatchObject({
      code: "OBJECTS_ACCESS_DENIED",
    })
    expect(operations().at(-1)).toBe("AbortMultipartUpload")
    expect(bucket.uploads).toEqual([])
  })

  it("that cannot even abort says so, and what is left goes with the object", async () => {
    bucket.fail("UploadPart", { status: 403, code: "AccessDenied" })
    bucket.fail("AbortMultipartUpload", { status: 403, code: "AccessDenied" })
    await expect(store.put("a", LARGE, digestOf(LARGE))).rejects.toThrow(/parts stay in the bucket for now/)
    bucket.fail("UploadPart", { status: 403, code: "AccessDenied" })
    bucket.fail("AbortMultipartUpload", { status: 403, code: "AccessDenied" })
    await expect(store.put("a.json", LARGE, digestOf(LARGE))).rejects.toThrow(
      /parts stay in the bucket for now/,
    )
    expect(bucket.uploads.map(({ key }) => key)).toEqual(["log/a", "log/a.json"])
    expect(await store.destroy("a")).toBe(0)
    expect(bucket.uploads.map(({ key }) => key)).toEqual(["log/a.json"])
  })

  it("that is acknowledged and then not there is not believed", async () => {
    bucket.afterNext("PutObject", () => {
      bucket.versions = []
    })
    await expect(store.put("a", BYTES, digestOf(BYTES))).rejects.toMatchObject({ code: "OBJECTS_FAILED" })
  })

  it("whose bytes change on their way is refused by the server", async () => {
    const wrong = { status: 400, code: "BadDigest" }
    bucket.fail("PutObject", wrong)
    await expect(store.put("a", BYTES, digestOf(BYTES))).rejects.toMatchObject({ code: "OBJECTS_DAMAGED" })
  })
})

describe("a get", () => {
  it("finds a changed byte by itself in what this room put", async () => {
    await store.put("a", BYTES, digestOf(BYTES))
    ;(bucket.current("log/a")?.bytes as Buffer)[3] = 0
    await expect(read(store, "a")).rejects.toMatchObject({ code: "OBJECTS_DAMAGED" })
  })

  it("whose connection breaks rejects, and never ends as if it were whole", async () => {
    await store.put("a", LARGE, digestOf(LARGE))
    bucket.fail("GetObject", "cut body")
    await expect(read(store, "a")).rejects.toMatchObject({ code: "OBJECTS_UNAVAILABLE", key: "a" })
    expect((await read(store, "a")).equals(LARGE)).toBe(true)
  })

  it("of an object that a rule moved away says that it must be restored", async () => {
    await store.put("a", BYTES, digestOf(BYTES))
    bucket.fail("GetObject", { status: 403, code: "InvalidObjectState" })
    await expect(read(store, "a")).rejects.toMatchObject({ code: "OBJECTS_COLD" })
  })
})

describe("a destruction", () => {
  const version = (key: string, id: string, bytes?: Buffer) => ({
    key: `log/${key}`,
    id,
    headers: {},
    ...(bytes === undefined ? {} : { bytes }),
  })

  it("deletes every version and marker of exactly that key, whatever is below, beside and on top", async () => {
    await bucket.stop()
    await start({ versioning: true, pageSize: 2 })
    const kept = [
      version("a.json", "5", BYTES),
      version("a-1", "6", BYTES),
      version("ab", "7"),
      version("a/b", "8", BYTES),
    ]
    bucket.versions = [
      version("a", "1", Buffer.from("oldest")),
      version("a", "2"),
      ...kept,
      version("a", "3", Buffer.from("older")),
      version("a", "4", BYTES),
      version("a", "9"),
    ]
    expect(await store.size("a")).toBeUndefined()
    expect(await store.destroy("a")).toBe(3)
    expect(bucket.versions).toEqual(kept)
    const deleted = bucket.asked.filter(({ operation }) => operation === "DeleteObject")
    expect(deleted.map(({ query }) => query.versionId).sort()).toEqual(["1", "2", "3", "4", "9"])
    // A plain delete would have put a marker, and kept the bytes.
    expect(deleted.every(({ query }) => query.versionId !== undefined)).toBe(true)
  })

  it.each<readonly [string, object, RegExp]>([
    [
      "locked",
      { lockedUntilMs: Date.UTC(2099, 0, 1) },
      /locked \(compliance\) until 2099-01-01T00:00:00.000Z/,
    ],
    ["under legal hold", { legalHold: true }, /legal hold/],
  ])("is refused while an old version is %s, and nothing of it is touched", async (_, lock, words) => {
    // Page by page, newest first: what was already listed must wait for what is not.
    await bucket.stop()
    await start({ versioning: true, pageSize: 1 })
    bucket.versions = [
      version("a", "1", Buffer.from("oldest")),
      { ...version("a", "2", BYTES), ...lock },
      version("a", "3", BYTES),
    ]
    const before = [...bucket.versions]
    const refused = store.destroy("a")
    await expect(refused).rejects.toMatchObject({ name: "ObjectsError", code: "OBJECTS_LOCKED", key: "a" })
    await expect(refused).rejects.toThrow(words)
    expect(bucket.versions).toEqual(before)
    expect(operations()).not.toContain("DeleteObject")
  })

  it("is done once the lock has ended", async () => {
    bucket.versions = [{ ...version("a", "1", BYTES), lockedUntilMs: Date.UTC(2020, 0, 1) }]
    expect(await store.destroy("a")).toBe(1)
  })

  it("that fails in the middle is asked again", async () => {
    bucket.versions = [version("a", "1", BYTES), version("a", "2", BYTES), version("a", "3", BYTES)]
    const denied = { status: 403, code: "AccessDenied" }
    bucket.afterNext("DeleteObject", () => bucket.fail("DeleteObject", denied))
    await expect(store.destroy("a")).rejects.toMatchObject({ code: "OBJECTS_ACCESS_DENIED" })
    expect(bucket.versions).toHaveLength(2)
    expect(await store.destroy("a")).toBe(2)
    expect(bucket.versions).toEqual([])
  })

  it("goes on until nothing is left, if another puts meanwhile", async () => {
    bucket.versions = [version("a", "1", BYTES)]
    bucket.afterNext("DeleteObject", () => bucket.versions.push(version("a", "2", BYTES)))
    expect(await store.destroy("a")).toBe(2)
    expect(bucket.versions).toEqual([])
  })

  it("of what always comes back does not go on for ever", async () => {
    bucket.versions = [version("a", "1", BYTES)]
    const again = () => {
      bucket.versions.push(version("a", "1", BYTES))
      bucket.afterNext("DeleteObject", again)
    }
    bucket.afterNext("DeleteObject", again)
    await expect(store.destroy("a")).rejects.toMatchObject({ code: "OBJECTS_UNAVAILABLE" })
  })

  it("works where the server knows neither versions nor lists of uploads", async () => {
    await bucket.stop()
    await start({ lacks: ["ListObjectVersions", "ListMultipartUploads"] })
    await store.put("a", BYTES, digestOf(BYTES))
    await store.put("a.json", BYTES, digestOf(BYTES))
    expect(await store.destroy("a")).toBe(1)
    expect(bucket.versions.map(({ key }) => key)).toEqual(["log/a.json"])
  })

  it("is not believed where the server keeps versions and does not tell them", async () => {
    await bucket.stop()
    await start({ versioning: true, lacks: ["ListObjectVersions"] })
    await store.put("a", BYTES, digestOf(BYTES))
    await expect(store.destroy("a")).rejects.toMatchObject({ code: "OBJECTS_FAILED" })
  })

  it("is not believed if it may not list versions", async () => {
    await store.put("a", BYTES, digestOf(BYTES))
    bucket.fail("ListObjectVersions", { status: 403, code: "AccessDenied" })
    await expect(store.destroy("a")).rejects.toMatchObject({ code: "OBJECTS_ACCESS_DENIED" })
    expect(bucket.current("log/a")?.bytes).toEqual(BYTES)
  })
})

describe("what goes wrong", () => {
  it("when opening is told at once", async () => {
    const { options } = bucket
    const credentials = { accessKeyId: "unknown", secretAccessKey: "secret" }
    await expect(openS3({ ...options, credentials })).rejects.toMatchObject({
      code: "OBJECTS_BAD_CREDENTIALS",
    })
    await expect(openS3({ ...options, bucket: "other" })).rejects.toMatchObject({ code: "OBJECTS_NO_BUCKET" })
    bucket.fail("ListObjectsV2", { status: 301, code: "PermanentRedirect" })
    await expect(openS3(options)).rejects.toMatchObject({ code: "OBJECTS_NO_BUCKET" })
    bucket.fail("ListObjectsV2", { status: 403, code: "AccessDenied" })
    await expect(openS3(options)).rejects.toMatchObject({ code: "OBJECTS_ACCESS_DENIED" })
    for (const prefix of ["/a", "a//b", "a b", "ä", "x".repeat(201)]) {
      await expect(openS3({ ...options, prefix })).rejects.toThrow(RangeError)
    }
  })

  it("with nobody listening is told as unavailable", async () => {
    const { options } = bucket
    await bucket.stop()
    await expect(openS3(options)).rejects.toMatchObject({
      code: "OBJECTS_UNAVAILABLE",
      cause: { code: "ECONNREFUSED" },
    })
    await start()
  })

  it.each([
    [403, "ExpiredToken", "OBJECTS_BAD_CREDENTIALS"],
    [403, "SignatureDoesNotMatch", "OBJECTS_BAD_CREDENTIALS"],
    [403, "RequestTimeTooSkewed", "OBJECTS_BAD_CREDENTIALS"],
    [403, "AccessDenied", "OBJECTS_ACCESS_DENIED"],
    [403, "SomethingNew", "OBJECTS_ACCESS_DENIED"],
    [403, "QuotaExceeded", "OBJECTS_NO_ROOM"],
    [507, "XMinioStorageFull", "OBJECTS_NO_ROOM"],
    [404, "NoSuchBucket", "OBJECTS_NO_BUCKET"],
    [409, "ConditionalRequestConflict", "OBJECTS_UNAVAILABLE"],
    [400, "SomethingNew", "OBJECTS_FAILED"],
  ] as const)("%i %s is %s, and names the key", async (status, code, expected) => {
    // A full disk is tried again as every error of a server: it must stay full for all attempts.
    bucket.fail("PutObject", ...Array.from({ length: 5 }, () => ({ status, code })))
    await expect(store.put("a", BYTES, digestOf(BYTES))).rejects.toMatchObject({
      name: "ObjectsError",
      code: expected,
      key: "a",
      message: expect.stringContaining(code),
    })
  })

  it("of a head has no words, but a status", async () => {
    bucket.fail("HeadObject", { status: 403, code: "AccessDenied" })
    await expect(store.size("a")).rejects.toMatchObject({ code: "OBJECTS_ACCESS_DENIED" })
  })

  it("for a while, as throttling, is tried again", async () => {
    const slow = { status: 503, code: "SlowDown" }
    bucket.fail("PutObject", slow, slow)
    bucket.fail("UploadPart", slow, { status: 500, code: "InternalError" })
    await store.put("a", BYTES, digestOf(BYTES))
    await store.put("b", LARGE, digestOf(LARGE))
    expect(operations().filter((operation) => operation === "PutObject")).toHaveLength(3)
    expect(operations().filter((operation) => operation === "UploadPart")).toHaveLength(5)
    expect((await read(store, "b", digestOf(LARGE))).equals(LARGE)).toBe(true)
  })

  it("for long is told as unavailable", async () => {
    bucket.fail("PutObject", ...Array.from({ length: 5 }, () => ({ status: 500, code: "InternalError" })))
    await expect(store.put("a", BYTES, digestOf(BYTES))).rejects.toMatchObject({
      code: "OBJECTS_UNAVAILABLE",
    })
    expect(operations().filter((operation) => operation === "PutObject")).toHaveLength(5)
  })

  it("never shows a credential", async () => {
    const { options } = bucket
    const credentials = { accessKeyId: "unknown", secretAccessKey: "hush-hush-hush" }
    const error = await openS3({ ...options, credentials }).catch((error: unknown) => error)
    expect(String(error)).not.toContain("hush")
  })
})

describe("a list", () => {
  it("passes over what has no key, and keeps to its prefix", async () => {
    await store.put("a", BYTES, digestOf(BYTES))
    for (const key of ["other/b", "log/UPPER", "log/folder/", "log", "logs/a"]) {
      bucket.versions.push({ key, id: "1", bytes: BYTES, headers: {} })
    }
    const keys = []
    for await (const { key } of store.list("")) keys.push(key)
    expect(keys).toEqual(["a"])
  })
})
