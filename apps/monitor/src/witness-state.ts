/**
 * What a witness remembers of one log: the checkpoint that it cosigned last, in a file of its own.
 *
 *     <folder>/<hex sha256(origin)>                      the note: the log's signatures, and ours
 *     <folder>/<hex sha256(origin)>.after-<16 hex>       the note that is about to follow the note of this hash
 *
 * The disk is right, not the memory: before a write the file is read again and must be what was read last, and after
 * a write that failed the file decides what was kept, as long as that does not go back. The note is authenticated by our
 * own cosignature, so a file that was damaged, or came from another witness, is refused and never taken for a log that
 * was not seen before.
 *
 * Reading and writing is one step for every process that can reach the folder, though it should be only one:
 *
 *     write draft, fsync                  whole before it has a name
 *     link(draft, …after-<old>)           of all that would follow one note, one can; the others are refused
 *     is it still the old one?            if not, its follower was here and went on
 *     rename(draft, file)                 the instant the world changes
 *     unlink(…after-<old>)                only now: where the link is gone, the file is not the old one any more
 *     fsync(folder)
 *
 * Crash on any line: the file holds the old note or the new one, and the new one was answered to no one before
 * {@link WitnessState.replace} resolved. A link that is left behind is followed to its end when the folder is opened:
 * that is right, too, if its writer lives and is about to do the same.
 */

import { link, readdir, rename, rm } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { encodeHex } from "@prooflog/tlog/base64"
import { type Checkpoint, parseCheckpoint } from "@prooflog/tlog/checkpoint"
import { equalBytes, sha256 } from "@prooflog/tlog/hash"
import type { VerifierKey } from "@prooflog/tlog/key"
import { type NoteSignature, openNote, parseNote } from "@prooflog/tlog/note"
import { readIfThere, removeDrafts, syncFolder, withDraft } from "./durable-file.js"
import { MonitorError, systemCode } from "./error.js"

/** A checkpoint that this witness cosigned. */
export interface CosignedHead {
  /** The whole note, with the log's signatures and ours. */
  readonly note: string
  /** What was signed. */
  readonly text: string
  readonly checkpoint: Checkpoint
  readonly cosignature: NoteSignature
  /** Of the cosignature, since 1970. */
  readonly timeSeconds: number
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
    const { path } = options
    await removeDrafts(dirname(path), `${basename(path)}.`)
    state.#head = await state.#load()
    if (await state.#finish()) state.#head = await state.#load()
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
    const { path } = this.#options
    try {
      const head = this.#open(note)
      if ((await readIfThere(path)) !== this.#head?.note) throw this.#inUse()
      await withDraft(path, note, (draft) => this.#follow(draft))
      this.#head = head
    } catch (error) {
      const kept = await this.#load()
      this.#requireAhead(kept)
      this.#head = kept
      throw error
    }
  }

  /** Puts a draft in place of the last note, if no other process does, or did. */
  async #follow(draft: string): Promise<void> {
    const { path } = this.#options
    const claim = claimAfter(path, this.#head?.note)
    try {
      await link(draft, claim)
    } catch (error) {
      throw systemCode(error) === "EEXIST" ? this.#inUse() : error
    }
    try {
      if ((await readIfThere(path)) !== this.#head?.note) throw this.#inUse()
      await rename(draft, path)
    } finally {
      await rm(claim, { force: true })
    }
    await syncFolder(dirname(path))
  }

  /** Does to its end what a process that was killed left half done. @returns whether the file is another now */
  async #finish(): Promise<boolean> {
    const { path } = this.#options
    const folder = dirname(path)
    const pending = basename(claimAfter(path, this.#head?.note))
    const start = `${basename(path)}.after-`
    const claims = (await readdir(folder)).filter((name) => name.startsWith(start))
    for (const name of claims) {
      if (name !== pending) await rm(join(folder, name), { force: true })
    }
    const note = claims.includes(pending) ? await readIfThere(join(folder, pending)) : undefined
    if (note === undefined) return false
    this.#open(note)
    try {
      await rename(join(folder, pending), path)
    } catch (error) {
      // Its writer lives, and was faster.
      if (systemCode(error) !== "ENOENT") throw error
    }
    return true
  }

  #inUse(): MonitorError {
    return new MonitorError("MONITOR_FOLDER_IN_USE", `another process wrote ${this.#options.path}`)
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
    const { path } = this.#options
    const note = await readIfThere(path)
    // A process that was killed after its rename left a name that only this makes last.
    await syncFolder(dirname(path))
    return note === undefined ? undefined : this.#open(note)
  }

  /** Reads a note that is ours. @throws {@link MonitorError} `MONITOR_BAD_STATE` */
  #open(note: string): CosignedHead {
    const { path, origin, key } = this.#options
    try {
      const parsed = parseNote(note)
      const [own] = openNote(parsed, [key]).verified
      const checkpoint = parseCheckpoint(parsed.text)
      if (checkpoint.origin !== origin) throw new Error(`it is of ${JSON.stringify(checkpoint.origin)}`)
      if (own?.timeSeconds === undefined) throw new Error("it has no time")
      const { signature: cosignature, timeSeconds } = own
      return { note, text: parsed.text, checkpoint, cosignature, timeSeconds }
    } catch (cause) {
      const message = `${path} is not a checkpoint of ${JSON.stringify(origin)} that ${key.name} cosigned; without it the witness could cosign a fork`
      throw new MonitorError("MONITOR_BAD_STATE", message, { cause })
    }
  }
}

/** The name that the follower of a note takes: hex of SHA-256 of the note, or of nothing. */
function claimAfter(path: string, note = ""): string {
  return `${path}.after-${encodeHex(sha256(new TextEncoder().encode(note))).slice(0, 16)}`
}
