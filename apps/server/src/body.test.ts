import { EventEmitter } from "node:events"
import type { IncomingMessage } from "node:http"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { gzipSync } from "node:zlib"
import { describe, expect, it } from "vitest"
import { BodyBudget, withBody } from "./body.js"

setFlagsFromString("--expose-gc")
const collectGarbage = runInNewContext("gc") as () => void

/** A request whose body comes when the test says so. */
class Request extends EventEmitter {
  readonly headers: Readonly<Record<string, string>>
  complete = false

  constructor(headers: Readonly<Record<string, string>> = {}) {
    super()
    this.headers = headers
  }

  resume(): this {
    return this
  }

  chunk(bytes: Uint8Array): void {
    this.emit("data", Buffer.from(bytes))
  }

  end(): void {
    this.complete = true
    this.emit("end")
    this.emit("close")
  }
}

function read(request: Request, budget: BodyBudget, maxBytes?: number): Promise<Buffer> {
  return withBody(request as unknown as IncomingMessage, budget, (bytes) => Buffer.from(bytes), maxBytes)
}

/** How many bytes can still be taken. */
function freeOf(budget: BodyBudget): number {
  let free = 0
  for (let step = 2 ** 20; step >= 1; step /= 2) {
    try {
      budget.take(step)
      free += step
    } catch {}
  }
  budget.give(free)
  return free
}

const BYTES = Uint8Array.from({ length: 1_000 }, (_, i) => i % 251)

describe("a body", () => {
  it.each([1, 7, 300, 999, 1_000])("in chunks of %d bytes is the same, announced or not", async (size) => {
    for (const headers of [{}, { "content-length": "1000" }]) {
      const request = new Request(headers)
      const budget = new BodyBudget(5_000)
      const reading = read(request, budget, 1_000)
      for (let at = 0; at < 1_000; at += size) request.chunk(BYTES.subarray(at, at + size))
      expect(freeOf(budget)).toBe(4_000)
      request.end()
      expect(await reading).toEqual(Buffer.from(BYTES))
      expect(freeOf(budget)).toBe(5_000)
    }
  })

  it("takes up no more than twice what came of it, whatever was announced", async () => {
    const request = new Request({ "content-length": "1000000" })
    const budget = new BodyBudget(1_000_000)
    const reading = read(request, budget)
    for (let came = 1; came <= 1_000; came++) {
      request.chunk(Uint8Array.of(came))
      expect(1_000_000 - freeOf(budget)).toBeLessThanOrEqual(2 * came)
    }
    request.emit("close")
    await expect(reading).rejects.toMatchObject({ code: "SERVER_BODY_ABORTED" })
    expect(freeOf(budget)).toBe(1_000_000)
  })

  it("does not keep the chunks that it came in", async () => {
    const request = new Request()
    const reading = read(request, new BodyBudget(10_000))
    const chunks: WeakRef<Buffer>[] = []
    for (let i = 0; i < 500; i++) {
      const chunk = Buffer.alloc(1)
      chunks.push(new WeakRef(chunk))
      request.emit("data", chunk)
    }
    await new Promise((resolve) => setImmediate(resolve))
    collectGarbage()
    expect(chunks.filter((chunk) => chunk.deref() !== undefined).length).toBeLessThan(5)
    request.end()
    expect(await reading).toHaveLength(500)
  })

  it("is refused past the limit and past the room for all, and gives back what it took", async () => {
    for (const [maxBytes, room, code] of [
      [999, 5_000, "SERVER_BODY_TOO_LARGE"],
      [5_000, 999, "SERVER_BUSY"],
    ] as const) {
      const request = new Request()
      const budget = new BodyBudget(room)
      const reading = read(request, budget, maxBytes)
      for (let at = 0; at < 1_000; at += 100) request.chunk(BYTES.subarray(at, at + 100))
      await expect(reading).rejects.toMatchObject({ code })
      expect(freeOf(budget)).toBe(room)
    }
  })

  it("is inflated, also when it comes in pieces", async () => {
    const request = new Request({ "content-encoding": "gzip" })
    const reading = read(request, new BodyBudget(1_000_000))
    for (const byte of gzipSync(BYTES)) request.chunk(Uint8Array.of(byte))
    request.end()
    expect(await reading).toEqual(Buffer.from(BYTES))
  })
})
