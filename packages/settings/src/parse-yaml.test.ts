import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { SettingsError } from "./error.js"
import { MAX_DEPTH, MAX_LENGTH, parseYaml, parseYamlDocuments } from "./parse-yaml.js"

function refusalOf(run: () => unknown): SettingsError {
  try {
    run()
  } catch (error) {
    if (error instanceof SettingsError) return error
    throw error
  }
  throw new Error("it was not refused")
}

describe("parseYaml", () => {
  it.each([
    ["YAML that is none", "a: [1\n", "s.yaml:2:1: "],
    ["an anchor", "a: 1\nb: &x 2\n", "s.yaml:2:7: b: anchors are not read here"],
    ["an anchor in place of a text", "a: &admin\n", "s.yaml:1:1: a: anchors are not read here"],
    ["an alias", "a: 1\nb: *a\n", "s.yaml:2:4: "],
    ["an anchor on a name", "&x a: 1\n", "s.yaml:1:4: a: anchors"],
    ["a tag", "a: !!str 1\n", "s.yaml:1:10: a: tags are not read here"],
    ["a tag that nobody knows", "a: !x 1\n", "s.yaml:1:4: "],
    ["a tag without a name", "a: ! 1\n", "s.yaml:1:6: a: tags are not read here"],
    ["a member given twice", "a: { b: 1, c: 2, b: 3 }\n", "s.yaml:1:18: a.b: it is given twice"],
    ["a member given twice, in other quotes", "a: 1\n'a': 2\n", "s.yaml:2:1: a: it is given twice"],
    ["a merge key", "a: { <<: { b: 1 } }\n", "s.yaml:1:6: a.<<: members of another map"],
    ["a name that is a number", "a:\n  7: x\n", "s.yaml:2:3: a: expected a name"],
    ["a name that is a list", "? [a]\n: x\n", "s.yaml:1:3: expected a name"],
    ["a name that is nothing", ": x\n", "s.yaml:1:1: expected a name"],
    ["another YAML", "%YAML 1.1\n---\na: yes\n", "s.yaml:1:1: directives are not read here"],
    ["a handle for tags", "%TAG ! tag:x,2000:\n---\na: 1\n", "s.yaml:1:1: directives are not read here"],
    ["a second document", "a: 1\n---\na: 2\n", "s.yaml:2:1: a second document"],
    [
      "an item deep inside that no reader may ask for",
      "a: [{ b: [x, &y z] }]\n",
      "s.yaml:1:17: a[0].b[1]: anchors",
    ],
  ])("refuses %s", (_, text, begins) => {
    const { message } = refusalOf(() => parseYaml(text, "s.yaml"))
    expect(message.slice(0, begins.length)).toBe(begins)
  })

  it("says file, line, column, code and problem", () => {
    expect(refusalOf(() => parseYaml("a: &b c", "s.yaml"))).toMatchObject({
      code: "SETTINGS_REFUSED",
      file: "s.yaml",
      line: 1,
      column: 7,
      place: { line: 1, column: 7 },
      message: 's.yaml:1:7: a: anchors are not read here; a text that begins with "&" needs quotes',
    })
  })

  it("reads a text that is as long as one may be, and none that is longer", () => {
    const longest = `a: "${"x".repeat(MAX_LENGTH - 5)}"`
    expect(parseYaml(longest, "s.yaml").member("a")?.text()).toHaveLength(MAX_LENGTH - 5)
    expect(refusalOf(() => parseYaml(`${longest} `, "s.yaml")).message).toBe(
      "s.yaml:1:1: the file is longer than 1000000 characters",
    )
  })

  const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth)

  it("takes as many lists in each other as may be, and refuses one more", () => {
    let value = parseYaml(nested(MAX_DEPTH), "s.yaml")
    for (let depth = 1; depth < MAX_DEPTH; depth++) value = value.list()[0] ?? value
    expect(value.list()).toEqual([])
    expect(refusalOf(() => parseYaml(nested(MAX_DEPTH + 1), "s.yaml")).message).toBe(
      "s.yaml:1:65: more than 64 maps and lists in each other",
    )
  })

  it.each([
    ["lists", nested(50_000)],
    ["lists that do not end", "[".repeat(100_000)],
    ["maps", "{a: ".repeat(20_000)],
    ["items on one line", "- ".repeat(50_000)],
    ["names", "? ".repeat(50_000)],
    ["lines", Array.from({ length: 1_000 }, (_, i) => `${" ".repeat(i)}a:\n`).join("")],
  ])("survives a file of nothing but nested %s", (_, text) => {
    expect(refusalOf(() => parseYaml(text, "s.yaml")).message).toMatch(/more than 64 maps and lists/)
  })

  it("survives names that are long or move the cursor", () => {
    const long = refusalOf(() => parseYaml(`${"k".repeat(900)}: &a 1`, "s.yaml"))
    expect(long.message.length).toBeLessThan(200)
    const moving = refusalOf(() => parseYaml(`"a\\e[2Jb": &a 1`, "s.yaml"))
    expect(moving.message).toContain('"a\\u001b[2Jb": anchors')
  })

  it("reads what JSON says as JSON reads it, or refuses it", () => {
    const plain = (value: ReturnType<typeof parseYaml>): unknown => {
      if (value.kind === "map") {
        return Object.fromEntries(value.entries().map(({ name, value }) => [name, plain(value)]))
      }
      return value.kind === "list" ? value.list().map(plain) : value.scalar()
    }
    const leaf = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null))
    const tree = fc.letrec((tie) => ({
      node: fc.oneof(
        { maxDepth: 4 },
        leaf,
        fc.array(tie("node"), { maxLength: 4 }),
        fc.dictionary(fc.string(), tie("node"), { maxKeys: 4, noNullPrototype: true }),
      ),
    })).node
    fc.assert(
      fc.property(tree, (json) => {
        fc.pre(!/"<<":/.test(JSON.stringify(json)))
        expect(plain(parseYaml(JSON.stringify(json), "s.yaml"))).toEqual(json)
      }),
    )
  })

  it("refuses in place whatever characters are strewn over a file, and throws nothing else", () => {
    const signs = fc.constantFrom(
      ..."-?:,[]{}#&*!|>'\"%@`~<=",
      " ",
      "\n",
      "\t",
      "\r",
      "a",
      "\0",
      "\ufeff",
      "\ud800",
    )
    fc.assert(
      fc.property(fc.array(signs, { maxLength: 40 }), (parts) => {
        const text = parts.join("")
        try {
          parseYaml(text, "s.yaml")
        } catch (error) {
          const { place } = error as SettingsError
          expect(error).toBeInstanceOf(SettingsError)
          expect(place.line).toBeLessThanOrEqual(text.split(/\n/).length)
        }
      }),
      { numRuns: 2_000 },
    )
  })
})

describe("parseYamlDocuments", () => {
  it("returns each document, with its place in the one file", () => {
    const documents = parseYamlDocuments("# rules\na: 1\n---\na: 2\n---\na: x\n", "s.yaml")
    expect(documents.slice(0, 2).map((each) => each.member("a")?.integer())).toEqual([1, 2])
    expect(refusalOf(() => documents[2]?.member("a")?.integer()).message).toBe(
      "s.yaml:6:4: a: expected a whole number from 0",
    )
  })

  it.each(["", "# nothing\n", "\n\n"])("returns none of %j", (text) => {
    expect(parseYamlDocuments(text, "s.yaml")).toEqual([])
  })

  it("keeps a document that is empty, so that its reader refuses it", () => {
    const [, empty] = parseYamlDocuments("a: 1\n---\n", "s.yaml")
    expect(empty?.kind).toBe("none")
    expect(refusalOf(() => empty?.members({})).message).toMatch(/^s\.yaml:\d:\d: expected a map$/)
  })

  it.each([
    ["a fault in the second document", "a: 1\n---\na: [\n", "s.yaml:4:1: "],
    ["an alias across documents", "a: &x 1\n---\na: *x\n", "s.yaml:"],
    ["a member given twice in the second", "a: 1\n---\nb: 1\nb: 1\n", "s.yaml:4:1: b: it is given twice"],
    ["a directive between documents", "a: 1\n...\n%YAML 1.1\n---\na: 1\n", "s.yaml:3:1: directives"],
  ])("refuses %s", (_, text, begins) => {
    expect(refusalOf(() => parseYamlDocuments(text, "s.yaml")).message.slice(0, begins.length)).toBe(begins)
  })
})
