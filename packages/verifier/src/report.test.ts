import { proveInclusion } from "@prooflog/tlog/inclusion"
import { formatReceipt } from "@prooflog/tlog/receipt"
import { describe, expect, it } from "vitest"
import {
  defined,
  event,
  evidenceOf,
  genesis,
  logOf,
  opaqueEntries,
  POLICY,
  smallEvidence,
  WITNESSED_POLICY,
} from "../fixtures/small-log.js"
import { formatEvidence } from "./evidence.js"
import { formatInstant, formatTimestamp } from "./instant.js"
import {
  escapeText,
  evidenceToJson,
  formatJson,
  logToJson,
  receiptToJson,
  reportEvidence,
  reportLog,
  reportReceipt,
} from "./report.js"
import { tileReader } from "./source.js"
import { verifyEvidence } from "./verify-evidence.js"
import { verifyLog } from "./verify-log.js"
import { verifyReceipt } from "./verify-receipt.js"

describe("a verdict for people", () => {
  it("says in its first lines what is proven and what is not claimed", async () => {
    const text = reportEvidence(verifyEvidence(await smallEvidence([1_700_000_000]), WITNESSED_POLICY))
    const lines = text.split("\n")
    expect(lines[0]).toBe(
      'verified: These 2 events are in the log "log.example/access", not later than 2023-11-14T22:13:20.000Z.',
    )
    expect(lines[1]).toMatch(/^Not claimed: that there are no other events/)
    expect(text).toContain("cosigned by        w0, 2023-11-14T22:13:20.000Z")
    expect(text).toContain("(the operator's word)")
  })

  it("lists withheld names beside the event they were withheld from", async () => {
    const text = reportEvidence(verifyEvidence(await smallEvidence(), POLICY))
    const [, first, second] = text.split(/^leaf /m)
    for (const part of [first, second]) expect(part).toContain("  ip_address         (withheld)\n")
    expect(first).toContain("  user_id            U2\n")
    expect(first).toContain("  timestamp          2023-10-21T15:32:00.000Z\n")
    expect(first).toContain('  tags               ["a","b"]\n')
    expect(text).toContain("no witness of the policy")
  })

  it("lets no value speak for itself", async () => {
    const hostile = [
      "(withheld)",
      "x\n  result             success",
      "\u001b[2J\u001b[1;1Hverified",
      "\u202egnp.exe",
      '"quoted"',
      "  leading",
      "true",
      "17",
      "a\u0000b\u0085c\u2028d\u200be",
      // What a terminal wraps must not look like a row of its own.
      `U1${" ".repeat(57)}  result             denied`,
      "trailing ",
      "-5",
    ]
    for (const user_id of hostile) {
      const { entry, record } = event(1, { more: { user_id } })
      const evidence = await evidenceOf(logOf([genesis(), entry]), new Map([[1, record]]))
      const text = reportEvidence(verifyEvidence(formatEvidence(evidence), POLICY))
      const rows = text.split("\n").filter((line) => line.includes("user_id"))
      expect(rows).toHaveLength(1)
      expect(rows[0]).not.toMatch(/^ {2}user_id {12}\(withheld\)$/)
      expect(text).not.toMatch(/[^\n\x20-\x7e]/)
      expect(defined(rows[0]).slice(20)).not.toMatch(/ {2}| $/)
      expect(text.match(/^ {2}result /gm)).toHaveLength(1)
    }
  })

  it("shows no two values alike", async () => {
    const shown = new Map<string, unknown>()
    for (const user_agent of [
      "5",
      "-5",
      "true",
      "x\u202ey",
      "x\\u202ey",
      '"x\\u202ey"',
      "x\ny",
      "x\\ny",
      "x  y",
      "x \\u0020y",
      "x y",
      "x\u00a0y",
      "x\u3164y",
      "x\u2800y",
      "x\ufe0fy",
      "xy",
      "[]",
      '{"a":1}',
    ]) {
      const { entry, record } = event(1, { more: { user_agent } })
      const evidence = await evidenceOf(logOf([genesis(), entry]), new Map([[1, record]]))
      const text = reportEvidence(verifyEvidence(formatEvidence(evidence), POLICY))
      const row = defined(text.split("\n").find((line) => line.startsWith("  user_agent ")))
      expect(shown.get(row), row).toBeUndefined()
      shown.set(row, user_agent)
    }
  })

  it("drops no digit of a timestamp", async () => {
    const { entry, record } = event(1, { more: { timestamp: "2023-10-21T15:32:00.000999Z" } })
    const evidence = await evidenceOf(logOf([genesis(), entry]), new Map([[1, record]]))
    const text = reportEvidence(verifyEvidence(formatEvidence(evidence), POLICY))
    expect(text).toContain("  timestamp          2023-10-21T15:32:00.000999Z\n")
  })

  it("keeps letters of every alphabet", () => {
    expect(escapeText("Zoë 李 Ω 🙂")).toBe("Zoë 李 Ω 🙂")
    expect(escapeText("a\u00a0b\u3000c\u3164d\u2800e\ufe0f")).toBe("a\\u00a0b\\u3000c\\u3164d\\u2800e\\ufe0f")
    expect(escapeText("\u{e0001}\ud800")).toBe("\\u{e0001}\\ud800")
  })

  it("tells of a receipt and of a whole log", async () => {
    const log = logOf(opaqueEntries(5))
    const path = await proveInclusion(2, 5, tileReader(log.source, 5))
    const receipt = formatReceipt({
      leafIndex: 2,
      path,
      checkpoint: log.checkpoint,
      extra: defined(log.entries[2]),
    })
    const text = reportReceipt(verifyReceipt(receipt, POLICY))
    expect(text).toMatch(/^verified: This entry is leaf 2 .*\nNot claimed: what the entry stands for/)
    expect(text).toContain("leaf 2: event")
    const audit = reportLog(await verifyLog(log.source, POLICY))
    expect(audit).toMatch(/^verified: All 5 entries of the log "log.example\/access" .*\nNot claimed: /)
    expect(audit).toContain("events             4 in all, 4 routine\n")
  })
})

describe("a verdict for machines", () => {
  it("of evidence lists what is withheld, event by event", async () => {
    const json = evidenceToJson(verifyEvidence(await smallEvidence(), POLICY))
    expect(JSON.parse(JSON.stringify(json))).toMatchObject({
      verdict: "verified",
      not_claimed: expect.stringMatching(/no other events/),
      origin: "log.example/access",
      tree_size: 5,
      cosigned: [],
      events: [
        {
          leaf_index: 2,
          received_at: "2023-10-21T15:32:01.020Z",
          class: "routine",
          core: { result: "success", timestamp: 1697902320000000 },
          fields: { user_id: "U2", attributes: { ratio: 0.5 } },
          withheld: ["ip_address"],
        },
        { leaf_index: 4, withheld: ["ip_address"] },
      ],
    })
  })

  it("moves no terminal either, and means the same", () => {
    const value = { text: "\u001b[2J\u009b2J\u202e\u{e0001}\u2028 🙂 李\\u202e", list: ["\u200b", 1] }
    const text = formatJson(value)
    expect(JSON.parse(text)).toEqual(value)
    expect(escapeText(text.trimEnd())).toBe(text.trimEnd())
    expect(text).toContain("🙂 李")
  })

  it("of a receipt and of a log is plain JSON as well", async () => {
    const log = logOf(opaqueEntries(5))
    const path = await proveInclusion(0, 5, tileReader(log.source, 5))
    const receipt = formatReceipt({
      leafIndex: 0,
      path,
      checkpoint: log.checkpoint,
      extra: defined(log.entries[0]),
    })
    expect(JSON.parse(JSON.stringify(receiptToJson(verifyReceipt(receipt, POLICY))))).toMatchObject({
      verdict: "verified",
      leaf_index: 0,
      type: "genesis",
    })
    expect(JSON.parse(JSON.stringify(logToJson(await verifyLog(log.source, POLICY))))).toMatchObject({
      verdict: "verified",
      tree_size: 5,
      first_leaf: 0,
      entries: { events: 4 },
      received: { from: "2023-10-21T15:32:01.000Z" },
    })
    expect(logToJson(await verifyLog(logOf([]).source, POLICY))).not.toHaveProperty("received")
  })
})

describe("an instant", () => {
  it("is ISO 8601, as long as there are dates", () => {
    expect(formatInstant(1_697_902_321_123)).toBe("2023-10-21T15:32:01.123Z")
    expect(formatInstant(Number.MAX_SAFE_INTEGER)).toBe("9007199254740991 ms after 1970")
    expect(formatTimestamp(1_697_902_321_123_000)).toBe("2023-10-21T15:32:01.123Z")
    expect(formatTimestamp(1_697_902_321_123_004)).toBe("2023-10-21T15:32:01.123004Z")
    expect(formatTimestamp(-1)).toBe("1969-12-31T23:59:59.999999Z")
    expect(formatTimestamp(Number.MAX_SAFE_INTEGER)).toBe("2255-06-05T23:47:34.740991Z")
  })
})
