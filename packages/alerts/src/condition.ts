/**
 * Conditions: how selections make a rule.
 *
 *     selection and (keywords or 1 of web*) and not all of filter_*
 *
 *     or      ← weakest
 *     and
 *     not
 *     1 of x*, all of x*, 1 of them
 *     ( … )   ← strongest
 *
 * Spec: Sigma rules specification 2.1.0, "Condition".
 * Pure.
 */

export type Condition =
  | { readonly kind: "and" | "or"; readonly parts: readonly Condition[] }
  | { readonly kind: "not"; readonly part: Condition }
  /** `1 of`, `all of`: `*` stands for any characters; `them` is `*`. */
  | { readonly kind: "one" | "all"; readonly pattern: string }
  | { readonly kind: "name"; readonly name: string }

/** Most words and brackets. */
const MAX_WORDS = 1_000

/** Most brackets and negations around a name. */
const MAX_DEPTH = 50

/**
 * Reads a condition.
 *
 * @throws RangeError in words for who wrote it
 */
export function parseCondition(text: string): Condition {
  const words: readonly string[] = text.match(/[()|]|[^\s()|]+/g) ?? []
  if (words.includes("|")) {
    throw new RangeError("aggregations of the old syntax are not evaluated: write a correlation rule")
  }
  if (words.length > MAX_WORDS) throw new RangeError(`more than ${MAX_WORDS} words`)
  const reader = new ConditionReader(words)
  const condition = reader.readOr(0)
  reader.expectEnd()
  return condition
}

class ConditionReader {
  readonly #words: readonly string[]
  #at = 0

  constructor(words: readonly string[]) {
    this.#words = words
  }

  readOr(depth: number): Condition {
    return this.#readParts("or", () => this.#readParts("and", () => this.#readNot(depth)))
  }

  expectEnd(): void {
    const word = this.#words[this.#at]
    if (word !== undefined) throw new RangeError(`expected "and", "or" or the end, found "${word}"`)
  }

  #readParts(kind: "and" | "or", read: () => Condition): Condition {
    const parts = [read()]
    while (this.#take(kind)) parts.push(read())
    return parts.length === 1 ? (parts[0] as Condition) : { kind, parts }
  }

  #readNot(depth: number): Condition {
    if (depth > MAX_DEPTH) throw new RangeError(`deeper than ${MAX_DEPTH}`)
    if (this.#take("not")) return { kind: "not", part: this.#readNot(depth + 1) }
    if (!this.#take("(")) return this.#readSelector()
    const inside = this.readOr(depth + 1)
    if (!this.#take(")")) throw new RangeError('a ")" is missing')
    return inside
  }

  #readSelector(): Condition {
    const word = this.#words[this.#at++]
    if (word === undefined) throw new RangeError("the condition ends where a selection is expected")
    if (word === ")" || RESERVED.has(word.toLowerCase())) {
      throw new RangeError(`expected a selection, found "${word}"`)
    }
    if (!this.#take("of")) {
      if (!word.includes("*")) return { kind: "name", name: word }
      throw new RangeError(`"${word}" means several selections: write 1 of ${word}, or all of ${word}`)
    }
    const kind = QUANTITIES.get(word.toLowerCase())
    if (kind === undefined) throw new RangeError(`expected "1 of" or "all of", found "${word} of"`)
    const pattern = this.#words[this.#at++]
    if (pattern === undefined || /^[()]$/.test(pattern)) throw new RangeError(`"${word} of" what?`)
    return { kind, pattern: pattern.toLowerCase() === "them" ? "*" : pattern }
  }

  /** Passes over a word if it is the next; upper and lower case are one. */
  #take(word: string): boolean {
    if (this.#words[this.#at]?.toLowerCase() !== word) return false
    this.#at++
    return true
  }
}

const QUANTITIES: ReadonlyMap<string, "one" | "all"> = new Map([
  ["1", "one"],
  ["any", "one"],
  ["all", "all"],
])

const RESERVED: ReadonlySet<string> = new Set(["and", "or", "not", "of"])
