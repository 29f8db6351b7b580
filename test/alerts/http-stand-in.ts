/**
 * A local receiver of HTTP notifications that does as it is told: takes them, refuses them, drops the connection before or
 * after it has taken them, answers late, or never.
 */

import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http"
import type { AddressInfo } from "node:net"

export interface Received {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Answer {
  readonly status: number
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Whether the connection ends with the body, however long it was to be. */
  readonly breaksOff?: boolean
}

/** What is done with one request. */
export type Behaviour =
  /** As the receiver would. */
  | "take"
  /** Nothing is taken, and this is answered. */
  | Answer
  /** Nothing is taken, and the connection ends. */
  | "drop"
  /** It is taken, and the connection ends without an answer. */
  | "take-and-drop"
  /** It is taken, and the answer breaks off in its middle. */
  | "take-and-break-off"
  /** Nothing is taken, and nothing is answered. */
  | "hang"
  /** It is taken, and answered after so long: ms. */
  | { readonly lateMs: number }
  /** Nothing is taken, and the answer has no end. */
  | "endless"

export interface HttpStandInOptions {
  /** What the receiver makes of a request that it takes. */
  readonly take: (received: Received) => Answer
}

export class HttpStandIn {
  /** Of this receiver, with a path that nobody could guess. */
  readonly url: string
  /** All requests, in the order in which they were there whole. */
  readonly requests: Received[] = []
  /** Bytes of answers without end. */
  poured = 0
  readonly #server: Server
  readonly #plan: Behaviour[] = []
  #otherwise: Behaviour = "take"

  static async open(options: HttpStandInOptions): Promise<HttpStandIn> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    return new HttpStandIn(server, options)
  }

  private constructor(server: Server, { take }: HttpStandInOptions) {
    this.#server = server
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/secret-path`
    server.on("request", (req, res) => void this.#answer(req, res, take))
  }

  /** What is done with the next requests, one each; then again as the receiver would. */
  plan(...behaviours: readonly Behaviour[]): void {
    this.#plan.push(...behaviours)
  }

  /** What is done with requests for which nothing is planned. */
  otherwise(behaviour: Behaviour): void {
    this.#otherwise = behaviour
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #answer(
    req: IncomingMessage,
    res: ServerResponse,
    take: (received: Received) => Answer,
  ): Promise<void> {
    const body = await bodyOf(req)
    if (body === undefined) return
    const { method = "", url: path = "", headers } = req
    const received = { method, path, headers, body }
    this.requests.push(received)
    const behaviour = this.#plan.shift() ?? this.#otherwise
    if (behaviour === "hang") return
    if (behaviour === "drop") return void req.socket.destroy()
    if (behaviour === "endless") return this.#pour(res)
    if (typeof behaviour === "object" && "status" in behaviour) return send(res, behaviour)
    const answer = take(received)
    if (behaviour === "take-and-drop") return void req.socket.destroy()
    if (behaviour === "take-and-break-off") {
      return send(res, { ...answer, body: "o", headers: { "Content-Length": "100" }, breaksOff: true })
    }
    if (typeof behaviour === "object") {
      return void setTimeout(() => send(res, answer), behaviour.lateMs)
    }
    send(res, answer)
  }

  #pour(res: ServerResponse): void {
    res.writeHead(200)
    const more = () => {
      do this.poured += 65_536
      while (!res.destroyed && res.write("x".repeat(65_536)))
    }
    res.on("drain", more)
    more()
  }
}

function send(res: ServerResponse, { status, body = "", headers = {}, breaksOff = false }: Answer): void {
  res.writeHead(status, headers)
  if (breaksOff) res.write(body, () => res.destroy())
  else res.end(body)
}

/** Nothing, if the sender went away. */
async function bodyOf(req: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of req) chunks.push(chunk as Buffer)
  } catch {
    return undefined
  }
  return Buffer.concat(chunks).toString("utf8")
}
