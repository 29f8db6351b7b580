import { isDeepStrictEqual } from "node:util"
import fc from "fast-check"
import { visit } from "jsonc-parser"
import { describe, expect, test } from "vitest"
import { mostContainers } from "./cbor-reader.js"
import { EventError } from "./error.js"
import { parseStrictJson, pointerOf, type StrictJsonOptions } from "./json.js"

const refusal = (text: string, options?: StrictJsonOptions): EventError => {
  try {
    parseStrictJson(text, options)
  } catch (error) {
    if (error instanceof EventError) return error
    throw error
  }
  throw new Error(`accepted: ${text.slice(0, 100)}`)
}

const place = (error: EventError) =>
  `${error.problem?.code} ${error.line}:${error.column} ${error.problem?.pointer}`.trimEnd()

describe("strict JSON", () => {
  test.each([
    ["", "malformed_json 1:1"],
    [" ", "malformed_json 1:2"],
    ["{", "malformed_json 1:2"],
    ['{"a":1,}', "malformed_json 1:8"],
    ['{"a":1}\n}', "malformed_json 2:1"],
    ['{\n  "a": 1,\n  "b": tru\n}', "malformed_json 3:8"],
    ['{\r\n "a" 1}', "malformed_json 2:6"],
    ["{'a':1}", "malformed_json 1:2"],
    ['{"a":1} // x', "malformed_json 1:9"],
    ['{"a":01}', "malformed_json 1:7"],
    ['{"a":NaN}', "malformed_json 1:6"],
    ['"a\tb"', "malformed_json 1:1"],
    ['"\\x"', "malformed_json 1:1"],
    ["\uFEFF{}", "malformed_json 1:1"],
    ["{}{}", "malformed_json 1:3"],
    ['{"a":1,\n"a":2}', "duplicate_key 2:1 /a"],
    ['{"a":1,"\\u0061":2}', "duplicate_key 1:8 /a"],
    ['[{"x":{"b":[0,{"k":1,"k":1}]}}]', "duplicate_key 1:22 /0/x/b/1/k"],
    ['{"a/b~":{"x":1,"x":1}}', "duplicate_key 1:16 /a~1b~0/x"],
    ['{"__proto__":1}', "forbidden_key 1:2 /__proto__"],
    ['{"\\u005f_proto__":1}', "forbidden_key 1:2 /__proto__"],
    ['{"a":[{"constructor":1}]}', "forbidden_key 1:8 /a/0/constructor"],
    ['{"prototype":{}}', "forbidden_key 1:2 /prototype"],
    ['{"a":"\\ud800"}', "lone_surrogate 1:6 /a"],
    ['{"a":"x\udc00y"}', "lone_surrogate 1:6 /a"],
    ['{"\\udfff":1}', "lone_surrogate 1:2"],
    ['["\\udc00\\ud800"]', "lone_surrogate 1:2 /0"],
    ["9007199254740992", "unsafe_number 1:1"],
    ['{"a":-9007199254740992}', "unsafe_number 1:6 /a"],
    ["[1,123456789012345678901234567890]", "unsafe_number 1:4 /1"],
    ["[1e999]", "unsafe_number 1:2 /0"],
    ["[-1e999]", "unsafe_number 1:2 /0"],
    ['{"a":\n[[[[[[[[1]]]]]]]]}', "too_deep 2:8"],
    // The first fault is told, whatever comes after it.
    ["x[[[[[[[[[", "malformed_json 1:1"],
    ["]]]]]]]]][[[[[[[[[[[[[[[[[[[[", "malformed_json 1:1"],
    ['{"a":1,"a":[[[[[[[[[', "duplicate_key 1:8 /a"],
    ['[9007199254740993,{"a":1,"a":1}]', "unsafe_number 1:2 /0"],
    ['[{"a":1,"a":1},9007199254740993]', "duplicate_key 1:9 /0/a"],
    ['["\\ud800",', "lone_surrogate 1:2 /0"],
    ['["\\ud800\\n"]', "lone_surrogate 1:2 /0"],
    ['[{"\udfff":1}]', "lone_surrogate 1:3 /0"],
    // A line ends in a line feed only.
    ['{"a":1,\r"a":2}', "duplicate_key 1:9 /a"],
    ['{"a":1,\r\n"a":2}', "duplicate_key 2:1 /a"],
    // Words and numbers that JSON does not have.
    ["nul", "malformed_json 1:1"],
    ["truex", "malformed_json 1:5"],
    ["-", "malformed_json 1:1"],
    ["+1", "malformed_json 1:1"],
    ["1.", "malformed_json 1:1"],
    [".5", "malformed_json 1:1"],
    ["1e", "malformed_json 1:1"],
    ["1e+", "malformed_json 1:1"],
    ["0x10", "malformed_json 1:2"],
    ["[1\u00a0]", "malformed_json 1:3"],
    ['"\\u12"', "malformed_json 1:1"],
    ['"\\u12g4"', "malformed_json 1:1"],
    ['"\\', "malformed_json 1:1"],
    ['{"a":1 "b":2}', "malformed_json 1:8"],
    ["[1}", "malformed_json 1:3"],
    ["[1,]", "malformed_json 1:4"],
    ["[,1]", "malformed_json 1:2"],
    ["{1:1}", "malformed_json 1:2"],
  ])("refuses %j: %s", (text, where) => {
    const error = refusal(text)
    expect(error.code).toBe("EVENT_MALFORMED_JSON")
    expect(place(error)).toBe(where)
    expect(error.message).toContain(`line ${error.line}, column ${error.column}: `)
  })

  test.each([
    ["0", 0],
    ["-0", -0],
    ["9007199254740991", 2 ** 53 - 1],
    ["-9007199254740991", -(2 ** 53 - 1)],
    ["0.1234567890123456789", 0.12345678901234568],
    ["0.0123456789012345678901", 0.012345678901234568],
    ["1234567890123456789.5", 1234567890123456800],
    ["1e21", 1e21],
    ["123456789012345678E-2", 1234567890123456.8],
    ['"\\ud83d\\ude00 {[:9007199254740992"', "\u{1f600} {[:9007199254740992"],
    ['{"a":"\\"a\\":1","b":"\\\\"}', { a: '"a":1', b: "\\" }],
    ["[[[[[[[[1]]]]]]]]", [[[[[[[[1]]]]]]]]],
    [' {"a" : [ ] , "b":{}}\r\n', { a: [], b: {} }],
    ['{"constructors":1,"proto":"__proto__"}', { constructors: 1, proto: "__proto__" }],
    ['{"":1,"1":2}', { "": 1, "1": 2 }],
  ])("reads %s", (text, value) => {
    expect(parseStrictJson(text)).toStrictEqual(value)
  })

  test("reads large integers as doubles where asked to, and still refuses what overflows", () => {
    expect(parseStrictJson("[100000000000000000000]", { integers: "double" })).toEqual([1e20])
    expect(place(refusal("[1e400]", { integers: "double" }))).toBe("unsafe_number 1:2 /0")
    expect(place(refusal('{"a":1,"a":100000000000000000000}', { integers: "double" }))).toBe(
      "duplicate_key 1:8 /a",
    )
  })

  test("counts lines from where it is told", () => {
    expect(place(refusal("{]", { firstLine: 17 }))).toBe("malformed_json 17:2")
    expect(refusal("{]", { firstLine: 17 }).message).toMatch(/^line 17, column 2: /)
  })

  test("allows the depth it is told", () => {
    expect(parseStrictJson("[[1]]", { maxDepth: 2 })).toEqual([[1]])
    expect(place(refusal("[[1]]", { maxDepth: 1 }))).toBe("too_deep 1:2")
    expect(place(refusal("[]", { maxDepth: 0 }))).toBe("too_deep 1:1")
    expect(parseStrictJson("[".repeat(40) + "]".repeat(40), { maxDepth: 40 })).toBeDefined()
  })

  test.each(["[", '{"a":', "[[],", '[{"a":['])("refuses 10 MiB of %j at once", (part) => {
    const bomb = part.repeat(Math.ceil((10 * 1024 * 1024) / part.length))
    const start = performance.now()
    expect(refusal(bomb).problem?.code).toBe("too_deep")
    expect(performance.now() - start).toBeLessThan(100)
  })

  test("allows as many arrays and objects as honest texts have, and refuses the next one where it opens", () => {
    // [[],[],…: as many as may be in a text of this length, found by trying.
    const textOf = (containers: number) => `[${"[],".repeat(containers - 2)}[]]`
    let most = 65_536
    while (most < mostContainers(textOf(most + 1).length)) most++
    expect(parseStrictJson(textOf(most))).toHaveLength(most - 1)
    expect(place(refusal(textOf(most + 1)))).toBe(`too_many 1:${2 + 3 * (most - 1)}`)
    expect(parseStrictJson(textOf(most + 1), { integers: "double" })).toHaveLength(most)
    const start = performance.now()
    expect(refusal(`[${"{},".repeat(3_500_000)}{}]`).problem?.code).toBe("too_many")
    expect(performance.now() - start).toBeLessThan(1000)
  })

  test("finds a late duplicate among a hundred thousand keys, and tells its place, in bounded time", () => {
    const members = Array.from({ length: 100_000 }, (_, i) => `"k${i}":1`).join(",")
    const start = performance.now()
    expect(place(refusal(`{${members},"k7":2}`))).toBe(`duplicate_key 1:${members.length + 3} /k7`)
    expect(performance.now() - start).toBeLessThan(2000)
  })

  test("explains a text that is not recursive by its own depth, but as told", () => {
    const deep = "[".repeat(200_000)
    expect(place(refusal(deep, { maxDepth: 1e6, integers: "double" }))).toBe("malformed_json 1:200001")
  })

  test("repeats no more of a name than it takes to find it, and nothing else of the text", () => {
    const error = refusal(`{"${"secret".repeat(1000)}":1,"${"secret".repeat(1000)}":1}`)
    expect(error.problem?.pointer).toBe(`/${"secret".repeat(22).slice(0, 128)}…`)
    expect(error.message).not.toContain("secret")
  })

  test("refuses 10 MiB of other things in bounded time", () => {
    const start = performance.now()
    expect(refusal(`"${"\\".repeat(10 * 1024 * 1024 + 1)}`).problem?.code).toBe("malformed_json")
    expect(refusal(`[${"1,".repeat(1024 * 1024)}]`).problem?.code).toBe("malformed_json")
    expect(refusal(`[${"9".repeat(1024 * 1024)}]`).problem?.code).toBe("unsafe_number")
    expect(performance.now() - start).toBeLessThan(3000)
  })

  test("reads texts larger in UTF-8 than its scratch", () => {
    const value = { a: "語".repeat(22_000), b: { c: 1 } }
    expect(parseStrictJson(JSON.stringify(value))).toEqual(value)
  })

  test("reads texts larger than its scratch", () => {
    const value = { list: Array.from({ length: 5000 }, (_, i) => ({ "k:é": `v"${i}\\` })) }
    expect(parseStrictJson(JSON.stringify(value))).toEqual(value)
  })

  test("takes what JSON.stringify writes, and means the same", () => {
    const character = fc
      .oneof(
        fc.integer({ min: 0x20, max: 0x7e }),
        fc.integer({ min: 0, max: 0x10ffff }).filter((code) => code < 0xd800 || code > 0xdfff),
      )
      .map((code) => String.fromCodePoint(code))
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5, stringUnit: character }), (value) => {
        const text = JSON.stringify(value)
        if (/__proto__|constructor|prototype/.test(text)) return
        expect(isDeepStrictEqual(parseStrictJson(text, { integers: "double" }), JSON.parse(text))).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })

  /** Line and column of what another reader of JSON stumbles over first. */
  const secondOpinion = (text: string): string | undefined => {
    const places: string[] = []
    visit(
      text,
      { onError: (_error, _offset, _length, line, column) => places.push(`${line + 1}:${column + 1}`) },
      { disallowComments: true, allowTrailingComma: false, allowEmptyContent: false },
    )
    return places[0]
  }

  test("takes what JSON.parse takes, and says where else it stops as another reader says", () => {
    const part = fc.constantFrom(
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      '"a"',
      '"b"',
      '"',
      "\\",
      "1",
      "-",
      ".5",
      "e9",
      "true",
      "null",
      " ",
      "\n",
      "\\u",
      "d800",
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 20 }), (parts) => {
        const text = parts.join("")
        let value: unknown
        try {
          value = parseStrictJson(text)
        } catch (error) {
          if (!(error instanceof EventError)) throw error
          if (error.problem?.code !== "malformed_json") return
          expect(() => JSON.parse(text)).toThrow(SyntaxError)
          // Of a word with more behind it, as in nullx, the other names the beginning.
          if (!/(?:true|null)[^\s,:\]}]/.test(text)) {
            expect(`${error.line}:${error.column}`).toBe(secondOpinion(text))
          }
          return
        }
        if (!isDeepStrictEqual(value, JSON.parse(text))) expect(value).toStrictEqual(JSON.parse(text))
      }),
      { numRuns: 20_000 },
    )
  })

  test("finds every duplicate", () => {
    const key = fc.constantFrom("a", "b", "c")
    const object = fc.array(key, { maxLength: 4 })
    fc.assert(
      fc.property(object, object, (outer, inner) => {
        const write = (keys: string[], value: string) => `{${keys.map((k) => `"${k}":${value}`).join(",")}}`
        const text = write(outer, write(inner, '":"'))
        const twice = (keys: string[]) => new Set(keys).size < keys.length
        if (twice(outer) || (outer.length > 0 && twice(inner))) {
          expect(refusal(text).problem?.code).toBe("duplicate_key")
        } else expect(parseStrictJson(text)).toEqual(JSON.parse(text))
      }),
    )
  })
})

test("a pointer cuts a name between characters", () => {
  expect(pointerOf(["x".repeat(128)])).toBe(`/${"x".repeat(128)}`)
  expect(pointerOf(["x".repeat(129)])).toBe(`/${"x".repeat(128)}…`)
  expect(pointerOf([`${"x".repeat(127)}\u{1F600}`, 1])).toBe(`/${"x".repeat(127)}…/1`)
})

test("a pointer escapes as RFC 6901 says", () => {
  expect(pointerOf([])).toBe("")
  expect(pointerOf(["a/b", 0, "m~n", ""])).toBe("/a~1b/0/m~0n/")
})
