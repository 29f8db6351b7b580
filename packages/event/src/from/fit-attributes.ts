/**
 * Fitting what no field takes into the attributes of an access event.
 *
 * Other systems nest deeper, write longer and leave nulls. What does not fit is not
 * dropped in silence:
 *
 *     too deep, or not allowed in an attribute  →  the same value as JSON text
 *     cut in its field                          →  the whole, under its own name
 *     too much for the attributes               →  left out, largest first
 *     too deep for JSON text                    →  left out
 *     where something was cut or left out       →
 *                                                  truncated         true
 *                                                  truncated_names   what was, as far as there is room
 *                                                  original_bytes    length of the original, UTF-8
 *                                                  original_sha256   its SHA-256, lower-case hex
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { encodeHex } from "@prooflog/tlog/base64"
import { sha256 } from "@prooflog/tlog/hash"
import { isWellFormed, textSize, utf8Length } from "../cbor-writer.js"
import { isForbiddenKey } from "../forbidden-keys.js"
import { ATTRIBUTES_LIMITS } from "../schema.js"
import { fitText } from "./fit-text.js"
import { memberAt } from "./member.js"

/** What an attribute may hold: JSON without null. */
export type AttributeValue =
  | string
  | number
  | boolean
  | readonly AttributeValue[]
  | { readonly [name: string]: AttributeValue }

export type Attributes = Record<string, AttributeValue>

/** Names and bytes that the four notes of truncation may need. */
const RESERVED = { names: 4, bytes: 1024 }

/**
 * Returns the names of members that need no attribute: texts whose fields were not cut. What was
 * cut there is kept whole here, under its own name, if there is room; so is what is no text.
 *
 * @param value - what has the members
 * @param taken - member → fields that hold its text between them
 */
export function takenWhole(
  value: unknown,
  taken: Readonly<Record<string, readonly string[]>>,
  cut: readonly string[],
): readonly string[] {
  return Object.entries(taken)
    .filter(([member, fields]) => typeof memberAt(value, member) === "string" && !isCut(fields, cut))
    .map(([member]) => member)
}

/** Whether one of these fields was cut. */
export function isCut(fields: readonly string[], cut: readonly string[]): boolean {
  return fields.some((field) => cut.includes(field))
}

/**
 * Returns a value as JSON text, or `undefined` if it is nested too deep: JSON.stringify
 * recurses, and whoever fills a record can nest it so deep that it ends there.
 */
export function jsonText(value: unknown): string | undefined {
  return isDeeper(value, MAX_TEXT_DEPTH) ? undefined : JSON.stringify(value)
}

const MAX_TEXT_DEPTH = 500

function isDeeper(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null) return false
  return depth === 0 || Object.values(value).some((each) => isDeeper(each, depth - 1))
}

/**
 * Returns the attributes of an event: the members that no field took, each made to fit,
 * and the four notes of truncation if something was cut. `undefined` if there is nothing to say.
 *
 * The largest members are left out until the whole fits.
 *
 * @param members - as they came; null and undefined count as absent
 * @param cut - names that {@link fitText} had to cut; what is left out here is added to it
 * @param original - gives the text whose length and SHA-256 are noted, if it can be written; called only if
 * something was cut
 */
export function fitAttributes(
  members: Readonly<Record<string, unknown>>,
  cut: string[],
  original: () => string | undefined,
): Attributes | undefined {
  const fitted: Member[] = []
  for (const [name, value] of Object.entries(members)) {
    if (value === null || value === undefined) continue
    if (isStorableName(name) && !isDeeper(value, MAX_TEXT_DEPTH)) fitted.push(fitMember(name, value))
    else cut.push(name)
  }
  const kept = keepSmallest(fitted, cut)
  // Not by assignment in a loop: a prototype has no say in which names there are.
  const attributes: Attributes = Object.fromEntries(
    fitted.filter(({ name }) => kept.has(name)).map(({ name }) => [name, kept.get(name) as AttributeValue]),
  )
  if (cut.length > 0) noteTruncation(attributes, cut, original())
  return Object.keys(attributes).length > 0 ? attributes : undefined
}

interface Member {
  readonly name: string
  readonly value: AttributeValue
  /** The value as one text, for where there is no room for the names in it. */
  readonly text: () => string
  /** Never less than the bytes of its CBOR, whichever of the two is taken. */
  readonly bytes: number
}

function fitMember(name: string, value: unknown): Member {
  const fitted = fitValue(value, ATTRIBUTES_LIMITS.depth - 1)
  const text = () => (typeof fitted === "string" ? fitted : JSON.stringify(value))
  return {
    name,
    value: fitted,
    text,
    bytes: sizeBound(name) + Math.max(sizeBound(fitted), sizeBound(text())),
  }
}

/** Returns the values of the members that fit, and adds the names of the others to `cut`. */
function keepSmallest(members: readonly Member[], cut: string[]): ReadonlyMap<string, AttributeValue> {
  const kept = new Map<string, AttributeValue>()
  let bytes = RESERVED.bytes
  let names = RESERVED.names + members.length
  for (const member of [...members].sort((a, b) => a.bytes - b.bytes)) {
    const inside = nameCount(member.value)
    const isStructured = names + inside <= ATTRIBUTES_LIMITS.allKeys
    if (
      bytes + member.bytes > ATTRIBUTES_LIMITS.bytes ||
      kept.size + RESERVED.names >= ATTRIBUTES_LIMITS.keys
    ) {
      cut.push(member.name)
      continue
    }
    kept.set(member.name, isStructured ? member.value : member.text())
    bytes += member.bytes
    names += isStructured ? inside : 0
  }
  return kept
}

function noteTruncation(attributes: Attributes, cut: readonly string[], original: string | undefined): void {
  attributes.truncated = true
  attributes.truncated_names = notedNames(cut)
  if (original === undefined) return
  const bytes = new TextEncoder().encode(original)
  attributes.original_bytes = bytes.length
  attributes.original_sha256 = encodeHex(sha256(bytes))
}

/** Bytes for the names; together with the other notes within what is reserved for them. */
const MAX_NOTED_BYTES = 800

/** Returns the beginnings of the first names, each once, as many as there is room for. */
function notedNames(cut: readonly string[]): readonly string[] {
  const names: string[] = []
  let room = MAX_NOTED_BYTES
  for (const name of new Set(cut)) {
    const noted = fitText("", name, 40, [])
    room -= textSize(noted)
    if (room < 0) break
    names.push(noted)
  }
  return names
}

/** @param depth - containers that may still be opened */
function fitValue(value: unknown, depth: number): AttributeValue {
  if (typeof value === "string") return fitText("", value, Number.POSITIVE_INFINITY, [])
  if (typeof value === "boolean") return value
  if (typeof value === "number") return isStorable(value) ? value : String(value)
  if (depth === 0) return JSON.stringify(value)
  if (Array.isArray(value)) return fitArray(value, depth)
  return fitObject(value as Record<string, unknown>, depth)
}

/** An array cannot lose an element without telling another story, so one with a null becomes text. */
function fitArray(array: readonly unknown[], depth: number): AttributeValue {
  if (array.some((element) => element === null)) return JSON.stringify(array)
  return array.map((element) => fitValue(element, depth - 1))
}

function fitObject(object: Readonly<Record<string, unknown>>, depth: number): AttributeValue {
  const names = Object.keys(object)
  if (!names.every(isStorableName)) return JSON.stringify(object)
  const fitted: Attributes = {}
  for (const name of names) {
    const value = object[name]
    if (value !== null && value !== undefined) fitted[name] = fitValue(value, depth - 1)
  }
  return fitted
}

function isStorableName(name: string): boolean {
  return name.length <= ATTRIBUTES_LIMITS.keyLength && !isForbiddenKey(name) && isWellFormed(name)
}

/** An integer past 2⁵³ − 1 is no longer what the source wrote; as text it at least claims nothing else. */
function isStorable(value: number): boolean {
  return Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value))
}

/** Returns the names in a value, those of objects inside it too. */
function nameCount(value: AttributeValue): number {
  if (typeof value !== "object") return 0
  const inside = Object.values(value).reduce((sum: number, each) => sum + nameCount(each), 0)
  return Array.isArray(value) ? inside : inside + Object.keys(value).length
}

/** Returns a number that the bytes of the value's CBOR cannot pass. */
function sizeBound(value: AttributeValue): number {
  if (typeof value === "string") return 5 + utf8Length(value)
  if (typeof value !== "object") return 9
  const parts = Object.entries(value).map(([name, each]) => {
    return (Array.isArray(value) ? 0 : sizeBound(name)) + sizeBound(each)
  })
  return parts.reduce((sum, part) => sum + part, 5)
}
