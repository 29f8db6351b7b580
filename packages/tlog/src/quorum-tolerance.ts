/**
 * What the quorum of a policy can bear: how many witnesses may lie, how many may be silent.
 *
 *     n witnesses, k needed      an honest witness cosigns one side of a split, a colluding one both
 *
 *     one client's quorum        [ a b c d e ] f g          5 of 7: any two quorums share at least 2 · 5 − 7 = 3,
 *     the other client's         a b [ c d e f g ]          so 3 must collude to split, and f = 2 are borne
 *                                                           2k > n + f
 *     silent                     [ a b c d e ] - -          7 − 5 + 1 = 3 silent ones stop it, 2 are borne
 *
 * Each name is a member of one group at most, so the quorum is a tree, and the numbers of a group follow from
 * those of its members: exact for every policy, in one pass, without trying sets of witnesses.
 *
 * Spec: c2sp.org/tlog-policy for groups. Pure: no I/O, no clock, no randomness.
 */

import { isVerifierKey } from "./key.js"
import type { Policy } from "./policy.js"
import { NONE } from "./policy-text.js"

export interface Tolerance {
  /** Witnesses whose cosignatures count towards the quorum, in groups of groups too. */
  readonly witnesses: number
  /** The fewest cosignatures that meet the quorum; `undefined` if none ever can. */
  readonly needed: number | undefined
  /**
   * The fewest witnesses that must collude with the log so that two clients each see a quorum for inconsistent
   * checkpoints; 0 if the log alone can do it, `undefined` if the quorum cannot be met. One less is borne.
   */
  readonly splitBy: number | undefined
  /**
   * The fewest witnesses whose silence keeps the quorum from being met; 0 if it cannot be met anyway, `undefined` if
   * it needs nobody. One less is borne.
   */
  readonly stoppedBy: number | undefined
  /** What a reader of the policy should know, each a sentence. Names in it are quoted and cut. */
  readonly warnings: readonly string[]
}

/** The numbers of one witness or group. Infinity: cannot be done. */
interface Costs {
  /** Witnesses below it that count. */
  readonly witnesses: number
  /** Fewest cosignatures that meet it. */
  readonly meet: number
  /** Fewest that must cosign both sides so that both meet it. */
  readonly split: number
  /** Fewest silent that keep it from being met. */
  readonly stop: number
}

const CAN_COUNT: Costs = { witnesses: 1, meet: 1, split: 1, stop: 1 }
const CANNOT_COUNT: Costs = { witnesses: 0, meet: Infinity, split: Infinity, stop: 0 }
const ASKS_FOR_NOBODY: Costs = { witnesses: 0, meet: 0, split: 0, stop: Infinity }

/**
 * Returns what the quorum of a policy can bear.
 *
 * @throws `RangeError` for a policy that `parsePolicy` would refuse: a name that is a member twice, or not defined before
 */
export function toleranceOf(policy: Policy): Tolerance {
  const known = new Map<string, Costs>()
  const listed = new Set<string>()
  for (const { name, key } of policy.witnesses) known.set(name, isVerifierKey(key) ? CAN_COUNT : CANNOT_COUNT)
  for (const { name, threshold, members } of policy.groups) {
    const costs = members.map((member) => {
      if (listed.has(member)) throw new RangeError(`policy: ${quote(member)} is a member twice`)
      listed.add(member)
      return costsOf(known, member)
    })
    known.set(name, groupCosts(threshold, costs))
  }
  const costs = policy.quorum === NONE ? ASKS_FOR_NOBODY : costsOf(known, policy.quorum)
  return {
    witnesses: costs.witnesses,
    needed: finite(costs.meet),
    splitBy: finite(costs.split),
    stoppedBy: finite(costs.stop),
    warnings: [...warningsOf(policy, costs), ...idleWarnings(policy)],
  }
}

function groupCosts(threshold: number, members: readonly Costs[]): Costs {
  const able = members.filter(({ meet }) => Number.isFinite(meet))
  // Each side needs `threshold` members. What is not on one side can be on the other for nothing; the rest is on both.
  const onBothSides = threshold > able.length ? Infinity : Math.max(0, 2 * threshold - able.length)
  return {
    witnesses: members.reduce((sum, { witnesses }) => sum + witnesses, 0),
    meet: sumOfLeast(
      threshold,
      members.map(({ meet }) => meet),
    ),
    split: sumOfLeast(
      onBothSides,
      able.map(({ split }) => split),
    ),
    stop: sumOfLeast(
      members.length - threshold + 1,
      members.map(({ stop }) => stop),
    ),
  }
}

/** Infinity if there are not so many. */
function sumOfLeast(count: number, numbers: readonly number[]): number {
  if (count > numbers.length) return Infinity
  return numbers
    .toSorted((a, b) => a - b)
    .slice(0, count)
    .reduce((sum, n) => sum + n, 0)
}

function* warningsOf({ quorum }: Policy, { witnesses, meet, split, stop }: Costs): Generator<string> {
  if (quorum === NONE) {
    yield "No cosignature is asked for: the log alone can show different histories to different clients."
    return
  }
  if (meet === Infinity) {
    yield "The quorum can never be met: not enough of its witnesses have keys that can be checked here."
    return
  }
  if (split === 0) {
    yield `Two clients can each see a quorum without a witness in common (${meet} of ${witnesses} suffice): ` +
      "the log alone can show them different histories, and no witness need collude. Ask for more than half."
  } else if (split === 1) {
    yield "One witness that colludes with the log suffices to show two clients different histories: no dishonest witness is borne."
  }
  if (stop === 1) yield "One silent witness can keep the quorum from being met: no silent witness is borne."
}

/** Names the witnesses that stand in the policy for nothing. */
function* idleWarnings({ witnesses, groups, quorum }: Policy): Generator<string> {
  const counted = new Set([quorum])
  // A group refers only to groups before it, so from the last to the first one pass finds all that the quorum reaches.
  for (const { name, members } of groups.toReversed()) {
    if (counted.has(name)) for (const member of members) counted.add(member)
  }
  for (const { name, key } of witnesses) {
    if (!counted.has(name))
      yield `The witness ${quote(name)} is not in the quorum: its cosignature counts for nothing.`
    else if (!isVerifierKey(key)) {
      yield `The witness ${quote(name)} has a key of type ${key.type}, which cannot be checked here: it counts for nothing.`
    }
  }
}

function costsOf(known: ReadonlyMap<string, Costs>, name: string): Costs {
  const costs = known.get(name)
  if (costs === undefined) throw new RangeError(`policy: ${quote(name)} is not defined before it is used`)
  return costs
}

function finite(n: number): number | undefined {
  return Number.isFinite(n) ? n : undefined
}

function quote(name: string): string {
  return JSON.stringify(name.slice(0, 100))
}
