import { once } from "node:events"
import { createServer, get, type IncomingMessage, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { afterEach, describe, expect, it } from "vitest"
import { type Answer, send } from "./answer.js"

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections()
})

/** A server that gives this answer, and what became of each sending. */
async function answering(answer: Answer): Promise<{ url: string; sent: Promise<unknown> }> {
  let told = (_: unknown) => {}
  const sent = new Promise((resolve) => {
    told = resolve
  })
  const server = createServer((_, res) => {
    told(
      Promise.resolve(send(res, answer, false)).then(
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
