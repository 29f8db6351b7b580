/**
 * Members of the record that an event was made from, wherever they are now.
 *
 *     { eventSource: "iam.amazonaws.com", eventName: "CreateUser", userIdentity: { arn }, requestParameters: { … } }
 *          │ mapped by event/from/cloudtrail
 *          ▼
 *     service           iam.amazonaws.com     ◄── cloudtrail.eventSource
 *     action            iam.CreateUser        ◄── cloudtrail.eventName
 *     user_id           arn:aws:…             ◄── cloudtrail.userIdentity.arn
 *     attributes.requestParameters            ◄── cloudtrail.requestParameters.…
 *
 * Rules are written about those records, and mappings keep no copy of them: what no field takes stands in `attributes`
 * under its own name, and the rest is found in the fields it went to. An event whose `raw` is such a record is read there.
 *
 * Spec: packages/event, from/cloudtrail.ts and from/k8s.ts.
 * Pure.
 */

import { formatTimestamp } from "@prooflog/event/timestamp"
import type { EventFields, SlotReader } from "./event-fields.js"
import { placeOfField } from "./field-places.js"
import { fieldValueOf, valueAt } from "./member-path.js"
import type { FieldValue } from "./seen-event.js"

/** Records that events are made from, by the first word of a slot's name. */
export type OriginalRecord = "cloudtrail" | "kubernetes"

/**
 * Returns what reads a member of an original record.
 *
 * @param path - names with dots between them
 */
export function originalMember(record: OriginalRecord, path: string): SlotReader {
  const { sign, members } = RECORDS[record]
  const found = members.get(path)
  return (event) => {
    const raw = event.raw()
    if (valueAt(raw, sign, event) !== undefined) return valueAt(raw, path, event)
    // Attributes are large, and most rules ask for what is in a field. What was cut to fit is whole in the attributes.
    const held = found?.read(event)
    if (found !== undefined && held !== undefined && !mayBeCut(held, found)) return held
    return valueAt(event.attributes(), path, event) ?? held
  }
}

function mayBeCut(held: FieldValue, { cutFrom }: Mapped): boolean {
  return typeof held === "string" && held.length >= cutFrom
}

const ACTION = placeOfField("action")
const HTTP_PATH = placeOfField("http_path")
const HTTP_QUERY = placeOfField("http_query")
const IP_ADDRESS = placeOfField("ip_address")
const IP_CHAIN = placeOfField("ip_chain")
const SERVICE = placeOfField("service")
const SOURCE_ADDRESS = placeOfField("source_address")
const TIMESTAMP = placeOfField("timestamp")
const USER_ID = placeOfField("user_id")
const USER_NAME = placeOfField("user_name")

interface Members {
  /** A member that every such record has. */
  readonly sign: string
  /** Members that went into fields. */
  readonly members: ReadonlyMap<string, Mapped>
}

interface Mapped {
  readonly read: SlotReader
  /** No shorter text was cut to fit into its field: UTF-16 units. */
  readonly cutFrom: number
}

const RECORDS: Readonly<Record<OriginalRecord, Members>> = {
  cloudtrail: {
    sign: "eventSource",
    members: new Map([
      ["eventTime", mapped(timeOf)],
      ["eventID", mapped("event_id", 128)],
      ["eventSource", mapped("service", 128)],
      ["eventName", mapped(eventNameOf)],
      ["sourceIPAddress", mapped(originOf)],
      ["userAgent", mapped("user_agent")],
      ["requestID", mapped("request_id", 128)],
      ["awsRegion", mapped("region", 128)],
      ["errorCode", mapped("error_code", 128)],
      ["errorMessage", mapped("reason")],
      ["userIdentity.arn", mapped(arnOf)],
      ["userIdentity.userName", mapped("user_name")],
    ]),
  },
  kubernetes: {
    sign: "auditID",
    members: new Map([
      ["kind", mapped(() => "Event")],
      ["auditID", mapped("request_id", 128)],
      ["verb", mapped(verbOf)],
      ["requestURI", mapped(requestUriOf)],
      ["stageTimestamp", mapped(timeOf)],
      ["timestamp", mapped(timeOf)],
      ["user.uid", mapped(userUidOf)],
      ["user.username", mapped("user_name")],
      ["impersonatedUser.username", mapped("on_behalf_of")],
      ["sourceIPs", mapped(sourceIpsOf)],
      ["userAgent", mapped("user_agent")],
      ["objectRef.resource", mapped("resource_type", 128)],
      ["objectRef.name", mapped("resource_name")],
      ["objectRef.uid", mapped("resource_id")],
      ["responseStatus.code", mapped("http_status")],
      ["responseStatus.reason", mapped("error_code", 128)],
      ["responseStatus.message", mapped("reason")],
    ]),
  },
}

/**
 * @param from - what reads it, or the name of the field that holds it word for word
 * @param longest - that the field holds; of those that hold 255 or more, none is cut to less than that, but for half
 * a character
 */
function mapped(from: SlotReader | string, longest = 255): Mapped {
  return { read: typeof from === "string" ? heldBy(from) : from, cutFrom: longest - 1 }
}

function heldBy(name: string): SlotReader {
  const place = placeOfField(name)
  return (event) => fieldValueOf(event.field(place))
}

/** Sources write whole seconds, or fractions of six digits. */
function timeOf(event: EventFields): string | undefined {
  const micros = event.field(TIMESTAMP)
  return typeof micros === "number" ? formatTimestamp(micros).replace(".000000", "") : undefined
}

/** An action that was cut may end with anything. */
function wholeActionOf(event: EventFields): string | undefined {
  const action = event.text(ACTION)
  return action !== undefined && action.length < LONGEST_ACTION - 1 ? action : undefined
}

const LONGEST_ACTION = 256

/** `iam.CreateUser` of `iam.amazonaws.com` */
function eventNameOf(event: EventFields): string | undefined {
  const action = wholeActionOf(event)
  const prefix = `${event.text(SERVICE)?.replace(/\.amazonaws\.com$/, "")}.`
  return action?.startsWith(prefix) === true ? action.slice(prefix.length) : undefined
}

function originOf(event: EventFields): string | undefined {
  return event.text(SOURCE_ADDRESS) ?? event.text(IP_ADDRESS)
}

function arnOf(event: EventFields): string | undefined {
  const user = event.text(USER_ID)
  return user?.startsWith("arn:") === true ? user : undefined
}

/** `k8s.pods.list`, `k8s.pods.exec/create`, `k8s.get` */
function verbOf(event: EventFields): string | undefined {
  const action = wholeActionOf(event)
  return action?.startsWith("k8s.") === true ? action.slice(action.search(/[^./]+$/)) : undefined
}

function requestUriOf(event: EventFields): string | undefined {
  const path = event.text(HTTP_PATH)
  const query = event.text(HTTP_QUERY)
  return query === undefined ? path : `${path ?? ""}?${query}`
}

/** Without an identifier, the name is the user. */
function userUidOf(event: EventFields): string | undefined {
  const user = event.text(USER_ID)
  return user === event.text(USER_NAME) ? undefined : user
}

function sourceIpsOf(event: EventFields): FieldValue | undefined {
  const origin = originOf(event)
  return fieldValueOf(event.field(IP_CHAIN)) ?? (origin === undefined ? undefined : [origin])
}
