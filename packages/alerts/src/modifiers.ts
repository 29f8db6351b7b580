/**
 * What stands behind a field's name, read and held against what goes together.
 *
 *     http_path|contains|all  ─►  field http_path; contains; every value
 *     user_agent|re|i         ─►  field user_agent; a regular expression; case does not matter
 *
 * Spec: Sigma modifiers 2.1.0.
 * Pure.
 */

/** Where a text may stand in a value. */
export type Placement = "exact" | "contains" | "startswith" | "endswith"

/** How a value is compared: as a text in its place, or as what is no text. */
export type Comparison = Placement | "re" | "cidr" | "exists" | "lt" | "lte" | "gt" | "gte"

/** How a value is written down before it is looked for. */
export type Encoding = "base64" | "base64offset"

export interface FieldAsked {
  /** "" for keywords: anywhere in the event. */
  readonly name: string
  readonly comparison: Comparison
  readonly encoding: Encoding | undefined
  /** `-`, `/` and the dashes of typographers are one. */
  readonly windash: boolean
  /** Of a regular expression. */
  readonly flags: string
  /** Every value, not one of them. */
  readonly all: boolean
  readonly cased: boolean
  readonly negated: boolean
  /** The values are names of fields. */
  readonly isReference: boolean
}

const PLACEMENTS = ["contains", "startswith", "endswith"] as const

const COMPARISONS: ReadonlySet<string> = new Set([
  ...PLACEMENTS,
  "re",
  "cidr",
  "exists",
  "lt",
  "lte",
  "gt",
  "gte",
])

/** What says something of a text: not for numbers, networks and whether there is a value. */
const OF_TEXTS = ["base64", "base64offset", "windash", "cased", "fieldref"]

const FLAGS: ReadonlyMap<string, string> = new Map([
  ["i", "i"],
  ["m", "m"],
  ["s", "s"],
  ["ignorecase", "i"],
  ["multiline", "m"],
  ["dotall", "s"],
])

const KNOWN: ReadonlySet<string> = new Set([...COMPARISONS, ...OF_TEXTS, ...FLAGS.keys(), "all", "neq"])

/**
 * Reads a field's name and its modifiers.
 *
 * @param text - `name|modifier|…`; the name may be empty
 * @throws RangeError in words for who wrote it, if a modifier is not known here, or two do not go together
 */
export function parseFieldAsked(text: string): FieldAsked {
  const [name = "", ...modifiers] = text.split("|")
  const unknown = modifiers.find((modifier) => !KNOWN.has(modifier))
  if (unknown !== undefined)
    throw new RangeError(`the modifier "${unknown}" is not one that is evaluated here`)
  const twice = modifiers.find((modifier, at) => modifiers.indexOf(modifier) !== at)
  if (twice !== undefined) throw new RangeError(`the modifier "${twice}" is given twice`)
  const has = (modifier: string) => modifiers.includes(modifier)
  const [comparison = "exact", other] = modifiers.filter((modifier) =>
    COMPARISONS.has(modifier),
  ) as Comparison[]
  if (other !== undefined) throw apart(comparison, other)
  const asked: FieldAsked = {
    name,
    comparison,
    encoding: has("base64offset") ? "base64offset" : has("base64") ? "base64" : undefined,
    windash: has("windash"),
    flags: modifiers.map((modifier) => FLAGS.get(modifier) ?? "").join(""),
    all: has("all"),
    cased: has("cased"),
    negated: has("neq"),
    isReference: has("fieldref"),
  }
  checkTogether(asked, modifiers)
  return asked
}

function checkTogether(
  { name, comparison, flags, isReference }: FieldAsked,
  modifiers: readonly string[],
): void {
  const ofText = modifiers.find((modifier) => OF_TEXTS.includes(modifier))
  const isText = comparison === "exact" || (PLACEMENTS as readonly string[]).includes(comparison)
  if (!isText && ofText !== undefined) throw apart(comparison, ofText)
  if (flags !== "" && comparison !== "re")
    throw new RangeError(`"${flags[0]}" is said of regular expressions: re|${flags}`)
  if (comparison === "exists" && modifiers.length > 1)
    throw new RangeError('"exists" stands alone: true or false')
  const besides = ["base64", "base64offset", "windash"].find((modifier) => modifiers.includes(modifier))
  if (isReference && besides !== undefined) throw apart("fieldref", besides)
  if (modifiers.includes("base64") && modifiers.includes("base64offset"))
    throw apart("base64", "base64offset")
  if (name === "" && (isReference || (!isText && comparison !== "re"))) {
    throw new RangeError(`"${isReference ? "fieldref" : comparison}" needs a field before it`)
  }
}

function apart(one: string, other: string): RangeError {
  return new RangeError(`the modifiers "${one}" and "${other}" do not go together`)
}
