/**
 * Exports: whole answers as files, made one after another, kept for a day.
 *
 *     DIR/exports/<id>.new/   file, manifest.json, leaf_index    while it is made; gone after a restart
 *     DIR/exports/<id>/       the same                           finished: found again after a restart
 *
 *     file synced ─► manifest synced ─► its hash is a durable event ─► the leaf of that synced ─► renamed: done
 *
 * If we crash on any of these lines the rename has not happened, so there is no export; at most an event that tells
 * of one which nobody was given.
 */

import { randomBytes } from "node:crypto"
import { mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises"
import { join } from "node:path"
import { QueryError } from "@prooflog/query/error"
import type { ExportFormat } from "@prooflog/query/export-format"
import { encodeHex } from "@prooflog/tlog/base64"
import { sha256 } from "@prooflog/tlog/hash"
import { createFile, syncFolder } from "./durable-file.js"
import { ServerError } from "./error.js"
import { formatManifest, type Manifest, parseManifest } from "./export-manifest.js"
import { parseIndex } from "./query.js"
import type { ExportJob } from "./reading.js"
import { type Refusal, refusalOf } from "./refusal.js"
import type { ServedLog } from "./served-log.js"

/** How long a file is kept. */
export const KEPT_MS = 24 * 60 * 60 * 1_000

/** How often files are looked for that were kept long enough. */
const SWEEP_EVERY_MS = 60_000

/** How often it is looked whether the log still has the room it needs. */
const LOOK_EVERY_MS = 500

/** Exports that may be there at once, whatever their state. */
const MAX_EXPORTS = 64

const OWNER_ONLY = 0o700
const FILE = "file"
const MANIFEST = "manifest.json"
const LEAF_INDEX = "leaf_index"
const UNFINISHED = ".new"
const ID = /^[0-9a-f]{32}$/

export interface Export {
  /** 32 hex digits. */
  readonly id: string
  readonly format: ExportFormat
  readonly createdMs: number
  /** What the file does not show. */
  readonly withheld: readonly string[]
  readonly state: ExportState
}

export type ExportState =
  | { readonly kind: "running" }
  | { readonly kind: "failed"; readonly refusal: Refusal }
  | {
      readonly kind: "done"
      readonly manifest: Manifest
      readonly text: string
      readonly sha256: string
      /** Of the event that has the hash of the manifest. */
      readonly leafIndex: number
    }

export interface ExportOrder {
  readonly question: ExportJob["question"]
  /** What the manifest says was asked: SQL, and its parameters. */
  readonly asked: Pick<Manifest, "question" | "parameters">
  readonly format: ExportFormat
  readonly withheld: readonly string[]
  readonly createdMs: number
  /**
   * Makes it an event that the file was made, or why it was not; the file is there only once this has resolved.
   *
   * @param manifestSha256 - in hex
   * @returns the leaf index of the event
   */
  readonly onDone: (manifest: Manifest, manifestSha256: string) => Promise<number>
  readonly onFailed: (error: unknown) => Promise<unknown>
}

export interface Exports {
  /** Returns at once; the file is made behind. */
  start(order: ExportOrder): Promise<Export>
  /** Newest first. */
  list(): Promise<readonly Export[]>
  /** @throws {@link ServerError} `SERVER_NOT_FOUND` */
  get(id: string): Promise<Export>
  /** Path of a finished file. */
  pathOf(id: string): string
  /** Ends it if it runs, and removes what there is of it. */
  remove(id: string): Promise<void>
  /** Removes every export that was begun before, and waits for the end of one that runs: nothing is left of them. */
  removeAll(): Promise<void>
}

export interface ExportsOptions {
  readonly clock: () => number
  /** Fires when the server stops: what runs then is given up. */
  readonly stopping: AbortSignal
}

type Served = Pick<ServedLog, "folder" | "ledger" | "reading" | "report">

interface Held extends Export {
  readonly giveUp: AbortController
  state: ExportState
}

export function openExports(log: Served, { clock, stopping }: ExportsOptions): Exports {
  const root = log.folder.exportsPath
  const held = new Map<string, Held>()
  const found = findFinished(root, log.report).then((all) => {
    for (const each of all) held.set(each.id, { ...each, giveUp: new AbortController() })
  })
  // Whoever asks is told as well.
  found.catch(log.report)
  /** Makes one file after another. */
  let last: Promise<unknown> = found

  async function make(order: ExportOrder, job: Held): Promise<void> {
    try {
      job.state = await makeFile(log, root, job, order)
      // It may have been removed while it got its name.
      if (!held.has(job.id)) await rm(join(root, job.id), { recursive: true, force: true })
    } catch (error) {
      await rm(join(root, job.id + UNFINISHED), { recursive: true, force: true })
      log.report(error)
      try {
        await order.onFailed(error)
      } finally {
        job.state = { kind: "failed", refusal: refusalOf(error) }
      }
    }
  }

  async function remove(id: string): Promise<void> {
    const job = held.get(id)
    held.delete(id)
    job?.giveUp.abort()
    await rm(join(root, id), { recursive: true, force: true })
  }

  async function sweep(): Promise<void> {
    const old = [...held.values()].filter(
      ({ createdMs, state }) => state.kind !== "running" && createdMs + KEPT_MS <= clock(),
    )
    for (const { id } of old) await remove(id)
  }

  const sweeping = setInterval(() => void found.then(sweep).catch(log.report), SWEEP_EVERY_MS).unref()
  stopping.addEventListener("abort", () => {
    clearInterval(sweeping)
    for (const { giveUp } of held.values()) giveUp.abort()
  })

  async function get(id: string): Promise<Held> {
    await found
    await sweep()
    const job = held.get(id)
    if (job === undefined) throw new ServerError("SERVER_NOT_FOUND", "no such export")
    return job
  }

  return {
    get,
    async start(order) {
      await found
      await sweep()
      if (held.size >= MAX_EXPORTS) {
        throw new ServerError("SERVER_BUSY", `there are ${MAX_EXPORTS} exports: delete one, or wait`)
      }
      const { format, createdMs, withheld } = order
      const job: Held = {
        id: encodeHex(randomBytes(16)),
        format,
        createdMs,
        withheld,
        state: { kind: "running" },
        giveUp: new AbortController(),
      }
      held.set(job.id, job)
      last = last.then(() => make(order, job)).catch(log.report)
      return job
    },
    async list() {
      await found
      await sweep()
      return [...held.values()].sort((a, b) => b.createdMs - a.createdMs)
    },
    pathOf: (id) => join(root, id, FILE),
    async remove(id) {
      await remove((await get(id)).id)
    },
    async removeAll() {
      await found
      await Promise.all([...held.keys()].map(remove))
      await last
      // Damaged ones are shown to nobody, and may hold rows all the same.
      for (const name of await namesIn(root)) {
        if (ID.test(name) && !held.has(name)) await rm(join(root, name), { recursive: true, force: true })
      }
    },
  }
}

/** The whole way of one file; throws on any of its steps, and then there is nothing under its name. */
async function makeFile(log: Served, root: string, job: Held, order: ExportOrder): Promise<ExportState> {
  const { folder, ledger, reading } = log
  const draft = join(root, job.id + UNFINISHED)
  const path = join(draft, FILE)
  const { signal } = job.giveUp
  requireWanted(signal)
  await mkdir(draft, { recursive: true, mode: OWNER_ONLY })
  let full: unknown
  const looking = setInterval(() => {
    const { reason } = ledger.status()
    if (reason !== "LEDGER_DISK_FULL") return
    full = new ServerError("SERVER_BUSY", "the disk has only the room that the log needs for itself")
    job.giveUp.abort()
  }, LOOK_EVERY_MS)
  try {
    const { question, format, withheld } = order
    const logId = encodeHex(folder.logId)
    const answer = await reading.export({
      question,
      format,
      path,
      withheld,
      origin: folder.origin,
      logId,
      signal,
    })
    await syncFile(path, answer.bytes)
    const manifest: Manifest = {
      format: "prooflog-export/1",
      origin: folder.origin,
      log_id: logId,
      ...order.asked,
      withheld,
      file_format: format,
      through: answer.through,
      rows: answer.rows,
      bytes: answer.bytes,
      sha256: answer.sha256,
      created: new Date(order.createdMs).toISOString(),
    }
    const text = formatManifest(manifest)
    const hash = encodeHex(sha256(Buffer.from(text)))
    await createFile(join(draft, MANIFEST), 0o600, text)
    await syncFolder(draft)
    requireWanted(signal)
    const leafIndex = await order.onDone(manifest, hash)
    await createFile(join(draft, LEAF_INDEX), 0o600, `${leafIndex}\n`)
    await syncFolder(draft)
    await rename(draft, join(root, job.id))
    await syncFolder(root)
    return { kind: "done", manifest, text, sha256: hash, leafIndex }
  } catch (error) {
    throw full ?? error
  } finally {
    clearInterval(looking)
  }
}

function requireWanted(signal: AbortSignal): void {
  if (signal.aborted) throw new QueryError("QUERY_INTERRUPTED", "the export was given up")
}

async function syncFile(path: string, bytes: number): Promise<void> {
  const file = await open(path, "r")
  try {
    const { size } = await file.stat()
    if (size !== bytes) throw new Error(`bug: an export was said to have ${bytes} bytes and has ${size}`)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Removes what was not finished, and returns what was. A folder that is neither is left alone. */
async function findFinished(root: string, report: (error: unknown) => void): Promise<readonly Export[]> {
  const exports: Export[] = []
  for (const name of await namesIn(root)) {
    if (name.endsWith(UNFINISHED)) await rm(join(root, name), { recursive: true, force: true })
    if (!ID.test(name)) continue
    try {
      const text = await readFile(join(root, name, MANIFEST), "utf8")
      const manifest = parseManifest(text)
      const leafIndex = parseIndex((await readFile(join(root, name, LEAF_INDEX), "utf8")).trimEnd())
      if (leafIndex === undefined) throw new Error(`the leaf index of export ${name} is damaged`)
      const { size } = await stat(join(root, name, FILE))
      if (size !== manifest.bytes)
        throw new Error(`the file of export ${name} is not the one of its manifest`)
      exports.push({
        id: name,
        format: manifest.file_format,
        createdMs: Date.parse(manifest.created),
        withheld: manifest.withheld,
        state: { kind: "done", manifest, text, sha256: encodeHex(sha256(Buffer.from(text))), leafIndex },
      })
    } catch (error) {
      // Damaged by something else: nobody is given it, and the operator may look.
      report(error)
    }
  }
  return exports
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return []
    throw error
  }
}
