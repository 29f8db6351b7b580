import { describe, expect, it } from "vitest"
import {
  type BackupManifest,
  formatManifest,
  isStateName,
  parseManifest,
  RANGE,
  recordPath,
  statePath,
} from "./manifest.js"
import { decodeRange, encodeRange } from "./record-range.js"

const HASH = "0123456789abcdef".repeat(4)

const MANIFEST: BackupManifest = {
  origin: "log.example",
  logId: "ab".repeat(16),
  treeSize: RANGE + 5,
  rootHash: new Uint8Array(32).fill(7),
  madeAt: "2026-03-01T12:00:00.000Z",
  checkpoint: "log.example\n…",
  records: [
    { first: 0, end: RANGE, bytes: 9, sha256: HASH },
    { first: RANGE, end: RANGE + 5, bytes: 9, sha256: HASH },
  ],
  files: [{ name: "retention/cases/case_0123456789abcdef.json", bytes: 3, sha256: HASH }],
}

describe("a manifest", () => {
  it("comes back as it was", () => {
    expect(parseManifest(formatManifest(MANIFEST))).toEqual(MANIFEST)
    expect(MANIFEST.records.map(recordPath)).toEqual([
      "records/0000000000000000-0000000000016384-0123456789abcdef",
      "records/0000000000016384-0000000000016389-0123456789abcdef",
    ])
    expect(MANIFEST.files.map(statePath)).toEqual(["state/0123456789abcdef0123456789abcdef"])
  })

  const said = JSON.parse(formatManifest(MANIFEST))
  it.each([
    ["of another format", { format: "prooflog-backup/2" }],
    ["without a log id", { log_id: "ab" }],
    ["without a root", { root: "AAAA" }],
    ["of no leaves", { tree_size: 0, records: [] }],
    ["of a size that is none", { tree_size: 1.5 }],
    ["of no time", { made_at: "yesterday" }],
    ["with a gap in its records", { records: [said.records[0]] }],
    ["with ranges that overlap", { records: [said.records[0], { ...said.records[1], first: 5 }] }],
    [
      "with a hash that leads elsewhere",
      { records: [{ ...said.records[0], sha256: "../../etc" }, said.records[1]] },
    ],
    ["with a file that lies elsewhere", { files: [{ ...said.files[0], name: "retention/../../secret" }] }],
    ["with the signer key", { files: [{ ...said.files[0], name: "keys/signer.key" }] }],
  ])("is refused %s", (_, change) => {
    expect(() => parseManifest(JSON.stringify({ ...said, ...change }))).toThrow(
      expect.objectContaining({ code: "CLI_DAMAGED_BACKUP" }),
    )
  })

  it.each([
    "keys/signer.key",
    "keys/signer.key.signed",
    "/policy",
    "retention/.hidden",
    "retention/a/../b",
    "data/log/CURRENT",
    "rules/../policy.yml",
    "rules/a\\b.yml",
    "rules/.hidden.yml",
    "rules/notes.txt",
  ])("knows no file %s", (name) => expect(isStateName(name)).toBe(false))

  it.each(["alerts.yaml", "rules/own.yml", "rules/team a/über alles.yaml"])("knows the file %s", (name) =>
    expect(isStateName(name)).toBe(true),
  )
})

describe("a range of records", () => {
  const leaves = [
    { kind: "record", bytes: new Uint8Array(0) },
    { kind: "record", bytes: new Uint8Array(300).fill(1) },
    { kind: "tombstone", bytes: Uint8Array.of(0x83, 0, 0, 0) },
    { kind: "tombstone", bytes: Uint8Array.of(0x83, 0, 0, 0), id: new Uint8Array(16).fill(9) },
  ] as const

  it("comes back as it was", () => {
    const back = decodeRange(new Uint8Array(encodeRange(leaves)), leaves.length, "records/…")
    expect(back).toEqual(leaves)
  })

  it("is refused with a byte less, with another count, with a kind that is none", () => {
    const range = encodeRange(leaves)
    const strange = Buffer.from(range)
    strange[0] = 3
    const short = Buffer.from([2, 0, 15, ...new Uint8Array(15)])
    for (const [bytes, count] of [
      [range.subarray(0, -1), 4],
      [range, 3],
      [range, 5],
      [strange, 4],
      [short, 1],
    ] as const) {
      expect(() => decodeRange(bytes, count, "records/…")).toThrow(
        expect.objectContaining({ code: "CLI_DAMAGED_BACKUP" }),
      )
    }
  })
})
