/** Records that are archived to a directory and to buckets: the same answers from there, and nothing left when they are due. */

import { afterEach, describe, expect, it, vi } from "vitest"
import { keepsItsAnswers, logOver, STORES } from "./archive-stores.js"

/** Many, so that not all of them come in one request, and a user's lie in many pages. */
const COUNTS = { "a directory": 20_000, s3rver: 20_000, "a bucket that keeps versions": 2_000 } as const

const ending: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end()
  vi.unstubAllEnvs()
})

describe("archived events", () => {
  it.each(Object.entries(COUNTS))("are answered from %s as before, %i of them", async (name, count) => {
    const store = await STORES[name as keyof typeof STORES]()
    ending.push(() => store.close())
    for (const [variable, value] of Object.entries(store.environment)) vi.stubEnv(variable, value)
    const log = await logOver(store)
    ending.push(() => log.end())
    await keepsItsAnswers(count, log, store)
    expect.hasAssertions()
  })
})
