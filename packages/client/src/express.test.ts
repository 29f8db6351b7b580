import { once } from "node:events"
import { type AddressInfo, connect } from "node:net"
import { checkEvent } from "@prooflog/event/validate"
import express, { type Express, type Request, type Response } from "express"
import { afterEach, describe, expect, it, vi } from "vitest"
import type { RecordedEvent } from "./client.js"
import { type AccessLogOptions, accessLog } from "./express.js"

type Options = Partial<AccessLogOptions<Request>>

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

/** An application with the middleware; resolves its address and the events it recorded. */
async function serve(options: Options = {}, prepare: (app: Express) => void = () => {}) {
  const events: RecordedEvent[] = []
  const app = express()
  app.use(
    accessLog<Request>({ client: { record: (event) => events.push(event) }, user: () => "U1", ...options }),
  )
  prepare(app)
  const hanging = new Promise<void>((resolve) => app.get("/hang", () => resolve()))
  app.get("/fail", () => {
    throw new Error("no")
  })
  app.use(
    "/api",
    express.Router().get("/status/:code", (req: Request<{ code: string }>, res: Response) => {
      res.status(Number(req.params.code)).send("done")
    }),
  )
  const server = app.listen(0, "127.0.0.1")
  await once(server, "listening")
  cleanups.push(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { events, port, url: `http://127.0.0.1:${port}`, hanging }
}

async function recorded(
  path: string,
  options: Options = {},
  init: RequestInit = {},
  prepare?: (app: Express) => void,
) {
  const { events, url } = await serve(options, prepare)
  await (await fetch(url + path, init)).text()
  return await recordedIn(events)
}

/** The response is out before its `finish` event. */
async function recordedIn(events: readonly RecordedEvent[]): Promise<RecordedEvent> {
  await vi.waitFor(() => expect(events).toHaveLength(1))
  return events[0] as RecordedEvent
}

function expectLoggable(event: RecordedEvent): void {
  const sent = JSON.parse(JSON.stringify({ timestamp: new Date(), ...event })) as unknown
  expect(checkEvent(sent, Date.now())).toEqual([])
}

describe("accessLog", () => {
  it("records one event for a request, with nothing of its query, cookies or body", async () => {
    const event = await recorded(
      "/api/status/200?token=secret",
      {},
      {
        headers: {
          "user-agent": "test/1",
          "x-request-id": "req-7",
          cookie: "session=secret",
          referer: "/?secret",
        },
      },
    )
    expect(event).toEqual({
      user_id: "U1",
      action: "http.GET",
      resource_accessed: "/api/status/200",
      result: "success",
      ip_address: "127.0.0.1",
      http_method: "GET",
      http_path: "/api/status/200",
      http_host: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      http_protocol: "HTTP/1.1",
      http_status: 200,
      user_agent: "test/1",
      request_id: "req-7",
      response_bytes: 4,
      duration_ms: expect.any(Number),
    })
    expectLoggable(event)
  })

  it.each([
    [204, "success"],
    [302, "success"],
    [401, "denied"],
    [403, "denied"],
    [404, "failure"],
    [429, "failure"],
    [500, "error"],
    [503, "error"],
    [599, "error"],
  ])("takes status %i for %s", async (status, result) => {
    const event = await recorded(`/api/status/${status}`, {}, { redirect: "manual" })
    expect(event).toMatchObject({ result, http_status: status })
  })

  it("leaves out a status that HTTP has no class for", async () => {
    const event = await recorded("/api/status/799")
    expect(event).toMatchObject({ result: "error" })
    expect(event).not.toHaveProperty("http_status")
    expectLoggable(event)
  })

  it("records HEAD as what was asked", async () => {
    const event = await recorded("/api/status/200", {}, { method: "HEAD" })
    expect(event).toMatchObject({ action: "http.HEAD", result: "success", http_status: 200 })
    expectLoggable(event)
  })

  it("names the whole path inside a mounted application", async () => {
    const event = await recorded("/shop/cart/7", {}, {}, (app) => {
      const shop = express()
      shop.get("/cart/:id", (_req, res) => res.send("done"))
      app.use("/shop", shop)
    })
    expect(event).toMatchObject({ resource_accessed: "/shop/cart/7", http_path: "/shop/cart/7" })
  })

  it("records a handler that throws as Express answers it", async () => {
    const event = await recorded("/fail", {}, {}, (app) => app.set("env", "test"))
    expect(event).toMatchObject({ result: "error", http_status: 500 })
  })

  it("records a connection that closed before the answer as unknown", async () => {
    const { events, url, hanging } = await serve()
    const abort = new AbortController()
    const answer = fetch(`${url}/hang`, { signal: abort.signal }).catch(() => {})
    await hanging
    abort.abort()
    await answer
    const event = await recordedIn(events)
    expect(event).toMatchObject({ result: "unknown", reason: expect.stringContaining("closed") })
    expect(event).not.toHaveProperty("http_status")
  })

  it("records the query only when asked to", async () => {
    expect(await recorded("/api/status/200?a=1?b", { query: true })).toMatchObject({ http_query: "a=1?b" })
  })

  it("asks who it was after the handlers ran", async () => {
    const user = (req: Request) => (req as Request & { user?: string }).user
    const event = await recorded("/api/status/200", { user }, {}, (app) =>
      app.use((req, _res, next) => {
        Object.assign(req, { user: "U7" })
        next()
      }),
    )
    expect(event.user_id).toBe("U7")
  })

  it.each([
    ["nobody", () => undefined, "anonymous"],
    ["an empty name", () => "", "anonymous"],
    ["a number", () => 42 as never, "42"],
    ["an object", () => ({}) as never, "unknown"],
    [
      "an exception",
      () => {
        throw new Error("no session")
      },
      "unknown",
    ],
  ])("takes %s for a user by its rule", async (_why, user, expected) => {
    const event = await recorded("/api/status/200", { user })
    expect(event.user_id).toBe(expected)
    expectLoggable(event)
  })

  it("names the resource as it is told", async () => {
    const resource = (req: Request) =>
      `${req.baseUrl}${(req.route as { path?: string } | undefined)?.path ?? ""}`
    expect(await recorded("/api/status/200", { resource })).toMatchObject({
      resource_accessed: "/api/status/:code",
      http_path: "/api/status/200",
    })
  })

  it("lets an event be edited or dropped, and records it as it was if that throws", async () => {
    const edit: Options["edit"] = (event) => ({ ...event, service: "shop" })
    expect(await recorded("/api/status/200", { edit })).toMatchObject({ service: "shop" })
    const failing: Options["edit"] = (event) => {
      Object.assign(event, { user_id: "half edited" })
      throw new Error("no")
    }
    expect(await recorded("/api/status/200", { edit: failing })).toMatchObject({ user_id: "U1" })
    const drop: Options["edit"] = (event) => (event.http_status === 200 ? undefined : event)
    const { events, url } = await serve({ edit: drop })
    for (const status of [200, 404]) await fetch(`${url}/api/status/${status}`)
    expect(await recordedIn(events)).toMatchObject({ http_status: 404 })
  })

  it("takes callbacks that promise something for mistaken, and lets none of them fail unheard", async () => {
    const late = async () => {
      throw new Error("too late")
    }
    const options = { user: late as never, resource: late as never, edit: late as never }
    const event = await recorded("/api/status/200", options)
    expect(event).toMatchObject({
      user_id: "unknown",
      resource_accessed: "/api/status/200",
      action: "http.GET",
    })
  })

  it("records a request whose proxies cannot be asked for", async () => {
    let asked = false
    const trust = () => {
      asked = true
      throw new Error("no")
    }
    const headers = { "x-forwarded-for": "203.0.113.9" }
    const event = await recorded("/api/status/200", {}, { headers }, (app) => app.set("trust proxy", trust))
    expect([asked, event.ip_address]).toEqual([true, "127.0.0.1"])
  })

  it("throws nothing into a request, not even from a client that does", async () => {
    const record = () => {
      throw new Error("no")
    }
    const { url } = await serve({ client: { record } })
    expect((await fetch(`${url}/api/status/200`)).status).toBe(200)
  })

  it("believes a proxy exactly as far as Express does", async () => {
    const headers = { "x-forwarded-for": "203.0.113.9, 198.51.100.1" }
    expect(await recorded("/api/status/200", {}, { headers })).toMatchObject({ ip_address: "127.0.0.1" })
    const event = await recorded("/api/status/200", {}, { headers }, (app) => app.set("trust proxy", true))
    expect(event).toMatchObject({ ip_address: "203.0.113.9", ip_chain: ["203.0.113.9", "198.51.100.1"] })
  })

  it("cannot be kept from logging by anything a client sends", async () => {
    const headers = {
      "x-forwarded-for": `not an address, ${"x".repeat(300)}`,
      "user-agent": "u".repeat(9000),
      "x-request-id": "r".repeat(200),
    }
    const user = () => "\ud800 \udc00"
    const event = await recorded(`/api/${"p".repeat(5000)}`, { user, query: true }, { headers }, (app) =>
      app.set("trust proxy", true),
    )
    expect(event).toMatchObject({
      source_address: "not an address",
      user_id: "\ufffd \ufffd",
      attributes: { cut: ["resource_accessed", "request_id", "user_agent", "http_path"] },
    })
    expect(event).not.toHaveProperty("ip_address")
    expectLoggable(event)
  })

  it("records a request that no browser would send", async () => {
    const { events, port } = await serve()
    const socket = connect(port, "127.0.0.1")
    socket.write("GET //%00%ff?%ff HTTP/1.0\r\nHost: \xe9\r\n\r\n", "latin1")
    await once(socket.resume(), "close")
    const event = await recordedIn(events)
    expect(event).toMatchObject({ http_protocol: "HTTP/1.0", result: "failure" })
    expectLoggable(event)
  })
})
