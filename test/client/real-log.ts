/**
 * A real log server in a temporary folder, and proxies before it that lie.
 */

import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { createServer, type IncomingHttpHeaders, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type RunningServer, startServer } from "@prooflog/server"
import { PUBLISH_EVERY_MS } from "../running-log.js"

export interface RealLog {
  readonly server: RunningServer
  readonly dir: string
  /** The tlog-policy text an auditor would use. */
  readonly policy: string
  /** An API key that may write. */
  readonly key: string
}

const SILENT = new Proxy({}, { get: () => () => {} })

/** Starts a server on a new folder, or on one that is there; `key` is then the one it had before. */
export async function startLog(dir: string, key?: string): Promise<RealLog> {
  const server = await startServer({
    dir,
    port: 0,
    logger: SILENT as never,
    publishEveryMs: PUBLISH_EVERY_MS,
  })
  const writer = server.firstKeys?.find(({ apiKey }) => apiKey.roles.includes("writer"))?.key ?? key
  if (writer === undefined) throw new Error("no key")
  return { server, dir, policy: readFileSync(join(dir, "policy"), "utf8"), key: writer }
}

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), "prooflog-test-client-"))
}

export function copyFolder(from: string): string {
  const to = temporaryFolder()
  cpSync(from, to, { recursive: true })
  return to
}

export function removeFolder(dir: string): void {
  rmSync(dir, { recursive: true, force: true })
}

/** One request on its way to the log. */
export interface Passing {
  readonly method: string
  readonly path: string
  body: string
}

export interface LogProxy {
  readonly url: string
  /** Where requests go. */
  target: string
  /** May change what is sent. */
  onRequest: (passing: Passing) => void
  /** May change what comes back. */
  onAnswer: (passing: Passing, body: string) => string
  /** Seconds that it asks to wait with every answer, whatever the log says. */
  retryAfter?: string
  close(): void
}

/** A server between client and log, as the operator of a log could have one. */
export async function startProxy(target: string): Promise<LogProxy> {
  const server: Server = createServer(async (req, res) => {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk as Buffer)
    const passing = {
      method: req.method ?? "GET",
      path: req.url ?? "/",
      body: Buffer.concat(chunks).toString(),
    }
    proxy.onRequest(passing)
    try {
      const answer = await fetch(proxy.target.replace(/\/$/, "") + passing.path, {
        method: passing.method,
        headers: passedOn(req.headers),
        ...(passing.body !== "" && { body: passing.body }),
      })
      const bytes = Buffer.from(await answer.arrayBuffer())
      const isText = answer.headers.get("content-type")?.includes("json") === true
      const retryAfter = proxy.retryAfter ?? answer.headers.get("retry-after")
      res.writeHead(answer.status, retryAfter === null ? {} : { "retry-after": retryAfter })
      res.end(isText ? proxy.onAnswer(passing, bytes.toString()) : bytes)
    } catch {
      res.destroy()
    }
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const proxy: LogProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    target,
    onRequest: () => {},
    onAnswer: (_passing, body) => body,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
  return proxy
}

function passedOn(headers: IncomingHttpHeaders): Record<string, string> {
  const names = ["authorization", "content-type", "accept"] as const
  return Object.fromEntries(
    names.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]]])),
  )
}
