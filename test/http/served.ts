/** A real server on a free port, over storage in memory, and raw requests to it. */

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { LedgerError } from "@prooflog/ledger/error"
import { MemoryDisk, openMemoryStorage } from "@prooflog/ledger/memory"
import type { LogStorage } from "@prooflog/ledger/storage"
import { type RunningServer, type ServerConfig, startServer } from "@prooflog/server"
import { initFolder } from "@prooflog/server/folder"
import { createApiKeys } from "@prooflog/server/keys"

/** The server's clock begins here, and goes on by itself. */
export const NOW_MS = Date.parse("2026-03-01T12:00:00Z")

export interface Served {
  readonly server: RunningServer
  readonly dir: string
  /** What another server over the same storage is opened with. */
  readonly disk: MemoryDisk
  readonly storage: LogStorage
  /** What the operator was told. */
  readonly told: readonly { readonly level: string; readonly words: unknown }[]
  /** API keys by what they may: `writer`, `other` (a writer too), `reader`, `auditor`, `admin`, `expired`. */
  readonly keys: Readonly<Record<KeyName, string>>
  request(request: Wanted): Promise<Got>
  stop(): Promise<void>
}

export type KeyName = "writer" | "other" | "reader" | "auditor" | "admin" | "expired"

export interface Wanted {
  readonly method?: string
  /** Below the prefix, without the first slash, as it shall be sent. */
  readonly path: string
  readonly key?: string
  readonly type?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
}

export interface Got {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  readonly json: Readonly<Record<string, unknown>>
  /** The whole answer, without its date. */
  readonly raw: Buffer
}

export interface ServeOptions extends Partial<ServerConfig> {
  /** Stands between the ledger and its storage. */
  readonly wrap?: (storage: LogStorage) => LogStorage
  /** Members added to `prooflog.json`. */
  readonly serving?: object
  /** Makes the log's policy of the key in it. */
  readonly policy?: (verifierKey: string) => string
  /** A folder that holds a log already; it is not removed. */
  readonly dir?: string
  /** What its storage is opened over. */
  readonly disk?: MemoryDisk
}

export async function serve(options: ServeOptions = {}): Promise<Served> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), "prooflog-http-")))
  const told: { level: string; words: unknown }[] = []
  const tell = (level: string) => (words: unknown) => void told.push({ level, words })
  const logger = { info: tell("info"), warn: tell("warn"), error: tell("error") } as unknown as NonNullable<
    ServerConfig["logger"]
  >
  const { wrap = (storage: LogStorage) => storage, serving = {}, policy, ...config } = options
  let clockMs = NOW_MS
  const disk = options.disk ?? new MemoryDisk()
  const storage = wrap(await openMemoryStorage(disk))
  const { verifierKey, policyPath } = await initFolder(dir)
  if (policy !== undefined) await writeFile(policyPath, policy(verifierKey))
  const configPath = join(dir, "prooflog.json")
  await writeFile(
    configPath,
    JSON.stringify({ ...JSON.parse(await readFile(configPath, "utf8")), ...serving }),
  )
  const server = await startServer({
    port: 0,
    logger,
    clock: () => clockMs,
    openStorage: async () => storage,
    // A reader is two processes more: only where something is asked.
    follow: false,
    alerts: false,
    ...config,
    dir,
  })
  const [admin, writer] = server.firstKeys ?? []
  const made = await createApiKeys(
    server.folder.apiKeysPath,
    [
      { roles: ["writer"], source: "other" },
      { roles: ["reader"] },
      { roles: ["auditor"] },
      { roles: ["writer"], expires: new Date(NOW_MS + 1).toISOString() },
    ],
    NOW_MS,
  )
  const [other, reader, auditor, expired] = made.map(({ key }) => key)
  // The server reads the file again when it makes a key itself.
  const prefix = new URL(server.url).pathname
  const request = (wanted: Wanted) => exchange(server.port, prefix, wanted)
  await request({
    method: "POST",
    path: "v1/keys",
    key: admin?.key as string,
    type: "application/json",
    body: '{"roles":["reader"]}',
  })
  clockMs += 1_000
  return {
    server,
    dir,
    disk,
    storage,
    told,
    keys: { admin: admin?.key, writer: writer?.key, other, reader, auditor, expired } as Record<
      KeyName,
      string
    >,
    request,
    async stop() {
      await server.close()
      if (options.dir === undefined) await rm(dir, { recursive: true, force: true })
    },
  }
}

/** One request with a key, if one is named; with a body it is a POST of JSON. */
export function ask(
  { request, keys }: Served,
  path: string,
  key?: KeyName,
  body?: unknown,
  method?: string,
): Promise<Got> {
  return request({
    path,
    ...(method && { method }),
    ...(key && { key: keys[key] }),
    ...(body !== undefined && { method: "POST", type: "application/json", body: JSON.stringify(body) }),
  })
}

/** The same storage, but for these methods. */
export function storageBut(storage: LogStorage, methods: Partial<LogStorage>): LogStorage {
  return new Proxy(storage, {
    get(target, name) {
      const member: unknown = Reflect.get(Object.hasOwn(methods, name) ? methods : target, name)
      return typeof member === "function" ? member.bind(target) : member
    },
  })
}

/** A disk that every commit fails on from the moment it is told to: `wrap` is for {@link serve}. */
export function disappearingDisk(): { readonly wrap: (storage: LogStorage) => LogStorage; fail(): void } {
  let isGone = false
  return {
    wrap: (storage) =>
      storageBut(storage, {
        async commit(commit) {
          if (isGone) throw new LedgerError("LEDGER_STORAGE_FAILED", "the disk is gone")
          return storage.commit(commit)
        },
      }),
    fail() {
      isGone = true
    },
  }
}

/** One request on a connection of its own. */
export async function exchange(port: number, prefix: string, wanted: Wanted): Promise<Got> {
  const { method = "GET", path, key, type, body = "" } = wanted
  const bytes = Buffer.from(body as string)
  const headers = {
    Host: "log.example",
    Connection: "close",
    ...(key === undefined ? {} : { Authorization: `Bearer ${key}` }),
    ...(type === undefined ? {} : { "Content-Type": type }),
    ...(bytes.length === 0 && method !== "POST" ? {} : { "Content-Length": String(bytes.length) }),
    ...wanted.headers,
  }
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return parse(await send(port, [`${method} ${prefix}${path} HTTP/1.1\r\n${head.join("")}\r\n`, bytes]))
}

/** Sends bytes as they are, and returns all that comes back until the other side closes. */
export function send(port: number, pieces: readonly (string | Uint8Array)[]): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const socket = connect(port, "127.0.0.1")
    for (const piece of pieces) socket.write(piece)
    socket.on("data", (chunk) => chunks.push(chunk))
    socket.on("close", () => resolve(Buffer.concat(chunks)))
    // A server that refuses while we still write may cut us off; what it said before that counts.
    socket.on("error", (error) => (chunks.length > 0 ? resolve(Buffer.concat(chunks)) : reject(error)))
  })
}

export function parse(bytes: Buffer): Got {
  const end = bytes.indexOf("\r\n\r\n")
  const [statusLine = "", ...lines] = bytes.subarray(0, end).toString("latin1").split("\r\n")
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 2)]),
  )
  const body = bytes.subarray(end + 4)
  const isJson = /[/+]json/.test(headers["content-type"] ?? "") && body.length > 0
  return {
    status: Number(statusLine.split(" ")[1]),
    headers,
    body,
    json: isJson ? JSON.parse(body.toString()) : {},
    raw: Buffer.from(bytes.toString("latin1").replace(/\r\nDate: [^\r]*/, ""), "latin1"),
  }
}

/** The event of the README, and what may be changed in it. */
export function anEvent(changes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    timestamp: "2023-10-21T15:32:00Z",
    user_id: "U12345",
    resource_accessed: "/secure-data",
    result: "success",
    ip_address: "192.168.1.10",
    ...changes,
  }
}

export async function eventually<T>(look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (let i = 0; i < 400; i++) {
    const found = await look()
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error("it did not come to pass")
}
