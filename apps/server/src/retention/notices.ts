/**
 * Public notices: entries that say what is destroyed before its time, lost, or held, naming no one.
 *
 *     draft kept ─► entry submitted ─► leaf kept
 *                        └─ if we crash here: the next time, it is looked for from where the log ended when the
 *                           draft was made, found by its root, and not logged twice
 *
 * A root is over fresh salts, or the commitment of a fresh record: no two notices have the same.
 */

import { decodeEntry, encodeNotice } from "@prooflog/event/entry"
import { encodeHex } from "@prooflog/tlog/base64"
import { formatBundle } from "@prooflog/tlog/bundle"
import type { ServedLog } from "../served-log.js"

/** A notice that is to be logged, or is. Private: it lies beside what it is about. */
export interface Announcement {
  /** One of `NOTICE_KINDS`. */
  readonly kind: number
  /** Records it is about; 0 of holds. */
  readonly count: number
  /** 32 bytes in hex. */
  readonly root: string
  /** Leaves of the log when it was drafted: it stands there or later. */
  readonly from: number
  /** Where it stands, once that is known. */
  readonly leaf?: number
}

/** Returns the leaf of a notice, which is durable then; logs it unless it is there. */
export type Announce = (announcement: Announcement) => Promise<number>

/** @throws (what it returns) LedgerError if the notice cannot be made durable */
export function announceIn({ ledger, reader }: Pick<ServedLog, "ledger" | "reader">): Announce {
  async function find({ root, from }: Announcement): Promise<number | undefined> {
    const { treeSize } = ledger
    for (let leaf = from; leaf < treeSize; leaf++) {
      const bytes = await reader.entry(leaf, treeSize)
      // Most are events, and need not be taken apart.
      if (bytes[1] !== NOTICE) continue
      const entry = decodeEntry(bytes)
      if (entry.type === "notice" && encodeHex(entry.root) === root) return leaf
    }
    return undefined
  }

  return async (announcement) => {
    const there = await find(announcement)
    if (there !== undefined) return there
    const { kind, count, root } = announcement
    const entry = encodeNotice({ kind, count, root: new Uint8Array(Buffer.from(root, "hex")) })
    const entries = formatBundle([entry])
    const [placement] = await ledger.submit({ entries, records: formatBundle([NO_RECORD]), count: 1 })
    if (placement === undefined) throw new Error("bug: one notice was submitted and none was placed")
    return placement.leafIndex
  }
}

/** Type of the entry, its second byte. */
const NOTICE = 4

const NO_RECORD = new Uint8Array(0)
