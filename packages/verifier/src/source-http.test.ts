import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { gzipSync } from "node:zlib"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { logOf, opaqueEntries, POLICY } from "../fixtures/small-log.js"
import { type HttpSourceOptions, httpSource } from "./source-http.js"
import { verifyLog } from "./verify-log.js"

const TILE = "tile/0/000.p/2"
const BODY = new Uint8Array(64).fill(5)

describe.each([
  ["the platform's own way", {}],
  ["a fetch", { fetch: globalThis.fetch }],
] as [string, HttpSourceOptions][])("a log behind a URL, by %s", (_, how) => {
  let server: Server
  let url = ""
  let answer: (request: IncomingMessage, response: ServerResponse) => void
  let requests: string[] = []
  let sockets = new Set<unknown>()
  let slept: number[] = []
  const options = (more: HttpSourceOptions = {}): HttpSourceOptions => ({
    ...how,
    sleep: async (ms) => {
      slept.push(ms)
    },
    random: () => 0,
    ...more,
  })
  const failed = (message: RegExp) =>
    expect.objectContaining({
      code: "VERIFIER_SOURCE_FAILED",
      path: TILE,
      message: expect.stringMatching(message),
    })

  beforeAll(async () => {
    server = createServer((request, response) => {
      requests.push(request.url ?? "")
      sockets.add(request.socket)
      answer(request, response)
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/log`
  })
  beforeEach(() => {
    requests = []
    sockets = new Set()
    slept = []
  })
  afterAll(() => server.closeAllConnections())

  it("answers the bytes below the prefix, with or without its slash", async () => {
    answer = (_request, response) => response.end(BODY)
    expect(await httpSource(url, options()).read(TILE)).toEqual(BODY)
    expect(await httpSource(`${url}/`, options()).read(TILE)).toEqual(BODY)
    expect(requests).toEqual([`/log/${TILE}`, `/log/${TILE}`])
  })

  it("answers nothing for 404, without trying again", async () => {
    answer = (_request, response) => response.writeHead(404).end("no")
    expect(await httpSource(url, options()).read(TILE)).toBeUndefined()
    expect(requests).toHaveLength(1)
  })

  it.each([500, 502, 503, 429])("tries again after %d, later and later", async (status) => {
    answer = (_request, response) => {
      if (requests.length < 4) response.writeHead(status).end("busy")
      else response.end(BODY)
    }
    expect(await httpSource(url, options()).read(TILE)).toEqual(BODY)
    expect(slept).toEqual([125, 250, 500])
  })

  it("waits as long as it is told to, up to a minute", async () => {
    const headers = ["3", "999", "Thu, 01 Jan 1970 00:00:00 GMT", "soon"]
    answer = (_request, response) => {
      const header = headers[requests.length - 1]
      if (header === undefined) response.end(BODY)
      else response.writeHead(503, { "retry-after": header }).end()
    }
    expect(await httpSource(url, options()).read(TILE)).toEqual(BODY)
    expect(slept).toEqual([3000, 60_000, 0, 1000])
  })

  it("gives up after some tries, with the last reason", async () => {
    answer = (_request, response) => response.writeHead(503).end()
    await expect(httpSource(url, options({ attempts: 3 })).read(TILE)).rejects.toThrow(
      failed(/3 tries: status 503/),
    )
    expect(requests).toHaveLength(3)
  })

  it.each([400, 401, 403, 410, 204])("fails at once for %d", async (status) => {
    answer = (_request, response) => response.writeHead(status).end()
    await expect(httpSource(url, options()).read(TILE)).rejects.toThrow(
      failed(new RegExp(`status ${status}`)),
    )
    expect(requests).toHaveLength(1)
  })

  it("follows a redirect", async () => {
    answer = (request, response) => {
      if (request.url?.startsWith("/log") === true)
        response.writeHead(302, { location: `/moved/${TILE}` }).end()
      else response.end(BODY)
    }
    expect(await httpSource(url, options()).read(TILE)).toEqual(BODY)
  })

  it("undoes gzip", async () => {
    answer = (_request, response) =>
      response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(BODY))
    expect(await httpSource(url, options()).read(TILE)).toEqual(BODY)
  })

  it("reads no further than a log's tile can be long", async () => {
    const long = new Uint8Array(65)
    for (const send of [
      (response: ServerResponse) => response.writeHead(200, { "content-length": 65 }).end(long),
      (response: ServerResponse) => response.write(long, () => response.end()),
      (response: ServerResponse) =>
        response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(long)),
      (response: ServerResponse) =>
        response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(new Uint8Array(1e7))),
    ]) {
      requests = []
      answer = (_request, response) => void send(response)
      await expect(httpSource(url, options()).read(TILE)).rejects.toThrow(failed(/longer than the 64 bytes/))
      expect(requests).toHaveLength(1)
    }
  })

  it("tries again when the connection breaks, before or within the body", async () => {
    answer = (request, response) => {
      if (requests.length === 1) request.socket.destroy()
      else if (requests.length === 2) {
        response.writeHead(200, { "content-length": 64 })
        response.write(BODY.subarray(0, 10), () => request.socket.destroy())
      } else response.end(BODY)
    }
    expect(await httpSource(url, options()).read(TILE)).toEqual(BODY)
    expect(requests).toHaveLength(3)
  })

  it("tries again when no answer comes in time, or its end does not", async () => {
    answer = (_request, response) => {
      if (requests.length === 1) return
      if (requests.length === 2) {
        response.writeHead(200, { "content-length": 64 })
        response.write(BODY.subarray(0, 10))
      } else response.end(BODY)
    }
    expect(await httpSource(url, options({ timeoutMs: 100 })).read(TILE)).toEqual(BODY)
    expect(requests).toHaveLength(3)
  })

  it("fails when nobody listens", async () => {
    const source = httpSource("http://127.0.0.1:1", options({ attempts: 2 }))
    await expect(source.read(TILE)).rejects.toThrow(failed(/ECONNREFUSED|bad port|fetch failed/))
  })

  it("ends when it is told to", async () => {
    const abort = new AbortController()
    answer = () => abort.abort(new Error("enough"))
    const source = httpSource(url, options({ signal: abort.signal }))
    await expect(source.read(TILE)).rejects.toThrow(failed(/./))
    expect(requests).toHaveLength(1)
  })

  it("ends while it waits to try again, and leaves nothing behind", async () => {
    const abort = new AbortController()
    answer = (_request, response) => {
      response.writeHead(503, { "retry-after": "60" }).end()
      setTimeout(() => abort.abort(new Error("enough")), 50)
    }
    const source = httpSource(url, { ...how, signal: abort.signal })
    await expect(source.read(TILE)).rejects.toThrow(failed(/./))
    expect(requests).toHaveLength(1)
  })

  it("waits by itself, and then goes on", async () => {
    answer = (_request, response) => {
      if (requests.length === 1) response.writeHead(503, { "retry-after": "0" }).end()
      else response.end(BODY)
    }
    const { signal } = new AbortController()
    expect(await httpSource(url, { ...how, signal }).read(TILE)).toEqual(BODY)
  })

  it("sends the headers it was given", async () => {
    answer = (request, response) =>
      response.writeHead(request.headers.authorization === "Bearer x" ? 200 : 401).end(BODY)
    const source = httpSource(url, options({ headers: { authorization: "Bearer x" } }))
    expect(await source.read(TILE)).toEqual(BODY)
  })

  it("is audited over a few connections that stay open, with at least 16 requests under way", async () => {
    const log = logOf(opaqueEntries(40_000))
    let underWay = 0
    let most = 0
    answer = (request, response) => {
      most = Math.max(most, ++underWay)
      setTimeout(() => {
        underWay--
        const bytes = log.files.get(request.url?.slice("/log/".length) ?? "")
        if (bytes === undefined) response.writeHead(404).end()
        else response.end(bytes)
      }, 2)
    }
    expect(await verifyLog(httpSource(url, options()), POLICY)).toMatchObject({ treeSize: 40_000 })
    expect(most).toBeGreaterThanOrEqual(16)
    expect(requests.length).toBeGreaterThan(300)
    expect(sockets.size).toBeLessThan(requests.length / 2)
  })
})

describe("the URL of a log", () => {
  it.each([
    "",
    "log.example",
    "ftp://log.example",
    "http://log.example/?x",
    "http://log.example/#x",
    "file:///x",
  ])("is not %j", (url) => {
    expect(() => httpSource(url)).toThrow(TypeError)
  })

  it("serves nothing but a log", async () => {
    await expect(httpSource("http://log.example").read("../admin")).rejects.toThrow(RangeError)
  })
})
