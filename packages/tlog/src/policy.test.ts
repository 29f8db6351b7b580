import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type Checkpoint, formatCheckpoint, signCheckpoint } from "./checkpoint.js"
import { cosign } from "./cosignature.js"
import { TlogError } from "./error.js"
import { createSignerKey, formatVerifierKey, type SignerKey, verifierKeyOf } from "./key.js"
import { formatNote, parseNote, signNote } from "./note.js"
import { opaqueKey } from "./opaque-key.js"
import { formatPolicy, isQuorum, openCheckpoint, type Policy, parsePolicy } from "./policy.js"
import { readVector, vectorsPresent } from "./vectors.js"

const malformed = expect.objectContaining({ code: "TLOG_MALFORMED_POLICY" })
const signer = (name: string, fill: number, type: SignerKey["type"]) =>
  createSignerKey(name, new Uint8Array(32).fill(fill), type)
const vkey = (key: SignerKey) => formatVerifierKey(verifierKeyOf(key))

const log = signer("example.com/log", 1, 1)
const witnesses = Array.from({ length: 6 }, (_, i) => signer(`w${i + 1}.example`, 10 + i, 4))
const [w1, w2, w3, w4, w5, w6] = witnesses as [
  SignerKey,
  SignerKey,
  SignerKey,
  SignerKey,
  SignerKey,
  SignerKey,
]

/** The example of c2sp.org/tlog-policy. */
const POLICY = `log ${vkey(log)}

witness X1 ${vkey(w1)}
witness X2 ${vkey(w2)}
witness X3 ${vkey(w3)}
group X-witnesses 2 X1 X2 X3

witness Y1 ${vkey(w4)} https://y1.example/
witness Y2 ${vkey(w5)}
witness Y3 ${vkey(w6)}
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
`

const checkpoint: Checkpoint = {
  origin: "example.com/log",
  treeSize: 7,
  rootHash: new Uint8Array(32).fill(3),
  extensions: [],
}
const TEXT = formatCheckpoint(checkpoint)
const signedBy = (...keys: SignerKey[]) =>
  formatNote({
    text: TEXT,
    signatures: keys.map((key, i) => (key.type === 1 ? signNote(TEXT, key) : cosign(TEXT, key, 1000 + i))),
  })

function refusal(note: string, policy: Policy): TlogError {
  try {
    openCheckpoint(note, policy)
  } catch (error) {
    if (error instanceof TlogError) return error
    throw error
  }
  return expect.fail("opened")
}

describe("policies", () => {
  it("reads the example of c2sp.org/tlog-policy", () => {
    const policy = parsePolicy(POLICY)
    expect(policy.logs).toEqual([{ key: verifierKeyOf(log) }])
    expect(policy.witnesses.map(({ name, url }) => [name, url])).toEqual([
      ["X1", undefined],
      ["X2", undefined],
      ["X3", undefined],
      ["Y1", "https://y1.example/"],
      ["Y2", undefined],
      ["Y3", undefined],
    ])
    expect(policy.groups).toEqual([
      { name: "X-witnesses", threshold: 2, members: ["X1", "X2", "X3"] },
      { name: "Y-witnesses", threshold: 1, members: ["Y1", "Y2", "Y3"] },
      { name: "X-and-Y", threshold: 2, members: ["X-witnesses", "Y-witnesses"] },
    ])
    expect(policy.quorum).toBe("X-and-Y")
    expect(parsePolicy(formatPolicy(policy))).toEqual(policy)
    expect(parsePolicy(new TextEncoder().encode(POLICY))).toEqual(policy)
  })

  it("sees through comments, blank lines, spaces and tabs", () => {
    const policy = parsePolicy(
      `  # comment\n\t\n \tquorum\t none \t\n#\n  \tlog\t\t${vkey(log)}  https://x/  `,
    )
    expect(formatPolicy(policy)).toBe(`log ${vkey(log)} https://x/\nquorum none\n`)
  })

  it("takes # for a comment at the start of a line only", () => {
    expect(parsePolicy(`witness #1 ${vkey(w1)} u#x\nquorum #1\n`).witnesses[0]).toMatchObject({
      name: "#1",
      url: "u#x",
    })
    expect(() => parsePolicy("quorum none # comment\n")).toThrow(malformed)
  })

  it("reads names in any script and comments in any encoding", () => {
    const bytes = (text: string) => new TextEncoder().encode(text)
    expect(parsePolicy(bytes(`witness Ж\u00a0 ${vkey(w1)}\nquorum Ж\u00a0`)).quorum).toBe("Ж\u00a0")
    const latin1 = new Uint8Array([...bytes("# caf"), 0xe9, ...bytes("\nquorum none\n")])
    expect(parsePolicy(latin1).quorum).toBe("none")
    const name = new Uint8Array([...bytes("witness caf"), 0xe9, ...bytes(` ${vkey(w1)}\nquorum none\n`)])
    expect(() => parsePolicy(name)).toThrow(malformed)
  })

  it("keeps Kelvin apart from K", () => {
    const text = `witness \u212a ${vkey(w1)}\nquorum K\n`
    expect(() => parsePolicy(text)).toThrow(malformed)
  })

  const [x1, x2] = [`witness X1 ${vkey(w1)}\n`, `witness X2 ${vkey(w2)}\n`]
  it.each([
    ["nothing", ""],
    ["no quorum", `log ${vkey(log)}\n`],
    ["two quorums", "quorum none\nquorum none\n"],
    ["a quorum of nobody", "quorum\n"],
    ["a quorum of two", `${x1}${x2}quorum X1 X2\n`],
    ["a quorum that is not defined", "quorum X1\n"],
    ["a quorum that is defined later", `quorum X1\n${x1}`],
    ["another keyword", `logs ${vkey(log)}\nquorum none\n`],
    ["a keyword in upper case", "QUORUM none\n"],
    ["a log without a key", "log\nquorum none\n"],
    ["a log with too much", `log ${vkey(log)} url more\nquorum none\n`],
    ["a log with a bad key", `log ${vkey(log)}A\nquorum none\n`],
    ["a log with a witness's key", `log ${vkey(w1)}\nquorum none\n`],
    ["a log twice", `log ${vkey(log)}\nlog ${vkey(log)}\nquorum none\n`],
    ["one key for two logs", `log ${vkey(log)}\nlog ${vkey(signer("example.com/two", 1, 1))}\nquorum none\n`],
    ["a witness without a key", "witness X1\nquorum none\n"],
    ["a witness with too much", `witness X1 ${vkey(w1)} url more\nquorum none\n`],
    ["a witness with a log's key", `witness X1 ${vkey(log)}\nquorum none\n`],
    ["a witness twice", `${x1}witness X2 ${vkey(w1)}\nquorum none\n`],
    ["one key for two witnesses", `${x1}witness X2 ${vkey(signer("other", 10, 4))}\nquorum none\n`],
    ["one name for two witnesses", `${x1}witness X1 ${vkey(w2)}\nquorum none\n`],
    ["one name for witness and group", `${x1}group X1 any X1\nquorum none\n`],
    ["a witness called none", `witness none ${vkey(w1)}\nquorum none\n`],
    ["a group called none", `${x1}group none any X1\nquorum none\n`],
    ["a group of nobody", "group G any\nquorum none\n"],
    ["a group with none in it", "group G any none\nquorum none\n"],
    ["a group of the undefined", "group G any X1\nquorum none\n"],
    ["a group of the later defined", `group G any X1\n${x1}quorum none\n`],
    ["a group in itself", "group G any G\nquorum none\n"],
    ["a member twice", `${x1}group G any X1 X1\nquorum none\n`],
    ["a member of two groups", `${x1}group G any X1\ngroup H any X1\nquorum none\n`],
    ["0 of 1", `${x1}group G 0 X1\nquorum none\n`],
    ["2 of 1", `${x1}group G 2 X1\nquorum none\n`],
    ["-1 of 1", `${x1}group G -1 X1\nquorum none\n`],
    ["01 of 1", `${x1}group G 01 X1\nquorum none\n`],
    ["1.0 of 1", `${x1}group G 1.0 X1\nquorum none\n`],
    ["most of 1", `${x1}group G most X1\nquorum none\n`],
    ["2^64 + 1 of 1", `${x1}group G 18446744073709551617 X1\nquorum none\n`],
    ["a carriage return", "quorum none\r\n"],
    ["a NUL in a comment", "# \0\nquorum none\n"],
    ["a DEL in a comment", "# \x7f\nquorum none\n"],
    ["a no-break space between items", "quorum\u00a0none\n"],
    ["a byte order mark", "\ufeffquorum none\n"],
    ["a lone surrogate", "# \ud800\nquorum none\n"],
    ["more than 1 MB", `#${"x".repeat(1_000_000)}\nquorum none\n`],
  ])("refuses %s", (_, text) => {
    expect(() => parsePolicy(text)).toThrow(malformed)
  })

  it("refuses two keys of one name and key ID", () => {
    const key = opaqueKey("x", 0xff, 1)
    expect(() => parsePolicy(`log ${key}\nwitness W ${key}\nquorum none\n`)).toThrow(
      expect.objectContaining({ code: "TLOG_AMBIGUOUS_KEY" }),
    )
  })

  it("writes nothing that it would not read back as it was", () => {
    const policy = parsePolicy(`log ${vkey(log)}\n${x1}${x2}group G 1 X1 X2\nquorum G\n`)
    expect(formatPolicy(policy)).toBe(`log ${vkey(log)}\n${x1}${x2}group G any X1 X2\nquorum G\n`)
    expect(parsePolicy(formatPolicy(policy))).toEqual(policy)
    const [witness] = policy.witnesses as [Policy["witnesses"][0]]
    for (const wrong of [
      { quorum: "H" },
      { quorum: "G\nquorum none" },
      { quorum: "" },
      { witnesses: [{ ...witness, name: "two words" }] },
      {
        witnesses: [{ ...witness, url: `https://a/\nwitness X3 ${vkey(w3)}` }, ...policy.witnesses.slice(1)],
      },
      { witnesses: [{ ...witness, url: "" }, ...policy.witnesses.slice(1)] },
      { groups: [{ name: "G", threshold: 3, members: ["X1", "X2"] }] },
      { logs: [{ key: verifierKeyOf(w4) }] },
    ]) {
      expect(() => formatPolicy({ ...policy, ...wrong }), JSON.stringify(wrong)).toThrow(malformed)
    }
  })

  it("writes thresholds as all, any and a number", () => {
    const group = (count: string) => `${x1}${x2}witness X3 ${vkey(w3)}\ngroup G ${count} X1 X2 X3\nquorum G\n`
    for (const [read, written] of [
      ["1", "any"],
      ["any", "any"],
      ["2", "2"],
      ["3", "all"],
      ["all", "all"],
    ] as const) {
      expect(formatPolicy(parsePolicy(group(read)))).toBe(group(written))
    }
  })

  it("reads 1 MB, and not a byte more", () => {
    const comment = "#".repeat(1_000_000 - "\nquorum none".length)
    expect(parsePolicy(`${comment}\nquorum none`).quorum).toBe("none")
    expect(() => parsePolicy(`${comment}\nquorum none\n`)).toThrow(malformed)
  })

  it("says what is wrong with a key", () => {
    const cause = expect.objectContaining({ code: "TLOG_MALFORMED_KEY" })
    expect(() => parsePolicy("log example.com/foo\n")).toThrow(expect.objectContaining({ cause }))
    expect(() => parsePolicy("quorum X\n")).toThrow(expect.not.objectContaining({ cause: expect.anything() }))
  })

  it("says on which line", () => {
    expect(() => parsePolicy(`# one\n\n${x1}quorum X2\n`)).toThrow(/line 4/)
    expect(() => parsePolicy(`\nlog example.com/foo\n`)).toThrow(/line 2: malformed key/)
  })

  it("lets a log rotate its key, a log be a witness, and other people's keys be", () => {
    const text = [
      `log ${vkey(log)}`,
      `log ${vkey(signer("example.com/log", 2, 1))}`,
      `log ${opaqueKey("l", 0xff, 1, 2, 3)}`,
      `witness a ${vkey(signer("example.com/log", 1, 4))}`,
      `witness b ${opaqueKey("b", 0xff, 1, 2, 3)}`,
      "quorum a",
      "",
    ].join("\n")
    expect(formatPolicy(parsePolicy(text))).toBe(text)
  })

  it("reads at least 32 logs, witnesses and groups", () => {
    const lines: string[] = []
    for (let i = 0; i < 64; i++) {
      lines.push(`log ${vkey(signer(`log${i}`, i, 1))}`, `witness w${i} ${vkey(signer(`w${i}`, 100 + i, 4))}`)
      lines.push(i === 0 ? "group g0 any w0" : `group g${i} all g${i - 1} w${i}`)
    }
    const policy = parsePolicy(`${lines.join("\n")}\nquorum g63\n`)
    const all = policy.witnesses.map(({ name }) => name)
    expect(isQuorum(policy, all)).toBe(true)
    expect(isQuorum(policy, all.slice(1))).toBe(false)
  })

  it("reads long chains of groups in bounded time and stack", () => {
    const lines = [`witness w ${vkey(w1)}`, "group g0 any w"]
    for (let i = 1; i < 40_000; i++) lines.push(`group g${i} all g${i - 1}`)
    const policy = parsePolicy(`${lines.join("\n")}\nquorum g39999\n`)
    expect(isQuorum(policy, ["w"])).toBe(true)
    expect(isQuorum(policy, [])).toBe(false)
  })

  it.skipIf(!vectorsPresent)("reads the keys of others", () => {
    const { valid, ecdsa_type_02, static_ct_type_05 } = JSON.parse(
      readVector("transparency-dev-formats/vkeys.json"),
    ) as { valid: string[]; ecdsa_type_02: string; static_ct_type_05: string }
    const mldsa = readVector("transparency-dev-formats/mldsa44-vkey.txt")
      .trim()
      .replace("5893dc2c", "31236897")
    const isCosigner = (text: string) => text.split("+")[2]?.startsWith("B")
    const lines = [...valid, ecdsa_type_02].map((text, i) =>
      isCosigner(text) ? `witness w${i} ${text}` : `log ${text}`,
    )
    const text = [...lines, `log ${static_ct_type_05}`, `witness m ${mldsa}`, "quorum m", ""].join("\n")
    const policy = parsePolicy(text)
    expect(policy.logs.length + policy.witnesses.length).toBe(valid.length + 3)
    expect(parsePolicy(formatPolicy(policy))).toEqual(policy)
  })
})

describe("quorums", () => {
  it("are met exactly as recursion would have it", () => {
    const policy = parsePolicy(POLICY)
    const met = (name: string, by: ReadonlySet<string>): boolean => {
      const group = policy.groups.find((group) => group.name === name)
      if (group === undefined) return by.has(name)
      return group.members.filter((member) => met(member, by)).length >= group.threshold
    }
    const names = policy.witnesses.map(({ name }) => name)
    fc.assert(
      fc.property(fc.subarray(names), (by) => {
        expect(isQuorum(policy, by)).toBe(met("X-and-Y", new Set(by)))
      }),
    )
    expect(isQuorum(policy, ["X1", "X3", "Y2"])).toBe(true)
    expect(isQuorum(policy, ["X1", "Y1", "Y2", "Y3"])).toBe(false)
    expect(isQuorum(policy, ["X1", "X2", "X3"])).toBe(false)
    expect(isQuorum(policy, [])).toBe(false)
  })

  it("ask for nobody, or for one witness", () => {
    expect(isQuorum(parsePolicy("quorum none\n"), [])).toBe(true)
    const one = parsePolicy(`witness X1 ${vkey(w1)}\nwitness X2 ${vkey(w2)}\nquorum X1\n`)
    expect(isQuorum(one, ["X1"])).toBe(true)
    expect(isQuorum(one, ["X2"])).toBe(false)
  })
})

describe("opening a checkpoint", () => {
  const alone = parsePolicy(`log ${vkey(log)}\nquorum none\n`)
  const policy = parsePolicy(POLICY)

  it("gives what the log signed and who cosigned it, when", () => {
    const note = signedBy(log, w5, w1, w3)
    for (const source of [note, new TextEncoder().encode(note)]) {
      expect(openCheckpoint(source, policy)).toEqual({
        checkpoint,
        note,
        logKey: verifierKeyOf(log),
        cosignatures: [
          { witness: "Y2", key: verifierKeyOf(w5), timeSeconds: 1001 },
          { witness: "X1", key: verifierKeyOf(w1), timeSeconds: 1002 },
          { witness: "X3", key: verifierKeyOf(w3), timeSeconds: 1003 },
        ],
      })
    }
    expect(openCheckpoint(note, alone).cosignatures).toEqual([])
  })

  it("refuses a log that the policy does not know", () => {
    const note = signCheckpoint(
      { ...checkpoint, origin: "example.com/other" },
      signer("example.com/other", 1, 1),
    )
    const error = refusal(note, alone)
    expect(error.code).toBe("TLOG_UNKNOWN_LOG")
    expect(error.evidence).toEqual({ note, origin: "example.com/other" })
    expect(refusal(signedBy(log), parsePolicy("quorum none")).code).toBe("TLOG_UNKNOWN_LOG")
  })

  it("refuses a checkpoint that its log did not sign, whoever else did", () => {
    const two = parsePolicy(`log ${vkey(log)}\nlog ${vkey(signer("example.com/two", 9, 1))}\nquorum none\n`)
    for (const note of [
      signedBy(signer("example.com/log", 2, 1)),
      signedBy(signer("example.com/two", 9, 1)),
      signedBy(w1, w3, w4),
    ]) {
      for (const judge of [alone, two, policy]) {
        const error = refusal(note, judge)
        expect(error.code).toBe("TLOG_NO_SIGNATURE")
        expect(error.evidence).toEqual({ note, origin: "example.com/log" })
      }
    }
  })

  it("refuses a checkpoint with a forged signature by anyone it knows, needed or not", () => {
    const forged = cosign(`${TEXT}more\n`, w6, 5)
    const { signatures } = parseNote(signedBy(log, w1, w3, w4))
    const note = formatNote({ text: TEXT, signatures: [...signatures, forged] })
    const error = refusal(note, policy)
    expect(error.code).toBe("TLOG_BAD_SIGNATURE")
    expect(error.evidence).toEqual({ note, origin: "example.com/log", keyName: w6.name, keyId: w6.keyId })
    openCheckpoint(note, alone)
    const tampered = note.replace("\n7\n", "\n8\n")
    expect(refusal(tampered, alone).code).toBe("TLOG_BAD_SIGNATURE")
  })

  it("refuses a checkpoint without a quorum, and says who did cosign", () => {
    const note = signedBy(log, w1, w4, signer("w2.example", 99, 4))
    const error = refusal(note, policy)
    expect(error.code).toBe("TLOG_NO_QUORUM")
    expect(error.evidence).toEqual({ note, origin: "example.com/log", witnesses: ["X1", "Y1"] })
  })

  it.each([
    [
      "nobody",
      [],
      "q",
      'cosigned by no witness of the policy, which is no quorum: "q" needs 2 of "A", "B", "eu"',
    ],
    ["too few", [w1], "q", 'cosigned by "A", which is no quorum: "q" needs 1 more of "B", "eu"'],
    [
      "a part of a group",
      [w1, w3],
      "q",
      'cosigned by "A", "C", which is no quorum: "q" needs 1 more of "B", "eu"',
    ],
    ["not all", [w3], "eu", 'cosigned by "C", which is no quorum: "eu" needs "D"'],
    ["another", [w1], "D", 'cosigned by "A", which is no quorum: it needs the witness "D"'],
  ])("says who is missing where %s cosigned", (_who, cosigners, quorum, words) => {
    const witnesses = [w1, w2, w3, w4].map((key, i) => `witness ${"ABCD"[i]} ${vkey(key)}`)
    const groups = ["group eu all C D", "group q 2 A B eu"]
    const lines = [`log ${vkey(log)}`, ...witnesses, ...groups, `quorum ${quorum}`]
    expect(refusal(signedBy(log, ...cosigners), parsePolicy(lines.join("\n"))).message).toBe(words)
  })

  it("does not count a witness twice", () => {
    const { signatures } = parseNote(signedBy(log, w1, w4))
    const again = [...signatures, cosign(TEXT, w1, 77), cosign(TEXT, w1, 78)]
    expect(refusal(formatNote({ text: TEXT, signatures: again }), policy).code).toBe("TLOG_NO_QUORUM")
  })

  it("accepts either key of a log that is rotating, and says which", () => {
    const next = signer("example.com/log", 2, 1)
    const both = parsePolicy(`log ${vkey(log)}\nlog ${vkey(next)}\nquorum none\n`)
    expect(openCheckpoint(signedBy(next), both).logKey).toEqual(verifierKeyOf(next))
    expect(openCheckpoint(signedBy(next, log), both).logKey).toEqual(verifierKeyOf(log))
  })

  it("takes no cosignature for the log's signature, even of a key that is listed as the log's", () => {
    const cosigner = signer("example.com/log", 7, 4)
    const judge = { ...alone, logs: [{ key: verifierKeyOf(cosigner) }] }
    expect(refusal(signedBy(cosigner), judge).code).toBe("TLOG_NO_SIGNATURE")
  })

  it("takes no plain signature for a cosignature, even of a key that is listed as a witness's", () => {
    const plain = signer("w", 8, 1)
    const witness = { name: "W", key: verifierKeyOf(plain) }
    const judge = { ...alone, witnesses: [witness], quorum: "W" }
    expect(refusal(signedBy(log, plain), judge).code).toBe("TLOG_NO_QUORUM")
  })

  it("believes no witness whose key it cannot check", () => {
    const opaque = opaqueKey("w", 0xff, 1)
    const judge = parsePolicy(`log ${vkey(log)}\nwitness W ${opaque}\nquorum W\n`)
    const { signatures } = parseNote(signedBy(log))
    const line = { name: "w", keyId: judge.witnesses[0]?.key.keyId ?? 0, bytes: new Uint8Array(72) }
    const note = formatNote({ text: TEXT, signatures: [...signatures, line] })
    expect(refusal(note, judge).code).toBe("TLOG_NO_QUORUM")
  })

  it("refuses notes that are no checkpoints", () => {
    const note = formatNote({ text: "hello\n", signatures: [signNote("hello\n", log)] })
    expect(refusal(note, alone).code).toBe("TLOG_MALFORMED_CHECKPOINT")
    expect(refusal("hello\n", alone).code).toBe("TLOG_MALFORMED_NOTE")
  })
})
