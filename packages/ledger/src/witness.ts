/**
 * One witness, as the log sees it: asked over HTTP to cosign what grew out of what it cosigned before.
 *
 *     old 7 + proof + head of 9 leaves ──► 200  a cosignature: believed once it verifies by the policy's key
 *                                          409  8: not what I cosigned last ──► old 8 + proof, once more and no further
 *                                          409  12: more than we know of ──► LEDGER_WITNESS_AHEAD
 *                                          422, 409 without sense: another history ──► LEDGER_WITNESS_DISAGREES
 *
 * A witness keeps no one from anything: it is asked one thing at a time, each answer is bounded in time and size,
 * and what goes wrong is a failure of its own, with a time since when.
 *
 * Spec: c2sp.org/tlog-witness, "add-checkpoint" and the monitoring prefix.
 */

import { timeOfCosignature } from "@prooflog/tlog/cosignature"
import { isVerifierKey, type VerifierKey } from "@prooflog/tlog/key"
import { MAX_NOTE_SIZE, type Note, type NoteSignature, parseNote } from "@prooflog/tlog/note"
import type { PolicyWitness } from "@prooflog/tlog/policy"
import {
  formatAddCheckpoint,
  MAX_COSIGNATURES_BYTES,
  originHash,
  parseCosignatureLines,
  parseSizeConflict,
} from "@prooflog/tlog/witness-request"
import { Connection, type HttpAnswer } from "./connection.js"
import type { Cosigned } from "./cosigned-head.js"
import { LedgerError, type LedgerErrorCode } from "./error.js"
import type { Head } from "./head.js"

export interface WitnessStatus {
  /** As the policy calls it. */
  readonly name: string
  /** Leaves of the largest tree that it said it has cosigned. */
  readonly size?: number
  /** Of its last cosignature, seconds since 1970: its word. */
  readonly timeSeconds?: number
  /** Why it gave no cosignature when it was asked last; fit to be shown. */
  readonly failure?: string
  /** Since when, ms since 1970. */
  readonly failedSince?: number
}

/** Proves that the head's tree begins with the tree of so many leaves: 32 bytes each. */
export type Prove = (oldSize: number) => Promise<readonly Uint8Array[]>

export interface WitnessOptions {
  readonly witness: PolicyWitness
  readonly timeoutMs: number
  /** Wall clock, ms since 1970. */
  readonly clock: () => number
  readonly onAlarm: (error: LedgerError) => void
}

/** What a witness says that it has cosigned of a log. */
export interface KnownHead {
  /** 0 for nothing: its word. */
  readonly treeSize?: number
  /** Suspect: the checkpoint that it shows to monitors. */
  readonly note?: string
}

/** Bytes of a failure that are shown. */
const MAX_FAILURE = 200

/** How long a witness is left alone that was asked too often. */
const REST_MS = 60_000

/** A witness is no authority: it could raise the same alarm at every round. */
const ALARM_EVERY_MS = 3_600_000

/** How far the time of a cosignature may be from our clock. Readers take it for the time by which a leaf was there. */
const MAX_TIME_OFF_MS = 86_400_000

export class Witness {
  readonly name: string
  readonly #options: WitnessOptions
  readonly #key: VerifierKey
  readonly #connection: Connection
  /** Of what is under way. */
  #abort: AbortController | undefined
  #closed = false
  #restsUntil = Number.NEGATIVE_INFINITY
  /** What is sent as the old size; 0 asks. */
  #oldSize = 0
  #status: Omit<WitnessStatus, "name"> = {}
  /** When an alarm was raised last, ms since 1970: a failure that lasts, or comes and goes, raises one an hour. */
  readonly #alarmed = new Map<LedgerErrorCode, number>()

  /** @throws `RangeError` if the policy's witness has no URL, or a key by which nothing can be verified */
  constructor(options: WitnessOptions) {
    const { name, key, url } = options.witness
    if (url === undefined) throw new RangeError(`witness ${name}: expected a URL`)
    if (!isVerifierKey(key))
      throw new RangeError(`witness ${name}: keys of type ${key.type} cannot be checked`)
    this.name = name
    this.#options = options
    this.#key = key
    this.#connection = new Connection(url)
  }

  get status(): WitnessStatus {
    return { name: this.name, ...this.#status }
  }

  /** Asks for a cosignature; `undefined` if it gives none, and then {@link status} says why. */
  async cosign(head: Head, prove: Prove): Promise<Cosigned | undefined> {
    if (performance.now() < this.#restsUntil) return undefined
    try {
      const cosigned = await this.#inTime((signal) => this.#ask(head, prove, signal))
      const { timeSeconds } = cosigned
      this.#oldSize = head.treeSize
      this.#status = { size: head.treeSize, timeSeconds }
      return cosigned
    } catch (error) {
      this.#failed(error)
      return undefined
    }
  }

  /**
   * Asks what it has cosigned of this log; what it does not say is left out.
   *
   * Its answer to monitors may lag behind, so it is also sent the tree without leaves as if it had cosigned nothing:
   * all trees begin with that one, and who has cosigned more says how much.
   *
   * @param empty - the head of the tree without leaves
   */
  async known(empty: Head, origin: string): Promise<KnownHead> {
    const [size, note] = await this.#inTime((signal) =>
      Promise.all([
        this.#knownSize(empty, signal).catch(() => undefined),
        this.#shownNote(origin, signal).catch(() => undefined),
      ]),
    )
    return {
      ...(size === undefined ? {} : { treeSize: size }),
      ...(note === undefined ? {} : { note }),
    }
  }

  /** Ends what is under way. */
  close(): void {
    this.#closed = true
    this.#abort?.abort(new Error("the log was closed"))
    this.#connection.close()
  }

  async #ask(head: Head, prove: Prove, signal: AbortSignal): Promise<Cosigned> {
    const note = parseNote(head.note)
    let oldSize = Math.min(this.#oldSize, head.treeSize)
    let answer = await this.#addCheckpoint(head, oldSize, prove, signal)
    if (answer.status === 409) {
      oldSize = this.#sizeOfConflict(answer, head, oldSize)
      answer = await this.#addCheckpoint(head, oldSize, prove, signal)
    }
    if (answer.status === 409) this.#sizeOfConflict(answer, head, oldSize)
    if (answer.status === 422) {
      throw disagrees(
        `${this.name} does not find that our tree of ${head.treeSize} leaves grew out of its own`,
      )
    }
    if (answer.status === 429) this.#restsUntil = performance.now() + REST_MS
    if (answer.status !== 200) throw new Error(FAILURES.get(answer.status) ?? `it answered ${answer.status}`)
    return cosignedBy(this.#key, note, answer, this.#options.clock())
  }

  async #addCheckpoint(head: Head, oldSize: number, prove: Prove, signal: AbortSignal): Promise<HttpAnswer> {
    const body = formatAddCheckpoint({ oldSize, proof: await prove(oldSize), checkpoint: head.note })
    return this.#connection.exchange({
      path: "add-checkpoint",
      body,
      maxBytes: MAX_COSIGNATURES_BYTES,
      signal,
    })
  }

  /** The size in a 409, if it makes sense to go on from there. */
  #sizeOfConflict(answer: HttpAnswer, head: Head, sent: number): number {
    const size = parseSizeConflict(textOf(answer))
    if (size === undefined || size === sent) {
      throw disagrees(
        `${this.name} refuses a conflict without saying which: it may have cosigned another tree`,
      )
    }
    this.#status = { ...this.#status, size }
    if (size > head.treeSize) {
      throw new LedgerError(
        "LEDGER_WITNESS_AHEAD",
        `${this.name} has cosigned ${size} leaves, of ${head.treeSize} that were signed here: another writer, or an old backup`,
        {
          heads: {
            signed: { treeSize: size },
            stored: { treeSize: head.treeSize, rootHash: head.rootHash },
          },
        },
      )
    }
    this.#oldSize = size
    return size
  }

  async #knownSize(empty: Head, signal: AbortSignal): Promise<number | undefined> {
    const answer = await this.#addCheckpoint(empty, 0, async () => [], signal)
    if (answer.status === 409) return parseSizeConflict(textOf(answer))
    return answer.status === 200 || answer.status === 404 ? 0 : undefined
  }

  async #shownNote(origin: string, signal: AbortSignal): Promise<string | undefined> {
    const path = `${originHash(origin)}/checkpoint`
    const answer = await this.#connection.exchange({ path, maxBytes: MAX_NOTE_SIZE, signal })
    return answer.status === 200 ? textOf(answer) : undefined
  }

  async #inTime<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const abort = new AbortController()
    if (this.#closed) abort.abort(new Error("the log was closed"))
    const { timeoutMs } = this.#options
    const late = new Error(`it did not answer within ${timeoutMs} ms`)
    const timer = setTimeout(() => abort.abort(late), timeoutMs)
    this.#abort = abort
    try {
      return await work(abort.signal)
    } finally {
      clearTimeout(timer)
    }
  }

  #failed(error: unknown): void {
    if (this.#closed) return
    const { clock, onAlarm } = this.#options
    const { failedSince = clock() } = this.#status
    this.#status = { ...this.#status, failure: failureOf(error), failedSince }
    if (!(error instanceof LedgerError)) return
    const nowMs = clock()
    const sinceMs = nowMs - (this.#alarmed.get(error.code) ?? Number.NEGATIVE_INFINITY)
    // Clocks are set back, too.
    if (Math.abs(sinceMs) < ALARM_EVERY_MS) return
    this.#alarmed.set(error.code, nowMs)
    onAlarm(error)
  }
}

/** What the statuses of the specification say about us. */
const FAILURES: ReadonlyMap<number, string> = new Map([
  [400, "it answered 400: it cannot read what it is sent"],
  [403, "it answered 403: it does not trust the log's key"],
  [404, "it answered 404: it does not know the log"],
  [409, "it answered 409 twice"],
  [429, "it answered 429: it is asked too often"],
])

/** The witness's cosignature out of its answer, which may have others, of keys that nobody asked for. */
function cosignedBy(key: VerifierKey, { text }: Note, answer: HttpAnswer, nowMs: number): Cosigned {
  for (const signature of signaturesOf(answer)) {
    const timeSeconds = timeOfCosignature(text, key, signature)
    // A cosignature of a whole tree has a time.
    if (timeSeconds === undefined || timeSeconds === 0) continue
    if (Math.abs(timeSeconds * 1_000 - nowMs) <= MAX_TIME_OFF_MS) return { signature, timeSeconds }
    throw new Error(`its cosignature is of ${timeSeconds} s after 1970, more than a day from our clock`)
  }
  throw new Error("its answer has no cosignature that verifies by its key")
}

function signaturesOf(answer: HttpAnswer): readonly NoteSignature[] {
  try {
    return parseCosignatureLines(textOf(answer))
  } catch (cause) {
    throw new Error("its answer is not signature lines", { cause })
  }
}

function disagrees(message: string): LedgerError {
  return new LedgerError("LEDGER_WITNESS_DISAGREES", message)
}

function textOf({ body }: HttpAnswer): string {
  return new TextDecoder().decode(body)
}

/** One line to be shown: certificates and the like bring text from outside into messages. */
function failureOf(error: unknown): string {
  const { name, message, code } = error as NodeJS.ErrnoException
  // Several addresses that all refuse make one error without a message of its own.
  const text = message || (code ?? name)
  return text.replace(/[^\x20-\x7e]/g, "?").slice(0, MAX_FAILURE)
}
