import type { Firing } from "@prooflog/alerts/firing"
import { describe, expect, it } from "vitest"
import { FiringTally, tallyTable } from "./firing-tally.js"

function firing(kind: Firing["kind"], id: string, user: string, minute: number): Firing {
  const rule = { id, version: "00", title: "", why: "", severity: "low" } as const
  const ms = Date.UTC(2023, 9, 21, 12, minute)
  return {
    kind,
    rule,
    severity: "low",
    labels: { user_id: user },
    details: {},
    leaves: [minute],
    count: 1,
    timestampMs: ms,
    receivedMs: ms,
  }
}

describe("what rules would have done", () => {
  const tally = new FiringTally()
  for (const each of [
    firing("fires", "a", "ada", 1),
    firing("fires", "a", "ada", 2),
    firing("fires", "a", "bob", 3),
    firing("fires", "b", "ada", 3),
    firing("resolves", "a", "ada", 4),
    firing("fires", "a", "ada", 5),
    firing("resolves", "c", "ada", 6),
  ])
    tally.add(each)

  it("counts what would have been one alert once", () => {
    expect(tally.rules.map(({ rule, alerts, firings }) => [rule.id, alerts, firings])).toEqual([
      ["a", 3, 4],
      ["b", 1, 1],
    ])
  })

  it("is a table, with leaves where events are leaves", () => {
    expect(tallyTable(tally.rules, true)).toEqual([
      "rule  severity  alerts  firings  first                 last                  example leaves",
      "a     low            3        4  2023-10-21T12:01:00Z  2023-10-21T12:05:00Z  1, 3, 5",
      "b     low            1        1  2023-10-21T12:03:00Z  2023-10-21T12:03:00Z  3",
    ])
    expect(tallyTable(tally.rules, false)[0]).toMatch(/last$/)
  })
})
