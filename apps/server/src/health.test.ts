import type { LedgerStatus } from "@prooflog/ledger"
import { describe, expect, it } from "vitest"
import type { Call } from "./gate.js"
import { healthRoutes } from "./health.js"
import { type ReadingStatus, readingOff } from "./reading.js"

/** Asks `readyz` of a log whose reading is so. */
function ready(
  query: string,
  status: Partial<ReadingStatus>,
  accepting = true,
  publishing: Partial<LedgerStatus> = {},
  alarms: readonly string[] = [],
): unknown {
  const reading = {
    ...readingOff(() => 100),
    status: () => ({ ...readingOff(() => 100).status(), ...status }),
  }
  const ledger = {
    quorum: "none",
    accepting,
    reason: "LEDGER_DISK_FULL",
    witnesses: [],
    signedSize: 9,
    publishedSize: 7,
    ...publishing,
  }
  const log = {
    ledger: { status: () => ledger },
    reading,
    policy: { warnings: ["a warning"] },
    comparing: { status: () => ({ alarms }) },
  }
  const route = healthRoutes(log as never, () => false).find(({ path }) => path === "readyz")
  return route?.handle({ query } as Call, "")
}

describe("readiness for reading", () => {
  it("is there while answers are level with the log, or nearly", () => {
    expect(ready("for=reading", { state: "following", lagSeconds: 0 })).toMatchObject({ status: 200 })
    expect(ready("for=reading", { state: "following", lagSeconds: 10 })).toMatchObject({ status: 200 })
    // Whether events are taken is another question.
    expect(ready("for=reading", { state: "following", lagSeconds: 0 }, false)).toMatchObject({ status: 200 })
  })

  it("ends when they are further behind, and says how far", () => {
    const behind = () => ready("for=reading", { state: "following", lagSeconds: 10.6 })
    expect(behind).toThrow("answers are 11 seconds behind the log")
    expect(behind).toThrow(expect.objectContaining({ code: "SERVER_NOT_READY" }))
    expect(ready("", { state: "following", lagSeconds: 10.6 })).toMatchObject({ status: 200 })
  })

  it.each(["starting", "stopped", "restarting", "off"] as const)("is not there in the state %s", (state) => {
    expect(() => ready("for=reading", { state, lagSeconds: 0 })).toThrow(`not followed: ${state}`)
  })
})

describe("readiness for publishing", () => {
  const MISSING = { quorum: "missing", quorumMissingSince: Date.parse("2026-03-01T12:00:00Z") } as const
  const warningsOf = (answer: unknown) => JSON.parse((answer as { body: string }).body).warnings

  it("is there with a quorum, and where none is asked for", () => {
    for (const quorum of ["none", "met"] as const) {
      expect(ready("for=publishing", {}, true, { quorum })).toMatchObject({ status: 200 })
    }
    // Whether events are taken is another question.
    expect(ready("for=publishing", {}, false)).toMatchObject({ status: 200 })
  })

  it("ends without one, and says since when; events are taken all the same", () => {
    const missing = () => ready("for=publishing", {}, true, MISSING)
    expect(missing).toThrow(/since 2026-03-01T12:00:00.*: 7 of 9 signed leaves are published/)
    expect(missing).toThrow(expect.objectContaining({ code: "SERVER_NOT_READY" }))
    const warnings = warningsOf(ready("", {}, true, MISSING))
    expect(warnings).toEqual([expect.stringContaining("no quorum of witnesses"), "a warning"])
  })

  it("ends when cosignatures are stale; before that a warning says that nobody renews them", () => {
    const renewalFailingSince = Date.parse("2026-03-01T13:00:00Z")
    const words = /no quorum of witnesses has renewed the cosignatures .* since 2026-03-01T13:00:00/
    const failing = { quorum: "met", renewalFailingSince } as const
    const answer = ready("for=publishing", {}, true, failing)
    expect(warningsOf(answer)).toEqual([expect.stringMatching(words), "a warning"])
    expect(JSON.parse((answer as { body: string }).body).publishing).toMatchObject({
      quorum: "met",
      renewal_failing_since: expect.stringContaining("2026-03-01T13:00:00"),
    })
    const stale = { quorum: "stale", renewalFailingSince } as const
    expect(() => ready("for=publishing", {}, true, stale)).toThrow(words)
    expect(warningsOf(ready("", {}, true, stale))).toEqual([expect.stringMatching(words), "a warning"])
  })

  it("says so if what is published never had a quorum", () => {
    const first = { ...MISSING, signedSize: 7 }
    expect(() => ready("for=publishing", {}, true, first)).toThrow(
      /has cosigned the published head of 7 leaves since 2026-03-01T12:00:00/,
    )
  })

  it("shows the time that a witness says, whatever it says", () => {
    const witnesses = [{ name: "w1", timeSeconds: 9_000_000_000_000 }]
    const answer = ready("", {}, true, { witnesses }) as { body: string }
    expect(JSON.parse(answer.body).publishing.witnesses).toEqual([
      { name: "w1", cosigned: "9000000000000000 ms after 1970" },
    ])
  })

  it("ends when somebody has shown a fork", () => {
    const forked = (query: string) => ready(query, {}, true, {}, ["two histories"])
    expect(() => forked("for=publishing")).toThrow("two histories")
    expect(warningsOf(forked(""))).toEqual(["two histories", "a warning"])
  })

  it("is one of two things that can be asked for", () => {
    expect(() => ready("for=fun", {})).toThrow("reading or publishing")
  })
})
