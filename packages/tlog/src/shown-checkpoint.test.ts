import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { formatCheckpoint } from "./checkpoint.js"
import { cosign } from "./cosignature.js"
import { createSignerKey, formatVerifierKey, type SignerKey, verifierKeyOf } from "./key.js"
import { formatNote, type NoteSignature, signNote } from "./note.js"
import { parsePolicy } from "./policy.js"
import { openShownCheckpoint } from "./shown-checkpoint.js"

const signer = (name: string, fill: number, type: SignerKey["type"]) =>
  createSignerKey(name, new Uint8Array(32).fill(fill), type)
const vkey = (key: SignerKey) => formatVerifierKey(verifierKeyOf(key))

const log = signer("example.com/log", 1, 1)
const [w1, w2] = [signer("w1.example", 2, 4), signer("w2.example", 3, 4)] as const
const POLICY = parsePolicy(
  `log ${vkey(log)}\nwitness W1 ${vkey(w1)}\nwitness W2 ${vkey(w2)}\ngroup both all W1 W2\nquorum both\n`,
)

const TEXT = formatCheckpoint({
  origin: log.name,
  treeSize: 7,
  rootHash: new Uint8Array(32).fill(3),
  extensions: [],
})
const byLog = signNote(TEXT, log)
const [by1, by2] = [cosign(TEXT, w1, 1_000), cosign(TEXT, w2, 2_000)] as const
const byStranger = signNote(TEXT, signer("stranger.example", 9, 1))
const spoilt = (signature: NoteSignature): NoteSignature => ({
  ...signature,
  bytes: signature.bytes.map((byte, i) => (i === 20 ? byte ^ 1 : byte)),
})
const note = (...signatures: NoteSignature[]) => formatNote({ text: TEXT, signatures })

const refused = (code: string) => expect.objectContaining({ code })

describe("a checkpoint that somebody shows", () => {
  it("is what the log signed, with the good signatures and no others, whatever is put around them", () => {
    const harmless = fc.constantFrom(byStranger, spoilt(byLog), spoilt(by1), spoilt(by2))
    const between = fc.array(harmless, { maxLength: 4 })
    fc.assert(
      fc.property(between, between, between, between, (a, b, c, d) => {
        const opened = openShownCheckpoint(note(...a, by1, ...b, byLog, ...c, by2, ...d), POLICY)
        expect(opened).toMatchObject({
          checkpoint: { treeSize: 7 },
          note: note(by1, byLog, by2),
          logKey: { name: log.name },
          cosignatures: [
            { witness: "W1", timeSeconds: 1_000 },
            { witness: "W2", timeSeconds: 2_000 },
          ],
        })
      }),
    )
  })

  it("needs no quorum, and keeps one signature of each key", () => {
    expect(openShownCheckpoint(note(byLog), POLICY).cosignatures).toEqual([])
    const later = cosign(TEXT, w1, 3_000)
    expect(openShownCheckpoint(note(by1, byLog, byLog, later), POLICY).note).toBe(note(by1, byLog))
  })

  it.each<[string, string, string]>([
    ["nothing by the log", note(by1, by2), "TLOG_NO_SIGNATURE"],
    ["nothing by anyone in the policy", note(byStranger), "TLOG_NO_SIGNATURE"],
    ["a spoilt signature by the log alone", note(spoilt(byLog)), "TLOG_BAD_SIGNATURE"],
    ["a spoilt signature by the log, and good cosignatures", note(spoilt(byLog), by1), "TLOG_NO_SIGNATURE"],
    ["another text", note(byLog).replace("\n7\n", "\n8\n"), "TLOG_BAD_SIGNATURE"],
    ["another origin", note(byLog).replace("example.com/log\n", "example.com/x\n"), "TLOG_UNKNOWN_LOG"],
    ["no note", TEXT, "TLOG_MALFORMED_NOTE"],
    [
      "no checkpoint",
      formatNote({ text: "hello\n", signatures: [signNote("hello\n", log)] }),
      "TLOG_MALFORMED_CHECKPOINT",
    ],
  ])("is refused for %s", (_, shown, code) => {
    expect(() => openShownCheckpoint(shown, POLICY)).toThrow(refused(code))
    expect(() => openShownCheckpoint(new TextEncoder().encode(shown), POLICY)).toThrow(refused(code))
  })
})
