/**
 * The folder of a log: what lies where, and how a new one comes to be.
 *
 *     DIR/prooflog.json           which log this is; written last: where it stands, the folder is whole
 *     DIR/policy                  tlog-policy text: all that an auditor needs, and whose quorum this log needs itself
 *     DIR/schedule.yaml           how long records are kept, and the rules that give classes, 0600
 *     DIR/alerts.yaml             what is alerted on, and who is told, 0600
 *     DIR/rules/                  rules of the log's own, if it has any
 *     DIR/keys/signer.key         PRIVATE+KEY text, 0600 (or elsewhere: production keeps it apart)
 *     DIR/keys/signer.key.signed  the last signed head, beside the key wherever the key is
 *     DIR/keys/signer.key.published
 *                                 with witnesses, the last published head, cosignatures and all
 *     DIR/keys/label.key          32 bytes, 0600; genesis commits to it
 *     DIR/keys/api-keys.json      hashed API keys, 0600
 *     DIR/data/log/               entries, records, tiles
 *     DIR/data/archive/           segments of records that are no longer hot, unless they are kept elsewhere
 *     DIR/data/archive-scratch/   drafts and copies of segments; emptied at will
 *     DIR/retention/promises.json where the log's schedules stand; made from the log, thrown away at will
 *     DIR/retention/archive.json  which segment holds which record
 *     DIR/retention/              all else in it: holds and erasures, 0600, which nothing can make again
 *     DIR/query/                  rows to ask questions of, made from the log and thrown away at will
 *     DIR/data/alerts/            alerts, silences, what rules have learned and what waits to be sent
 *     DIR/exports/                files that were asked for, kept for a day
 *     DIR/accusations/            what speaks against this log, once something does
 *
 * A schedule.yaml that is there before all else is the new log's. The rest of a new folder is drafted whole in
 * `DIR/.prooflog-new`, made durable, and moved into place name by name. A draft that holds its `prooflog.json` is
 * complete: whoever finds one after a crash moves what is left, by the same steps. Any other draft is thrown away.
 */

import { randomBytes } from "node:crypto"
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises"
import { dirname, join, resolve } from "node:path"
import { ALERTS_TEMPLATE } from "@prooflog/alerts/alert-settings-template"
import { SCHEDULE_TEMPLATE } from "@prooflog/archive/schedule-template"
import { encodeGenesis } from "@prooflog/event/entry"
import type { Schedule } from "@prooflog/event/schedule"
import { encodeHex } from "@prooflog/tlog/base64"
import { sha256 } from "@prooflog/tlog/hash"
import {
  createSignerKey,
  formatSignerKey,
  formatVerifierKey,
  isKeyName,
  parseSignerKey,
  type SignerKey,
  verifierKeyOf,
} from "@prooflog/tlog/key"
import { formatPolicy } from "@prooflog/tlog/policy"
import { createFile, readText, syncFolder } from "./durable-file.js"
import { ServerError } from "./error.js"
import { formatConfig, parseConfig, type Serving } from "./folder-config.js"
import { readScheduleFile } from "./retention/schedule-file.js"

export interface LogFolder {
  /** Absolute, as are the other paths. */
  readonly dir: string
  readonly origin: string
  /** 16 bytes, drawn once. */
  readonly logId: Uint8Array
  readonly signerKey: SignerKey
  readonly signerKeyPath: string
  /** Lies beside the signer key; no backup of the data may hold it, and no restore may write it. */
  readonly signedHeadPath: string
  /** Beside it; the same goes for it. Only there with witnesses. */
  readonly publishedHeadPath: string
  /** As text, for whoever shall check checkpoints. */
  readonly verifierKey: string
  /** 32 secret bytes. */
  readonly labelKey: Uint8Array
  readonly apiKeysPath: string
  /** Where the storage keeps the log. */
  readonly logPath: string
  /** The database that questions are asked of. */
  readonly queryPath: string
  /** Folder of exported files. */
  readonly exportsPath: string
  /** Folder of what speaks against this log; made when something does. */
  readonly accusationsPath: string
  readonly policyPath: string
  /** Not there in the folder of a log that is older than such files. */
  readonly schedulePath: string
  /** Need not be there. */
  readonly alertsPath: string
  /** Where alerts are kept. */
  readonly alertsStorePath: string
  /** Where the log's schedules stand. */
  readonly promisesPath: string
  /** File of what the archive knows; made when something is archived, or destroyed by schedule. */
  readonly archiveStatePath: string
  /** Folder of drafts and copies of segments; emptied at will. */
  readonly archiveScratchPath: string
  /** What `prooflog.json` says of serving; what the command line says goes before it. */
  readonly serving: Serving
}

export interface InitOptions {
  /**
   * Name of the log, for ever: at most 255 bytes, no white space, no `+`. Unless given, the name of the key that
   * is there, else `prooflog.local/<log id>`.
   */
  readonly origin?: string
  /** File of the signer key; used if it is there, made if not. `DIR/keys/signer.key` unless given. */
  readonly keyPath?: string
}

const DRAFT = ".prooflog-new"
const CONFIG = "prooflog.json"
const POLICY = "policy"
const SCHEDULE = "schedule.yaml"
const ALERTS = "alerts.yaml"
const KEYS = "keys"
const MAX_ORIGIN_BYTES = 255
const OWNER_ONLY = 0o600
const LABEL_KEY_SIZE = 32
const LABEL_KEY_PREFIX = 0x05
const ED25519 = 0x01

/**
 * Makes the folder of a new log, or opens the one that is there.
 *
 * @returns the folder, and whether it was made now
 * @throws {@link ServerError} `SERVER_FOLDER_NOT_EMPTY` if other things are in it, `SERVER_MALFORMED_FOLDER` if
 * the log there has another origin, or the origin or key cannot be used; ArchiveError if there is a schedule.yaml
 * that is none
 */
export async function initFolder(
  dir: string,
  options: InitOptions = {},
): Promise<LogFolder & { created: boolean }> {
  const root = resolve(dir)
  await mkdir(root, { recursive: true })
  const draft = join(root, DRAFT)
  const names = (await readdir(root)).filter((name) => name !== DRAFT)
  if (names.includes(CONFIG)) return { ...(await openExisting(root, options)), created: false }
  if ((await readText(join(draft, CONFIG))) === undefined) {
    if (names.some((name) => name !== SCHEDULE))
      throw new ServerError("SERVER_FOLDER_NOT_EMPTY", `${root} is not empty and holds no log`)
    await writeDraft(root, draft, options)
  }
  await moveIntoPlace(root, draft)
  return { ...(await openExisting(root, options)), created: true }
}

/**
 * Opens the folder of a log.
 *
 * @throws {@link ServerError} `SERVER_NOT_A_LOG` or `SERVER_MALFORMED_FOLDER`
 */
export async function openFolder(dir: string): Promise<LogFolder> {
  const root = resolve(dir)
  const text = await readText(join(root, CONFIG))
  if (text === undefined) throw new ServerError("SERVER_NOT_A_LOG", `${root} holds no log`)
  const { origin, logId, signerKeyPath, serving } = parseConfig(text, root)
  const signerKey = readSignerKey(await readFile(signerKeyPath, "utf8"), signerKeyPath, origin)
  const labelKey = await readFile(join(root, KEYS, "label.key"))
  if (labelKey.length !== LABEL_KEY_SIZE) throw malformed("keys/label.key does not have 32 bytes")
  return {
    dir: root,
    origin,
    logId,
    signerKey,
    signerKeyPath,
    signedHeadPath: `${signerKeyPath}.signed`,
    publishedHeadPath: `${signerKeyPath}.published`,
    verifierKey: formatVerifierKey(verifierKeyOf(signerKey)),
    labelKey: new Uint8Array(labelKey),
    apiKeysPath: join(root, KEYS, "api-keys.json"),
    logPath: join(root, "data", "log"),
    queryPath: join(root, "query", "access_logs.duckdb"),
    exportsPath: join(root, "exports"),
    accusationsPath: join(root, "accusations"),
    policyPath: join(root, POLICY),
    schedulePath: join(root, SCHEDULE),
    alertsPath: join(root, ALERTS),
    alertsStorePath: join(root, "data", "alerts"),
    promisesPath: join(root, "retention", "promises.json"),
    archiveStatePath: join(root, "retention", "archive.json"),
    archiveScratchPath: join(root, "data", "archive-scratch"),
    serving,
  }
}

/** Returns the entry of leaf 0, always the same for one folder and schedule; its time is not set yet. */
export function genesisEntry({ origin, logId, labelKey }: LogFolder, schedule: Schedule): Uint8Array {
  return encodeGenesis({
    origin,
    logId,
    schedule,
    labelKey: sha256(Uint8Array.of(LABEL_KEY_PREFIX, ...labelKey)),
  })
}

async function openExisting(root: string, { origin, keyPath }: InitOptions): Promise<LogFolder> {
  const folder = await openFolder(root)
  if (origin !== undefined && origin !== folder.origin) {
    throw malformed(`${root} holds the log ${folder.origin}, not ${origin}`)
  }
  if (keyPath !== undefined && resolve(keyPath) !== folder.signerKeyPath) {
    throw malformed(`${root} is signed with ${folder.signerKeyPath}, not with ${resolve(keyPath)}`)
  }
  return folder
}

async function writeDraft(root: string, draft: string, options: InitOptions): Promise<void> {
  await rm(draft, { recursive: true, force: true })
  // Before anything is made: a log whose schedule cannot be read promises nothing.
  const isThere = (await readScheduleFile(join(root, SCHEDULE))) !== undefined
  await mkdir(join(draft, KEYS), { recursive: true, mode: 0o700 })
  const logId = randomBytes(16)
  const keyPath = options.keyPath === undefined ? undefined : resolve(options.keyPath)
  const signerKeyPath = keyPath ?? join(draft, KEYS, "signer.key")
  const signerKey =
    (await existingSignerKey(signerKeyPath, options.origin)) ??
    (await createSignerKeyFile(signerKeyPath, options.origin ?? `prooflog.local/${encodeHex(logId)}`))
  await createFile(join(draft, KEYS, "label.key"), OWNER_ONLY, randomBytes(LABEL_KEY_SIZE))
  await syncFolder(join(draft, KEYS))
  await createFile(join(draft, POLICY), 0o644, policyOf(signerKey))
  if (!isThere) await createFile(join(draft, SCHEDULE), OWNER_ONLY, SCHEDULE_TEMPLATE)
  await createFile(join(draft, ALERTS), OWNER_ONLY, ALERTS_TEMPLATE)
  // From here on the draft is complete, and a crash no longer throws it away.
  const keptAt = keyPath ?? join(root, KEYS, "signer.key")
  const config = formatConfig({ origin: signerKey.name, logId, signerKeyPath: keptAt }, root)
  await createFile(join(draft, CONFIG), 0o644, config)
  await syncFolder(draft)
}

/** Repeats nothing that is done: a name that is gone from the draft is in its place. `prooflog.json` comes last. */
async function moveIntoPlace(root: string, draft: string): Promise<void> {
  const left = new Set(await readdir(draft))
  // One that somebody put there since the draft was made is what is wanted.
  if ((await readText(join(root, SCHEDULE))) !== undefined) left.delete(SCHEDULE)
  for (const name of [KEYS, POLICY, SCHEDULE, ALERTS, CONFIG]) {
    if (left.has(name)) await rename(join(draft, name), join(root, name))
  }
  await rm(draft, { recursive: true })
  await syncFolder(root)
  await syncFolder(dirname(root))
}

async function existingSignerKey(path: string, origin: string | undefined): Promise<SignerKey | undefined> {
  const text = await readText(path)
  return text === undefined ? undefined : readSignerKey(text, path, origin)
}

async function createSignerKeyFile(path: string, origin: string): Promise<SignerKey> {
  if (!isKeyName(origin) || Buffer.byteLength(origin) > MAX_ORIGIN_BYTES) {
    throw malformed("an origin has 1 to 255 bytes, no white space, no control characters and no +")
  }
  const signerKey = createSignerKey(origin, randomBytes(32), ED25519)
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await createFile(path, OWNER_ONLY, `${formatSignerKey(signerKey)}\n`)
  await syncFolder(dirname(path))
  return signerKey
}

/** @param origin - the name that the key must have, if it must have one */
function readSignerKey(text: string, path: string, origin: string | undefined): SignerKey {
  const signerKey = parseSignerKey(text.trim())
  if (signerKey.type !== ED25519) throw malformed(`the key in ${path} is a witness's, not a log's`)
  if (origin === undefined || signerKey.name === origin) return signerKey
  throw malformed(`the key in ${path} is named ${signerKey.name}, not ${origin}`)
}

function policyOf(signerKey: SignerKey): string {
  return formatPolicy({
    logs: [{ key: verifierKeyOf(signerKey) }],
    witnesses: [],
    groups: [],
    quorum: "none",
  })
}

function malformed(message: string): ServerError {
  return new ServerError("SERVER_MALFORMED_FOLDER", message)
}
