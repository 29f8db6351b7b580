import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { describe, expect, it } from "vitest"
import { readBody } from "./connection-body.js"

setFlagsFromString("--expose-gc")
const collectGarbage = runInNewContext("gc") as () => void

async function* chunksOf(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0
  for (let i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] as number
    yield bytes.slice(at, at + size)
    at += size
  }
}

const BYTES = Uint8Array.from({ length: 1_000 }, (_, i) => i % 251)

describe("a body", () => {
  it.each([[[1]], [[1_000]], [[999, 1]], [[1, 999]], [[1, 2, 3, 300, 7]], [[0, 1, 0, 5]]])(
    "in chunks of %j bytes is the same, up to the limit",
    async (sizes) => {
      expect(await readBody(chunksOf(BYTES, sizes), 1_000)).toEqual(BYTES)
      expect(await readBody(chunksOf(BYTES, sizes), 9_999)).toEqual(BYTES)
      await expect(readBody(chunksOf(BYTES, sizes), 999)).rejects.toThrow("more than 999 bytes")
    },
  )

  it("of nothing is empty", async () => {
    expect(await readBody(chunksOf(new Uint8Array(0), [1]), 0)).toEqual(new Uint8Array(0))
  })

  it("does not keep the chunks that it came in", async () => {
    const chunks: WeakRef<Uint8Array>[] = []
    let kept = Number.NaN
    async function* body() {
      for (let i = 0; i < 500; i++) {
        const chunk = Uint8Array.of(i)
        chunks.push(new WeakRef(chunk))
        yield chunk
      }
      await new Promise((resolve) => setImmediate(resolve))
      collectGarbage()
      kept = chunks.filter((chunk) => chunk.deref() !== undefined).length
    }
    expect(await readBody(body(), 500)).toHaveLength(500)
    expect(kept).toBeLessThan(5)
  })
})
