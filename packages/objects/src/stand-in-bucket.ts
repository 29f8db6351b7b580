/**
 * A bucket that stands in for S3 in tests: it keeps versions, holds locks, fails as told and writes down what it was
 * asked. It listens on 127.0.0.1 and keeps everything in memory.
 *
 *     const bucket = await StandInBucket.start({ versioning: true })
 *     const store = await openS3(bucket.options)
 *     …
 *     await bucket.stop()
 *
 * It knows the operations that this room uses, and holds every checksum it is sent against the bytes. Signatures it does
 * not check: only that the access key is its own.
 */

import { createHash } from "node:crypto"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import type { S3Options } from "./s3.js"

export type Operation =
  | "AbortMultipartUpload"
  | "CompleteMultipartUpload"
  | "CreateMultipartUpload"
  | "DeleteObject"
  | "GetObject"
  | "HeadObject"
  | "ListMultipartUploads"
  | "ListObjectVersions"
  | "ListObjectsV2"
  | "PutObject"
  | "UploadPart"

export interface StandInOptions {
  /** Whether a put keeps what was there, and a delete marks it. False if absent. */
  readonly versioning?: boolean
  /** Most rows of one answer of a list; 1,000 if absent. */
  readonly pageSize?: number
  /** What it does not know: it answers 501. `If-None-Match` is passed over in silence if `"ignores"` says so. */
  readonly lacks?: readonly (Operation | "If-None-Match")[]
  readonly ignores?: readonly "If-None-Match"[]
}

/** An answer in place of the right one, or the right one lost: on the way back, or in the middle of its body. */
export type Fault = { readonly status: number; readonly code: string } | "lost answer" | "cut body"

export interface AskedFor {
  readonly operation: Operation
  /** Key in the bucket, with the store's prefix; `""` for lists. */
  readonly key: string
  readonly query: Readonly<Record<string, string>>
  readonly headers: IncomingMessage["headers"]
}

export interface KeptVersion {
  readonly key: string
  readonly id: string
  /** Absent for a delete marker. */
  bytes?: Buffer
  readonly headers: Readonly<Record<string, string>>
  /** Until when object lock holds it, in ms since 1970. */
  lockedUntilMs?: number
  legalHold?: boolean
}

interface Upload {
  readonly id: string
  readonly key: string
  readonly headers: Readonly<Record<string, string>>
  readonly parts: Map<number, Buffer>
}

interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer | string
}

const BUCKET = "bucket"
const ACCESS_KEY = "stand-in"

/** Headers of a put that come back with the object. */
const KEPT_HEADERS = /^x-amz-(?:meta-.*|storage-class)$/

export class StandInBucket {
  /** What it was asked, in order. */
  readonly asked: AskedFor[] = []
  /** Everything that is kept, oldest first. */
  versions: KeptVersion[] = []
  uploads: Upload[] = []
  readonly #options: StandInOptions
  readonly #server: Server
  readonly #faults: { readonly operation: Operation; readonly fault: Fault }[] = []
  readonly #hooks: { readonly operation: Operation; readonly act: () => void }[] = []
  #count = 0

  private constructor(options: StandInOptions) {
    this.#options = options
    this.#server = createServer((req, res) => {
      this.#handle(req, res).catch((error: unknown) => res.destroy(error as Error))
    })
  }

  static async start(options: StandInOptions = {}): Promise<StandInBucket> {
    const bucket = new StandInBucket(options)
    await new Promise<void>((resolve) => bucket.#server.listen(0, "127.0.0.1", resolve))
    bucket.#server.unref()
    return bucket
  }

  /** What opens it. */
  get options(): S3Options {
    const { port } = this.#server.address() as AddressInfo
    return {
      bucket: BUCKET,
      prefix: "log/",
      region: "us-east-1",
      endpoint: `http://127.0.0.1:${port}`,
      credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: "secret" },
    }
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  /** Makes the next requests of this kind fail, one for each fault. */
  fail(operation: Operation, ...faults: Fault[]): void {
    for (const fault of faults) this.#faults.push({ operation, fault })
  }

  /** Does something right after the next request of this kind was done, before it is answered. */
  afterNext(operation: Operation, act: () => void): void {
    this.#hooks.push({ operation, act })
  }

  /** The current version of a key, `undefined` if there is none or it is marked as deleted. */
  current(key: string): KeptVersion | undefined {
    const last = this.versions.findLast((version) => version.key === key)
    return last?.bytes === undefined ? undefined : last
  }

  /** Whether these bytes are in a version or a part. */
  holds(bytes: Uint8Array): boolean {
    const kept = this.versions.map((version) => version.bytes ?? Buffer.alloc(0))
    for (const { parts } of this.uploads) kept.push(...parts.values())
    return kept.some((each) => each.includes(Buffer.from(bytes)))
  }

  async #handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const url = new URL(req.url ?? "", "http://bucket")
    const [, bucket = "", ...parts] = decodeURIComponent(url.pathname).split("/")
    const query = Object.fromEntries(url.searchParams)
    const key = parts.join("/")
    const body = await bodyOf(req)
    const operation = operationOf(req.method ?? "", key, query)
    const asked: AskedFor = { operation, key, query, headers: req.headers }
    this.asked.push(asked)
    const at = this.#faults.findIndex((each) => each.operation === operation)
    const [{ fault } = { fault: undefined }] = at < 0 ? [] : this.#faults.splice(at, 1)
    if (typeof fault === "object") return send(req, res, problem(fault.status, fault.code))
    const answer = this.#refusal(asked, bucket, body) ?? this.#answer(asked, body)
    const hook = this.#hooks.findIndex((each) => each.operation === operation)
    if (hook >= 0) this.#hooks.splice(hook, 1)[0]?.act()
    if (fault === "lost answer") return void res.destroy()
    if (fault === "cut body") {
      const whole = answer.body as Buffer
      res.writeHead(answer.status, { ...answer.headers, "content-length": String(whole.length) })
      return void res.write(whole.subarray(0, whole.length >> 1), () => res.destroy())
    }
    send(req, res, answer)
  }

  #refusal({ operation, headers }: AskedFor, bucket: string, body: Buffer): Answer | undefined {
    const { lacks = [] } = this.#options
    if (!headers.authorization?.includes(`Credential=${ACCESS_KEY}/`))
      return problem(403, "InvalidAccessKeyId")
    if (bucket !== BUCKET) return problem(404, "NoSuchBucket")
    if (lacks.includes(operation)) return problem(501, "NotImplemented")
    if (headers["if-none-match"] !== undefined && lacks.includes("If-None-Match")) {
      return problem(501, "NotImplemented")
    }
    const sum = headers["x-amz-checksum-sha256"]
    const sha256 = createHash("sha256").update(body).digest()
    if (sum !== undefined && sum !== sha256.toString("base64")) return problem(400, "BadDigest")
    const signed = headers["x-amz-content-sha256"]
    if (signed !== sha256.toString("hex")) return problem(400, "XAmzContentSHA256Mismatch")
    return undefined
  }

  #answer(asked: AskedFor, body: Buffer): Answer {
    const { operation, key, query, headers } = asked
    switch (operation) {
      case "PutObject":
        if (headers["x-amz-checksum-sha256"] === undefined) return problem(400, "InvalidRequest")
        return this.#conflict(asked) ?? this.#keep(key, body, keptHeaders(headers))
      case "GetObject":
      case "HeadObject":
        return this.#show(key, query.versionId)
      case "DeleteObject":
        return this.#delete(key, query.versionId)
      case "ListObjectsV2":
        return this.#list(query)
      case "ListObjectVersions":
        return this.#listVersions(query)
      case "ListMultipartUploads":
        return this.#listUploads(query)
      case "CreateMultipartUpload": {
        const id = `upload-${this.#count++}`
        this.uploads.push({ id, key, headers: keptHeaders(headers), parts: new Map() })
        return xml("InitiateMultipartUploadResult", `<UploadId>${id}</UploadId>`)
      }
      default:
        return this.#answerUpload(asked, body)
    }
  }

  #answerUpload(asked: AskedFor, body: Buffer): Answer {
    const { operation, query, headers } = asked
    const upload = this.uploads.find(({ id, key }) => id === query.uploadId && key === asked.key)
    if (upload === undefined) return problem(404, "NoSuchUpload")
    if (operation === "UploadPart") {
      if (headers["x-amz-checksum-sha256"] === undefined) return problem(400, "InvalidRequest")
      upload.parts.set(Number(query.partNumber), body)
      return { status: 200, headers: { etag: etagOf(body) } }
    }
    if (operation === "CompleteMultipartUpload") {
      const refusal = this.#conflict(asked)
      if (refusal !== undefined) return refusal
      const named = [...body.toString().matchAll(/<PartNumber>(\d+)<\/PartNumber>/g)].map(([, n]) =>
        Number(n),
      )
      const parts = named.map((n) => upload.parts.get(n))
      if (parts.includes(undefined)) return problem(400, "InvalidPart")
      if ((parts.slice(0, -1) as Buffer[]).some((part) => part.length < MIN_PART_BYTES)) {
        return problem(400, "EntityTooSmall")
      }
      this.#keep(upload.key, Buffer.concat(parts as Buffer[]), upload.headers)
      this.uploads = this.uploads.filter((each) => each !== upload)
      return xml("CompleteMultipartUploadResult", "<ETag>whole</ETag>")
    }
    this.uploads = this.uploads.filter((each) => each !== upload)
    return { status: 204 }
  }

  #conflict({ key, headers }: AskedFor): Answer | undefined {
    if (headers["if-none-match"] !== "*" || this.#options.ignores?.includes("If-None-Match")) return undefined
    return this.current(key) === undefined ? undefined : problem(412, "PreconditionFailed")
  }

  #keep(key: string, bytes: Buffer, headers: Readonly<Record<string, string>>): Answer {
    if (!this.#options.versioning) this.versions = this.versions.filter((version) => version.key !== key)
    const id = this.#options.versioning ? `version-${this.#count++}` : "null"
    this.versions.push({ key, id, bytes, headers })
    return { status: 200, headers: { etag: etagOf(bytes), "x-amz-version-id": id } }
  }

  #show(key: string, id: string | undefined): Answer {
    const version = id === undefined ? this.current(key) : this.#version(key, id)
    if (version?.bytes === undefined) return problem(404, id === undefined ? "NoSuchKey" : "NoSuchVersion")
    const headers: Record<string, string> = { ...version.headers, etag: etagOf(version.bytes) }
    if (version.legalHold) headers["x-amz-object-lock-legal-hold"] = "ON"
    if (version.lockedUntilMs !== undefined) {
      headers["x-amz-object-lock-mode"] = "COMPLIANCE"
      headers["x-amz-object-lock-retain-until-date"] = new Date(version.lockedUntilMs).toISOString()
    }
    return { status: 200, headers, body: version.bytes }
  }

  #delete(key: string, id: string | undefined): Answer {
    if (id === undefined && this.#options.versioning) {
      const marker = `version-${this.#count++}`
      this.versions.push({ key, id: marker, headers: {} })
      return { status: 204, headers: { "x-amz-delete-marker": "true", "x-amz-version-id": marker } }
    }
    const version = this.#version(key, id ?? "null")
    if (version?.legalHold || (version?.lockedUntilMs ?? 0) > Date.now()) return problem(403, "AccessDenied")
    this.versions = this.versions.filter((each) => each !== version)
    return { status: 204 }
  }

  #version(key: string, id: string): KeptVersion | undefined {
    return this.versions.find((version) => version.key === key && version.id === id)
  }

  #list({ prefix = "", "continuation-token": after = "", "max-keys": max }: Record<string, string>): Answer {
    const keys = [...new Set(this.versions.map(({ key }) => key))]
      .filter((key) => key.startsWith(prefix) && key > after && this.current(key) !== undefined)
      .sort()
    const page = keys.slice(0, Math.min(Number(max ?? 1_000), this.#pageSize))
    const rows = page.map((key) => {
      const size = this.current(key)?.bytes?.length
      return `<Contents><Key>${key}</Key><Size>${size}</Size></Contents>`
    })
    const isMore = page.length < keys.length
    const next = isMore ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : ""
    return xml("ListBucketResult", `<IsTruncated>${isMore}</IsTruncated>${next}${rows.join("")}`)
  }

  #listVersions(query: Record<string, string>): Answer {
    const { prefix = "", "key-marker": keyMarker = "", "version-id-marker": idMarker = "" } = query
    const newestFirst = [...this.versions].reverse()
    const all = newestFirst.filter(({ key }) => key.startsWith(prefix)).sort((a, b) => compare(a.key, b.key))
    const start = all.findIndex(({ key, id }) => key === keyMarker && id === idMarker) + 1
    const page = all.slice(start, start + this.#pageSize)
    const rows = page.map(({ key, id, bytes }) => {
      const row = `<Key>${key}</Key><VersionId>${id}</VersionId>`
      return bytes === undefined ? `<DeleteMarker>${row}</DeleteMarker>` : `<Version>${row}</Version>`
    })
    const isMore = start + page.length < all.length
    const last = page.at(-1)
    const next = isMore
      ? `<NextKeyMarker>${last?.key}</NextKeyMarker><NextVersionIdMarker>${last?.id}</NextVersionIdMarker>`
      : ""
    return xml("ListVersionsResult", `<IsTruncated>${isMore}</IsTruncated>${next}${rows.join("")}`)
  }

  #listUploads(query: Record<string, string>): Answer {
    const { prefix = "", "key-marker": keyMarker = "", "upload-id-marker": idMarker = "" } = query
    const all = this.uploads.filter(({ key }) => key.startsWith(prefix)).sort((a, b) => compare(a.key, b.key))
    const start = all.findIndex(({ key, id }) => key === keyMarker && id === idMarker) + 1
    const page = all.slice(start, start + this.#pageSize)
    const rows = page.map(({ key, id }) => `<Upload><Key>${key}</Key><UploadId>${id}</UploadId></Upload>`)
    const isMore = start + page.length < all.length
    const last = page.at(-1)
    const next = isMore
      ? `<NextKeyMarker>${last?.key}</NextKeyMarker><NextUploadIdMarker>${last?.id}</NextUploadIdMarker>`
      : ""
    return xml("ListMultipartUploadsResult", `<IsTruncated>${isMore}</IsTruncated>${next}${rows.join("")}`)
  }

  get #pageSize(): number {
    return this.#options.pageSize ?? 1_000
  }
}

/** As S3: all but the last one. */
const MIN_PART_BYTES = 5 * 1024 * 1024

function operationOf(method: string, key: string, query: Readonly<Record<string, string>>): Operation {
  if (key === "") {
    if ("versions" in query) return "ListObjectVersions"
    return "uploads" in query ? "ListMultipartUploads" : "ListObjectsV2"
  }
  if (method === "HEAD") return "HeadObject"
  if (method === "GET") return "GetObject"
  if (method === "POST") return "uploads" in query ? "CreateMultipartUpload" : "CompleteMultipartUpload"
  if (method === "PUT") return "uploadId" in query ? "UploadPart" : "PutObject"
  return "uploadId" in query ? "AbortMultipartUpload" : "DeleteObject"
}

async function bodyOf(req: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of req) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

function send(req: IncomingMessage, res: ServerResponse, { status, headers = {}, body = "" }: Answer): void {
  res.writeHead(status, { ...headers, "content-length": String(Buffer.byteLength(body)) })
  res.end(req.method === "HEAD" ? undefined : body)
}

function keptHeaders(headers: IncomingMessage["headers"]): Record<string, string> {
  const kept = Object.entries(headers).filter(([name]) => KEPT_HEADERS.test(name))
  return Object.fromEntries(kept.map(([name, value]) => [name, String(value)]))
}

function etagOf(bytes: Buffer): string {
  return `"${createHash("sha256").update(bytes).digest("hex").slice(0, 32)}"`
}

/** Keys have no character that XML must escape. */
function xml(name: string, content: string): Answer {
  const body = `<?xml version="1.0" encoding="UTF-8"?><${name}>${content}</${name}>`
  return { status: 200, headers: { "content-type": "application/xml" }, body }
}

function problem(status: number, code: string): Answer {
  return { ...xml("Error", `<Code>${code}</Code><Message>the stand-in says so</Message>`), status }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
