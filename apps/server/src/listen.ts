/**
 * The socket: time-outs that fit load balancers, and answers to what is no HTTP request at all.
 */

import { createServer, type RequestListener, type Server, STATUS_CODES } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { problem, type TextAnswer } from "./answer.js"
import { ServerError } from "./error.js"

/** Load balancers keep idle connections for a minute: who closes first must not be us. */
const KEEP_ALIVE_MS = 75_000

/** A request must be there whole within this time, head and body. */
export const REQUEST_TIMEOUT_MS = 30_000

/** How often connections are looked at for those two. */
const CHECK_EVERY_MS = 1_000

/** How long a stop waits for requests under way, and how often it closes connections that became idle. */
const GRACE_MS = 10_000
const SWEEP_EVERY_MS = 50

export interface ListenOptions {
  readonly host: string
  /** 0 for any free one. */
  readonly port: number
  readonly requestTimeoutMs: number
}

export async function listen(
  door: RequestListener,
  { host, port, requestTimeoutMs }: ListenOptions,
): Promise<{ port: number; stop: () => Promise<void> }> {
  const server = createServer(
    {
      keepAliveTimeout: KEEP_ALIVE_MS,
      requestTimeout: requestTimeoutMs,
      // Not longer: Node takes the longer of the two for the whole request, the shorter for its head.
      headersTimeout: requestTimeoutMs,
      connectionsCheckingInterval: Math.min(CHECK_EVERY_MS, requestTimeoutMs),
    },
    door,
  )
  server.on("clientError", (error, socket) => refuseSocket(error, socket as Socket))
  const sockets = new Set<Socket>()
  server.on("connection", (socket) => {
    sockets.add(socket)
    socket.once("close", () => sockets.delete(socket))
  })
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject)
    server.listen(port, host, () => {
      server.off("error", reject)
      resolve()
    })
  })
  return { port: (server.address() as AddressInfo).port, stop: () => stopListening(server, sockets) }
}

/** Resolves when every request that had come in is answered, or their time is over. */
async function stopListening(server: Server, sockets: ReadonlySet<Socket>): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve))
  // Browsers open connections to spare. One that never said a word is idle, which Node does not count as that.
  for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
  const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_EVERY_MS)
  const giveUp = setTimeout(() => server.closeAllConnections(), GRACE_MS)
  server.closeIdleConnections()
  await closed
  clearInterval(sweep)
  clearTimeout(giveUp)
}

/** There is no request, so no response either: the answer is written by hand, and the connection ends. */
function refuseSocket(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || socket.bytesWritten > 0) {
    // Half an answer may be on its way, and nothing can be added to that.
    socket.destroy(error)
    return
  }
  socket.end(formatResponse(problem(socketError(error))))
}

function socketError(error: NodeJS.ErrnoException): ServerError {
  switch (error.code) {
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return new ServerError("SERVER_REQUEST_TIMEOUT", "the request was not there whole in time")
    case "HPE_HEADER_OVERFLOW":
      return new ServerError("SERVER_HEADERS_TOO_LARGE", "the head of the request is too large")
    default:
      return new ServerError("SERVER_MALFORMED_REQUEST", "this is no HTTP/1.1 request")
  }
}

function formatResponse({ status, headers, body }: TextAnswer): string {
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, "Connection: close"]
  for (let at = 0; at < headers.length; at += 2) lines.push(`${headers[at]}: ${headers[at + 1]}`)
  lines.push(`Content-Length: ${Buffer.byteLength(body)}`)
  return `${lines.join("\r\n")}\r\n\r\n${body}`
}
