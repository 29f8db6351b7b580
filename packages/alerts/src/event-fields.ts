/**
 * Every name that rules may ask for, and how its value comes out of an event.
 *
 *     user_id, http_status, …            a field of the record
 *     class                              of the entry
 *     country, asn, as_organization,
 *     latitude, longitude                derived from ip_address
 *     browser, os                        derived from user_agent
 *     attributes.a.b, raw.a.b            inside a field: `raw` is read as JSON once, if anybody asks
 *     cloudtrail.a.b, kubernetes.a.b     of the record that the event was made from: see original-record.ts
 *     webserver.uri, webserver.query     of a request, in one text
 *
 * Pure, if what enriches is.
 */

import type { CborValue } from "@prooflog/event/cbor"
import { formatTimestamp } from "@prooflog/event/timestamp"
import { FIELD_NAMES, placeOf, placeOfField } from "./field-places.js"
import { fieldValueOf, type JsonTexts, jsonIn, valueAt } from "./member-path.js"
import { type OriginalRecord, originalMember } from "./original-record.js"
import type { FieldSlots, FieldValue } from "./seen-event.js"
import { SeenValues } from "./seen-values.js"

/** What is made from an event's address and user agent. What is not known is left out. */
export interface Derived {
  /** ISO 3166-1, two letters. */
  readonly country?: string
  readonly asn?: number
  readonly as_organization?: string
  /** Degrees. */
  readonly latitude?: number
  readonly longitude?: number
  readonly browser?: string
  readonly os?: string
}

/** Each is asked about by itself: a call has one of the two. */
export type Enrich = (ip: string | undefined, userAgent: string | undefined) => Derived

const TIMESTAMP = placeOfField("timestamp")
const IP_ADDRESS = placeOfField("ip_address")
const USER_AGENT = placeOfField("user_agent")
const ATTRIBUTES = placeOfField("attributes")
const RAW = placeOfField("raw")
const HTTP_PATH = placeOfField("http_path")
const HTTP_QUERY = placeOfField("http_query")

/** An event whose fields can be asked for by their place. */
export abstract class EventFields extends SeenValues implements JsonTexts {
  /** Of its entry; `undefined` for an event that is in no log. */
  abstract readonly className: string | undefined
  readonly #readers: readonly SlotReader[]
  readonly #enrich: Enrich
  #ofAddress: Derived | undefined
  #ofAgent: Derived | undefined
  /** `null` if there are none; and likewise of `raw`. */
  #attributes: CborValue | null | undefined
  #raw: unknown
  /** JSON inside texts, where anybody asked. */
  #inTexts: Map<string, unknown> | undefined

  constructor(readers: readonly SlotReader[], enrich: Enrich) {
    super(readers.length)
    this.#readers = readers
    this.#enrich = enrich
  }

  /** Returns the value of a field, by its place among `FIELD_NAMES`. */
  abstract field(place: number): CborValue | undefined

  text(place: number): string | undefined {
    const value = this.field(place)
    return typeof value === "string" ? value : undefined
  }

  /** Returns `raw` as JSON; `undefined` if it is absent or none. */
  raw(): unknown {
    if (this.#raw === undefined) {
      const text = this.text(RAW)
      this.#raw = (text !== undefined && /^\s*[[{]/.test(text) ? jsonIn(text) : undefined) ?? null
    }
    return this.#raw ?? undefined
  }

  jsonIn(text: string): unknown {
    this.#inTexts ??= new Map()
    if (!this.#inTexts.has(text)) this.#inTexts.set(text, jsonIn(text))
    return this.#inTexts.get(text)
  }

  attributes(): CborValue | undefined {
    if (this.#attributes === undefined) this.#attributes = this.field(ATTRIBUTES) ?? null
    return this.#attributes ?? undefined
  }

  derived(name: keyof Derived): FieldValue | undefined {
    return name === "browser" || name === "os" ? this.#agent()[name] : this.#place()[name]
  }

  protected override readValue(slot: number): FieldValue | undefined {
    return this.#readers[slot]?.(this)
  }

  protected override readTexts(): readonly string[] {
    const raw = this.text(RAW)
    if (raw !== undefined) return [raw]
    const texts: string[] = []
    for (let place = 0; place < FIELD_NAMES.length; place++) {
      const value = place === TIMESTAMP ? undefined : this.field(place)
      if (value !== undefined) addTexts(value, texts)
    }
    return texts
  }

  #place(): Derived {
    if (this.#ofAddress === undefined) {
      const address = this.text(IP_ADDRESS)
      this.#ofAddress = address === undefined ? {} : this.#enrich(address, undefined)
    }
    return this.#ofAddress
  }

  #agent(): Derived {
    if (this.#ofAgent === undefined) {
      const agent = this.text(USER_AGENT)
      this.#ofAgent = agent === undefined ? {} : this.#enrich(undefined, agent)
    }
    return this.#ofAgent
  }
}

/** Values of a record are at most 8 deep. */
function addTexts(value: CborValue, texts: string[]): void {
  if (value instanceof Uint8Array) return
  if (typeof value !== "object") texts.push(String(value))
  else for (const each of Object.values(value)) addTexts(each, texts)
}

/** Returns the value of one slot. */
export type SlotReader = (event: EventFields) => FieldValue | undefined

const DERIVED: ReadonlySet<string> = new Set([
  "country",
  "asn",
  "as_organization",
  "latitude",
  "longitude",
  "browser",
  "os",
])

const NAMED: Readonly<Record<string, SlotReader>> = {
  class: (event) => event.className,
  timestamp: (event) => {
    const micros = event.field(TIMESTAMP)
    return typeof micros === "number" ? formatTimestamp(micros) : undefined
  },
  "webserver.uri": uriOf,
  // Rules for web servers look in the query for what stands in the path as well.
  "webserver.query": (event) => {
    const uri = uriOf(event)
    const query = event.text(HTTP_QUERY)
    return uri === undefined || query === undefined ? (query ?? uri) : [query, uri]
  },
}

function uriOf(event: EventFields): string | undefined {
  const path = event.text(HTTP_PATH)
  const query = event.text(HTTP_QUERY)
  return query === undefined ? path : `${path ?? ""}?${query}`
}

/** Returns what reads each slot. */
export function slotReaders(slots: FieldSlots): readonly SlotReader[] {
  return slots.names().map((name) => slotReader(name) ?? (() => undefined))
}

/**
 * Returns what reads a name's value; `undefined` if no event can have such a name.
 *
 * @param name - as `FieldSlots` has it
 */
export function slotReader(name: string): SlotReader | undefined {
  if (Object.hasOwn(NAMED, name)) return NAMED[name]
  if (DERIVED.has(name)) return (event) => event.derived(name as keyof Derived)
  const place = placeOf(name)
  if (place !== undefined) return (event) => fieldValueOf(event.field(place))
  const dot = name.indexOf(".")
  const path = name.slice(dot + 1)
  if (dot < 0 || path === "") return undefined
  switch (name.slice(0, dot)) {
    case "attributes":
      return (event) => valueAt(event.attributes(), path, event)
    case "raw":
      return (event) => valueAt(event.raw(), path, event)
    case "cloudtrail":
    case "kubernetes":
      return originalMember(name.slice(0, dot) as OriginalRecord, path)
    default:
      return undefined
  }
}
