import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createSignerKey, ED25519, formatVerifierKey, verifierKeyOf } from "@prooflog/tlog/key"
import { afterEach, describe, expect, it, vi } from "vitest"
import {
  type Client,
  type ClientOptions,
  type ClientStats,
  createClient,
  type RecordedEvent,
} from "./client.js"
import { answerJson, type FakeServer, logLine, problem, type Step, startFakeServer } from "./fake-server.js"

const EVENT: RecordedEvent = { user_id: "U12345", resource_accessed: "/secure-data", result: "success" }

const LOG_KEY = verifierKeyOf(createSignerKey("log.example", new Uint8Array(32), ED25519))
const POLICY = `log ${formatVerifierKey(LOG_KEY)}\n`

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function setUp(script: Step[] = [], options: Partial<ClientOptions> = {}) {
  const server = await startFakeServer(script)
  const client = open(server, options)
  cleanups.unshift(() => server.close())
  return { server, client }
}

function open(server: FakeServer, options: Partial<ClientOptions> = {}): Client {
  const client = createClient({
    url: server.url,
    key: "key",
    flushEveryMs: 5,
    random: () => 0.02,
    ...options,
  })
  cleanups.push(() => client.close({ timeoutMs: 0 }))
  return client
}

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "prooflog-client-"))
  cleanups.unshift(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function recordMany(client: Client, count: number): void {
  for (let i = 0; i < count; i++) client.record({ ...EVENT, request_id: `r${i}` })
}

/** Every event is in exactly one place. */
function expectBalance(stats: ClientStats): void {
  const { recorded, recovered, accepted, duplicates, rejected, dropped, pending } = stats
  expect(accepted + duplicates + rejected + dropped + pending).toBe(recorded + recovered)
}

const idsOf = (lines: readonly string[]) =>
  lines.map((line) => (JSON.parse(line) as { event_id: string }).event_id)

describe("record", () => {
  it("sends events in batches, each under an identifier of its own", async () => {
    const { server, client } = await setUp()
    recordMany(client, 2500)
    const stats = await client.flush()
    expect(stats).toMatchObject({ recorded: 2500, accepted: 2500, pending: 0, failures: 0 })
    expect(server.requests.map(({ lines }) => lines.length)).toEqual([1000, 1000, 500])
    expect(server.leaves.size).toBe(2500)
    expect([...server.leaves.keys()][0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/)
    expectBalance(stats)
  })

  it("never makes a batch of more than a megabyte", async () => {
    const { server, client } = await setUp([], { queueBytes: 64 << 20 })
    for (let i = 0; i < 40; i++) client.record({ ...EVENT, raw: "x".repeat(60_000) })
    await client.flush()
    expect(server.leaves.size).toBe(40)
    for (const { lines } of server.requests) expect(lines.join("\n").length).toBeLessThanOrEqual(1 << 20)
  })

  it("returns nothing and throws nothing, whatever it is given", async () => {
    const drops: string[] = []
    const { client } = await setUp([], { onDrop: ({ reason }) => drops.push(reason) })
    const hostile: unknown[] = [
      undefined,
      null,
      1n,
      Symbol("x"),
      new Proxy({}, { ownKeys: () => [][0] as never }),
    ]
    for (const event of hostile) expect(client.record(event as RecordedEvent)).toBeUndefined()
    expect(drops).toEqual(Array(5).fill("unreadable"))
    expect(client.stats().droppedBy.unreadable).toBe(5)
  })

  it("does not wait for anything: a thousand events are taken while the server hangs", async () => {
    const { client } = await setUp([() => {}])
    recordMany(client, 1000)
    expect(client.stats()).toMatchObject({ recorded: 1000, pending: 1000, dropped: 0 })
  })

  it("drops the newest when the queue is full, and says which and why", async () => {
    const drops: unknown[] = []
    const { client } = await setUp([() => {}], { queueSize: 3, onDrop: (drop) => drops.push(drop) })
    recordMany(client, 5)
    expect(client.stats().droppedBy.queue_full).toBe(2)
    expect(drops[0]).toMatchObject({
      reason: "queue_full",
      eventId: expect.any(String),
      event: expect.stringContaining("r3"),
    })
    expectBalance(client.stats())
  })

  it("drops what comes after close", async () => {
    const { client } = await setUp()
    await client.close()
    client.record(EVENT)
    expect(client.stats()).toMatchObject({ recorded: 1, dropped: 1, droppedBy: { closed: 1 } })
  })

  it("is not harmed by callbacks that throw, at once or later", async () => {
    const callback = () => {
      throw new Error("the user's own")
    }
    const later = async () => callback()
    const { client } = await setUp([problem(500, "SERVER_BUG"), problem(422, "missing_field")], {
      onDrop: callback,
      onError: later,
      onReject: later,
    })
    client.record(undefined as never)
    client.record(EVENT)
    const stats = await client.flush()
    expect(stats).toMatchObject({ dropped: 1, failures: 1, rejected: 1 })
  })
})

describe("retries", () => {
  const failures: [why: string, step: Step, code: string][] = [
    ["500", problem(500, "SERVER_BUG"), "CLIENT_SERVER_FAILED"],
    ["503", problem(503, "SERVER_BUSY"), "CLIENT_SERVER_BUSY"],
    ["429", problem(429, "SERVER_BUSY"), "CLIENT_SERVER_BUSY"],
    ["401", problem(401, "SERVER_UNKNOWN_KEY"), "CLIENT_NOT_ALLOWED"],
    ["403", problem(403, "SERVER_WRONG_ROLE"), "CLIENT_NOT_ALLOWED"],
    ["404 of something else", (_req, res) => res.writeHead(404).end("not here"), "CLIENT_NOT_ALLOWED"],
    ["400 of a proxy", (_req, res) => res.writeHead(400).end("<html>"), "CLIENT_NOT_ALLOWED"],
    ["a redirect", (_req, res) => res.writeHead(302, { location: "/elsewhere" }).end(), "CLIENT_NOT_ALLOWED"],
    ["a reset connection", (req) => req.socket.destroy(), "CLIENT_NO_ANSWER"],
    ["a body cut short", (_req, res) => cutShort(res), "CLIENT_NO_ANSWER"],
    ["200 that is no JSON", (_req, res) => res.end("ok"), "CLIENT_UNEXPECTED_ANSWER"],
    ["too few results", (_req, res) => answerJson(res, 200, { results: [] }), "CLIENT_UNEXPECTED_ANSWER"],
    [
      "a result of nothing",
      (_req, res) => answerJson(res, 200, { results: [null] }),
      "CLIENT_UNEXPECTED_ANSWER",
    ],
  ]
  it.each(failures)("sends the same bytes again after %s", async (_why, step, code) => {
    const errors: string[] = []
    const { server, client } = await setUp([step, step], { onError: (error) => errors.push(error.code) })
    client.record(EVENT)
    const stats = await client.flush()
    expect(stats).toMatchObject({ accepted: 1, failures: 2, dropped: 0, rejected: 0 })
    expect(errors).toEqual([code, code])
    expect(server.requests).toHaveLength(3)
    expect(new Set(server.requests.map(({ lines }) => lines.join())).size).toBe(1)
  })

  /** Only the first request has a time to keep: those that are answered may take as long as the machine needs. */
  function hurriedOnce(): Partial<ClientOptions> {
    let requests = 0
    const timed: typeof fetch = (url, init) =>
      fetch(url, { ...init, signal: requests++ === 0 ? (init?.signal ?? null) : null })
    return { requestTimeoutMs: 50, fetch: timed }
  }

  it("gives up on an answer that does not come, and asks again", async () => {
    const { client } = await setUp([() => {}], hurriedOnce())
    client.record(EVENT)
    expect(await client.flush()).toMatchObject({ accepted: 1, failures: 1 })
  })

  it("gives up on an answer that comes without end", async () => {
    const endless: Step = (_req, res) => {
      res.writeHead(200)
      const timer = setInterval(() => res.write(" "), 5)
      res.on("close", () => clearInterval(timer))
    }
    const { client } = await setUp([endless], hurriedOnce())
    client.record(EVENT)
    expect(await client.flush()).toMatchObject({ accepted: 1, failures: 1 })
  })

  it("does not fall silent when the clock of the machine is put back", async () => {
    let nowMs = Date.now()
    const step: Step = (req) => {
      nowMs -= 3_600_000
      req.socket.destroy()
    }
    const { client } = await setUp([step, step], { clock: () => nowMs })
    client.record(EVENT)
    expect(await client.flush()).toMatchObject({ accepted: 1, failures: 2 })
  })

  it("gives up on an answer that is longer than any evidence, and asks again", async () => {
    const errors: string[] = []
    const step: Step = (_req, res) => {
      const chunk = Buffer.alloc(1 << 20, 0x20)
      const more = () => {
        while (!res.destroyed && res.write(chunk));
      }
      res.on("drain", more)
      more()
    }
    const { client } = await setUp([step], { onError: ({ code }) => errors.push(code) })
    client.record(EVENT)
    expect(await client.flush()).toMatchObject({ accepted: 1, failures: 1 })
    expect(errors).toEqual(["CLIENT_UNEXPECTED_ANSWER"])
  })

  it("waits as long as Retry-After says", async () => {
    const { server, client } = await setUp([problem(503, "SERVER_BUSY", { "retry-after": "1" })])
    client.record(EVENT)
    await client.flush()
    const [first, second] = server.requests.map(({ timeMs }) => timeMs)
    expect((second as number) - (first as number)).toBeGreaterThanOrEqual(990)
  })

  it("counts as a duplicate what had arrived before the connection broke", async () => {
    const logAndBreak: Step = (req, _res, _log, lines) => {
      for (const line of lines) logLine(setup.server.leaves, line)
      req.socket.destroy()
    }
    const setup = await setUp([logAndBreak])
    recordMany(setup.client, 3)
    const stats = await setup.client.flush()
    expect(stats).toMatchObject({ accepted: 0, duplicates: 3, pending: 0 })
    expect(setup.server.leaves.size).toBe(3)
  })

  it("keeps what it could not send while the server is down, and sends it when it is back", async () => {
    const { server, client } = await setUp(Array(4).fill(problem(503, "SERVER_BUSY")))
    recordMany(client, 10)
    await client.flush()
    expect(server.leaves.size).toBe(10)
    expectBalance(client.stats())
  })
})

describe("partial results", () => {
  it("rejects the bad events alone, with code, pointer and event", async () => {
    const rejections: unknown[] = []
    const step: Step = (_req, res, _log, lines) => {
      const results = lines.map((line, i) =>
        i === 1
          ? { code: "missing_field", message: "user_id is missing", pointer: "/user_id" }
          : logLine(new Map(), line),
      )
      answerJson(res, 200, { results })
    }
    const { client, server } = await setUp([step], { onReject: (rejection) => rejections.push(rejection) })
    recordMany(client, 3)
    const stats = await client.flush()
    expect(stats).toMatchObject({ accepted: 2, rejected: 1, pending: 0 })
    const line = server.requests[0]?.lines[1] as string
    expect(rejections).toEqual([
      {
        code: "missing_field",
        message: "user_id is missing",
        pointer: "/user_id",
        eventId: idsOf([line])[0],
        event: line,
      },
    ])
  })

  it("sends again only those that the server could not take just now", async () => {
    const step: Step = (_req, res, _log, lines) => {
      const results = lines.map((line, i) =>
        i < 2 ? { code: "LEDGER_QUEUE_FULL", message: "later" } : logLine(setup.server.leaves, line),
      )
      answerJson(res, 200, { results })
    }
    const setup = await setUp([step])
    recordMany(setup.client, 5)
    const stats = await setup.client.flush()
    expect(stats).toMatchObject({ accepted: 5, failures: 1 })
    expect(setup.server.requests.map(({ lines }) => lines.length)).toEqual([5, 2])
  })

  it("finds the one event for which a whole body is refused", async () => {
    const poison: Step = (_req, res, log, lines) => {
      server.script.unshift(poison)
      if (!lines.some((line) => line.includes("r6"))) return log()
      answerJson(res, 422, { code: "too_long", detail: "a field is too long", pointer: "/request_id" })
    }
    const rejected: unknown[] = []
    const { server, client } = await setUp([poison], {
      onReject: ({ code, event }) => rejected.push([code, event]),
    })
    recordMany(client, 10)
    const stats = await client.flush()
    expect(stats).toMatchObject({ accepted: 9, rejected: 1, pending: 0, failures: 0 })
    expect(rejected).toEqual([["too_long", expect.stringContaining("r6")]])
  })

  it("halves a body that a proxy finds too large", async () => {
    const proxy: Step = (_req, res, log, lines) => {
      server.script.unshift(proxy)
      if (lines.length <= 3) log()
      else res.writeHead(413).end("<html>too large</html>")
    }
    const { server, client } = await setUp([proxy])
    recordMany(client, 10)
    expect(await client.flush()).toMatchObject({ accepted: 10, rejected: 0 })
  })
})

describe("flush and close", () => {
  it("flush resolves at once when there is nothing to send", async () => {
    const { client } = await setUp()
    expect(await client.flush({ timeoutMs: 60_000 })).toMatchObject({ recorded: 0, pending: 0 })
  })

  it("flush takes any time that is meant, and more than a timer can wait for ever", async () => {
    const { client } = await setUp()
    client.record(EVENT)
    expect(await client.flush({ timeoutMs: Number.POSITIVE_INFINITY })).toMatchObject({ accepted: 1 })
  })

  it("flush resolves when the client is closed, for nothing is sent any more", async () => {
    const { client } = await setUp([() => {}], { spool: temporaryFolder() })
    client.record(EVENT)
    const flushed = client.flush({ timeoutMs: 60_000 })
    await client.close({ timeoutMs: 0 })
    expect(await flushed).toMatchObject({ pending: 1 })
    expect(await client.flush({ timeoutMs: 60_000 })).toMatchObject({ pending: 1 })
  })

  it("flush does not wait for company", async () => {
    const { client, server } = await setUp([], { flushEveryMs: 60_000 })
    client.record(EVENT)
    await client.flush()
    expect(server.leaves.size).toBe(1)
  })

  it("flush resolves when its time is over, with what is pending", async () => {
    const { client } = await setUp([() => {}])
    client.record(EVENT)
    expect(await client.flush({ timeoutMs: 50 })).toMatchObject({ pending: 1, accepted: 0 })
  })

  it("close drops what memory still holds, and says so", async () => {
    const drops: string[] = []
    const { client } = await setUp([() => {}], { onDrop: ({ reason }) => drops.push(reason) })
    recordMany(client, 3)
    const stats = await client.close({ timeoutMs: 50 })
    expect(stats).toMatchObject({ pending: 0, dropped: 3, droppedBy: { closed: 3 } })
    expect(drops).toEqual(["closed", "closed", "closed"])
    expectBalance(stats)
    expect(await client.close()).toEqual(stats)
  })
})

describe("with a spool", () => {
  it("sends from the disk and leaves nothing there", async () => {
    const spool = temporaryFolder()
    const { client, server } = await setUp([], { spool })
    recordMany(client, 2500)
    const stats = await client.close()
    expect(stats).toMatchObject({ recorded: 2500, spooled: 2500, accepted: 2500, pending: 0, dropped: 0 })
    expect(server.leaves.size).toBe(2500)
    expect(readdirSync(spool)).toEqual([])
  })

  it("keeps for the next process what could not be sent", async () => {
    const spool = temporaryFolder()
    const { client, server } = await setUp(Array(1000).fill(problem(503, "SERVER_BUSY")), { spool })
    recordMany(client, 10)
    const stats = await client.close({ timeoutMs: 50 })
    expect(stats).toMatchObject({ spooled: 10, pending: 10, dropped: 0 })
    server.script.length = 0

    const next = open(server, { spool })
    const after = await next.flush()
    expect(after).toMatchObject({ recovered: 10, accepted: 10, pending: 0 })
    expectBalance(after)
  })

  it("shares its folder: two clients send each event once", async () => {
    const spool = temporaryFolder()
    const { client, server } = await setUp([], { spool })
    const other = open(server, { spool })
    recordMany(client, 100)
    recordMany(other, 100)
    const [a, b] = await Promise.all([client.close(), other.close()])
    expect([a.accepted, b.accepted, a.duplicates, b.duplicates]).toEqual([100, 100, 0, 0])
  })

  it("sends from memory while the disk fails", async () => {
    const spool = temporaryFolder()
    const errors: string[] = []
    const { client, server } = await setUp([], { spool, onError: ({ code }) => errors.push(code) })
    const [session] = readdirSync(spool).filter((name) => !name.endsWith(".lock"))
    rmSync(join(spool, session as string), { recursive: true })
    rmSync(spool, { recursive: true })
    writeFileSync(spool, "in the way")
    recordMany(client, 5)
    const stats = await client.flush()
    expect(stats).toMatchObject({ accepted: 5, spooled: 0, dropped: 0 })
    expect(server.leaves.size).toBe(5)
    expect(errors).toContain("CLIENT_SPOOL_FAILED")
  })
})

describe("with a policy", () => {
  const policy = `${POLICY}quorum none\n`

  function withoutEvidence(more: object = {}): Step {
    const step: Step = (_req, res, _log, lines) => {
      setup.server.script.unshift(step)
      const results = lines.map((line) => ({ ...logLine(setup.server.leaves, line), ...more }))
      answerJson(res, 200, { results, evidence: null }, { "retry-after": "0" })
    }
    return step
  }
  let setup: Awaited<ReturnType<typeof setUp>>

  it("asks for evidence with every batch", async () => {
    setup = await setUp([], { policy })
    setup.client.record(EVENT)
    const expected = { accepted: 1, pending: 0, verified: 0, unproven: 1 }
    await vi.waitFor(() => expect(setup.client.stats()).toMatchObject(expected))
    expect(setup.server.requests[0]?.path).toBe("/log/v1/events?wait=receipt")
  })

  it("keeps asking, but not for ever more events, and says for how many it stopped", async () => {
    const errors: string[] = []
    const onError: ClientOptions["onError"] = ({ code, message }) => errors.push(`${code} ${message}`)
    setup = await setUp([withoutEvidence()], { policy, queueSize: 10, batchSize: 4, onError })
    for (let i = 1; i <= 5; i++) {
      recordMany(setup.client, 4)
      const { client } = setup
      await vi.waitFor(() => expect(client.stats()).toMatchObject({ accepted: 4 * i, pending: 0 }))
    }
    const stats = setup.client.stats()
    expect(stats).toMatchObject({ accepted: 20, unproven: 8, givenUp: 12, pending: 0, alarmCount: 0 })
    expect(errors).toContain("CLIENT_UNPROVEN no evidence for 4 acknowledged events; no longer asking")
    await vi.waitFor(() => expect(setup.server.requests.length).toBeGreaterThan(5))
  })

  it("does not ask for what was destroyed, and says so", async () => {
    const errors: string[] = []
    const onError: ClientOptions["onError"] = ({ code }) => errors.push(code)
    setup = await setUp([withoutEvidence({ duplicate: true, unchecked: true })], { policy, onError })
    setup.client.record(EVENT)
    expect(await setup.client.flush()).toMatchObject({ duplicates: 1, unproven: 0, givenUp: 1 })
    expect(setup.server.requests).toHaveLength(1)
    expect(errors).toEqual(["CLIENT_UNPROVEN"])
  })

  it("does not believe that an event just logged was destroyed, and asks for it", async () => {
    const step: Step = (_req, res, _log, lines) => {
      const results = lines.map((line) => ({ ...logLine(setup.server.leaves, line), unchecked: true }))
      answerJson(res, 200, { results, evidence: null })
    }
    setup = await setUp([step, () => {}], { policy })
    setup.client.record(EVENT)
    await vi.waitFor(() => expect(setup.server.requests).toHaveLength(2))
    expect(setup.client.stats()).toMatchObject({ accepted: 1, unproven: 1, givenUp: 0 })
  })
})

describe("createClient", () => {
  it.each([
    ["a URL that is none", { url: "log.example" }],
    ["a URL with a query", { url: "http://log.example/?a=b" }],
    ["a URL with a password", { url: "http://me:secret@log.example" }],
    ["a time that no timer can wait", { requestTimeoutMs: 2 ** 31 }],
    ["a URL of files", { url: "file:///etc/passwd" }],
    ["an empty key", { key: "" }],
    ["a key no header can carry", { key: "a\nb" }],
    ["a batch of more than 1,000", { batchSize: 1001 }],
    ["a negative queue", { queueSize: -1 }],
    ["a head file without a policy", { headFile: "/tmp/head" }],
    ["a pinned head without a policy", { pinnedHead: "head" }],
    [
      "a pinned head that no log of the policy signed",
      { policy: `${POLICY}quorum none\n`, pinnedHead: "head" },
    ],
    ["a policy that is none", { policy: "quorum nobody\n" }],
  ])("refuses %s", (_why, options) => {
    expect(() => createClient({ url: "http://log.example", key: "key", ...options })).toThrow()
  })

  it("does not repeat the password of a URL", () => {
    const url = "http://me:secret@log.example"
    expect(() => createClient({ url, key: "key" })).toThrow(/^(?!.*secret)/)
  })

  it("takes a URL with or without its last slash", async () => {
    const { server } = await setUp()
    const client = open(server, { url: server.url.slice(0, -1) })
    client.record(EVENT)
    await client.flush()
    expect(server.requests[0]?.path).toBe("/log/v1/events")
  })
})

function cutShort(res: Parameters<Step>[1]): void {
  res.writeHead(200, { "content-length": "1000" })
  res.write("{", () => res.destroy())
}
