/**
 * docs/spec/certificate.md and docs/spec/challenge.md, recomputed: their examples are what this code makes of the
 * entries, keys, items and records on the other pages, and they verify under the policy of docs/spec/log.md.
 */

import { readFileSync } from "node:fs"
import { disclose } from "@prooflog/event/disclosure"
import { encodeNotice } from "@prooflog/event/entry"
import { encodeHex } from "@prooflog/tlog/base64"
import { parseBundle } from "@prooflog/tlog/bundle"
import { signCheckpoint } from "@prooflog/tlog/checkpoint"
import { cosign } from "@prooflog/tlog/cosignature"
import { leafHash, nodeHash, sha256 } from "@prooflog/tlog/hash"
import { createSignerKey, parseSignerKey } from "@prooflog/tlog/key"
import { formatNote, parseNote } from "@prooflog/tlog/note"
import { openCheckpoint, parsePolicy } from "@prooflog/tlog/policy"
import { beforeAll, describe, expect, it } from "vitest"
import { defined } from "../fixtures/small-log.js"
import { type Certificate, formatCertificate, verifyCertificate } from "./certificate.js"
import { confidence, drawLeaves, formatChallenge, parseChallenge } from "./challenge.js"
import { ANSWERS, type Answer, formatAnswers } from "./challenge-answers.js"
import { type JudgedLeaf, judgeChallenge } from "./judge-challenge.js"
import { encodeItem, NoticeTree } from "./notice.js"
import { verifyLog } from "./verify-log.js"

const page = (name: string) => readFileSync(new URL(`../../../docs/spec/${name}`, import.meta.url), "utf8")

/** The block of a page by its language and name; without a name, the only one that has none. */
function given(name: string, language: string, block = ""): string {
  const head = block === "" ? language : `${language} ${block}`
  const found = [...page(name).matchAll(new RegExp(`^\`\`\`${head}\n([\\s\\S]*?)^\`\`\`$`, "gm"))]
  if (found.length !== 1) throw new Error(`${name}: ${found.length} blocks "${head}"`)
  return defined(found[0]?.[1])
}

/** What stands below a heading of a page. */
function section(name: string, heading: string): string {
  const [, text] = page(name).split(new RegExp(`^#+ ${heading}$`, "m"))
  return defined(text).split(/^#/m)[0] ?? ""
}

const blockIn = (text: string, language: string) =>
  defined(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\`$`, "m").exec(text)?.[1])

const bytesOf = (hex: string) =>
  new Uint8Array(Buffer.from(hex.replace(/;.*/g, "").replace(/\s/g, ""), "hex"))

const linesOf = (hex: string) => hex.trim().split("\n").map(bytesOf)

const range = (from: number, length: number) => Uint8Array.from({ length }, (_, i) => from + i)

// ---- the log of log.md, and one leaf more

const SIGNER = parseSignerKey(given("log.md", "text", "signer-key").trim())
const POLICY = parsePolicy(given("log.md", "text", "policy"))
const WITNESS = createSignerKey("witness.example/w1", range(0xa0, 32), 0x04)
const ENTRIES = parseBundle(bytesOf(given("log.md", "hex", "bundle")), 3)
const [LEAF_0, LEAF_1, LEAF_2] = ENTRIES.map(leafHash) as [Uint8Array, Uint8Array, Uint8Array]
const RECORD = bytesOf(given("record.md", "hex", "record"))
const ITEMS = [
  { leafIndex: 1, salt: range(0x60, 16) },
  { leafIndex: 2, salt: range(0x70, 16) },
] as const

/** The head of four leaves, the last a notice, and the paths in its tree. */
function grown(notice: Uint8Array) {
  const leaf3 = leafHash(notice)
  const [left, right] = [nodeHash(LEAF_0, LEAF_1), nodeHash(LEAF_2, leaf3)]
  const rootHash = nodeHash(left, right)
  const { text, signatures } = parseNote(
    signCheckpoint({ origin: SIGNER.name, treeSize: 4, rootHash, extensions: [] }, SIGNER),
  )
  const checkpoint = formatNote({ text, signatures: [...signatures, cosign(text, WITNESS, 1697902510)] })
  const paths = [
    [LEAF_1, right],
    [LEAF_0, right],
    [leaf3, left],
    [LEAF_2, left],
  ]
  const shown = (leafIndex: number) => ({
    leafIndex,
    path: defined(paths[leafIndex]),
    entry: [...ENTRIES, notice][leafIndex] as Uint8Array,
  })
  return { checkpoint, rootHash, shown }
}

describe("docs/spec/certificate.md", () => {
  const { checkpoint, shown } = grown(bytesOf(given("entry.md", "hex", "notice")))
  const tree = new NoticeTree(ITEMS)
  const certificate: Certificate = {
    checkpoint,
    notice: shown(3),
    items: [{ ...shown(1), ...tree.prove(0) }],
  }

  it("shows a certificate of one of two items that verifies, and what it proves", () => {
    const text = given("certificate.md", "json")
    expect(JSON.parse(text)).toEqual(JSON.parse(formatCertificate(certificate)))
    const { proven, notClaimed, items } = verifyCertificate(text, POLICY)
    expect(page("certificate.md")).toContain(`\n> ${proven}\n`)
    expect(page("certificate.md")).toContain(`\n> ${notClaimed}\n`)
    expect(items.map(({ leafIndex }) => leafIndex)).toEqual([1])
  })

  it("hashes the item up to the root of the notice by hand", () => {
    const [item, hash, sibling, root] = linesOf(given("certificate.md", "hex")) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ]
    expect(item).toEqual(encodeItem(ITEMS[0]))
    expect(hash).toEqual(sha256(Uint8Array.of(0, ...item)))
    expect(sibling).toEqual(sha256(Uint8Array.of(0, ...encodeItem(ITEMS[1]))))
    expect(root).toEqual(sha256(Uint8Array.of(1, ...hash, ...sibling)))
    expect(encodeHex(bytesOf(given("entry.md", "hex", "notice"))).endsWith(encodeHex(root))).toBe(true)
  })
})

describe("docs/spec/challenge.md", () => {
  const PAGE = "challenge.md"
  const tree = new NoticeTree([ITEMS[1]])
  const notice = encodeNotice({ kind: 1, count: 1, root: tree.root }, 1697902500000)
  const { checkpoint, rootHash, shown } = grown(notice)
  const challenge = { checkpoint, nonce: range(0xc0, 16), leaves: 3 }
  const { leafIndex: _, ...item } = tree.prove(0)
  const answers: Record<number, Answer> = {
    0: { ...shown(0), answer: "no-event" },
    1: { ...shown(1), answer: "record", disclosure: disclose(RECORD, new Set()) },
    2: { ...shown(2), answer: "noticed", notice: shown(3), item },
    3: { ...shown(3), answer: "no-event" },
  }
  const drawn = drawLeaves({ treeSize: 4, rootHash }, challenge)

  let genesisSchedule: Parameters<NonNullable<Parameters<typeof verifyLog>[2]>["onSchedule"] & object>[1]
  beforeAll(async () => {
    const { logOf } = await import("../fixtures/small-log.js")
    const { files } = logOf(ENTRIES)
    files.set("checkpoint", new TextEncoder().encode(given("log.md", "text", "checkpoint")))
    const onSchedule = (_: number, schedule: typeof genesisSchedule) => {
      genesisSchedule = schedule
    }
    await verifyLog({ read: async (path) => files.get(path) }, POLICY, { onSchedule })
  })

  it("shows the notice, the challenge and the leaves that it draws", () => {
    expect(encodeHex(bytesOf(blockIn(section(PAGE, "The log"), "hex")))).toBe(encodeHex(notice))
    const text = blockIn(section(PAGE, "The challenge"), "json")
    expect(JSON.parse(text)).toEqual(JSON.parse(formatChallenge(challenge)))
    expect(parseChallenge(text)).toEqual(challenge)
    const lines = blockIn(section(PAGE, "The draw"), "hex").trim().split("\n")
    const leaves = lines.map((line, i) => {
      const counter = new Uint8Array(8).fill(i, 7)
      const hash = sha256(new Uint8Array(Buffer.concat([rootHash, challenge.nonce, counter])))
      const number = BigInt(`0x${encodeHex(hash.subarray(0, 8))}`)
      const [shownHash = "", said = ""] = line.split(";").map((part) => part.trim())
      expect(shownHash).toBe(encodeHex(hash))
      const leaf = Number(number % 4n)
      expect(said).toMatch(new RegExp(`^i = ${i}: ${encodeHex(hash.subarray(0, 8))} mod 4 = ${leaf}`))
      return leaf
    })
    expect([...new Set(leaves)]).toEqual(drawn)
    expect(drawn).toHaveLength(3)
  })

  it("shows answers that are recomputed, and what they prove", () => {
    const text = blockIn(section(PAGE, "The answers"), "json")
    const sorted = [...drawn].sort((a, b) => a - b).map((leaf) => defined(answers[leaf]))
    expect(JSON.parse(text)).toEqual(JSON.parse([...formatAnswers(challenge, sorted)].join("")))
    const judged = judgeChallenge(text, POLICY, {
      promises: [[0, genesisSchedule]],
      atMs: 1697902600000,
      challenge,
    })
    expect(judged.outcome).toBe("kept")
    expect(section(PAGE, "The answers")).toContain(`\n> ${judged.proven}\n`)
    expect(page(PAGE)).toContain(`\n> ${judged.notClaimed}\n`)
    expect(new Set(judged.leaves.map(({ verdict }) => verdict))).toEqual(
      new Set(["kept", "noticed", "no-event"]),
    )
  })

  it("opens the head that it says it opens", () => {
    expect(openCheckpoint(checkpoint, POLICY).checkpoint.rootHash).toEqual(rootHash)
  })

  it("says what is found with how many leaves, rounded down", () => {
    const [, after = ""] = page(PAGE).split("| leaves | a loss of 1 % | of 0.1 % | of 0.03 % |\n")
    const rows = [
      ...(after.split("\n\n")[0] ?? "").matchAll(/^\| (\d+) \| (\d+) % \| (\d+) % \| (\d+) % \|$/gm),
    ]
    expect(rows).toHaveLength(3)
    for (const [, leaves, ...percents] of rows) {
      // What is as good as certain, in doubles, is not certain.
      const percentOf = (p: number) => Math.min(99, Math.floor(100 * confidence(Number(leaves), p)))
      const expected = [0.01, 0.001, 0.0003].map(percentOf)
      expect(percents.map(Number)).toEqual(expected)
    }
  })

  it("lists every answer and every verdict", () => {
    const listed = (head: string) => {
      const [, after = ""] = page(PAGE).split(`| ${head} |\n`)
      const [, ...rows] = (after.split("\n\n")[0] ?? "").split("\n")
      return rows.map((row) => /^\| `([a-z-]+)` \|/.exec(row)?.[1])
    }
    expect(listed("answer | beside it | holds if")).toEqual(ANSWERS)
    const verdicts: Record<JudgedLeaf["verdict"], true> = {
      kept: true,
      due: true,
      noticed: true,
      "no-event": true,
      "in-part": true,
      held: true,
      unanswered: true,
      refused: true,
    }
    expect(listed("verdict | is | found")).toEqual(Object.keys(verdicts))
    const defines = [...given(PAGE, "cddl").matchAll(/answer: "([a-z-]+)"/g)].map(([, answer]) => answer)
    expect(defines).toEqual(ANSWERS)
  })
})
