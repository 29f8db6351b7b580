/**
 * API keys: who may ask for what, and the file that knows them.
 *
 *     pl_1f0c22ab_9e…64 hex digits…07      what its holder has, shown once
 *        ──┬─────  ─────────┬────────
 *          id               256 random bits: nothing slower than SHA-256 is needed to keep them
 *
 *     DIR/keys/api-keys.json               what the server has: the id, and SHA-256 of the whole key
 *
 * The file lies outside `DIR/data`, so that a restored backup cannot bring back a key that was revoked. The
 * server and the command line may both change it: each rewrites it whole, one at a time.
 */

import { randomBytes } from "node:crypto"
import { encodeHex } from "@prooflog/tlog/base64"
import { sha256 } from "@prooflog/tlog/hash"
import { readText, rewriteFile } from "./durable-file.js"
import { ServerError } from "./error.js"
import { timeText } from "./time-text.js"

/** What a key may be allowed to do; `follower` is for the server's own children. */
export const ROLES = ["writer", "reader", "auditor", "admin", "follower"] as const

export type Role = (typeof ROLES)[number]

/** A key without its secret: all that is ever listed. */
export interface ApiKey {
  /** 8 hex digits; events carry it as `source_key_id`. */
  readonly id: string
  readonly roles: readonly Role[]
  /** Names the events written with this key: their `source`. */
  readonly source: string
  /** RFC 3339, as are the other times. */
  readonly created: string
  readonly expires?: string
  readonly revoked?: string
}

/** A key as the file keeps it. */
export interface StoredApiKey extends ApiKey {
  /** SHA-256 of the whole key text, 64 hex digits. */
  readonly sha256: string
}

export interface ApiKeyRequest {
  readonly roles: readonly string[]
  /** `[a-z0-9_-]{1,64}`; `api` unless given. `prooflog` is kept for events about the log itself. */
  readonly source?: string
  /** RFC 3339 with a zone, later than now; a key without it does not expire. */
  readonly expires?: string
}

export interface NewApiKey {
  /** The secret. It is stored nowhere: who loses it asks for another. */
  readonly key: string
  readonly apiKey: ApiKey
}

/** The source of events about the log itself; no key may have it. */
export const OWN_SOURCE = "prooflog"

const DEFAULT_SOURCE = "api"
const SOURCE = /^[a-z0-9_-]{1,64}$/
const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/
const OWNER_ONLY = 0o600

/**
 * Makes a key and adds it to the file.
 *
 * @throws {@link ServerError} `SERVER_REFUSED_KEY_REQUEST` if a role, the source or the expiry is none
 */
export async function createApiKey(path: string, request: ApiKeyRequest, nowMs: number): Promise<NewApiKey> {
  const [created] = await createApiKeys(path, [request], nowMs)
  if (created === undefined) throw new Error("bug: one key was asked for and none was made")
  return created
}

/** {@link createApiKey} for several keys: all of them are added, or none. */
export async function createApiKeys(
  path: string,
  requests: readonly ApiKeyRequest[],
  nowMs: number,
): Promise<readonly NewApiKey[]> {
  const wanted = requests.map((request) => checkRequest(request, nowMs))
  let made: { key: string; stored: StoredApiKey }[] = []
  await rewriteFile(path, OWNER_ONLY, (text) => {
    const keys = parseKeyFile(text)
    const taken = new Set(keys.map(({ id }) => id))
    made = wanted.map((request) => mint(request, taken, nowMs))
    return formatKeyFile([...keys, ...made.map(({ stored }) => stored)])
  })
  return made.map(({ key, stored }) => ({ key, apiKey: withoutHash(stored) }))
}

/** Returns every key of the file, the revoked and the expired ones too; none if there is no file. */
export async function listApiKeys(path: string): Promise<readonly ApiKey[]> {
  return ((await readKeyFile(path)) ?? []).map(withoutHash)
}

/**
 * Revokes a key for ever. A key that is revoked already stays as it is.
 *
 * @returns the key, or `undefined` if the file has none with this id
 */
export async function revokeApiKey(path: string, id: string, nowMs: number): Promise<ApiKey | undefined> {
  let revoked: StoredApiKey | undefined
  await rewriteFile(path, OWNER_ONLY, (text) => {
    const keys = parseKeyFile(text).map((key) => (key.id === id ? { revoked: timeText(nowMs), ...key } : key))
    revoked = keys.find((key) => key.id === id)
    return formatKeyFile(keys)
  })
  return revoked && withoutHash(revoked)
}

/** Returns the keys with the hashes of their secrets; `undefined` if there is no file. */
export async function readKeyFile(path: string): Promise<readonly StoredApiKey[] | undefined> {
  const text = await readText(path)
  return text === undefined ? undefined : parseKeyFile(text)
}

/**
 * Says whether a holder of these roles may do what `role` may: an admin may everything, an auditor may what a
 * reader may.
 */
export function includesRole(roles: readonly Role[], role: Role): boolean {
  return roles.some((held) => held === role || INCLUDED[held].includes(role))
}

const INCLUDED: Readonly<Record<Role, readonly Role[]>> = {
  writer: [],
  reader: [],
  auditor: ["reader"],
  admin: ["auditor", "reader", "writer"],
  follower: [],
}

interface CheckedRequest {
  readonly roles: readonly Role[]
  readonly source: string
  readonly expires: string | undefined
}

function checkRequest(
  { roles, source = DEFAULT_SOURCE, expires }: ApiKeyRequest,
  nowMs: number,
): CheckedRequest {
  const known = ROLES.filter((role) => roles.includes(role))
  if (known.length === 0 || known.length !== roles.length) {
    throw refused("roles", `must name one or several of ${ROLES.join(", ")}, each once`)
  }
  if (!SOURCE.test(source)) throw refused("source", `must match ${SOURCE.source}`)
  if (source === OWN_SOURCE)
    throw refused("source", `"${OWN_SOURCE}" is kept for events about the log itself`)
  if (expires === undefined) return { roles: known, source, expires }
  const expiresMs = RFC_3339.test(expires) ? Date.parse(expires) : Number.NaN
  if (!(expiresMs > nowMs)) throw refused("expires", "must be an RFC 3339 time with a zone, later than now")
  return { roles: known, source, expires: timeText(expiresMs) }
}

function mint({ roles, source, expires }: CheckedRequest, taken: Set<string>, nowMs: number) {
  let id: string
  do id = encodeHex(randomBytes(4))
  while (taken.has(id))
  taken.add(id)
  const key = `pl_${id}_${encodeHex(randomBytes(32))}`
  const stored: StoredApiKey = {
    id,
    roles,
    source,
    created: timeText(nowMs),
    ...(expires === undefined ? {} : { expires }),
    sha256: encodeHex(sha256(Buffer.from(key, "latin1"))),
  }
  return { key, stored }
}

function withoutHash({ sha256: _, ...key }: StoredApiKey): ApiKey {
  return key
}

function formatKeyFile(keys: readonly StoredApiKey[]): string {
  return `${JSON.stringify({ format: 1, keys }, undefined, 2)}\n`
}

/** @param text - `undefined` where there is no file yet */
function parseKeyFile(text: string | undefined): readonly StoredApiKey[] {
  if (text === undefined) return []
  // Never one of ours, which are there whole or not at all: somebody is writing it, or the disk was full.
  if (text === "") throw new ServerError("SERVER_MALFORMED_KEY_FILE", "the key file is empty")
  let file: unknown
  try {
    file = JSON.parse(text)
  } catch (cause) {
    throw new ServerError("SERVER_MALFORMED_KEY_FILE", "the key file is not JSON", { cause })
  }
  const { format, keys } = (file ?? {}) as { format?: unknown; keys?: unknown }
  if (format !== 1 || !Array.isArray(keys) || !keys.every(isStoredApiKey)) {
    throw new ServerError("SERVER_MALFORMED_KEY_FILE", "the key file is not of format 1")
  }
  if (new Set(keys.map(({ id }) => id)).size !== keys.length) {
    throw new ServerError("SERVER_MALFORMED_KEY_FILE", "the key file gives one id to two keys")
  }
  return keys
}

function isStoredApiKey(value: unknown): value is StoredApiKey {
  const key = value as Partial<StoredApiKey> | null
  return (
    typeof key === "object" &&
    key !== null &&
    /^[0-9a-f]{8}$/.test(String(key.id)) &&
    /^[0-9a-f]{64}$/.test(String(key.sha256)) &&
    Array.isArray(key.roles) &&
    key.roles.every((role) => (ROLES as readonly string[]).includes(role)) &&
    SOURCE.test(String(key.source)) &&
    [key.created, key.expires ?? key.created, key.revoked ?? key.created].every(isTime)
  )
}

function isTime(value: unknown): boolean {
  return typeof value === "string" && !Number.isNaN(Date.parse(value))
}

function refused(parameter: string, why: string): ServerError {
  return new ServerError("SERVER_REFUSED_KEY_REQUEST", `${parameter} ${why}`, { parameter })
}
