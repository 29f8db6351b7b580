import { randomFillSync } from "node:crypto"
import { decodeEntry } from "@prooflog/event/entry"
import { openRecord, SeedPool } from "@prooflog/event/record"
import { type Body, type Prepared, prepare } from "@prooflog/server/prepare"
import { parseBundle } from "@prooflog/tlog/bundle"
import { afterAll, describe, expect, it } from "vitest"
import { type ClassRules, classesOf } from "../../apps/server/dist/class-of.js"
import { prepareElsewhere } from "../../apps/server/dist/prepare-elsewhere.js"
import { anEvent, NOW_MS } from "./served.js"

describe("the thread that large bodies are prepared in", () => {
  const ROUTINE: ClassRules = { rules: [], default: "routine" }
  let rules = ROUTINE
  const elsewhere = prepareElsewhere(() => rules)
  afterAll(() => elsewhere.close())

  const events = [anEvent({ event_id: "a" }), anEvent({ user_id: 1 }), anEvent(), anEvent({ event_id: "b" })]

  function body(value: unknown): Body {
    const bytes = Buffer.from(JSON.stringify(value))
    return { bytes, mediaType: "application/json", source: "api", keyId: "0a1b2c3d", nowMs: NOW_MS }
  }

  it("gives what this thread would give, but for what is random", async () => {
    const seeds = new SeedPool((bytes) => void randomFillSync(bytes))
    const here = prepare(body(events), { classOf: classesOf(ROUTINE), seeds }) as Prepared
    const there = (await elsewhere.prepare(body(events))) as Prepared
    expect({ ...there, records: said(there), entries: 0, results: [] }).toEqual({
      ...here,
      records: said(here),
      entries: 0,
      results: [],
    })
    expect(there.results).toMatchObject(["a", { code: "wrong_type" }, expect.any(String), "b"])
    expect(there.entries).toHaveLength(here.entries.length)
  })

  it("says why a body could not be read", async () => {
    expect(await elsewhere.prepare({ ...body(0), bytes: Buffer.from("[") })).toMatchObject({
      refused: { code: "malformed_json", line: 1 },
    })
  })

  it("answers in the order in which it was asked", async () => {
    const sizes = [500, 1, 100, 2]
    const all = await Promise.all(
      sizes.map((size) => elsewhere.prepare(body(new Array(size).fill(anEvent())))),
    )
    expect(all.map((prepared) => (prepared as Prepared).count)).toEqual(sizes)
  })

  it("fails those it had when it dies, and is there again for the next", async () => {
    const deadly = { ...body(0), bytes: undefined } as unknown as Body
    await expect(elsewhere.prepare(deadly)).rejects.toThrow(TypeError)
    expect(await elsewhere.prepare(body(events))).toMatchObject({ count: 3 })
  })

  it("gives classes by the rules of the moment at which it is asked, also after it died", async () => {
    const asked = [ROUTINE, named("high"), named("vip")].map((each) => {
      rules = each
      return elsewhere.prepare(body([anEvent()]))
    })
    expect((await Promise.all(asked)).map(classOf)).toEqual(["routine", "high", "vip"])
    await expect(elsewhere.prepare({ ...body(0), bytes: undefined } as unknown as Body)).rejects.toThrow()
    expect(classOf(await elsewhere.prepare(body([anEvent()])))).toBe("vip")
    rules = ROUTINE
  })
})

/** Rules that give every event this class. */
function named(name: string): ClassRules {
  return { rules: [{ class: name, conditions: { user_id: ["*"] }, line: 1 }], default: "routine" }
}

/** Of the one event that was prepared. */
function classOf(prepared: Awaited<ReturnType<ReturnType<typeof prepareElsewhere>["prepare"]>>): unknown {
  const [entry] = parseBundle((prepared as Prepared).entries, 1)
  return (decodeEntry(entry as Uint8Array) as { className?: unknown }).className
}

/** What the records say, without their seeds and the ids that were drawn. */
function said({ records, count }: Prepared): unknown[] {
  return parseBundle(records, count).map((record) => {
    const { core, fields } = openRecord(record)
    return [core.filter(([name]) => name !== "event_id"), fields]
  })
}
