import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { describe, expect, it } from "vitest"
import { integers, readAhead } from "./read-ahead.js"

setFlagsFromString("--expose-gc")
const collectGarbage = runInNewContext("gc") as () => void

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

  it.each<[string, (i: number) => number]>([
    ["small", () => 10],
    ["large", () => 60],
    ["too large for the room", () => 101],
    ["small, then large", (i) => (i < 20 ? 5 : 40)],
    ["mixed", (i) => (i * 37) % 100],
  ])("hands out all results in order, however little room there is: %s", async (_, bytesOf) => {
    let reads = 0
    const read = async (i: number) => {
      reads++
      await later(i % 3)
      return i
    }
    const seen: number[] = []
    for await (const i of readAhead(integers(0, 50), 8, read, { maxBytes: 100, bytesOf })) seen.push(i)
    expect(seen).toEqual([...integers(0, 50)])
    // Once, and once more for want of room.
    expect(reads).toBeLessThanOrEqual(100)
  })

  it("forgets what finds no room, and begins fewer reads after large results", async () => {
    const reads: number[] = []
    const kept: WeakRef<object>[] = []
    let underWay = 0
    let most = 0
    const read = async (i: number) => {
      reads.push(i)
      most = Math.max(most, ++underWay)
      await later(1)
      underWay--
      const result = { i }
      kept.push(new WeakRef(result))
      return result
    }
    const results = readAhead(integers(0, 40), 8, read, { maxBytes: 20, bytesOf: () => 10 })
    expect((await results.next()).value).toEqual({ i: 0 })
    await later(10)
    collectGarbage()
    // Two that wait, and the one that was handed out; of eight that were read.
    expect(reads).toHaveLength(8)
    expect(kept.filter((one) => one.deref() !== undefined).length).toBeLessThanOrEqual(3)
    most = 0
    const seen = [0]
    for await (const { i } of results) seen.push(i)
    expect(seen).toEqual([...integers(0, 40)])
    expect(most).toBeLessThanOrEqual(2)
  })

  it("reads nothing of an empty range", async () => {
    for await (const _ of readAhead(integers(5, 5), 4, () => Promise.reject(new Error("read"))))
      throw new Error("yielded")
  })
})
