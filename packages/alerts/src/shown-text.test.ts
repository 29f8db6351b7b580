import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { anyText } from "../../../test/alerts/made-alerts.js"
import { dataText, hostlessText, shownText, timeText, unlinkedText } from "./shown-text.js"

it.each([
  ["plain", "Grüße, 漢字 and 😀", "Grüße, 漢字 and 😀"],
  ["lines", "a\r\nb\tc\u2028d", "a\\r\\nb\\tc\\u{2028}d"],
  ["controls", "\u0000\u001b[31m\u007f\u0085", "\\u{0}\\u{1b}[31m\\u{7f}\\u{85}"],
  ["what turns text around", "a\u202eb\u2066c\u200f", "a\\u{202e}b\\u{2066}c\\u{200f}"],
  [
    "what takes no room",
    "a\u200bb\ufeffc\u00add\u2060e\u3164f\ufe0fg",
    "a\\u{200b}b\\u{feff}c\\u{ad}d\\u{2060}e\\u{3164}f\\u{fe0f}g",
  ],
  ["what stands beyond", "\u{e0041}\u{1d173}", "\\u{e0041}\\u{1d173}"],
  ["halves of pairs", "\ud83dx\udc00", "\\u{d83d}x\\u{dc00}"],
  ["piled marks", "e\u0300\u0301\u0302\u0303", "e\u0300\u0301\u0302\\u{303}"],
])("%s: all of it is seen", (_, text, shown) => {
  expect(shownText(text, 200)).toBe(shown)
})

it.each([
  ["https://evil.example/a?b", "https[:]//evil.example/a?b", "https[:]//evil[.]example/a?b"],
  ["HTTP://WWW.EVIL.EXAMPLE", "HTTP[:]//WWW[.]EVIL.EXAMPLE", "HTTP[:]//WWW[.]EVIL[.]EXAMPLE"],
  ["mailto:a@evil.example", "mailto[:]a@evil.example", "mailto[:]a@evil[.]example"],
  ["javascript:alert(1)", "javascript[:]alert(1)", "javascript[:]alert(1)"],
  ["see evil.example.", "see evil.example.", "see evil[.]example."],
  ["münchen.de", "münchen.de", "münchen[.]de"],
  ["evil。example", "evil。example", "evil[。]example"],
  ["203.0.113.7 to 10.0.0.1:80", "203.0.113.7 to 10.0.0.1:80", "203.0.113.7 to 10.0.0.1:80"],
  ["arn:aws:s3:::bucket", "arn:aws:s3:::bucket", "arn:aws:s3:::bucket"],
])("nothing of %s is a link", (text, unlinked, hostless) => {
  expect(unlinkedText(text, 200)).toBe(unlinked)
  expect(hostlessText(text, 200)).toBe(hostless)
})

describe("of any text", () => {
  const max = fc.integer({ min: 1, max: 300 })

  it("what is shown is visible, well formed and no longer than asked", () => {
    fc.assert(
      fc.property(anyText, max, (text, max) => {
        for (const show of [shownText, unlinkedText, hostlessText]) {
          const shown = show(text, max)
          expect(shown.length).toBeLessThanOrEqual(max)
          expect(shown).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u)
          expect(shown).not.toMatch(/\p{M}{4}/u)
          if (text.length > max) expect(shown).toMatch(/…$/)
        }
        expect(unlinkedText(text, max)).not.toMatch(/:\/\/|\bmailto:|\bwww\./i)
        expect(hostlessText(text, max)).not.toMatch(/:\/\/|[\p{L}\p{N}-]\.\p{L}{2}/iu)
      }),
      { numRuns: 500 },
    )
  })

  it("data is the text itself, cut, and without halves of pairs", () => {
    fc.assert(
      fc.property(anyText, max, (text, max) => {
        const data = dataText(text, max)
        expect(data.length).toBeLessThanOrEqual(max)
        expect(data).not.toMatch(/\p{Cs}/u)
        if (text.length <= max)
          expect(data.replaceAll("\ufffd", "")).toBe(text.replace(/\p{Cs}|\ufffd/gu, ""))
        else expect(data).toMatch(/…$/)
      }),
      { numRuns: 500 },
    )
  })
})

it.each([
  [Date.UTC(2026, 0, 15, 12, 0, 0, 7), "2026-01-15T12:00:00Z"],
  [Number.NaN, "1970-01-01T00:00:00Z"],
  [-5, "1970-01-01T00:00:00Z"],
  [Number.POSITIVE_INFINITY, "9999-12-31T23:59:59Z"],
  [1e300, "9999-12-31T23:59:59Z"],
])("the time %s is a time", (ms, text) => {
  expect(timeText(ms)).toBe(text)
})
