/**
 * YAML as settings are read here: a subset in which a text means what it looks like.
 *
 *     text ─► tokens ─► not too deep ─► nodes ─► no fault, no warning ─► every value looked at once ─► YamlValue
 *
 * Refused, wherever it stands: a member given twice, a name that is no text, a merge key, an anchor, an alias, a tag,
 * another YAML than 1.2. So nothing is expanded, and a file of a megabyte is at most a million values.
 *
 * Spec: yaml.org/spec/1.2.2, "Core Schema".
 * Pure: no I/O, no clock.
 */

import { Composer, type CST, type Document, LineCounter, Parser } from "yaml"
import { SettingsError } from "./error.js"
import { YamlFile } from "./yaml-file.js"
import { YamlValue } from "./yaml-value.js"

/** Characters in the longest text that is read, in UTF-16 units. */
export const MAX_LENGTH = 1_000_000

/** Most maps and lists around a value. Nodes are made recursively: 100,000 brackets would end the process. */
export const MAX_DEPTH = 64

/**
 * Reads a text of one document.
 *
 * @param text - suspect; at most {@link MAX_LENGTH}
 * @param file - what it is called in messages
 * @returns the whole; of a text without any value, one that has none
 * @throws {@link SettingsError} with the place of the first fault
 *
 * @example
 * ```ts
 * parseYaml("poll: 10s", "config.yaml").members({ required: ["poll"] }).poll.durationMs() // 10000
 * ```
 */
export function parseYaml(text: string, file: string): YamlValue {
  const { documents, places } = compose(text, file)
  const [first, second] = documents
  if (second !== undefined)
    throw places.refuse(second.range[0], "a second document: this file is read as one")
  return wholeOf(first, places)
}

/**
 * Reads a text of any number of documents, with `---` between them.
 *
 * @param text - suspect; at most {@link MAX_LENGTH}
 * @param file - what it is called in messages
 * @returns in the order of the text; none of a text that has nothing but comments
 * @throws {@link SettingsError} with the place of the first fault
 */
export function parseYamlDocuments(text: string, file: string): readonly YamlValue[] {
  const { documents, places } = compose(text, file)
  const [first] = documents
  if (documents.length === 1 && first?.contents === null) return []
  return documents.map((document) => wholeOf(document, places))
}

interface Composed {
  /** At least one, all without faults of syntax. */
  readonly documents: readonly Document.Parsed[]
  readonly places: YamlFile
}

function compose(text: string, name: string): Composed {
  const lines = new LineCounter()
  const places = new YamlFile(name, lines)
  if (text.length > MAX_LENGTH) {
    throw new SettingsError(name, { line: 1, column: 1 }, `the file is longer than ${MAX_LENGTH} characters`)
  }
  const tokens = [...new Parser(lines.addNewLine).parse(text)]
  for (const token of tokens) checkToken(token, places)
  // Names are held against each other when values are looked at: the composer would compare each with each.
  const composer = new Composer({ prettyErrors: false, uniqueKeys: false })
  const documents = [...composer.compose(tokens, true, text.length)]
  for (const { errors, warnings } of documents) {
    const [fault] = [...errors, ...warnings]
    if (fault !== undefined) throw places.refuse(fault.pos[0], fault.message)
  }
  return { documents, places }
}

/** Refuses directives, which change what the rest of a file means, and what is nested too deeply. */
function checkToken(token: CST.Token, places: YamlFile): void {
  if (token.type === "directive") throw places.refuse(token.offset, "directives are not read here")
  if (token.type !== "document") return
  const open: { readonly token: CST.Token; readonly depth: number }[] = []
  if (token.value) open.push({ token: token.value, depth: 0 })
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { token, depth } = next
    if (!("items" in token)) continue
    if (depth === MAX_DEPTH)
      throw places.refuse(token.offset, `more than ${MAX_DEPTH} maps and lists in each other`)
    for (const { key, value } of token.items) {
      for (const inner of [key, value]) if (inner) open.push({ token: inner, depth: depth + 1 })
    }
  }
}

function wholeOf(document: Document.Parsed | undefined, file: YamlFile): YamlValue {
  const value = new YamlValue({ node: document?.contents, name: "", file })
  lookAtAll(value)
  return value
}

/** What no reader asks for is held to the same rules as the rest. At most {@link MAX_DEPTH} deep. */
function lookAtAll(value: YamlValue): void {
  if (value.kind === "map") for (const { value: inner } of value.entries()) lookAtAll(inner)
  if (value.kind === "list") value.list().forEach(lookAtAll)
}
