import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { createSignerKey, type OpaqueKey, parseAnyKey, type VerifierKey, verifierKeyOf } from "./key.js"
import { opaqueKey } from "./opaque-key.js"
import { isQuorum, type Policy, type PolicyGroup } from "./policy.js"
import { toleranceOf } from "./quorum-tolerance.js"

const key = verifierKeyOf(createSignerKey("w.example", new Uint8Array(32).fill(1), 0x04))
const mlDsa = parseAnyKey(opaqueKey("w.example", 0x06, ...new Uint8Array(1312)))

function policyOf(keys: readonly (VerifierKey | OpaqueKey)[], groups: PolicyGroup[], quorum: string): Policy {
  return { logs: [], witnesses: keys.map((key, i) => ({ name: `w${i}`, key })), groups, quorum }
}

/** k of n witnesses. */
function threshold(k: number, n: number): Policy {
  const members = Array.from({ length: n }, (_, i) => `w${i}`)
  return policyOf(
    members.map(() => key),
    [{ name: "all", threshold: k, members }],
    "all",
  )
}

/** The definitions, over every set of witnesses: slow and obvious. */
function bruteForce(policy: Policy) {
  const able = policy.witnesses.filter(({ key }) => key.type === 0x04).map(({ name }) => name)
  const sets = Array.from({ length: 2 ** able.length }, (_, set) => set)
  const namesOf = (set: number) => able.filter((_, i) => (set & (1 << i)) !== 0)
  const count = (set: number) => namesOf(set).length
  const quorums = sets.filter((set) => isQuorum(policy, namesOf(set)))
  const everyone = sets.length - 1
  const least = (numbers: number[]) => (numbers.length === 0 ? undefined : Math.min(...numbers))
  return {
    needed: least(quorums.map(count)),
    splitBy: least(quorums.flatMap((one) => quorums.map((other) => count(one & other)))),
    stoppedBy: least(
      sets.filter((silent) => !isQuorum(policy, namesOf(everyone & ~silent))).map((silent) => count(silent)),
    ),
  }
}

/** Policies as the grammar allows them: each name a member of one group at most, groups of groups included. */
const policies = fc
  .record({
    isOpaque: fc.array(fc.boolean(), { minLength: 1, maxLength: 7 }),
    groups: fc.array(
      fc.record({ take: fc.array(fc.nat(20), { minLength: 1, maxLength: 5 }), k: fc.nat(20) }),
      {
        maxLength: 4,
      },
    ),
    quorum: fc.nat(20),
  })
  .map(({ isOpaque, groups, quorum }) => {
    const free = isOpaque.map((_, i) => `w${i}`)
    const names = [...free, "none"]
    const made: PolicyGroup[] = []
    for (const [i, { take, k }] of groups.entries()) {
      const members = take.flatMap((n) => (free.length === 0 ? [] : free.splice(n % free.length, 1)))
      if (members.length === 0) continue
      made.push({ name: `g${i}`, threshold: 1 + (k % members.length), members })
      free.push(`g${i}`)
      // The last group is the one most likely to have others in it.
      names.unshift(`g${i}`)
    }
    const keys = isOpaque.map((opaque, i) => (opaque && i > 0 ? mlDsa : key))
    return policyOf(keys, made, names[quorum < 12 ? 0 : quorum % names.length] as string)
  })

describe("what a quorum bears", () => {
  it("is what trying every pair of sets of witnesses gives, for nested groups too", () => {
    fc.assert(
      fc.property(policies, (policy) => {
        expect(toleranceOf(policy)).toMatchObject(bruteForce(policy))
      }),
      { numRuns: 1_000 },
    )
  })

  it("is 2k > n + f for k of n", () => {
    for (let n = 1; n <= 12; n++) {
      for (let k = 1; k <= n; k++) {
        const { witnesses, needed, splitBy, stoppedBy } = toleranceOf(threshold(k, n))
        expect({ witnesses, needed }).toEqual({ witnesses: n, needed: k })
        const borne = (splitBy as number) - 1
        if (borne >= 0) expect(2 * k > n + borne).toBe(true)
        expect(2 * k > n + borne + 1).toBe(false)
        expect(stoppedBy).toBe(n - k + 1)
      }
    }
  })

  it("is the table of the field: the least k that bears as many liars as silent ones", () => {
    const table = [1, 2, 3, 3, 4, 5, 5, 6, 7, 7]
    for (const [i, k] of table.entries()) {
      const { splitBy, stoppedBy } = toleranceOf(threshold(k, i + 1))
      const f = Math.floor(i / 3)
      expect(splitBy, `${k} of ${i + 1}`).toBeGreaterThan(f)
      expect(stoppedBy, `${k} of ${i + 1}`).toBeGreaterThan(f)
    }
  })

  it("is exact where there are more sets than can be tried", () => {
    const members = Array.from({ length: 64 }, (_, i) => `w${i}`)
    const groups = Array.from({ length: 8 }, (_, i) => ({
      name: `g${i}`,
      threshold: 6,
      members: members.slice(i * 8, i * 8 + 8),
    }))
    const all = { name: "all", threshold: 7, members: groups.map(({ name }) => name) }
    const policy = policyOf(
      members.map(() => key),
      [...groups, all],
      "all",
    )
    // Of 8 groups 6 are on both sides, of each 4 witnesses; silent 3 in each of 2 groups.
    expect(toleranceOf(policy)).toEqual({
      witnesses: 64,
      needed: 42,
      splitBy: 24,
      stoppedBy: 6,
      warnings: [],
    })
  })

  it("is nothing where no cosignature is asked for", () => {
    const { witnesses, needed, splitBy, stoppedBy, warnings } = toleranceOf(policyOf([key], [], "none"))
    expect({ witnesses, needed, splitBy, stoppedBy }).toEqual({
      witnesses: 0,
      needed: 0,
      splitBy: 0,
      stoppedBy: undefined,
    })
    expect(warnings).toEqual([
      "No cosignature is asked for: the log alone can show different histories to different clients.",
      'The witness "w0" is not in the quorum: its cosignature counts for nothing.',
    ])
  })
})

describe("warnings", () => {
  it.each<[string, Policy, RegExp[]]>([
    ["none for 3 of 4", threshold(3, 4), []],
    ["of a silent witness for 3 of 3", threshold(3, 3), [/silent witness can keep/]],
    ["of a liar for 2 of 3", threshold(2, 3), [/One witness that colludes/]],
    ["of both for 1 of 1", threshold(1, 1), [/One witness that colludes/, /silent/]],
    ["of a log that splits alone for 2 of 4", threshold(2, 4), [/2 of 4 suffice.*no witness need collude/]],
    ["of a log that splits alone for any of 3", threshold(1, 3), [/no witness need collude/]],
    [
      "of a key that cannot be checked",
      policyOf(
        [key, key, key, key, mlDsa],
        [{ name: "g", threshold: 3, members: ["w0", "w1", "w2", "w3", "w4"] }],
        "g",
      ),
      [/"w4" has a key of type 6/],
    ],
    ["of a quorum that cannot be met", policyOf([mlDsa], [], "w0"), [/never be met/, /key of type 6/]],
    [
      "of a witness outside, in a group outside",
      policyOf([key, key], [{ name: "g", threshold: 1, members: ["w1"] }], "w0"),
      [/One witness/, /silent/, /"w1" is not in the quorum/],
    ],
  ])("are %s", (_, policy, expected) => {
    const { warnings } = toleranceOf(policy)
    expect(warnings).toHaveLength(expected.length)
    for (const [i, pattern] of expected.entries()) expect(warnings[i]).toMatch(pattern)
  })

  it("quote and cut names", () => {
    const name = `\u001b[31m${"x".repeat(1_000)}`
    const policy = { logs: [], witnesses: [{ name, key }], groups: [], quorum: "none" }
    for (const warning of toleranceOf(policy).warnings) {
      expect(warning).not.toContain("\u001b")
      expect(warning.length).toBeLessThan(250)
    }
  })

  it.each<[string, Policy]>([
    ["an unknown quorum", policyOf([key], [], "w1")],
    ["an unknown member", policyOf([key], [{ name: "g", threshold: 1, members: ["w1"] }], "g")],
    ["a member of two groups", policyOf([key], [{ name: "g", threshold: 1, members: ["w0", "w0"] }], "g")],
  ])("are not given for what is no policy: %s", (_, policy) => {
    expect(() => toleranceOf(policy)).toThrow(RangeError)
  })
})
