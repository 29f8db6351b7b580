/**
 * A service that dies: what reached its spool is logged all the same, once.
 */

import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { readdirSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { createClient } from "@prooflog/client"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import {
  type LogProxy,
  type RealLog,
  removeFolder,
  startLog,
  startProxy,
  temporaryFolder,
} from "./real-log.js"

const CLIENT = import.meta.resolve("@prooflog/client")
const ROUNDS = 5

const folder = temporaryFolder()
const spool = join(folder, "spool")
let log: RealLog
let proxy: LogProxy

beforeAll(async () => {
  log = await startLog(join(folder, "log"))
  proxy = await startProxy(log.server.url)
})
afterAll(async () => {
  proxy.close()
  await log.server.close()
  removeFolder(folder)
})

/** The same in every process, so that the log can be asked for it by sending it again. */
const EVENT = `(run, i) => ({
  event_id: "run-" + run + "-" + i, timestamp: 1697902320000,
  user_id: "U12345", resource_accessed: "/secure-data", result: "success" })`

/** A service that records without end, and prints how much of it is in the spool. */
function spawnService(run: number): ChildProcess {
  return spawnNode(`
    const event = ${EVENT}
    const client = createClient({ url: ${JSON.stringify(proxy.url)}, key: ${JSON.stringify(log.key)},
      spool: ${JSON.stringify(spool)}, flushEveryMs: 20, random: () => 0.1 })
    for (let i = 0; ; i++) {
      client.record(event(${run}, i))
      if (i % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 1))
      console.log(client.stats().spooled)
    }`)
}

function spawnNode(code: string): ChildProcess {
  const module = `import { createClient } from ${JSON.stringify(CLIENT)}\n${code}`
  return spawn(process.execPath, ["--input-type=module", "-e", module], {
    stdio: ["ignore", "pipe", "inherit"],
  })
}

/** Kills the service a while after its first event is in the spool; resolves how many it had seen there. */
async function killAfter(service: ChildProcess, ms: number): Promise<number> {
  let printed = ""
  const stdout = service.stdout as NodeJS.ReadableStream
  stdout.setEncoding("latin1").on("data", (text: string) => {
    printed = (printed + text).slice(-100)
  })
  while (!/^[1-9]/m.test(printed)) await once(stdout, "data")
  await sleep(ms)
  service.kill("SIGKILL")
  await once(service, "close")
  // The last line may be torn.
  return Number(printed.split("\n").at(-2))
}

describe("a service with a spool", () => {
  it(`killed ${ROUNDS} times with -9, the log now there and now not, loses nothing that was in its spool`, async () => {
    const spooled: number[] = []
    for (let run = 0; run < ROUNDS; run++) {
      // Down, up, and in between: answers are lost on their way.
      proxy.target = run % 3 === 0 ? "http://127.0.0.1:9/" : log.server.url
      proxy.onAnswer = (_passing, body) => {
        if (run % 3 === 1 && Math.random() < 0.5) throw new Error("lost")
        return body
      }
      spooled.push(await killAfter(spawnService(run), 20 + Math.random() * 100))
    }
    proxy.target = log.server.url
    proxy.onAnswer = (_passing, body) => body

    const heir = createClient({ url: proxy.url, key: log.key, spool })
    const stats = await heir.close()
    expect(stats.pending).toBe(0)
    expect(stats.recovered).toBeGreaterThan(0)
    // At most one line a kill can be torn, and that one was never counted as spooled.
    expect(stats.dropped).toBe(stats.droppedBy.spool_damaged)
    expect(stats.dropped).toBeLessThanOrEqual(ROUNDS)
    expect(readdirSync(spool)).toEqual([])
    await expectLogged(spooled)
  })
})

/** Sends every one again: the log must know them all, with the same content. */
async function expectLogged(spooled: readonly number[]): Promise<void> {
  const event = new Function(`return ${EVENT}`)() as (run: number, i: number) => never
  const again = createClient({ url: log.server.url, key: log.key, queueSize: 1_000_000, queueBytes: 1 << 30 })
  for (const [run, count] of spooled.entries()) for (let i = 0; i < count; i++) again.record(event(run, i))
  const total = spooled.reduce((a, b) => a + b)
  expect(spooled.every((count) => count > 0)).toBe(true)
  expect(await again.close()).toMatchObject({ duplicates: total, accepted: 0, rejected: 0, dropped: 0 })
}

describe("a process with a client", () => {
  it("ends when its own work is done, log or no log", async () => {
    const start = performance.now()
    const child = spawnNode(`
      const client = createClient({ url: "http://127.0.0.1:9", key: "key", spool: ${JSON.stringify(join(folder, "own"))} })
      client.record({ user_id: "U1" })
      await new Promise((resolve) => setTimeout(resolve, 400))`)
    const [code] = (await once(child, "close")) as [number]
    expect(code).toBe(0)
    expect(performance.now() - start).toBeLessThan(5000)
  })

  it("sends what it has before it ends, if it awaits close", async () => {
    let received = 0
    const server = createServer(async (req, res) => {
      let body = ""
      for await (const chunk of req) body += chunk
      const results = body.split("\n").map((_line, i) => ({ leaf_index: i }))
      received += results.length
      // The first answer asks to wait: nothing but close() keeps the process alive meanwhile.
      if (received === 100) res.writeHead(503, { "retry-after": "1" }).end()
      else res.end(JSON.stringify({ results }))
    })
    server.listen(0, "127.0.0.1")
    await once(server, "listening")
    const { port } = server.address() as AddressInfo
    const child = spawnNode(`
      const client = createClient({ url: "http://127.0.0.1:${port}", key: "key" })
      for (let i = 0; i < 100; i++) client.record({ user_id: "U1" })
      const { accepted } = await client.close()
      console.log(accepted)`)
    const [printed] = (await once(child.stdout as NodeJS.ReadableStream, "data")) as [Buffer]
    await once(child, "close")
    server.closeAllConnections()
    server.close()
    expect(Number(printed)).toBe(100)
  })
})
