import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { GatheredBytes } from "./gathered-bytes.js"

setFlagsFromString("--expose-gc")
const collectGarbage = runInNewContext("gc") as () => void

describe("the bytes of a body", () => {
  it("are those that came, however they were cut, up to the limit", () => {
    const chunks = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 })
    fc.assert(
      fc.property(chunks, fc.nat(200), (chunks, limit) => {
        const gathered = new GatheredBytes(limit)
        let came: number[] = []
        for (const chunk of chunks) {
          const next = [...came, ...chunk]
          expect(gathered.add(chunk)).toBe(next.length <= limit)
          if (next.length > limit) break
          came = next
        }
        expect([...gathered.bytes]).toEqual(came)
      }),
    )
  })

  it("leave a chunk as it was, for it belongs to someone else", () => {
    const chunk = new Uint8Array(8).subarray(0, 4)
    const gathered = new GatheredBytes(100)
    for (const bytes of [chunk, Uint8Array.of(1, 2), Uint8Array.of(3)]) gathered.add(bytes)
    expect(new Uint8Array(chunk.buffer)).toEqual(new Uint8Array(8))
    expect(gathered.bytes).toEqual(Uint8Array.of(0, 0, 0, 0, 1, 2, 3))
  })

  it("do not keep the chunks that they came in", async () => {
    const gathered = new GatheredBytes(500)
    const chunks: WeakRef<Uint8Array>[] = []
    for (let i = 0; i < 500; i++) {
      const chunk = Uint8Array.of(i)
      chunks.push(new WeakRef(chunk))
      gathered.add(chunk)
    }
    await new Promise((resolve) => setImmediate(resolve))
    collectGarbage()
    expect(chunks.filter((chunk) => chunk.deref() !== undefined).length).toBeLessThan(5)
    expect(gathered.bytes).toHaveLength(500)
  })

  it("take up twice what came at most, never more than the limit, in few steps, and say so before", () => {
    let taken = 0
    let steps = 0
    const gathered = new GatheredBytes(100_000, (bytes) => {
      taken += bytes
      steps++
    })
    for (let came = 1; came <= 100_000; came++) {
      gathered.add(Uint8Array.of(came))
      expect(taken).toBeLessThanOrEqual(Math.min(100_000, 2 * came))
    }
    expect([taken, steps]).toEqual([100_000, 18])
  })

  it("stay as they are where there is no room for more", () => {
    const gathered = new GatheredBytes(100, (bytes) => {
      if (bytes > 2) throw new Error("full")
    })
    gathered.add(Uint8Array.of(1, 2))
    expect(() => gathered.add(new Uint8Array(3))).toThrow("full")
    expect(gathered.bytes).toEqual(Uint8Array.of(1, 2))
  })
})
