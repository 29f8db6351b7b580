import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { formatSpoolLines, parseSpoolLines } from "./spool-line.js"

const event = (text: string) => ({ text, bytes: Buffer.byteLength(text) })
const lines = fc
  .array(fc.jsonValue(), { minLength: 1, maxLength: 5 })
  .map((values) => values.map((value) => event(JSON.stringify({ value }))))

describe("spool lines", () => {
  it("have a checksum before the event", () => {
    expect(formatSpoolLines([event('{"a":1}')]).toString()).toBe('561bacaf {"a":1}\n')
  })

  it("read back as they were written", () => {
    fc.assert(
      fc.property(lines, (events) => {
        const bytes = formatSpoolLines(events)
        expect(parseSpoolLines(bytes, 100, 1 << 20)).toEqual({ events, end: bytes.length })
      }),
    )
  })

  it("cut anywhere give the whole lines before the cut, and nothing of the torn one", () => {
    fc.assert(
      fc.property(lines, fc.nat(), (events, at) => {
        const bytes = formatSpoolLines(events)
        const cut = at % bytes.length
        const read = parseSpoolLines(bytes.subarray(0, cut), 100, 1 << 20)
        expect(read.events).toEqual(events.slice(0, read.events.length))
        expect(formatSpoolLines(events.slice(0, read.events.length))).toHaveLength(read.end)
        expect(read.end).toBeLessThanOrEqual(cut)
      }),
    )
  })

  it("with one bit flipped never give an event that was not written", () => {
    fc.assert(
      fc.property(lines, fc.nat(), (events, at) => {
        const bytes = formatSpoolLines(events)
        const bit = at % (bytes.length * 8)
        bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7))
        const written = new Set(events.map(({ text }) => text))
        for (const read of parseSpoolLines(bytes, 100, 1 << 20).events) {
          if (read !== undefined) expect(written).toContain(read.text)
        }
      }),
    )
  })

  it("stop at the bounds of a batch, but not before the first line", () => {
    const bytes = formatSpoolLines([event("1234567890"), event("1234"), event("1234")])
    expect(parseSpoolLines(bytes, 2, 1000).events).toHaveLength(2)
    expect(parseSpoolLines(bytes, 9, 5).events).toHaveLength(1)
    expect(parseSpoolLines(bytes, 9, 16).events).toHaveLength(2)
  })
})
