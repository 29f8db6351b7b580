import { describe, expect, it } from "vitest"
import { Lru } from "./lru.js"

describe("what was used last", () => {
  it("is kept as long as it fits, the one used longest ago goes first", () => {
    const lru = new Lru<number>(30)
    lru.set("a", 1, 10)
    lru.set("b", 2, 10)
    lru.set("c", 3, 10)
    expect(lru.get("a")).toBe(1)
    lru.set("d", 4, 10)
    expect(["a", "b", "c", "d"].map((key) => lru.get(key))).toEqual([1, undefined, 3, 4])
  })

  it("makes room for what is large, and keeps nothing that is larger than all the room", () => {
    const lru = new Lru<number>(30)
    lru.set("a", 1, 10)
    lru.set("b", 2, 25)
    expect([lru.get("a"), lru.get("b")]).toEqual([undefined, 2])
    lru.set("c", 3, 31)
    expect([lru.get("b"), lru.get("c")]).toEqual([undefined, undefined])
  })

  it("counts a value that is set again, or deleted, once", () => {
    const lru = new Lru<number>(30)
    for (let i = 0; i < 10; i++) lru.set("a", i, 20)
    lru.set("b", 0, 10)
    expect(lru.get("a")).toBe(9)
    lru.delete("a")
    lru.delete("a")
    lru.set("c", 0, 20)
    expect([lru.get("b"), lru.get("c")]).toEqual([0, 0])
  })
})
