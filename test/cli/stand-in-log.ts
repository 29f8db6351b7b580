/**
 * A server that says what it is told to, for moments that a real one has only now and then.
 */

import { createServer, type IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"
import { prooflogHere, type RunHere } from "./prooflog.js"

/** A text is sent as it is, an object as JSON. */
export type Says = (path: string, body: string) => readonly [status: number, body: object | string]

export interface StandIn {
  /** Method, path and query of each request, in their order. */
  readonly asked: readonly string[]
  run(args: readonly string[]): Promise<RunHere>
  close(): Promise<void>
}

/** @param says - given the path below the prefix, with its query */
export async function startStandIn(says: Says): Promise<StandIn> {
  const asked: string[] = []
  const server = createServer(async (request, response) => {
    const path = (request.url ?? "").slice(1)
    asked.push(`${request.method} ${path}`)
    const [status, body] = says(path, await textOf(request))
    response.writeHead(status).end(typeof body === "string" ? body : JSON.stringify(body))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  return {
    asked,
    run: (args) =>
      prooflogHere(args, { PROOFLOG_URL: `http://127.0.0.1:${port}/`, PROOFLOG_KEY: "pl_stand_in" }),
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ""
  for await (const chunk of request) text += chunk
  return text
}
