import fc from "fast-check"
import { expect, it } from "vitest"
import { Turns } from "./turns.js"

it("turns are taken by as many at once as there are places, by all in the order they came, failing or not", async () => {
  const turn = fc.record({ length: fc.integer({ min: 0, max: 5 }), fails: fc.boolean() })
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.array(turn, { maxLength: 20 }),
      async (places, all) => {
        const turns = new Turns(places)
        const begun: number[] = []
        let now = 0
        let most = 0
        const ended = await Promise.allSettled(
          all.map(({ length, fails }, i) =>
            turns.take(async () => {
              begun.push(i)
              most = Math.max(most, ++now)
              for (let wait = 0; wait < length; wait++) await Promise.resolve()
              now--
              if (fails) throw new Error("it failed")
              return i
            }),
          ),
        )
        expect(begun).toEqual(all.map((_, i) => i))
        expect(most).toBeLessThanOrEqual(places)
        // None waits while there is a place.
        if (all.every(({ length }) => length > 0)) expect(most).toBe(Math.min(places, all.length))
        expect(ended.map(({ status }) => status === "rejected")).toEqual(all.map(({ fails }) => fails))
      },
    ),
    { numRuns: 200 },
  )
})
