/**
 * A head that someone shows, held against our own tree.
 *
 *     0 ──────────── published ──────── signed ─────────►
 *         older        same     newer      │   newer, and never signed here: an alarm
 *                                          │   kept, until our own tree has grown past it
 *     another root at any size up to signed: inconsistent, an accusation
 *
 * Only what bears our own good signature is looked at: two such heads that contradict each other convict whoever holds
 * the signer key, us included. Another writer with a copied key, or a backup restored beside a running log, shows here
 * first.
 */

import type { Ledger } from "@prooflog/ledger"
import { proveConsistency } from "@prooflog/tlog/consistency"
import { TlogError } from "@prooflog/tlog/error"
import { verifierKeyOf } from "@prooflog/tlog/key"
import { parseNote } from "@prooflog/tlog/note"
import type { OpenedCheckpoint, Policy } from "@prooflog/tlog/policy"
import { openShownCheckpoint } from "@prooflog/tlog/shown-checkpoint"
import type { Accusation } from "@prooflog/verifier/accusation"
import { accuseHeads, accuseWitnesses } from "@prooflog/verifier/accuse"
import type { LogSource } from "@prooflog/verifier/source"
import type { Logger } from "pino"
import { ServerError } from "./error.js"
import type { LogFolder } from "./folder.js"
import { accusationName, accusationText, aheadName, KeptEvidence } from "./kept-evidence.js"
import type { LogReader } from "./log-reader.js"
import { Turns } from "./turns.js"

/** How the head that was shown stands to the published one. */
export const RELATIONS = ["same", "older", "newer", "inconsistent"] as const

export type Relation = (typeof RELATIONS)[number]

export interface Comparison {
  readonly relation: Relation
  /** Our published head: a signed note. */
  readonly checkpoint: string
  /** That the larger of the two trees begins with the smaller; absent where nobody here can tell. */
  readonly proof?: readonly Uint8Array[]
  /** With `inconsistent`: what the two heads prove. */
  readonly accusation?: Accusation
}

export interface ComparingStatus {
  /** Heads that were shown, by what they were. */
  readonly counts: Readonly<Record<Relation, number>>
  /** Accusations in `DIR/accusations`. */
  readonly accusations: number
  /** Heads there that bear our signature and were never signed here. */
  readonly ahead: number
  /** What an operator must look at, a sentence each; none is the usual. */
  readonly alarms: readonly string[]
}

export interface CompareOptions {
  readonly ledger: Ledger
  readonly reader: LogReader
  readonly folder: Pick<LogFolder, "signerKey" | "accusationsPath">
  /** Its witnesses are accused, too, of what they cosigned; its quorum does not matter. */
  readonly policy: Policy
  readonly logger: Logger
  /** Wall clock, ms since 1970. */
  readonly clock: () => number
}

/** How often it is looked whether our tree has grown past heads that were ahead of it. */
const AGAIN_MS = 1_000

export class HeadComparing {
  readonly #options: CompareOptions
  readonly #policy: Policy
  readonly #source: LogSource
  readonly #kept: KeptEvidence
  readonly #counts = { same: 0, older: 0, newer: 0, inconsistent: 0 }
  /** Files are written one after another. */
  readonly #writing = new Turns(1)
  #timer: NodeJS.Timeout | undefined
  #closed = false

  private constructor(options: CompareOptions, kept: KeptEvidence) {
    const { folder, policy, ledger } = options
    this.#options = options
    this.#kept = kept
    this.#policy = { ...policy, logs: [{ key: verifierKeyOf(folder.signerKey) }], quorum: "none" }
    this.#source = { read: (path) => ledger.storage.read(path) }
  }

  static async open(options: CompareOptions): Promise<HeadComparing> {
    const kept = await KeptEvidence.open(options.folder.accusationsPath)
    const comparing = new HeadComparing(options, kept)
    for (const sentence of comparing.status().alarms) options.logger.error(sentence)
    await comparing.#lookAgain()
    return comparing
  }

  status(): ComparingStatus {
    const { accusations, ahead } = this.#kept
    return {
      counts: this.#counts,
      accusations: accusations.length,
      ahead: ahead.length,
      alarms: [
        ...(accusations.length === 0 ? [] : [`${CONTRADICTED}; accusations kept: ${accusations.length}`]),
        ...(ahead.length === 0 ? [] : [`${AHEAD}; heads kept: ${ahead.length}`]),
      ],
    }
  }

  /**
   * Compares a head with ours. What speaks against this log is on disk when it resolves.
   *
   * @param bytes - a signed note; suspect
   * @throws {@link ServerError} `SERVER_MALFORMED_CHECKPOINT`, `SERVER_OTHER_LOG`, `SERVER_UNSIGNED_CHECKPOINT`;
   * VerifierError `VERIFIER_TILE_REFUSED` if our own tiles are damaged
   */
  async compare(bytes: Uint8Array): Promise<Comparison> {
    const comparison = await this.#compare(openShown(bytes, this.#policy))
    this.#counts[comparison.relation]++
    return comparison
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  async #compare(shown: OpenedCheckpoint): Promise<Comparison> {
    const { ledger, reader } = this.#options
    const [published, signed] = [ledger.publishedHead, ledger.signedHead]
    const { treeSize } = shown.checkpoint
    const checkpoint = published.note
    if (treeSize > signed.treeSize) {
      await this.#keepAhead(shown)
      return { relation: "newer", checkpoint }
    }
    // A witness may show what was offered to it and is not published yet.
    const ours = treeSize > published.treeSize ? signed.note : checkpoint
    const accusation = await this.#accuse(shown, ours)
    if (accusation !== undefined) return { relation: "inconsistent", checkpoint, accusation }
    const [smaller = 0, larger = 0] = [treeSize, published.treeSize].sort((a, b) => a - b)
    const proof = await proveConsistency(smaller, larger, reader.readTiles)
    return { relation: relationOf(treeSize, published.treeSize), checkpoint, proof }
  }

  /** Returns the accusation that two heads make, kept; `undefined` if they agree. */
  async #accuse(shown: OpenedCheckpoint, ours: string): Promise<Accusation | undefined> {
    const accusation = await accuseHeads(shown, ours, this.#source, this.#policy)
    if (accusation === undefined) return undefined
    const { text } = parseNote(shown.note)
    await this.#keep(accusationName(accusation, text), accusation, shown)
    for (const one of await accuseWitnesses(shown, ours, this.#source, this.#policy)) {
      await this.#keep(accusationName(one, `${text}${one.witness}`), one, shown)
    }
    return accusation
  }

  #keep(name: string, accusation: Accusation, { checkpoint }: OpenedCheckpoint): Promise<void> {
    const { clock } = this.#options
    return this.#raise(name, () => accusationText(accusation, "the log's own server", clock()), {
      alarm: CONTRADICTED,
      tree_size: checkpoint.treeSize,
    })
  }

  async #keepAhead(shown: OpenedCheckpoint): Promise<void> {
    const { treeSize } = shown.checkpoint
    const name = aheadName(parseNote(shown.note).text)
    await this.#raise(name, () => shown.note, { alarm: AHEAD, tree_size: treeSize })
    this.#arm()
  }

  /** Keeps a file and tells the operator, once for each head. Whoever asked is answered all the same. */
  #raise(name: string, text: () => string, said: { alarm: string; tree_size: number }): Promise<void> {
    const { logger } = this.#options
    return this.#writing.take(async () => {
      if (this.#kept.has(name)) return
      const { alarm, ...where } = said
      if (this.#kept.isFull) {
        logger.error({ ...where, not_kept: name }, alarm)
        return
      }
      try {
        await this.#kept.keep(name, text())
        logger.error({ ...where, file: `${this.#kept.folder}/${name}` }, alarm)
      } catch (error) {
        logger.error({ ...where, not_kept: name, err: error }, alarm)
      }
    })
  }

  #arm(): void {
    if (this.#closed || this.#timer !== undefined || this.#kept.ahead.length === 0) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      void this.#lookAgain()
    }, AGAIN_MS)
    this.#timer.unref()
  }

  /** Our tree may have grown past a head that was ahead of it: now it can be told what it was. */
  async #lookAgain(): Promise<void> {
    const { logger } = this.#options
    for (const name of this.#kept.ahead) {
      try {
        await this.#settle(name)
      } catch (error) {
        logger.error({ err: error, file: name }, "a head that was kept could not be compared")
      }
    }
    this.#arm()
  }

  async #settle(name: string): Promise<void> {
    const { ledger, logger } = this.#options
    const shown = openShown(new TextEncoder().encode(await this.#kept.read(name)), this.#policy)
    const { treeSize } = shown.checkpoint
    if (treeSize > ledger.signedHead.treeSize) return
    const accusation = await this.#accuse(shown, ledger.signedHead.note)
    // What it proved is in the accusation; if nothing, it was our own future.
    if (accusation === undefined) {
      logger.warn({ tree_size: treeSize }, "the log has grown into a head that was signed elsewhere before")
    }
    await this.#writing.take(() => this.#kept.remove(name))
  }
}

const CONTRADICTED =
  "the signer key has signed two histories of this log: a head was shown that contradicts our own tree"

const AHEAD =
  "the signer key has signed more than was ever signed here: another process has the key, or this is an old backup"

/** Opens a head that bears our signature, on that alone. @throws {@link ServerError} as `compare` */
function openShown(bytes: Uint8Array, policy: Policy): OpenedCheckpoint {
  try {
    return openShownCheckpoint(bytes, policy)
  } catch (cause) {
    if (!(cause instanceof TlogError)) throw cause
    switch (cause.code) {
      case "TLOG_UNKNOWN_LOG":
        throw new ServerError("SERVER_OTHER_LOG", "this checkpoint is of another log", { cause })
      case "TLOG_NO_SIGNATURE":
      case "TLOG_BAD_SIGNATURE": {
        const message = "this checkpoint does not bear this log's signature"
        throw new ServerError("SERVER_UNSIGNED_CHECKPOINT", message, { cause })
      }
      default:
        throw new ServerError("SERVER_MALFORMED_CHECKPOINT", "this is no signed checkpoint", { cause })
    }
  }
}

function relationOf(shown: number, published: number): Relation {
  if (shown === published) return "same"
  return shown < published ? "older" : "newer"
}
