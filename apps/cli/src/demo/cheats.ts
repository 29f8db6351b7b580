/**
 * Five ways to cheat for one who owns the machine, and who notices each.
 *
 *     what is altered      who notices
 *     a record             the scrubber, which reads everything again all the time
 *     an entry             any stranger who audits the log over HTTP
 *     a tile               the same
 *     the signed head      the log itself, on opening: it signs no more
 *     the whole storage    the same: the last signed head lies with the key, not with the data
 */

import { cp, rm } from "node:fs/promises"
import { decodeEntry } from "@prooflog/event/entry"
import { commitmentOf } from "@prooflog/event/record"
import { checkLeaves } from "@prooflog/ledger/check"
import type { LogStorage } from "@prooflog/ledger/storage"
import { openLevelStorage } from "@prooflog/storage-level"
import { bundlePath, parseBundle } from "@prooflog/tlog/bundle"
import { equalBytes } from "@prooflog/tlog/hash"
import { TILE_WIDTH, tilePath } from "@prooflog/tlog/tile"
import { httpSource } from "@prooflog/verifier/source-http"
import { verifyLog } from "@prooflog/verifier/verify-log"
import { count } from "../terminal.js"
import { alterFile, alterStored } from "./alter.js"
import type { Stage } from "./stage.js"

export interface Cheat {
  /** What is done, for people. */
  readonly does: string
  readonly alter: (stage: Stage) => Promise<void>
  /** Who looks. */
  readonly noticedBy: string
  /** Resolves if nothing was noticed, throws what was. */
  readonly look: (stage: Stage) => Promise<unknown>
  /** Codes of the errors that are a notice, and no mishap of the demonstration itself. */
  readonly noticedAs: readonly string[]
}

export interface CheatPlan {
  /** A leaf whose record is altered. */
  readonly recordLeaf: number
  /** A leaf whose entry is altered. */
  readonly entryLeaf: number
  /** Index of a full tile of level 0 that is altered. */
  readonly tileIndex: number
  /** A copy of the data folder from before. */
  readonly backup: { readonly dir: string; readonly treeSize: number }
}

export function cheats({ recordLeaf, entryLeaf, tileIndex, backup }: CheatPlan): readonly Cheat[] {
  return [
    {
      does: `changes one bit in the record of leaf ${count(recordLeaf)}`,
      alter: (stage) => alterRow(stage, (storage) => recordOf(storage, recordLeaf)),
      noticedBy: "caught by the scrubber",
      look: scrub,
      noticedAs: ["LEDGER_CORRUPT"],
    },
    {
      does: `changes one bit in the entry of leaf ${count(entryLeaf)}`,
      alter: (stage) => alterRow(stage, (storage) => entryOf(storage, entryLeaf)),
      noticedBy: "caught by an audit from outside",
      look: audit,
      noticedAs: ["VERIFIER_BUNDLE_REFUSED"],
    },
    {
      does: `changes one bit in the tile ${tilePath(fullTile(tileIndex))}`,
      alter: (stage) => alterRow(stage, (storage) => readPath(storage, tilePath(fullTile(tileIndex)))),
      noticedBy: "caught by an audit from outside",
      look: audit,
      noticedAs: ["VERIFIER_TILE_REFUSED"],
    },
    {
      does: "takes one leaf off the signed head",
      alter: async (stage) => {
        const { signedHeadPath } = await stage.folder()
        await alterFile(signedHeadPath, (note) => note.replace(/^\d+$/m, (size) => String(Number(size) - 1)))
      },
      noticedBy: "refused by the log, on opening",
      look: (stage) => stage.serve(async () => {}),
      noticedAs: ["LEDGER_BAD_SIGNED_HEAD", "LEDGER_SIGNED_HEAD_MISMATCH"],
    },
    {
      does: `puts back a backup of ${count(backup.treeSize)} leaves`,
      alter: async ({ dataDir }) => {
        await rm(dataDir, { recursive: true })
        await cp(backup.dir, dataDir, { recursive: true })
      },
      noticedBy: "refused by the log, on opening",
      look: (stage) => stage.serve(async () => {}),
      noticedAs: ["LEDGER_BEHIND_SIGNED_HEAD"],
    },
  ]
}

/** Alters the row that holds the bytes which `find` reads. */
async function alterRow(stage: Stage, find: (storage: LogStorage) => Promise<Uint8Array>): Promise<void> {
  const { logPath } = await stage.folder()
  const bytes = await withStorage(stage, async (storage) => Uint8Array.from(await find(storage)))
  await alterStored(logPath, bytes)
}

async function withStorage<T>(stage: Stage, use: (storage: LogStorage) => Promise<T>): Promise<T> {
  const { logPath } = await stage.folder()
  const storage = await openLevelStorage(logPath)
  try {
    return await use(storage)
  } finally {
    await storage.close()
  }
}

/** Reads every byte again: entries against tiles, records against entries. */
function scrub(stage: Stage): Promise<void> {
  return withStorage(stage, async (storage) => {
    const end = await storage.treeSize()
    await checkLeaves({ storage, treeSize: end, start: 0, end, checkRecord })
  })
}

function checkRecord(entry: Uint8Array, record: Uint8Array): void {
  const opened = decodeEntry(entry)
  if (opened.type !== "event") return
  if (!equalBytes(commitmentOf(record), opened.commitment)) throw new Error("it opens another commitment")
}

/** The server knows nothing of it and serves what it has; a stranger reads everything. */
function audit(stage: Stage): Promise<unknown> {
  return stage.serve(({ server, policy }) => verifyLog(httpSource(server.url), policy))
}

async function recordOf(storage: LogStorage, leaf: number): Promise<Uint8Array> {
  const [record] = await storage.records(leaf, leaf + 1)
  if (record === undefined) throw new Error(`bug: leaf ${leaf} has no record`)
  return record.bytes
}

async function entryOf(storage: LogStorage, leaf: number): Promise<Uint8Array> {
  const bundle = await readPath(storage, bundlePath(Math.floor(leaf / TILE_WIDTH), TILE_WIDTH))
  return parseBundle(bundle, TILE_WIDTH)[leaf % TILE_WIDTH] as Uint8Array
}

async function readPath(storage: LogStorage, path: string): Promise<Uint8Array> {
  const bytes = await storage.read(path)
  if (bytes === undefined) throw new Error(`bug: ${path} is not stored`)
  return bytes
}

function fullTile(index: number) {
  return { level: 0, index, width: TILE_WIDTH }
}
