/**
 * A log on the stage of the demonstration: a folder of its own, served while it is needed.
 */

import { cp, readFile, rm } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { RunningServer } from "@prooflog/server"
import { startServer } from "@prooflog/server"
import { initFolder, type LogFolder, openFolder } from "@prooflog/server/folder"
import { createApiKeys } from "@prooflog/server/keys"
import { type Policy, parsePolicy } from "@prooflog/tlog/policy"
import { pino } from "pino"
import { CliError } from "../error.js"
import { LogServer } from "../log-server.js"

const ORIGIN = "prooflog.example/clinic"

/** How long a head may take to be published; it is done in one second or so. */
const PUBLISH_MS = 15_000

/** The log, and the two who speak to it. */
export interface Scene {
  readonly server: RunningServer
  readonly writer: LogServer
  readonly auditor: LogServer
  readonly policy: Policy
}

export class Stage {
  readonly dir: string
  #keys: { writer: string; auditor: string } | undefined

  /** @param dir - of the log; it is made by {@link Stage.begin} */
  constructor(dir: string) {
    this.dir = dir
  }

  async begin(): Promise<LogFolder> {
    const folder = await initFolder(this.dir, { origin: ORIGIN })
    const wanted = [{ roles: ["writer"], source: "clinic" }, { roles: ["auditor"] }]
    const [writer, auditor] = await createApiKeys(folder.apiKeysPath, wanted, Date.now())
    this.#keys = { writer: writer?.key ?? "", auditor: auditor?.key ?? "" }
    return folder
  }

  folder(): Promise<LogFolder> {
    return openFolder(this.dir)
  }

  /**
   * Runs `play` while the log is served, on a port of its own.
   *
   * @throws what opening the log throws, and what `play` throws
   */
  async serve<T>(play: (scene: Scene) => Promise<T>): Promise<T> {
    const server = await startServer({
      dir: this.dir,
      host: "127.0.0.1",
      port: 0,
      logger: pino({ level: "silent" }),
    })
    try {
      const policy = parsePolicy(await readFile(server.folder.policyPath))
      const { writer, auditor } = this.#keys ?? { writer: "", auditor: "" }
      const ask = (key: string) => new LogServer({ url: server.url, key })
      return await play({ server, policy, writer: ask(writer), auditor: ask(auditor) })
    } finally {
      await server.close()
    }
  }

  /** Returns a stage with a copy of everything, the keys included. */
  async copy(dir: string): Promise<Stage> {
    await rm(dir, { recursive: true, force: true })
    await cp(this.dir, dir, { recursive: true, preserveTimestamps: true })
    const copy = new Stage(dir)
    copy.#keys = this.#keys
    return copy
  }

  /** All that a backup of the log holds. */
  get dataDir(): string {
    return join(this.dir, "data")
  }
}

/** Resolves when a head of at least `treeSize` leaves is published. */
export async function published(log: LogServer, treeSize: number): Promise<void> {
  const deadline = performance.now() + PUBLISH_MS
  while (performance.now() < deadline) {
    const { published } = (await log.json("v1/log")) as { published: { tree_size: number } }
    if (published.tree_size >= treeSize) return
    await sleep(50)
  }
  throw new CliError("CLI_DEMO_FAILED", `no head of ${treeSize} leaves was published within ${PUBLISH_MS} ms`)
}
