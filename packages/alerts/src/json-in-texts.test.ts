import type * as json from "@prooflog/event/json"
import { expect, it, vi } from "vitest"
import { compiledSigma, SigmaWatch } from "./stand-in-sigma.js"

const read = vi.hoisted(() => ({ count: 0 }))

vi.mock("@prooflog/event/json", async (original) => {
  const actual = await original<typeof json>()
  const parseStrictJson: typeof actual.parseStrictJson = (...args) => {
    read.count++
    return actual.parseStrictJson(...args)
  }
  return { ...actual, parseStrictJson }
})

const RULES = 40

it("JSON inside a text is read once for an event, however many rules ask for what is in it", () => {
  const rule = (i: number) =>
    `title: T${i}\nlogsource: { product: aws, service: cloudtrail }\ndetection: { s: { requestParameters.m${i}: x }, condition: s }\n`
  const text = Array.from({ length: RULES }, (_, i) => rule(i)).join("---\n")
  expect(compiledSigma(text).rules).toHaveLength(RULES)
  const watch = new SigmaWatch(text)
  const requestParameters = JSON.stringify({ m7: "x", m9: "y" })
  const raw = { eventVersion: "1", eventSource: "s", eventName: "n", requestParameters }
  watch.see({ raw: JSON.stringify(raw) }, Date.UTC(2026, 2, 1))
  expect(watch.firings.map(({ rule: { title } }) => title)).toEqual(["T7"])
  expect(read.count).toBe(2)
})
