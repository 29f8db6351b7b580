/**
 * A witness: cosigns checkpoints of the logs it knows, as long as each extends the one before.
 *
 *     body ─ parse ─ origin ─ log's signature ─ old ≤ size ─ old = ours? │ roots, proof ─ cosign ─ store │ 200
 *            400     404      403               400          409         │ 422                          │
 *            at once, for everyone                                       │ one at a time for each log   │ after the disk has it
 *
 * Comparing and storing is one step for each log, or two requests could each be compared with the same old
 * checkpoint, and one of them take the witness back, or aside. What is answered is on disk already, so a crash between
 * the two loses an answer and never a promise.
 *
 * Spec: c2sp.org/tlog-witness, "add-checkpoint" and "Monitoring". Where its version 1.0.0 answered 409 to another root of
 * the same size, it now says 422, and so do we.
 * Effects: files in the folder given; the clock.
 */

import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import { decodeBase64, encodeBase64 } from "@prooflog/tlog/base64"
import { type Checkpoint, parseCheckpoint } from "@prooflog/tlog/checkpoint"
import { checkConsistency } from "@prooflog/tlog/consistency"
import { cosign } from "@prooflog/tlog/cosignature"
import { TlogError, type TlogErrorCode } from "@prooflog/tlog/error"
import { EMPTY_ROOT, HASH_SIZE } from "@prooflog/tlog/hash"
import {
  ED25519,
  ED25519_COSIGNATURE,
  type SignerKey,
  type VerifierKey,
  verifierKeyOf,
} from "@prooflog/tlog/key"
import { formatNote, type Note, openNote, parseNote } from "@prooflog/tlog/note"
import {
  type AddCheckpoint,
  formatCosignatureLines,
  formatSizeConflict,
  MAX_ADD_CHECKPOINT_BYTES,
  originHash,
  parseAddCheckpoint,
  SIZE_CONFLICT_TYPE,
} from "@prooflog/tlog/witness-request"
import { WitnessState } from "./witness-state.js"

/** Requests of one log that may wait for the disk: past it, 429. Each holds at most 64 KiB. */
const MAX_WAITING = 128

/**
 * Who asks again for a cosignature that is no older than so many seconds is answered with it: anyone can send what the
 * log has published, as often as they like, and each new one would cost the disk a write.
 */
const SAME_FOR_SECONDS = 5

const TEXT = "text/plain; charset=utf-8"

export interface WitnessLog {
  /** First line of its checkpoints. */
  readonly origin: string
  /** Of type 0x01; each alone may sign. Their name is most often the origin, and need not be. */
  readonly keys: readonly VerifierKey[]
}

export interface WitnessOptions {
  /** One process at a time. What is lost here is what keeps the witness from cosigning a fork. */
  readonly folder: string
  /** Of type 0x04, and used for nothing else. */
  readonly signerKey: SignerKey
  /** Each origin once. */
  readonly logs: readonly WitnessLog[]
  /** Milliseconds since the epoch. */
  readonly clock?: () => number
  /**
   * Is given every checkpoint of a log of ours that came with the log's good signature, whether it was cosigned or not:
   * a note with the log's signatures alone. Of two that are inconsistent the second is refused here and evidence elsewhere.
   * Must not throw.
   */
  readonly onHead?: (note: string) => void
}

/** What HTTP answers. */
export interface WitnessAnswer {
  readonly status: 200 | 400 | 403 | 404 | 409 | 413 | 422 | 429
  /** Signature lines with 200, a size with 409, else a sentence. */
  readonly body: string
  readonly contentType: string
}

/** What a witness can say of a log to people and machines; without size and time if nothing was ever cosigned. */
export interface WitnessedLog {
  readonly origin: string
  /** Leaves. */
  readonly treeSize: number | undefined
  /** Of the cosignature, since 1970. */
  readonly timeSeconds: number | undefined
}

/** A log with what the witness knows of it. */
interface Watched {
  readonly keys: readonly VerifierKey[]
  readonly state: WitnessState
  /** Settles when the request before has been answered. */
  queue: Promise<unknown>
  waiting: number
}

/**
 * Opens a witness on its folder, which is made if need be.
 *
 * @throws {@link MonitorError} `MONITOR_BAD_STATE` if the file of a log is damaged or another witness's; `RangeError` or
 * `TypeError` for keys and logs that cannot be witnessed
 */
export async function openWitness(options: WitnessOptions): Promise<Witness> {
  const { folder, signerKey, logs } = options
  if (signerKey.type !== ED25519_COSIGNATURE) throw new TypeError("signerKey: witnesses have keys of type 4")
  const key = verifierKeyOf(signerKey)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const watched = new Map<string, Watched>()
  for (const { origin, keys } of logs) {
    if (watched.has(origin)) throw new RangeError(`logs: ${JSON.stringify(origin)} is given twice`)
    requireLogKeys(origin, keys, key)
    const path = join(folder, originHash(origin))
    const state = await WitnessState.open({ path, origin, key })
    watched.set(origin, { keys, state, queue: Promise.resolve(), waiting: 0 })
  }
  return new Witness(options, key, watched)
}

/** Made by {@link openWitness}. */
export class Witness {
  /** The key that clients have in their policy. */
  readonly key: VerifierKey
  readonly #options: WitnessOptions
  readonly #logs: ReadonlyMap<string, Watched>
  readonly #states: ReadonlyMap<string, WitnessState>

  constructor(options: WitnessOptions, key: VerifierKey, logs: ReadonlyMap<string, Watched>) {
    this.#options = options
    this.key = key
    this.#logs = logs
    this.#states = new Map([...logs].map(([origin, { state }]) => [originHash(origin), state]))
  }

  /**
   * Answers one request.
   *
   * @param body - suspect
   * @returns what was refused too. It rejects only if the disk failed or the folder is not ours alone; then nothing is
   * promised, and the next request finds what the disk kept
   */
  async addCheckpoint(body: Uint8Array | string): Promise<WitnessAnswer> {
    // For text, UTF-16 units: never more than its bytes, which the parser counts.
    if (body.length > MAX_ADD_CHECKPOINT_BYTES) return TOO_LARGE
    try {
      return await this.#answer(parseAddCheckpoint(body))
    } catch (error) {
      const status = error instanceof TlogError ? REFUSALS.get(error.code) : undefined
      if (status === undefined) throw error
      return refusal(status, (error as TlogError).message)
    }
  }

  /**
   * Returns the checkpoint cosigned last, with the log's signatures and ours; `undefined` if none ever was.
   *
   * @param originHash - lower-case hex of SHA-256(origin); suspect
   */
  latest(originHash: string): string | undefined {
    return this.#states.get(originHash)?.head?.note
  }

  /** Each log with what was cosigned last. */
  status(): readonly WitnessedLog[] {
    return [...this.#logs].map(
      ([
        origin,
        {
          state: { head },
        },
      ]) => {
        if (head === undefined) return { origin, treeSize: undefined, timeSeconds: undefined }
        const [own] = openNote(parseNote(head.note), [this.key]).verified
        return { origin, treeSize: head.checkpoint.treeSize, timeSeconds: own?.timeSeconds }
      },
    )
  }

  /** Resolves when every request so far is answered. */
  async settled(): Promise<void> {
    await Promise.all([...this.#logs.values()].map(({ queue }) => queue))
  }

  async #answer(request: AddCheckpoint): Promise<WitnessAnswer> {
    const { note, isCanonical } = readNote(request.checkpoint)
    const checkpoint = readCheckpoint(note.text)
    const log = this.#logs.get(checkpoint.origin)
    if (log === undefined) return refusal(404, "no log of this origin is witnessed here")
    if (!isCanonical) return refusal(403, "a signature is not in canonical base64")
    // Cosignatures and whatever else a log may have attached are dropped.
    const signatures = openNote(note, log.keys).verified.map(({ signature }) => signature)
    const signed = { text: note.text, signatures }
    if (checkpoint.treeSize > 0) this.#options.onHead?.(formatNote(signed))
    if (request.oldSize > checkpoint.treeSize) {
      return refusal(400, "old is larger than the checkpoint's size")
    }
    const known = this.#answerKnown(log.state, request, signed, checkpoint)
    if (known !== undefined) return known
    if (log.waiting >= MAX_WAITING) return BUSY
    log.waiting++
    const answer = log.queue.then(() => this.#compareAndStore(log.state, request, signed, checkpoint))
    log.queue = answer.catch(() => {})
    return answer.finally(() => log.waiting--)
  }

  /** What can be answered out of what is on disk already: no turn is taken for it, and nothing written. */
  #answerKnown(
    { head }: WitnessState,
    { oldSize, proof }: AddCheckpoint,
    { text }: Note,
    { treeSize, rootHash }: Checkpoint,
  ): WitnessAnswer | undefined {
    const knownSize = head?.checkpoint.treeSize ?? 0
    if (oldSize !== knownSize) {
      return { status: 409, body: formatSizeConflict(knownSize), contentType: SIZE_CONFLICT_TYPE }
    }
    if (head === undefined || head.text !== text) return undefined
    checkConsistency({
      oldSize,
      oldRoot: head.checkpoint.rootHash,
      newSize: treeSize,
      newRoot: rootHash,
      proof,
    })
    const ageSeconds = this.#nowSeconds() - head.timeSeconds
    if (ageSeconds < 0 || ageSeconds >= SAME_FOR_SECONDS) return undefined
    return { status: 200, body: formatCosignatureLines([head.cosignature]), contentType: TEXT }
  }

  /** Runs alone for its log. */
  async #compareAndStore(
    state: WitnessState,
    request: AddCheckpoint,
    signed: Note,
    checkpoint: Checkpoint,
  ): Promise<WitnessAnswer> {
    // Who was before may have changed it.
    const answer = this.#answerKnown(state, request, signed, checkpoint)
    if (answer !== undefined) return answer
    const { oldSize, proof } = request
    const { treeSize, rootHash } = checkpoint
    const oldRoot = state.head?.checkpoint.rootHash ?? EMPTY_ROOT
    checkConsistency({ oldSize, oldRoot, newSize: treeSize, newRoot: rootHash, proof })
    const cosignature = cosign(signed.text, this.#options.signerKey, this.#nowSeconds())
    await state.replace(formatNote({ text: signed.text, signatures: [...signed.signatures, cosignature] }))
    // Only now is there a promise, and only now may anyone hear of it.
    return { status: 200, body: formatCosignatureLines([cosignature]), contentType: TEXT }
  }

  #nowSeconds(): number {
    const { clock = Date.now } = this.#options
    return Math.floor(clock() / 1_000)
  }
}

/** What the parsers and checks of tlog refuse, and how that is answered. Any other error is ours. */
const REFUSALS: ReadonlyMap<TlogErrorCode, 400 | 403 | 422> = new Map([
  ["TLOG_MALFORMED_WITNESS_REQUEST", 400],
  ["TLOG_MALFORMED_NOTE", 400],
  ["TLOG_MALFORMED_CHECKPOINT", 400],
  ["TLOG_NO_SIGNATURE", 403],
  ["TLOG_BAD_SIGNATURE", 403],
  ["TLOG_PROOF_REFUSED", 422],
])

const TOO_LARGE = refusal(413, `a request has at most ${MAX_ADD_CHECKPOINT_BYTES} bytes`)
const BUSY = refusal(429, "too many requests are waiting")

/** The sentence is ours or names numbers only; of the request it holds at most a hundred characters, quoted. */
function refusal(status: 400 | 403 | 404 | 413 | 422 | 429, why: string): WitnessAnswer {
  return { status, body: `${why}\n`, contentType: TEXT }
}

/**
 * Reads a note. Others read base64 with stray bits in its last digit, and answer such a signature as one that does not
 * verify (403). Here too it verifies nothing; the note is refused as they refuse it, and not as one that cannot be read.
 */
function readNote(source: string): { readonly note: Note; readonly isCanonical: boolean } {
  try {
    return { note: parseNote(source), isCanonical: true }
  } catch (error) {
    const split = source.lastIndexOf("\n\n") + 2
    const lines = source.slice(split).replace(SIGNATURE_LINE, (_, name: string, base64: string) => {
      return name + Buffer.from(base64, "base64").toString("base64")
    })
    const respelled = source.slice(0, split) + lines
    if (respelled === source) throw error
    return { note: parseNote(respelled), isCanonical: false }
  }
}

const SIGNATURE_LINE = /^(— [^ \n]+ )([A-Za-z0-9+/]+={1,2})$/gm

/**
 * Reads a checkpoint as requests carry it: a tree without leaves may claim any root here. That it is wrong has an
 * answer of its own (422), after those of origin and signature.
 */
function readCheckpoint(text: string): Checkpoint {
  const lines = text.split("\n")
  const rootHash = lines[1] === "0" ? decodeBase64(lines[2] ?? "") : undefined
  if (rootHash?.length !== HASH_SIZE) return parseCheckpoint(text)
  return { ...parseCheckpoint(lines.with(2, encodeBase64(EMPTY_ROOT)).join("\n")), rootHash }
}

function requireLogKeys(origin: string, keys: readonly VerifierKey[], own: VerifierKey): void {
  const log = `logs: ${JSON.stringify(origin)}`
  if (keys.length === 0) throw new RangeError(`${log} has no key`)
  if (keys.some(({ type }) => type !== ED25519)) throw new TypeError(`${log}: logs have keys of type 1`)
  const publicKeys = [...keys, own].map(({ publicKey }) => encodeBase64(publicKey))
  if (new Set(publicKeys).size !== publicKeys.length) {
    throw new RangeError(`${log}: a public key is given twice, or is the witness's own`)
  }
}
