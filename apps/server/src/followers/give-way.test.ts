import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { GivingWay } from "./give-way.js"

/** Work of so many ms. */
const work = (ms: number) => () => new Promise((resolve) => setTimeout(resolve, ms))

/** How many ms pass until it resolves, work and pause. */
async function timeOf(done: Promise<unknown>): Promise<number> {
  const began = performance.now()
  let isDone = false
  const end = () => {
    isDone = true
  }
  done.then(end, end)
  while (!isDone) await vi.advanceTimersByTimeAsync(1)
  return performance.now() - began
}

describe("giving way", () => {
  let treeSize: number
  let giving: GivingWay
  beforeEach(() => {
    vi.useFakeTimers()
    treeSize = 5
    giving = new GivingWay(() => treeSize)
  })
  afterEach(() => void vi.useRealTimers())

  it("makes no pause while nobody logs", async () => {
    expect(await timeOf(giving.after(work(10)))).toBe(10)
    expect(await giving.after(async () => "done")).toBe("done")
  })

  it("makes a pause as long as the work asks, while somebody logs, and for a while after", async () => {
    treeSize++
    expect(await timeOf(giving.after(work(10)))).toBe(50)
    expect(await timeOf(giving.after(work(10)))).toBe(50)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await timeOf(giving.after(work(10)))).toBe(10)
  })

  it("waits no longer than a tenth of a second", async () => {
    treeSize++
    expect(await timeOf(giving.after(work(200)))).toBe(300)
  })

  it("rejects as the work does", async () => {
    await expect(giving.after(() => Promise.reject(new Error("no")))).rejects.toThrow("no")
  })
})
