import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { afterEach, describe, expect, it } from "vitest"
import { eventStream } from "./event-stream.js"
import { LogServer } from "./log-server.js"

let server: Server | undefined

afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})

type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** A server that answers each connection in its turn, the last ones like the last. */
async function answering(...answers: Answer[]): Promise<LogServer> {
  let connections = 0
  server = createServer((request, response) => {
    answers[Math.min(connections++, answers.length - 1)]?.(request, response)
  })
  await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  return new LogServer({ url: `http://127.0.0.1:${port}/`, key: "pl_x" })
}

const HEAD = { "content-type": "text/event-stream" }

const events = (first: number, count: number): string =>
  Array.from({ length: count }, (_, i) => `id: ${first + i}\ndata: {"leaf_index":${first + i}}\n\n`).join("")

async function take(log: LogServer, count: number): Promise<{ ids: string[]; losses: string[] }> {
  const end = new AbortController()
  const losses: string[] = []
  const ids: string[] = []
  const options = {
    signal: end.signal,
    after: "0",
    onLoss: (why: string) => losses.push(why),
    onReturn: () => {},
  }
  for await (const { id } of eventStream(log, "v1/tail", options)) {
    ids.push(id as string)
    if (ids.length === count) end.abort()
  }
  return { ids, losses }
}

describe("a stream of events", () => {
  it("goes on after the last event, whether the connection ends, breaks, or the server is away", async () => {
    const asked: (string | undefined)[] = []
    const note = (request: IncomingMessage) =>
      asked.push(request.headers["last-event-id"] as string | undefined)
    const log = await answering(
      (request, response) => {
        note(request)
        response.writeHead(200, HEAD).end(events(1, 3))
      },
      (request, response) => {
        note(request)
        response.writeHead(503, { "content-type": "application/problem+json" }).end("{}")
      },
      (request, response) => {
        note(request)
        // Half an event is none.
        response.writeHead(200, HEAD).write(`${events(4, 2)}id: 6\ndata: {"leaf`, () => response.destroy())
      },
      (request, response) => {
        note(request)
        response.writeHead(200, HEAD).write(`: alive\n\n${events(6, 2)}`)
      },
    )
    const { ids, losses } = await take(log, 7)
    expect(ids).toEqual(["1", "2", "3", "4", "5", "6", "7"])
    expect(asked).toEqual(["0", "3", "3", "5"])
    expect(losses).toHaveLength(3)
  })

  it("ends where the server says no", async () => {
    const log = await answering(
      (_, response) => void response.writeHead(403).end('{"code":"SERVER_WRONG_ROLE"}'),
    )
    await expect(take(log, 1)).rejects.toMatchObject({ code: "CLI_REFUSED" })
  })

  it("ends where there never was one", async () => {
    const log = await answering((_, response) => void response.writeHead(200).end("<html>"))
    await expect(take(log, 1)).rejects.toMatchObject({ code: "CLI_UNEXPECTED_ANSWER" })
    server?.close()
    server?.closeAllConnections()
    await expect(take(log, 1)).rejects.toMatchObject({ code: "CLI_UNREACHABLE" })
  })
})
