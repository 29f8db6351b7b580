import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { forEachPacked, formatBundle, packedCount, parseBundle, parseBundlePath } from "./bundle.js"
import { formatCheckpoint, parseCheckpoint, signCheckpoint } from "./checkpoint.js"
import { cosign } from "./cosignature.js"
import { TLOG_ERROR_CODES, TlogError } from "./error.js"
import {
  createSignerKey,
  formatSignerKey,
  formatVerifierKey,
  parseAnyKey,
  parseSignerKey,
  verifierKeyOf,
} from "./key.js"
import { formatNote, formatSignatureLine, openNote, parseNote, parseSignatureLine } from "./note.js"
import { formatPolicy, openCheckpoint, parsePolicy } from "./policy.js"
import { checkReceipt, formatReceipt, parseReceipt } from "./receipt.js"
import { someLeaves, treeOf } from "./reference.js"
import { parseTilePath, tilePath } from "./tile.js"

const latin1 = new TextDecoder("latin1")

// Thousands are refused, and their stacks would cost more than the parsing.
Error.stackTraceLimit = 0

/** Every text that differs from this one in one bit, or lacks its end or its beginning. */
function* mangled(text: string): Generator<Uint8Array> {
  const bytes = new TextEncoder().encode(text)
  for (const [i, byte] of bytes.entries()) {
    for (let bit = 1; bit < 256; bit *= 2) yield bytes.with(i, byte ^ bit)
    for (const other of [0, 0x0a, 0x20, 0x2b]) if (byte !== other) yield bytes.with(i, other)
  }
  for (let end = 0; end < bytes.length; end++) yield bytes.slice(0, end)
  for (let start = 1; start < bytes.length; start++) yield bytes.slice(start)
  for (let i = 0; i < bytes.length; i++) yield new Uint8Array([...bytes.slice(0, i), ...bytes.slice(i + 1)])
}

/** The same as texts, for the parsers that take no bytes. */
function* mangledTexts(text: string): Generator<string> {
  for (const bytes of mangled(text)) yield latin1.decode(bytes)
}

/** What `f` gives, or `undefined` if it refuses as it should: with one of our codes. */
function attempt<T>(f: () => T): T | undefined {
  try {
    return f()
  } catch (error) {
    if (error instanceof TlogError && TLOG_ERROR_CODES.includes(error.code)) return undefined
    throw error
  }
}

const leaves = someLeaves(7)
const tree = treeOf(leaves)
const log = createSignerKey("example.com/log", new Uint8Array(32).fill(1), 1)
const witness = createSignerKey("w.example", new Uint8Array(32).fill(2), 4)
const [logKey, witnessKey] = [verifierKeyOf(log), verifierKeyOf(witness)]
const POLICY = `log ${formatVerifierKey(logKey)} https://a/\nwitness W ${formatVerifierKey(witnessKey)}\ngroup G 1 W\nquorum G\n`
const policy = parsePolicy(POLICY)
const signed = parseNote(
  signCheckpoint({ origin: log.name, treeSize: 7, rootHash: tree.root(7), extensions: [] }, log),
)
const NOTE = formatNote({ ...signed, signatures: [...signed.signatures, cosign(signed.text, witness, 1000)] })
const ENTRY = new TextEncoder().encode("3")
const RECEIPT = formatReceipt({ extra: ENTRY, leafIndex: 3, path: tree.path(3, 7), checkpoint: NOTE })

describe("mangled by one byte or cut anywhere", () => {
  it("keys are refused", () => {
    const accepted: string[] = []
    for (const key of [logKey, witnessKey]) {
      for (const text of mangledTexts(formatVerifierKey(key))) {
        if (attempt(() => parseAnyKey(text)) !== undefined) accepted.push(text)
      }
    }
    for (const text of mangledTexts(formatSignerKey(log))) {
      if (attempt(() => parseSignerKey(text)) !== undefined) accepted.push(text)
    }
    expect(accepted).toEqual([])
  })

  it("notes are refused, or format to the same bytes and do not open", () => {
    const wrong: string[] = []
    for (const bytes of mangled(NOTE)) {
      const note = attempt(() => parseNote(bytes))
      if (note === undefined) continue
      if (!Buffer.from(formatNote(note)).equals(bytes)) wrong.push(`respelled ${latin1.decode(bytes)}`)
      const opened = attempt(() => openNote(note, [logKey, witnessKey]))
      // A mangled name makes a stranger's signature; the other one still stands, for this text.
      const isOneOverThisText = opened?.verified.length === 1 && note.text === signed.text
      if (opened !== undefined && !isOneOverThisText) wrong.push(`opened ${latin1.decode(bytes)}`)
      if (attempt(() => openCheckpoint(bytes, policy))) wrong.push(`believed ${latin1.decode(bytes)}`)
    }
    expect(wrong).toEqual([])
  })

  it("receipts are refused, or format to the same bytes and do not hold", () => {
    checkReceipt(parseReceipt(RECEIPT), ENTRY, policy)
    const wrong: string[] = []
    let otherExtras = 0
    for (const bytes of mangled(RECEIPT)) {
      const receipt = attempt(() => parseReceipt(bytes))
      if (receipt === undefined) continue
      if (!Buffer.from(formatReceipt(receipt)).equals(bytes)) wrong.push(`respelled ${latin1.decode(bytes)}`)
      // The extra is authenticated by being the leaf and by nothing else: a receipt that lost it still holds.
      const { extra } = receipt
      if (extra === undefined) continue
      if (!Buffer.from(extra).equals(ENTRY)) otherExtras++
      if (attempt(() => checkReceipt(receipt, extra, policy))) wrong.push(`held ${latin1.decode(bytes)}`)
    }
    expect(wrong).toEqual([])
    expect(otherExtras).toBeGreaterThan(0)
  })

  it("policies are refused, or mean what they say", () => {
    for (const bytes of mangled(POLICY)) {
      const parsed = attempt(() => parsePolicy(bytes))
      if (parsed === undefined) continue
      const text = formatPolicy(parsed)
      expect(formatPolicy(parsePolicy(text))).toBe(text)
      // Names, URLs and white space may change; the keys of those that still count do not.
      for (const { key } of [...parsed.logs, ...parsed.witnesses]) {
        if (key.type === 1) expect(key).toEqual(logKey)
        else if (key.type === 4) expect(key).toEqual(witnessKey)
      }
    }
  })
})

describe("fed with anything", () => {
  const tokens = fc.constantFrom(
    ..."log |witness |group |quorum |none|any |all |extra |index |c2sp.org/tlog-proof@v1|— |+|=|/|.p/|x001/|000|tile/|tile/entries/|\n|\n\n| |\t|\r|0|1|256|9007199254740992|AAAA|\u0085|\ud800|😀|#"
      .split("|")
      .concat([formatVerifierKey(logKey), formatVerifierKey(witnessKey), NOTE, RECEIPT, POLICY, signed.text]),
  )
  // The library's own unit "binary" takes most of a second to set up, and leaves lone surrogates out.
  const characters = fc.oneof(fc.nat(0x7f), fc.nat(0x10ffff)).map((code) => String.fromCodePoint(code))
  const texts = fc.oneof(
    fc.array(characters, { maxLength: 60 }).map((parts) => parts.join("")),
    fc.array(tokens, { maxLength: 12 }).map((parts) => parts.join("")),
  )
  const sources = fc.oneof(texts, fc.uint8Array({ maxLength: 80 }))

  it("parsers refuse with their codes, or format back what they read", () => {
    fc.assert(
      fc.property(sources, (source) => {
        const text = typeof source === "string" ? source : latin1.decode(source)
        const same = (format: () => string | undefined) => {
          const again = attempt(format)
          if (again !== undefined) expect(again).toBe(text)
        }
        same(() => formatVerifierKey(parseAnyKey(text)))
        same(() => formatSignerKey(parseSignerKey(text)))
        same(() => formatNote(parseNote(text)))
        same(() => formatSignatureLine(parseSignatureLine(text)))
        same(() => formatCheckpoint(parseCheckpoint(text)))
        same(() => formatReceipt(parseReceipt(text)))
        same(() => tilePath(parseTilePath(text)))
        attempt(() => parseBundlePath(text))
        attempt(() => parseNote(source))
        attempt(() => parseReceipt(source))
        const parsed = attempt(() => parsePolicy(source))
        if (parsed !== undefined) expect(parsePolicy(formatPolicy(parsed))).toEqual(parsed)
        attempt(() => openCheckpoint(source, policy))
      }),
      { numRuns: 3000 },
    )
  })

  it("packed bytes are refused, or every byte of them is accounted for", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(0, 0, 0, 1, 2, 255), { maxLength: 30 }), (list) => {
        const bytes = Uint8Array.from(list)
        const count = attempt(() => packedCount(bytes))
        if (count === undefined) return
        const entries = parseBundle(bytes, count)
        expect(formatBundle(entries)).toEqual(bytes)
        let visited = 0
        forEachPacked(bytes, (start, end) => {
          visited += 2 + end - start
        })
        expect(visited).toBe(bytes.length)
      }),
    )
  })

  it.each([
    ["a megabyte of line feeds", "\n".repeat(999_999)],
    ["a megabyte of spaces", " ".repeat(999_999)],
    ["a megabyte of dashes", "— ".repeat(249_999)],
    ["a megabyte of plus signs", "+".repeat(999_999)],
    ["a megabyte of zeros", "0".repeat(999_999)],
    ["a megabyte of x groups", "x000/".repeat(199_999)],
    ["a megabyte of padding", "=".repeat(999_996)],
    [
      "a megabyte of signature lines",
      `a\n\n${formatSignatureLine(signed.signatures[0] as never).repeat(9_000)}`,
    ],
    ["a megabyte of policy items", `group G any ${"W ".repeat(490_000)}\n`],
    ["a key of a megabyte", `a+01234567+${"/".repeat(999_984)}`],
    ["a log with a key of a megabyte", `log a+01234567+${"/".repeat(999_980)}\nquorum none\n`],
  ])("%s costs no parser more than a second", (_, text) => {
    const parsers = [parseAnyKey, parseSignerKey, parseNote, parseSignatureLine, parseCheckpoint]
    const others = [parseReceipt, parsePolicy, parseTilePath, parseBundlePath]
    for (const parse of [...parsers, ...others]) {
      const start = performance.now()
      attempt<unknown>(() => parse(text))
      expect(performance.now() - start, parse.name).toBeLessThan(1000)
    }
  })
})
