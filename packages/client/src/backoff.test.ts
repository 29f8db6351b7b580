import { describe, expect, it } from "vitest"
import { Backoff, parseRetryAfter } from "./backoff.js"

function backoffAt(random: () => number) {
  const clock = { ms: 1000 }
  return { clock, backoff: new Backoff(() => clock.ms, random) }
}

describe("Backoff", () => {
  it("doubles the upper end of the wait with each failure, up to half a minute", () => {
    const { backoff, clock } = backoffAt(() => 1)
    const waits = Array.from({ length: 10 }, () => {
      backoff.failed()
      const { delayMs } = backoff
      clock.ms += delayMs
      return delayMs
    })
    expect(waits).toEqual([200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000])
  })

  it("waits anything from nothing: the jitter is full", () => {
    const { backoff } = backoffAt(() => 0)
    backoff.failed()
    expect(backoff.delayMs).toBe(0)
  })

  it("takes failures of requests under way together for one", () => {
    const { backoff } = backoffAt(() => 1)
    for (let i = 0; i < 4; i++) backoff.failed()
    expect(backoff.delayMs).toBe(200)
  })

  it("never comes back before Retry-After, and not all at once after it", () => {
    const { backoff } = backoffAt(() => 0.5)
    backoff.failed(7000)
    expect(backoff.delayMs).toBe(7100)
  })

  it("does not let a mistaken Retry-After silence it for days", () => {
    const { backoff } = backoffAt(() => 0)
    backoff.failed(1e12)
    expect(backoff.delayMs).toBe(600_000)
  })

  it("starts anew after a success", () => {
    const { backoff, clock } = backoffAt(() => 1)
    backoff.failed()
    clock.ms += 200
    backoff.failed()
    backoff.succeeded()
    expect(backoff.delayMs).toBe(0)
    backoff.failed()
    expect(backoff.delayMs).toBe(200)
  })
})

describe("parseRetryAfter", () => {
  const now = Date.UTC(2026, 0, 1)
  it.each([
    [null, 0],
    ["3", 3000],
    [" 0 ", 0],
    ["Thu, 01 Jan 2026 00:00:05 GMT", 5000],
    ["Wed, 31 Dec 2025 00:00:00 GMT", 0],
    ["soon", 0],
    ["-1", 0],
    ["99999999999999", 0],
  ])("takes %j for %i ms", (header, ms) => {
    expect(parseRetryAfter(header, now)).toBe(ms)
  })
})
