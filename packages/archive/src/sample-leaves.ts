/**
 * For tests only: a log's leaves, with real records under real commitments.
 *
 *     genesis, then an event of the given class at each given time, or a notice
 */

import {
  encodeEventEntry,
  encodeGenesis,
  encodeNotice,
  encodeScheduleEntry,
  MIN_TIME_MS,
  stampEntryTime,
} from "@prooflog/event/entry"
import { normalizeEvent } from "@prooflog/event/event"
import { sealRecord } from "@prooflog/event/record"
import type { Schedule } from "@prooflog/event/schedule"

export interface SampleLeaf {
  readonly entry: Uint8Array
  /** Of 0 bytes if it is no event. */
  readonly record: Uint8Array
  readonly timeMs: number
  /** `undefined` if it is no event. */
  readonly className: string | undefined
}

export const ORIGIN = "log.example/archive"
export const LOG_ID = "000102030405060708090a0b0c0d0e0f"

const NO_RECORD = new Uint8Array(0)

export function genesisLeaf(schedule: Schedule, timeMs: number): SampleLeaf {
  const genesis = {
    origin: ORIGIN,
    logId: Uint8Array.from({ length: 16 }, (_, i) => i),
    schedule,
    labelKey: new Uint8Array(32),
  }
  return { entry: encodeGenesis(genesis, timeMs), record: NO_RECORD, timeMs, className: undefined }
}

export function scheduleLeaf(schedule: Schedule, timeMs: number): SampleLeaf {
  return { entry: encodeScheduleEntry(schedule, timeMs), record: NO_RECORD, timeMs, className: undefined }
}

/** @param kind - that of the notice */
export function noticeLeaf(kind: number, timeMs: number): SampleLeaf {
  const entry = encodeNotice({ kind, count: 1, root: new Uint8Array(32) }, timeMs)
  return { entry, record: NO_RECORD, timeMs, className: undefined }
}

/**
 * @param leafIndex - gives the event its content
 * @param note - more of it
 */
export function eventLeaf(leafIndex: number, className: string, timeMs: number, note = ""): SampleLeaf {
  const said = {
    timestamp: Math.max(timeMs, MIN_TIME_MS),
    user_id: `U${leafIndex % 7}`,
    action: "access",
    resource_accessed: `/r/${leafIndex}`,
    result: "success",
    attributes: { note },
  } as const
  const seed = Uint8Array.from({ length: 32 }, (_, i) => (leafIndex * 31 + (leafIndex >> 8) + i * 7) & 255)
  const added = { source: "api", source_key_id: "k_01", event_id: `e-${leafIndex}` } as const
  const { record, commitment } = sealRecord(normalizeEvent(said, added), seed)
  const entry = encodeEventEntry(className, commitment)
  stampEntryTime(entry, 0, timeMs)
  return { entry, record, timeMs, className }
}
