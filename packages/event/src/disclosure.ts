/**
 * Disclosures: what a reader is given of a record.
 *
 *     core     [salt_0, {name: value, …}]            always
 *     fields   [name, salt, value]                   shown
 *              [name, digest]                        withheld
 *
 * Every name is always there, so nothing can be hidden but a value. The seed never is.
 * A withheld digest proves nothing about what it hides, not even that there is a value:
 * whoever gives a verdict lists the withheld names beside it.
 *
 * In JSON, bytes are base64 and values are exactly what was hashed: a number that is a
 * safe integer encodes as an integer, −0 as 0, any other as float64; texts are not
 * normalised.
 *
 * Spec: docs/spec, "Disclosure".
 * Pure.
 */

import { decodeBase64, encodeBase64 } from "@prooflog/tlog/base64"
import { equalBytes, HASH_SIZE } from "@prooflog/tlog/hash"
import type { CborValue } from "./cbor.js"
import { decodeChecked, MAX_VALUE_DEPTH } from "./cbor-reader.js"
import { compareEncodedText, headSize, sharedWriter, textSize } from "./cbor-writer.js"
import { commitmentOver, digestOf, SALT_SIZE, saltsInto } from "./commitment.js"
import { CORE_NAMES } from "./core-names.js"
import { EventError } from "./error.js"
import type { NamedValue } from "./event.js"
import { type NameList, noCoreNames, noFieldNames } from "./names.js"
import { CORE_OFFSET, MAX_RECORD_BYTES, openRecord } from "./record.js"

/** `[salt (16 bytes), values by name]` */
export type DisclosedCore = readonly [salt: Uint8Array, values: Readonly<Record<string, CborValue>>]

export type DisclosedField = readonly [name: string, salt: Uint8Array, value: CborValue]

/** `[name, digest (32 bytes)]` */
export type WithheldField = readonly [name: string, digest: Uint8Array]

export interface Disclosure {
  readonly core: DisclosedCore
  /** Ascending by encoded name. */
  readonly fields: readonly (DisclosedField | WithheldField)[]
}

/**
 * What a disclosure proves: its values as they were hashed, however they were spelled. Objects
 * here have no prototype: names are looked up safely.
 */
export interface OpenedEvent {
  readonly core: Readonly<Record<string, CborValue>>
  /** The values that were shown. */
  readonly fields: Readonly<Record<string, CborValue>>
  /** The names whose values were not, ascending. */
  readonly withheld: readonly string[]
}

/**
 * Returns a disclosure of a record without the values of `withhold`.
 *
 * Names in `withhold` that the record does not have are passed over.
 *
 * @throws {@link EventError} `EVENT_CANNOT_WITHHOLD` for a core name; as `openRecord` for a bad record
 */
export function disclose(record: Uint8Array, withhold: ReadonlySet<string>): Disclosure {
  checkWithholdable(withhold)
  const { seed, core, fields } = openRecord(record)
  const salts = new Uint8Array((fields.length + 4) * SALT_SIZE)
  saltsInto(seed, 0, fields.length + 1, salts)
  const salt = (index: number) => salts.slice(index * SALT_SIZE, (index + 1) * SALT_SIZE)
  return {
    core: [salt(0), membersOf(core)],
    fields: fields.map(([name, value], i) =>
      withhold.has(name) ? [name, digestOf(salt(i + 1), encodeValue(value))] : [name, salt(i + 1), value],
    ),
  }
}

/**
 * Returns the disclosure without the values of `names`: as {@link disclose} would have made it, from one that
 * showed more. It needs no record, so whoever was shown something can show less of it to others.
 *
 * Names that the disclosure does not have, or withholds already, are passed over.
 *
 * @throws {@link EventError} `EVENT_CANNOT_WITHHOLD` for a core name; `EVENT_NOT_ENCODABLE`,
 * `EVENT_MALFORMED_DISCLOSURE` if a value to withhold could not be in any record
 */
export function withhold({ core, fields }: Disclosure, names: ReadonlySet<string>): Disclosure {
  checkWithholdable(names)
  return {
    core,
    fields: fields.map((field) => {
      const [name, salt, value] = field
      return value === undefined || !names.has(name)
        ? field
        : [name, digestOf(checkSalt(salt), encodeValue(value))]
    }),
  }
}

/**
 * Returns what a disclosure proves about a commitment.
 *
 * @param disclosure - suspect, but of its type, as `disclosureFromJson` returns it
 * @param commitment - 32 bytes
 * @throws {@link EventError} `EVENT_MALFORMED_DISCLOSURE`, `EVENT_MALFORMED_RECORD`,
 * `EVENT_NOT_ENCODABLE` or `EVENT_TOO_LARGE` if it breaks a rule, `EVENT_COMMITMENT_MISMATCH` if it opens
 * another commitment
 */
export function checkDisclosure(disclosure: Disclosure, commitment: Uint8Array): OpenedEvent {
  const [coreSalt, coreValues] = disclosure.core
  const core = encodeCore(coreValues)
  const { shape } = namesOf(disclosure.fields)
  const values = encodeShown(disclosure.fields, core.length)
  const digests = disclosure.fields.map((field, i) => digestOfField(field, values[i]))
  const over = commitmentOver(shape, [digestOf(checkSalt(coreSalt), core), ...digests])
  if (!equalBytes(over, commitment)) {
    throw new EventError(
      "EVENT_COMMITMENT_MISMATCH",
      "the disclosure opens another commitment than this entry's",
    )
  }
  return { core: membersOf(decodeChecked(core) as unknown as NamedValue[]), ...readShown(disclosure, values) }
}

function checkWithholdable(names: ReadonlySet<string>): void {
  for (const name of CORE_NAMES) {
    if (names.has(name)) {
      throw new EventError("EVENT_CANNOT_WITHHOLD", `${name} is in the core, which every disclosure shows`)
    }
  }
}

function encodeCore(values: Readonly<Record<string, CborValue>>): Uint8Array {
  const core = Object.entries(values).sort(([a], [b]) => compareEncodedText(a, b))
  let names = noCoreNames()
  const writer = sharedWriter()
  writer.writeArrayHead(core.length)
  for (const [name, value] of core) {
    names = names.append(name)
    writer.writeArrayHead(2)
    writer.writeText(name)
    writer.writeValue(value, MAX_VALUE_DEPTH, false)
  }
  names.requireComplete()
  return writer.take()
}

function namesOf(fields: Disclosure["fields"]): NameList {
  let names = noFieldNames()
  for (const [name] of fields) names = names.append(name)
  names.requireComplete()
  return names
}

/** Returns the values that are shown, encoded, having checked that a record could hold all that is said to be in it. */
function encodeShown(fields: Disclosure["fields"], coreSize: number): readonly (Uint8Array | undefined)[] {
  let size = CORE_OFFSET + coreSize + headSize(fields.length)
  return fields.map((field) => {
    const encoded = field.length === 2 ? undefined : encodeValue(field[2])
    // The head of the pair, its name, its value; a withheld one takes a byte at least.
    size += 1 + textSize(field[0]) + (encoded?.length ?? 1)
    if (size > MAX_RECORD_BYTES) throw malformed(`it shows more than ${MAX_RECORD_BYTES} bytes`)
    return encoded
  })
}

function digestOfField(field: DisclosedField | WithheldField, encoded: Uint8Array | undefined): Uint8Array {
  return encoded === undefined ? checkDigest(field[1]) : digestOf(checkSalt(field[1]), encoded)
}

/** Reads what was hashed, not what was given: it may have been spelled in another way. */
function readShown(
  { fields }: Disclosure,
  values: readonly (Uint8Array | undefined)[],
): Pick<OpenedEvent, "fields" | "withheld"> {
  const shown: NamedValue[] = []
  const withheld: string[] = []
  for (const [i, [name]] of fields.entries()) {
    const encoded = values[i]
    if (encoded === undefined) withheld.push(name)
    else shown.push([name, decodeChecked(encoded)])
  }
  return { fields: membersOf(shown), withheld }
}

function encodeValue(value: CborValue): Uint8Array {
  const writer = sharedWriter()
  writer.writeValue(value, MAX_VALUE_DEPTH, false)
  return writer.take()
}

function membersOf(pairs: readonly NamedValue[]): Record<string, CborValue> {
  const members: Record<string, CborValue> = Object.create(null)
  for (const [name, value] of pairs) members[name] = value
  return members
}

function checkSalt(salt: Uint8Array): Uint8Array {
  if (salt.length !== SALT_SIZE) throw malformed(`a salt of ${salt.length} bytes, not ${SALT_SIZE}`)
  return salt
}

function checkDigest(digest: Uint8Array): Uint8Array {
  if (digest.length !== HASH_SIZE) throw malformed(`a digest of ${digest.length} bytes, not ${HASH_SIZE}`)
  return digest
}

/** The members `core` and `fields` of an event in an evidence file. */
export interface DisclosureJson {
  readonly core: readonly [salt: string, values: Readonly<Record<string, CborValue>>]
  readonly fields: readonly (
    | readonly [name: string, digest: string]
    | readonly [name: string, salt: string, value: CborValue]
  )[]
}

/** Returns a disclosure as the JSON value that an evidence file holds. */
export function disclosureToJson(disclosure: Disclosure): DisclosureJson {
  const [salt, values] = disclosure.core
  return {
    core: [encodeBase64(salt), values],
    fields: disclosure.fields.map((field) =>
      field.length === 2 ? [field[0], encodeBase64(field[1])] : [field[0], encodeBase64(field[1]), field[2]],
    ),
  }
}

/**
 * Returns the disclosure in the members `core` and `fields` of a parsed JSON value.
 *
 * @param json - suspect; parsed strictly, so that no key is there twice
 * @throws {@link EventError} `EVENT_MALFORMED_DISCLOSURE` if it has another form, or other members
 */
export function disclosureFromJson(json: unknown): Disclosure {
  if (!isObject(json)) throw malformed("no object")
  const { core, fields, ...others } = json
  if (Object.keys(others).length > 0) throw malformed("a member that is neither core nor fields")
  if (!Array.isArray(core) || core.length !== 2 || !isObject(core[1]))
    throw malformed("core is no [salt, values]")
  if (!Array.isArray(fields)) throw malformed("fields is no array")
  return {
    core: [checkSalt(bytesOf(core[0])), core[1] as Record<string, CborValue>],
    fields: fields.map(fieldFromJson),
  }
}

function fieldFromJson(field: unknown): DisclosedField | WithheldField {
  if (!Array.isArray(field) || (field.length !== 2 && field.length !== 3) || typeof field[0] !== "string") {
    throw malformed("a field is no [name, digest] or [name, salt, value]")
  }
  const bytes = bytesOf(field[1])
  if (field.length === 2) return [field[0], checkDigest(bytes)]
  return [field[0], checkSalt(bytes), field[2] as CborValue]
}

function bytesOf(text: unknown): Uint8Array {
  const bytes = typeof text === "string" && text.length <= 64 ? decodeBase64(text) : undefined
  if (bytes === undefined) throw malformed("bytes that are not base64 in its one spelling")
  return bytes
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

function malformed(what: string): EventError {
  return new EventError("EVENT_MALFORMED_DISCLOSURE", `not a disclosure: ${what}`)
}
