import { mkdtemp, rm } from "node:fs/promises"
import { createServer, type Server } from "node:http"
import { type AddressInfo, connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { originHash } from "@prooflog/tlog/witness-request"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { openWitness, type Witness } from "./witness.js"
import { LOG, TWO_BRANCHES, witnessKey } from "./witness-branches.js"
import { witnessDoor } from "./witness-door.js"

const [left] = TWO_BRANCHES
const HASH = originHash(LOG.origin)

let folder: string
let witness: Witness
let server: Server
let url: string
const failures: unknown[] = []

beforeEach(async () => {
  failures.length = 0
  folder = await mkdtemp(join(tmpdir(), "witness-door-"))
  witness = await openWitness({ folder, signerKey: witnessKey, logs: [LOG] })
  const door = witnessDoor({ witness, onError: (error) => failures.push(error), bodyTimeoutMs: 100 })
  server = createServer((req, res) => {
    if (!door(req, res)) res.writeHead(418).end()
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  await rm(folder, { recursive: true, force: true })
})

const post = (body: BodyInit) => fetch(`${url}/add-checkpoint`, { method: "POST", body })

/** Sends bytes as they are, and returns everything that comes until the other side ends the connection. */
function raw(...parts: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect((server.address() as AddressInfo).port, "127.0.0.1")
    let text = ""
    socket.setEncoding("utf8")
    socket.on("data", (chunk) => {
      text += chunk
    })
    socket.on("close", () => resolve(text))
    socket.on("error", (error) => (text === "" ? reject(error) : resolve(text)))
    for (const part of parts) socket.write(part)
  })
}

describe("a witness over HTTP", () => {
  it("cosigns, tells the size, and shows the checkpoint, each with its media type", async () => {
    const cosigned = await post(await left.request(0, 3))
    expect(cosigned.status).toBe(200)
    expect(cosigned.headers.get("content-type")).toBe("text/plain; charset=utf-8")
    expect(await cosigned.text()).toMatch(/^— witness\.example \S+\n$/)
    const conflict = await post(await left.request(0, 4))
    expect(conflict.status).toBe(409)
    expect(conflict.headers.get("content-type")).toBe("text/x.tlog.size")
    expect(await conflict.text()).toBe("3\n")
    const shown = await fetch(`${url}/${HASH}/checkpoint`)
    expect(shown.headers.get("content-type")).toBe("text/plain; charset=utf-8")
    expect(await shown.text()).toBe(witness.latest(HASH))
    const head = await fetch(`${url}/${HASH}/checkpoint`, { method: "HEAD" })
    expect(head.headers.get("content-length")).toBe(shown.headers.get("content-length"))
  })

  it.each<[string, string, number]>([
    ["GET", "/add-checkpoint", 405],
    ["PUT", "/add-checkpoint", 405],
    ["POST", `/${HASH}/checkpoint`, 405],
    ["GET", `/${HASH}/checkpoint`, 404],
    ["GET", `/${"0".repeat(64)}/checkpoint`, 404],
    ["GET", `/${HASH.toUpperCase()}/checkpoint`, 418],
    ["GET", `/${HASH.slice(1)}/checkpoint`, 418],
    ["GET", `/../${HASH}/checkpoint/`, 418],
    ["POST", "/add-checkpoint/", 418],
    ["GET", "/", 418],
  ])("answers %s %s with %i", async (method, path, status) => {
    expect((await fetch(`${url}${path}`, { method })).status).toBe(status)
  })

  it("refuses what announces more than 64 KiB, before it comes", async () => {
    const answer = await raw("POST /add-checkpoint HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n")
    expect(answer).toMatch(/^HTTP\/1\.1 413 [\s\S]*Connection: close/i)
  })

  it("refuses what grows past 64 KiB, and reads no more of it", async () => {
    const chunk = `8000\r\n${"x".repeat(0x8000)}\r\n`
    const answer = await raw(
      "POST /add-checkpoint HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
      chunk,
      chunk,
      chunk,
    )
    expect(answer).toMatch(/^HTTP\/1\.1 413 /)
    expect((await post("x".repeat(65_537))).status).toBe(413)
    expect((await post("x".repeat(65_536))).status).toBe(400)
  })

  it("gives up a body that does not come, and one that is left off", async () => {
    const start = "POST /add-checkpoint HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"
    expect(await raw(start, "old 0\n")).toMatch(/^HTTP\/1\.1 408 /)
    await new Promise<void>((resolve) => {
      const socket = connect((server.address() as AddressInfo).port, "127.0.0.1", () => {
        socket.write(start, () => socket.destroy())
      })
      socket.on("close", () => resolve())
    })
    expect((await post(await left.request(0, 3))).status).toBe(200)
    expect(failures).toEqual([])
  })

  it("answers 500 where the disk failed, and says why to its operator only", async () => {
    await rm(folder, { recursive: true })
    const answer = await post(await left.request(0, 3))
    expect(answer.status).toBe(500)
    expect(await answer.text()).toBe("the witness could not store the checkpoint\n")
    expect(failures).toHaveLength(1)
    expect(witness.latest(HASH)).toBeUndefined()
  })
})
