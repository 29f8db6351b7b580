import { openRecord, SeedPool } from "@prooflog/event/record"
import { QueryError } from "@prooflog/query/error"
import type { Filter } from "@prooflog/query/listing"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import type { Answer } from "./answer.js"
import { ServerError } from "./error.js"
import type { Call } from "./gate.js"
import { unpack } from "./packed.js"
import type { ListAnswer, ListAsking } from "./reading.js"
import { MAX_TAILS, tailRoutes } from "./tail.js"

const NOW_MS = Date.parse("2026-03-01T12:00:00Z")

/** A log that grows when the test says so, and what was done with it. */
class FakeLog {
  through = 0
  published = 0
  state = "following"
  revoked = false
  /** Leaves whose event the filter finds; all others find nothing. */
  matching = new Set<number>()
  /** Events that the bytes of a page have room for. */
  room = Number.POSITIVE_INFINITY
  readonly bytesAsked = new Set<number | undefined>()
  /** Fails the next question. */
  failure: unknown
  readonly asked: Filter[] = []
  mostAtOnce = 0
  #asking = 0
  readonly withheld: (readonly string[])[] = []
  readonly logged: { action: unknown; result: unknown; attributes: unknown }[] = []
  readonly #listeners = new Set<(through: number) => void>()
  readonly #waiting: { size: number; resolve: () => void }[] = []

  grow(through: number, published = through): void {
    this.through = through
    this.publish(published)
    for (const listener of this.#listeners) listener(through)
  }

  publish(size: number): void {
    this.published = size
    for (const each of this.#waiting) if (each.size <= size) each.resolve()
  }

  get listeners(): number {
    return this.#listeners.size
  }

  /** As a server has it, as far as a tail looks. */
  served(): never {
    const self = this
    return {
      withholding: { reader: ["ip_address"] },
      seeds: new SeedPool((bytes) => bytes.fill(1)),
      classOf: () => "audit",
      tally: { countEvent() {} },
      keys: {
        identify() {
          if (self.revoked) throw new ServerError("SERVER_REVOKED_KEY", "API key 0a1b2c3d was revoked")
        },
      },
      ledger: {
        get publishedHead() {
          return { treeSize: self.published }
        },
        published: (size: number, ms: number) =>
          new Promise((resolve) => {
            if (self.published >= size) resolve({ treeSize: self.published })
            self.#waiting.push({ size, resolve: () => resolve({ treeSize: self.published }) })
            setTimeout(resolve, ms)
          }),
        submit: async ({ records }: { records: Uint8Array }) => {
          const { core, fields } = openRecord(unpack(records)[0] as Uint8Array)
          const said = Object.fromEntries([...core, ...fields])
          self.logged.push({ action: said.action, result: said.result, attributes: said.attributes })
          return [{ leafIndex: 1, timeMs: NOW_MS, duplicate: false }]
        },
      },
      reading: {
        status: () => ({ state: self.state, through: self.through }),
        onThrough: (listener: (through: number) => void) => {
          self.#listeners.add(listener)
          return () => self.#listeners.delete(listener)
        },
        list: async (filter: Filter, { withheld, maxBytes }: ListAsking): Promise<ListAnswer> => {
          self.asked.push(filter)
          self.bytesAsked.add(maxBytes)
          self.mostAtOnce = Math.max(self.mostAtOnce, ++self.#asking)
          await new Promise((resolve) => setImmediate(resolve))
          self.#asking--
          self.withheld.push(withheld)
          const { failure } = self
          self.failure = undefined
          if (failure !== undefined) throw failure
          const after = filter.cursor?.leafIndex ?? -1
          const found = [...self.matching]
            .filter((leaf) => leaf > after && leaf < self.through)
            .sort((a, b) => a - b)
          const leaves = found.slice(0, Math.min(filter.limit, self.room))
          const eventsJson = Buffer.from(JSON.stringify(leaves.map((leaf_index) => ({ leaf_index }))))
          const nextCursor = leaves.length < found.length ? `after-${leaves.at(-1)}` : undefined
          return { eventsJson, count: leaves.length, nextCursor, through: self.through }
        },
      },
    } as never
  }
}

let log: FakeLog
let stopping: AbortController
let gone: AbortController

beforeEach(() => {
  log = new FakeLog()
  log.grow(10)
  stopping = new AbortController()
  gone = new AbortController()
})
afterEach(() => gone.abort())

function callOf(query: string, headers: Record<string, string> = {}, method = "GET"): Call {
  return {
    req: { headers, socket: { remoteAddress: "::ffff:192.0.2.7" } },
    method,
    path: "v1/tail",
    query,
    caller: { keyId: "0a1b2c3d", roles: ["reader"], source: "api" },
    timeMs: NOW_MS,
  } as unknown as Call
}

function routes() {
  const [route] = tailRoutes(log.served(), {
    stopping: stopping.signal,
    clock: () => NOW_MS + 5,
    keepAliveMs: 50,
  })
  if (route === undefined) throw new Error("no route")
  return { open: (call: Call) => Promise.resolve(route.handle(call, "")) }
}

/** The pieces of a body, one at a time, without comments unless asked for. */
function reader({ body }: Answer, comments = false) {
  if (typeof body !== "function") throw new Error("no stream")
  const pieces = body(gone.signal)[Symbol.asyncIterator]()
  return {
    async next(): Promise<string | undefined> {
      for (;;) {
        const { done, value } = await pieces.next()
        if (done) return undefined
        const text = Buffer.from(value).toString()
        if (comments || !text.startsWith(":")) return text
      }
    },
    leave: () => {
      gone.abort()
      return pieces.return?.()
    },
  }
}

async function follow(query = "", headers = {}) {
  const tail = reader(await routes().open(callOf(query, headers)))
  return tail
}

const said = (leaf: number) => `id: ${leaf}\nevent: access\ndata: {"leaf_index":${leaf}}\n\n`

describe("a tail", () => {
  it("begins with what comes after it was opened, in the order of the log, by its filter", async () => {
    log.matching = new Set([3, 11, 12, 14])
    const tail = await follow("result=denied")
    const first = tail.next()
    log.grow(13)
    expect(await first).toBe(said(11))
    expect(await tail.next()).toBe(said(12))
    const third = tail.next()
    log.grow(14)
    log.grow(15)
    expect(await third).toBe(said(14))
    expect(log.asked[0]).toMatchObject({
      conditions: [{ column: "result", test: "is", values: ["denied"] }],
      order: "asc",
      cursor: { side: "after", leafIndex: 9 },
    })
    expect(log.withheld[0]).toEqual(["ip_address"])
  })

  it.each([
    ["a cursor", "cursor=3", {}],
    ["a cursor of a list", "cursor=after-3", {}],
    ["the header that browsers send", "", { "last-event-id": "3" }],
    ["the header, which goes before the cursor", "cursor=0", { "last-event-id": "3" }],
  ])("resumes after %s, and repeats and skips nothing", async (_, query, headers) => {
    log.matching = new Set([2, 3, 4, 7])
    const tail = await follow(query, headers)
    expect(await tail.next()).toBe(said(4))
    expect(await tail.next()).toBe(said(7))
  })

  it("asks for no more than is taken", async () => {
    log.grow(2_000)
    log.matching = new Set(Array.from({ length: 1_500 }, (_, i) => i))
    const tail = await follow("cursor=0")
    for (let leaf = 1; leaf <= 500; leaf++) expect(await tail.next()).toBe(said(leaf))
    expect(log.asked).toHaveLength(1)
    expect(await tail.next()).toBe(said(501))
    expect(log.asked).toHaveLength(2)
  })

  it("asks for few bytes, and goes on behind what they had room for", async () => {
    log.matching = new Set([11, 12, 13, 15])
    log.room = 2
    const tail = await follow()
    const first = tail.next()
    log.grow(20)
    expect(await first).toBe(said(11))
    for (const leaf of [12, 13, 15]) expect(await tail.next()).toBe(said(leaf))
    expect(log.asked.map(({ cursor }) => cursor?.leafIndex)).toEqual([9, 12])
    expect([...log.bytesAsked]).toEqual([1024 * 1024])
  })

  it("shows nothing before it is published", async () => {
    log.matching = new Set([10])
    const tail = await follow()
    let shown: string | undefined
    const first = tail.next().then((text) => {
      shown = text
    })
    log.grow(11, 10)
    while (log.asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    // Long enough for a comment: it waits, and says that it is there.
    await new Promise((resolve) => setTimeout(resolve, 120))
    expect(shown).toBeUndefined()
    log.publish(11)
    await first
    expect(shown).toBe(said(10))
  })

  it("ends when the server stops while it waits for a head to be published", async () => {
    log.matching = new Set([10])
    const tail = await follow()
    const first = tail.next()
    log.grow(11, 10)
    while (log.asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    stopping.abort()
    expect(await first).toBeUndefined()
    expect(log.logged[1]).toMatchObject({ attributes: { rows: 0 } })
  })

  it("asks no more than two questions at once, together with all others", async () => {
    const { open } = routes()
    log.matching = new Set([10])
    const tails = await Promise.all(Array.from({ length: 20 }, async () => reader(await open(callOf("")))))
    const first = Promise.all(tails.map((tail) => tail.next()))
    log.grow(11)
    expect(await first).toEqual(new Array(20).fill(said(10)))
    expect(log.mostAtOnce).toBe(2)
  })

  it("says that it is there while nothing comes", async () => {
    const tail = reader(await routes().open(callOf("")), true)
    for (let i = 0; i < 3; i++) expect(await tail.next()).toBe(": keep-alive\n\n")
    expect(log.asked).toEqual([])
  })

  it("is logged when it is opened and when it is closed, with what it showed", async () => {
    log.matching = new Set([10, 11])
    const tail = await follow("result=denied")
    const first = tail.next()
    log.grow(12)
    await first
    await tail.next()
    await tail.leave()
    expect(log.logged).toEqual([
      { action: "log.tail.open", result: "success", attributes: { filter: "result=denied", from: 10 } },
      {
        action: "log.tail.close",
        result: "success",
        attributes: { filter: "result=denied", from: 10, to: 12, rows: 2 },
      },
    ])
    expect(log.listeners).toBe(0)
  })

  it("ends when its key is revoked, before it shows more", async () => {
    log.matching = new Set([10])
    const tail = await follow()
    log.revoked = true
    const first = tail.next()
    log.grow(11)
    await expect(first).rejects.toMatchObject({ code: "SERVER_REVOKED_KEY" })
    expect(log.logged[1]).toMatchObject({ action: "log.tail.close", result: "failure" })
  })

  it("ends when the server stops", async () => {
    const tail = await follow()
    const first = tail.next()
    stopping.abort()
    expect(await first).toBeUndefined()
    expect(log.logged[1]).toMatchObject({ action: "log.tail.close", result: "success" })
  })

  it("goes on when what it asks died and is there again", async () => {
    log.matching = new Set([10])
    const tail = await follow()
    log.failure = new QueryError("QUERY_RESTARTED", "its process died")
    const first = tail.next()
    log.grow(11)
    expect(await first).toBe(said(10))
    expect(log.asked).toHaveLength(2)
  })

  it("ends when what it asks can never be answered", async () => {
    const tail = await follow()
    log.failure = new QueryError("QUERY_BAD_FILTER", "this column is withheld from you")
    const first = tail.next()
    log.grow(11)
    await expect(first).rejects.toMatchObject({ code: "QUERY_BAD_FILTER" })
  })

  it.each([
    ["limit=1", "SERVER_MALFORMED_QUERY"],
    ["order=desc", "SERVER_MALFORMED_QUERY"],
    ["cursor=1&cursor=2", "SERVER_MALFORMED_QUERY"],
    ["cursor=x", "QUERY_BAD_FILTER"],
    ["user=U1", "QUERY_BAD_FILTER"],
    ["ip_address.prefix=8", "QUERY_BAD_FILTER"],
    ["country=DE", "QUERY_BAD_FILTER"],
  ])("is refused, and logged as refused, with %s", async (query, code) => {
    await expect(routes().open(callOf(query))).rejects.toMatchObject({ code })
    expect(log.logged).toMatchObject([{ action: "log.tail.open", result: "failure" }])
  })

  it("is refused where nothing is followed", async () => {
    log.state = "off"
    await expect(routes().open(callOf(""))).rejects.toMatchObject({ code: "QUERY_UNAVAILABLE" })
  })

  it("is one of 64 at once; who leaves makes room, and a head alone takes none", async () => {
    const { open } = routes()
    const tails: ReturnType<typeof reader>[] = []
    for (let i = 0; i < MAX_TAILS; i++) tails.push(reader(await open(callOf("")), true))
    await expect(open(callOf(""))).rejects.toMatchObject({ code: "SERVER_BUSY" })
    expect((await open(callOf("", {}, "HEAD"))).body).toBe("")
    await tails[0]?.next()
    await tails[0]?.leave()
    expect((await open(callOf(""))).status).toBe(200)
  })
})
