import { parseAlertSettings } from "@prooflog/alerts/alert-settings"
import type { Firing } from "@prooflog/alerts/firing"
import { normalizeEvent } from "@prooflog/event/event"
import { describe, expect, it } from "vitest"
import { Trial, timeOf } from "./trial.js"

const RULES = `rules:
  - { id: each, title: t, why: w, severity: low, where: { result: denied } }
  - { id: twice, title: t, why: w, severity: low, where: { result: denied }, count: { over: 1h, at_least: 2 } }
  - { id: quiet, title: t, why: w, severity: low, silence: { for: 1h } }
  - { id: classed, title: t, why: w, severity: low, where: { class: audit } }
`

const HOUR = 3_600_000
const START = Date.UTC(2023, 9, 21)

function tried() {
  const firings: (readonly [string, number | undefined])[] = []
  const details: Firing["details"][] = []
  const fire = (firing: Firing, number: number | undefined) => {
    if (firing.kind === "resolves") return
    firings.push([firing.rule.id, number])
    details.push(firing.details)
  }
  const at = {
    settings: parseAlertSettings(""),
    hasSettings: false,
    sources: [{ file: "rules.yaml", text: RULES }],
  }
  const trial = new Trial(at, () => ({}), fire)
  const take = (number: number, hours: number, className?: string) => {
    const event = normalizeEvent(
      { timestamp: START + hours * HOUR, user_id: "ada", resource_accessed: "/", result: "denied" },
      { source: "api", source_key_id: "k", event_id: `e:${number}` },
    )
    trial.take({ number, event, timeMs: timeOf(event), className })
  }
  return { trial, take, firings, details }
}

describe("rules, tried", () => {
  it("find in old events what they would have found in new ones, whatever their order", () => {
    const { trial, take, firings } = tried()
    take(0, 72)
    take(1, 0)
    expect(firings).toEqual([
      ["each", 0],
      ["each", 1],
    ])
    expect(trial.late).toBe(1)
  })

  it("take it as received when the newest happened: whoever was heard then is not silent for longer", () => {
    const { trial, take, details } = tried()
    take(0, 72)
    take(1, 0)
    trial.end(START + 80 * HOUR)
    expect(details.at(-1)).toEqual({ silence: "1h", last_heard: "2023-10-24T00:00:00.000Z" })
  })

  it("name the event that made them fire, and none where nothing did", () => {
    const { trial, take, firings } = tried()
    take(7, 0)
    take(3, 0.5)
    trial.end(START + 3 * HOUR)
    expect(firings).toEqual([
      ["each", 7],
      ["each", 3],
      ["twice", 3],
      ["quiet", undefined],
    ])
  })

  it("see the class of an event that has one", () => {
    const { trial, take, firings } = tried()
    expect([trial.asksFor("class"), trial.asksFor("country")]).toEqual([true, false])
    take(0, 0, "audit")
    take(1, 1, "routine")
    expect(firings.filter(([rule]) => rule === "classed")).toEqual([["classed", 0]])
  })
})
