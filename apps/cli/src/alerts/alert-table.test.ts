import { describe, expect, it } from "vitest"
import { alertIn, sinksIn } from "./alert-answer.js"
import { alertLines, alertsTable, changeLine, leavesText, namedValues, sinkLines } from "./alert-table.js"

const SAID = {
  id: "alert_0011223344556677",
  rule: { id: "scan", version: "0123456789abcdef", title: "A scan\u001b[2J", why: "It scans." },
  severity: "high",
  state: "firing",
  labels: { ip_address: "203.0.113.7" },
  details: { window: "10m" },
  leaves: [3, 4, 5, 9],
  count: 40,
  starts_at: "2023-10-21T12:00:00Z",
  last_at: "2023-10-21T12:01:00Z",
}

describe("an alert, told", () => {
  it("is one line of a table, in its state as people see it", () => {
    const line = (more: object) => alertsTable([alertIn({ ...SAID, ...more })])[1]
    expect(line({})).toBe(
      "alert_0011223344556677  firing  high      scan      40  2023-10-21T12:01:00Z  ip_address=203.0.113.7",
    )
    const acknowledged = { at: "", by: "", note: "" }
    expect(line({ acknowledged, silenced_by: ["silence_1"] })).toContain("  acknowledged  ")
    expect(line({ silenced_by: ["silence_1"], inhibited_by: "alert_1" })).toContain("  silenced  ")
    expect(line({ inhibited_by: "alert_1" })).toContain("  inhibited  ")
    expect(line({ state: "resolved", acknowledged })).toContain("  resolved  ")
  })

  it("is several lines, each of which is one, whatever it says", () => {
    const lines = alertLines(alertIn({ ...SAID, labels: { user_id: "ada\n  over  never" } }))
    expect(lines[1]).toBe("A scan\\u001b[2J")
    expect(lines).toContain('  user_id        "ada\\n  over  never"')
    expect(lines).toContain("  leaves         3 … 5, 9 (the newest 4 of 40)")
  })

  it("is one line when it changes, at the time at which it did", () => {
    const over = { state: "resolved", ends_at: "2023-10-21T12:11:00Z", count: 1 }
    expect(changeLine("resolved", alertIn({ ...SAID, ...over }))).toBe(
      "2023-10-21T12:11:00Z  resolved  high  scan  ip_address=203.0.113.7  1 event  alert_0011223344556677",
    )
  })

  it("moves no cursor and turns no line around, whatever it says", () => {
    const rule = { ...SAID.rule, id: "s\u001b[2Jcan" }
    const line = changeLine("re\u202esolved", alertIn({ ...SAID, rule, labels: { user_id: "a\u202eb" } }))
    expect(line).toMatch(/re\\u202esolved {2}high {2}s\\u001b\[2Jcan {2}user_id=a\\u202eb/)
  })

  it.each([
    ["no alert", []],
    ["no rule", { ...SAID, rule: undefined }],
    ["labels that are no texts", { ...SAID, labels: { a: 1 } }],
    ["leaves that are none", { ...SAID, leaves: [-1] }],
    ["a count that is none", { ...SAID, count: "many" }],
  ])("is refused if it is none: %s", (_, said) => {
    expect(() => alertIn(said)).toThrow(expect.objectContaining({ code: "CLI_UNEXPECTED_ANSWER" }))
  })
})

describe("names and values", () => {
  it("cannot be taken for others", () => {
    expect(namedValues({ a: "b", c: "d e=f", g: "", h: 'i"j' })).toBe('a=b c="d e=f" g="" h="i\\"j"')
  })
})

describe("leaves", () => {
  it.each([
    [[], ""],
    [[7], "7"],
    [[7, 8], "7, 8"],
    [[7, 8, 9, 11], "7 … 9, 11"],
  ])("%j are %j", (leaves, text) => {
    expect(leavesText(leaves)).toBe(text)
  })
})

describe("sinks", () => {
  it("are a table, and below it what is wrong", () => {
    const sinks = sinksIn({
      sinks: [
        {
          ...{
            name: "hook",
            kind: "webhook",
            circuit: "open",
            waiting: 3,
            tried_again: "12:05",
            oldest: "12:00",
          },
          last_error: "answered 500",
          dead: [
            { id: "notification_1", alerts: ["alert_1"], since: "11:00", attempts: 9, error: "answered 404" },
          ],
        },
      ],
    })
    expect(sinkLines(sinks)).toEqual([
      "sink  type     circuit  waiting  dead  last delivered",
      "hook  webhook  open           3     1  –",
      "hook: last error: answered 500, waiting since 12:00, tried again at 12:05",
      "hook: given up after 9 tries: answered 404 (notification_1 since 11:00, about alert_1)",
    ])
  })
})
