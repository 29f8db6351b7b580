import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { gzipSync } from "node:zlib"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { opaqueLog, POLICY } from "../fixtures/small-log.js"
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

  it.each([301, 302, 303, 307, 308])("follows a redirect (%d) on the same origin", async (status) => {
    answer = (request, response) => {
      if (request.url?.startsWith("/log") === true)
        response.writeHead(status, { location: `/moved/${TILE}` }).end("moved")
      else response.end(BODY)
    }
    expect(await httpSource(url, options()).read(TILE)).toEqual(BODY)
    expect(requests).toEqual([`/log/${TILE}`, `/moved/${TILE}`])
  })

  it("goes to no other origin, whatever a log says, nor takes anything there", async () => {
    const heard: IncomingMessage[] = []
    const other = createServer((request, response) => {
      heard.push(request)
      response.end(BODY)
    })
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve))
    const { port } = other.address() as AddressInfo
    try {
      for (const location of [
        `http://127.0.0.1:${port}/${TILE}`,
        `//127.0.0.1:${port}/${TILE}`,
        `http://localhost:${port}/${TILE}`,
        "file:///etc/passwd",
        "data:,x",
        "http://[",
      ]) {
        requests = []
        answer = (_request, response) => void response.writeHead(302, { location }).end()
        const source = httpSource(url, options({ headers: { "x-api-key": "secret" } }))
        await expect(source.read(TILE), location).rejects.toThrow(
          failed(/a redirect to .*, which is not followed/),
        )
        expect(requests).toHaveLength(1)
      }
      expect(heard).toEqual([])
    } finally {
      other.close()
    }
  })

  it("follows no circle of redirects, and no redirect to nowhere", async () => {
    answer = (_request, response) => response.writeHead(302, { location: `/log/${TILE}` }).end()
    await expect(httpSource(url, options()).read(TILE)).rejects.toThrow(failed(/more than 3 redirects/))
    expect(requests).toHaveLength(4)
    answer = (_request, response) => response.writeHead(302).end()
    await expect(httpSource(url, options()).read(TILE)).rejects.toThrow(failed(/status 302/))
  })

  it.each([404, 403, 302])("listens no longer than it must to what comes with a %d", async (status) => {
    let open = 0
    answer = (_request, response) => {
      open++
      response.on("close", () => open--)
      response.writeHead(status)
      const chunk = new Uint8Array(65_536)
      const send = () => {
        while (!response.destroyed && response.write(chunk));
        response.once("drain", send)
      }
      send()
    }
    const source = httpSource(url, options())
    if (status === 404) expect(await source.read(TILE)).toBeUndefined()
    else await expect(source.read(TILE)).rejects.toThrow(failed(new RegExp(`status ${status}`)))
    await expect.poll(() => open).toBe(0)
  })

  it("puts a body together that comes byte by byte", async () => {
    const body = Uint8Array.from({ length: 2048 }, (_, i) => i)
    answer = async (_request, response) => {
      response.writeHead(200)
      for (const byte of body) response.write(Uint8Array.of(byte))
      response.end()
    }
    expect(await httpSource(url, options()).read("tile/0/000.p/64")).toEqual(body)
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

  it("tries again when what comes is not what it is said to be", async () => {
    answer = (_request, response) => {
      if (requests.length < 3) response.writeHead(200, { "content-encoding": "gzip" }).end(BODY)
      else response.end(BODY)
    }
    expect(await httpSource(url, options()).read(TILE)).toEqual(BODY)
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

  it("gathers a part of many large bodies at a time, and all of them in the end", async () => {
    const body = new Uint8Array(4 * 1024 * 1024).fill(7)
    const open = new Set<ServerResponse>()
    let isHeldBack = true
    answer = (_request, response) => {
      open.add(response)
      response.on("close", () => open.delete(response))
      response.write(body)
      if (!isHeldBack) response.end()
    }
    const source = httpSource(url, options({ timeoutMs: 120_000 }))
    const reading = Array.from({ length: 24 }, (_, i) =>
      source.read(`tile/entries/0${String(i).padStart(2, "0")}`),
    )
    // Of 24 × 4 MiB that were sent, 32 MiB are kept, and what one asks for anew.
    while (requests.length < 24 || open.size > 9) await new Promise((resolve) => setTimeout(resolve, 5))
    isHeldBack = false
    for (const response of open) response.end()
    for (const bytes of await Promise.all(reading)) expect(Buffer.compare(bytes ?? BODY, body)).toBe(0)
    expect(slept).toEqual([])
  })

  it("is audited over a few connections that stay open, with at least 16 requests under way", async () => {
    const log = opaqueLog(20_000)
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
    expect(await verifyLog(httpSource(url, options()), POLICY, { window: 12 })).toMatchObject({
      treeSize: 20_000,
    })
    expect(most).toBeGreaterThanOrEqual(16)
    expect(requests.length).toBeGreaterThan(150)
    expect(sockets.size).toBeLessThan(requests.length / 2)
  })
})

describe("by the platform's own way", () => {
  it("fails at once for a content encoding that is none of a log's", async () => {
    let requests = 0
    const server = createServer((_request, response) => {
      requests++
      response.writeHead(200, { "content-encoding": "gzip, gzip" }).end(BODY)
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const { port } = server.address() as AddressInfo
    await expect(httpSource(`http://127.0.0.1:${port}`).read(TILE)).rejects.toThrow(/encoding "gzip, gzip"/)
    expect(requests).toBe(1)
    server.closeAllConnections()
    server.close()
  })
})

describe("by a browser's fetch", () => {
  it("says what to do about a redirect, which it cannot see", async () => {
    const hidden = { type: "opaqueredirect", status: 0, headers: new Headers(), body: null }
    const fetch = async (_url: unknown, init?: RequestInit) => {
      expect(init?.redirect).toBe("manual")
      return hidden as unknown as Response
    }
    const source = httpSource("http://log.example", { fetch: fetch as typeof globalThis.fetch })
    await expect(source.read(TILE)).rejects.toThrow(/give the URL that it leads to/)
  })

  it("is followed from http to the https of the same host only", async () => {
    const asked: string[] = []
    const to = (location: string) => {
      asked.length = 0
      const fetch = async (url: unknown) => {
        asked.push(String(url))
        return asked.length === 1
          ? new Response(null, { status: 301, headers: { location } })
          : new Response(BODY)
      }
      return (from: string) => httpSource(from, { fetch: fetch as typeof globalThis.fetch }).read(TILE)
    }
    const secured = `https://log.example/${TILE}`
    expect(await to(secured)("http://log.example")).toEqual(BODY)
    expect(asked).toEqual([`http://log.example/${TILE}`, secured])
    expect(await to(secured)("http://log.example:8080")).toEqual(BODY)
    for (const [from, location] of [
      ["https://log.example", `http://log.example/${TILE}`],
      ["http://log.example", `https://log.example:444/${TILE}`],
      ["http://log.example", `https://log.example.evil/${TILE}`],
      ["http://log.example", `https://evil@other.example/${TILE}`],
    ] as const) {
      await expect(to(location)(from), location).rejects.toThrow(/not followed/)
      expect(asked).toHaveLength(1)
    }
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
