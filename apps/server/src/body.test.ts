import { EventEmitter } from "node:events"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { gzipSync } from "node:zlib"
import { describe, expect, it } from "vitest"
import { BodyBudget, withBody } from "./body.js"
import type { Call } from "./gate.js"

setFlagsFromString("--expose-gc")
const collectGarbage = runInNewContext("gc") as () => void

/** A request whose body comes when the test says so. */
class Request extends EventEmitter {
  readonly headers: Readonly<Record<string, string>>
  readonly socket = { remoteAddress: "::1" }
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

function read(request: Request, budget: BodyBudget, maxBytes?: number, keyId?: string): Promise<Buffer> {
  const caller = keyId === undefined ? undefined : { keyId }
  const call = { req: request, caller } as unknown as Pick<Call, "req" | "caller">
  return withBody(call, budget, (bytes) => Buffer.from(bytes), maxBytes)
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

  it("holds no more than what it was inflated to while it is worked on", async () => {
    const request = new Request({ "content-encoding": "gzip" })
    const budget = new BodyBudget(1_000_000)
    const wire = gzipSync(BYTES)
    const worked = withBody({ req: request } as unknown as Call, budget, () => freeOf(budget))
    request.chunk(wire)
    request.end()
    expect(await worked).toBe(1_000_000 - wire.length - BYTES.length)
    expect(freeOf(budget)).toBe(1_000_000)
  })
})

describe("one key", () => {
  const refused = { code: "SERVER_TOO_MANY_REQUESTS" }
  const full = (bytes: number, unfinished = 9) => new BodyBudget(1_000, "full", { bytes, unfinished })

  it("has its part of the room, and others have theirs", async () => {
    const budget = full(600)
    const held = new Request()
    const first = read(held, budget, 1_000, "one")
    held.chunk(BYTES.subarray(0, 400))
    const more = new Request()
    const second = read(more, budget, 1_000, "one")
    more.chunk(BYTES.subarray(0, 201))
    await expect(second).rejects.toMatchObject(refused)
    const another = new Request()
    const third = read(another, budget, 1_000, "another")
    another.chunk(BYTES.subarray(0, 600))
    another.end()
    expect(await third).toHaveLength(600)
    held.end()
    await first
    expect(freeOf(budget)).toBe(1_000)
    // With its first body ended it may send another.
    const again = new Request()
    const fourth = read(again, budget, 1_000, "one")
    again.chunk(BYTES.subarray(0, 600))
    again.end()
    expect(await fourth).toHaveLength(600)
  })

  it("has so many bodies that have not come to their end, and any number that have", async () => {
    const budget = full(1_000, 2)
    const requests = [new Request(), new Request()]
    const reading = requests.map((request) => read(request, budget, 1_000, "one"))
    await expect(read(new Request(), budget, 1_000, "one")).rejects.toMatchObject(refused)
    requests[0]?.end()
    await reading[0]
    const third = new Request()
    reading.push(read(third, budget, 1_000, "one"))
    await expect(read(new Request(), budget, 1_000, "one")).rejects.toMatchObject(refused)
    third.emit("close")
    requests[1]?.end()
    await Promise.allSettled(reading)
    expect(freeOf(budget)).toBe(1_000)
  })

  it("counts what it has while it is worked on against its bytes, not against its unfinished bodies", async () => {
    const budget = full(600, 1)
    const begin = (bytes: number, use: () => Promise<void>) => {
      const req = new Request()
      const done = withBody({ req, caller: { keyId: "one" } } as unknown as Call, budget, use)
      req.chunk(BYTES.subarray(0, bytes))
      req.end()
      return done
    }
    let release = () => {}
    const working = begin(400, () => new Promise((resolve) => (release = resolve)))
    await new Promise((resolve) => setImmediate(resolve))
    for (let i = 0; i < 3; i++) await begin(200, async () => {})
    await expect(begin(201, async () => {})).rejects.toMatchObject(refused)
    release()
    await working
    await begin(600, async () => {})
  })

  it("is its network where there is no key", async () => {
    const budget = full(1_000, 1)
    const from = (remoteAddress: string) => Object.assign(new Request(), { socket: { remoteAddress } })
    const held = from("2001:db8::1")
    const reading = read(held, budget)
    await expect(read(from("2001:db8::ffff:1"), budget)).rejects.toMatchObject(refused)
    const other = from("2001:db8:0:1::1")
    const another = read(other, budget)
    for (const request of [held, other]) request.end()
    await Promise.all([reading, another])
  })
})
