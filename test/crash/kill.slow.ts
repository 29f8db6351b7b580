/** As kill.test.ts, for hours. */

import { describe, expect, it } from "vitest"
import { killAgainAndAgain } from "./kill-again-and-again.js"

const ROUNDS = Number(process.env.PROOFLOG_CRASHES ?? 3_000)

describe(`a server killed with SIGKILL ${ROUNDS} times under load`, () => {
  it("keeps every acknowledged event at its index, gives no index twice, audits clean and goes on", async () => {
    const outcome = await killAgainAndAgain({ rounds: ROUNDS, seed: Date.now() })
    expect(outcome.acknowledged).toBeGreaterThan(ROUNDS)
    expect(outcome.missing).toEqual([])
    expect(outcome.moved).toEqual([])
    expect(outcome.twice).toEqual([])
    expect(outcome.auditExit).toBe(0)
  })
})
