/**
 * Challenges: leaves of a published head, drawn by an auditor, of which the log is to show the records.
 *
 *     { "format": "prooflog-challenge/1",
 *       "checkpoint": "<signed note, verbatim>", "nonce": "<base64, 16 bytes>", "leaves": 300 }
 *
 *     draw i = 0, 1, 2 …      SHA-256(root ‖ nonce ‖ uint64be(i)), its first 8 bytes as a number, mod tree size;
 *                             not the last numbers, that would favour the first leaves; no leaf twice
 *
 * The log cannot know what will be drawn before the nonce is said, and the one who draws cannot choose single leaves.
 * Whoever shall believe the outcome must believe that the nonce was drawn after the head was published, and only once.
 *
 * Spec: docs/spec/challenge.md.
 * Pure: no I/O, no clock, no randomness.
 */

import { parseStrictJson } from "@prooflog/event/json"
import { encodeBase64 } from "@prooflog/tlog/base64"
import type { Checkpoint } from "@prooflog/tlog/checkpoint"
import { HASH_SIZE, sha256 } from "@prooflog/tlog/hash"
import { MAX_NOTE_SIZE } from "@prooflog/tlog/note"
import { refusalBy } from "./error.js"
import { bytesOf, fileText, membersOf, textOf } from "./evidence-members.js"
import { malformedEvidence as malformed } from "./evidence-text.js"

export const CHALLENGE_FORMAT = "prooflog-challenge/1"

/** Bytes of a nonce. */
export const NONCE_SIZE = 16

/** Leaves of the largest challenge: they find a loss of 0.03 % with 95 %. */
export const MAX_LEAVES = 10_000

/** Bytes of the longest challenge: a note, each byte of it escaped, and what is around it. */
const MAX_CHALLENGE = 2 * MAX_NOTE_SIZE + 1000

export interface Challenge {
  /** A signed note, verbatim: of a head that was published. */
  readonly checkpoint: string
  /** 16 bytes that the log could not know when it signed the head. */
  readonly nonce: Uint8Array
  /** How many leaves are drawn: 1 … 10,000, and no more than the tree has. */
  readonly leaves: number
}

/** Writes a challenge, ending in a newline. @throws RangeError if {@link parseChallenge} would refuse it */
export function formatChallenge(challenge: Challenge): string {
  const { nonce, leaves } = challenge
  if (nonce.length !== NONCE_SIZE) throw new RangeError(`nonce: expected 16 bytes, got ${nonce.length}`)
  if (!isCount(leaves)) throw new RangeError(`leaves: expected an integer of 1 ... ${MAX_LEAVES}`)
  return `${JSON.stringify({ format: CHALLENGE_FORMAT, ...challengeToJson(challenge) })}\n`
}

/** The members that challenge and answers share. */
export function challengeToJson({ checkpoint, nonce, leaves }: Challenge): Record<string, unknown> {
  return { checkpoint, nonce: encodeBase64(nonce), leaves }
}

/**
 * Reads a challenge: its form only. Whether its head is one of the log, and has as many leaves, is to be checked.
 *
 * @param source - suspect
 * @throws {@link VerifierError} `VERIFIER_MALFORMED_EVIDENCE`, saying where
 */
export function parseChallenge(source: Uint8Array | string): Challenge {
  if (source.length > MAX_CHALLENGE) throw malformed(`more than ${MAX_CHALLENGE} bytes`)
  const file = membersOf(parseJson(fileText(source)), ["format", ...CHALLENGE_MEMBERS], "the file")
  if (file.format !== CHALLENGE_FORMAT) throw malformed(`format is not ${JSON.stringify(CHALLENGE_FORMAT)}`)
  return challengeOf(file)
}

export const CHALLENGE_MEMBERS = ["checkpoint", "nonce", "leaves"] as const

/** @throws {@link VerifierError} `VERIFIER_MALFORMED_EVIDENCE` */
export function challengeOf(file: Readonly<Record<string, unknown>>): Challenge {
  const { leaves } = file
  if (!isCount(leaves)) throw malformed(`leaves is not an integer of 1 … ${MAX_LEAVES}`)
  return {
    checkpoint: textOf(file.checkpoint, "checkpoint"),
    nonce: bytesOf(file.nonce, "nonce", NONCE_SIZE),
    leaves,
  }
}

/**
 * Returns the leaves that a challenge draws, in the order in which they are drawn.
 *
 * About as many hashes as leaves; where all leaves of a small tree are drawn, some ten times as many.
 *
 * @param head - of which the challenge is; checked
 * @throws RangeError if more leaves are to be drawn than the tree has
 */
export function drawLeaves(
  { treeSize, rootHash }: Pick<Checkpoint, "treeSize" | "rootHash">,
  { nonce, leaves }: Pick<Challenge, "nonce" | "leaves">,
): number[] {
  if (!isCount(leaves) || leaves > treeSize) {
    throw new RangeError(`leaves: expected 1 to ${Math.min(MAX_LEAVES, treeSize)}, got ${leaves}`)
  }
  const input = new Uint8Array(HASH_SIZE + NONCE_SIZE + 8)
  input.set(rootHash)
  input.set(nonce, HASH_SIZE)
  const view = new DataView(input.buffer)
  const size = BigInt(treeSize)
  const end = TWO_TO_64 - (TWO_TO_64 % size)
  const drawn = new Set<number>()
  for (let i = 0n; drawn.size < leaves; i++) {
    view.setBigUint64(HASH_SIZE + NONCE_SIZE, i)
    const hash = sha256(input)
    const number = new DataView(hash.buffer, hash.byteOffset).getBigUint64(0)
    if (number < end) drawn.add(Number(number % size))
  }
  return [...drawn]
}

const TWO_TO_64 = 2n ** 64n

/**
 * Returns how likely a loss would have been found: 1 − (1 − p)ⁿ, which is a little less than it is, as no leaf is
 * drawn twice.
 *
 * @param leaves - drawn, and all of them answered well
 * @param lossRate - of all leaves, the part whose records are gone without excuse: 0 … 1
 */
export function confidence(leaves: number, lossRate: number): number {
  return leaves === 0 ? 0 : -Math.expm1(leaves * Math.log1p(-lossRate))
}

/**
 * Returns how many leaves must be drawn to find a loss.
 *
 * @param lossRate - above 0, at most 1
 * @param wanted - how likely it is to be found, below 1
 */
export function leavesFor(lossRate: number, wanted: number): number {
  return Math.max(1, Math.ceil(Math.log1p(-wanted) / Math.log1p(-lossRate)))
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 1 && value <= MAX_LEAVES
}

function parseJson(text: string): unknown {
  try {
    return parseStrictJson(text, { maxDepth: 1 })
  } catch (cause) {
    throw refusalBy(cause, "VERIFIER_MALFORMED_EVIDENCE", "malformed evidence")
  }
}
