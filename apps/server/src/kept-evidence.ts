/**
 * What speaks against this log, on its own disk: written before anyone is told.
 *
 *     DIR/accusations/<kind>-<hash>.json          prooflog-accusation/1: convicts whoever holds the signer key
 *     DIR/accusations/ahead-<hash>.checkpoint     a head signed with our key that was never signed here
 *
 * `<hash>` is that of the head that was shown, 16 hex digits of SHA-256 of its text: shown again, it is known. Only the
 * holder of the signer key can make such heads, and no more than some of them are kept.
 *
 * Effects: files in the folder given.
 */

import { mkdir, readdir, rm } from "node:fs/promises"
import { join } from "node:path"
import { encodeHex } from "@prooflog/tlog/base64"
import { sha256 } from "@prooflog/tlog/hash"
import { type Accusation, formatAccusation } from "@prooflog/verifier/accusation"
import { readText, rewriteFile, syncFolder } from "./durable-file.js"

/** Files of either kind that are kept. */
const MAX_KEPT = 100

const ACCUSATION = /^[a-z-]+-[0-9a-f]{16}\.json$/
const AHEAD = /^ahead-[0-9a-f]{16}\.checkpoint$/

export class KeptEvidence {
  readonly folder: string
  readonly #names: Set<string>

  private constructor(folder: string, names: Iterable<string>) {
    this.folder = folder
    this.#names = new Set(names)
  }

  /** Finds what was kept before; the folder is made when there is something to keep. */
  static async open(folder: string): Promise<KeptEvidence> {
    try {
      const names = await readdir(folder)
      return new KeptEvidence(
        folder,
        names.filter((name) => ACCUSATION.test(name) || AHEAD.test(name)),
      )
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return new KeptEvidence(folder, [])
      throw error
    }
  }

  get accusations(): readonly string[] {
    return [...this.#names].filter((name) => ACCUSATION.test(name))
  }

  get ahead(): readonly string[] {
    return [...this.#names].filter((name) => AHEAD.test(name))
  }

  has(name: string): boolean {
    return this.#names.has(name)
  }

  get isFull(): boolean {
    return this.#names.size >= MAX_KEPT
  }

  /** Resolves when it would survive a power cut. */
  async keep(name: string, text: string): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 })
    await rewriteFile(join(this.folder, name), 0o644, () => text)
    this.#names.add(name)
  }

  async read(name: string): Promise<string> {
    return (await readText(join(this.folder, name))) ?? ""
  }

  async remove(name: string): Promise<void> {
    await rm(join(this.folder, name), { force: true })
    await syncFolder(this.folder)
    this.#names.delete(name)
  }
}

/** @param head - text of the checkpoint that was shown, without signatures */
export function accusationName({ kind }: Accusation, head: string): string {
  return `${kind}-${hashOf(head)}.json`
}

export function aheadName(head: string): string {
  return `ahead-${hashOf(head)}.checkpoint`
}

/** @param timeMs - when it was found, by our clock */
export function accusationText(accusation: Accusation, by: string, timeMs: number): string {
  return formatAccusation({ ...accusation, found: { at: new Date(timeMs).toISOString(), by } })
}

function hashOf(head: string): string {
  return encodeHex(sha256(new TextEncoder().encode(head))).slice(0, 16)
}
