/**
 * The head that was verified last, and the rule that the log never goes back behind it, nor to the side.
 *
 *     pinned  ──►  kept in the file  ──►  shown, shown, shown …      each extends the one before it
 *
 * A head that came with the policy is where the history must begin; without one, and without a file from before,
 * the first head is trusted on first use, as far as the policy's signatures go, and that is said. With a file, the head
 * outlives the process. What contradicts the known head is refused, and both heads are kept.
 *
 * Effects: the head file and files beside it; reads tiles through the source given.
 */

import { readFileSync } from "node:fs"
import type { OpenedCheckpoint, Policy } from "@prooflog/tlog/policy"
import { openLogHead } from "@prooflog/verifier/accusation"
import { checkGrowth } from "@prooflog/verifier/advance"
import { VerifierError } from "@prooflog/verifier/error"
import { type LogSource, remembering } from "@prooflog/verifier/source"
import { writeDurably } from "./durable-file.js"
import { ClientError } from "./error.js"
import { type Kept, RefusedHeads } from "./refused-heads.js"

export interface KnownHeadOptions {
  readonly policy: Policy
  readonly source: LogSource
  /** Where the head is kept; one process at a time. */
  readonly file?: string
  /** Came with the policy: every head must extend it. */
  readonly pinned?: OpenedCheckpoint
  readonly clock: () => number
  /** Who found it, as accusations say; the client unless set. */
  readonly foundBy?: string
  /** Called when a head was believed for want of an earlier one. */
  readonly onFirstUse: (head: OpenedCheckpoint) => void
  readonly onError: (error: ClientError) => void
}

export class KnownHead {
  readonly #options: KnownHeadOptions
  readonly #refused: RefusedHeads
  readonly #kept = new WeakMap<VerifierError, Kept>()
  #head: OpenedCheckpoint | undefined
  /** The pinned head where the file held one too, older or newer, until some head is shown to extend both. */
  #alsoKnown: OpenedCheckpoint | undefined
  /** What the file holds. */
  #saved: string | undefined
  /** One comparison at a time: each is against what the one before it left. */
  #queue: Promise<unknown> = Promise.resolve()

  /** @throws {@link ClientError} `CLIENT_HEAD_FILE` if there is a file that cannot be read or opened */
  constructor(options: KnownHeadOptions) {
    this.#options = options
    this.#refused = new RefusedHeads(options)
    const { file, pinned, policy } = options
    const kept = file === undefined ? undefined : load(file, policy)
    this.#saved = kept?.note
    this.#head = kept ?? pinned
    this.#alsoKnown = kept === undefined ? undefined : pinned
  }

  /** The head verified last, if any was. */
  get head(): OpenedCheckpoint | undefined {
    return this.#head
  }

  /** What was kept of the two heads in a refusal that {@link follow} or {@link compare} threw. */
  keptOf(refusal: VerifierError): Kept | undefined {
    return this.#kept.get(refusal)
  }

  /**
   * Checks that `shown` and the head known are of one history, and keeps the larger.
   *
   * A smaller head is no going back if its request was sent before the larger one was known: answers
   * overtake each other.
   *
   * @param shown - opened under the whole policy
   * @param atLeast - the head known when the request was sent
   * @throws VerifierError as `checkGrowth` of the verifier
   */
  follow(shown: OpenedCheckpoint, atLeast: OpenedCheckpoint | undefined): Promise<void> {
    return this.#inTurn(shown, atLeast, async () => {
      const known = this.#head
      if (known !== undefined && isSmaller(shown, known)) return
      this.#head = shown
      this.#alsoKnown = undefined
      if (known === undefined) this.#options.onFirstUse(shown)
      await this.#save(shown.note)
    })
  }

  /**
   * Checks the same of a head that the log signed but that is not to be believed, and keeps nothing of it unless it
   * is a contradiction.
   *
   * @throws VerifierError as {@link follow}
   */
  compare(shown: OpenedCheckpoint, atLeast: OpenedCheckpoint | undefined): Promise<void> {
    return this.#inTurn(shown, atLeast, async () => {})
  }

  #inTurn(
    shown: OpenedCheckpoint,
    atLeast: OpenedCheckpoint | undefined,
    then: () => Promise<void>,
  ): Promise<void> {
    const done = this.#queue.then(async () => {
      // An accusation is made of the tiles that the comparison saw, whatever the log serves next.
      const source = remembering(this.#options.source)
      try {
        await this.#check(shown, atLeast, source)
      } catch (error) {
        if (error instanceof VerifierError && error.heads !== undefined) {
          this.#kept.set(error, await this.#refused.keep(error, error.heads, source))
        }
        throw error
      }
      await then()
    })
    this.#queue = done.catch(() => {})
    return done
  }

  async #check(
    shown: OpenedCheckpoint,
    atLeast: OpenedCheckpoint | undefined,
    source: LogSource,
  ): Promise<void> {
    const known = this.#head
    if (known === undefined) return
    if (isSmaller(shown, known) && atLeast !== known) {
      if (atLeast !== undefined) await checkGrowth(atLeast, shown, source)
      return await checkPrecedes(shown, known, source)
    }
    await checkGrowth(known, shown, source)
    if (this.#alsoKnown !== undefined) await checkGrowth(this.#alsoKnown, shown, source)
  }

  async #save(note: string): Promise<void> {
    const { file, onError } = this.#options
    if (file === undefined || note === this.#saved) return
    try {
      await writeDurably(file, note)
      this.#saved = note
    } catch (cause) {
      onError(new ClientError("CLIENT_HEAD_FILE", `cannot write the head file ${file}`, { cause }))
    }
  }
}

function isSmaller(a: OpenedCheckpoint, b: OpenedCheckpoint): boolean {
  return a.checkpoint.treeSize < b.checkpoint.treeSize
}

/** Checks that `known` extends `shown`; the error names them as they are, not as they were compared. */
async function checkPrecedes(
  shown: OpenedCheckpoint,
  known: OpenedCheckpoint,
  source: LogSource,
): Promise<void> {
  try {
    await checkGrowth(shown, known, source)
  } catch (cause) {
    if (!(cause instanceof VerifierError) || cause.heads === undefined) throw cause
    const heads = { known: known.note, shown: shown.note }
    throw new VerifierError(cause.code, cause.message, { cause, heads })
  }
}

/** Its cosignatures were checked before it was kept, under the policy of that time: whose witnesses may be others. */
function load(file: string, policy: Policy): OpenedCheckpoint | undefined {
  let note: string
  try {
    note = readFileSync(file, "utf8")
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw new ClientError("CLIENT_HEAD_FILE", `cannot read the head file ${file}`, { cause })
  }
  try {
    return openLogHead(note, policy)
  } catch (cause) {
    throw new ClientError("CLIENT_HEAD_FILE", `${file} holds no head of a log that the policy names`, {
      cause,
    })
  }
}
