import { type CborValue, encodeCbor } from "@prooflog/event/cbor"
import { type DisclosedField, disclosureToJson, type WithheldField } from "@prooflog/event/disclosure"
import { encodeEventEntry, encodeNotice, stampEntryTime } from "@prooflog/event/entry"
import { encodeBase64 } from "@prooflog/tlog/base64"
import { sha256 } from "@prooflog/tlog/hash"
import { proveInclusion } from "@prooflog/tlog/inclusion"
import { type Policy, parsePolicy } from "@prooflog/tlog/policy"
import { describe, expect, it } from "vitest"
import { jsonMutations } from "../fixtures/json-mutations.js"
import {
  defined,
  event,
  evidenceOf,
  genesis,
  logOf,
  mangled,
  OTHER_POLICY,
  POLICY,
  START_MS,
  smallEvidence,
  WITNESSED_POLICY,
  WITNESSED_POLICY_TEXT,
} from "../fixtures/small-log.js"
import { VerifierError } from "./error.js"
import { type Evidence, formatEvidence, parseEvidence } from "./evidence.js"
import { tileReader } from "./source.js"
import { verifyEvidence } from "./verify-evidence.js"

// biome-ignore lint/suspicious/noExplicitAny: a good file, parsed, about to be broken in one place
type Json = any

const refused = (code: string, message: RegExp = /./) =>
  expect.objectContaining({ name: "VerifierError", code, message: expect.stringMatching(message) })

async function changed(change: (file: Json) => void, cosignedAt: number[] = []): Promise<string> {
  const file = JSON.parse(await smallEvidence(cosignedAt))
  change(file)
  return JSON.stringify(file)
}

describe("verifying evidence", () => {
  it("returns what was disclosed, and the names that were not", async () => {
    const verified = verifyEvidence(await smallEvidence(), POLICY)
    expect(verified).toMatchObject({
      origin: "log.example/access",
      treeSize: 5,
      time: { fromMs: START_MS + 20, toMs: START_MS + 40 },
      cosigned: undefined,
    })
    expect(verified.events).toHaveLength(2)
    const [first] = verified.events
    expect(first).toMatchObject({ leafIndex: 2, timeMs: START_MS + 20, className: "routine" })
    expect({ ...defined(first).core }).toEqual({
      timestamp: 1697902320000000,
      event_id: "e-2",
      action: "access",
      result: "success",
      source: "api",
      source_key_id: "k_01",
    })
    expect({ ...defined(first).fields }).toEqual({
      user_id: "U2",
      resource_accessed: "/secure-data",
      tags: ["a", "b"],
      attributes: { size: 1e300, ratio: 0.5, nested: { list: [1, -7, "ü\n"], yes: true } },
    })
    expect(defined(first).withheld).toEqual(["ip_address"])
  })

  it("never claims that there are no other events", async () => {
    const verified = verifyEvidence(await smallEvidence(), POLICY)
    expect(verified.notClaimed).toMatch(/Not claimed: that there are no other events/)
    expect(verified.proven).toBe(
      'These 2 events are in the log "log.example/access"; when, is the operator\'s word.',
    )
  })

  it("knows no later time than the earliest witness", async () => {
    const verified = verifyEvidence(await smallEvidence([1_700_000_500, 1_700_000_400]), WITNESSED_POLICY)
    expect(verified.cosigned).toEqual({ witness: "w1", timeSeconds: 1_700_000_400 })
    expect(verified.proven).toMatch(/not later than 2023-11-14T22:20:00.000Z\.$/)
  })

  it("takes no fewer witnesses' word for the time than the policy does for the head", async () => {
    // The first witness of the note lies: it says that it saw the head in 1970.
    const text = await smallEvidence([1, 1_700_000_400])
    const cosigned = (policy: Policy) => verifyEvidence(text, policy).cosigned
    expect(cosigned(parsePolicy(WITNESSED_POLICY_TEXT.replace("any", "all")))).toEqual({
      witness: "w1",
      timeSeconds: 1_700_000_400,
    })
    expect(cosigned(WITNESSED_POLICY)).toEqual({ witness: "w0", timeSeconds: 1 })
    expect(cosigned(parsePolicy(WITNESSED_POLICY_TEXT.replace("quorum both", "quorum w1")))?.witness).toBe(
      "w1",
    )
    expect(cosigned(parsePolicy(WITNESSED_POLICY_TEXT.replace("quorum both", "quorum none")))?.witness).toBe(
      "w0",
    )
  })

  it("does not take one record for two events, though both leaves are in the tree", async () => {
    const [one, other] = [event(1), event(3)]
    const twice = one.entry.slice()
    stampEntryTime(twice, 0, START_MS + 20)
    const log = logOf([genesis(), one.entry, twice, other.entry])
    const shown = (leaves: number[]) =>
      evidenceOf(log, new Map(leaves.map((leaf) => [leaf, (leaf === 3 ? other : one).record])))
    expect(verifyEvidence(formatEvidence(await shown([1, 3])), POLICY).events).toHaveLength(2)
    const shownTwice = formatEvidence(await shown([1, 2, 3]))
    expect(() => verifyEvidence(shownTwice, POLICY)).toThrow(
      refused("VERIFIER_REPEATED_COMMITMENT", /leaf 2 repeats the commitment of leaf 1/),
    )
  })

  it("asks the policy whose signatures suffice", async () => {
    const text = await smallEvidence()
    expect(() => verifyEvidence(text, OTHER_POLICY)).toThrow(refused("VERIFIER_CHECKPOINT_REFUSED"))
    expect(() => verifyEvidence(text, WITNESSED_POLICY)).toThrow(refused("VERIFIER_NO_QUORUM"))
  })

  it("cannot tell when a required name is withheld or absent", async () => {
    const text = await smallEvidence()
    const require = ["user_id", "result", "resource_accessed"]
    expect(verifyEvidence(text, POLICY, { require }).events).toHaveLength(2)
    expect(() => verifyEvidence(text, POLICY, { require: ["user_id", "ip_address"] })).toThrow(
      refused("VERIFIER_NOT_DISCLOSED", /leaf 2: ip_address is withheld/),
    )
    expect(() => verifyEvidence(text, POLICY, { require: ["tags"] })).toThrow(
      refused("VERIFIER_NOT_DISCLOSED", /leaf 4: tags is absent/),
    )
    // A name that every object has by birth is no name of the event.
    expect(() => verifyEvidence(text, POLICY, { require: ["constructor"] })).toThrow(
      refused("VERIFIER_NOT_DISCLOSED"),
    )
  })

  it("refuses a false file before it complains about withheld names", async () => {
    const text = await changed((file) => (file.events[1].core[1].result = "success!"))
    expect(() => verifyEvidence(text, POLICY, { require: ["ip_address"] })).toThrow(
      refused("VERIFIER_DISCLOSURE_REFUSED"),
    )
  })

  it.each<[string, string, (file: Json) => void]>([
    ["another leaf index", "VERIFIER_NOT_IN_TREE", (file) => (file.events[0].leaf_index = 3)],
    ["a leaf past the tree", "VERIFIER_NOT_IN_TREE", (file) => (file.events[1].leaf_index = 5)],
    ["a hash too many", "VERIFIER_NOT_IN_TREE", (file) => file.events[0].path.push(file.events[0].path[0])],
    ["a hash too few", "VERIFIER_NOT_IN_TREE", (file) => file.events[0].path.pop()],
    ["hashes in another order", "VERIFIER_NOT_IN_TREE", (file) => file.events[0].path.reverse()],
    [
      "the entry of another event",
      "VERIFIER_NOT_IN_TREE",
      (file) => (file.events[0].entry = file.events[1].entry),
    ],
    [
      "another value in the core",
      "VERIFIER_DISCLOSURE_REFUSED",
      (file) => (file.events[0].core[1].action = "read"),
    ],
    [
      "another value of a field",
      "VERIFIER_DISCLOSURE_REFUSED",
      (file) => (file.events[0].fields[0][2] = ["a", "c"]),
    ],
    ["a value of another type", "VERIFIER_DISCLOSURE_REFUSED", (file) => (file.events[0].fields[1][2] = 2)],
    [
      "the salt of another field",
      "VERIFIER_DISCLOSURE_REFUSED",
      (file) => (file.events[0].fields[0][1] = file.events[0].fields[1][1]),
    ],
    ["a name hidden", "VERIFIER_DISCLOSURE_REFUSED", (file) => file.events[0].fields.splice(3, 1)],
    [
      "a name added",
      "VERIFIER_DISCLOSURE_REFUSED",
      (file) => file.events[0].fields.splice(3, 0, ["user_name", btoa("x".repeat(32))]),
    ],
    [
      "a name changed",
      "VERIFIER_DISCLOSURE_REFUSED",
      (file) => (file.events[0].fields[3][0] = "ip_addresses"),
    ],
    ["names in another order", "VERIFIER_DISCLOSURE_REFUSED", (file) => file.events[0].fields.reverse()],
    [
      "a core name among the fields",
      "VERIFIER_DISCLOSURE_REFUSED",
      (file) => file.events[0].fields.splice(1, 0, ["mfa", btoa("x".repeat(32))]),
    ],
    [
      "a field among the core",
      "VERIFIER_DISCLOSURE_REFUSED",
      (file) => (file.events[0].core[1].user_id = "U2"),
    ],
    [
      "a core without its result",
      "VERIFIER_DISCLOSURE_REFUSED",
      (file) => delete file.events[0].core[1].result,
    ],
    ["a null in the core", "VERIFIER_DISCLOSURE_REFUSED", (file) => (file.events[0].core[1].result = null)],
    [
      "an integer next to the one that was hashed",
      "VERIFIER_DISCLOSURE_REFUSED",
      (file) => file.events[0].core[1].timestamp++,
    ],
    [
      "events of another disclosure",
      "VERIFIER_DISCLOSURE_REFUSED",
      (file) => (file.events[0].fields = file.events[1].fields),
    ],
    [
      "another root",
      "VERIFIER_CHECKPOINT_REFUSED",
      (file) => (file.checkpoint = file.checkpoint.replace(/\n5\n./, "\n5\nA")),
    ],
    [
      "another tree size",
      "VERIFIER_CHECKPOINT_REFUSED",
      (file) => (file.checkpoint = file.checkpoint.replace("\n5\n", "\n6\n")),
    ],
    [
      "no signature",
      "VERIFIER_CHECKPOINT_REFUSED",
      (file) => (file.checkpoint = file.checkpoint.split("—")[0]),
    ],
    [
      "another origin",
      "VERIFIER_CHECKPOINT_REFUSED",
      (file) => (file.checkpoint = file.checkpoint.replace("access", "axcess")),
    ],
  ])("refuses %s", async (_, code, change) => {
    const text = await changed(change)
    expect(text).not.toBe(JSON.stringify(JSON.parse(await smallEvidence())))
    expect(() => verifyEvidence(text, POLICY)).toThrow(refused(code))
  })

  it("refuses a logged entry that is no event, and one that is no entry", async () => {
    for (const [entry, message] of [
      [encodeNotice({ kind: 1, count: 1, root: new Uint8Array(32) }, START_MS), /leaf 1 is not an event/],
      [Uint8Array.of(0xff), /leaf 1 is not a valid entry/],
    ] as const) {
      const log = logOf([genesis(), entry])
      const evidence = await evidenceOf(log, new Map([[1, event(1).record]]))
      expect(() => verifyEvidence(formatEvidence(evidence), POLICY)).toThrow(
        refused("VERIFIER_ENTRY_REFUSED", message),
      )
    }
  })

  it("stops at the first event that is false, whatever comes after it", async () => {
    const text = await changed((file) => (file.events[0].core[1].result = "denied"))
    expect(() => verifyEvidence(text.replace(/\]\}$/, ", nothing]}"), POLICY)).toThrow(
      refused("VERIFIER_DISCLOSURE_REFUSED"),
    )
  })

  it("proves an event of a tree of one leaf, whose path is empty", async () => {
    const only = event(1)
    const evidence = await evidenceOf(logOf([only.entry]), new Map([[0, only.record]]))
    expect(defined(evidence.items[0]).path).toEqual([])
    expect(verifyEvidence(formatEvidence(evidence), POLICY).events).toHaveLength(1)
  })
})

describe("one commitment, two stories", () => {
  // Everything below is what a dishonest operator can do: it makes the record, so it may commit to anything.
  const salt = (i: number) => new Uint8Array(16).fill(i)
  const digest = (i: number, value: CborValue) =>
    sha256(Uint8Array.of(0x02, ...salt(i), ...encodeCbor(value)))

  /** The commitment over a core and fields that obey no rule. */
  function commit(core: [string, CborValue][], fields: [string, CborValue][]): Uint8Array {
    const shape = sha256(Uint8Array.of(0x04, ...encodeCbor(fields.map(([name]) => name))))
    const digests = [digest(0, core), ...fields.map(([, value], i) => digest(i + 1, value))]
    return sha256(Uint8Array.of(0x03, ...shape, ...digests.flatMap((bytes) => [...bytes])))
  }

  const CORE: [string, CborValue][] = [
    ["action", "access"],
    ["result", "success"],
    ["source", "api"],
    ["event_id", "e-1"],
    ["timestamp", 1697902320000000],
  ]

  /** A signed log that holds this commitment, and evidence that discloses some of the fields. */
  async function tell(
    core: [string, CborValue][],
    fields: [string, CborValue][],
    shown: readonly number[],
    told: { core?: [string, CborValue][]; omit?: readonly number[] } = {},
  ): Promise<string> {
    const entry = encodeEventEntry("routine", commit(core, fields))
    stampEntryTime(entry, 0, START_MS)
    const log = logOf([genesis(), entry])
    const disclosed = fields.flatMap(([name, value], i): (DisclosedField | WithheldField)[] => {
      if (told.omit?.includes(i) === true) return []
      return shown.includes(i) ? [[name, salt(i + 1), value]] : [[name, digest(i + 1, value)]]
    })
    const disclosure = { core: [salt(0), Object.fromEntries(told.core ?? core)] as const, fields: disclosed }
    const path = (await proveInclusion(1, 2, tileReader(log.source, 2))).map(encodeBase64)
    const item = { leaf_index: 1, path, entry: encodeBase64(entry), ...disclosureToJson(disclosure) }
    return JSON.stringify({ format: "prooflog-evidence/1", checkpoint: log.checkpoint, events: [item] })
  }

  const verify = (text: string) => verifyEvidence(text, POLICY)

  it("is told honestly here, so that what follows fails for its own reason", async () => {
    const text = await tell(
      CORE,
      [
        ["user_id", "U1"],
        ["resource_accessed", "/a"],
      ],
      [0],
    )
    expect(verify(text).events[0]).toMatchObject({
      fields: { user_id: "U1" },
      withheld: ["resource_accessed"],
    })
  })

  it.each([[[0, 2]], [[1, 2]], [[0]], [[1]]])(
    "refuses two user_id, whichever of them is shown (%j)",
    async (shown) => {
      const fields: [string, CborValue][] = [
        ["user_id", "U12345"],
        ["user_id", "U99999"],
        ["resource_accessed", "/a"],
      ]
      const text = await tell(CORE, fields, shown)
      expect(() => verify(text)).toThrow(refused("VERIFIER_DISCLOSURE_REFUSED"))
    },
  )

  it.each([[[0]], [[1]]])("refuses two results, one of them hidden (%j)", async (shown) => {
    const without = CORE.filter(([name]) => name !== "result")
    const fields: [string, CborValue][] = [
      ["result", "denied"],
      ["result", "success"],
      ["user_id", "U12345"],
      ["resource_accessed", "/a"],
    ]
    const text = await tell(without, fields, shown)
    expect(() => verify(text)).toThrow(refused("VERIFIER_DISCLOSURE_REFUSED"))
  })

  it("refuses a core that holds two results, told as either", async () => {
    const core: [string, CborValue][] = [defined(CORE[0]), ["result", "denied"], ...CORE.slice(1)]
    const fields: [string, CborValue][] = [
      ["user_id", "U1"],
      ["resource_accessed", "/a"],
    ]
    for (const result of ["denied", "success"]) {
      const told = CORE.map(([name, value]): [string, CborValue] => [
        name,
        name === "result" ? result : value,
      ])
      const text = await tell(core, fields, [0, 1], { core: told })
      expect(() => verify(text)).toThrow(refused("VERIFIER_DISCLOSURE_REFUSED"))
    }
  })

  it("refuses the same fields with a name left out", async () => {
    const fields: [string, CborValue][] = [
      ["user_id", "U1"],
      ["on_behalf_of", "U2"],
      ["resource_accessed", "/a"],
    ]
    const text = await tell(CORE, fields, [0, 2], { omit: [1] })
    expect(() => verify(text)).toThrow(refused("VERIFIER_DISCLOSURE_REFUSED"))
  })

  it.each([
    ["user_id", [["resource_accessed", "/a"]]],
    ["resource_accessed", [["user_id", "U1"]]],
  ] as [string, [string, CborValue][]][])("refuses a record without %s", async (_, fields) => {
    const text = await tell(CORE, [["host", "h"], ...fields], [0, 1])
    expect(() => verify(text)).toThrow(refused("VERIFIER_DISCLOSURE_REFUSED"))
  })

  it("refuses names out of order, which would be a second encoding", async () => {
    const text = await tell(
      CORE,
      [
        ["resource_accessed", "/a"],
        ["user_id", "U1"],
      ],
      [0, 1],
    )
    expect(() => verify(text)).toThrow(refused("VERIFIER_DISCLOSURE_REFUSED"))
  })
})

describe("a mangled evidence file", () => {
  /** What a file means: refused, or some evidence. */
  function outcome(text: string | Uint8Array): Evidence | "refused" {
    try {
      verifyEvidence(text, POLICY)
      return parseEvidence(text)
    } catch (error) {
      // Without expect, which would take as long as what it checks: this runs ten thousand times.
      if (error instanceof VerifierError) return "refused"
      throw error
    }
  }

  it("is refused, or means the same, for every byte changed, dropped or doubled", async () => {
    // The richer of its two events: the other one has nothing of another kind.
    const { checkpoint, items } = parseEvidence(await smallEvidence())
    const bytes = new TextEncoder().encode(formatEvidence({ checkpoint, items: items.slice(0, 1) }))
    const meaning = outcome(bytes)
    expect(meaning).not.toBe("refused")
    let harmless = 0
    for (const { at, middle, bytes: changed } of mangled(bytes, 0x20)) {
      const result = outcome(changed)
      if (result === "refused") continue
      harmless++
      expect(result, `byte ${at}: ${middle}`).toEqual(meaning)
    }
    // The final line feed, and a space that was one: nothing else is idle in this format.
    expect(harmless).toBeLessThan(20)
  })

  it("is refused, or says nothing new, for every member dropped, doubled, moved or added", async () => {
    const text = await smallEvidence()
    const meaning = parseEvidence(text)
    let variants = 0
    for (const variant of jsonMutations(JSON.parse(text))) {
      variants++
      const result = outcome(variant)
      if (result === "refused") continue
      // With one event left out it is a smaller file, and as true.
      const items = result.items.map(({ leafIndex }) =>
        meaning.items.find((item) => item.leafIndex === leafIndex),
      )
      expect(result, variant).toEqual({ ...meaning, items })
    }
    expect(variants).toBeGreaterThan(300)
  })
})
