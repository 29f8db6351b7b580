import { connect, type Socket } from "node:net"
import { LedgerError } from "@prooflog/ledger/error"
import { openMemoryStorage } from "@prooflog/ledger/memory"
import { startServer } from "@prooflog/server"
import { afterEach, describe, expect, it } from "vitest"
import {
  anEvent,
  eventually,
  NOW_MS,
  parse,
  type Served,
  type ServeOptions,
  send,
  serve,
  storageBut,
} from "./served.js"

const served: Served[] = []
afterEach(() => Promise.all(served.splice(0).map((one) => one.stop())))

async function begin(options?: ServeOptions): Promise<Served> {
  const one = await serve(options)
  served.push(one)
  return one
}

function post(log: Served, events: unknown, query = "", key = log.keys.writer) {
  return log.request({
    method: "POST",
    path: `v1/events${query}`,
    key,
    type: "application/json",
    body: JSON.stringify(events),
  })
}

describe("a server's life", () => {
  it("begins with its first keys, once, and says that no witness watches", async () => {
    const log = await begin()
    expect(log.server.firstKeys?.map(({ apiKey }) => apiKey.roles)).toEqual([["admin"], ["writer"]])
    expect(log.told).toContainEqual({ level: "warn", words: expect.stringContaining("no witness") })
    const ready = await log.request({ path: "readyz" })
    expect(ready.status).toBe(200)
    expect(ready.json).toMatchObject({ status: "ready", warnings: [expect.stringContaining("no witness")] })
    await log.server.close()
    const openStorage = () => openMemoryStorage(log.disk)
    const again = await startServer({
      dir: log.dir,
      port: 0,
      logger: silent(),
      clock: () => NOW_MS,
      openStorage,
      follow: false,
    })
    expect(again.firstKeys).toBeUndefined()
    await again.close()
  })

  it("ends after what was accepted is answered", async () => {
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    let commits = 0
    const log = await begin({
      wrap: (storage) =>
        storageBut(storage, {
          async commit(commit) {
            // The first is the genesis.
            if (++commits === 2) await held
            return storage.commit(commit)
          },
        }),
    })
    const answer = post(log, anEvent())
    await eventually(() => (commits === 2 ? true : undefined))
    const closing = log.server.close()
    release()
    expect((await answer).status).toBe(201)
    await closing
    await expect(log.request({ path: "healthz" })).rejects.toThrow("ECONNREFUSED")
  })

  it("closes kept connections with the answer that is under way when it stops", async () => {
    const log = await begin()
    const socket = connect(log.server.port, "127.0.0.1")
    const chunks: Buffer[] = []
    socket.on("data", (chunk) => chunks.push(chunk))
    const closed = new Promise((resolve) => socket.on("close", resolve))
    socket.write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    await eventually(() => (chunks.length > 0 ? true : undefined))
    expect(Buffer.concat(chunks).toString()).toContain("Keep-Alive: timeout=75")
    await log.server.close()
    await closed
  })

  it("does not wait for connections that were opened to spare", async () => {
    const log = await begin()
    const socket = connect(log.server.port, "127.0.0.1")
    const closed = new Promise((resolve) => socket.on("close", resolve))
    socket.on("error", () => {})
    await new Promise((resolve) => socket.on("connect", resolve))
    // So that it is accepted: requests of one listener are answered in their order.
    await log.request({ path: "healthz" })
    const began = performance.now()
    await log.server.close()
    await closed
    expect(performance.now() - began).toBeLessThan(8_000)
  })

  it("refuses events with 503 while the disk is nearly full, is read all the same, and recovers", async () => {
    let free = 100 * 2 ** 30
    const log = await begin({
      wrap: (storage) => storageBut(storage, { space: async () => ({ free, total: 100 * 2 ** 30 }) }),
    })
    expect((await post(log, anEvent())).status).toBe(201)
    free = 2 ** 20
    const refused = await eventually(async () => {
      const got = await post(log, anEvent())
      return got.status === 503 ? got : undefined
    })
    expect(refused).toMatchObject({ json: { code: "LEDGER_DISK_FULL" }, headers: { "retry-after": "30" } })
    expect((await log.request({ path: "readyz" })).json).toMatchObject({
      status: 503,
      code: "SERVER_NOT_READY",
      detail: expect.stringContaining("LEDGER_DISK_FULL"),
    })
    expect((await log.request({ path: "tile/entries/000.p/1" })).status).toBe(200)
    expect((await log.request({ path: "healthz" })).status).toBe(200)
    expect(
      log.told.some(
        ({ level, words }) => level === "error" && JSON.stringify(words).includes("LEDGER_DISK_FULL"),
      ),
    ).toBe(true)
    free = 100 * 2 ** 30
    await eventually(async () => ((await post(log, anEvent())).status === 201 ? true : undefined))
  }, 20_000)

  it("answers 503 and never 201 when a commit fails, and tells the operator", async () => {
    let commits = 0
    const log = await begin({
      wrap: (storage) =>
        storageBut(storage, {
          async commit(commit) {
            if (++commits === 2) throw new LedgerError("LEDGER_STORAGE_FAILED", "the disk is gone")
            return storage.commit(commit)
          },
        }),
    })
    for (let i = 0; i < 2; i++) {
      const got = await post(log, anEvent())
      expect({ status: got.status, code: got.json.code, retry: got.headers["retry-after"] }).toEqual({
        status: 503,
        code: "LEDGER_POISONED",
        retry: "30",
      })
    }
    expect(log.told.some(({ level }) => level === "error")).toBe(true)
  })

  it("answers 503 when the clock has jumped", async () => {
    let ahead = 0
    const log = await begin({ clock: () => Date.now() + ahead })
    expect((await post(log, anEvent())).status).toBe(201)
    ahead = 3_600_000
    const got = await post(log, anEvent())
    expect({ status: got.status, code: got.json.code }).toEqual({ status: 503, code: "LEDGER_CLOCK_JUMPED" })
  })

  it("answers null and Retry-After when a head is not published in time", async () => {
    const log = await begin({ receiptWaitMs: 1 })
    // Two in a row: the second cannot be published with the first.
    await post(log, anEvent(), "?wait=receipt")
    const got = await post(log, anEvent(), "?wait=receipt")
    expect(got).toMatchObject({ status: 201, json: { evidence: null }, headers: { "retry-after": "1" } })
    expect(got.json.leaf_index).toBeGreaterThan(0)
  })

  it("tells the operator of damage without saying who was in it", async () => {
    let broken = false
    const log = await begin({
      wrap: (storage) =>
        storageBut(storage, {
          records: (start, end) =>
            broken ? Promise.reject(new Error("U12345 at 192.168.1.10")) : storage.records(start, end),
        }),
    })
    await post(log, anEvent(), "?wait=receipt")
    broken = true
    const got = await log.request({ path: "v1/evidence?leaf_index=1", key: log.keys.admin })
    expect(got.json).toMatchObject({ status: 500, code: "SERVER_BUG" })
    expect(got.body.toString()).not.toContain("U12345")
  })
})

describe("what is no HTTP request", () => {
  it.each([
    ["another protocol", "SSH-2.0-OpenSSH_9.0\r\n", 400, "SERVER_MALFORMED_REQUEST"],
    ["a head without end", `GET / HTTP/1.1\r\nX: ${"x".repeat(20_000)}`, 431, "SERVER_HEADERS_TOO_LARGE"],
    [
      "two lengths",
      "POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
      400,
      "SERVER_MALFORMED_REQUEST",
    ],
  ])("is answered and cut off: %s", async (_, text, status, code) => {
    const log = await begin()
    const got = parse(await send(log.server.port, [text]))
    expect(got.headers.connection).toBe("close")
    expect({ status: got.status, code: got.json.code }).toEqual({ status, code })
  })

  it("is answered 408 when its body does not come", async () => {
    const log = await begin({ requestTimeoutMs: 200 })
    const head = `POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${log.keys.writer}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{`
    const got = parse(await send(log.server.port, [head]))
    expect({ status: got.status, code: got.json.code }).toEqual({
      status: 408,
      code: "SERVER_REQUEST_TIMEOUT",
    })
  })

  it("leaves nothing behind when its sender goes away", async () => {
    const log = await begin()
    for (let i = 0; i < 20; i++) {
      const socket = connect(log.server.port, "127.0.0.1")
      socket.write(
        `POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${log.keys.writer}\r\nContent-Type: application/json\r\nContent-Length: 10000000\r\n\r\n${"x".repeat(500_000)}`,
      )
      await new Promise((resolve) => setTimeout(resolve, 5))
      socket.destroy()
    }
    // Each would have kept its share of the memory for bodies: 20 of them would leave none.
    const events = Array.from({ length: 5_000 }, () => anEvent())
    expect((await post(log, events)).status).toBe(200)
  })

  it("is refused when too many bodies come at once: of a key with 429, of all with 503; and welcome later", async () => {
    const log = await begin()
    const sockets: Socket[] = []
    const sendMany = (count: number, key: string) => {
      const answers: string[] = []
      for (let i = 0; i < count; i++) {
        const socket = connect(log.server.port, "127.0.0.1")
        sockets.push(socket)
        socket.on("error", () => {})
        socket.on("data", (chunk) => answers.push(chunk.toString()))
        socket.write(
          `POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\nContent-Length: 10000000\r\n\r\n`,
        )
        socket.write(Buffer.alloc(9_900_000, 32))
      }
      return eventually(() => answers[0])
    }
    expect(await sendMany(5, log.keys.writer)).toMatch(
      /^HTTP\/1.1 429 [\s\S]*Retry-After: 1\r\n[\s\S]*SERVER_TOO_MANY_REQUESTS/,
    )
    expect((await post(log, anEvent(), "", log.keys.other)).status).toBe(201)
    expect(await sendMany(3, log.keys.other)).toMatch(
      /^HTTP\/1.1 503 [\s\S]*Retry-After: 1\r\n[\s\S]*SERVER_BUSY/,
    )
    for (const socket of sockets) socket.destroy()
    await eventually(async () => ((await post(log, anEvent())).status === 201 ? true : undefined))
  }, 20_000)
})

function silent() {
  const nothing = () => {}
  return { info: nothing, warn: nothing, error: nothing } as never
}
