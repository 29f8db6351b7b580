/** The server is killed under load, at random, again and again. */

import { describe, expect, it } from "vitest"
import { killAgainAndAgain } from "./kill-again-and-again.js"

describe("a server killed with SIGKILL 10 times under load", () => {
  it("keeps every acknowledged event at its index, gives no index twice, audits clean and goes on", async () => {
    const outcome = await killAgainAndAgain({ rounds: 10, seed: 20_231_021 })
    expect(outcome.acknowledged).toBeGreaterThan(10)
    expect(outcome.missing).toEqual([])
    expect(outcome.moved).toEqual([])
    expect(outcome.twice).toEqual([])
    expect(outcome.auditExit).toBe(0)
  }, 240_000)
})
