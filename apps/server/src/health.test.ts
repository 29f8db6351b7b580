import { describe, expect, it } from "vitest"
import type { Call } from "./gate.js"
import { healthRoutes } from "./health.js"
import { type ReadingStatus, readingOff } from "./reading.js"

/** Asks `readyz` of a log whose reading is so. */
function ready(query: string, status: Partial<ReadingStatus>, accepting = true): unknown {
  const reading = {
    ...readingOff(() => 100),
    status: () => ({ ...readingOff(() => 100).status(), ...status }),
  }
  const log = { ledger: { status: () => ({ accepting, reason: "LEDGER_DISK_FULL" }) }, reading }
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
