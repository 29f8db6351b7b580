/** From an event to whoever is told of it: a served log, its children, and a receiver that checks signatures. */

import { execFileSync } from "node:child_process"
import { readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { post, type ServingChild, serve, temporaryFolder } from "../running-log.js"
import { openWebhook, type WebhookStandIn } from "./webhook-stand-in.js"

const SECRET = `whsec_${Buffer.from("a secret of thirty-two bytes, ok").toString("base64")}`

const PEOPLE = 60

interface Json {
  readonly [name: string]: unknown
}

describe("alerts of a served log", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  let hook: WebhookStandIn
  let server: ServingChild
  let admin: string
  let writer: string

  beforeAll(async () => {
    folder = await temporaryFolder()
    hook = await openWebhook(SECRET)
    server = await serve(join(folder.path, "log"), { HOOK_SECRET: SECRET })
    admin = /admin key\s+(\S+)/.exec(server.printed)?.[1] ?? "none was printed"
    writer = /writer key\s+(\S+)/.exec(server.printed)?.[1] ?? "none was printed"
    await writeFile(
      join(folder.path, "log", "alerts.yaml"),
      `sinks:
  hook: { type: webhook, url: "${hook.http.url}", secrets: [{ env: HOOK_SECRET }] }
routes:
  - { match: [rule = brute-force-user], to: [hook], group_by: [user_id], group_wait: 0s }
`,
    )
  })

  afterAll(async () => {
    await server.stop()
    await hook.http.close()
    await folder.remove()
  })

  async function get(path: string): Promise<Json> {
    const answer = await fetch(server.url + path, { headers: { Authorization: `Bearer ${admin}` } })
    return (await answer.json()) as Json
  }

  /** Logins of a user that fail, each from another place. */
  async function fails(user: string, times = 15): Promise<void> {
    const events = Array.from({ length: times }, (_, i) => ({
      timestamp: new Date().toISOString(),
      user_id: user,
      action: "login",
      category: "auth",
      activity: "login",
      resource_accessed: "/login",
      result: "failure",
      ip_address: `203.0.113.${i}`,
    }))
    const { status } = await post(`${server.url}v1/events`, writer, events)
    expect(status).toBe(200)
  }

  const toldOf = (user: string) =>
    [...hook.taken.values()].filter(({ data }) => JSON.stringify(data).includes(`"${user}"`))

  async function ownEvents(action: string): Promise<Json[]> {
    const { events } = await get(`v1/events?source=prooflog&action=${action}&limit=500`)
    return events as Json[]
  }

  it("reach their receiver within seconds, and are events of the log that can be proven", async () => {
    await expect.poll(async () => (await get("v1/sinks")).sinks, WAIT).toHaveLength(1)
    await fails("mallory")
    await expect.poll(() => toldOf("mallory").length, WAIT).toBe(1)
    const id = toldOf("mallory")[0]?.data.alerts[0]?.id
    const alert = await get(`v1/alerts/${id}`)
    expect(alert).toMatchObject({
      rule: { id: "brute-force-user" },
      state: "firing",
      labels: { user_id: "mallory" },
    })
    await expect
      .poll(async () => (await ownEvents("log.alert.delivery")).map(({ attributes }) => attributes), WAIT)
      .toContainEqual(expect.objectContaining({ alerts: id, outcome: "delivered", attempt: 1, hop: 1 }))
    const fired = (await ownEvents("log.alert.fired")).find(
      ({ resource_accessed }) => resource_accessed === `alert/${id}`,
    )
    expect(fired).toMatchObject({
      attributes: { rule: "brute-force-user", leaf_index: (alert.leaves as number[]).join() },
    })
    await expect
      .poll(async () => (await get(`v1/evidence?leaf_index=${fired?.leaf_index}`)).format, WAIT)
      .toMatch(/^prooflog-evidence/)
    expect(JSON.stringify(await ownEvents("log.alert.fired"))).not.toContain("mallory")
  })

  it("are told of once each, and lost never, while the process that finds them is killed again and again", async () => {
    let killed = 0
    const killing = setInterval(() => {
      const pid = alertsChildOf(server.process.pid as number)
      if (pid === undefined) return
      process.kill(pid, "SIGKILL")
      killed++
    }, 700)
    for (let i = 0; i < PEOPLE; i++) {
      await fails(`victim-${i}`)
      await new Promise((resolve) => setTimeout(resolve, 40))
    }
    clearInterval(killing)
    expect(killed).toBeGreaterThan(2)
    const people = Array.from({ length: PEOPLE }, (_, i) => `victim-${i}`)
    await expect.poll(() => people.filter((user) => toldOf(user).length === 0), WAIT).toEqual([])
    // The receiver takes an id once: what came twice came under the same.
    expect(people.filter((user) => toldOf(user).length > 1)).toEqual([])
    await expect
      .poll(async () => firedOf(await ownEvents("log.alert.fired")).size, WAIT)
      .toBeGreaterThan(PEOPLE)
    const fired = await ownEvents("log.alert.fired")
    expect(firedOf(fired).size).toBe(fired.length)
  }, 120_000)

  it("are forgotten with the person they are about", async () => {
    await fails("needle-person")
    await expect.poll(() => toldOf("needle-person").length, WAIT).toBe(1)
    const answer = await post(`${server.url}v1/erasures`, admin, {
      user_id: "needle-person",
      why: "a request",
    })
    expect(answer.status).toBe(201)
    const { id } = answer.body as Json
    await post(`${server.url}v1/erasures/run`, admin, {})
    await expect
      .poll(async () => (await get(`v1/erasures/${id}`)).state, { ...WAIT, timeout: 60_000 })
      .toBe("gone")
    expect(JSON.stringify(await get("v1/alerts?limit=500"))).not.toContain("needle-person")
    const store = join(folder.path, "log", "data", "alerts")
    for (const file of await readdir(store)) {
      expect(await readFile(join(store, file), "latin1")).not.toContain("needle-person")
    }
  }, 120_000)
})

/** How long anything is waited for: a busy machine is slow. */
const WAIT = { timeout: 30_000, interval: 100 } as const

function firedOf(events: readonly Json[]): Set<unknown> {
  return new Set(events.map(({ resource_accessed }) => resource_accessed))
}

/** The alerts child below a server, while there is one. */
function alertsChildOf(pid: number): number | undefined {
  const table = execFileSync("ps", ["-A", "-o", "pid=,ppid=,args="], { encoding: "utf8" })
  const rows = table
    .trim()
    .split("\n")
    .map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [])
  const below = new Set([String(pid)])
  for (let grown = 0; grown !== below.size; ) {
    grown = below.size
    for (const [, child = "", parent = ""] of rows) if (below.has(parent)) below.add(child)
  }
  const found = rows.find(
    ([, child = "", , args = ""]) => below.has(child) && args.endsWith("followers/alerts.js"),
  )
  return found && Number(found[1])
}
