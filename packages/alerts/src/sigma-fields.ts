/**
 * Log sources of Sigma rules: which events they mean, and where their fields are.
 *
 *     category: webserver                      cs-method ─► http_method           events with a method or a status
 *     product: aws, service: cloudtrail        any member of the record           events made from CloudTrail
 *     product: kubernetes, service: audit      any member of the audit event      events made from audit events
 *     product: okta, service: okta             any member of `raw`                events whose raw is of Okta
 *     product: github, service: audit          any member of `raw`                … of GitHub
 *     product: linux, service: sshd or auth    words in the line                  events of sshd
 *     product: prooflog                        our own names                      all events
 *
 * A rule of any other log source is refused: it could never match, and whoever wrote it would believe that it watches.
 *
 * Spec: Sigma taxonomy 2.1.0; docs of each source.
 * Pure.
 */

import type { YamlValue } from "@prooflog/settings/yaml-value"
import { slotReader } from "./event-fields.js"
import { allOf, anyOf, type EventTest } from "./event-test.js"
import type { FieldNames } from "./pattern.js"
import type { FieldSlots } from "./seen-event.js"

/** What a rule's log source means here. */
export interface LogSource {
  readonly names: FieldNames
  /** Whether an event is one of the source's. */
  readonly test: EventTest
}

interface Source {
  /** What `logsource` has to say; what it does not name here, it may. */
  readonly said: Readonly<Partial<Record<"category" | "product" | "service", readonly string[]>>>
  /** Returns the name of a field's slot; `undefined` if the source has no such field. */
  readonly nameOf: (field: string) => string | undefined
  /** Makes the test whether an event is one of the source's. */
  readonly isOf: (slots: FieldSlots) => EventTest
}

/** W3C extended log format, and what rules for web servers call the same. */
const WEB_SERVER: Readonly<Record<string, string>> = {
  "c-ip": "ip_address",
  "cs-bytes": "request_bytes",
  "cs-host": "http_host",
  "cs-method": "http_method",
  "cs-protocol": "http_protocol",
  "cs-referer": "http_referrer",
  "cs-referrer": "http_referrer",
  "cs-uri": "webserver.uri",
  "cs-uri-query": "webserver.query",
  "cs-uri-stem": "http_path",
  "cs-user-agent": "user_agent",
  "cs-username": "user_id",
  "cs-version": "http_protocol",
  "c-uri": "webserver.uri",
  "c-uri-query": "webserver.query",
  "c-useragent": "user_agent",
  "sc-bytes": "response_bytes",
  "sc-status": "http_status",
  "time-taken": "duration_ms",
}

const SOURCES: readonly Source[] = [
  {
    said: { category: ["webserver"] },
    nameOf: (field) => (Object.hasOwn(WEB_SERVER, field) ? WEB_SERVER[field] : ownName(field)),
    isOf: (slots) => anyOf([exists("http_method", slots), exists("http_status", slots)]),
  },
  {
    said: { product: ["aws"], service: ["cloudtrail"] },
    nameOf: (field) => `cloudtrail.${field}`,
    isOf: (slots) => allOf([exists("cloudtrail.eventVersion", slots), exists("cloudtrail.eventName", slots)]),
  },
  {
    said: { product: ["kubernetes"], service: ["audit"] },
    nameOf: (field) => `kubernetes.${field}`,
    isOf: (slots) => allOf([exists("kubernetes.stage", slots), exists("kubernetes.verb", slots)]),
  },
  {
    said: { product: ["okta"], service: ["okta"] },
    nameOf: (field) => `raw.${field}`,
    isOf: (slots) => allOf([exists("raw.eventType", slots), exists("raw.outcome", slots)]),
  },
  {
    said: { product: ["github"], service: ["audit"] },
    nameOf: (field) => `raw.${field}`,
    isOf: (slots) => allOf([exists("raw.action", slots), exists("raw.actor", slots)]),
  },
  {
    said: { product: ["linux"], service: ["sshd", "auth"] },
    nameOf: ownName,
    isOf: (slots) => isText("service", "sshd", slots),
  },
  { said: { product: ["prooflog"] }, nameOf: ownName, isOf: () => allOf([]) },
]

/**
 * Returns what a rule's log source means.
 *
 * @param value - the member `logsource`
 * @throws SettingsError if it is none that is known here
 */
export function readLogSource(value: YamlValue, slots: FieldSlots): LogSource {
  const { category, product, service } = value.members({
    optional: ["category", "product", "service", "definition", "deprecated", "note"],
  })
  const said = { category: category?.text(), product: product?.text(), service: service?.text() }
  const source = SOURCES.find((each) => isSaid(each, said))
  if (source === undefined) {
    throw value.refuse(
      "no events of this log source are known here: expected category webserver, or product aws, kubernetes, okta, github, linux (sshd, auth) or prooflog",
    )
  }
  return { names: new MappedNames(source, slots), test: source.isOf(slots) }
}

/** A source that names no category takes rules that name one: some do, to be found by more readers. */
function isSaid({ said }: Source, by: Readonly<Record<string, string | undefined>>): boolean {
  return Object.entries(said).every(([name, texts]) => texts.includes(by[name] ?? ""))
}

class MappedNames implements FieldNames {
  readonly #source: Source
  readonly #slots: FieldSlots

  constructor(source: Source, slots: FieldSlots) {
    this.#source = source
    this.#slots = slots
  }

  slotOf(name: string, place: YamlValue): number {
    const mapped = this.#source.nameOf(name)
    if (mapped !== undefined && slotReader(mapped) !== undefined) return this.#slots.slotOf(mapped)
    throw place.refuse(`this log source has no field "${name}" here`)
  }
}

/** What tells a source is asked after most fields: it may stand in attributes, which are read as a whole. */
const SOURCE_COST = 5

function ownName(field: string): string | undefined {
  return slotReader(field) === undefined ? undefined : field
}

function exists(name: string, slots: FieldSlots): EventTest {
  const slot = slots.slotOf(name)
  return { matches: (event) => event.value(slot) !== undefined, cost: SOURCE_COST }
}

function isText(name: string, text: string, slots: FieldSlots): EventTest {
  const slot = slots.slotOf(name)
  return { matches: (event) => event.folded(slot) === text, cost: 1 }
}
