/**
 * One value of a file, and where it stands: each reading names the form it expects, and refuses all others in place.
 *
 *     config.yaml:12:5: logs[0].pol: unknown member: expected one of url, policy, poll
 *
 * Nothing is taken for absent but what is not there: a member without a value is refused by whatever reads it.
 *
 * Pure: no I/O, no clock.
 */

import { isAlias, isMap, isScalar, isSeq, type Node } from "yaml"
import { durationMs } from "./duration.js"
import type { FilePlace, SettingsError } from "./error.js"
import type { YamlFile } from "./yaml-file.js"

/** `none` is a member, an item or a document without a value; `null` is one that is written: `null` or `~`. */
export type YamlKind = "map" | "list" | "text" | "number" | "boolean" | "null" | "none"

/** One member of a map. */
export interface YamlMember {
  readonly name: string
  /** The name, as a value with a place of its own. */
  readonly key: YamlValue
  readonly value: YamlValue
}

export interface MemberNames<R extends string, O extends string> {
  readonly required?: readonly R[]
  readonly optional?: readonly O[]
}

export interface TextForm {
  /** UTF-16 units; any unless set. */
  readonly max?: number
  /** Without the flags g and y. */
  readonly pattern?: RegExp
  /** What `pattern` takes, in words; RangeError if there is a pattern and no words. */
  readonly expected?: string
}

interface YamlSource {
  readonly node: unknown
  /** Of the member that the value is of. */
  readonly key?: unknown
  readonly name: string
  readonly file: YamlFile
}

export class YamlValue {
  /** What it is called: `logs[0].url`; "" is the whole file. */
  readonly name: string
  readonly #node: unknown
  readonly #key: unknown
  readonly #file: YamlFile

  /** Made by `parseYaml` alone. */
  constructor({ node, key, name, file }: YamlSource) {
    this.name = name
    this.#node = node ?? undefined
    this.#key = key
    this.#file = file
    if (isAlias(node))
      throw this.refuse('aliases are not read here; a text that begins with "*" needs quotes')
    const { anchor, tag } = (node ?? {}) as { anchor?: string; tag?: string }
    if (anchor !== undefined) {
      throw this.refuse('anchors are not read here; a text that begins with "&" needs quotes')
    }
    if (tag !== undefined)
      throw this.refuse('tags are not read here; a text that begins with "!" needs quotes')
  }

  get kind(): YamlKind {
    if (isMap(this.#node)) return "map"
    if (isSeq(this.#node)) return "list"
    if (!isScalar(this.#node)) return "none"
    const { value, source } = this.#node
    if (value === null) return source === "" || source === undefined ? "none" : "null"
    return typeof value === "string" ? "text" : typeof value === "number" ? "number" : "boolean"
  }

  get at(): FilePlace {
    return this.#file.placeAt(this.#offset)
  }

  /**
   * Returns the members of a map of these names. All others are refused, and required ones that are not there.
   *
   * @example
   * ```ts
   * const { url, poll } = value.members({ required: ["url"], optional: ["poll"] })
   * ```
   */
  members<R extends string = never, O extends string = never>(
    names: MemberNames<R, O>,
  ): Readonly<Record<R, YamlValue>> & Readonly<Partial<Record<O, YamlValue>>> {
    const { required = [], optional = [] } = names
    const allowed: readonly string[] = [...required, ...optional]
    const members = new Map<string, YamlValue>()
    for (const { name, key, value } of this.entries()) {
      if (!allowed.includes(name)) throw key.refuse(`unknown member: expected one of ${allowed.join(", ")}`)
      if (value.kind === "none") throw value.refuse(NO_VALUE)
      members.set(name, value)
    }
    const missing = required.find((name) => !members.has(name))
    if (missing !== undefined) throw this.refuse(`${missing} is missing`)
    return Object.fromEntries(members) as Record<R, YamlValue> & Partial<Record<O, YamlValue>>
  }

  /** Returns one member of a map whose other members may have any name. */
  member(name: string): YamlValue | undefined {
    return this.entries().find((each) => each.name === name)?.value
  }

  /** Returns the members of a map whose names are free, in the order of the file. None is given twice. */
  entries(): readonly YamlMember[] {
    if (!isMap(this.#node)) throw this.#expected("a map")
    const seen = new Set<string>()
    return this.#node.items.map((pair) => {
      const text = isScalar(pair.key) ? pair.key.value : undefined
      const whole = { node: pair.key, name: this.name, file: this.#file }
      if (typeof text !== "string") throw new YamlValue(whole).refuse("expected a name")
      const name = this.name === "" ? wordOf(text) : `${this.name}.${wordOf(text)}`
      const key = new YamlValue({ ...whole, name })
      if (text === "<<") throw key.refuse("members of another map are not merged here")
      if (seen.has(text)) throw key.refuse("it is given twice")
      seen.add(text)
      return {
        name: text,
        key,
        value: new YamlValue({ node: pair.value, key: pair.key, name, file: this.#file }),
      }
    })
  }

  list(): readonly YamlValue[] {
    if (!isSeq(this.#node)) throw this.#expected("a list")
    return this.#node.items.map(
      (node, i) => new YamlValue({ node, name: `${this.name}[${i}]`, file: this.#file }),
    )
  }

  /** Returns the items of a list of at least one, or the one value itself. */
  oneOrMore(): readonly YamlValue[] {
    if (this.kind !== "list") return [this]
    const items = this.list()
    if (items.length === 0) throw this.refuse("an empty list; leave it out, or give it a value")
    return items
  }

  /** Returns a text of at least one character, without half a character. */
  text({ max = Number.POSITIVE_INFINITY, pattern, expected }: TextForm = {}): string {
    if (pattern !== undefined && expected === undefined)
      throw new RangeError("expected: words for the pattern")
    const value = isScalar(this.#node) ? this.#node.value : undefined
    if (typeof value !== "string") {
      throw this.#expected(
        this.kind === "map" || this.kind === "list" ? "a text" : "a text: put it in quotes",
      )
    }
    if (value === "" || LONE_SURROGATE.test(value)) throw this.#expected("a text")
    if (value.length > max) throw this.#expected(`at most ${max} characters`)
    if (pattern?.test(value) === false) throw this.#expected(expected as string)
    return value
  }

  boolean(): boolean {
    const value = isScalar(this.#node) ? this.#node.value : undefined
    if (typeof value !== "boolean") throw this.#expected("true or false")
    return value
  }

  /**
   * Returns a whole number in decimal digits: `010`, `0x10`, `1e3` and `1.0` are none.
   *
   * @param range - both included; safe integers, of which 0 and the largest are what is left out
   */
  integer({
    min = 0,
    max = Number.MAX_SAFE_INTEGER,
  }: {
    readonly min?: number
    readonly max?: number
  } = {}): number {
    const value = this.kind === "number" && DECIMAL.test(this.written()) ? Number(this.written()) : Number.NaN
    if (value >= min && value <= max) return value
    throw this.#expected(
      max === Number.MAX_SAFE_INTEGER ? `a whole number from ${min}` : `a whole number from ${min} to ${max}`,
    )
  }

  /** Returns the one of these texts that it is. */
  oneOf<T extends string>(texts: readonly T[]): T {
    const value = isScalar(this.#node) ? this.#node.value : undefined
    const found = texts.find((each) => each === value)
    if (found === undefined) throw this.#expected(`one of ${texts.join(", ")}`)
    return found
  }

  /** Returns milliseconds: `500ms`, `10s`, `5m`, `2h`, `1d`. */
  durationMs({ minMs = 0, maxMs = Number.POSITIVE_INFINITY } = {}): number {
    const ms = this.read(durationMs, "a duration such as 10s, 5m or 2h")
    if (ms < minMs) throw this.#expected(`at least ${minMs} ms`)
    if (ms > maxMs) throw this.#expected(`at most ${maxMs} ms`)
    return ms
  }

  /** Returns an http or https URL as it is spelled in full: `https://log.example` is `https://log.example/`. */
  url(): string {
    const text = this.text()
    const url = URL.canParse(text) ? new URL(text) : undefined
    if (url?.protocol === "http:" || url?.protocol === "https:") return url.href
    throw this.#expected("an http or https URL")
  }

  /**
   * Returns what a scalar, as it is {@link written}, means to its reader.
   *
   * @param parse - `undefined` if it means nothing
   * @param expected - what `parse` takes, in words
   */
  read<T>(parse: (written: string) => T | undefined, expected: string): T {
    const value = parse(this.written())
    if (value === undefined) throw this.#expected(expected)
    return value
  }

  /** Returns a text, a number in decimal, true, false or null, for those who compare with values of any kind. */
  scalar(): string | number | boolean | null {
    if (this.kind === "none" || !isScalar(this.#node)) throw this.#expected("a single value")
    if (this.kind === "number" && !NUMBER.test(this.written())) {
      throw this.#expected("a number in decimal; a text that looks like another needs quotes")
    }
    return this.#node.value as string | number | boolean | null
  }

  /** Returns a scalar as it stands in the file, without quotes; "" if it is none. */
  written(): string {
    if (!isScalar(this.#node)) return ""
    return typeof this.#node.value === "string" ? this.#node.value : (this.#node.source ?? "")
  }

  /** Returns the error of this place: of its name, if it has no value. */
  refuse(problem: string, cause?: unknown): SettingsError {
    return this.#file.refuse(this.#offset, this.name === "" ? problem : `${this.name}: ${problem}`, cause)
  }

  #expected(form: string): SettingsError {
    return this.refuse(this.kind === "none" && this.name !== "" ? NO_VALUE : `expected ${form}`)
  }

  get #offset(): number {
    const isAbsent = this.kind === "none" && !isAlias(this.#node)
    const node = isAbsent && this.#key !== undefined ? this.#key : this.#node
    return (node as Node | undefined)?.range?.[0] ?? 0
  }
}

const NO_VALUE = "it has no value; leave it out, or give it one"

const LONE_SURROGATE = /[\ud800-\udfff]/u

const DECIMAL = /^(?:0|-?[1-9]\d*)$/

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/

/** A member's name for messages: cut, and without what would move a terminal's cursor. */
function wordOf(text: string): string {
  const cut = text.length > 100 ? `${text.slice(0, 100)}…` : text
  return /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(cut) ? JSON.stringify(cut) : cut
}
