/**
 * Drafts: objects in a folder while they are written, under names that nobody reads.
 *
 *     .drafts/<key, hashed 16>.<process>.<opening 16>.<n>
 *
 * A process that is killed leaves its drafts behind. They may hold records, so they must not stay: each opening of the
 * folder removes those of processes that are gone, and whoever destroys an object removes all that were of it.
 *
 * A process on another machine, or in another container, looks gone from here. If one writes into the same folder, it
 * can lose a draft: its put then rejects, and nothing else happens.
 */

import { createHash, randomBytes } from "node:crypto"
import { readdir, rm } from "node:fs/promises"
import { join } from "node:path"

/** No key has a part that begins with a dot. */
export const DRAFTS = ".drafts"

/** One opening of a folder, which writes drafts of its own. */
export class Drafts {
  readonly #folder: string
  readonly #opening = randomBytes(8).toString("hex")
  #count = 0

  /** @param folder - is there already */
  constructor(folder: string) {
    this.#folder = folder
  }

  /** Returns the path of a new draft of an object. */
  pathFor(key: string): string {
    return join(this.#folder, `${hashOf(key)}.${process.pid}.${this.#opening}.${this.#count++}`)
  }

  /** Removes what processes left behind that are gone. */
  async removeOrphans(): Promise<void> {
    OPENINGS.add(this.#opening)
    for (const name of await readdir(this.#folder)) {
      const [, , pid, opening] = DRAFT.exec(name) ?? []
      if (pid === undefined || opening === undefined) continue
      // The process that is now called so may be another: after a restart of a container it has the same number.
      const isOurs = Number(pid) === process.pid
      if (isOurs ? !OPENINGS.has(opening) : !isAlive(Number(pid))) await this.#remove(name)
    }
  }

  /** Removes every draft of an object, whoever writes it: it is to be destroyed. */
  async removeOf(key: string): Promise<void> {
    const hash = hashOf(key)
    for (const name of await readdir(this.#folder)) {
      if (DRAFT.exec(name)?.[1] === hash) await this.#remove(name)
    }
  }

  async #remove(name: string): Promise<void> {
    await rm(join(this.#folder, name), { force: true })
  }
}

const DRAFT = /^([0-9a-f]{16})\.([0-9]{1,10})\.([0-9a-f]{16})\.[0-9]+$/

/** Those of this process, whose drafts may be being written. */
const OPENINGS = new Set<string>()

function hashOf(key: string): string {
  return createHash("sha256").update(key).digest("hex").slice(0, 16)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // Another user's process may not be signalled, but it is there.
    return (error as NodeJS.ErrnoException).code !== "ESRCH"
  }
}
