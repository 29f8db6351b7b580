import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { CapturedEvent } from "./captured-event.js"
import { Queue } from "./queue.js"

const event = (text: string): CapturedEvent => ({ text, bytes: text.length })
const MANY = { events: 1000, bytes: 1 << 20 }

describe("Queue", () => {
  it("gives events back in the order they came", () => {
    const queue = new Queue(MANY)
    for (const text of ["a", "b", "c"]) queue.add(event(text))
    expect(queue.take({ events: 2, bytes: 100 }).map(({ text }) => text)).toEqual(["a", "b"])
    expect(queue.take(MANY).map(({ text }) => text)).toEqual(["c"])
    expect(queue.take(MANY)).toEqual([])
  })

  it("counts events in flight against its bounds until they are settled", () => {
    const queue = new Queue({ events: 2, bytes: 100 })
    expect([queue.add(event("a")), queue.add(event("b")), queue.add(event("c"))]).toEqual([true, true, false])
    const taken = queue.take(MANY)
    expect(queue.add(event("c"))).toBe(false)
    queue.settle(taken.slice(0, 1))
    expect(queue.add(event("c"))).toBe(true)
    expect(queue.heldEvents).toBe(2)
  })

  it("is bounded by bytes too", () => {
    const queue = new Queue({ events: 100, bytes: 10 })
    expect(queue.add(event("123456"))).toBe(true)
    expect(queue.add(event("12345"))).toBe(false)
    expect(queue.add(event("1234"))).toBe(true)
  })

  it("fills a batch up to its bytes, newlines included, but always gives one event", () => {
    const queue = new Queue(MANY)
    for (const text of ["1234567890", "1234", "1234", "1"]) queue.add(event(text))
    expect(queue.take({ events: 10, bytes: 5 })).toHaveLength(1)
    expect(queue.take({ events: 10, bytes: 10 })).toHaveLength(2)
    expect(queue.waiting).toEqual({ events: 1, bytes: 1 })
  })

  it("gives up all it holds, in flight or not", () => {
    const queue = new Queue(MANY)
    for (const text of ["a", "b", "c"]) queue.add(event(text))
    queue.take({ events: 1, bytes: 100 })
    expect(queue.abandon().map(({ text }) => text)).toEqual(["a", "b", "c"])
    expect(queue.heldEvents).toBe(0)
    expect(queue.waiting).toEqual({ events: 0, bytes: 0 })
  })

  it("never loses count, whatever is added, taken and settled", () => {
    const step = fc.oneof(fc.constant("add"), fc.constant("take"), fc.constant("settle"))
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const queue = new Queue({ events: 50, bytes: 500 })
        let added = 0
        let flying: CapturedEvent[] = []
        let settled = 0
        for (const what of steps) {
          if (what === "add" && queue.add(event("x".repeat(1 + (added % 20))))) added += 1
          if (what === "take") flying.push(...queue.take({ events: 3, bytes: 30 }))
          if (what === "settle") {
            queue.settle(flying)
            settled += flying.length
            flying = []
          }
        }
        expect(queue.heldEvents).toBe(added - settled)
        expect(queue.waiting.events).toBe(added - settled - flying.length)
      }),
    )
  })
})
