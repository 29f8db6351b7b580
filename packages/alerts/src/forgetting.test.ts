import { describe, expect, it } from "vitest"
import { alert, NOON, notification } from "../../../test/alerts/made-alerts.js"
import { Forgetting } from "./forgetting.js"
import { parseMatcher } from "./matchers.js"

const ada = new Forgetting(["ada@example.com", ""], [7])

it.each([
  ["ada@example.com", true],
  ["by ada@example.com.", true],
  ["(ada@example.com)", true],
  ["ada@example.com,bob", true],
  ["xada@example.com", false],
  ["ada@example.community", false],
  ["éada@example.com", false],
  ["ada@example.com2 and ada@example.com", true],
  ["😀ada@example.com😀", true],
  ["Ada@example.com", false],
  ["", false],
])("%s names her: %s", (text, expected) => {
  expect(ada.names(text)).toBe(expected)
})

it.each([
  ["a label", alert({ labels: { user_id: "ada@example.com" } }), true],
  ["the name of a label", alert({ labels: { "ada@example.com": "x" } }), true],
  ["a detail", alert({ details: { seen: "with ada@example.com" } }), true],
  ["a note", alert({ acknowledged: { atMs: NOON, by: "key", note: "asked ada@example.com" } }), true],
  ["a leaf", alert({ leaves: [6, 7] }), true],
  ["nothing", alert({ leaves: [6, 8], labels: { user_id: "bob" } }), false],
])("an alert is about her by %s", (_, given, expected) => {
  expect(ada.isAbout(given)).toBe(expected)
})

it("a silence names her in a matcher or in its reason", () => {
  const silence = {
    id: "s",
    matchers: [parseMatcher("rule = x")],
    startsMs: 0,
    endsMs: 1,
    by: "key",
    why: "",
  }
  expect(ada.isNamedBy(silence)).toBe(false)
  expect(ada.isNamedBy({ ...silence, why: "for ada@example.com" })).toBe(true)
  expect(ada.isNamedBy({ ...silence, matchers: [parseMatcher("user_id = ada@example.com")] })).toBe(true)
})

describe("of a notification", () => {
  const hers = alert({ labels: { user_id: "ada@example.com" } })
  const other = alert({ labels: { user_id: "bob" } })

  it("nothing changes if it says nothing of her", () => {
    const given = notification({ alerts: [other] })
    expect(ada.without(given)).toBe(given)
  })

  it("what is not about her is left, and what is left out is counted", () => {
    const left = ada.without(notification({ alerts: [hers, other], leftOut: 2 }))
    expect(left).toMatchObject({ alerts: [other], leftOut: 3, groupLabels: { rule: "brute-force" } })
  })

  it("the labels of its group go if they name her", () => {
    const left = ada.without(notification({ alerts: [other], groupLabels: { user_id: "ada@example.com" } }))
    expect(left?.groupLabels).toEqual({})
    expect(left?.alerts).toEqual([other])
  })

  it("nothing is left if it was about nothing else; but that it is over is told", () => {
    for (const status of ["firing", "acknowledged"] as const) {
      expect(ada.without(notification({ alerts: [hers], status }))).toBeUndefined()
    }
    const over = ada.without(notification({ alerts: [hers], status: "resolved" }))
    expect(over?.groupLabels).toEqual({})
    expect(over).toMatchObject({ alerts: [], leftOut: 1, status: "resolved" })
  })
})
