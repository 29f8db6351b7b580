/**
 * The head that was verified last, in a file: from there a log may only grow.
 *
 *     no file     ──►  trusted on first use, and said so     FILE is written
 *     FILE        ──►  the head shown extends it             FILE holds the new one
 *                 └─►  it goes back, or to the side          not verified; FILE stays, both heads lie beside it,
 *                                                            and what they convict the log of
 *
 * Kept as soon as the head is signed as the policy asks and extends the one before: whatever else is found wrong with the
 * log, that is what it has signed.
 *
 * Effects: the file and files beside it; reads tiles through the source given.
 */

import type { KnownHead } from "@prooflog/client/known-head"
import type { OpenedCheckpoint, Policy } from "@prooflog/tlog/policy"
import { openLogHead } from "@prooflog/verifier/accusation"
import { lacksQuorum, openHead } from "@prooflog/verifier/advance"
import { VerifierError } from "@prooflog/verifier/error"
import { escapeText } from "@prooflog/verifier/report"
import type { LogSource } from "@prooflog/verifier/source"
import { CliError, reasonOf, wordsOf } from "./error.js"
import { counted, type Terminal } from "./terminal.js"

/** What the flag `--head` means, wherever it is. */
export const HEAD_FLAG = [
  "--head <file>",
  "keep the log's head there, and refuse one that goes back behind it or to the side",
] as const

/**
 * Opens a head, and follows the log to it where a head is kept.
 *
 * One that the log signed and that lacks its quorum accuses nobody: it may get it later. But where it contradicts the head
 * kept, the two convict.
 *
 * @param kept - nothing if no head is
 * @throws {@link VerifierError} as `openHead`, and as {@link HeadFile.follow}
 */
export async function openAndFollow(
  note: string,
  policy: Policy,
  kept: HeadFile | undefined,
): Promise<OpenedCheckpoint> {
  let shown: OpenedCheckpoint
  try {
    shown = openHead(note, policy)
  } catch (error) {
    if (kept !== undefined && lacksQuorum(error)) await kept.compare(openLogHead(note, policy))
    throw error
  }
  await kept?.follow(shown)
  return shown
}

export class HeadFile {
  readonly #path: string
  readonly #known: KnownHead
  /** What could not be written. */
  readonly #failures: readonly Error[]
  readonly #say: Terminal["say"]
  /** What the head shown was to the one known. */
  #found = ""
  #keptFiles: readonly string[] = []

  private constructor(path: string, known: KnownHead, failures: readonly Error[], say: Terminal["say"]) {
    this.#path = path
    this.#known = known
    this.#failures = failures
    this.#say = say
  }

  /** @throws ClientError `CLIENT_HEAD_FILE` if there is a file that cannot be read, or is no head under the policy */
  static async open(
    path: string,
    policy: Policy,
    source: LogSource,
    { say }: Pick<Terminal, "say">,
  ): Promise<HeadFile> {
    // Whoever keeps no head does without.
    const { KnownHead } = await import("@prooflog/client/known-head")
    const failures: Error[] = []
    const known = new KnownHead({
      policy,
      source,
      file: path,
      clock: Date.now,
      foundBy: "prooflog",
      onFirstUse: ({ checkpoint }) => say(firstUse(checkpoint.treeSize)),
      onError: (error) => void failures.push(error),
    })
    return new HeadFile(path, known, failures, say)
  }

  /**
   * Checks that a head extends the one in the file, and keeps it there.
   *
   * @param shown - opened under the policy
   * @throws {@link VerifierError} as `advance` does, with both heads kept; {@link CliError} `CLI_FILE` if the head cannot
   * be kept: the next run would not know of it
   */
  async follow(shown: OpenedCheckpoint): Promise<void> {
    const before = this.#known.head
    await this.#keepingBoth(() => this.#known.follow(shown, before))
    const [failure] = this.#failures
    if (failure !== undefined) throw new CliError("CLI_FILE", wordsWithCause(failure), { cause: failure })
    const size = counted((before ?? shown).checkpoint.treeSize, "leaf", "leaves")
    this.#found =
      before === undefined
        ? `of ${size}, trusted on first use; ${this.#path} keeps it`
        : `extends the one of ${size} that ${this.#path} kept`
  }

  /**
   * Checks the same of a head that the log signed and that has no quorum. The file stays as it is.
   *
   * @throws {@link VerifierError} as {@link follow}, for what contradicts the head in the file
   */
  async compare(shown: OpenedCheckpoint): Promise<void> {
    await this.#keepingBoth(() => this.#known.compare(shown, this.#known.head))
  }

  async #keepingBoth(comparing: () => Promise<void>): Promise<void> {
    try {
      await comparing()
    } catch (error) {
      if (error instanceof VerifierError) this.#keptFiles = this.#known.keptOf(error)?.files ?? []
      for (const failure of this.#failures) this.#say(escapeText(`the heads: ${wordsWithCause(failure)}`))
      throw error
    }
  }

  /** What there is to add to a verdict, for people: lines below it. */
  lines(): readonly string[] {
    if (this.#keptFiles.length === 0)
      return this.#found === "" ? [] : [escapeText(`  head               ${this.#found}`)]
    return this.#keptFiles.map((file) => {
      const isProof = file.startsWith(`${this.#path}.accusation-`)
      return escapeText(
        isProof
          ? `  proof of it        ${file} (prooflog verify-evidence checks it)`
          : `  both heads         ${file}`,
      )
    })
  }

  /** {@link lines}, for machines. */
  facts(): Readonly<Record<string, unknown>> {
    if (this.#keptFiles.length > 0) return { head_file: this.#path, kept_files: this.#keptFiles }
    return this.#found === "" ? {} : { head_file: this.#path, head_found: this.#found }
  }
}

function firstUse(treeSize: number): string {
  const size = counted(treeSize, "leaf", "leaves")
  return `no head was known: the one of ${size} is trusted on first use, as far as the policy's signatures go; from here on the log may only extend it`
}

function wordsWithCause(error: Error): string {
  return error.cause === undefined ? wordsOf(error) : `${wordsOf(error)}: ${reasonOf(error.cause)}`
}
