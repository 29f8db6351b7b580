/**
 * A log that can be asked, and a server behind it that can be stopped, have its rows altered, and start again.
 */

import { readFile, writeFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { join } from "node:path"
import { startServer } from "@prooflog/server"
import { initFolder } from "@prooflog/server/folder"
import { PUBLISH_EVERY_MS, post, published, temporaryFolder } from "../running-log.js"
import { prooflog, prooflogHere, type RunOptions } from "./prooflog.js"

type Server = Awaited<ReturnType<typeof startServer>>

/** What of DuckDB's interface is used here; it belongs to the query room. */
interface DuckDb {
  readonly DuckDBInstance: {
    create(path: string): Promise<{
      connect(): Promise<{ run(sql: string): Promise<{ rowsChanged: number }>; closeSync(): void }>
      closeSync(): void
    }>
  }
}

const duckDb = createRequire(new URL("../../packages/query/package.json", import.meta.url))(
  "@duckdb/node-api",
) as DuckDb

/** @param settings - put into `prooflog.json` before the server starts */
export async function startAskedLog(events: readonly object[], settings: object = {}) {
  const folder = await temporaryFolder()
  const dir = join(folder.path, "log")
  await initFolder(dir)
  const config = join(dir, "prooflog.json")
  await writeFile(config, JSON.stringify({ ...JSON.parse(await readFile(config, "utf8")), ...settings }))
  const start = (port: number) =>
    startServer({ dir, port, follow: true, logger: false, publishEveryMs: PUBLISH_EVERY_MS })
  let server: Server = await start(0)
  const port = Number(new URL(server.url).port)
  const keys = server.firstKeys
  const key = (role: "admin" | "writer") =>
    keys?.find(({ apiKey }) => apiKey.roles.includes(role))?.key ?? "no such key"

  /** Posts events, and waits until they are published. */
  async function log(more: readonly object[]): Promise<void> {
    const before = ((await (await fetch(`${server.url}v1/log`)).json()) as { signed: { tree_size: number } })
      .signed
    for (let at = 0; at < more.length; at += 5000) {
      const { status } = await post(`${server.url}v1/events`, key("writer"), more.slice(at, at + 5000))
      if (status !== 200) throw new Error(`events were answered ${status}`)
    }
    await published(server.url, before.tree_size + more.length)
  }
  await log(events)

  return {
    dir,
    folder: folder.path,
    policy: join(dir, "policy"),
    adminKey: key("admin"),
    get url() {
      return server.url
    },
    log,
    /** Runs the command as an admin of this log. */
    run(args: readonly string[], options: RunOptions = {}) {
      const env = { PROOFLOG_URL: server.url, PROOFLOG_KEY: key("admin"), ...options.env }
      return prooflog(args, { ...options, env })
    },
    /** The same, in this process. */
    runHere: (args: readonly string[]) =>
      prooflogHere(args, { PROOFLOG_URL: server.url, PROOFLOG_KEY: key("admin") }),
    /** Waits until everything published can be asked for. */
    async level(): Promise<void> {
      const { published } = (await (await fetch(`${server.url}v1/log`)).json()) as {
        published: { tree_size: number }
      }
      for (let tries = 0; tries < 200; tries++) {
        const headers = { authorization: `Bearer ${key("admin")}` }
        const response = await fetch(`${server.url}v1/reading`, { headers })
        const { through } = (await response.json()) as { through: number }
        if (through >= published.tree_size) return
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      throw new Error("the reader did not come level within 10 s")
    },
    /** Stops the server, changes rows behind its back, and starts it again. */
    alter: (sql: string) => restart(() => alterRow(sql)),
    async close(): Promise<void> {
      await server.close()
      await folder.remove()
    },
  }

  /** Stops the server, does something meanwhile, and starts it where it was: a tail finds it again. */
  async function restart(meanwhile: () => Promise<void>): Promise<void> {
    await server.close()
    await meanwhile()
    server = await start(port)
  }

  async function alterRow(sql: string): Promise<void> {
    const database = await duckDb.DuckDBInstance.create(join(dir, "query", "access_logs.duckdb"))
    const connection = await database.connect()
    try {
      const { rowsChanged } = await connection.run(sql)
      if (rowsChanged !== 1) throw new Error(`${rowsChanged} rows were altered, not one`)
    } finally {
      connection.closeSync()
      database.closeSync()
    }
  }
}

export type AskedLog = Awaited<ReturnType<typeof startAskedLog>>
