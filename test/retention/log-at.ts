/** A real log in a folder, whose server is begun anew for each jump of its clock: a running one does not believe them. */

import { rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { type RunningServer, type ServerConfig, startServer } from "@prooflog/server"
import { initFolder } from "@prooflog/server/folder"
import { expect } from "vitest"
import { temporaryFolder } from "../running-log.js"
import { eventually, get, type Json, tell } from "./asked.js"

export const DAY_MS = 86_400_000

export class LogAt {
  readonly #folder: Awaited<ReturnType<typeof temporaryFolder>>
  readonly #config: Partial<ServerConfig>
  #server: RunningServer | undefined
  adminKey = "none"
  writerKey = "none"

  private constructor(folder: Awaited<ReturnType<typeof temporaryFolder>>, config: Partial<ServerConfig>) {
    this.#folder = folder
    this.#config = config
  }

  /** A folder with this schedule; nobody serves it yet. */
  static async make(schedule: string, config: Partial<ServerConfig> = {}): Promise<LogAt> {
    const log = new LogAt(await temporaryFolder(), config)
    await initFolder(log.dir)
    await writeFile(join(log.dir, "schedule.yaml"), schedule)
    return log
  }

  get path(): string {
    return this.#folder.path
  }

  get dir(): string {
    return join(this.path, "log")
  }

  get url(): string {
    return this.#server?.url ?? "nobody serves it"
  }

  /** Serves it from this time on, after whoever did; the clock goes on by itself. */
  async at(timeMs: number, config: Partial<ServerConfig> = {}): Promise<void> {
    await this.stop()
    const begunMs = Date.now()
    const server = await startServer({
      dir: this.dir,
      port: 0,
      logger: false,
      publishEveryMs: 50,
      ...this.#config,
      ...config,
      clock: () => timeMs + (Date.now() - begunMs),
    })
    this.#server = server
    for (const { key, apiKey } of server.firstKeys ?? []) {
      if (apiKey.roles.includes("admin")) this.adminKey = key
      else this.writerKey = key
    }
  }

  async stop(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    await server?.close()
  }

  async remove(): Promise<void> {
    await this.stop()
    await rm(this.path, { recursive: true, force: true })
  }
}

type Asked = Pick<LogAt, "url" | "adminKey">

/** Has a job of the archive begin, and waits for its end. */
export async function archiveJob(
  log: Asked,
  kind: "run" | "verify" | "restore",
  asked: Json = {},
): Promise<Json> {
  const { status, body } = await tell(log, `v1/archive/${kind}`, asked)
  expect([status, body.code]).toEqual([202, undefined])
  return endOf(log, body.id as string)
}

export async function endOf(log: Asked, id: string): Promise<Json> {
  return eventually(async () => {
    const { job } = (await get(log, "v1/archive")).body as { job: Json }
    return job.id === id && job.state !== "running" ? job : undefined
  })
}

/** What the archive is, without times. */
export async function archiveOf(log: Asked): Promise<Json> {
  const { status, body } = await get(log, "v1/archive")
  expect([status, body.code]).toEqual([200, undefined])
  return body
}
