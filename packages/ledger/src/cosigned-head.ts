/**
 * A head and the cosignatures that were gathered for it.
 *
 *     example.com/log\n20852163\nCsUY…\n\n
 *     — example.com/log …\n                the log's own: all that a witness is sent
 *     — w1.example …\n                     one for each witness that answered, in the policy's order
 *
 * Cosignatures come one by one, late ones too, and are renewed; each was verified before it is added.
 */

import { timeOfCosignature } from "@prooflog/tlog/cosignature"
import { isVerifierKey } from "@prooflog/tlog/key"
import { formatNote, MAX_SIGNATURES, type NoteSignature, parseNote } from "@prooflog/tlog/note"
import { isQuorum, type Policy } from "@prooflog/tlog/policy"
import type { Head } from "./head.js"

/** A cosignature that was verified. */
export interface Cosigned {
  readonly signature: NoteSignature
  /** Seconds since 1970: the witness's word. */
  readonly timeSeconds: number
}

interface Gathered extends Cosigned {
  /** When it came, ms by the monotonic clock. */
  readonly atMs: number
}

export class CosignedHead {
  /** With the log's own signature and no other. */
  readonly head: Head
  readonly #policy: Policy
  /** By the witness's name in the policy. */
  readonly #gathered = new Map<string, Gathered>()

  constructor(head: Head, policy: Policy) {
    if (policy.witnesses.length >= MAX_SIGNATURES) {
      throw new RangeError(`policy: expected fewer than ${MAX_SIGNATURES} witnesses`)
    }
    this.head = head
    this.#policy = policy
  }

  /** @param atMs - when it came, by the monotonic clock */
  add(witness: string, { signature, timeSeconds }: Cosigned, atMs: number): void {
    const known = this.#gathered.get(witness)
    // A witness may answer with what it said before; then that stands.
    const newer = known === undefined || known.timeSeconds < timeSeconds ? { signature, timeSeconds } : known
    this.#gathered.set(witness, { ...newer, atMs })
  }

  /** Whether this witness cosigned, and not before `sinceMs` of the monotonic clock. */
  has(witness: string, sinceMs: number): boolean {
    const gathered = this.#gathered.get(witness)
    return gathered !== undefined && gathered.atMs >= sinceMs
  }

  /** Whether those who cosigned since then are a quorum of the policy. */
  isQuorum(sinceMs = Number.NEGATIVE_INFINITY): boolean {
    const names = [...this.#gathered.keys()].filter((name) => this.has(name, sinceMs))
    return isQuorum(this.#policy, names)
  }

  /** The head as everyone may see it, with every cosignature that there is by now. */
  shown(): Head {
    const { text, signatures } = parseNote(this.head.note)
    const cosignatures = this.#policy.witnesses.flatMap(
      ({ name }) => this.#gathered.get(name)?.signature ?? [],
    )
    return { ...this.head, note: formatNote({ text, signatures: [...signatures, ...cosignatures] }) }
  }
}

/**
 * Takes apart a head that was shown before: `own` is the same tree with the log's signature alone, `kept` the note
 * as it was shown. Cosignatures that the policy does not know, or that do not verify, are left behind.
 */
export function reopenCosigned(own: Head, kept: string, policy: Policy): CosignedHead {
  const cosigned = new CosignedHead(own, policy)
  const { text, signatures } = parseNote(kept)
  for (const { name, key } of policy.witnesses) {
    for (const signature of isVerifierKey(key) ? signatures : []) {
      const timeSeconds = isVerifierKey(key) ? timeOfCosignature(text, key, signature) : undefined
      if (timeSeconds !== undefined) cosigned.add(name, { signature, timeSeconds }, Number.NEGATIVE_INFINITY)
    }
  }
  return cosigned
}
