/**
 * The pages of docs/spec, recomputed: every example in them is what the project's own code makes of it.
 *
 * Examples are named blocks: the words after three backticks are their language and their name. Hexadecimal
 * may hold spaces, line feeds, and comments from `;` to the end of a line.
 */

import { readdirSync, readFileSync } from "node:fs"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { classOf, formatRules, RULE_FIELDS } from "@prooflog/archive/class-rules"
import { parseScheduleFile, publicSchedule } from "@prooflog/archive/schedule-file"
import { type CborValue, checkCbor, encodeCbor } from "@prooflog/event/cbor"
import { checkDisclosure, disclose, disclosureFromJson, disclosureToJson } from "@prooflog/event/disclosure"
import {
  decodeEntry,
  encodeEventEntry,
  encodeGenesis,
  encodeNotice,
  encodeScheduleEntry,
  stampEntryTime,
} from "@prooflog/event/entry"
import { normalizeEvent } from "@prooflog/event/event"
import { normalizeIpAddress } from "@prooflog/event/ip-address"
import { commitmentOf, openRecord, sealRecord } from "@prooflog/event/record"
import { repeatId } from "@prooflog/event/repeat"
import {
  AccessEventSchema,
  CORE_NAMES,
  FIELDS,
  REQUIRED_CORE_NAMES,
  REQUIRED_FIELD_NAMES,
} from "@prooflog/event/schema"
import { parseTimestamp } from "@prooflog/event/timestamp"
import { checkEvent } from "@prooflog/event/validate"
import { writeExport } from "@prooflog/query/export"
import { encodeBase64, encodeHex } from "@prooflog/tlog/base64"
import { bundlePath, formatBundle } from "@prooflog/tlog/bundle"
import { signCheckpoint } from "@prooflog/tlog/checkpoint"
import { cosign } from "@prooflog/tlog/cosignature"
import { EMPTY_ROOT, leafHash, nodeHash, sha256, sha512 } from "@prooflog/tlog/hash"
import { EMPTY_EDGE, integrate } from "@prooflog/tlog/integrate"
import { createSignerKey, formatSignerKey, formatVerifierKey, verifierKeyOf } from "@prooflog/tlog/key"
import { formatNote, parseNote } from "@prooflog/tlog/note"
import { formatPolicy, openCheckpoint, parsePolicy } from "@prooflog/tlog/policy"
import { formatReceipt } from "@prooflog/tlog/receipt"
import { tilePath } from "@prooflog/tlog/tile"
import { formatEvidence, parseEvidence } from "@prooflog/verifier/evidence"
import { verifyEvidence } from "@prooflog/verifier/verify-evidence"
import { verifyLog } from "@prooflog/verifier/verify-log"
import { verifyReceipt } from "@prooflog/verifier/verify-receipt"
import { describe, expect, it } from "vitest"
import { sayAttributes } from "../apps/server/dist/asked-text.js"
import { formatManifest, type Manifest, parseManifest } from "../apps/server/dist/export-manifest.js"

const FOLDER = new URL("../docs/spec/", import.meta.url)

interface Block {
  readonly page: string
  readonly language: string
  readonly name: string
  readonly text: string
}

const PAGES = new Map(
  readdirSync(FOLDER).map((name) => [name, readFileSync(new URL(name, FOLDER), "utf8")] as const),
)

const BLOCKS: readonly Block[] = [...PAGES].flatMap(([page, markdown]) =>
  [...markdown.matchAll(/^```(\S*) ?(\S*)\n([\s\S]*?)^```$/gm)].map(
    ([, language = "", name = "", text = ""]) => ({
      page,
      language,
      name,
      text,
    }),
  ),
)

/** The blocks this test has looked at: none may be left over. */
const read = new Set<Block>()

function block(page: string, language: string, name: string): string {
  const found = BLOCKS.find((it) => it.page === page && it.language === language && it.name === name)
  if (found === undefined) throw new Error(`${page} has no block "${language} ${name}"`)
  read.add(found)
  return found.text
}

function hex(page: string, name: string): string {
  return block(page, "hex", name).replace(/;.*/g, "").replace(/\s/g, "")
}

/** One byte string a line. */
function hexLines(text: string): Uint8Array[] {
  const lines = text.split("\n").map((line) => line.replace(/;.*/, "").trim())
  return lines.filter((line) => line !== "").map((line) => bytesOf(line))
}

const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replace(/\s/g, ""), "hex"))

/** Cells of the rows of the table with this head. */
function rows(page: string, head: string): string[][] {
  const [, after = ""] = (PAGES.get(page) ?? "").split(`| ${head} |\n`)
  const [, ...lines] = (after.split("\n\n")[0] ?? "").split("\n")
  return lines
    .filter((line) => line.startsWith("|"))
    .map((line) =>
      line
        .slice(1, -1)
        .split("|")
        .map((cell) => cell.trim()),
    )
}

/** All tables with this head, one after another. */
function allRows(page: string, head: string): string[][][] {
  const [, ...tables] = (PAGES.get(page) ?? "").split(`| ${head} |\n`)
  return tables.map((table) =>
    (table.split("\n\n")[0] ?? "")
      .split("\n")
      .filter((line) => line.startsWith("|") && !/^\|[\s|-]+\|$/.test(line))
      .map((line) =>
        line
          .slice(1, -1)
          .split("|")
          .map((cell) => cell.trim()),
      ),
  )
}

const code = (cell: string | undefined): string => /^`(.*)`$/s.exec(cell ?? "")?.[1] ?? ""

const range = (from: number, length: number) => Uint8Array.from({ length }, (_, i) => from + i)

const concat = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts))

// ---- the example that goes through all pages

const ADDED = { source: "api", source_key_id: "k_01", event_id: "01891a2b-0000-7000-8000-000000000001" }
const SEED = range(0, 32)
const EVENT = normalizeEvent(JSON.parse(block("event.md", "json", "said")), ADDED)
const { record: RECORD, commitment: COMMITMENT } = sealRecord(EVENT, SEED)
const SIGNER = createSignerKey("log.example/access", range(0x80, 32), 0x01)
const WITNESS = createSignerKey("witness.example/w1", range(0xa0, 32), 0x04)
const NOTHING = sha256(new Uint8Array(0))
const ROUTINE = { keep_days: 914, destroy_days: 944 }

const GENESIS = encodeGenesis(
  {
    origin: SIGNER.name,
    logId: range(0, 16),
    schedule: { classes: { routine: ROUTINE }, default: "routine", rules: NOTHING },
    labelKey: sha256(concat(Uint8Array.of(5), range(0x40, 32))),
  },
  Date.parse("2023-10-21T15:31:40Z"),
)

function eventEntry(commitment: Uint8Array, timeMs: number): Uint8Array {
  const entry = encodeEventEntry("routine", commitment)
  stampEntryTime(entry, 0, timeMs)
  return entry
}

const OTHER = sealRecord(
  normalizeEvent(
    { timestamp: 1697902330000, user_id: "U67890", resource_accessed: "/secure-data", result: "denied" },
    { ...ADDED, event_id: "01891a2b-0000-7000-8000-000000000002" },
  ),
  range(0x20, 32),
)
const ENTRIES = [
  GENESIS,
  eventEntry(COMMITMENT, 1697902321123),
  eventEntry(OTHER.commitment, 1697902331456),
] as const
const [LEAF_0, LEAF_1, LEAF_2] = ENTRIES.map(leafHash) as [Uint8Array, Uint8Array, Uint8Array]
const ROOT = nodeHash(nodeHash(LEAF_0, LEAF_1), LEAF_2)

function signedNote(): string {
  const checkpoint = { origin: SIGNER.name, treeSize: 3, rootHash: ROOT, extensions: [] }
  const { text, signatures } = parseNote(signCheckpoint(checkpoint, SIGNER))
  return formatNote({ text, signatures: [...signatures, cosign(text, WITNESS, 1697902340)] })
}

const NOTE = signedNote()
const DISCLOSURE = disclose(RECORD, new Set(["ip_address"]))

describe("docs/spec/README.md", () => {
  it("lists every page", () => {
    const listed = rows("README.md", "page | is").map(([cell = ""]) => /\((.*)\)/.exec(cell)?.[1])
    expect(listed.sort()).toEqual([...PAGES.keys()].filter((name) => name !== "README.md").sort())
  })

  it("has a registry of prefixes without gaps, and those in use are used", () => {
    const prefixes = rows("README.md", "byte | before | page").map(([prefix]) => prefix)
    expect(prefixes).toEqual(["00", "01", "02", "03", "04", "05", "06", "07", "08", "09 … 0f"])
    const prefixed = (prefix: number, ...parts: Uint8Array[]) =>
      sha256(concat(Uint8Array.of(prefix), ...parts))
    expect(leafHash(GENESIS)).toEqual(prefixed(0, GENESIS))
    expect(nodeHash(LEAF_0, LEAF_1)).toEqual(prefixed(1, LEAF_0, LEAF_1))
    expect(EMPTY_ROOT).toEqual(NOTHING)
  })
})

describe("docs/spec/event.md", () => {
  const table = rows("event.md", "name | value | in | required")

  it("lists the fields of the schema, where they go, and which are required", () => {
    const expected = FIELDS.filter(({ setBy }) => setBy === "producer").map(({ name, core }) => [
      `\`${name}\``,
      core ? "core" : "field",
      (AccessEventSchema.required as string[]).includes(name) ? "yes" : "",
    ])
    expect(table.map(([name, , place, required]) => [name, place, required])).toEqual(expected)
  })

  it("gives each field the limit that the schema gives it", () => {
    interface Node {
      enum?: string[]
      type?: string
      pattern?: string
      minLength?: number
      maxLength?: number
      minimum?: number
      maximum?: number
      maxItems?: number
      items?: Node
    }
    function limitOf(node: Node): string | undefined {
      const { type, minimum, maximum = Number.MAX_SAFE_INTEGER } = node
      if (node.enum) return node.enum.map((word) => `\`${word}\``).join(" ")
      if (type === "array") return `≤ ${node.maxItems} × (${limitOf(node.items ?? {})})`
      if (type === "string" && node.maxLength && !node.pattern)
        return `text ${node.minLength ?? 0} … ${node.maxLength}`
      if (type === "boolean") return type
      if (minimum === undefined) return undefined
      return `${type} ${minimum} …${maximum === Number.MAX_SAFE_INTEGER ? "" : ` ${maximum}`}`
    }
    const inWords = ["ip_address", "timestamp", "attributes"]
    for (const [name, limit] of table) {
      const node = (AccessEventSchema.properties as Record<string, Node>)[code(name)] as Node
      const expected = limitOf(node)
      if (expected !== undefined && !inWords.includes(code(name)))
        expect([name, limit]).toEqual([name, expected])
    }
  })

  it("shows what normalising does to times and addresses", () => {
    const [times = [], addresses = []] = allRows("event.md", "said | hashed")
    expect(times.length + addresses.length).toBe(7)
    for (const [said, hashed] of times)
      expect(parseTimestamp(JSON.parse(code(said)))).toBe(Number(code(hashed)))
    for (const [said, hashed] of addresses) {
      expect(normalizeIpAddress(JSON.parse(code(said)))).toBe(JSON.parse(code(hashed)))
    }
  })

  it("shows an event as it is said and as it is hashed", () => {
    expect(checkEvent(JSON.parse(block("event.md", "json", "said")), Date.now())).toEqual([])
    expect(EVENT).toEqual(JSON.parse(block("event.md", "json", "hashed")))
    expect(hex("event.md", "core")).toBe(encodeHex(encodeCbor(EVENT.core as CborValue)))
    expect(hex("event.md", "fields")).toBe(encodeHex(encodeCbor(EVENT.fields as CborValue)))
  })
})

describe("docs/spec/record.md", () => {
  const salts = hexLines(block("record.md", "hex", "salts"))
  const digests = hexLines(block("record.md", "hex", "digests"))

  it("names what is in the core, and what must be there", () => {
    const prose = (PAGES.get("record.md") ?? "").replace(/\s+/g, " ")
    const named = (pattern: RegExp) =>
      [...(pattern.exec(prose)?.[1] ?? "").matchAll(/`(\w+)`/g)].map(([, name]) => name)
    expect(named(/only if it is one of (.*?)\. Every/)).toEqual(CORE_NAMES)
    expect(named(/Always in `core`: (.*?)\./)).toEqual(REQUIRED_CORE_NAMES)
    expect(named(/Always in `fields`: (.*?)\./)).toEqual(REQUIRED_FIELD_NAMES)
  })

  it("shows the record of the event", () => {
    expect(hex("record.md", "seed")).toBe(encodeHex(SEED))
    expect(hex("record.md", "record")).toBe(encodeHex(RECORD))
    expect(RECORD).toHaveLength(242)
    expect(openRecord(RECORD)).toEqual({ seed: SEED, ...EVENT })
  })

  it("shows salts, digests and shape as its formulas make them", () => {
    const { core, fields } = EVENT
    expect(salts).toEqual(
      [0, 1, 2, 3].map((i) => sha512(concat(SEED, new Uint8Array(4))).slice(16 * i, 16 * i + 16)),
    )
    const encoded = [encodeCbor(core as CborValue), ...fields.map(([, value]) => encodeCbor(value))]
    const expected = encoded.map((bytes, i) =>
      sha256(concat(Uint8Array.of(2), salts[i] as Uint8Array, bytes)),
    )
    expect(digests).toEqual(expected)
    const shape = sha256(concat(Uint8Array.of(4), encodeCbor(fields.map(([name]) => name))))
    expect(hex("record.md", "shape")).toBe(encodeHex(shape))
    const commitment = sha256(concat(Uint8Array.of(3), shape, ...digests))
    expect(hex("record.md", "commitment")).toBe(encodeHex(commitment))
    expect(commitment).toEqual(COMMITMENT)
    expect(commitmentOf(RECORD)).toEqual(COMMITMENT)
  })

  it("shows a disclosure that opens the commitment", () => {
    const json = JSON.parse(block("record.md", "json", "disclosure"))
    expect(json).toEqual(disclosureToJson(DISCLOSURE))
    expect(checkDisclosure(disclosureFromJson(json), COMMITMENT).withheld).toEqual(["ip_address"])
    const [, , address] = digests
    expect(json.fields[1][1]).toBe(encodeBase64(address as Uint8Array))
  })
})

describe("docs/spec/entry.md", () => {
  it("shows the entries of the example log", () => {
    const shown = ["genesis", "event", "other-event"].map((name) => hex("entry.md", name))
    expect(shown).toEqual(ENTRIES.map(encodeHex))
    expect(decodeEntry(ENTRIES[1])).toMatchObject({
      type: "event",
      timeMs: Date.parse("2023-10-21T15:32:01.123Z"),
      className: "routine",
    })
    expect(ENTRIES[1]).toHaveLength(53)
  })

  it("shows a schedule", () => {
    const classes = { routine: ROUTINE, forever: { keep_days: 3650 } }
    const schedule = { classes, default: "routine", rules: NOTHING }
    expect(hex("entry.md", "schedule")).toBe(encodeHex(encodeScheduleEntry(schedule, 1697902400000)))
  })

  it("shows a notice over its items", () => {
    const items = hexLines(block("entry.md", "hex", "items"))
    expect(items).toEqual([encodeCbor([1, range(0x60, 16)]), encodeCbor([2, range(0x70, 16)])])
    const [first, second] = items.map(leafHash) as [Uint8Array, Uint8Array]
    const notice = encodeNotice({ kind: 1, count: 2, root: nodeHash(first, second) }, 1697902500000)
    expect(hex("entry.md", "notice")).toBe(encodeHex(notice))
  })
})

describe("docs/spec/evidence.md", () => {
  it("shows an evidence file that verifies under the policy of log.md, with one field withheld", () => {
    const text = block("evidence.md", "json", "evidence")
    const path = [LEAF_0, LEAF_2]
    const items = [{ leafIndex: 1, path, entry: ENTRIES[1], disclosure: DISCLOSURE }]
    expect(formatEvidence(parseEvidence(text))).toBe(formatEvidence({ checkpoint: NOTE, items }))
    const { events, cosigned } = verifyEvidence(text, parsePolicy(block("log.md", "text", "policy")))
    expect(events).toMatchObject([{ leafIndex: 1, withheld: ["ip_address"], fields: { user_id: "U12345" } }])
    expect(cosigned).toEqual({ witness: "w1", timeSeconds: 1697902340 })
    expect(hexLines(block("evidence.md", "hex", "path"))).toEqual(path)
  })
})

describe("docs/spec/export-manifest.md", () => {
  const PAGE = "export-manifest.md"
  const FILE = block(PAGE, "text", "file").replaceAll("\n", "\r\n")
  const MANIFEST = block(PAGE, "json", "manifest")
  const QUESTION = "SELECT leaf_index, user_id, resource_accessed FROM access_logs WHERE user_id = $1"
  const hexOf = (text: string) => encodeHex(sha256(new TextEncoder().encode(text)))

  /** The event that the server makes of the export. */
  const exported = normalizeEvent(
    {
      timestamp: Date.parse("2023-10-21T15:33:01Z"),
      user_id: "key:1f0c22ab",
      user_type: "api_key",
      action: "log.export",
      activity: "export",
      category: "data",
      resource_accessed: "access_logs",
      result: "success",
      ip_address: "192.168.1.20",
      attributes: sayAttributes({
        sql: QUESTION,
        parameters: '["U12345"]',
        format: "csv",
        rows: 1,
        through: 3,
        sha256: hexOf(FILE),
        manifest_sha256: hexOf(MANIFEST),
      }),
    },
    { source: "prooflog", source_key_id: "prooflog", event_id: "01891a2b-0000-7000-8000-000000000003" },
  )
  const { record, commitment } = sealRecord(exported, range(0x60, 32))
  const entry = eventEntry(commitment, Date.parse("2023-10-21T15:33:01.250Z"))
  const left = nodeHash(LEAF_0, LEAF_1)
  const rootHash = nodeHash(left, nodeHash(LEAF_2, leafHash(entry)))

  it("shows the file as an export writes it, and its manifest", async () => {
    const folder = await mkdtemp(join(tmpdir(), "prooflog-spec-"))
    const path = join(folder, "file")
    const answer = {
      columns: [
        { name: "leaf_index", type: "BIGINT" },
        { name: "user_id", type: "VARCHAR" },
        { name: "resource_accessed", type: "VARCHAR" },
      ],
      through: 3,
      batches: (async function* () {
        yield [[1, "U12345", "/secure-data"]]
      })(),
      close: async () => {},
    }
    const { rows, bytes, sha256: fileHash, through } = await writeExport(answer, "csv", path)
    expect(await readFile(path, "utf8")).toBe(FILE)
    await rm(folder, { recursive: true })
    expect({ bytes, fileHash }).toEqual({ bytes: 61, fileHash: hexOf(FILE) })
    expect(hex(PAGE, "file-hash")).toBe(fileHash)
    const manifest: Manifest = {
      format: "prooflog-export/1",
      origin: SIGNER.name,
      log_id: encodeHex(range(0, 16)),
      question: QUESTION,
      parameters: ["U12345"],
      withheld: [],
      file_format: "csv",
      through,
      rows,
      bytes,
      sha256: fileHash,
      created: "2023-10-21T15:33:00.000Z",
    }
    expect(MANIFEST).toBe(formatManifest(manifest))
    expect(parseManifest(MANIFEST)).toEqual(manifest)
    expect(hex(PAGE, "manifest-hash")).toBe(hexOf(MANIFEST))
  })

  it("defines the members that a manifest has, in their order", () => {
    const cddl = block(PAGE, "cddl", "").replace(/;.*/g, "")
    const [, members = ""] = /manifest = \{([\s\S]*?)\n\}/.exec(cddl) ?? []
    const names = [...members.matchAll(/^ {2}(\w+):/gm)].map(([, name]) => name)
    expect(names).toEqual(Object.keys(JSON.parse(MANIFEST)))
  })

  it("shows evidence of its event that verifies under the policy of log.md, and is not of another file", () => {
    const checkpoint = { origin: SIGNER.name, treeSize: 4, rootHash, extensions: [] }
    const { text, signatures } = parseNote(signCheckpoint(checkpoint, SIGNER))
    const note = formatNote({ text, signatures: [...signatures, cosign(text, WITNESS, 1697902400)] })
    const disclosure = disclose(record, new Set(["ip_address"]))
    const items = [{ leafIndex: 3, path: [LEAF_2, left], entry, disclosure }]
    const evidence = block(PAGE, "json", "evidence")
    expect(formatEvidence(parseEvidence(evidence))).toBe(formatEvidence({ checkpoint: note, items }))
    const { events, origin } = verifyEvidence(evidence, parsePolicy(block("log.md", "text", "policy")))
    expect(origin).toBe(JSON.parse(MANIFEST).origin)
    expect(events).toMatchObject([
      {
        core: { source: "prooflog", action: "log.export", result: "success" },
        fields: { attributes: { manifest_sha256: hexOf(MANIFEST) } },
      },
    ])
    expect(events[0]?.leafIndex).toBeGreaterThanOrEqual(JSON.parse(MANIFEST).through)
    const said = rows(PAGE, "name | value | in").map(([name, , place]) => [code(name), place])
    const inCore = (name: string) => exported.core.some(([held]) => held === name)
    expect(said).toEqual(said.map(([name]) => [name, inCore(name as string) ? "core" : "field"]))
  })

  it("shows the way from the manifest to the root, as anyone can compute it", () => {
    const digests = hexLines(block(PAGE, "hex", "digests"))
    expect(digests[2]).toEqual(sha256(bytesOf(hex(PAGE, "attributes"))))
    const hashText = Buffer.from(hexOf(MANIFEST)).toString("hex")
    expect(hex(PAGE, "attributes").endsWith(hashText)).toBe(true)
    const names = encodeCbor(exported.fields.map(([name]) => name))
    expect(hex(PAGE, "shape")).toBe(encodeHex(sha256(concat(Uint8Array.of(4), names))))
    const opened = sha256(concat(Uint8Array.of(3), bytesOf(hex(PAGE, "shape")), ...digests))
    expect(opened).toEqual(commitment)
    expect(hex(PAGE, "entry")).toBe(encodeHex(entry))
    expect(hex(PAGE, "entry").endsWith(encodeHex(opened))).toBe(true)
    expect(hexLines(block(PAGE, "hex", "way-up"))).toEqual([leafHash(entry), LEAF_2, left, rootHash])
  })
})

describe("docs/spec/log.md", () => {
  it("shows leaf hashes, root and bundle of the example log", () => {
    expect(hexLines(block("log.md", "hex", "leaf-hashes"))).toEqual([LEAF_0, LEAF_1, LEAF_2])
    expect(hex("log.md", "root")).toBe(encodeHex(ROOT))
    expect(hex("log.md", "bundle")).toBe(encodeHex(formatBundle(ENTRIES)))
    const { rootHash, tiles } = integrate(EMPTY_EDGE, concat(LEAF_0, LEAF_1, LEAF_2))
    expect(rootHash).toEqual(ROOT)
    expect(tiles.map(({ tile }) => tilePath(tile))).toEqual(["tile/0/000.p/3"])
    expect(bundlePath(0, 3)).toBe("tile/entries/000.p/3")
  })

  it("shows keys, checkpoint and policy", () => {
    expect(block("log.md", "text", "signer-key").trim()).toBe(formatSignerKey(SIGNER))
    expect(block("log.md", "text", "verifier-key").trim()).toBe(formatVerifierKey(verifierKeyOf(SIGNER)))
    expect(block("log.md", "text", "witness-key").trim()).toBe(formatVerifierKey(verifierKeyOf(WITNESS)))
    const policy = block("log.md", "text", "policy")
    expect(formatPolicy(parsePolicy(policy))).toBe(policy)
    const checkpoint = block("log.md", "text", "checkpoint")
    expect(checkpoint).toBe(NOTE)
    const { cosignatures } = openCheckpoint(checkpoint, parsePolicy(policy))
    expect(cosignatures.map(({ timeSeconds }) => timeSeconds * 1000)).toEqual([
      Date.parse("2023-10-21T15:32:20Z"),
    ])
  })

  it("shows what the witness signed, and its signature", () => {
    const { text, signatures } = parseNote(NOTE)
    expect(block("log.md", "text", "cosigned")).toBe(`cosignature/v1\ntime 1697902340\n${text}`)
    expect(hex("log.md", "cosignature")).toBe(encodeHex(signatures[1]?.bytes ?? new Uint8Array()))
  })

  it("shows a receipt that verifies by itself", () => {
    const receipt = { extra: ENTRIES[1], leafIndex: 1, path: [LEAF_0, LEAF_2], checkpoint: NOTE }
    expect(block("log.md", "text", "receipt")).toBe(formatReceipt(receipt))
    const policy = parsePolicy(block("log.md", "text", "policy"))
    expect(verifyReceipt(block("log.md", "text", "receipt"), policy)).toMatchObject({
      leafIndex: 1,
      treeSize: 3,
    })
  })
})

describe("docs/spec/cbor.md", () => {
  it.each(rows("cbor.md", "value | encoding"))("encodes %s as %s", (value, encoding) => {
    expect(encodeHex(encodeCbor(JSON.parse(code(value))))).toBe(code(encoding))
    checkCbor(bytesOf(code(encoding)))
  })

  it.each(rows("cbor.md", "refused | for"))("refuses %s: %s", (encoding) => {
    const bytes = bytesOf(encoding.replaceAll("`", ""))
    expect(() => checkCbor(bytes)).toThrow(expect.objectContaining({ code: "EVENT_MALFORMED_CBOR" }))
  })

  it("shows a map in full", () => {
    expect(hex("cbor.md", "map")).toBe(encodeHex(encodeCbor({ timestamp: 1, id: 2 })))
  })
})

describe("docs/spec/repeat-ids.md", () => {
  const table = rows("repeat-ids.md", "source | event_id | repeat ID")

  it.each(table)("gives %s, %s its ID", (source, eventId, id) => {
    expect(encodeHex(repeatId(code(source), code(eventId)))).toBe(code(id))
  })

  it("shows the first in full", () => {
    const hash = encodeHex(sha256(bytesOf(hex("repeat-ids.md", "hashed"))))
    expect(hex("repeat-ids.md", "repeat-id")).toBe(`01891a2b0000${hash.slice(0, 20)}`)
    expect(hex("repeat-ids.md", "repeat-id")).toBe(code(table[0]?.[2]))
  })
})

describe("docs/spec/checks.md", () => {
  const POLICY = parsePolicy(`log ${formatVerifierKey(verifierKeyOf(SIGNER))}\nquorum none\n`)

  /** Audits a log that holds genesis and these entries, signed as they are. */
  async function audit(entries: readonly Uint8Array[]) {
    const all = [GENESIS, ...entries]
    const { rootHash, tiles } = integrate(EMPTY_EDGE, concat(...all.map(leafHash)))
    const checkpoint = { origin: SIGNER.name, treeSize: all.length, rootHash, extensions: [] }
    const files = new Map(tiles.map(({ tile, bytes }) => [tilePath(tile), bytes]))
    files.set(bundlePath(0, all.length), formatBundle(all))
    files.set("checkpoint", new TextEncoder().encode(signCheckpoint(checkpoint, SIGNER)))
    return verifyLog({ read: async (path) => files.get(path) }, POLICY)
  }

  const examples = BLOCKS.filter(({ page, language }) => page === "checks.md" && language === "hex")

  it.each(examples)("holds $name for example $#", async (example) => {
    read.add(example)
    const verdict = audit(hexLines(example.text))
    if (example.name === "accepted") {
      expect((await verdict).entries).toMatchObject({ events: 2, unknown: 1 })
    } else {
      await expect(verdict).rejects.toMatchObject({ code: example.name })
    }
  })

  it("has an example for every rule about entries", () => {
    const named = new Set(examples.map(({ name }) => name))
    const aboutEntries = [
      ...(PAGES.get("checks.md") ?? "").matchAll(
        /^\| .*(entry|leaf 0|time|class|schedule|commitment).*\| `(\w+)` \|$/gm,
      ),
    ]
    const codes = aboutEntries
      .map(([, , found]) => found)
      .filter((found) => found !== "VERIFIER_BUNDLE_REFUSED")
    expect(codes.length).toBeGreaterThan(5)
    expect(codes.filter((found) => !named.has(found ?? ""))).toEqual([])
  })
})

describe("docs/spec/rules.md", () => {
  const file = parseScheduleFile(block("rules.md", "yaml", "file"))
  const text = block("rules.md", "json", "lines")

  it("names the fields that a rule can ask about", () => {
    const [, fields = ""] = /field {5}= (.*?)\npattern/s.exec(block("rules.md", "cddl", "")) ?? []
    expect([...fields.matchAll(/"(\w+)"/g)].map(([, name]) => name)).toEqual(RULE_FIELDS)
  })

  it("shows the lines of the rules, their bytes and their hash", () => {
    expect(formatRules(file.rules)).toBe(text)
    expect(hex("rules.md", "bytes")).toBe(encodeHex(new TextEncoder().encode(text)))
    expect(hex("rules.md", "hash")).toBe(encodeHex(sha256(bytesOf(hex("rules.md", "bytes")))))
    expect(encodeHex(publicSchedule(file).rules)).toBe(hex("rules.md", "hash"))
  })

  it("writes each line as RFC 8785 does: members ascending, the least of escapes", () => {
    for (const line of text.trimEnd().split("\n")) {
      const rule = JSON.parse(line) as object
      expect(line).toBe(
        JSON.stringify(Object.fromEntries(Object.entries(rule).sort(([a], [b]) => (a < b ? -1 : 1)))),
      )
    }
  })

  it("says which classes the events of the example log get", () => {
    const of = classOf(file)
    expect([RECORD, OTHER.record].map((record) => of(openRecord(record)).class)).toEqual(["routine", "high"])
  })
})

describe("docs/spec", () => {
  it("has no example that is not recomputed", () => {
    const left = BLOCKS.filter(({ name, language }) => name !== "" && language !== "cddl").filter(
      (it) => !read.has(it),
    )
    expect(left.map(({ page, language, name }) => `${page}: ${language} ${name}`)).toEqual([])
  })

  it("gives each format a definition and an example in hex", () => {
    const pages = [...PAGES.keys()].filter((name) => name !== "README.md")
    const lacks = (test: (it: Block) => boolean) =>
      pages.filter((page) => !BLOCKS.some((it) => it.page === page && test(it)))
    expect(lacks(({ language }) => language === "hex")).toEqual([])
    // Checks have no format of their own.
    expect(lacks(({ language }) => ["cddl", "abnf"].includes(language))).toEqual(["checks.md"])
  })
})
