import { describe, expect, it } from "vitest"
import { StampClock } from "./clock.js"

const MINUTE_MS = 60_000

function clockAt(start: { wall: number; monotonic?: number; last?: number }) {
  const time = { wall: start.wall, monotonic: start.monotonic ?? 0 }
  const clock = new StampClock({ clock: () => time.wall, monotonic: () => time.monotonic }, start.last ?? 0)
  return { time, clock }
}

describe("the time of entries", () => {
  it("is the wall clock's, in whole milliseconds", () => {
    const { time, clock } = clockAt({ wall: 5e12 + 0.75 })
    expect(clock.next()).toBe(5e12)
    time.wall += 10
    expect(clock.next()).toBe(5e12 + 10)
  })

  it("stands still while the wall clock is behind", () => {
    const { time, clock } = clockAt({ wall: 5e12, last: 6e12 })
    expect(clock.next()).toBe(6e12)
    time.wall = 1e12
    expect(clock.next()).toBe(6e12)
    expect(clock.lastMs).toBe(6e12)
  })

  it("may drift ahead of the monotonic clock by 10 minutes, and no more", () => {
    const { time, clock } = clockAt({ wall: 5e12 })
    time.wall += 10 * MINUTE_MS
    expect(clock.next()).toBe(5e12 + 10 * MINUTE_MS)
    time.wall += 10 * MINUTE_MS + 1
    expect(() => clock.next()).toThrow(expect.objectContaining({ code: "LEDGER_CLOCK_JUMPED" }))
    time.monotonic += 1
    expect(clock.next()).toBe(5e12 + 20 * MINUTE_MS + 1)
  })

  it("is not moved by a jump that was refused", () => {
    const { time, clock } = clockAt({ wall: 5e12 })
    clock.next()
    time.wall = 5e12 + 60 * MINUTE_MS
    expect(() => clock.next()).toThrow()
    time.wall = 5e12 + 1
    expect(clock.next()).toBe(5e12 + 1)
  })

  it("says so of a clock that no calendar has", () => {
    const { time, clock } = clockAt({ wall: 5e12 })
    time.wall = 1e17
    expect(clock.jumped()?.message).toContain("100000000000000000")
  })

  it("believes the wall clock when it begins: nobody knows how long the log was stopped", () => {
    const { clock } = clockAt({ wall: 5e12, last: 4e12 })
    expect(clock.next()).toBe(5e12)
  })
})
