import { describe, expect, it } from "vitest"
import { integers, readAhead } from "./read-ahead.js"

const later = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

describe("reading ahead", () => {
  it("hands out results in order, whatever order they come in", async () => {
    const seen: number[] = []
    const slow = async (i: number) => {
      await later((i * 7) % 5)
      return i * 10
    }
    for await (const value of readAhead(integers(3, 20), 6, slow)) seen.push(value)
    expect(seen).toEqual(Array.from({ length: 17 }, (_, i) => (i + 3) * 10))
  })

  it("keeps a window under way, and never more", async () => {
    let underWay = 0
    let most = 0
    const read = async () => {
      most = Math.max(most, ++underWay)
      await later(1)
      underWay--
    }
    for await (const _ of readAhead(integers(0, 50), 8, read)) expect(underWay).toBeLessThanOrEqual(8)
    expect(most).toBe(8)
  })

  it("reports the first failure in order, not in time", async () => {
    const read = async (i: number) => {
      await later(i === 2 ? 20 : 1)
      if (i === 2 || i === 3) throw new Error(`read ${i}`)
      return i
    }
    const seen: number[] = []
    const reading = async () => {
      for await (const i of readAhead(integers(0, 10), 5, read)) seen.push(i)
    }
    await expect(reading()).rejects.toThrow("read 2")
    expect(seen).toEqual([0, 1])
  })

  it("reads nothing of an empty range", async () => {
    for await (const _ of readAhead(integers(5, 5), 4, () => Promise.reject(new Error("read"))))
      throw new Error("yielded")
  })
})
