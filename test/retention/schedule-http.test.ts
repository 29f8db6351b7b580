/** The schedule by HTTP and over restarts: what the file wants, what the log promises, who may see and change it. */

import { readdir, readFile, rm, stat, writeFile } from "node:fs/promises"
import { formatRules } from "@prooflog/archive/class-rules"
import { parseScheduleFile, publicSchedule } from "@prooflog/archive/schedule-file"
import { SCHEDULE_TEMPLATE } from "@prooflog/archive/schedule-template"
import { decodeEntry } from "@prooflog/event/entry"
import { DEFAULT_SCHEDULE, encodeSchedule } from "@prooflog/event/schedule"
import { initFolder } from "@prooflog/server/folder"
import { parseBundle } from "@prooflog/tlog/bundle"
import { sha256 } from "@prooflog/tlog/hash"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { ownEvents } from "../http/own-events.js"
import { anEvent, ask, disappearingDisk, type Got, type KeyName, type Served } from "../http/served.js"
import { audited, makePlace, type Place, putSchedule, scheduleText } from "./schedule-texts.js"

const VIP = { vip: "{ hot: 10y }" }
const VIP_RULE = '{ class: vip, user_id: "ceo-*" }'

/** What is logged at a leaf. */
async function entryAt({ storage }: Served, leaf: number) {
  const width = await storage.treeSize()
  const bundle = await storage.read(`tile/entries/000${width < 256 ? `.p/${width}` : ""}`)
  return decodeEntry(parseBundle(bundle as Uint8Array, width)[leaf] as Uint8Array)
}

/** What a leaf puts in force, as the bytes that are logged. */
async function scheduleAt(served: Served, leaf: number): Promise<string> {
  const entry = await entryAt(served, leaf)
  if (entry.type !== "genesis" && entry.type !== "schedule") throw new Error(`leaf ${leaf} is no schedule`)
  return hexOf(encodeSchedule(entry.schedule))
}

/** What a schedule file is to put in force. */
const wantedBy = (text: string) => hexOf(encodeSchedule(publicSchedule(parseScheduleFile(text))))

async function classOf(served: Served, event: object): Promise<string> {
  const { json } = await ask(served, "v1/events", "writer", event)
  const entry = await entryAt(served, json.leaf_index as number)
  if (entry.type !== "event") throw new Error("no event was logged")
  return entry.className
}

const inForce = async (served: Served) =>
  (await served.request({ path: "v1/log" })).json.schedule as {
    leaf_index: number
    classes: object
    default: string
    rules: string
  }

const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

let place: Place
let running: Served[] = []
beforeEach(async () => {
  place = await makePlace()
})
afterEach(async () => {
  await Promise.all(running.map((served) => served.stop()))
  running = []
  await place.remove()
})
async function start(options?: Parameters<Place["serve"]>[0]): Promise<Served> {
  const served = await place.serve(options)
  running.push(served)
  return served
}
async function stop(): Promise<void> {
  await running.pop()?.stop()
}

describe("a new log", () => {
  it("has the template, and promises exactly that", async () => {
    const served = await start()
    expect(await readFile(place.schedulePath, "utf8")).toBe(SCHEDULE_TEMPLATE)
    expect((await stat(place.schedulePath)).mode & 0o777).toBe(0o600)
    expect(await scheduleAt(served, 0)).toBe(hexOf(encodeSchedule(DEFAULT_SCHEDULE)))
    expect(await inForce(served)).toEqual({
      leaf_index: 0,
      classes: DEFAULT_SCHEDULE.classes,
      default: "routine",
      rules: hexOf(DEFAULT_SCHEDULE.rules),
    })
  })

  it("promises from its first leaf what its own schedule.yaml says", async () => {
    const text = scheduleText(VIP, [VIP_RULE])
    await place.write(text)
    const served = await start()
    expect(await readFile(place.schedulePath, "utf8")).toBe(text)
    expect(await scheduleAt(served, 0)).toBe(wantedBy(text))
    expect(await classOf(served, anEvent({ user_id: "ceo-1" }))).toBe("vip")
    expect(await classOf(served, anEvent())).toBe("routine")
    expect(served.server.schedule).toEqual({ leafIndex: 0, hasFile: true, changes: [] })
  })

  it("is not made of a schedule.yaml that is none", async () => {
    await place.write("classes: {}\n")
    await expect(initFolder(place.dir)).rejects.toMatchObject({
      code: "ARCHIVE_BAD_SCHEDULE",
      message: expect.stringMatching(/^\/.*schedule\.yaml:1:10: /),
    })
    expect(await readdir(place.dir)).toEqual(["schedule.yaml"])
  })

  it("is not made where the file is gone before anything was promised", async () => {
    await initFolder(place.dir)
    await rm(place.schedulePath)
    await expect(start()).rejects.toMatchObject({ code: "SERVER_MALFORMED_FOLDER" })
    await place.write(SCHEDULE_TEMPLATE)
    expect((await inForce(await start())).leaf_index).toBe(0)
  })
})

describe("the start", () => {
  beforeEach(async () => {
    await start()
    await stop()
  })

  it.each([
    ["is no YAML", "classes: [", /schedule\.yaml:1:\d+: /, "ARCHIVE_BAD_SCHEDULE"],
    [
      "is not UTF-8",
      Buffer.from([0xff]),
      /schedule\.yaml:1:1: the file is not UTF-8/,
      "ARCHIVE_BAD_SCHEDULE",
    ],
    [
      "goes below its preset",
      scheduleText({ short: "{ hot: 30d, archive: 0 }" }).replace("# preset", "preset"),
      /schedule\.yaml:13:17: classes\.short\.hot: .*pci/,
      "ARCHIVE_BELOW_PRESET",
    ],
    [
      "shortens a promise",
      SCHEDULE_TEMPLATE.replace("hot: 5y", "hot: 4y"),
      /schedule\.yaml:14:3: classes\.high: the log has promised more/,
      "ARCHIVE_SHORTENS_PROMISE",
    ],
    [
      "drops a class",
      SCHEDULE_TEMPLATE.replace(/ {2}high: .*\n/, ""),
      /schedule\.yaml:\d+:\d+: classes: high is gone/,
      "ARCHIVE_SHORTENS_PROMISE",
    ],
  ])("is refused where the file %s, and logs nothing", async (_, text, words, code) => {
    await writeFile(place.schedulePath, text)
    await expect(start()).rejects.toMatchObject({ code, message: expect.stringMatching(words) })
    await place.write(SCHEDULE_TEMPLATE)
    const served = await start()
    expect(await served.storage.treeSize()).toBe(1)
  })

  it("commits what differs before any event, says what, and whose doing it was", async () => {
    const text = scheduleText(VIP, [VIP_RULE])
    await place.write(text)
    const served = await start()
    const changes = [
      "class vip is new: at hand 3653 days, kept 3653 days, destroyed on day 3683",
      "rules: others than before",
    ]
    expect(served.server.schedule).toEqual({ leafIndex: 1, hasFile: true, changes })
    expect(served.told.filter(({ level }) => level === "info")).toContainEqual({
      level: "info",
      words: { leaf: 1 },
    })
    expect(await scheduleAt(served, 1)).toBe(wantedBy(text))
    expect(await ownEvents(served)).toMatchObject([
      {
        leafIndex: 2,
        className: "audit",
        core: { action: "log.schedule", activity: "update", category: "admin", user_type: "system" },
        fields: { user_id: "server", resource_accessed: "schedule", attributes: { committed: true } },
      },
    ])
    expect(await classOf(served, anEvent({ user_id: "ceo-1" }))).toBe("vip")
    await stop()
    // The same file again changes nothing.
    const again = await start()
    expect(again.server.schedule).toEqual({ leafIndex: 1, hasFile: true, changes: [] })
    expect(await ownEvents(again)).toHaveLength(1)
  })

  it("takes other hot times without a word in the log: nobody was promised them", async () => {
    await place.write(SCHEDULE_TEMPLATE.replace("hot: 6mo, archive: 2y", "hot: 184, archive: 730"))
    const served = await start()
    expect(await served.storage.treeSize()).toBe(1)
    expect((await ask(served, "v1/schedule", "reader")).json).toMatchObject({
      classes: { routine: { hot_days: 184, keep_days: 914 } },
    })
  })

  it("goes on without a file, without rules, and says how to write one", async () => {
    await rm(place.schedulePath)
    const served = await start()
    expect(await inForce(served)).toMatchObject({ leaf_index: 0, classes: DEFAULT_SCHEDULE.classes })
    expect(served.server.schedule).toEqual({ leafIndex: 0, hasFile: false, changes: [] })
    expect(served.told).toContainEqual({
      level: "warn",
      words: expect.stringContaining("prooflog retention template > "),
    })
    expect(await classOf(served, anEvent())).toBe("routine")
    const { json } = await ask(served, "v1/schedule", "admin")
    expect(json).toMatchObject({ leaf_index: 0, classes: { routine: { keep_days: 914 } } })
    expect(JSON.stringify(json)).not.toMatch(/hot_days|presets|file|rules_text/)
    // What is written then is the log's.
    expect((await putSchedule(served, scheduleText(VIP))).json).toMatchObject({ committed: true })
    expect(await readFile(place.schedulePath, "utf8")).toBe(scheduleText(VIP))
  })

  it("is refused without the file whose rules are in force", async () => {
    await place.write(scheduleText({}, [VIP_RULE.replace("vip", "high")]))
    await start()
    await stop()
    await rm(place.schedulePath)
    await expect(start()).rejects.toMatchObject({
      code: "SERVER_MALFORMED_FOLDER",
      message: expect.stringContaining("put it back"),
    })
  })
})

describe("GET v1/schedule", () => {
  const text = `# for dr.lindqvist\n${scheduleText(VIP, [VIP_RULE])}`

  it("shows readers classes and days, and rules to auditors and admins alone", async () => {
    await place.write(text)
    const served = await start()
    const shown = {
      leaf_index: 0,
      classes: expect.objectContaining({
        vip: { hot_days: 3653, keep_days: 3653, destroy_days: 3683 },
        routine: { hot_days: 183, keep_days: 914, destroy_days: 944 },
      }),
      default: "routine",
      rules: hexOf(publicSchedule(parseScheduleFile(text)).rules),
      presets: [],
    }
    expect((await ask(served, "v1/schedule", "reader")).json).toEqual(shown)
    for (const key of ["auditor", "admin"] as const) {
      const { json } = await ask(served, "v1/schedule", key)
      expect(json).toEqual({
        ...shown,
        file: text,
        rules_text: formatRules(parseScheduleFile(text).rules),
      })
      expect(hexOf(sha256(Buffer.from(json.rules_text as string)))).toBe(json.rules)
    }
    expect((await served.request({ path: "v1/log" })).body.toString()).not.toMatch(/ceo|lindqvist/)
    expect((await ask(served, "v1/schedule", "writer")).status).toBe(403)
    expect((await served.request({ path: "v1/schedule" })).status).toBe(401)
  })

  it("says which preset lengthened a class", async () => {
    await place.write(scheduleText({ brief: "{ hot: 92 }" }).replace("# preset", "preset"))
    const { json } = await ask(await start(), "v1/schedule", "reader")
    expect(json).toMatchObject({
      presets: ["pci"],
      classes: { brief: { hot_days: 92, keep_days: 366, destroy_days: 396, raised_by: "pci" } },
    })
  })
})

describe("PUT v1/schedule", () => {
  it("puts a file in force at once, for small bodies and large, and in the folder", async () => {
    const served = await start()
    // Both ways of preparing have begun with the rules before.
    const large = Array.from({ length: 200 }, () => anEvent({ user_id: "ceo-1" }))
    await ask(served, "v1/events", "writer", large)
    expect(await classOf(served, anEvent({ user_id: "ceo-1" }))).toBe("routine")
    const text = scheduleText(VIP, [VIP_RULE])
    const put = await putSchedule(served, text)
    expect({ status: put.status, ...put.json }).toMatchObject({
      status: 200,
      committed: true,
      leaf_index: 202,
      file: text,
      changes: [expect.stringMatching(/^class vip is new/), "rules: others than before"],
    })
    expect(await readFile(place.schedulePath, "utf8")).toBe(text)
    expect(await classOf(served, anEvent({ user_id: "ceo-1" }))).toBe("vip")
    const { results } = (await ask(served, "v1/events", "writer", large.slice(0, 40))).json as {
      results: { leaf_index: number }[]
    }
    const body = JSON.stringify(large.slice(0, 40))
    expect(body.length).toBeLessThan(16 * 1024)
    const wide = large.slice(0, 1).map((event) => ({ ...event, raw: "x".repeat(20_000) }))
    const there = (await ask(served, "v1/events", "writer", wide)).json as {
      results: { leaf_index: number }[]
    }
    for (const { leaf_index } of [...results.slice(0, 1), ...there.results]) {
      expect(await entryAt(served, leaf_index)).toMatchObject({ className: "vip" })
    }
    expect((await inForce(served)).leaf_index).toBe(202)
    expect((await ownEvents(served)).at(-1)).toMatchObject({
      leafIndex: 203,
      core: { action: "log.schedule", result: "success", user_type: "api_key" },
      fields: { user_id: `key:${served.keys.admin.slice(3, 11)}`, attributes: { committed: true } },
    })
    await stop()
    const again = await start()
    expect(again.server.schedule).toEqual({ leafIndex: 202, hasFile: true, changes: [] })
    expect(await classOf(again, anEvent({ user_id: "ceo-2" }))).toBe("vip")
  })

  it("logs no schedule where only what is not promised changes, but who did it", async () => {
    const served = await start()
    const text = SCHEDULE_TEMPLATE.replace("hot: 6mo, archive: 2y", "hot: 184, archive: 730")
    const { json } = await putSchedule(served, text)
    expect(json).toMatchObject({
      committed: false,
      leaf_index: 0,
      changes: ["class routine: at hand 184 days instead of 183"],
    })
    expect(await served.storage.treeSize()).toBe(2)
    expect(await ownEvents(served)).toMatchObject([{ fields: { attributes: { committed: false } } }])
  })

  it.each([
    ["no YAML", "a: [", { code: "ARCHIVE_BAD_SCHEDULE", line: 1, column: expect.any(Number) }],
    [
      "a rule of no class",
      scheduleText({}, ['{ class: nobody, user_id: "x" }']),
      { code: "ARCHIVE_BAD_SCHEDULE", line: 26, column: 14 },
    ],
    [
      "less than was promised",
      SCHEDULE_TEMPLATE.replace("hot: 5y", "hot: 4y"),
      { code: "ARCHIVE_SHORTENS_PROMISE", line: 14, column: 3 },
    ],
  ])("is refused with line and column for %s, and changes nothing", async (_, text, problem) => {
    const served = await start()
    const got = await putSchedule(served, text)
    expect({ status: got.status, ...got.json }).toMatchObject({ status: 422, ...problem })
    expect(got.headers["content-type"]).toBe("application/problem+json")
    expect(got.json.detail).toMatch(new RegExp(`^schedule\\.yaml:${got.json.line}:${got.json.column}: `))
    expect(await readFile(place.schedulePath, "utf8")).toBe(SCHEDULE_TEMPLATE)
    expect(await inForce(served)).toMatchObject({ leaf_index: 0 })
    expect(await ownEvents(served)).toMatchObject([
      { core: { action: "log.schedule", result: "failure", error_code: got.json.code } },
    ])
    expect(await served.storage.treeSize()).toBe(2)
  })

  it.each([
    ["a reader", "reader", 403],
    ["an auditor", "auditor", 403],
    ["a writer", "writer", 403],
  ] as const)("is not for %s", async (_, key, status) => {
    const served = await start()
    expect((await putSchedule(served, scheduleText(VIP), key as KeyName)).status).toBe(status)
    expect(await served.storage.treeSize()).toBe(1)
  })

  it("is not for what says it is something else, nor for what is no text", async () => {
    const served = await start()
    const put = (type: string, body: string | Uint8Array): Promise<Got> =>
      served.request({ method: "PUT", path: "v1/schedule", key: served.keys.admin, type, body })
    expect((await put("application/json", "{}")).json.code).toBe("SERVER_UNSUPPORTED_MEDIA_TYPE")
    expect((await put("application/yaml", Buffer.from([0xff]))).json.code).toBe("SERVER_MALFORMED_UTF8")
    expect((await put("application/yaml", "#".repeat(5 * 1024 * 1024))).json.code).toBe(
      "SERVER_BODY_TOO_LARGE",
    )
    expect((await put("text/yaml; charset=utf-8", scheduleText(VIP))).status).toBe(200)
  })

  it("takes one after the other, and none of them is lost", async () => {
    const served = await start()
    const names = ["a", "b", "c", "d", "e"]
    const texts = names.map((_, i) =>
      scheduleText(Object.fromEntries(names.slice(0, i + 1).map((name) => [name, "{ hot: 1d }"]))),
    )
    const got = await Promise.all(texts.map((text) => putSchedule(served, text)))
    // Whoever came behind one with more classes would have taken some away.
    for (const { status } of got) expect([200, 422]).toContain(status)
    const { leaf_index, classes } = await inForce(served)
    const last = got.filter(({ status }) => status === 200).at(-1)
    expect(last?.json.leaf_index).toBe(leaf_index)
    const file = parseScheduleFile(await readFile(place.schedulePath, "utf8"))
    expect(publicSchedule(file).classes).toEqual(classes)
    await audited(served.server.url, served.server.folder.policyPath, await served.storage.treeSize())
  })
})

describe("a schedule between file and entry", () => {
  it("is not waited for where a killed server left its draft", async () => {
    await start()
    await stop()
    for (const path of [place.schedulePath, place.promisesPath]) await writeFile(`${path}.new`, "half")
    const served = await start()
    expect((await putSchedule(served, scheduleText(VIP))).status).toBe(200)
    expect(served.told.filter(({ words }) => String(words).includes("note"))).toEqual([])
  })

  it("is wanted, not in force, and committed by the next start", async () => {
    const disk = disappearingDisk()
    const served = await start({ wrap: disk.wrap })
    const text = scheduleText(VIP, [VIP_RULE])
    disk.fail()
    const got = await putSchedule(served, text)
    expect({ status: got.status, code: got.json.code }).toEqual({ status: 503, code: "LEDGER_POISONED" })
    expect(await readFile(place.schedulePath, "utf8")).toBe(text)
    expect(await inForce(served)).toMatchObject({ leaf_index: 0, classes: DEFAULT_SCHEDULE.classes })
    expect((await ask(served, "v1/schedule", "admin")).json.file).toBe(SCHEDULE_TEMPLATE)
    await stop()
    const again = await start()
    expect(again.server.schedule).toMatchObject({ leafIndex: 1, hasFile: true })
    expect(await classOf(again, anEvent({ user_id: "ceo-1" }))).toBe("vip")
    const { schedules } = await audited(again.server.url, again.server.folder.policyPath, 4)
    expect(schedules).toEqual([0, 1])
  })

  it("is refused by the next start if an older file comes back that keeps less", async () => {
    await start()
    expect((await putSchedule(running[0] as Served, scheduleText(VIP))).status).toBe(200)
    await stop()
    await place.write(SCHEDULE_TEMPLATE)
    await expect(start()).rejects.toMatchObject({
      code: "ARCHIVE_SHORTENS_PROMISE",
      message: expect.stringContaining("vip is gone"),
    })
  })
})

describe("the OpenAPI document", () => {
  let paths: Record<string, Record<string, { requestBody?: object; security?: object }>>
  beforeAll(async () => {
    const at = await makePlace()
    const served = await at.serve()
    paths = (await served.request({ path: "openapi.json" })).json.paths as typeof paths
    await served.stop()
    await at.remove()
  })
  afterAll(() => {})

  it("has both ways of the schedule", () => {
    expect(Object.keys(paths["/v1/schedule"] ?? {}).sort()).toEqual(["get", "put"])
    expect(paths["/v1/schedule"]?.get?.security).toEqual([{ key: ["reader"] }])
    expect(paths["/v1/schedule"]?.put?.security).toEqual([{ key: ["admin"] }])
    expect(paths["/v1/schedule"]?.put?.requestBody).toMatchObject({ content: { "application/yaml": {} } })
  })
})
