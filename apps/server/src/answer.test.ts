import { EventEmitter, once } from "node:events"
import { createServer, get, type IncomingMessage, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { setImmediate as nextTurn } from "node:timers/promises"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { type Answer, type SendLimits, send } from "./answer.js"
import { BodyBudget } from "./body.js"

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections()
})

/** A server that gives this answer, and what became of each sending. */
async function answering(
  answer: Answer,
  limits?: SendLimits,
): Promise<{ url: string; sent: Promise<unknown> }> {
  let told = (_: unknown) => {}
  const sent = new Promise((resolve) => {
    told = resolve
  })
  const server = createServer((_, res) => {
    told(
      Promise.resolve(send(res, answer, false, limits)).then(
        () => "ended",
        (error: unknown) => error,
      ),
    )
  })
  servers.push(server)
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, sent }
}

function streamed(body: Exclude<Answer["body"], string | Uint8Array>): Answer {
  return { status: 200, headers: ["Content-Type", "text/plain"], body }
}

async function open(url: string): Promise<IncomingMessage> {
  const [response] = (await once(get(url), "response")) as [IncomingMessage]
  return response
}

describe("a streamed answer", () => {
  it("is sent piece by piece, and ends", async () => {
    const { url, sent } = await answering(
      streamed(async function* () {
        yield Buffer.from("one ")
        yield Buffer.from("two")
      }),
    )
    expect(await (await fetch(url)).text()).toBe("one two")
    expect(await sent).toBe("ended")
  })

  it("sends its head before there is anything in it", async () => {
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const { url } = await answering(
      streamed(async function* () {
        await held
        yield Buffer.from("late")
      }),
    )
    const response = await fetch(url)
    expect(response.status).toBe(200)
    release()
    expect(await response.text()).toBe("late")
  })

  it("is made no faster than it is taken", async () => {
    const piece = Buffer.alloc(64 * 1024)
    let made = 0
    const { url } = await answering(
      streamed(async function* () {
        for (; made < 2_000; made++) yield piece
      }),
    )
    const response = await open(url)
    response.pause()
    // Sockets hold some of it; then nothing more is made, however often we look.
    let seen = -1
    while (seen !== made) {
      seen = made
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    expect(made).toBeLessThan(1_000)
    let bytes = 0
    response.on("data", (chunk: Buffer) => {
      bytes += chunk.length
    })
    response.resume()
    await once(response, "end")
    expect(bytes).toBe(2_000 * piece.length)
  })

  it("ends with its reader, whose leaving it is told", async () => {
    let closed = false
    const { url, sent } = await answering(
      streamed(async function* (gone) {
        try {
          yield Buffer.from("one")
          await new Promise<void>((resolve) => gone.addEventListener("abort", () => resolve()))
        } finally {
          closed = true
        }
      }),
    )
    const response = await open(url)
    await once(response, "data")
    response.destroy()
    expect(await sent).toBe("ended")
    expect(closed).toBe(true)
  })

  it("is closed too when its reader has left before it began", async () => {
    let closed = false
    const res = { destroyed: true, once() {}, write: () => true, end() {} }
    const body = async function* (gone: AbortSignal) {
      try {
        expect(gone.aborted).toBe(true)
        yield Buffer.from("for nobody")
      } finally {
        closed = true
      }
    }
    await send(res as never, streamed(body), false)
    expect(closed).toBe(true)
  })

  it("is cut off where it fails, so that half of it looks like no whole", async () => {
    const { url, sent } = await answering(
      streamed(async function* () {
        yield Buffer.from("half")
        throw new Error("the disk is gone")
      }),
    )
    const response = await fetch(url)
    await expect(response.text()).rejects.toThrow()
    expect(await sent).toMatchObject({ message: "the disk is gone" })
  })

  it("is not begun where only its head is asked for", async () => {
    let begun = false
    const { url } = await answering(
      streamed(async function* () {
        begun = true
        yield Buffer.from("body")
      }),
    )
    const response = await fetch(url, { method: "HEAD" })
    expect(response.headers.get("content-type")).toBe("text/plain")
    expect(begun).toBe(false)
  })
})

describe("a large answer", () => {
  const MIB = 1024 * 1024
  /** More than the sockets of two ends hold. */
  const large: Answer = {
    status: 200,
    headers: ["Content-Type", "text/plain"],
    body: Buffer.alloc(24 * MIB, "x"),
  }
  const limits = (bytes: number, stallMs = 30_000): SendLimits => ({
    budget: new BodyBudget(bytes, "full"),
    stallMs,
  })

  it.each([
    ["bytes", large.body as Uint8Array],
    ["text that is ASCII", "x".repeat(300_000)],
    ["text that is not", "\u00e9\u20ac".repeat(100_000)],
    ["one byte more than a piece", "x".repeat(64 * 1024 + 1)],
  ])("comes whole and says its length: %s", async (_, body) => {
    const { url, sent } = await answering({ ...large, body }, limits(24 * MIB))
    const response = await fetch(url)
    const bytes = Buffer.from(await response.arrayBuffer())
    expect(response.headers.get("content-length")).toBe(String(Buffer.byteLength(body)))
    expect(bytes.equals(Buffer.from(body as string))).toBe(true)
    expect(await sent).toBe("ended")
    const head = await fetch(url, { method: "HEAD" })
    expect(head.headers.get("content-length")).toBe(String(Buffer.byteLength(body)))
  })

  it("is refused while others that nobody takes have all the room, and has it again when they are gone", async () => {
    const { url } = await answering(large, limits(50 * MIB))
    const unread = [await open(url), await open(url)]
    for (const response of unread) response.pause()
    const refused = await fetch(url)
    expect(refused.status).toBe(503)
    expect(refused.headers.get("retry-after")).not.toBeNull()
    expect(await refused.json()).toMatchObject({ code: "SERVER_BUSY", detail: "full" })
    for (const response of unread) response.destroy()
    let status = 503
    while (status === 503) {
      const response = await fetch(url)
      status = response.status
      await response.arrayBuffer()
    }
    expect(status).toBe(200)
  })

  it("is cut where nobody takes any of it, and holds no room from then on", async () => {
    const one = limits(24 * MIB, 100)
    const { url, sent } = await answering(large, one)
    const response = await open(url)
    response.pause()
    expect(await sent).toBe("ended")
    expect(() => one.budget.take(24 * MIB)).not.toThrow()
    response.resume()
    await expect(once(response, "end")).rejects.toThrow()
  })

  it("of a stream is cut too, and its source is told", async () => {
    let closed = false
    const { url, sent } = await answering(
      streamed(async function* () {
        try {
          for (;;) yield Buffer.alloc(MIB)
        } finally {
          closed = true
        }
      }),
      limits(0, 100),
    )
    const response = await open(url)
    response.pause()
    expect(await sent).toBe("ended")
    expect(closed).toBe(true)
    response.destroy()
  })

  describe("whose pieces are taken one by one", () => {
    beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] }))
    afterEach(() => void vi.useRealTimers())

    /** Begins to send; `written` counts pieces, each taken with `drain`. */
    function sending(socket: object | null) {
      const res = Object.assign(new EventEmitter(), {
        socket,
        req: { method: "GET" },
        written: 0,
        destroyed: false,
        headersSent: false,
        writeHead() {},
        flushHeaders() {},
        end() {},
        write: () => ++res.written < 0,
        destroy() {
          res.destroyed = true
          res.emit("close")
        },
      })
      return { res, sent: send(res as never, large, false, limits(24 * MIB)) }
    }

    it("is cut 30 seconds after the last of them, however long it takes in all", async () => {
      const { res, sent } = sending({})
      for (let piece = 1; piece < 20; piece++) {
        await vi.advanceTimersByTimeAsync(29_999)
        expect([res.written, res.destroyed]).toEqual([piece, false])
        res.emit("drain")
        await nextTurn()
      }
      await vi.advanceTimersByTimeAsync(30_000)
      expect([res.written, res.destroyed]).toEqual([20, true])
      await sent
      expect(res.written).toBe(20)
    })

    it("waits as long as it must behind another answer of its connection", async () => {
      const { res, sent } = sending(null)
      await vi.advanceTimersByTimeAsync(90_000)
      expect(res.destroyed).toBe(false)
      res.socket = {}
      await vi.advanceTimersByTimeAsync(30_000)
      expect(res.destroyed).toBe(true)
      await sent
    })
  })
})
