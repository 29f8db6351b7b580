import { describe, expect, it } from "vitest"
import { type Finding, weightOf } from "./finding.js"
import { OpenFindings } from "./open-findings.js"

function open() {
  const told: string[] = []
  const say = (state: string) => (finding: Finding) => {
    told.push(`${state} ${finding.kind} ${finding.accusation ?? "unproven"}`)
  }
  return { told, findings: new OpenFindings([], { raised: say("raised"), settled: say("settled") }) }
}

const fork = (accusation?: string, heads: readonly [string, string] = ["a", "b"]) => {
  const found = { kind: "forked", by: "gossip", message: "two heads", seenMs: 1, heads } as const
  return accusation === undefined ? found : { ...found, accusation }
}

describe("open findings", () => {
  it("a fork is an alarm that stays, and proven once it is written down: then it is one finding", () => {
    const { told, findings } = open()
    findings.raise(fork())
    findings.settle("gossip")
    expect(findings.all.map(weightOf)).toEqual(["alarm"])
    findings.raise({ ...fork("file", ["b", "a"]), by: "growth", seenMs: 5 })
    expect(findings.all).toMatchObject([{ accusation: "file", sinceMs: 1, seenMs: 5, isTold: false }])
    expect(findings.all.map(weightOf)).toEqual(["proven"])
    expect(told).toEqual(["raised forked unproven", "raised forked file"])
  })

  it("the proof of another fork leaves it as it is", () => {
    const { findings } = open()
    findings.raise(fork())
    findings.raise(fork("file", ["a", "c"]))
    expect(findings.all.map(weightOf)).toEqual(["alarm", "proven"])
  })
})
