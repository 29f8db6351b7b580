/**
 * A log that tells two histories, or takes one back, to a service that remembers the head it verified.
 */

import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { type Alarm, createClient, type RecordedEvent } from "@prooflog/client"
import { openCheckpoint, parsePolicy } from "@prooflog/tlog/policy"
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
const headFile = join(folder, "head")
let honest: RealLog
/** The same log as it was after its first event, with the same key: nothing but its operator's will tells them apart. */
let other: RealLog
let proxy: LogProxy

beforeAll(async () => {
  const first = await startLog(join(folder, "log"))
  proxy = await startProxy(first.server.url)
  const { client } = watch(first)
  client.record(EVENT)
  await client.close()
  await first.server.close()
  other = await startLog(copyFolder(first.dir), first.key)
  honest = await startLog(first.dir, first.key)
  proxy.target = honest.server.url
})
afterAll(async () => {
  await Promise.all([honest.server.close(), other.server.close()])
  proxy.close()
  removeFolder(folder)
  removeFolder(other.dir)
})

function watch(log: RealLog) {
  const alarms: Alarm[] = []
  const onAlarm = (alarm: Alarm) => alarms.push(alarm)
  const { key, policy } = log
  const options = { url: proxy.url, key, policy, headFile, flushEveryMs: 5, onAlarm, onNotice: () => {} }
  return { alarms, client: createClient(options) }
}

function knownSize(): number {
  const { checkpoint } = openCheckpoint(readFileSync(headFile, "utf8"), parsePolicy(honest.policy))
  return checkpoint.treeSize
}

describe("a service with a head file", () => {
  it("remembers the head across restarts", async () => {
    expect(existsSync(headFile)).toBe(true)
    const before = knownSize()
    const { client, alarms } = watch(honest)
    for (let i = 0; i < 5; i++) client.record(EVENT)
    expect(await client.close()).toMatchObject({ verified: 5, alarmCount: 0 })
    expect(alarms).toEqual([])
    expect(knownSize()).toBe(before + 5)
  })

  it("does not go back with a log that was put back to an old state", async () => {
    const before = knownSize()
    proxy.target = other.server.url
    const { client, alarms } = watch(honest)
    client.record(EVENT)
    expect(await client.close()).toMatchObject({ accepted: 1, verified: 0, alarmCount: 1 })
    expect(alarms[0]).toMatchObject({ code: "CLIENT_HEAD_BEHIND", knownHead: readFileSync(headFile, "utf8") })
    expectBothSigned(alarms[0] as Alarm)
    expect(knownSize()).toBe(before)
  })

  it("does not go sideways with a log that tells another history", async () => {
    const before = knownSize()
    proxy.target = other.server.url
    const plain = createClient({ url: proxy.url, key: honest.key })
    for (let i = 0; i < 10; i++) plain.record(EVENT)
    await plain.close()
    const { client, alarms } = watch(honest)
    client.record(EVENT)
    expect(await client.close()).toMatchObject({ accepted: 1, verified: 0, alarmCount: 1 })
    expect(alarms[0]).toMatchObject({ code: "CLIENT_HEAD_INCONSISTENT" })
    expectBothSigned(alarms[0] as Alarm)
    expect(knownSize()).toBe(before)
  })

  it("goes on with the history it knows", async () => {
    proxy.target = honest.server.url
    const { client } = watch(honest)
    client.record(EVENT)
    expect(await client.close()).toMatchObject({ verified: 1, alarmCount: 0 })
  })
})

/** Two heads that cannot both be honest, each under the log's own signature: that convicts it anywhere. */
function expectBothSigned({ knownHead, shownHead }: Alarm): void {
  const policy = parsePolicy(honest.policy)
  const [known, shown] = [knownHead, shownHead].map(
    (note) => openCheckpoint(note as string, policy).checkpoint,
  )
  expect(shown?.origin).toBe(known?.origin)
}
