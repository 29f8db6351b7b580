/**
 * A real log for tests that cross rooms: in this process, or in a child that can be killed.
 *
 * Everything is on 127.0.0.1 with a free port, in a temporary folder of its own.
 */

import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { type ServerConfig, startServer } from "@prooflog/server"
import { parsePolicy } from "@prooflog/tlog/policy"

export const PROOFLOG = fileURLToPath(new URL("../apps/cli/bin/prooflog.js", import.meta.url))

export async function temporaryFolder(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "prooflog-test-"))
  return { path, remove: () => rm(path, { recursive: true, force: true }) }
}

export interface StartLogOptions {
  /** Whether the log can be asked: without a reader it starts sooner. */
  readonly follow?: boolean
  /** What the server tells its operator goes nowhere unless set. */
  readonly logger?: ServerConfig["logger"]
}

/** Once a second is what a log does unless told otherwise, and far more than a test should wait for. */
export const PUBLISH_EVERY_MS = 50

/** Starts a new log in this process. */
export async function startLog({ follow = false, logger = false }: StartLogOptions = {}) {
  const folder = await temporaryFolder()
  const dir = join(folder.path, "log")
  const server = await startServer({ dir, port: 0, follow, logger, publishEveryMs: PUBLISH_EVERY_MS })
  const key = (role: "admin" | "writer") =>
    server.firstKeys?.find(({ apiKey }) => apiKey.roles.includes(role))?.key ?? "no such key"
  return {
    url: server.url,
    dir,
    adminKey: key("admin"),
    writerKey: key("writer"),
    policy: parsePolicy(await readFile(server.folder.policyPath)),
    async close() {
      await server.close()
      await folder.remove()
    },
  }
}

export interface ServingChild {
  readonly url: string
  /** The first start's keys, from what `serve` printed. */
  readonly printed: string
  readonly process: ChildProcess
  kill(): Promise<void>
  stop(): Promise<number | null>
}

/**
 * Runs `prooflog serve DIR` as a child, and resolves when it listens.
 *
 * @param environment - what it is given beside ours
 */
export async function serve(
  dir: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<ServingChild> {
  const child = spawn(process.execPath, [PROOFLOG, "serve", dir, "--listen", "127.0.0.1:0"], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...environment },
  })
  let printed = ""
  let said = ""
  child.stderr.on("data", (chunk) => {
    said += chunk
  })
  const lines = createInterface({ input: child.stdout })
  const exited = once(child, "exit")
  const url = await new Promise<string>((resolve, reject) => {
    lines.on("line", (line) => {
      printed += `${line}\n`
      const match = /^Prooflog serves .* at (http:\S+)/.exec(line)
      // The keys follow within the same write.
      if (match?.[1] !== undefined) setTimeout(resolve, 20, match[1])
    })
    exited.then(([code]) => reject(new Error(`serve exited with ${code}: ${said}`)), reject)
  })
  return {
    url,
    get printed() {
      return printed
    },
    process: child,
    async kill() {
      child.kill("SIGKILL")
      await exited
    },
    async stop() {
      child.kill("SIGTERM")
      const [code] = await exited
      return code as number | null
    },
  }
}

/** An event that the schema accepts. */
export function sampleEvent(n: number, eventId?: string) {
  return {
    timestamp: new Date(1_697_902_320_000 + n * 1000).toISOString(),
    user_id: `U${n % 97}`,
    resource_accessed: `/secure-data/${n}`,
    result: n % 11 === 0 ? "denied" : "success",
    ip_address: `192.168.${Math.floor(n / 250) % 250}.${n % 250}`,
    ...(eventId === undefined ? {} : { event_id: eventId }),
  }
}

/** Posts JSON with an API key and returns status and body. */
export async function post(url: string, key: string, body: unknown) {
  const response = await fetch(url, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

/** Resolves when everyone may see a tree of that size: heads are published once a second. */
export async function published(url: string, treeSize: number): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    const { published } = (await (await fetch(`${url}v1/log`)).json()) as { published: { tree_size: number } }
    if (published.tree_size >= treeSize) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`a tree of ${treeSize} leaves was not published within 30 s`)
}
