/**
 * What a witness remembers of one log: the checkpoint that it cosigned last, in a file of its own.
 *
 *     <folder>/<hex sha256(origin)>      the note: the log's signatures, and ours
 *
 * The disk is right, not the memory: before a write the file is read again and must be what was read last, and after
 * a write that failed the file decides what was kept, as long as that does not go back. The note is authenticated by our own cosignature, so a file that
 * was damaged, or came from another witness, is refused and never taken for a log that was not seen before.
 *
 * Crash on any line: the file holds the old note or the new one (durable-file.ts), and the new one was answered to no
 * one before {@link WitnessState.replace} resolved.
 */

import { dirname } from "node:path"
import { type Checkpoint, parseCheckpoint } from "@prooflog/tlog/checkpoint"
import { equalBytes } from "@prooflog/tlog/hash"
import type { VerifierKey } from "@prooflog/tlog/key"
import { openNote, parseNote } from "@prooflog/tlog/note"
import { readIfThere, syncFolder, writeDurably } from "./durable-file.js"
import { MonitorError } from "./error.js"

/** A checkpoint that this witness cosigned. */
export interface CosignedHead {
  /** The whole note, with the log's signatures and ours. */
  readonly note: string
  readonly checkpoint: Checkpoint
}

export interface WitnessStateOptions {
  readonly path: string
  readonly origin: string
  /** The witness's own key. */
  readonly key: VerifierKey
}

/** One caller at a time: see the queue in witness.ts. */
export class WitnessState {
  readonly #options: WitnessStateOptions
  #head: CosignedHead | undefined

  private constructor(options: WitnessStateOptions) {
    this.#options = options
  }

  /** @throws {@link MonitorError} `MONITOR_BAD_STATE` if there is a file that is not our note of this log */
  static async open(options: WitnessStateOptions): Promise<WitnessState> {
    const state = new WitnessState(options)
    state.#head = await state.#load()
    return state
  }

  /** The checkpoint cosigned last; `undefined` if none ever was. */
  get head(): CosignedHead | undefined {
    return this.#head
  }

  /**
   * Puts another note in place of the last one. Resolves when it would survive a power cut; if it rejects, the old note
   * or the new one was kept, and {@link head} says which.
   *
   * @param note - cosigned by us
   * @throws {@link MonitorError} `MONITOR_FOLDER_IN_USE` if another process wrote the file; `MONITOR_BAD_STATE` if it is
   * damaged, gone, or behind what was cosigned, until it is put right
   */
  async replace(note: string): Promise<void> {
    const { path, origin } = this.#options
    try {
      if ((await readIfThere(path)) !== this.#head?.note) {
        throw new MonitorError("MONITOR_FOLDER_IN_USE", `another process wrote ${path}`)
      }
      await writeDurably(path, note)
      this.#head = { note, checkpoint: checkpointOf(note, origin) }
    } catch (error) {
      const kept = await this.#load()
      this.#requireAhead(kept)
      this.#head = kept
      throw error
    }
  }

  /** A file that was removed, or put back from a backup, does not undo what was cosigned. */
  #requireAhead(kept: CosignedHead | undefined): void {
    const known = this.#head?.checkpoint
    const found = kept?.checkpoint
    if (known === undefined) return
    const isAhead = found !== undefined && found.treeSize > known.treeSize
    const isSame = found?.treeSize === known.treeSize && equalBytes(found.rootHash, known.rootHash)
    if (isAhead || isSame) return
    const { path } = this.#options
    const shown = found === undefined ? "is gone" : `holds the checkpoint of ${found.treeSize} leaves`
    throw new MonitorError(
      "MONITOR_BAD_STATE",
      `${path} ${shown}, and ${known.treeSize} leaves were cosigned`,
    )
  }

  async #load(): Promise<CosignedHead | undefined> {
    const { path, origin, key } = this.#options
    const note = await readIfThere(path)
    // A process that was killed after its rename left a name that only this makes last.
    await syncFolder(dirname(path))
    if (note === undefined) return undefined
    try {
      openNote(parseNote(note), [key])
      return { note, checkpoint: checkpointOf(note, origin) }
    } catch (cause) {
      const message = `${path} is not a checkpoint of ${JSON.stringify(origin)} that ${key.name} cosigned; without it the witness could cosign a fork`
      throw new MonitorError("MONITOR_BAD_STATE", message, { cause })
    }
  }
}

function checkpointOf(note: string, origin: string): Checkpoint {
  const checkpoint = parseCheckpoint(parseNote(note).text)
  if (checkpoint.origin === origin) return checkpoint
  throw new Error(`it is of ${JSON.stringify(checkpoint.origin)}`)
}
