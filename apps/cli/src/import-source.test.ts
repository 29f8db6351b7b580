import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import type { SyslogTime } from "@prooflog/event/from/sshd"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { Format } from "./import-format.js"
import { type Item, openImport } from "./import-source.js"
import { lineNamer } from "./lines.js"

let dir = ""

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "prooflog-import-"))
})
afterAll(() => rm(dir, { recursive: true }))

async function itemsOf(format: Format, content: string | Buffer, name = "file"): Promise<Item[]> {
  const path = join(dir, name)
  await writeFile(path, content)
  return await allOf(path, format)
}

async function allOf(path: string, format: Format, time?: SyslogTime): Promise<Item[]> {
  const source = await openImport(path, format, time)
  const items: Item[] = []
  for await (const some of source.items) items.push(...some)
  expect(source.share()).toBe(1)
  return items
}

const LINE = '203.0.113.7 - - [20/Feb/2016:00:00:45 -0500] "GET / HTTP/1.1" 200 187 "-" "curl"'

const RECORD = {
  eventTime: "2023-07-10T11:42:36Z",
  eventSource: "s3.amazonaws.com",
  eventName: "GetObject",
  eventID: "e-1",
}

const AUDIT = {
  kind: "Event",
  auditID: "a-1",
  stage: "ResponseComplete",
  verb: "get",
  requestURI: "/healthz",
  user: { username: "ada" },
  stageTimestamp: "2024-05-01T10:00:00Z",
}

describe("an import of combined lines", () => {
  it("names each line by its place, so that equal lines are two events", async () => {
    const items = await itemsOf("combined", `${LINE}\n${LINE}\n`)
    const name = lineNamer(Buffer.from(LINE))
    expect(items.map((item) => "event" in item && item.event.event_id)).toEqual([
      name(0),
      name(LINE.length + 1),
    ])
  })

  it("names lines after the first that is not empty: many files begin with an empty one", async () => {
    const items = await itemsOf("combined", `\n${LINE}\n`)
    expect(items).toMatchObject([
      { place: { line: 2 }, event: { event_id: lineNamer(Buffer.from(LINE))(1) } },
    ])
  })

  it("gives the same names gzipped", async () => {
    const plain = await itemsOf("combined", `${LINE}\n${LINE}\n`)
    expect(await itemsOf("combined", gzipSync(`${LINE}\n${LINE}\n`))).toEqual(plain)
  })

  it("notes a bad line with its number, and passes over empty ones", async () => {
    const items = await itemsOf("combined", `${LINE}\n\nno log line\n${LINE}`)
    expect(items.map((item) => [item.place.line, "event" in item])).toEqual([
      [1, true],
      [3, false],
      [4, true],
    ])
    expect(items[1]).toMatchObject({
      problem: { code: "EVENT_UNMAPPABLE", message: expect.stringMatching(/^column \d+/) },
    })
  })

  it("escapes bytes that are not UTF-8 as servers do, and keeps those that are", async () => {
    const line = Buffer.concat([
      Buffer.from(LINE.slice(0, -1)),
      Buffer.from([0xff, 0x20, 0xc3, 0xa9, 0xc3]),
      Buffer.from('"'),
    ])
    const [item] = await itemsOf("combined", line)
    expect(item).toMatchObject({ event: { user_agent: String.raw`curl\xFF é\xC3` } })
  })
})

describe("an import of NDJSON", () => {
  it("leaves an event its own id, and names one that has none", async () => {
    const items = await itemsOf("ndjson", '{"event_id":"mine"}\n{"user_id":"ada"}\n{"event_id":null}\n')
    const ids = items.map((item) => "event" in item && item.event.event_id)
    expect(ids).toEqual(["mine", expect.stringMatching(/^f:[0-9a-f]{32}$/), expect.stringMatching(/^f:/)])
  })

  it("notes a line that is not JSON, no object or not UTF-8", async () => {
    const items = await itemsOf("ndjson", Buffer.from('{"a":\n[]\n{"a":"\xff"}\n', "latin1"))
    expect(items.map((item) => "problem" in item && item.problem.code)).toEqual([
      "EVENT_MALFORMED_JSON",
      "EVENT_UNMAPPABLE",
      "CLI_FILE",
    ])
  })
})

describe("an import of Kubernetes audit lines", () => {
  it("takes events and lists of them", async () => {
    const list = { kind: "EventList", items: [AUDIT, { ...AUDIT, stage: "RequestReceived" }] }
    const items = await itemsOf("k8s", `${JSON.stringify(AUDIT)}\n${JSON.stringify(list)}\n`)
    expect(items.map((item) => "event" in item && item.event.event_id)).toEqual([
      "a-1:ResponseComplete",
      "a-1:ResponseComplete",
      "a-1:RequestReceived",
    ])
  })

  it("takes what nests deeper than our own events may", async () => {
    const deep = JSON.parse(`${"[".repeat(50)}${"]".repeat(50)}`)
    const [item] = await itemsOf("k8s", JSON.stringify({ ...AUDIT, requestObject: deep }))
    expect(item).toHaveProperty("event")
  })

  it("says where a line is no JSON", async () => {
    const [item] = await itemsOf("k8s", '{"kind": Event}')
    expect(item).toMatchObject({
      problem: { code: "EVENT_MALFORMED_JSON", message: expect.stringMatching(/^column/) },
    })
  })
})

describe("an import of CloudTrail", () => {
  it("takes a file, or every file of a folder in the order of names", async () => {
    const file = (...ids: string[]) =>
      JSON.stringify({ Records: ids.map((eventID) => ({ ...RECORD, eventID })) })
    expect((await itemsOf("cloudtrail", file("a", "b"))).length).toBe(2)
    const folder = join(dir, "trail")
    await mkdir(join(folder, "2023"), { recursive: true })
    await writeFile(join(folder, "2.json"), file("c"))
    await writeFile(join(folder, "1.json"), file("a", "b"))
    await writeFile(join(folder, "2023", "3.json.gz"), gzipSync(file("d")))
    await writeFile(join(folder, "3.json"), "{")
    await writeFile(join(folder, "notes.txt"), "no log")
    const items = await allOf(folder, "cloudtrail")
    expect(items.map((item) => ("event" in item ? item.event.event_id : item.problem.code))).toEqual([
      "a",
      "b",
      "c",
      "d",
      "EVENT_MALFORMED_JSON",
    ])
    expect(items[4]?.place).toEqual({ file: join(folder, "3.json") })
    expect(items[1]?.place).toEqual({ file: join(folder, "1.json"), record: 1 })
  })

  it("notes a bad record with its number", async () => {
    const items = await itemsOf("cloudtrail", JSON.stringify({ Records: [RECORD, {}, RECORD] }))
    expect(items[1]).toMatchObject({ place: { record: 1 }, problem: { code: "EVENT_UNMAPPABLE" } })
    expect(items.length).toBe(3)
  })

  it("does not pass over a file that was asked for and is none", async () => {
    await expect(itemsOf("cloudtrail", "{}")).rejects.toMatchObject({
      code: "CLI_FILE",
      message: expect.stringMatching(/file is no CloudTrail file: /),
    })
    await mkdir(join(dir, "empty"))
    await expect(allOf(join(dir, "empty"), "cloudtrail")).rejects.toMatchObject({ code: "CLI_FILE" })
  })
})

describe("an import of lines of sshd", () => {
  const SSHD = "Dec 31 23:59:59 h sshd[1]: Failed password for ada from 192.0.2.1 port 22 ssh2"
  const NEXT = "Jan  1 00:00:01 h sshd[2]: Accepted password for ada from 192.0.2.1 port 22 ssh2"

  it("needs a year and a zone, and counts the years from there", async () => {
    const path = join(dir, "auth.log")
    await writeFile(path, `${SSHD}\nDec 31 23:59:59 h CRON[3]: x\n${NEXT}\n`)
    await expect(openImport(path, "sshd")).rejects.toThrow("lines of sshd need a year and a zone")
    const items = await allOf(path, "sshd", { year: 2017, zone: "+01:00" })
    const name = lineNamer(Buffer.from(SSHD))
    expect(items).toMatchObject([
      { place: { line: 1 }, event: { timestamp: "2017-12-31T23:59:59+01:00", event_id: name(0) } },
      {
        place: { line: 2 },
        problem: { code: "EVENT_UNMAPPABLE", message: expect.stringMatching(/^column 19: /) },
      },
      { place: { line: 3 }, event: { timestamp: "2018-01-01T00:00:01+01:00", result: "success" } },
    ])
  })

  it("writes bytes that are no UTF-8 as such", async () => {
    const path = join(dir, "bytes.log")
    await writeFile(path, Buffer.from(SSHD.replace("ada", "ad\xE9"), "latin1"))
    const items = await allOf(path, "sshd", { year: 2017, zone: "Z" })
    expect(items).toMatchObject([{ event: { user_id: "ad\\xE9" } }])
  })
})
