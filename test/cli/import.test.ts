/**
 * Importing is idempotent: whatever happens in between, the log ends with each event once.
 */

import { randomBytes } from "node:crypto"
import { existsSync } from "node:fs"
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { startLog, temporaryFolder } from "../running-log.js"
import { prooflog } from "./prooflog.js"

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let log: Awaited<ReturnType<typeof startLog>>

const at = (name: string) => join(folder.path, name)

beforeAll(async () => {
  folder = await temporaryFolder()
})
afterAll(() => folder.remove())
beforeEach(async () => {
  log = await startLog()
})
afterEach(() => log.close())

function line(n: number): string {
  const time = new Date(1_456_000_000_000 + n * 1000).toISOString()
  const clock = `${time.slice(8, 10)}/Feb/2016:${time.slice(11, 19)} +0000`
  return `203.0.113.${n % 250} - - [${clock}] "GET /page/${n} HTTP/1.1" ${n % 7 === 0 ? 404 : 200} ${n} "-" "test"`
}

const lines = (count: number) => Array.from({ length: count }, (_, n) => line(n % 1000))

async function imported(file: string, format: string, options: Parameters<typeof prooflog>[1] = {}) {
  const env = { PROOFLOG_URL: log.url, PROOFLOG_KEY: log.writerKey, ...options.env }
  const run = await prooflog(["import", file, "--format", format, "--json"], { ...options, env })
  if (run.code !== 0) throw new Error(`exit code ${run.code}: ${run.err}`)
  const { accepted, duplicates, rejected } = JSON.parse(run.out)
  return { accepted, duplicates, rejected }
}

async function treeSize(): Promise<number> {
  const { signed } = (await (await fetch(`${log.url}v1/log`)).json()) as { signed: { tree_size: number } }
  return signed.tree_size
}

describe("an import", () => {
  it("adds every line, those that repeat too, notes the bad ones, and adds nothing the second time", async () => {
    const file = at("access.log")
    const future = line(1).replace("2016", "2099")
    await writeFile(file, [...lines(1500), "no log line", "", future, line(3)].join("\n"))
    const counts = { accepted: 1501, duplicates: 0, rejected: 2 }
    expect(await imported(file, "combined")).toEqual(counts)
    const rejects = (await readFile(`${file}.rejects.ndjson`, "utf8"))
      .trimEnd()
      .split("\n")
      .map((each) => JSON.parse(each))
    expect(rejects.sort((a, b) => a.line - b.line)).toEqual([
      { line: 1501, code: "EVENT_UNMAPPABLE", reason: expect.stringContaining("column") },
      { line: 1503, code: "future_timestamp", reason: expect.any(String), pointer: "/timestamp" },
    ])
    expect(await imported(file, "combined")).toEqual({ accepted: 0, duplicates: 1501, rejected: 2 })
    // One leaf is the log's own.
    await expect.poll(treeSize).toBe(1502)
  })

  it("never takes away what it imports", async () => {
    const file = at("precious.log")
    await writeFile(file, lines(3).join("\n"))
    const env = { PROOFLOG_URL: log.url, PROOFLOG_KEY: log.writerKey }
    const args = ["import", file, "--format", "combined", "--rejects", file]
    expect(await prooflog(args, { env })).toMatchObject({ code: 2, out: "" })
    expect(await readFile(file, "utf8")).toBe(lines(3).join("\n"))
  })

  it("does not call it done when nothing could be taken", async () => {
    const file = at("other-format.log")
    await writeFile(file, lines(3).join("\n"))
    const env = { PROOFLOG_URL: log.url, PROOFLOG_KEY: log.writerKey }
    const { code, out, err } = await prooflog(["import", file, "--format", "k8s", "--json"], { env })
    expect(code).toBe(2)
    expect(JSON.parse(out)).toMatchObject({ accepted: 0, duplicates: 0, rejected: 3 })
    expect(err).toContain("is it really k8s?")
  })

  it("counts what was taken of a file that is cut off", async () => {
    const file = at("cut.gz")
    // Bytes that do not pack well, so that some of it is read before the end is missed.
    const noisy = Array.from({ length: 9000 }, (_, n) =>
      line(n).replace("test", randomBytes(100).toString("hex")),
    )
    await writeFile(file, gzipSync(noisy.join("\n")).subarray(0, -1000))
    const env = { PROOFLOG_URL: log.url, PROOFLOG_KEY: log.writerKey }
    const { code, out, err } = await prooflog(["import", file, "--format", "combined"], { env })
    expect({ code, out }).toEqual({ code: 2, out: "" })
    expect(err).toContain("its end is missing")
    const [, logged = ""] = /^([\d,]+) events in the log so far; run it again/m.exec(err) ?? []
    await expect.poll(treeSize).toBe(Number(logged.replace(",", "")) + 1)
  })

  it("knows a file again when it is gzipped, or grew", async () => {
    const file = at("growing.log")
    await writeFile(file, `${lines(300).join("\n")}\n`)
    expect(await imported(file, "combined")).toEqual({ accepted: 300, duplicates: 0, rejected: 0 })
    await writeFile(at("packed"), gzipSync(`${lines(400).join("\n")}\n`))
    expect(await imported(at("packed"), "combined")).toEqual({ accepted: 100, duplicates: 300, rejected: 0 })
    expect(existsSync(`${at("packed")}.rejects.ndjson`)).toBe(false)
  })

  it("goes on where it was killed", async () => {
    const file = at("killed.log")
    await writeFile(file, Array.from({ length: 12_000 }, (_, n) => line(n)).join("\n"))
    const env = { PROOFLOG_URL: log.url, PROOFLOG_KEY: log.writerKey }
    const killed = await prooflog(["import", file, "--format", "combined"], {
      env,
      during: (child) => void killAfter(child, 2000),
    })
    expect(killed.code).toBe(null)
    const before = await treeSize()
    expect(before).toBeLessThan(12_001)
    const { accepted, duplicates, rejected } = await imported(file, "combined")
    expect([accepted + duplicates, rejected]).toEqual([12_000, 0])
    expect(duplicates).toBeGreaterThanOrEqual(1999)
    await expect.poll(treeSize).toBe(12_001)
  })

  /** Kills the import as soon as the log holds so many leaves. */
  async function killAfter(child: { kill(signal: "SIGKILL"): boolean }, leaves: number): Promise<void> {
    while ((await treeSize()) < leaves) await new Promise((resolve) => setTimeout(resolve, 5))
    child.kill("SIGKILL")
  }

  it("takes NDJSON with and without ids, CloudTrail folders and Kubernetes audit lines", async () => {
    const event = {
      timestamp: "2024-05-01T10:00:00Z",
      user_id: "ada",
      resource_accessed: "/a",
      result: "success",
    }
    const same = { ...event, event_id: "e-1" }
    const other = { ...same, result: "denied" }
    await writeFile(
      at("events.ndjson"),
      [event, same, event, other].map((each) => JSON.stringify(each)).join("\n"),
    )
    expect(await imported(at("events.ndjson"), "ndjson")).toEqual({ accepted: 3, duplicates: 0, rejected: 1 })
    expect(await readFile(at("events.ndjson.rejects.ndjson"), "utf8")).toContain(
      '"line":4,"code":"SERVER_CONFLICT"',
    )

    const record = {
      eventTime: "2023-07-10T11:42:36Z",
      eventSource: "s3.amazonaws.com",
      eventName: "GetObject",
    }
    await mkdir(at("trail"))
    for (const id of ["a", "b"]) {
      const Records = [
        { ...record, eventID: id },
        { ...record, eventID: "shared" },
      ]
      await writeFile(join(at("trail"), `${id}.json.gz`), gzipSync(JSON.stringify({ Records })))
    }
    expect(await imported(at("trail"), "cloudtrail")).toEqual({ accepted: 3, duplicates: 1, rejected: 0 })

    const audit = {
      kind: "Event",
      auditID: "a",
      verb: "get",
      requestURI: "/healthz",
      user: { username: "ada" },
    }
    const stages = ["RequestReceived", "ResponseComplete"].map((stage) => ({
      ...audit,
      stage,
      stageTimestamp: event.timestamp,
    }))
    await writeFile(at("audit.ndjson"), stages.map((each) => JSON.stringify(each)).join("\n"))
    expect(await imported(at("audit.ndjson"), "k8s")).toEqual({ accepted: 2, duplicates: 0, rejected: 0 })
  })

  it("reads lines of sshd, which write neither year nor zone, and takes neither for granted", async () => {
    const file = at("auth.log")
    const failed = "Mar 27 13:08:09 h sshd[1]: Failed password for ada from 192.0.2.1 port 22 ssh2"
    await writeFile(file, `${failed}\n${failed}\nMar 27 13:09:00 h CRON[2]: x\n`)
    const env = { PROOFLOG_URL: log.url, PROOFLOG_KEY: log.writerKey }
    const run = (...flags: string[]) => prooflog(["import", file, "--json", ...flags], { env })
    const good = await run("--format", "sshd", "--year", "2017", "--zone", "+00:00")
    expect(JSON.parse(good.out)).toMatchObject({ accepted: 2, duplicates: 0, rejected: 1 })
    const again = await run("--format", "sshd", "--year", "2017", "--zone", "+00:00")
    expect(JSON.parse(again.out)).toMatchObject({ accepted: 0, duplicates: 2, rejected: 1 })
    for (const [flags, message] of [
      [["--format", "sshd"], "--format sshd needs --year and --zone, as --year 2017 --zone +00:00"],
      [["--format", "sshd", "--year", "2017"], "--format sshd needs --year and --zone"],
      [["--format", "combined", "--year", "2017"], "combined has times of its own"],
      [["--format", "sshd", "--year", "17", "--zone", "Z"], "--year is a year such as 2017"],
      [["--format", "sshd", "--year", "2017", "--zone", "CET"], "--zone is Z or a form like +02:00"],
    ] as const) {
      const { code, err } = await run(...flags)
      expect([code, err]).toEqual([2, expect.stringContaining(message)])
    }
  })

  it("says on stderr how far it is, and sums up for people on stdout", async () => {
    const file = at("words.log")
    await writeFile(file, [...lines(20), "bad"].join("\n"))
    const env = { PROOFLOG_URL: log.url, PROOFLOG_KEY: log.writerKey }
    const { code, out } = await prooflog(["import", file, "--format", "combined", "--rejects", at("noted")], {
      env,
    })
    expect(code).toBe(0)
    expect(out).toMatch(/^20 events accepted, in .+\n1 rejected: see .*noted\n$/)
    expect(existsSync(at("noted"))).toBe(true)
  })
})

describe("an import through a network that fails", () => {
  let proxy: Server
  afterEach(() => void proxy.close())

  /** A server before the log that fails at first: once busy, twice gone with the answer on its way. */
  async function failingFirst(): Promise<string> {
    let posts = 0
    proxy = createServer(async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      const isPost = request.method === "POST"
      posts += isPost ? 1 : 0
      if (isPost && posts === 1) {
        response.writeHead(503, { "retry-after": "0" }).end()
        return
      }
      const { authorization = "", "content-type": type = "" } = request.headers
      const answer = await fetch(new URL(request.url ?? "", log.url), {
        method: request.method ?? "GET",
        headers: { authorization, ...(type && { "content-type": type }) },
        ...(isPost && { body: Buffer.concat(chunks) }),
      })
      const body = Buffer.from(await answer.arrayBuffer())
      if (isPost && posts === 2) request.socket.destroy()
      else if (isPost && posts === 3) {
        response.writeHead(answer.status, { "content-length": body.length })
        response.write(body.subarray(0, 100), () => request.socket.destroy())
      } else response.writeHead(answer.status, { "content-type": "application/json" }).end(body)
    })
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve))
    return `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/`
  }

  it("waits for a busy server, sends again what was lost, and logs nothing twice", async () => {
    const file = at("unlucky.log")
    await writeFile(file, lines(500).join("\n"))
    const counts = await imported(file, "combined", { env: { PROOFLOG_URL: await failingFirst() } })
    // The answers to the second try and the third were lost, so the fourth is told that all of it is there.
    expect(counts).toEqual({ accepted: 0, duplicates: 500, rejected: 0 })
    await expect.poll(treeSize).toBe(501)
  })
})
