/** As archive-stores.test.ts, of a million events. */

import { afterEach, describe, expect, it, vi } from "vitest"
import { keepsItsAnswers, logOver, STORES } from "./archive-stores.js"

const COUNTS = { "a directory": 1_000_000, s3rver: 1_000_000 } as const

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
