import fc from "fast-check"
import { expect, test } from "vitest"
import { Recent } from "./recent.js"

test("a key that is asked for stays, one that is not is forgotten", () => {
  const recent = new Recent<string, { n: number }>(4)
  recent.set("asked", { n: 0 })
  recent.set("left", { n: 1 })
  for (let n = 2; n < 20; n++) {
    recent.set(`other ${n}`, { n })
    expect(recent.get("asked")).toEqual({ n: 0 })
  }
  expect(recent.get("left")).toBeUndefined()
})

test("holds no more than its capacity, always the last half, and never another key's value", () => {
  const step = fc.record({ key: fc.nat(12), set: fc.boolean() })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.array(step, { maxLength: 80 }), (half, steps) => {
      const recent = new Recent<number, { key: number; version: number }>(half * 2)
      const truth = new Map<number, { key: number; version: number }>()
      let used: number[] = []
      steps.forEach(({ key, set }, version) => {
        if (set) {
          truth.set(key, { key, version })
          recent.set(key, { key, version })
        }
        const known = recent.get(key)
        if (known !== undefined) expect(known).toEqual(truth.get(key))
        if (used.slice(-half).includes(key)) expect(known).toBeDefined()
        if (known !== undefined) used = [...used.filter((other) => other !== key), key]
        expect(recent.size).toBeLessThanOrEqual(half * 2)
      })
    }),
  )
})
