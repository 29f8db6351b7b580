/** The reader and the query store are killed under load, at random, again and again: their server goes on, and they catch up. */

import { execFileSync } from "node:child_process"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type Askable, followed, rows } from "../reading/asking.js"
import { post, published, type ServingChild, sampleEvent, serve, temporaryFolder } from "../running-log.js"

const KILLS = 7
const BATCH = 200
const PAUSE_MS = 30

describe("a server whose children are killed with SIGKILL under load", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  let server: ServingChild
  let log: Askable
  let writerKey: string

  beforeAll(async () => {
    folder = await temporaryFolder()
    server = await serve(join(folder.path, "log"))
    writerKey = /writer key\s+(\S+)/.exec(server.printed)?.[1] ?? "none was printed"
    log = { url: server.url, key: /admin key\s+(\S+)/.exec(server.printed)?.[1] ?? "none was printed" }
  })

  afterAll(async () => {
    await server.stop()
    await folder.remove()
  })

  it("takes every event meanwhile, and has each of them in SQL once", async () => {
    const stop = { now: false }
    const logged = new Map<number, string>()
    const writers = Array.from({ length: 3 }, async (_, writer) => {
      for (let n = 0; !stop.now; n++) {
        const events = Array.from({ length: BATCH }, (_, i) =>
          sampleEvent(n * BATCH + i, `w${writer}-${n}-${i}`),
        )
        const { status, body } = await post(`${server.url}v1/events`, writerKey, events)
        expect(status).toBe(200)
        for (const result of body.results as { event_id: string; leaf_index: number }[]) {
          logged.set(result.leaf_index, result.event_id)
        }
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
      }
    })
    for (let killed = 0; killed < KILLS; ) {
      await new Promise((resolve) => setTimeout(resolve, 100 + (killed % 5) * 150))
      // None, while they are being started again.
      const victims = descendantsOf(server.process.pid as number)
      const victim = victims[killed % Math.max(1, victims.length)]
      if (victim === undefined) continue
      process.kill(victim, "SIGKILL")
      killed++
    }
    stop.now = true
    await Promise.all(writers)
    const treeSize = [...logged.keys()].reduce((a, b) => Math.max(a, b)) + 1
    await published(server.url, treeSize)
    await followed(log, treeSize, 60_000)
    // Page by page: an answer has its limit.
    const found = new Map<number, string>()
    for (let from = 0; from < treeSize; from += 10_000) {
      const page = `SELECT leaf_index, event_id FROM access_logs WHERE source <> 'prooflog' AND leaf_index >= ${from} AND leaf_index < ${from + 10_000}`
      for (const [leaf, id] of (await rows(log, page)) as [number, string][]) {
        expect(found.has(leaf)).toBe(false)
        found.set(leaf, id)
      }
    }
    expect(found.size).toBe(logged.size)
    expect([...logged].filter(([leaf, id]) => found.get(leaf) !== id)).toEqual([])
  }, 180_000)
})

/** Processes below this one: the reader, and the query store below it. */
function descendantsOf(pid: number): number[] {
  const table = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" })
  const pairs = table
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number) as [number, number])
  const below = (parent: number): number[] =>
    pairs.filter(([, ppid]) => ppid === parent).flatMap(([child]) => [child, ...below(child)])
  return below(pid)
}
