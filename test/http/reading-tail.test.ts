import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { type OwnEvent, ownEvents } from "./own-events.js"
import { anEvent, eventually, type Served, serve } from "./served.js"

describe("a tail of a log that is followed", () => {
  let served: Served
  const readers: AbortController[] = []
  beforeAll(async () => {
    served = await serve({ follow: true, serving: { withhold: { reader: ["ip_address"] } } })
    await post([anEvent({ event_id: "before" })])
    await eventually(async () => {
      const { json } = await served.request({ path: "v1/reading", key: served.keys.reader })
      return (json.through as number) >= 2 ? true : undefined
    })
  })
  afterEach(() => {
    for (const reader of readers.splice(0)) reader.abort()
  })
  afterAll(() => served.stop())

  async function post(events: readonly object[]): Promise<readonly number[]> {
    const { json } = await served.request({
      method: "POST",
      path: "v1/events",
      key: served.keys.writer,
      type: "application/json",
      body: JSON.stringify(events),
    })
    return (json.results as { leaf_index: number }[]).map(({ leaf_index }) => leaf_index)
  }

  /** An open tail: its messages one by one, as they come. */
  async function open(query = "", headers: Record<string, string> = {}) {
    const end = new AbortController()
    readers.push(end)
    const response = await fetch(`${served.server.url}v1/tail${query}`, {
      headers: { authorization: `Bearer ${served.keys.reader}`, ...headers },
      signal: end.signal,
    })
    return { response, messages: messagesOf(response), leave: () => end.abort() }
  }

  it("shows what comes, once and in order, without what is withheld and without its own events", async () => {
    const { response, messages } = await open("?action=document.read")
    expect(response.headers.get("content-type")).toBe("text/event-stream")
    expect(response.headers.get("cache-control")).toBe("no-store")
    const leaves: number[] = []
    const seen: number[] = []
    for (let round = 0; round < 3; round++) {
      const placed = await post([
        anEvent({ action: "document.read" }),
        anEvent({ action: "document.write" }),
        anEvent({ action: "document.read" }),
      ])
      leaves.push(...placed.filter((_, i) => i !== 1))
      for (let i = 0; i < 2; i++) {
        const { id, event, data } = await messages.next()
        seen.push(Number(id))
        expect(event).toBe("access")
        expect(data).toMatchObject({ leaf_index: Number(id), action: "document.read", source: "api" })
        expect(data).not.toHaveProperty("ip_address")
      }
    }
    expect(seen).toEqual(leaves)
  })

  it("is gone on with by the last leaf that was seen", async () => {
    const leaves = await post([1, 2, 3, 4].map((n) => anEvent({ user_id: `resumed-${n}` })))
    const first = await open(`?user_id.prefix=resumed&cursor=${(leaves[0] as number) - 1}`)
    const { id } = await first.messages.next()
    expect(id).toBe(String(leaves[0]))
    first.leave()
    const second = await open("?user_id.prefix=resumed", { "last-event-id": id })
    for (const leaf of leaves.slice(1)) expect((await second.messages.next()).id).toBe(String(leaf))
  })

  it("is of published leaves: each that it shows can be proven at once", async () => {
    const { messages } = await open("?user_id=proven")
    await post([anEvent({ user_id: "proven" })])
    const { id } = await messages.next()
    const got = await served.request({ path: `v1/receipts/${id}` })
    expect(got.status).toBe(200)
  })

  it("is two events of the log, and never more, however much it shows", async () => {
    const before = (await ownEvents(served)).length
    const { messages, leave } = await open("?user_id=counted")
    await post([anEvent({ user_id: "counted" }), anEvent({ user_id: "counted" })])
    await messages.next()
    await messages.next()
    leave()
    const made = await eventually(async () => {
      const own = (await ownEvents(served)).slice(before)
      return own.some(isClose) ? own : undefined
    })
    const about = made.filter(({ fields }) => JSON.stringify(fields).includes("user_id=counted"))
    expect(about.map(({ core }) => core.action)).toEqual(["log.tail.open", "log.tail.close"])
    expect(about[1]?.fields.attributes).toMatchObject({ filter: "user_id=counted", rows: 2 })

    function isClose({ core, fields }: OwnEvent): boolean {
      return core.action === "log.tail.close" && JSON.stringify(fields).includes("user_id=counted")
    }
  })

  it("may be of the log's own events, and does not wake itself for ever", async () => {
    const { messages } = await open("?source=prooflog&action=log.read")
    await served.request({ path: "v1/events/1", key: served.keys.reader })
    expect((await messages.next()).data).toMatchObject({ action: "log.read", source: "prooflog" })
    const size = await served.storage.treeSize()
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(await served.storage.treeSize()).toBe(size)
  })

  it("is refused by the name of the parameter", async () => {
    const { status, json } = await served.request({ path: "v1/tail?user=U1", key: served.keys.reader })
    expect(status).toBe(400)
    expect(json).toMatchObject({ code: "QUERY_BAD_FILTER", parameter: "user" })
  })

  it.each(["ip_address.prefix=8", "ip_address.not=8.8.8.8", "country=DE", "asn.min=1"])(
    "is refused at once where it asks about what is withheld: %s",
    async (filter) => {
      const { status, json } = await served.request({ path: `v1/tail?${filter}`, key: served.keys.reader })
      expect(status).toBe(400)
      expect(json).toMatchObject({ code: "QUERY_BAD_FILTER", parameter: filter.split(/[.=]/)[0] })
    },
  )

  it("shows what is too large for one page, whole and in order", async () => {
    const text = "\u0001".repeat(60_000)
    const placed = await post(Array.from({ length: 6 }, () => anEvent({ user_id: "wide", raw: text })))
    const { messages } = await open(`?user_id=wide&cursor=${(placed[0] as number) - 1}`)
    for (const leaf of placed) {
      const { id, data } = await messages.next()
      expect(Number(id)).toBe(leaf)
      expect((data as { raw: string }).raw === text).toBe(true)
    }
    // The page of a list is bounded too: six would be 2.1 MB, fourteen are more than 4 MiB.
    await post(Array.from({ length: 8 }, () => anEvent({ user_id: "wide", raw: text })))
    const pages: number[] = []
    let cursor = ""
    do {
      const list = await eventually(async () => {
        const path = `v1/events?user_id=wide&limit=1000${cursor}`
        const got = await served.request({
          path: `${path}&min_size=${(placed[5] as number) + 9}`,
          key: served.keys.reader,
        })
        return got.status === 200 ? got : undefined
      })
      expect(list.body.length).toBeLessThan(4.1 * 1024 * 1024)
      pages.push((list.json.events as unknown[]).length)
      cursor = list.json.next_cursor === undefined ? "" : `&cursor=${list.json.next_cursor}`
    } while (cursor !== "")
    expect(pages).toEqual([11, 3])
  })

  it("ends with a server that stops, which waits for no tail", async () => {
    const log = await serve({ follow: true })
    const response = await fetch(`${log.server.url}v1/tail`, {
      headers: { authorization: `Bearer ${log.keys.reader}` },
    })
    const ended = response.text()
    const began = performance.now()
    await log.server.close()
    // A connection that is not let go is cut after ten seconds.
    expect(performance.now() - began).toBeLessThan(8_000)
    expect(await ended).toMatch(/^: keep-alive/)
    expect(log.told.filter(({ level }) => level === "error")).toEqual([])
    await log.stop()
  })
})

interface Message {
  readonly id: string
  readonly event: string
  readonly data: unknown
}

function messagesOf(response: Response): { next(): Promise<Message> } {
  const chunks = (response.body as ReadableStream<Uint8Array>).getReader()
  const decoder = new TextDecoder()
  let text = ""
  return {
    async next() {
      for (;;) {
        const end = text.indexOf("\n\n")
        if (end < 0) {
          const { done, value } = await chunks.read()
          if (done) throw new Error("the tail has ended")
          text += decoder.decode(value, { stream: true })
          continue
        }
        const message = text.slice(0, end)
        text = text.slice(end + 2)
        if (message.startsWith(":")) continue
        const fields = Object.fromEntries(message.split("\n").map((line) => line.split(/: (.*)/s, 2)))
        return { id: fields.id ?? "", event: fields.event ?? "", data: JSON.parse(fields.data ?? "") }
      }
    },
  }
}
