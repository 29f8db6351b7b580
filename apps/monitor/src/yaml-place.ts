/**
 * A YAML file, member by member, so that what is wrong is said with line and column.
 *
 *     config.yaml:12:5: unknown member "pol": expected one of url, policy, poll
 *
 * Aliases are refused: a config needs none, and they are how small files become large ones.
 *
 * Pure: no I/O, no clock.
 */

import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml"
import { type FilePlace, MonitorError } from "./error.js"

/** Characters in the longest config that is read. */
const MAX_CONFIG_LENGTH = 1_000_000

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** One value of the file, and where it stands. */
export class YamlPlace {
  readonly #node: unknown
  readonly #file: YamlFile
  /** What it is called in words: `logs[0].url`. */
  readonly #name: string

  constructor(node: unknown, file: YamlFile, name: string) {
    this.#node = node
    this.#file = file
    this.#name = name
    if (isAlias(node)) throw this.refuse("aliases are not read here")
  }

  get isMap(): boolean {
    return isMap(this.#node)
  }

  /** Returns the members of a map, all of which must be among `allowed`. */
  members<K extends string>(allowed: readonly K[]): Partial<Record<K, YamlPlace>> {
    if (!isMap(this.#node)) throw this.refuse(`expected a map of ${allowed.join(", ")}`)
    const members: Partial<Record<K, YamlPlace>> = {}
    for (const { key, value } of this.#node.items) {
      const name = isScalar(key) && typeof key.value === "string" ? key.value : undefined
      const known = allowed.find((each) => each === name)
      if (known === undefined) {
        throw this.#refuseAt(key, `unknown member ${quote(name)}: expected one of ${allowed.join(", ")}`)
      }
      // A member without a value counts as absent.
      if (isScalar(value) && value.value === null) continue
      members[known] = new YamlPlace(value, this.#file, this.#name === "" ? known : `${this.#name}.${known}`)
    }
    return members
  }

  /** Returns the members of a map whose names are free. */
  entries(): readonly (readonly [string, YamlPlace])[] {
    if (!isMap(this.#node)) throw this.refuse("expected a map")
    return this.#node.items.map(({ key, value }) => {
      if (!isScalar(key) || typeof key.value !== "string") throw this.#refuseAt(key, "expected a name")
      return [key.value, new YamlPlace(value, this.#file, `${this.#name}.${key.value}`)] as const
    })
  }

  list(): readonly YamlPlace[] {
    if (!isSeq(this.#node)) throw this.refuse("expected a list")
    return this.#node.items.map((item, i) => new YamlPlace(item, this.#file, `${this.#name}[${i}]`))
  }

  text(): string {
    if (isScalar(this.#node) && typeof this.#node.value === "string" && this.#node.value !== "") {
      return this.#node.value
    }
    throw this.refuse("expected a text")
  }

  boolean(): boolean {
    if (isScalar(this.#node) && typeof this.#node.value === "boolean") return this.#node.value
    throw this.refuse("expected true or false")
  }

  integer({ from, to }: { readonly from: number; readonly to: number }): number {
    const value = isScalar(this.#node) ? this.#node.value : undefined
    if (typeof value === "number" && Number.isInteger(value) && value >= from && value <= to) return value
    throw this.refuse(`expected a whole number from ${from} to ${to}`)
  }

  /** Returns milliseconds: `500ms`, `10s`, `5m`, `2h`, `1d`. */
  durationMs({ atLeastMs }: { readonly atLeastMs: number }): number {
    const [, digits = "", unit = ""] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(this.#scalarText()) ?? []
    const ms = Number(digits) * (UNITS_MS[unit] ?? Number.NaN)
    if (digits === "" || Number.isNaN(ms)) throw this.refuse("expected a duration such as 10s, 5m or 2h")
    if (ms < atLeastMs) throw this.refuse(`expected at least ${atLeastMs} ms`)
    return ms
  }

  /** Returns an http or https URL that ends in `/`, so that paths can be put behind it. */
  urlPrefix(): string {
    const url = this.url()
    if (/[?#]/.test(url)) throw this.refuse("expected a URL without query and fragment")
    return url.endsWith("/") ? url : `${url}/`
  }

  url(): string {
    const text = this.text()
    const url = URL.canParse(text) ? new URL(text) : undefined
    if (url?.protocol === "http:" || url?.protocol === "https:") return url.href
    throw this.refuse("expected an http or https URL")
  }

  /** Returns the error of this place. */
  refuse(why: string, cause?: unknown): MonitorError {
    return this.#refuseAt(this.#node, this.#name === "" ? why : `${this.#name}: ${why}`, cause)
  }

  #refuseAt(node: unknown, why: string, cause?: unknown): MonitorError {
    return this.#file.refuse((node as Node | null)?.range?.[0] ?? 0, why, cause)
  }

  #scalarText(): string {
    return isScalar(this.#node) ? String(this.#node.value) : ""
  }
}

interface YamlFile {
  refuse(offset: number, why: string, cause?: unknown): MonitorError
}

/**
 * Reads a YAML text.
 *
 * @param name - of the file, for messages
 * @throws {@link MonitorError} `MONITOR_BAD_CONFIG` with the place of the first fault
 */
export function readYaml(text: string, name: string): YamlPlace {
  const lineCounter = new LineCounter()
  const file: YamlFile = {
    refuse(offset, why, cause) {
      const { line, col } = lineCounter.linePos(offset)
      return badConfig(name, { line: Math.max(1, line), column: Math.max(1, col) }, why, cause)
    },
  }
  if (text.length > MAX_CONFIG_LENGTH) throw badConfig(name, { line: 1, column: 1 }, "the file is too long")
  const document = parseDocument(text, { lineCounter, prettyErrors: false, uniqueKeys: true })
  const [error] = document.errors
  if (error !== undefined) throw file.refuse(error.pos[0], error.message)
  return new YamlPlace(document.contents, file, "")
}

function badConfig(name: string, place: FilePlace, why: string, cause?: unknown): MonitorError {
  const message = `${name}:${place.line}:${place.column}: ${why}`
  return new MonitorError("MONITOR_BAD_CONFIG", message, { place, cause })
}

function quote(name: string | undefined): string {
  return name === undefined ? "that is no text" : JSON.stringify(name.slice(0, 100))
}
