/**
 * Keeps what a log was caught with: the head that was known and the head that contradicts it.
 *
 *     FILE                              the head known; it stays
 *     FILE.refused-<id>.json            both heads, written before anything else is tried
 *     FILE.refused-went-back-<id>.json  … of a log that showed a smaller one
 *     FILE.accusation-<kind>-<id>.json  what they convict the log, or a witness, of; verifies offline
 *
 * Not every refusal convicts: a log that shows an older head of the same history has gone back, but has not
 * contradicted itself, and it can do so as often as it likes. So these have files of their own, and only they are
 * given up when there are too many: a smaller head that is not known to be of the same history is kept as the others
 * are. The names hold a hash of what is in the files, so the same lie told again makes no new file.
 *
 * Effects: files beside the head file; reads tiles through the source given.
 */

import { createHash } from "node:crypto"
import { access, readdir } from "node:fs/promises"
import { basename, dirname } from "node:path"
import type { Policy } from "@prooflog/tlog/policy"
import { type Accusation, formatAccusation } from "@prooflog/verifier/accusation"
import { accuseHeads, accuseWitnesses } from "@prooflog/verifier/accuse"
import { type ConflictingHeads, VerifierError } from "@prooflog/verifier/error"
import { endable, type LogSource } from "@prooflog/verifier/source"
import { writeDurably } from "./durable-file.js"
import { bug, ClientError } from "./error.js"

/** Files of each kind that are written beside a head file: the first lies tell the most. */
export const MAX_KEPT_FILES = 32

/** Time to get hold of tiles for an accusation, milliseconds; the alarm waits for it. */
const ACCUSE_MS = 5000

const WENT_BACK = "refused-went-back"

/** Two heads that agree. */
const ONE_HISTORY = "one history"

const ID = /^[0-9a-f]{16}\./

/** Who found it, in the accusation, unless someone else uses this. */
const FOUND_BY = "@prooflog/client"

export interface RefusedHeadsOptions {
  readonly policy: Policy
  /** The head file. Without one nothing is written. */
  readonly file?: string
  readonly clock: () => number
  /** Who found it, as accusations say; the client unless set. */
  readonly foundBy?: string
  readonly onError: (error: ClientError) => void
}

/** What was made of two heads. */
export interface Kept {
  /** Accusation files as text; each was verified. */
  readonly accusations: readonly string[]
  /** Paths of the files that keep the heads and the accusations. */
  readonly files: readonly string[]
}

export class RefusedHeads {
  readonly #options: RefusedHeadsOptions

  constructor(options: RefusedHeadsOptions) {
    this.#options = options
  }

  /**
   * Keeps two heads and whatever they convict of. Never rejects: what fails is told to `onError`.
   *
   * @param error - the refusal; its heads are opened
   * @param source - the tiles that the comparison saw, as far as it went
   */
  async keep({ code }: VerifierError, heads: ConflictingHeads, source: LogSource): Promise<Kept> {
    const accusations: string[] = []
    const files: string[] = []
    const { foundBy: by = FOUND_BY } = this.#options
    try {
      const at = new Date(this.#options.clock()).toISOString()
      const refused = `${JSON.stringify({ code, found_at: at, known: heads.known, shown: heads.shown })}\n`
      const hasGoneBack = code === "VERIFIER_WENT_BACK"
      files.push(...(await this.#write(hasGoneBack ? WENT_BACK : "refused", idOf(heads), refused)))
      const isKept = files.length > 0
      let isOneHistory = false
      for await (const accusation of this.#accuse(heads, source)) {
        if (accusation === ONE_HISTORY) {
          isOneHistory = true
          break
        }
        const { kind } = accusation
        const text = formatAccusation({ ...accusation, found: { at, by } })
        accusations.push(text)
        const accused = kind === "witness-equivocation" ? accusation.witness : ""
        files.push(...(await this.#write(`accusation-${kind}`, idOf(heads, accused), text)))
      }
      if (hasGoneBack && !isKept && !isOneHistory) {
        files.push(...(await this.#write("refused", idOf(heads), refused)))
      }
    } catch (error) {
      // The refusal that brought us here must be told, whatever is wrong with us.
      this.#options.onError(bug(error))
    }
    return { accusations, files }
  }

  async *#accuse(
    { known, shown }: ConflictingHeads,
    source: LogSource,
  ): AsyncGenerator<Accusation | typeof ONE_HISTORY> {
    const { policy } = this.#options
    const signal = AbortSignal.timeout(ACCUSE_MS)
    const reachable = endable(source, signal)
    try {
      const accusation = await accuseHeads(known, shown, reachable, policy)
      yield accusation ?? ONE_HISTORY
      if (accusation === undefined) return
      yield* await accuseWitnesses(known, shown, reachable, policy)
    } catch (error) {
      // Tiles that are not served, wrong, or late: then nobody is convicted, and the heads are kept all the same.
      if (!(error instanceof VerifierError) && !signal.aborted) throw error
    }
  }

  /** @returns the path, if the file is there afterwards */
  async #write(kind: string, id: string, text: string): Promise<readonly string[]> {
    const { file, onError } = this.#options
    if (file === undefined) return []
    const path = `${file}.${kind}-${id}.json`
    try {
      if (await exists(path)) return [path]
      if ((await countOf(`${file}.${kind}-`)) >= MAX_KEPT_FILES) {
        const message = `${MAX_KEPT_FILES} files ${file}.${kind}-… are kept already; no more are written`
        onError(new ClientError("CLIENT_HEAD_FILE", message))
        return []
      }
      await writeDurably(path, text)
      return [path]
    } catch (cause) {
      onError(new ClientError("CLIENT_HEAD_FILE", `cannot keep the refused heads in ${path}`, { cause }))
      return []
    }
  }
}

/** Of the signed texts, not of the notes: the same head comes with other cosignatures every time. */
function idOf({ known, shown }: ConflictingHeads, accused = ""): string {
  const parts = [textOf(known), textOf(shown), accused]
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 16)
}

function textOf(note: string): string {
  return note.slice(0, note.lastIndexOf("\n\n"))
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false
    throw error
  }
}

/** Files whose paths begin like this and go on with an id; half-written ones count too. */
async function countOf(prefix: string): Promise<number> {
  const start = basename(prefix)
  const names = await readdir(dirname(prefix))
  return names.filter((name) => name.startsWith(start) && ID.test(name.slice(start.length))).length
}
