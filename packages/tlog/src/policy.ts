/**
 * Policies: whose signatures make a checkpoint believable.
 *
 * A checkpoint is believed if a log of the policy signed it under its own name as origin and the
 * quorum is met; a group is met if at least its threshold of members is.
 *
 * Spec: c2sp.org/tlog-policy; its text is read and written in policy-text.ts.
 * Pure: no I/O, no clock, no randomness.
 */

import { type Checkpoint, parseCheckpoint } from "./checkpoint.js"
import { TlogError } from "./error.js"
import { ED25519, isVerifierKey, type OpaqueKey, type VerifierKey } from "./key.js"
import { formatNote, type Note, openNote, parseNote } from "./note.js"
import { NONE, type Policy, type PolicyWitness } from "./policy-text.js"

export {
  formatPolicy,
  type Policy,
  type PolicyGroup,
  type PolicyLog,
  type PolicyWitness,
  parsePolicy,
} from "./policy-text.js"

/** A checkpoint that a policy makes believable. */
export interface OpenedCheckpoint {
  readonly checkpoint: Checkpoint
  /** The whole note, as it was given. */
  readonly note: string
  /** The key of the policy that the log signed with. */
  readonly logKey: VerifierKey
  /** Every cosignature by a witness of the policy, in the note's order. */
  readonly cosignatures: readonly Cosignature[]
}

export interface Cosignature {
  /** The name that the policy gives the witness. */
  readonly witness: string
  readonly key: VerifierKey
  /** Seconds since the epoch: the witness's word. */
  readonly timeSeconds: number
}

/**
 * Returns what a signed checkpoint says, if the policy makes it believable.
 *
 * Every signature by a log of that origin or by a witness of the policy is checked, needed or not.
 *
 * @param note - suspect
 * @throws {@link TlogError} `TLOG_MALFORMED_NOTE`, `TLOG_MALFORMED_CHECKPOINT`; `TLOG_UNKNOWN_LOG` if no log of the
 * policy has this origin; `TLOG_NO_SIGNATURE` if it did not sign; `TLOG_BAD_SIGNATURE`; `TLOG_NO_QUORUM` with the
 * witnesses that did cosign. All but the first two carry the note as evidence.
 */
export function openCheckpoint(note: Uint8Array | string, policy: Policy): OpenedCheckpoint {
  const parsed = parseNote(note)
  const checkpoint = parseCheckpoint(parsed.text)
  const whole = formatNote(parsed)
  const evidence = { note: whole, origin: checkpoint.origin }
  const logKeys = policy.logs.map(({ key }) => key).filter(({ name }) => name === checkpoint.origin)
  if (logKeys.length === 0) {
    const message = `no log of the policy is called ${JSON.stringify(checkpoint.origin)}`
    throw new TlogError("TLOG_UNKNOWN_LOG", message, { evidence })
  }
  const verified = verifiedBy(parsed, [...logKeys, ...policy.witnesses.map(({ key }) => key)], evidence)
  // A cosignature says that its maker saw the checkpoint, not that the log made it.
  const logKey = logKeys.filter(isVerifierKey).find((key) => key.type === ED25519 && verified.has(key))
  if (logKey === undefined) {
    throw new TlogError("TLOG_NO_SIGNATURE", `not signed by ${checkpoint.origin}`, { evidence })
  }
  const cosignatures = cosignaturesBy(policy.witnesses, verified)
  const witnesses = cosignatures.map(({ witness }) => witness)
  if (!isQuorum(policy, witnesses)) {
    throw new TlogError("TLOG_NO_QUORUM", wordsForLack(policy, witnesses), {
      evidence: { ...evidence, witnesses },
    })
  }
  return { checkpoint, note: whole, logKey, cosignatures }
}

/** The keys that signed, in the note's order, with the times of cosignatures. */
function verifiedBy(
  note: Note,
  keys: readonly (VerifierKey | OpaqueKey)[],
  evidence: { note: string; origin: string },
): Map<VerifierKey | OpaqueKey, number | undefined> {
  try {
    return new Map(openNote(note, keys).verified.map(({ key, timeSeconds }) => [key, timeSeconds]))
  } catch (error) {
    if (!(error instanceof TlogError)) throw error
    const merged = { ...evidence, ...error.evidence }
    throw new TlogError(error.code, error.message, { cause: error, evidence: merged })
  }
}

function cosignaturesBy(
  witnesses: readonly PolicyWitness[],
  verified: ReadonlyMap<VerifierKey | OpaqueKey, number | undefined>,
): Cosignature[] {
  const names = new Map(witnesses.map(({ name, key }) => [key, name]))
  const cosignatures: Cosignature[] = []
  for (const [key, timeSeconds] of verified) {
    const witness = names.get(key)
    if (witness !== undefined && timeSeconds !== undefined && isVerifierKey(key)) {
      cosignatures.push({ witness, key, timeSeconds })
    }
  }
  return cosignatures
}

/** Whether these witnesses suffice. */
export function isQuorum(policy: Policy, witnesses: readonly string[]): boolean {
  return policy.quorum === NONE || metBy(policy, witnesses).has(policy.quorum)
}

/** The witnesses, and every group that they meet. A group refers only to groups before it, so one pass decides them all. */
function metBy({ groups }: Policy, witnesses: readonly string[]): ReadonlySet<string> {
  const met = new Set(witnesses)
  for (const { name, threshold, members } of groups) {
    if (members.filter((member) => met.has(member)).length >= threshold) met.add(name)
  }
  return met
}

/** Names in a sentence: policies have a few, and may have thousands. */
const MAX_NAMED = 10

/** Says who cosigned, and what is missing: cosigned by "a", which is no quorum: "two" needs 1 more of "b", "c" */
function wordsForLack(policy: Policy, witnesses: readonly string[]): string {
  const by = witnesses.length === 0 ? "no witness of the policy" : quoteAll(witnesses)
  const met = metBy(policy, witnesses)
  const group = policy.groups.find(({ name }) => name === policy.quorum)
  if (group === undefined)
    return `cosigned by ${by}, which is no quorum: it needs the witness ${quoteAll([policy.quorum])}`
  const missing = group.members.filter((member) => !met.has(member))
  const more = group.threshold - (group.members.length - missing.length)
  const some = missing.length === more ? "" : `${more} ${more < group.threshold ? "more " : ""}of `
  return `cosigned by ${by}, which is no quorum: ${quoteAll([group.name])} needs ${some}${quoteAll(missing)}`
}

function quoteAll(names: readonly string[]): string {
  const some = names.slice(0, MAX_NAMED).map((name) => JSON.stringify(name.slice(0, 100)))
  if (names.length > MAX_NAMED) some.push(`${names.length - MAX_NAMED} more`)
  return some.join(", ")
}
