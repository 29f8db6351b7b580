/**
 * docs/spec/accusation.md, recomputed: its examples are what this code makes of the entries, keys and heads in
 * docs/spec/log.md, and each convicts under the policy there.
 */

import { readFileSync } from "node:fs"
import { encodeEventEntry, encodeScheduleEntry, stampEntryTime } from "@prooflog/event/entry"
import { encodeHex } from "@prooflog/tlog/base64"
import { bundlePath, formatBundle, parseBundle } from "@prooflog/tlog/bundle"
import { signCheckpoint } from "@prooflog/tlog/checkpoint"
import { cosign } from "@prooflog/tlog/cosignature"
import { leafHash, nodeHash, sha256 } from "@prooflog/tlog/hash"
import { EMPTY_EDGE, integrate } from "@prooflog/tlog/integrate"
import { createSignerKey, parseSignerKey } from "@prooflog/tlog/key"
import { formatNote, parseNote } from "@prooflog/tlog/note"
import { openCheckpoint, parsePolicy } from "@prooflog/tlog/policy"
import { tilePath } from "@prooflog/tlog/tile"
import { beforeAll, describe, expect, it } from "vitest"
import { leafOf } from "../fixtures/accusations.js"
import { defined, type SmallLog, sourceOf } from "../fixtures/small-log.js"
import {
  ACCUSATION_KINDS,
  type Accusation,
  type AccusationKind,
  formatAccusation,
  parseAccusation,
  verifyAccusation,
} from "./accusation.js"
import { accuseHeads, accuseReceipt, accuseWitnesses } from "./accuse.js"

const page = (name: string) => readFileSync(new URL(`../../../docs/spec/${name}`, import.meta.url), "utf8")
const LOG = page("log.md")
const PAGE = page("accusation.md")

/** A block of log.md, by its language and its name. */
function given(language: string, name: string): string {
  const [, text] = new RegExp(`^\`\`\`${language} ${name}\n([\\s\\S]*?)^\`\`\`$`, "m").exec(LOG) ?? []
  return defined(text)
}

/** What stands below a heading of this page. */
function section(heading: string): string {
  const [, text] = PAGE.split(new RegExp(`^#+ ${heading}$`, "m"))
  return defined(text).split(/^#/m)[0] ?? ""
}

function blockIn(text: string, language: string): string {
  return defined(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\`$`, "m").exec(text)?.[1])
}

const bytesOf = (hex: string) =>
  new Uint8Array(Buffer.from(hex.replace(/;.*/g, "").replace(/\s/g, ""), "hex"))

// ---- the log of log.md, and what is wrong with others that its key signed

const SIGNER = parseSignerKey(given("text", "signer-key").trim())
const POLICY = parsePolicy(given("text", "policy"))
const WITNESS = createSignerKey(
  "witness.example/w1",
  Uint8Array.from({ length: 32 }, (_, i) => 0xa0 + i),
  0x04,
)
const [GENESIS, EVENT, OTHER] = parseBundle(bytesOf(given("hex", "bundle")), 3) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
]

function eventEntry(byte: number, timeMs: number): Uint8Array {
  const entry = encodeEventEntry("routine", new Uint8Array(32).fill(byte))
  stampEntryTime(entry, 0, timeMs)
  return entry
}

function stamped(entry: Uint8Array, timeMs: number): Uint8Array {
  const again = entry.slice()
  stampEntryTime(again, 0, timeMs)
  return again
}

const FORKED = eventEntry(0xaa, 1697902331456)
const EARLY = eventEntry(0xbb, 1697902321122)
const REPEATED = stamped(EVENT, 1697902331456)
const NOTHING = sha256(new Uint8Array(0))
const DAY = { classes: { routine: { keep_days: 1, destroy_days: 944 } }, default: "routine", rules: NOTHING }
const SHORTENED = encodeScheduleEntry(DAY, 1697902331456)
const CUT = EVENT.subarray(0, -1)

function logOf(entries: readonly Uint8Array[], cosignedAtSeconds?: number): SmallLog {
  const { rootHash, tiles } = integrate(EMPTY_EDGE, new Uint8Array(Buffer.concat(entries.map(leafHash))))
  const treeSize = entries.length
  const signed = signCheckpoint({ origin: SIGNER.name, treeSize, rootHash, extensions: [] }, SIGNER)
  const { text, signatures } = parseNote(signed)
  const cosignatures = cosignedAtSeconds === undefined ? [] : [cosign(text, WITNESS, cosignedAtSeconds)]
  const files = new Map(tiles.map(({ tile, bytes }) => [tilePath(tile), bytes]))
  files.set(bundlePath(0, treeSize), formatBundle(entries))
  const checkpoint = formatNote({ text, signatures: [...signatures, ...cosignatures] })
  return { entries, checkpoint, files, source: sourceOf(files) }
}

const HONEST = logOf([GENESIS, EVENT, OTHER], 1697902340)
const ENTRIES = new Map([
  ["another event as leaf 2", FORKED],
  ["an earlier time", EARLY],
  ["leaf 1 again", REPEATED],
  ["a schedule that keeps `routine` for a day", SHORTENED],
  ["leaf 1 without its last byte", CUT],
])

async function examples(): Promise<Readonly<Record<AccusationKind, Accusation>>> {
  const origin = SIGNER.name
  const forked = logOf([GENESIS, EVENT, FORKED], 1697902345)
  const small = logOf([GENESIS, FORKED])
  const grown = logOf([GENESIS, FORKED, OTHER, EVENT])
  const broken = async (
    kind: "time-went-back" | "repeated-commitment" | "shortened-schedule",
    last: Uint8Array,
    i: number,
  ) => {
    const log = logOf([GENESIS, EVENT, last])
    return {
      kind,
      origin,
      heads: [log.checkpoint],
      leaves: [await leafOf(log, i), await leafOf(log, 2)],
    } as const
  }
  const cut = logOf([GENESIS, CUT])
  const { source, checkpoint } = HONEST
  const found = { at: "2023-10-21T15:40:00Z", by: "monitor.example" }
  return {
    "same-size": {
      ...defined(await accuseHeads(checkpoint, logOf(forked.entries).checkpoint, source, POLICY)),
      found,
    },
    inconsistent: defined(await accuseHeads(small.checkpoint, checkpoint, source, POLICY)),
    "broken-receipt": defined(
      await accuseReceipt(given("text", "receipt"), undefined, grown.checkpoint, grown.source, POLICY),
    ),
    "witness-equivocation": defined(
      (await accuseWitnesses(checkpoint, forked.checkpoint, source, POLICY))[0],
    ),
    "time-went-back": await broken("time-went-back", EARLY, 1),
    "repeated-commitment": await broken("repeated-commitment", REPEATED, 1),
    "shortened-schedule": await broken("shortened-schedule", SHORTENED, 0),
    "invalid-entry": {
      kind: "invalid-entry",
      origin,
      heads: [cut.checkpoint],
      leaves: [await leafOf(cut, 1)],
    },
  }
}

let expected: Awaited<ReturnType<typeof examples>>
beforeAll(async () => {
  expected = await examples()
})

describe("docs/spec/accusation.md", () => {
  it("goes on from the log of log.md", () => {
    expect(HONEST.checkpoint).toBe(given("text", "checkpoint"))
  })

  it("lists the kinds, and defines and shows each of them", () => {
    const listed = [...section("Kinds").matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, kind]) => kind)
    expect(listed).toEqual(ACCUSATION_KINDS)
    const defines = [...blockIn(PAGE, "cddl").matchAll(/kind: "([a-z-]+)"/g)].map(([, kind]) => kind)
    expect(defines).toEqual(ACCUSATION_KINDS)
    const shown = [...PAGE.matchAll(/^### ([a-z-]+)$/gm)].map(([, kind]) => kind)
    expect(shown).toEqual(ACCUSATION_KINDS)
  })

  it("shows the entries that it takes beside those of log.md", () => {
    const lines = blockIn(section("Examples"), "hex").trim().split("\n")
    const shown = lines.map((line) => line.split(";").map((part) => part.trim()))
    expect(shown).toEqual([...ENTRIES].map(([what, entry]) => [encodeHex(entry), what]))
  })

  it.each(ACCUSATION_KINDS)("has an example that is recomputed and convicts: %s", (kind) => {
    const text = section(kind)
    const shown = blockIn(text, "json")
    expect(JSON.parse(shown)).toEqual(JSON.parse(formatAccusation(expected[kind])))
    const { proven } = verifyAccusation(parseAccusation(shown), POLICY)
    expect(text).toContain(`\n> ${proven}\n`)
  })

  it("hashes the inconsistent example by hand", () => {
    const [real = "", last = "", signed = "", implied = ""] = blockIn(section("inconsistent"), "hex")
      .trim()
      .split("\n")
    const [leaf0, leaf1, leaf2] = [GENESIS, EVENT, OTHER].map(leafHash) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ]
    const { hashes, heads } = expected.inconsistent as Extract<Accusation, { kind: "inconsistent" }>
    expect(bytesOf(real)).toEqual(nodeHash(leaf0, leaf1))
    expect(bytesOf(last)).toEqual(leaf2)
    expect(hashes).toEqual([bytesOf(real), bytesOf(last)])
    const roots = heads.map((note) => openCheckpoint(note, { ...POLICY, quorum: "none" }).checkpoint.rootHash)
    expect([bytesOf(implied), bytesOf(signed)]).toEqual(roots)
    expect(nodeHash(bytesOf(real), bytesOf(last))).toEqual(bytesOf(signed))
  })
})
