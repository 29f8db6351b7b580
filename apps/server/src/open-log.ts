/**
 * The log of a folder, opened: the ledger is given its storage, its keys and what it needs to know of entries.
 */

import { decodeEntry, entryTimeMs, stampEntryTime } from "@prooflog/event/entry"
import type { Schedule } from "@prooflog/event/schedule"
import { type Ledger, openLedger, type WitnessingOptions } from "@prooflog/ledger"
import { signedHeadFile } from "@prooflog/ledger/signed-head"
import type { LogStorage } from "@prooflog/ledger/storage"
import { openLevelStorage } from "@prooflog/storage-level"
import { bundlePath, parseBundle } from "@prooflog/tlog/bundle"
import type { Logger } from "pino"
import { checkRecord } from "./check-record.js"
import { genesisEntry, type LogFolder } from "./folder.js"

export interface OpenLogOptions {
  readonly logger: Logger
  /** LevelDB in the folder unless given. */
  readonly openStorage?: ((folder: LogFolder) => Promise<LogStorage>) | undefined
  readonly clock: () => number
  /** Whose quorum a head needs before it is published; nobody's unless given. */
  readonly witnessing?: WitnessingOptions | undefined
  /** Least time between two published heads. */
  readonly publishEveryMs?: number | undefined
  /** Believe a log that has no signed head beside its key; witnesses are asked first. */
  readonly adoptHead?: boolean | undefined
}

/** @throws LedgerError as `openLedger`; the storage is closed then */
export async function openLog(folder: LogFolder, options: OpenLogOptions): Promise<Ledger> {
  const { logger, openStorage = ({ logPath }) => openLevelStorage(logPath), clock } = options
  const { witnessing, publishEveryMs, adoptHead } = options
  return openLedger({
    storage: await openStorage(folder),
    signerKey: folder.signerKey,
    signedHead: signedHeadFile(folder.signedHeadPath),
    genesis: () => ({ entry: genesisEntry(folder) }),
    stamp: stampEntryTime,
    entryTime: entryTimeMs,
    checkRecord,
    clock,
    ...(witnessing && { witnessing }),
    ...(publishEveryMs !== undefined && { publishEveryMs }),
    ...(adoptHead !== undefined && { adoptHead }),
    onAlarm: (error) => logger.error({ err: error }, "alarm of the ledger"),
  })
}

/** The schedule that leaf 0 promises: no other is in force yet. */
export async function readSchedule({ storage }: Ledger): Promise<Schedule> {
  const bundle = await storage.read(bundlePath(0, 1))
  const [genesis] = bundle === undefined ? [] : parseBundle(bundle, 1)
  const entry = genesis && decodeEntry(genesis)
  if (entry?.type !== "genesis") throw new Error("bug: leaf 0 is not the genesis of the log")
  return entry.schedule
}
