/**
 * A YAML text, value by value, so that what is wrong is said with line and column.
 *
 * Everything that could mean something else than it looks like is refused: aliases, tags, a member without a value, a
 * text that YAML reads as a number. Nothing is taken for absent but what is not there.
 *
 * Pure: no I/O, no clock.
 */

import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml"
import { ArchiveError, type ArchiveErrorCode, type FilePlace } from "./error.js"

/** Characters in the longest file that is read. */
const MAX_LENGTH = 1_000_000

/** One value of the file, and where it stands. */
export class YamlPlace {
  /** What it is called: `classes.high.hot`; "" is the whole file. */
  readonly name: string
  readonly #node: unknown
  readonly #file: YamlFile

  constructor(node: unknown, file: YamlFile, name: string) {
    this.name = name
    this.#node = node
    this.#file = file
    if (isAlias(node))
      throw this.refuse('aliases are not read here; a text that begins with "*" needs quotes')
    if ((node as Node | null)?.tag !== undefined) throw this.refuse("tags are not read here")
  }

  get at(): FilePlace {
    return this.#file.placeAt((this.#node as Node | null)?.range?.[0] ?? 0)
  }

  /** Returns the members of a map, all of which must be among `allowed`. None of those returned is without a value. */
  members<K extends string>(allowed: readonly K[]): Partial<Record<K, YamlPlace>> {
    const members: Partial<Record<K, YamlPlace>> = {}
    for (const { key, keyPlace, value } of this.entries()) {
      const known = allowed.find((each) => each === key)
      if (known === undefined) throw keyPlace.refuse(`unknown member: expected one of ${allowed.join(", ")}`)
      members[known] = value
    }
    return members
  }

  /** Returns the members of a map whose names are free. None is given twice. */
  entries(): readonly YamlMember[] {
    if (!isMap(this.#node)) throw this.refuse("expected a map")
    const seen = new Set<string>()
    return this.#node.items.map(({ key, value }) => {
      const text = isScalar(key) ? key.value : undefined
      if (typeof text !== "string") {
        throw new YamlPlace(key, this.#file, this.name).refuse("expected a name")
      }
      const name = this.name === "" ? text : `${this.name}.${text}`
      const keyPlace = new YamlPlace(key, this.#file, name)
      if (seen.has(text)) throw keyPlace.refuse("it is given twice")
      seen.add(text)
      if (value === null || (isScalar(value) && value.value === null)) {
        throw keyPlace.refuse("it has no value; leave the member out, or give it one")
      }
      return { key: text, keyPlace, value: new YamlPlace(value, this.#file, name) }
    })
  }

  list(): readonly YamlPlace[] {
    if (!isSeq(this.#node)) throw this.refuse("expected a list")
    return this.#node.items.map((item, i) => new YamlPlace(item, this.#file, `${this.name}[${i}]`))
  }

  /** Returns the items of a list of at least one, or the one value itself. */
  oneOrMore(): readonly YamlPlace[] {
    if (!isSeq(this.#node)) return [this]
    const items = this.list()
    if (items.length === 0) throw this.refuse("an empty list; leave the member out, or give it one")
    return items
  }

  /** Returns a text of at least one character. */
  text(): string {
    const value = isScalar(this.#node) ? this.#node.value : undefined
    if (typeof value === "string" && value !== "" && !LONE_SURROGATE.test(value)) return value
    const quotes = isScalar(this.#node) && value !== "" && typeof value !== "string"
    throw this.refuse(quotes ? "expected a text: put it in quotes" : "expected a text")
  }

  /** Returns a scalar as it is written in the file, without quotes; "" if it is none. */
  written(): string {
    if (!isScalar(this.#node)) return ""
    return typeof this.#node.value === "string" ? this.#node.value : (this.#node.source ?? "")
  }

  /** Returns the error of this place. */
  refuse(why: string, code: ArchiveErrorCode = "ARCHIVE_BAD_SCHEDULE"): ArchiveError {
    return refusal(this.#file.name, this.at, this.name === "" ? why : `${this.name}: ${why}`, code)
  }
}

/** One member of a map. */
export interface YamlMember {
  readonly key: string
  readonly keyPlace: YamlPlace
  readonly value: YamlPlace
}

interface YamlFile {
  readonly name: string
  placeAt(offset: number): FilePlace
}

const LONE_SURROGATE = /[\ud800-\udfff]/u

/** Returns the error of a place in a file. */
export function refusal(
  file: string,
  place: FilePlace,
  why: string,
  code: ArchiveErrorCode,
  cause?: unknown,
): ArchiveError {
  return new ArchiveError(code, `${file}:${place.line}:${place.column}: ${why}`, { place, cause })
}

/**
 * Reads a YAML text.
 *
 * @param name - of the file, for messages
 * @throws {@link ArchiveError} `ARCHIVE_BAD_SCHEDULE` with the place of the first fault
 */
export function readYaml(text: string, name: string): YamlPlace {
  const lineCounter = new LineCounter()
  const file: YamlFile = {
    name,
    placeAt(offset) {
      const { line, col } = lineCounter.linePos(offset)
      return { line: Math.max(1, line), column: Math.max(1, col) }
    },
  }
  const start = { line: 1, column: 1 }
  if (text.length > MAX_LENGTH) throw refusal(name, start, "the file is too long", "ARCHIVE_BAD_SCHEDULE")
  // The parser would compare each name with each other: a minute for a million characters. See `entries`.
  const document = parseDocument(text, { lineCounter, prettyErrors: false, uniqueKeys: false })
  const [fault] = [...document.errors, ...document.warnings]
  if (fault !== undefined) {
    throw refusal(name, file.placeAt(fault.pos[0]), fault.message, "ARCHIVE_BAD_SCHEDULE")
  }
  return new YamlPlace(document.contents, file, "")
}
