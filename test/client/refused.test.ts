/**
 * What a service has in its hands when its log was caught: files that convict it, and a head that it does not leave.
 *
 *     the log       g a b b b b          the head known, in the head file
 *     its twin      g a c c c c c c      one key, another history
 */

import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import {
  type Alarm,
  type ClientOptions,
  createClient,
  type Notice,
  type RecordedEvent,
} from "@prooflog/client"
import { parsePolicy } from "@prooflog/tlog/policy"
import { parseAccusation, verifyAccusation } from "@prooflog/verifier/accusation"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import {
  copyFolder,
  type LogProxy,
  type RealLog,
  removeFolder,
  startLog,
  startProxy,
  temporaryFolder,
} from "./real-log.js"

const EVENT: RecordedEvent = { user_id: "U12345", resource_accessed: "/secure-data", result: "success" }

const folder = temporaryFolder()
let honest: RealLog
let twin: RealLog
/** The log's head when the two parted, and one of each afterwards. */
let common: string
let pinned: string
let contradicting: string
let proxy: LogProxy

beforeAll(async () => {
  const first = await startLog(join(folder, "log"))
  proxy = await startProxy(first.server.url)
  await log(first, 1)
  common = await headOf(first)
  await first.server.close()
  twin = await startLog(copyFolder(first.dir), first.key)
  honest = await startLog(first.dir, first.key)
  await log(honest, 4)
  pinned = await headOf(honest)
})
afterAll(async () => {
  await Promise.all([honest.server.close(), twin.server.close()])
  proxy.close()
  removeFolder(folder)
  removeFolder(twin.dir)
})

/** Logs events, and waits until they are published. */
async function log({ server, key, policy }: RealLog, count: number): Promise<void> {
  const client = createClient({ url: server.url, key, policy, onNotice: () => {} })
  for (let i = 0; i < count; i++) client.record(EVENT)
  expect(await client.close()).toMatchObject({ verified: count })
}

async function headOf({ server }: RealLog): Promise<string> {
  const answer = await fetch(new URL("checkpoint", server.url.endsWith("/") ? server.url : `${server.url}/`))
  return await answer.text()
}

function watch(options: Partial<ClientOptions> = {}) {
  const alarms: Alarm[] = []
  const notices: Notice[] = []
  const client = createClient({
    url: proxy.url,
    key: honest.key,
    policy: honest.policy,
    flushEveryMs: 5,
    onAlarm: (alarm) => alarms.push(alarm),
    onNotice: (notice) => notices.push(notice),
    ...options,
  })
  return { client, alarms, notices }
}

/** What one process of the service sees of the log that is behind the proxy now. */
async function visit(target: RealLog, options: Partial<ClientOptions> = {}) {
  proxy.target = target.server.url
  const { client, alarms, notices } = watch(options)
  client.record(EVENT)
  return { stats: await client.close(), alarms, notices }
}

describe("a service with a head file", () => {
  const headFile = join(folder, "head")
  const filesBeside = () =>
    readdirSync(folder)
      .filter((name) => name.startsWith("head."))
      .sort()

  it("says on its first start whom it trusts, and how to do better; never again after that", async () => {
    const { stats, notices } = await visit(honest, { headFile })
    expect(stats).toMatchObject({ verified: 1, alarmCount: 0 })
    const [notice] = notices
    expect(notice).toMatchObject({ code: "CLIENT_FIRST_USE", head: readFileSync(headFile, "utf8") })
    expect(notice?.message).toMatch(/on first use: .* its head of \d+ leaves, .* as pinnedHead$/)
    expect((await visit(honest, { headFile })).notices).toEqual([])
  })

  it("keeps both heads of a rollback, and convicts nobody of it", async () => {
    const known = readFileSync(headFile, "utf8")
    const { stats, alarms } = await visit(twin, { headFile })
    expect(stats).toMatchObject({ accepted: 1, verified: 0, alarmCount: 1 })
    const [refused] = filesBeside()
    expect(filesBeside()).toEqual([expect.stringMatching(/^head\.refused-/)])
    expect(alarms[0]).toMatchObject({ code: "CLIENT_HEAD_BEHIND", keptIn: [join(folder, refused as string)] })
    const kept = JSON.parse(readFileSync(join(folder, refused as string), "utf8"))
    expect(kept).toMatchObject({ code: "VERIFIER_WENT_BACK", known, shown: alarms[0]?.shownHead })
    expect(readFileSync(headFile, "utf8")).toBe(known)
  })

  it("keeps both heads of a fork and an accusation, and refuses it again after a restart", async () => {
    const known = readFileSync(headFile, "utf8")
    await log(twin, 10)
    contradicting = await headOf(twin)
    for (let start = 1; start <= 2; start++) {
      const { stats, alarms } = await visit(twin, { headFile })
      expect(stats).toMatchObject({ accepted: 1, verified: 0, alarmCount: 1 })
      expect(alarms[0]).toMatchObject({ code: "CLIENT_HEAD_INCONSISTENT", knownHead: known })
      expect(readFileSync(headFile, "utf8")).toBe(known)
      const files = filesBeside().filter((name) => name.includes("accusation-inconsistent"))
      expect(files).toHaveLength(start)
    }
  })

  it("has files that convict the log with nothing but its policy", () => {
    const files = filesBeside().filter((name) => name.includes("accusation"))
    for (const file of files) {
      const accusation = parseAccusation(readFileSync(join(folder, file)))
      const { accused, proven } = verifyAccusation(accusation, parsePolicy(honest.policy))
      expect(honest.policy).toContain(`log ${accused}+`)
      expect(proven).toContain("does not begin with the tree")
    }
  })

  it("goes on with the history it knows", async () => {
    expect((await visit(honest, { headFile })).stats).toMatchObject({ verified: 1, alarmCount: 0 })
  })
})

describe("a service with a pinned head and no file", () => {
  it("verifies what extends it, and says nothing of first use", async () => {
    for (const pinnedHead of [common, pinned]) {
      const { stats, notices } = await visit(honest, { pinnedHead })
      expect(stats).toMatchObject({ verified: 1, alarmCount: 0 })
      expect(notices).toEqual([])
    }
    // Up to where they parted, the twin's history is as good.
    expect((await visit(twin, { pinnedHead: common })).stats).toMatchObject({ verified: 1, alarmCount: 0 })
  })

  it("refuses what contradicts it at first sight, with an accusation in its hands", async () => {
    const { stats, alarms } = await visit(twin, { pinnedHead: pinned })
    expect(stats).toMatchObject({ accepted: 1, verified: 0, alarmCount: 1 })
    expect(alarms[0]).toMatchObject({ code: "CLIENT_HEAD_INCONSISTENT", knownHead: pinned })
    const [accusation] = alarms[0]?.accusations ?? []
    verifyAccusation(parseAccusation(accusation as string), parsePolicy(honest.policy))
  })

  it("trusts nobody when the pinned head contradicts the head file", async () => {
    const headFile = join(folder, "other-head")
    await visit(honest, { headFile })
    for (const target of [honest, twin]) {
      const { stats, alarms } = await visit(target, { headFile, pinnedHead: contradicting })
      expect(stats).toMatchObject({ verified: 0, alarmCount: 1 })
      expect(alarms[0]).toMatchObject({ knownHead: expect.any(String), shownHead: expect.any(String) })
    }
  })
})
