import { describe, expect, it } from "vitest"
import { inTimeOrder } from "./in-time-order.js"

async function* batches(...some: number[][]) {
  for (const batch of some) yield batch.map((timeMs) => ({ timeMs }))
}

async function timesOf(held: number, ...some: number[][]): Promise<number[]> {
  const times: number[] = []
  for await (const batch of inTimeOrder(batches(...some), held))
    times.push(...batch.map(({ timeMs }) => timeMs))
  return times
}

describe("events in the order of their time", () => {
  it("are sorted, whatever batches they come in", async () => {
    expect(await timesOf(100, [5, 3], [], [4, 1])).toEqual([1, 3, 4, 5])
    expect(await timesOf(2, [9, 8, 7], [6], [5, 4], [10])).toEqual([6, 7, 4, 5, 8, 9, 10])
  })

  it("are all there, each once, if too many wait", async () => {
    const all = Array.from({ length: 1000 }, (_, i) => (i * 7919) % 1000)
    expect((await timesOf(10, all.slice(0, 400), all.slice(400))).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 1000 }, (_, i) => i),
    )
  })

  it("of one time stay in their order", async () => {
    async function* two() {
      yield [1, 2, 3].map((n) => ({ timeMs: 0, n }))
    }
    for await (const batch of inTimeOrder(two())) expect(batch.map(({ n }) => n)).toEqual([1, 2, 3])
  })
})
