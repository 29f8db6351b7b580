/**
 * A log server for tests that answers as it is told.
 *
 * It keeps every body it received. Each request is answered by the next step of the script, or, when the
 * script is over, by logging the events: a fresh leaf for each new `event_id`, a duplicate for a known one.
 */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

/** Answers one request; `log` answers as an honest server would. */
export type Step = (req: IncomingMessage, res: ServerResponse, log: () => void, lines: string[]) => void

export interface FakeServer {
  readonly url: string
  /** Lines of every request, in order. */
  readonly requests: { readonly lines: string[]; readonly timeMs: number; readonly path: string }[]
  /** The events of the log, by `event_id`. */
  readonly leaves: Map<string, number>
  /** Steps still to come. */
  readonly script: Step[]
  close(): Promise<void>
}

export async function startFakeServer(script: Step[] = []): Promise<FakeServer> {
  const requests: FakeServer["requests"] = []
  const leaves = new Map<string, number>()
  const server = createServer(async (req, res) => {
    let body = ""
    for await (const chunk of req.setEncoding("utf8")) body += chunk
    const lines = body.split("\n").filter((line) => line !== "")
    requests.push({ lines, timeMs: Date.now(), path: req.url ?? "" })
    const log = () => answerJson(res, 200, { results: lines.map((line) => logLine(leaves, line)) })
    const step = script.shift()
    if (step === undefined) log()
    else step(req, res, log, lines)
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/log/`,
    requests,
    leaves,
    script,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** The result of one line, as the server of this project words it. */
export function logLine(leaves: Map<string, number>, line: string): Record<string, unknown> {
  const { event_id } = JSON.parse(line) as { event_id: string }
  const known = leaves.get(event_id)
  if (known !== undefined) return { event_id, leaf_index: known, received_at: "", duplicate: true }
  leaves.set(event_id, leaves.size + 1)
  return { event_id, leaf_index: leaves.size, received_at: "" }
}

export function answerJson(
  res: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  res.writeHead(status, { "content-type": "application/json", ...headers })
  res.end(JSON.stringify(body))
}

/** A step that answers with a problem document. */
export function problem(status: number, code: string, headers: Record<string, string> = {}): Step {
  return (_req, res) => answerJson(res, status, { status, code, detail: code }, headers)
}
