/**
 * What the exam asks of a storage besides the port: hooks to hurt it, and to look at what it keeps.
 */

import type { LogStorage } from "./storage.js"

/** A storage that can be hurt. */
export interface StorageUnderTest {
  /** Opens the storage: a new one at first, later with what survived. */
  open(): Promise<LogStorage>
  /** Ends the open storage as a kill of its process does, without a word to it. */
  crash(): Promise<void>
  /** Makes the next write of the open storage reject, but for those that only remember sizes. */
  failNextWrite(outcome: "kept" | "not kept"): void
  /** While nothing is open: flips a bit in a step that is not settled. */
  damageJournal(step: "middle" | "last"): Promise<void>
  /** While nothing is open: flips a bit of each of these bytes that is kept; rejects if there are none. */
  damageBytes(bytes: Uint8Array): Promise<void>
  /** Which of these are in anything that is kept. */
  held(needles: readonly Uint8Array[]): Promise<readonly Uint8Array[]>
  /** Bytes of everything that is kept. */
  bytes(): Promise<number>
  /** Takes everything away. */
  destroy(): Promise<void>
}
