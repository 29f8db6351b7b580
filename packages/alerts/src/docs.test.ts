/** docs/alerts.md, held against the code: the shipped rules, the kinds, what is supported of Sigma, and every example. */

import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { ROUTE_DEFAULTS } from "./alert-routes.js"
import { parseAlertSettings } from "./alert-settings.js"
import { compileRules } from "./compile-rules.js"
import { HEALTH_NAMES } from "./health.js"
import { parseFieldAsked } from "./modifiers.js"
import { KIND_NAMES } from "./rule-kinds.js"
import { RuleSet } from "./rule-set.js"
import { FieldSlots } from "./seen-event.js"
import { SHIPPED_FILE, SHIPPED_RULES } from "./shipped.js"
import { SINK_TYPES } from "./sink-settings.js"

const PAGE = readFileSync(new URL("../../../docs/alerts.md", import.meta.url), "utf8")

const TIMES = parseAlertSettings("")

/** Rows of the table whose head begins with a cell. */
function table(head: string): string[][] {
  const [, after = ""] = PAGE.split(new RegExp(`^\\| ${head} \\|.*\\n\\|[ |-]+\\|\\n`, "m"))
  const lines = after.split("\n")
  return lines
    .slice(
      0,
      lines.findIndex((line) => !line.startsWith("|")),
    )
    .map((line) => line.slice(2, -2).split(" | "))
}

function blocks(language: string): string[] {
  return [...PAGE.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)].flatMap(([, info, text = ""]) =>
    info === language ? [text] : [],
  )
}

function compiled(text: string, file = "docs") {
  const slots = new FieldSlots()
  const { rules, refused } = compileRules([{ file, text }], slots, TIMES)
  return { heads: new RuleSet(rules, slots, TIMES).heads, refused: refused.map(({ message }) => message) }
}

describe("docs/alerts.md", () => {
  it("lists the rules that come with the log, in their order, as they are", () => {
    const { heads } = compiled(SHIPPED_RULES, SHIPPED_FILE)
    expect(table("rule")).toEqual(heads.map(({ id, severity, title }) => [`\`${id}\``, severity, title]))
  })

  it("has an example of each kind of rule, which is one", () => {
    const examples = table("kind").map(([cell = ""]) => cell.replaceAll("`", ""))
    expect(examples.map((example) => example.split(":")[0])).toEqual([...KIND_NAMES])
    for (const example of examples) {
      const { refused } = compiled(`rules:\n  - { id: a, title: t, why: w, severity: low, ${example} }\n`)
      expect(refused, example).toEqual([])
    }
  })

  it.each(blocks("yaml rules").map((text, i) => [i + 1, text] as const))(
    "example %d of rules is right",
    (_, text) => {
      const { heads, refused } = compiled(text)
      expect(refused).toEqual([])
      expect(heads.length).toBeGreaterThan(0)
    },
  )

  it("shows settings that are right, with every type of sink, none of which nobody tells", () => {
    const [text = "", ...others] = blocks("yaml settings")
    expect(others).toEqual([])
    const { sinks, routes } = parseAlertSettings(text)
    expect(table("sink").map(([type]) => type)).toEqual(SINK_TYPES.map((type) => `\`${type}\``))
    expect(new Set([...sinks.values()].map(({ type }) => type))).toEqual(new Set(SINK_TYPES))
    expect(routes).toHaveLength(3)
  })

  it("says what holds where nothing is said", () => {
    const minutes = (ms: number) => ms / 60_000
    expect(PAGE).toContain(`**\`tolerance\`, ${minutes(TIMES.toleranceMs)}m**`)
    expect(PAGE).toContain(`**\`history_after\`, ${minutes(TIMES.historyAfterMs) / 60}h**`)
    expect(PAGE).toContain(`\`group_wait\` (${ROUTE_DEFAULTS.waitMs / 1000}s)`)
    expect(PAGE).toContain(`\`group_interval\` (${minutes(ROUTE_DEFAULTS.intervalMs)}m)`)
    expect(PAGE).toContain(`\`repeat_interval\` (${minutes(ROUTE_DEFAULTS.repeatMs) / 60}h)`)
  })

  it("names what the health of a log is called, and modifiers that are evaluated", () => {
    const health = table("kind").find(([cell]) => cell?.startsWith("`health")) ?? []
    for (const name of HEALTH_NAMES) expect(health.join(" ")).toContain(`\`${name}\``)
    const [, modifiers = ""] = /### Modifiers and conditions\n\n([\s\S]*?)\. Case/.exec(PAGE) ?? []
    const names = [...modifiers.matchAll(/`([a-z0-9]+)`/g)].map(([, name = ""]) => name)
    expect(names.length).toBeGreaterThan(15)
    for (const name of names) {
      const asked = ["i", "m", "s"].includes(name) ? `user_id|re|${name}` : `user_id|${name}`
      expect(() => parseFieldAsked(asked), asked).not.toThrow()
    }
    expect(() => parseFieldAsked("user_id|expand")).toThrow(RangeError)
  })
})
