/**
 * A log, restored from a backup: into a folder of its own, up to the head that was signed last.
 *
 *     backup, checked ─► target: the signed head ─► missing leaves from a mirror ─► whom to forget
 *          ─► storage, rebuilt ─► read again, all of it ─► small files
 *          ─► notice of what is lost, the very next entry ─► prooflog.json, last
 *
 * A folder without `prooflog.json` is no log, and is not served. `restore.incomplete` says so, too, and how far it is:
 *
 *     building      nothing was signed: whoever finds it begins again
 *     announcing    the log is whole; the notice may be committed, and signed, already: whoever finds it goes on
 *
 * Nothing is written beside the signer key but by the ledger, which signs the notice.
 */

import { randomFillSync } from "node:crypto"
import { mkdir, readdir, readFile, rm, rmdir } from "node:fs/promises"
import { dirname, isAbsolute, join, relative, resolve } from "node:path"
import { encodeTombstone, TOMBSTONE_REASONS } from "@prooflog/event/tombstone"
import { lockAt } from "@prooflog/monitor/folder-lock"
import { parseSignerKey, type SignerKey, verifierKeyOf } from "@prooflog/tlog/key"
import { makeItems } from "@prooflog/verifier/notice"
import { CliError, reasonOf } from "../error.js"
import { DurableFolder } from "./durable-folder.js"
import { KeptBackup } from "./kept-backup.js"
import { announceLost, formatLost, type LostNotice, noticeOf } from "./lost-records.js"
import type { TreeHead } from "./mirror.js"
import { fetchMissing } from "./missing-leaves.js"
import { noticedLeaves, withCases } from "./noticed-leaves.js"
import { clear, keepMarker, LOCK, look, MARKER, type Marker, MISSING } from "./restore-marker.js"
import { findTarget, type NamedMirror } from "./restore-target.js"
import { readAgain, rebuildStorage } from "./restored-storage.js"
import { Survey } from "./survey.js"

export interface RestoreOptions {
  /** Folder of the backup. */
  readonly backup: string
  /** Folder of the log to be: missing or empty, or one that a restore did not finish. */
  readonly dir: string
  /** The signer key; the signed head lies beside it. */
  readonly signerKeyPath: string
  readonly mirrors: readonly NamedMirror[]
  /** Folder with later cases than the backup has. */
  readonly cases?: string | undefined
  readonly adoptHead: boolean
  readonly onProgress: (progress: RestoreProgress) => void
}

export interface RestoreProgress {
  /** What is being done. */
  readonly step: "check" | "fetch" | "rebuild" | "read again" | "announce"
  /** Of the whole: 0 … 1. */
  readonly share: number
  readonly leaves: number
}

export interface Restored {
  readonly origin: string
  /** Leaves that the log has now. */
  readonly treeSize: number
  /** Records that are lost, and the leaf of the notice that says so. */
  readonly lost?: { readonly count: number; readonly notice: number }
}

const CONFIG = "prooflog.json"

/**
 * Restores a log. What was found wrong leaves nothing behind; a crash leaves a folder that is no log, and that the next
 * restore goes on with.
 *
 * @throws {@link CliError} `CLI_FILE`, `CLI_DAMAGED_BACKUP`, `CLI_RESTORE_REFUSED`; VerifierError for tiles or entries of the
 * backup that are not as they were signed; LedgerError if the notice cannot be committed: then the next restore goes on
 */
export async function restore(options: RestoreOptions): Promise<Restored> {
  const root = resolve(options.dir)
  const signerKeyPath = resolve(options.signerKeyPath)
  const signerKey = await readSignerKey(signerKeyPath)
  const { isNew } = await look(root)
  await mkdir(root, { recursive: true, mode: 0o700 })
  const unlock = await lockAt(join(root, LOCK)).catch((cause: unknown) => {
    throw new CliError("CLI_FILE", `cannot use the folder ${root}: ${reasonOf(cause)}`, { cause })
  })
  try {
    // Looked at again: until now another run may have had it.
    const { marker } = await look(root)
    return await restoreInto({ root, marker, signerKeyPath, signerKey }, options)
  } finally {
    await unlock()
    if (isNew && (await readdir(root)).length === 0) await rmdir(root)
  }
}

interface Place {
  readonly root: string
  /** Of a restore that was not finished. */
  readonly marker: Marker | undefined
  readonly signerKeyPath: string
  readonly signerKey: SignerKey
}

/** Restores into a folder that no other run has. */
async function restoreInto(
  { root, marker, signerKeyPath, signerKey }: Place,
  options: RestoreOptions,
): Promise<Restored> {
  if (marker?.stage === "announcing") {
    if (marker.signerKeyPath !== signerKeyPath)
      throw new CliError(
        "CLI_FILE",
        `${root} is being restored with ${marker.signerKeyPath}: go on with that`,
      )
    return await finish(new DurableFolder(root), marker, signerKey, options)
  }
  const key = verifierKeyOf(signerKey)
  const backup = await KeptBackup.open(options.backup, key)
  const target = await findTarget({ ...options, signerKeyPath, backup: backup.manifest, key })
  const folder = new DurableFolder(root)
  const { origin } = backup.manifest
  try {
    await keepMarker(folder, { stage: "building", origin, signerKeyPath, treeSize: target.treeSize })
    await clear(root)
    const notice = await build(folder, backup, target, options)
    const config = configOf(backup, root, signerKeyPath)
    const next: Marker = {
      stage: "announcing",
      origin,
      signerKeyPath,
      treeSize: target.treeSize,
      config,
      notice,
    }
    await keepMarker(folder, next)
    return await finish(folder, next, signerKey, options)
  } catch (error) {
    // From then on the notice may have been signed.
    if ((await look(root)).marker?.stage !== "announcing") {
      await clear(root)
      await rm(join(root, MARKER), { force: true })
    }
    throw error
  }
}

async function readSignerKey(path: string): Promise<SignerKey> {
  try {
    return parseSignerKey((await readFile(path, "utf8")).trim())
  } catch (cause) {
    throw new CliError("CLI_FILE", `${path} is no signer key: ${reasonOf(cause)}`, { cause })
  }
}

async function build(
  folder: DurableFolder,
  backup: KeptBackup,
  target: TreeHead,
  options: RestoreOptions,
): Promise<LostNotice | undefined> {
  const { manifest } = backup
  const progress = (step: RestoreProgress["step"], from: number, to: number) => (leaves: number) =>
    options.onProgress({ step, share: from + ((to - from) * leaves) / target.treeSize, leaves })
  const survey = new Survey(backup, Date.now())
  await survey.ofBackup(progress("check", 0, 0.35))
  const missing = join(folder.root, MISSING)
  if (target.treeSize > manifest.treeSize) {
    const { mirrors } = options
    const onProgress = progress("fetch", 0.35, 0.4)
    await fetchMissing({ from: manifest.treeSize, signed: target, mirrors, folder: missing, onProgress })
    await survey.ofMissing(missing, target)
  }
  const files = options.cases === undefined ? backup.files : await withCases(backup.files, options.cases)
  const noticed = noticedLeaves(survey.notices, files, survey.buried)
  const lost = survey.missingEvents.filter((leaf) => !noticed.has(leaf))
  const items = makeItems(lost, randomFillSync)
  const tombstones = new Map([...noticed].map(([leaf, tombstone]) => [leaf, encodeTombstone(tombstone)]))
  for (const { leafIndex, salt } of items) {
    const reason = TOMBSTONE_REASONS.lost
    const tombstone = { state: "destroyed", reason, reference: target.treeSize, salt } as const
    tombstones.set(leafIndex, encodeTombstone(tombstone))
  }
  const notice = noticeOf(items, target.treeSize)
  const logPath = join(folder.root, "data", "log")
  await mkdir(dirname(logPath), { recursive: true, mode: 0o700 })
  const onLeaves = progress("rebuild", 0.4, 0.7)
  await rebuildStorage({ logPath, missing, backup, target, tombstones, lastMs: survey.lastMs, onLeaves })
  await readAgain(logPath, target, progress("read again", 0.7, 1))
  await rm(missing, { recursive: true, force: true })
  for (const [name, bytes] of files) {
    if (name !== CONFIG) await folder.write(name, bytes, name === "policy" ? 0o644 : 0o600)
  }
  if (notice !== undefined)
    await folder.write(`retention/lost/${notice.leaf}.json`, formatLost(notice, items))
  await folder.settle()
  return notice
}

/**
 * The same log, signed with the key where it lies now. Its archive is in its own folder: segments that it knows nothing of
 * would be destroyed as left over, and where the log from before kept them, they may be the only copy of its records.
 */
function configOf(backup: KeptBackup, root: string, signerKeyPath: string): string {
  const said = new TextDecoder().decode(backup.files.get(CONFIG))
  let config: Readonly<Record<string, unknown>>
  try {
    config = { ...JSON.parse(said) }
  } catch (cause) {
    throw new CliError("CLI_DAMAGED_BACKUP", `${CONFIG} in the backup is not JSON`, { cause })
  }
  const { origin, logId } = backup.manifest
  if (config.origin !== origin || config.log_id !== logId)
    throw new CliError("CLI_DAMAGED_BACKUP", `${CONFIG} in the backup is of another log`)
  const below = relative(root, signerKeyPath)
  const signer_key = below.startsWith("..") || isAbsolute(below) ? signerKeyPath : below
  const { archive: _, ...kept } = config
  return `${JSON.stringify({ ...kept, signer_key }, undefined, 2)}\n`
}

/** Says in public what is lost, then makes the folder a log. */
async function finish(
  folder: DurableFolder,
  { origin, signerKeyPath, treeSize, config, notice }: Marker,
  signerKey: SignerKey,
  { onProgress, adoptHead }: RestoreOptions,
): Promise<Restored> {
  onProgress({ step: "announce", share: 1, leaves: treeSize })
  if (notice !== undefined) await announceLost(folder.root, notice, signerKeyPath, signerKey, adoptHead)
  await folder.write(CONFIG, config as string, 0o644)
  await folder.settle()
  await folder.remove(MARKER)
  await folder.settle()
  if (notice === undefined) return { origin, treeSize }
  return { origin, treeSize: notice.leaf + 1, lost: { count: notice.count, notice: notice.leaf } }
}
