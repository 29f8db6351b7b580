/**
 * The log of a folder, opened: the ledger is given its storage, its keys and what it needs to know of entries.
 */

import { entryTimeMs, stampEntryTime } from "@prooflog/event/entry"
import type { Schedule } from "@prooflog/event/schedule"
import { decodeTombstone } from "@prooflog/event/tombstone"
import { type Ledger, openLedger, type WitnessingOptions } from "@prooflog/ledger"
import { signedHeadFile } from "@prooflog/ledger/signed-head"
import type { LogStorage } from "@prooflog/ledger/storage"
import { openLevelStorage } from "@prooflog/storage-level"
import type { Logger } from "pino"
import { checkRecord } from "./check-record.js"
import { ServerError } from "./error.js"
import { genesisEntry, type LogFolder } from "./folder.js"

export interface OpenLogOptions {
  readonly logger: Logger
  /** LevelDB in the folder unless given. */
  readonly openStorage?: ((folder: LogFolder) => Promise<LogStorage>) | undefined
  readonly clock: () => number
  /** What a new log promises; one without leaves cannot be opened without. */
  readonly schedule: Schedule | undefined
  /** Whose quorum a head needs before it is published; nobody's unless given. */
  readonly witnessing?: WitnessingOptions | undefined
  /** Least time between two published heads. */
  readonly publishEveryMs?: number | undefined
  /** Believe a log that has no signed head beside its key; witnesses are asked first. */
  readonly adoptHead?: boolean | undefined
}

/** @throws LedgerError as `openLedger`, {@link ServerError} `SERVER_MALFORMED_FOLDER`; the storage is closed then */
export async function openLog(folder: LogFolder, options: OpenLogOptions): Promise<Ledger> {
  const { logger, openStorage = ({ logPath }) => openLevelStorage(logPath), clock } = options
  const { witnessing, publishEveryMs, adoptHead, schedule } = options
  return openLedger({
    storage: await openStorage(folder),
    signerKey: folder.signerKey,
    signedHead: signedHeadFile(folder.signedHeadPath),
    genesis() {
      if (schedule === undefined) throw noSchedule(folder)
      return { entry: genesisEntry(folder, schedule) }
    },
    stamp: stampEntryTime,
    entryTime: entryTimeMs,
    checkRecord,
    isFinal: (tombstone) => decodeTombstone(tombstone).state === "destroyed",
    clock,
    ...(witnessing && { witnessing }),
    ...(publishEveryMs !== undefined && { publishEveryMs }),
    ...(adoptHead !== undefined && { adoptHead }),
    onAlarm: (error) => logger.error({ err: error }, "alarm of the ledger"),
  })
}

/** What a first entry promises can never be taken back: it is not made up. */
function noSchedule({ schedulePath }: LogFolder): ServerError {
  return new ServerError(
    "SERVER_MALFORMED_FOLDER",
    `${schedulePath} is missing, and a new log has to promise how long it keeps records: prooflog retention template > ${schedulePath}`,
  )
}
