import { describe, expect, it } from "vitest"
import { SettingsError } from "./error.js"
import { parseYaml } from "./parse-yaml.js"
import type { YamlValue } from "./yaml-value.js"

/** The value of the one member `a`. */
function givenAs(written: string): YamlValue {
  const value = parseYaml(`a: ${written}\n`, "s.yaml").member("a")
  if (value === undefined) throw new Error("there is no a")
  return value
}

/** What stands after the name of the member in the refusal. */
function problemOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof SettingsError) return error.message.replace(/^s\.yaml:\d+:\d+: a?: ?/, "")
    throw error
  }
  throw new Error("it was not refused")
}

const NO_VALUE = "it has no value; leave it out, or give it one"

describe("a value", () => {
  it.each([
    ["{}", "map"],
    ["[]", "list"],
    ["x", "text"],
    ["yes", "text"],
    ['"1"', "text"],
    ["2026-01-01", "text"],
    ["1", "number"],
    ["0x10", "number"],
    ["1.5", "number"],
    ["true", "boolean"],
    ["~", "null"],
    ["null", "null"],
    ["", "none"],
    ["# comment", "none"],
  ])("%s is of the kind %s", (written, kind) => {
    expect(givenAs(written).kind).toBe(kind)
  })

  it("of a file without any is none, at its beginning", () => {
    expect(parseYaml("", "s.yaml")).toMatchObject({ kind: "none", at: { line: 1, column: 1 }, name: "" })
  })

  it.each<[string, (value: YamlValue) => unknown]>([
    ["a map", (value) => value.members({})],
    ["names", (value) => value.entries()],
    ["a list", (value) => value.list()],
    ["one or more", (value) => value.oneOrMore().map((each) => each.text())],
    ["a text", (value) => value.text()],
    ["a boolean", (value) => value.boolean()],
    ["an integer", (value) => value.integer()],
    ["a word", (value) => value.oneOf(["x"])],
    ["a duration", (value) => value.durationMs()],
    ["a URL", (value) => value.url()],
    ["a scalar", (value) => value.scalar()],
    ["what a reader reads", (value) => value.read(() => undefined, "x")],
  ])("that is not there is not read as %s, and the refusal is at its name", (_, read) => {
    expect(problemOf(() => read(givenAs("")))).toBe(NO_VALUE)
    expect(() => read(givenAs(""))).toThrow("s.yaml:1:1: ")
  })
})

describe("members", () => {
  const value = givenAs("{ url: x, poll: 1 }")

  it("returns those that are there", () => {
    const members = value.members({ required: ["url"], optional: ["poll", "name"] })
    expect([members.url.text(), members.poll?.integer(), members.name]).toEqual(["x", 1, undefined])
  })

  it.each([
    [
      "one that is not known",
      () => value.members({ required: ["url"] }),
      ".poll: unknown member: expected one of url",
    ],
    [
      "a missing one",
      () => value.members({ required: ["name"], optional: ["url", "poll"] }),
      "name is missing",
    ],
    ["one without a value", () => givenAs("{ b: }").members({ optional: ["b"] }), `.b: ${NO_VALUE}`],
    [
      "one of an object's own",
      () => givenAs("{ constructor: 1 }").members({ optional: ["b"] }),
      ".constructor: unknown",
    ],
    ["those of a list", () => givenAs("[]").members({}), "expected a map"],
  ])("refuses %s", (_, run, problem) => {
    expect(problemOf(run).replace(/^a/, "")).toContain(problem)
  })

  it("takes none from what every object has", () => {
    expect(givenAs("{}").members({ optional: ["constructor"] }).constructor).toBe(Object)
    expect(givenAs("{}").member("constructor")).toBeUndefined()
  })

  it("with free names come in the order of the file, each with the place of its name", () => {
    const entries = givenAs("{ b: 1, 10: x, c: ~ }".replace("10", '"10"')).entries()
    expect(entries.map(({ name, key, value }) => [name, key.at.column, value.kind])).toEqual([
      ["b", 6, "number"],
      ["10", 12, "text"],
      ["c", 21, "null"],
    ])
  })
})

describe("a text", () => {
  it.each(["yes", "'1'", "|\n  two\n  lines"])("may be %s", (written) => {
    expect(givenAs(written).text()).not.toBe("")
  })

  it.each([
    ["7", "expected a text: put it in quotes"],
    ["true", "expected a text: put it in quotes"],
    ["~", "expected a text: put it in quotes"],
    ["[x]", "expected a text"],
    ['""', "expected a text"],
    ['"\\ud83d"', "expected a text"],
    ["abcde", "expected at most 4 characters"],
    ["X", "expected small letters"],
  ])("is not %s", (written, problem) => {
    const form = { max: 4, pattern: /^[a-z]+$/, expected: "small letters" }
    expect(problemOf(() => givenAs(written).text(form))).toBe(problem)
  })

  it("of a pattern without words is the reader's mistake", () => {
    expect(() => givenAs("x").text({ pattern: /x/ })).toThrow(RangeError)
  })
})

describe("an integer", () => {
  it.each([
    ["0", 0],
    ["-5", -5],
    ["9007199254740991", Number.MAX_SAFE_INTEGER],
  ])("is %s", (written, value) => {
    expect(givenAs(written).integer({ min: -5 })).toBe(value)
  })

  it.each([
    "010",
    "0x10",
    "0o7",
    "1e3",
    "1.0",
    "1.5",
    "-0",
    "+1",
    '"1"',
    "1_000",
    ".inf",
    "-6",
    "9007199254740993",
  ])("is not %s", (written) => {
    expect(problemOf(() => givenAs(written).integer({ min: -5 }))).toBe("expected a whole number from -5")
  })

  it("has bounds, both included", () => {
    const range = { min: 2, max: 4 }
    expect(["2", "4"].map((written) => givenAs(written).integer(range))).toEqual([2, 4])
    for (const written of ["1", "5"]) {
      expect(problemOf(() => givenAs(written).integer(range))).toBe("expected a whole number from 2 to 4")
    }
  })
})

describe("a scalar", () => {
  it.each([
    ["x", "x"],
    ["1.50", 1.5],
    ["-3", -3],
    ["false", false],
    ["~", null],
  ])("%s is %j", (written, value) => {
    expect(givenAs(written).scalar()).toBe(value)
  })

  it.each(["010", "0x10", "1e3", ".nan", "-.inf"])("is not %s, which could be a text", (written) => {
    expect(problemOf(() => givenAs(written).scalar())).toMatch(/^expected a number in decimal/)
  })

  it("is no list", () => {
    expect(problemOf(() => givenAs("[1]").scalar())).toBe("expected a single value")
  })
})

describe("other forms", () => {
  it("are one or more", () => {
    expect(
      givenAs("x")
        .oneOrMore()
        .map((each) => each.text()),
    ).toEqual(["x"])
    expect(
      givenAs("[x, y]")
        .oneOrMore()
        .map((each) => each.name),
    ).toEqual(["a[0]", "a[1]"])
    expect(problemOf(() => givenAs("[]").oneOrMore())).toMatch(/^an empty list/)
  })

  it("are true and false, and no word for them", () => {
    expect([givenAs("true").boolean(), givenAs("false").boolean()]).toEqual([true, false])
    for (const written of ["yes", "on", "1", '"true"', "~"]) {
      expect(problemOf(() => givenAs(written).boolean())).toBe("expected true or false")
    }
  })

  it("are one of few", () => {
    expect(givenAs("low").oneOf(["low", "high"])).toBe("low")
    expect(problemOf(() => givenAs("Low").oneOf(["low", "high"]))).toBe("expected one of low, high")
    expect(problemOf(() => givenAs("1").oneOf(["1"]))).toBe("expected one of 1")
  })

  it.each([
    ["500ms", 500],
    ["10s", 10_000],
    ["5m", 300_000],
    ["2h", 7_200_000],
    ["1d", 86_400_000],
    ["0s", 0],
  ])("are durations: %s", (written, ms) => {
    expect(givenAs(written).durationMs()).toBe(ms)
  })

  it.each(["10", "1.5h", "-1s", "1w", "1 s", "1234567890s", "[1s]", "s"])(
    "are no durations: %s",
    (written) => {
      expect(problemOf(() => givenAs(written).durationMs())).toBe("expected a duration such as 10s, 5m or 2h")
    },
  )

  it("are durations within bounds", () => {
    const range = { minMs: 200, maxMs: 1_000 }
    expect(["200ms", "1s"].map((written) => givenAs(written).durationMs(range))).toEqual([200, 1_000])
    expect(problemOf(() => givenAs("199ms").durationMs(range))).toBe("expected at least 200 ms")
    expect(problemOf(() => givenAs("2s").durationMs(range))).toBe("expected at most 1000 ms")
  })

  it("are URLs of the web", () => {
    expect(givenAs("https://log.example").url()).toBe("https://log.example/")
    for (const written of ["ftp://a.example", "log.example", "javascript:1", "https://"]) {
      expect(problemOf(() => givenAs(written).url())).toBe("expected an http or https URL")
    }
  })

  it("are what a reader reads of them, as they are written", () => {
    const shown = (written: string) => givenAs(written).read((text) => text, "")
    expect(["010", '"1e3"', "~", "true"].map(shown)).toEqual(["010", "1e3", "~", "true"])
    expect(problemOf(() => givenAs("[1]").read((text) => text || undefined, "a word"))).toBe(
      "expected a word",
    )
  })

  it("are refused by their reader, with a cause", () => {
    const cause = new Error("why")
    expect(givenAs("x").refuse("no", cause)).toMatchObject({ message: "s.yaml:1:4: a: no", cause })
  })
})
