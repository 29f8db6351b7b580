/**
 * The findings of one log: what a verifier threw gets its name, and its proof where there is one.
 *
 *     error ─► diagnose ─► kind ─► signed and wrong? accusation ─► finding
 *
 * Effects: those of the source, to tell what a failure is; files in the accusations' folder; a clock.
 */

import type { OpenedCheckpoint } from "@prooflog/tlog/policy"
import type { Accusation } from "@prooflog/verifier/accusation"
import { accuseEntry } from "@prooflog/verifier/accuse"
import { VerifierError } from "@prooflog/verifier/error"
import type { LogSource } from "@prooflog/verifier/source"
import { diagnose } from "./diagnose.js"
import { type Activity, type Finding, type FindingKind, isLasting, weightOf } from "./finding.js"
import { OpenFindings } from "./open-findings.js"
import type { WatchOptions } from "./watch-options.js"

/** What failed, and on what. */
export interface Failure {
  readonly by: Activity
  /** Whatever was thrown. */
  readonly error: unknown
  /** What was read under it; `undefined` while the head itself was read. */
  readonly head: OpenedCheckpoint | undefined
  /** Remembers what was read: an accusation is made of that. */
  readonly source: LogSource
  /** Both, verbatim, where one was held against the other. */
  readonly heads?: readonly [string, string]
}

export class LogFindings {
  readonly #options: WatchOptions
  readonly #open: OpenFindings
  readonly #onChange: () => void
  /** What met a leaf that breaks a rule, and found out whether that can be proven. */
  readonly #judged = new Set<Activity>()

  /** @param onChange - told of what is worth keeping */
  constructor(options: WatchOptions, kept: readonly Finding[], onChange: () => void) {
    this.#options = options
    this.#open = new OpenFindings(kept, options.listener)
    this.#onChange = onChange
  }

  get all(): readonly Finding[] {
    return this.#open.all
  }

  raise(
    kind: FindingKind,
    by: Activity,
    message: string,
    more: Partial<Pick<Finding, "heads" | "accusation">> = {},
  ): void {
    const seenMs = this.#options.clock()
    if (this.#open.raise({ kind, by, message, seenMs, ...more })) this.#onChange()
  }

  settle(by: Activity): void {
    if (this.#open.settle(by)) this.#onChange()
  }

  /** The log goes on with it. */
  seen(kind: FindingKind): void {
    this.#open.seen(kind, this.#options.clock())
  }

  /** The webhook has it. */
  told(finding: Finding): void {
    this.#open.told(finding)
    this.#onChange()
  }

  /**
   * Names what the verifier has thrown.
   *
   * It rejects with what is not the log's doing ({@link requireVerifierError}).
   *
   * @param isKnown - whether the log has ever shown a head: of one that never answered nothing is missing
   */
  async failed({ by, error, head, source, heads }: Failure, isKnown: boolean): Promise<void> {
    const { signal } = this.#options
    requireVerifierError(error, signal)
    const found = await diagnose(error, this.#options.looks, head)
    signal.throwIfAborted()
    const kind = found === "withheld" && head === undefined && !isKnown ? "unreachable" : found
    const accusation =
      head !== undefined && isLasting(kind) ? await this.#accuseEntry(error, head, source, by) : undefined
    this.raise(kind, by, error.message, { ...(heads && { heads }), ...(accusation && { accusation }) })
  }

  /** Resolves to the name of its file when it is on disk. */
  async accuse(accusation: Accusation): Promise<string> {
    const { accusations, logger, log } = this.#options
    const file = await accusations.keep(accusation)
    logger.error({ origin: log.origin, kind: accusation.kind, file }, "accusation written")
    return file
  }

  /** A leaf breaks a rule for ever: reading cannot go past it. It is read again only for a proof that is still owed. */
  isStuck(what: "audit" | "re-read"): boolean {
    return this.all.some(
      (finding) =>
        finding.by === what &&
        finding.kind !== "forked" &&
        isLasting(finding.kind) &&
        (weightOf(finding) === "proven" || this.#judged.has(what)),
    )
  }

  async #accuseEntry(
    error: VerifierError,
    head: OpenedCheckpoint,
    source: LogSource,
    by: Activity,
  ): Promise<string | undefined> {
    const { signal, logger, log } = this.#options
    try {
      const accusation = await accuseEntry(error, head, source)
      this.#judged.add(by)
      return accusation && (await this.accuse(accusation))
    } catch (cause) {
      requireVerifierError(cause, signal)
      logger.warn({ err: cause, origin: log.origin }, "an entry could not be accused")
      return undefined
    }
  }
}

/** Throws on what is not the log's doing: a bug, a failed disk, and whatever fails because all is to end. */
export function requireVerifierError(error: unknown, signal: AbortSignal): asserts error is VerifierError {
  signal.throwIfAborted()
  if (!(error instanceof VerifierError)) throw error
}

export function isFork(error: unknown): boolean {
  return error instanceof VerifierError && error.code === "VERIFIER_FORKED"
}
