/**
 * What a ledger is given, and what it takes where nothing is given.
 */

import type { SignerKey } from "@prooflog/tlog/key"
import type { Stamp } from "./assemble.js"
import type { CheckRecord } from "./check.js"
import type { LedgerError } from "./error.js"
import type { BeforePublish } from "./publisher.js"
import type { SignedHeadStore } from "./signed-head.js"
import type { LogStorage } from "./storage.js"
import type { IsFinal } from "./withdrawing.js"
import type { WitnessingOptions } from "./witnessing.js"

export interface LedgerOptions {
  /** Just opened, used by no one else; the ledger closes it. */
  readonly storage: LogStorage
  /** Of type 0x01; its name is the log's origin. */
  readonly signerKey: SignerKey
  /** Where the signed head is kept: beside the key, never with the data. */
  readonly signedHead: SignedHeadStore
  /** Makes the entry of leaf 0, its time not set; called once, when the log is new. */
  readonly genesis: () => { readonly entry: Uint8Array }
  /** Writes the time into an entry. */
  readonly stamp: Stamp
  /** Reads the time of an entry, ms. */
  readonly entryTime: (bytes: Uint8Array, entryOffset: number) => number
  /** Throws if a record does not open its entry. Without it, records are only looked for, and none is restored. */
  readonly checkRecord?: CheckRecord
  /** Whether a tombstone stays for ever. Without it, all do. */
  readonly isFinal?: IsFinal
  /** Wall clock, ms since 1970. */
  readonly clock?: () => number
  /** A clock that no one sets, ms. */
  readonly monotonic?: () => number
  /**
   * Believe a storage with leaves although no signed head was kept. An administrator's decision; witnesses are asked
   * first, and one that knows more wins.
   */
  readonly adoptHead?: boolean
  /** Whose quorum a head needs before it is published; without it, what is signed is published. */
  readonly witnessing?: WitnessingOptions
  /**
   * Is asked before each publication what to append; it stands last in the published tree.
   *
   * @param treeSize - leaves there are at least before it
   */
  readonly beforePublish?: BeforePublish
  /** Bytes of entries and records that may wait to be committed; 64 MiB unless set. */
  readonly queueBytes?: number
  /** Accept nothing while fewer bytes are free; by default 5 % of the device or 2 GiB, whichever is less. */
  readonly minFreeBytes?: number
  /** Least time between two signatures; 200 ms unless set. */
  readonly signEveryMs?: number
  /** Least time between the beginnings of two publications; 1,000 ms unless set, 5,000 ms with witnesses. */
  readonly publishEveryMs?: number
  /** How fast the whole log is re-read, over and over; 2,000 unless set, 0 for never. */
  readonly patrolLeavesPerSecond?: number
  /** Is told what no caller sees: damage, heads that could not be kept, a full disk, a poisoned ledger. */
  readonly onAlarm?: (error: LedgerError) => void
}

/** The witness network counts how often a log asks. */
const WITNESSED_PUBLISH_EVERY_MS = 5_000

const DEFAULTS = {
  clock: Date.now,
  monotonic: () => performance.now(),
  queueBytes: 64 * 2 ** 20,
  signEveryMs: 200,
  publishEveryMs: 1_000,
  patrolLeavesPerSecond: 2_000,
  adoptHead: false,
  isFinal: (_tombstone: Uint8Array): boolean => true,
  onAlarm: (_error: LedgerError): void => {},
}

/** With nothing left out that has a default. */
export type Options = LedgerOptions & typeof DEFAULTS

export function withDefaults(given: LedgerOptions): Options {
  const publishEveryMs = given.witnessing === undefined ? DEFAULTS.publishEveryMs : WITNESSED_PUBLISH_EVERY_MS
  const onAlarm = sheltered(given.onAlarm ?? DEFAULTS.onAlarm)
  return { ...DEFAULTS, publishEveryMs, ...given, onAlarm }
}

/** An alarm that fails itself keeps no one from an answer. */
function sheltered(onAlarm: (error: LedgerError) => void): (error: LedgerError) => void {
  return (error) => {
    try {
      onAlarm(error)
    } catch {
      // There is no one else to tell.
    }
  }
}
