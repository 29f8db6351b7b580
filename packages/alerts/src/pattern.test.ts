import { describe, expect, it } from "vitest"
import { isMatch, whereOf } from "./stand-in-events.js"

/** Whether a line about `reason`, or words, match an event with this reason. */
const isLine = (line: string, reason: unknown) => isMatch(line, { reason })

describe("a text", () => {
  it.each([
    ["reason: Denied", "denied", true],
    ["reason: denied", "access denied", false],
    ["reason: ''", "", true],
    ["reason: ''", "x", false],
    ["reason|cased: Denied", "denied", false],
    ["reason|cased: Denied", "Denied", true],
    ["reason|contains: cCe", "access denied", true],
    ["reason|startswith: Acc", "access denied", true],
    ["reason|startswith: denied", "access denied", false],
    ["reason|endswith: DENIED", "access denied", true],
    ["reason|endswith: access", "access denied", false],
    ["reason|contains|cased: ACC", "access denied", false],
    ["reason: [a, access*, b]", "access denied", true],
    ["reason: [a, b]", "access denied", false],
    ["reason|contains|all: [acc, den]", "access denied", true],
    ["reason|contains|all: [acc, granted]", "access denied", false],
    ["reason|all: ['*acc*', '*ied']", "access denied", true],
    ["reason|neq: denied", "denied", false],
    ["reason|neq: denied", "granted", true],
    ["reason|neq: [denied, granted]", "granted", false],
    ["reason|contains|neq: den", "access denied", false],
    ["reason|contains|all|neq: [acc, granted]", "access denied", true],
  ])("%s: %s is %s", (line, reason, expected) => {
    expect(isLine(line, reason)).toBe(expected)
  })

  it("that is absent is nothing, and so is not what it would have to be, but is different from it", () => {
    expect(isMatch("reason: denied", {})).toBe(false)
    expect(isMatch("reason|contains: ''", {})).toBe(false)
    expect(isMatch("reason|neq: denied", {})).toBe(true)
  })

  it("in a list is found, whichever it is", () => {
    expect(isMatch("tags: B", { tags: ["a", "b"] })).toBe(true)
    expect(isMatch("tags|cased: B", { tags: ["a", "b"] })).toBe(false)
    expect(isMatch("tags|all: [a, b]", { tags: ["a", "b", "c"] })).toBe(true)
    expect(isMatch("tags|all: [a, d]", { tags: ["a", "b", "c"] })).toBe(false)
    expect(isMatch("tags: ''", { tags: [] })).toBe(false)
  })
})

describe("numbers and truths", () => {
  it.each([
    ["http_status: 404", { http_status: 404 }, true],
    ["http_status: '404'", { http_status: 404 }, true],
    ["http_status: 40", { http_status: 404 }, false],
    ["http_status: '4*'", { http_status: 404 }, true],
    ["http_status|startswith: 4", { http_status: 404 }, true],
    ["http_status|gte: 500", { http_status: 500 }, true],
    ["http_status|gt: 500", { http_status: 500 }, false],
    ["http_status|lt: 500", { http_status: 499 }, true],
    ["http_status|lte: 499", { http_status: 499 }, true],
    ["http_status|lt: 500", {}, false],
    ["duration_ms|gt: 0.5", { duration_ms: 0.75 }, true],
    ["duration_ms: 1.0", { duration_ms: 1 }, true],
    ["reason: 1.0", { reason: "1.0" }, true],
    ["reason: 00000429", { reason: "00000429" }, true],
    ["reason: 00000429", { reason: "429" }, true],
    ["reason: 0x1F", { reason: "0x1f" }, true],
    ["reason|gt: 5", { reason: "17" }, true],
    ["reason|lt: 5", { reason: "-17.5" }, true],
    ["reason|gt: 5", { reason: "0x11" }, false],
    ["reason|gt: 5", { reason: "many" }, false],
    ["reason|gt: 5", { reason: "" }, false],
    ["mfa: true", { mfa: true }, true],
    ["mfa: false", { mfa: true }, false],
    ["mfa: 'TRUE'", { mfa: true }, true],
    ["mfa: true", {}, false],
  ])("%s: %o is %s", (line, fields, expected) => {
    expect(isMatch(line, fields)).toBe(expected)
  })
})

describe("whether there is a value", () => {
  it.each([
    ["reason: null", {}, true],
    ["reason: ~", {}, true],
    ["reason:", {}, true],
    ["reason: null", { reason: "" }, false],
    ["reason|neq: null", { reason: "" }, true],
    ["reason|exists: true", { reason: "" }, true],
    ["reason|exists: true", {}, false],
    ["reason|exists: false", {}, true],
    ["reason: '*'", { reason: "" }, true],
    ["reason: '*'", {}, false],
    ["reason: '?*'", { reason: "" }, false],
  ])("%s: %o is %s", (line, fields, expected) => {
    expect(isMatch(line, fields)).toBe(expected)
  })
})

describe("a regular expression", () => {
  it.each([
    ["reason|re: 'a.c'", "xabcx", true],
    ["reason|re: '^a.c$'", "xabc", false],
    ["reason|re: 'A.C'", "abc", false],
    ["reason|re|i: 'A.C'", "abc", true],
    ["reason|re: '^b'", "a\nb", false],
    ["reason|re|m: '^b'", "a\nb", true],
    ["reason|re: 'a.b'", "a\nb", false],
    ["reason|re|s: 'a.b'", "a\nb", true],
    ["reason|re|i|m|s: '^B.c'", "a\nb\nC", true],
    ["reason|re: ['x', 'b']", "abc", true],
    ["reason|re|all: ['a', 'b']", "abc", true],
    ["reason|re|all: ['a', 'x']", "abc", false],
    ["reason|re|neq: 'b'", "abc", false],
    ["reason|re: '\\*'", "a*", true],
    ["reason|re: 'a|^$'", "", true],
    ["reason|re: '\\d{3}'", "x1234", true],
  ])("%s: %j is %s", (line, reason, expected) => {
    expect(isLine(line, reason)).toBe(expected)
  })
})

describe("a network", () => {
  it.each([
    ["ip_address|cidr: 10.0.0.0/8", "10.255.0.1", true],
    ["ip_address|cidr: 10.0.0.0/8", "11.0.0.1", false],
    ["ip_address|cidr: 10.9.9.9/8", "10.255.0.1", true],
    ["ip_address|cidr: 192.0.2.7", "192.0.2.7", true],
    ["ip_address|cidr: 192.0.2.0/31", "192.0.2.2", false],
    ["ip_address|cidr: 0.0.0.0/0", "255.255.255.255", true],
    ["ip_address|cidr: 0.0.0.0/0", "2001:db8::1", false],
    ["ip_address|cidr: '2001:db8::/32'", "2001:db8:ffff::1", true],
    ["ip_address|cidr: '2001:db8::/33'", "2001:db8:ffff::1", false],
    ["ip_address|cidr: '::/0'", "2001:db8::1", true],
    ["ip_address|cidr: '::/0'", "192.0.2.7", false],
    ["ip_address|cidr: [192.0.2.0/24, '2001:db8::/32']", "2001:db8::1", true],
    ["ip_address|cidr|neq: 10.0.0.0/8", "10.0.0.1", false],
  ])("%s: %s is %s", (line, ip_address, expected) => {
    expect(isMatch(line, { ip_address })).toBe(expected)
  })

  it("has nothing that is no address", () => {
    expect(isMatch("source_address|cidr: 10.0.0.0/8", { source_address: "AWS Internal" })).toBe(false)
    expect(isMatch("source_address|cidr: 10.0.0.0/8", { source_address: "10.0.0.1" })).toBe(true)
  })
})

describe("a field held against a field", () => {
  it.each([
    ["user_id|fieldref: resource_name", { resource_name: "ADA" }, true],
    ["user_id|fieldref|cased: resource_name", { resource_name: "ADA" }, false],
    ["user_id|fieldref: resource_name", { resource_name: "bob" }, false],
    ["user_id|fieldref: resource_name", {}, false],
    ["user_id|fieldref|neq: resource_name", { resource_name: "bob" }, true],
    ["resource_name|fieldref|contains: user_id", { resource_name: "of ada" }, true],
    ["resource_name|fieldref|startswith: user_id", { resource_name: "of ada" }, false],
    ["resource_name|fieldref|endswith: user_id", { resource_name: "of ada" }, true],
    ["user_id|fieldref: [resource_name, tags]", { tags: ["bob", "ada"] }, true],
    ["user_id|fieldref|all: [resource_name, tags]", { tags: ["bob", "ada"] }, false],
  ])("%s: %o is %s", (line, fields, expected) => {
    expect(isMatch(line, fields)).toBe(expected)
  })
})

describe("texts inside others", () => {
  // RFC 4648, section 10.
  it.each(["foobar", "fooba", "foob", "foo", "fo"])(
    "%s is found by its Base64, wherever it begins",
    (text) => {
      for (const before of ["", "x", "xy", "xyz"]) {
        const held = Buffer.from(`${before}${text}z`).toString("base64")
        expect([before, isLine(`reason|base64offset|contains: ${text}`, `cmd ${held}`)]).toEqual([
          before,
          true,
        ])
      }
      expect(isLine(`reason|base64: ${text}`, Buffer.from(text).toString("base64"))).toBe(true)
      expect(isLine(`reason|base64offset|contains: ${text}`, "nothing of the kind!")).toBe(false)
    },
  )

  it("has the three forms of the specification's time", () => {
    for (const form of ["Zm9v", "Zvb", "mb2"]) {
      expect(isLine("reason|base64offset|contains: foo", `xx${form}xx`)).toBe(true)
    }
  })

  it("takes all dashes for one with windash, and only then", () => {
    for (const dash of ["-", "/", "–", "—", "―"]) {
      expect(isLine("reason|windash|contains: ' -enc '", `powershell ${dash}ENC x`)).toBe(true)
      expect(isLine("reason|contains: ' -enc '", `powershell ${dash}enc x`)).toBe(dash === "-")
    }
  })
})

describe("words", () => {
  it.each([
    ["evil", { raw: "an Evil line" }, true],
    ["[good, evil]", { raw: "an evil line" }, true],
    ["[good, better]", { raw: "an evil line" }, false],
    ["'|all': [an, line]", { raw: "an evil line" }, true],
    ["'|all': [an, other]", { raw: "an evil line" }, false],
    ["'|re': 'e.il'", { raw: "an evil line" }, true],
    ["'|contains': evil", { raw: "an evil line" }, true],
    ["'|cased': Evil", { raw: "an evil line" }, false],
    ["'an*line'", { raw: "an evil line" }, true],
    ["'e?il'", { raw: "an evil line" }, true],
    ["42", { raw: "port 42 open" }, true],
    ["ada", {}, true],
    ["ada", { raw: "nobody" }, false],
    ["inside", { attributes: { a: { b: ["deep inside"] } } }, true],
    ["name", { attributes: { name: "x" } }, false],
    ["sent", { tags: ["x", "sent"] }, true],
  ])("%s: %o is %s", (line, fields, expected) => {
    // What every event has says none of these but where it is meant.
    const quiet = { action: "x", resource_accessed: "x", result: "unknown", ...fields }
    expect(isMatch(line, quiet)).toBe(expected)
  })
})

describe("is refused", () => {
  const refusals: [why: string, yaml: string, message: string][] = [
    ["a field that is not there", "user_id: x\nnobody: x", '2:1: nobody: there is no field "nobody"'],
    ["a modifier that is not known", "reason|utf16: x", '1:1: reason|utf16: the modifier "utf16" is not one'],
    ["a modifier twice", "reason|contains|contains: x", 'the modifier "contains" is given twice'],
    ["two places", "reason|contains|endswith: x", '"contains" and "endswith" do not go together'],
    ["numbers with case", "http_status|gte|cased: 5", '"gte" and "cased" do not go together'],
    ["flags without expression", "reason|i: x", '"i" is said of regular expressions'],
    ["exists among others", "reason|exists|neq: true", '"exists" stands alone'],
    ["exists of a text", "reason|exists: 'yes'", "1:16: reason|exists: expected true or false"],
    ["exists of a list", "reason|exists: [true, false]", '"exists" is either true or false'],
    ["null among others", "reason: [a, null]", "1:13: reason[1]: null stands alone"],
    ["null as a piece", "reason|contains: null", 'null is no value for "contains"'],
    ["a number that is none", "http_status|gt: many", '1:17: http_status|gt: "gt" is said of numbers'],
    ["a network that is none", "ip_address|cidr: 10.0.0.0/33", "1:18: ip_address|cidr: expected a network"],
    ["an expression that is none", "reason|re: 'a('", "1:12: reason|re: no regular expression"],
    ["a look ahead", "reason|re: 'a(?=b)'", "no regular expression that is evaluated here"],
    ["a back reference", "reason|re: '(a)\\1'", "no regular expression that is evaluated here"],
    [
      "repetitions that multiply",
      "reason|re: '(a{30}){30}{2}'",
      "no regular expression that is evaluated here",
    ],
    ["too large an expression", "reason|re: '(?:[ab]{900}|[cd]{900})'", "too large: "],
    ["too long an expression", `reason|re: '${"a".repeat(2001)}'`, "longer than 2000 characters"],
    ["too long a text", `reason: '${"a".repeat(4097)}'`, "expected at most 4096 characters"],
    ["a map as a value", "reason: { a: b }", "1:9: reason: expected a single value"],
    ["a list in a list", "reason: [[a]]", "reason[0]: expected a single value"],
    ["an empty list", "reason: []", "an empty list"],
    ["nothing at all", "{}", "a selection of nothing"],
    ["no words", "[]", "a selection of nothing"],
    ["a word that is null", "[a, null]", "1:5: [1]: expected a word to look for"],
    ["wildcards in Base64", "reason|base64: 'a*'", "a wildcard has no Base64"],
    ["nothing in Base64", "reason|base64: ''", "too short to be told from others in base64"],
    ["one byte in Base64, anywhere", "reason|base64offset|contains: f", "too short to be told from others"],
    [
      "a reference to nothing",
      "reason|fieldref: nobody",
      '1:18: reason|fieldref: there is no field "nobody"',
    ],
    ["words that are networks", "'|cidr': 10.0.0.0/8", '"cidr" needs a field before it'],
    ["words that are fields", "'|fieldref': user_id", '"fieldref" needs a field before it'],
  ]
  it.each(refusals)("%s", (_, yaml, message) => {
    expect(() => whereOf(yaml)).toThrow(message)
  })
})
