import { describe, expect, it } from "vitest"
import { RateLimit } from "./rate-limit.js"

describe("a rate limit", () => {
  it("lets a burst through, then so many a second, each address for itself", () => {
    const limit = new RateLimit({ burst: 3, perSecond: 2 })
    const admitted = (nowMs: number, tries: number, address = "a") =>
      Array.from({ length: tries }, () => limit.admits(address, nowMs)).filter(Boolean).length
    expect(admitted(0, 5)).toBe(3)
    expect(admitted(0, 5, "b")).toBe(3)
    expect(admitted(499, 5)).toBe(0)
    expect(admitted(1_000, 5)).toBe(2)
    expect(admitted(60_000, 9)).toBe(3)
  })

  it("gives nothing for a clock that is set back", () => {
    const limit = new RateLimit({ burst: 1, perSecond: 1 })
    expect(limit.admits("a", 10_000)).toBe(true)
    expect(limit.admits("a", 0)).toBe(false)
    expect(limit.admits("a", 1_000)).toBe(true)
  })

  it("forgets those it saw longest ago, not who goes on asking", () => {
    const limit = new RateLimit({ burst: 1, perSecond: 0 })
    for (const address of ["steady", "rare"]) limit.admits(address, 0)
    for (let i = 0; i < 10_050; i++) {
      limit.admits(`flood ${i}`, 0)
      if (i % 1_000 === 0) expect(limit.admits("steady", 0)).toBe(false)
    }
    expect(limit.admits("steady", 0)).toBe(false)
    expect(limit.admits("rare", 0)).toBe(true)
  })
})
