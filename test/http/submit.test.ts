import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { anEvent, type Got, type Served, serve } from "./served.js"
import { type Step, SUBMIT_SCRIPT } from "./submit-script.js"

describe("POST v1/events", () => {
  let served: Served
  beforeAll(async () => {
    served = await serve()
  })
  afterAll(() => served.stop())

  it.each(SUBMIT_SCRIPT)("$status: $says", async (step) => {
    const got = await play(served, step)
    expect({ status: got.status, ...got.json }).toMatchObject({ status: step.status, ...step.has })
    if (step.results === undefined) return
    const results = got.json.results as readonly unknown[]
    expect(results).toHaveLength(step.results.length)
    for (const [i, result] of step.results.entries()) expect(results[i]).toMatchObject(result)
  })

  it("treats a body of thousands of events as it treats each of them", async () => {
    const events = Array.from({ length: 3_000 }, (_, i) =>
      anEvent({ event_id: `bulk-${i}`, ...(i === 7 && { result: "ok" }) }),
    )
    const send = () =>
      served.request({
        method: "POST",
        path: "v1/events",
        key: served.keys.writer,
        type: "application/x-ndjson",
        body: events.map((event) => JSON.stringify(event)).join("\n"),
      })
    const [first, again] = [(await send()).json.results, (await send()).json.results] as Record<
      string,
      unknown
    >[][]
    for (const [i, result] of (first ?? []).entries()) {
      if (i === 7) expect(result).toMatchObject({ code: "bad_format", pointer: "/result" })
      else expect(again?.[i]).toEqual({ ...result, duplicate: true })
    }
    expect(new Set(first?.map((result) => result.leaf_index)).size).toBe(3_000)
  })

  it("tells of each of many repeats what became of it, whatever became of those beside it", async () => {
    const results = async (events: readonly object[]) => {
      const body = JSON.stringify(events)
      const type = "application/json"
      const got = await served.request({
        method: "POST",
        path: "v1/events",
        key: served.keys.writer,
        type,
        body,
      })
      return got.json.results as Record<string, unknown>[]
    }
    const events = Array.from({ length: 300 }, (_, i) => anEvent({ event_id: `again-${i}` }))
    const leaves = (await results(events)).map(({ leaf_index }) => leaf_index as number)
    await served.storage.withdraw(
      [5, 299].map((i) => ({ kind: "tombstone", leafIndex: leaves[i] as number, bytes: new Uint8Array(1) })),
    )
    // In another order, some of them changed, one broken, and new ones among them.
    const sent = events.flatMap((event, i) => [
      { ...event, ...(i % 7 === 3 && { user_id: "U2" }), ...(i === 100 && { result: "ok" }) },
      ...(i % 50 === 0 ? [anEvent({ event_id: `new-${i}` })] : []),
    ])
    for (const [at, result] of (await results(sent.toReversed())).entries()) {
      const eventId = (sent.at(-1 - at) as { event_id: string }).event_id
      const i = Number(eventId.split("-")[1])
      const leaf_index = leaves[i] as number
      if (eventId.startsWith("new")) expect(result.duplicate).toBeUndefined()
      else if (i === 100) expect(result).toMatchObject({ code: "bad_format", pointer: "/result" })
      else if (i === 5 || i === 299) {
        expect(result).toMatchObject({ event_id: eventId, leaf_index, duplicate: true, unchecked: true })
      } else if (i % 7 === 3) expect(result).toMatchObject({ code: "SERVER_CONFLICT", leaf_index })
      else {
        expect(result).toMatchObject({ event_id: eventId, leaf_index, duplicate: true })
        expect(result.unchecked).toBeUndefined()
      }
    }
  })

  it("tells every refusal as a problem document", async () => {
    const got = await served.request({ method: "POST", path: "v1/events" })
    expect(got.headers["content-type"]).toBe("application/problem+json")
    expect(got.headers["www-authenticate"]).toBe('Bearer realm="prooflog"')
    expect(got.json).toEqual({
      type: "about:blank",
      title: "Unauthorized",
      status: 401,
      detail: "this needs an API key: Authorization: Bearer pl_…",
      code: "SERVER_NO_KEY",
    })
  })

  it("never told the operator of a caller's mistake", () => {
    expect(served.told.filter(({ level }) => level === "error")).toEqual([])
  })
})

describe("submissions at the door and through Express", () => {
  it("are answered with the same bytes", { timeout: 30_000 }, async () => {
    const door = await serve()
    const express = await serve({ submitViaExpress: true })
    for (const step of SUBMIT_SCRIPT) {
      const [atDoor, viaExpress] = [await play(door, step), await play(express, step)]
      expect(withoutKeyIds(viaExpress), step.says).toBe(withoutKeyIds(atDoor))
    }
    await door.stop()
    await express.stop()
  })
})

async function play({ request, keys }: Served, { send }: Step): Promise<Got> {
  const { query = "", key = "writer", ...wanted } = send
  const secret = key === "none" ? undefined : key === "unknown" ? `pl_00000000_${"0".repeat(64)}` : keys[key]
  return request({ method: "POST", path: `v1/events${query}`, ...(secret && { key: secret }), ...wanted })
}

/** The two servers have keys of their own, which their refusals may name. */
function withoutKeyIds({ raw }: Got): string {
  return raw.toString("latin1").replace(/API key [0-9a-f]{8}/g, "API key")
}
