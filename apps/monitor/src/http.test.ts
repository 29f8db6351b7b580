import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { afterEach, describe, expect, it } from "vitest"
import { type HttpOptions, type HttpTimes, type Listening, openHttp } from "./http.js"
import { Places } from "./places.js"
import { RateLimit } from "./rate-limit.js"

/** Longer than any test. */
const PATIENT: HttpTimes = { headMs: 60_000, requestMs: 60_000, idleMs: 60_000, silentMs: 60_000 }

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

async function begin(options: Partial<HttpOptions> = {}): Promise<Listening> {
  const listening = await openHttp({
    host: "127.0.0.1",
    port: 0,
    times: PATIENT,
    watches: [],
    limit: new RateLimit({ burst: 1_000, perSecond: 1_000, floodAfter: 1_000, dropMs: 1_000 }),
    clock: () => 0,
    page: () => "the page",
    metrics: async () => ({ text: "", contentType: "text/plain" }),
    unhealthy: () => undefined,
    unready: () => undefined,
    witness: undefined,
    onHead: () => {},
    onError: (error) => expect.fail(String(error)),
    ...options,
  })
  ends.push(() => listening.close())
  return listening
}

/** A connection, and all that it was sent until its end. */
async function open(
  { url }: Listening,
  localAddress = "127.0.0.1",
): Promise<{ socket: Socket; text: Promise<string> }> {
  const socket = connect({ port: Number(new URL(url).port), host: "127.0.0.1", localAddress })
  ends.push(() => socket.destroy())
  let text = ""
  socket.setEncoding("latin1").on("data", (chunk) => {
    text += chunk
  })
  socket.on("error", () => {})
  const ended = new Promise<string>((resolve) => socket.on("close", () => resolve(text)))
  await once(socket, "connect")
  return { socket, text: ended }
}

const GET = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"

/** Asks over a connection of its own. */
async function ask(listening: Listening, request = GET, localAddress?: string): Promise<string> {
  const { socket, text } = await open(listening, localAddress)
  socket.write(request)
  socket.on("data", () => socket.end())
  return await text
}

/** The head of a POST of 4 bytes, none of them with it. */
const POST = "POST /v1/checkpoints HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n"

describe("the connections of one address", () => {
  it("are so many, and leave those of others; one that ends makes room for the next", async () => {
    const listening = await begin({ connectionsPerAddress: 3 })
    const held = await Promise.all([1, 2, 3].map(() => open(listening)))
    // Accepted in their order: with this answer the three before it were counted.
    expect(await ask(listening)).toBe("")
    expect(await ask(listening, GET, "127.0.0.2")).toMatch(/^HTTP\/1\.1 200 /)
    for (const { socket } of held) {
      socket.write(GET)
      expect((await once(socket, "data")).join("")).toMatch(/^HTTP\/1\.1 200 /)
    }
    held[0]?.socket.destroy()
    let answer = ""
    while (answer === "") answer = await ask(listening)
    expect(answer).toMatch(/^HTTP\/1\.1 200 /)
  })

  it("have half as many bodies that have not come to their end", async () => {
    const listening = await begin({ connectionsPerAddress: 4 })
    const held = [await open(listening), await open(listening)]
    for (const { socket } of held) {
      // Its head was read when this is answered.
      socket.write(GET + POST)
      await once(socket, "data")
    }
    const refused = await ask(listening, `${POST}body`)
    expect(refused).toMatch(/^HTTP\/1\.1 429 [\s\S]*Retry-After: 10[\s\S]*too many bodies at once\n$/)
    expect(await ask(listening, `${POST}body`, "127.0.0.2")).toMatch(/^HTTP\/1\.1 400 /)
    const [first, second] = held
    first?.socket.write("body")
    expect((await once(first?.socket as Socket, "data")).join("")).toMatch(/^HTTP\/1\.1 400 /)
    expect(await ask(listening, `${POST}body`)).toMatch(/^HTTP\/1\.1 400 /)
    // One that is left off gives its place back, too.
    await open(listening).then(({ socket }) => socket.write(POST))
    second?.socket.destroy()
    first?.socket.destroy()
    let answer = ""
    while (!answer.startsWith("HTTP/1.1 400 ")) answer = await ask(listening, `${POST}body`)
  })
})

describe("a connection ends", () => {
  it.each<[string, string, Partial<HttpTimes>, RegExp]>([
    ["where nothing is said", "", { headMs: 100 }, /^HTTP\/1\.1 408 /],
    ["where a head does not come to its end", "GET / HTTP/1.1\r\n", { headMs: 100 }, /^HTTP\/1\.1 408 /],
    ["where no other request follows", GET, { idleMs: 100 }, /^HTTP\/1\.1 200 /],
  ])("%s", async (_, said, times, answer) => {
    const listening = await begin({ times: { ...PATIENT, ...times } })
    const { socket, text } = await open(listening)
    socket.write(said)
    expect(await text).toMatch(answer)
  })

  it("where an answer is not taken", async () => {
    const page = "x".repeat(64 * 1024 * 1024)
    const times = { ...PATIENT, silentMs: 100 }
    const listening = await begin({ connectionsPerAddress: 1, times, page: () => page })
    const { socket } = await open(listening)
    socket.pause()
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    let answer = ""
    while (answer === "") answer = await ask(listening)
    expect(answer).toMatch(/^HTTP\/1\.1 200 /)
  })
})

describe("the places of an address", () => {
  it("are those of its network, and given back once", () => {
    const places = new Places(2)
    const leave = places.take("2001:db8::1")
    expect(places.take("2001:db8::ffff")).toBeDefined()
    expect(places.take("2001:db8::2")).toBeUndefined()
    expect(places.take("2001:db8:0:1::1")).toBeDefined()
    leave?.()
    leave?.()
    expect(places.take("2001:db8::2")).toBeDefined()
    expect(places.take("2001:db8::3")).toBeUndefined()
  })
})
