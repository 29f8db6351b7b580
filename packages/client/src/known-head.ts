/**
 * The head that was verified last, and the rule that the log never goes back behind it, nor to the side.
 *
 * The first head is trusted on first use, as far as the policy's signatures go. With a file, the head
 * outlives the process: it is written to a temporary file, fsynced and renamed, so that a crash leaves
 * the old head or the new one, never half of one.
 *
 * Effects: the head file; reads tiles through the source given.
 */

import { readFileSync } from "node:fs"
import { open, rename } from "node:fs/promises"
import { dirname } from "node:path"
import type { OpenedCheckpoint, Policy } from "@prooflog/tlog/policy"
import { checkGrowth, openHead } from "@prooflog/verifier/advance"
import { VerifierError } from "@prooflog/verifier/error"
import type { LogSource } from "@prooflog/verifier/source"
import { ClientError } from "./error.js"

export interface KnownHeadOptions {
  readonly policy: Policy
  readonly source: LogSource
  /** Where the head is kept; one process at a time. */
  readonly file?: string
  readonly onError: (error: ClientError) => void
}

export class KnownHead {
  readonly #options: KnownHeadOptions
  #head: OpenedCheckpoint | undefined
  /** One comparison at a time: each is against what the one before it left. */
  #queue: Promise<unknown> = Promise.resolve()

  /** @throws {@link ClientError} `CLIENT_HEAD_FILE` if there is a file that cannot be read or opened */
  constructor(options: KnownHeadOptions) {
    this.#options = options
    this.#head = options.file === undefined ? undefined : load(options.file, options.policy)
  }

  /** The head verified last, if any was. */
  get head(): OpenedCheckpoint | undefined {
    return this.#head
  }

  /**
   * Checks that `shown` and the head known are of one history, and keeps the larger.
   *
   * A smaller head is no going back if its request was sent before the larger one was known: answers
   * overtake each other.
   *
   * @param atLeast - the head known when the request was sent
   * @throws VerifierError as `checkGrowth` of the verifier
   */
  follow(shown: OpenedCheckpoint, atLeast: OpenedCheckpoint | undefined): Promise<void> {
    const compared = this.#queue.then(() => this.#compare(shown, atLeast))
    this.#queue = compared.catch(() => {})
    return compared
  }

  async #compare(shown: OpenedCheckpoint, atLeast: OpenedCheckpoint | undefined): Promise<void> {
    const { source } = this.#options
    const known = this.#head
    const wasOvertaken = known !== undefined && shown.checkpoint.treeSize < known.checkpoint.treeSize
    if (wasOvertaken && atLeast !== known) {
      if (atLeast !== undefined) await checkGrowth(atLeast, shown, source)
      return await checkPrecedes(shown, known, source)
    }
    if (known !== undefined) await checkGrowth(known, shown, source)
    this.#head = shown
    if (shown.note !== known?.note) await this.#save(shown.note)
  }

  async #save(note: string): Promise<void> {
    const { file, onError } = this.#options
    if (file === undefined) return
    try {
      await writeDurably(file, note)
    } catch (cause) {
      onError(new ClientError("CLIENT_HEAD_FILE", `cannot write the head file ${file}`, { cause }))
    }
  }
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

function load(file: string, policy: Policy): OpenedCheckpoint | undefined {
  let note: string
  try {
    note = readFileSync(file, "utf8")
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw new ClientError("CLIENT_HEAD_FILE", `cannot read the head file ${file}`, { cause })
  }
  try {
    return openHead(note, policy)
  } catch (cause) {
    throw new ClientError("CLIENT_HEAD_FILE", `${file} holds no head of a log that the policy names`, {
      cause,
    })
  }
}

async function writeDurably(file: string, text: string): Promise<void> {
  const temporary = `${file}.new`
  const handle = await open(temporary, "w", 0o600)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, file)
  const folder = await open(dirname(file), "r").catch(() => undefined) // Windows cannot open a folder.
  await folder?.sync().finally(() => folder.close())
}
