/**
 * From one record of AWS CloudTrail to an access event.
 *
 *     { "eventTime", "eventID", "eventSource": "s3.amazonaws.com", "eventName": "GetObject",
 *       "userIdentity": { "arn", "principalId", "invokedBy", … }, "sourceIPAddress", … }
 *
 * A log file is `{"Records": [ … ]}`. `sourceIPAddress` is often no address ("AWS Internal",
 * "secretsmanager.amazonaws.com"): then it is the event's `source_address`.
 *
 * What no field takes goes into `attributes` under CloudTrail's own names. `raw` stays empty:
 * nothing of the record is lost without it, and a copy would undo every withheld field.
 *
 * Only what the record says is said: a derived `activity` or a default severity would be
 * our words in an event that is hashed as someone else's.
 *
 * Spec: AWS CloudTrail User Guide, "CloudTrail record contents" (eventVersion 1.x).
 * Pure: no I/O, no clock, no randomness.
 */

import { EventError } from "../error.js"
import { normalizeIpAddress } from "../ip-address.js"
import type { AccessEvent } from "../schema.js"
import { fitAttributes, jsonText, takenWhole } from "./fit-attributes.js"
import { type EventDraft, fitEventId, fitText, fitTogether } from "./fit-text.js"
import { isJsonObject, type JsonObject, memberAt, textAt, without } from "./member.js"

/**
 * Returns the records of a CloudTrail log file, as they stand.
 *
 * @param file - the parsed file, suspect
 * @throws {@link EventError} `EVENT_UNMAPPABLE` if it has no array `Records`
 */
export function cloudTrailRecords(file: unknown): readonly unknown[] {
  const records = memberAt(file, "Records")
  if (Array.isArray(records)) return records
  throw new EventError("EVENT_UNMAPPABLE", "not a CloudTrail log file: it has no array named Records")
}

/**
 * Returns the event that a CloudTrail record tells.
 *
 * `user_id` is the first of `userIdentity.arn`, `.principalId`, `.invokedBy`, `.accountId`,
 * else `unknown`: what a service does on its own has no ARN and no principal.
 * `resource_accessed` is the first ARN in `resources`, else the first member of
 * `requestParameters` that is one, else `eventSource/eventName`.
 *
 * @param record - one element of `Records`, suspect
 * @throws {@link EventError} `EVENT_UNMAPPABLE` if it lacks eventTime, eventID, eventSource or eventName
 */
export function parseCloudTrail(record: unknown): AccessEvent {
  if (!isJsonObject(record)) throw new EventError("EVENT_UNMAPPABLE", "a CloudTrail record is a JSON object")
  const cut: string[] = []
  const service = required(record, "eventSource")
  const name = required(record, "eventName")
  const event: EventDraft = {
    timestamp: required(record, "eventTime"),
    event_id: fitEventId(required(record, "eventID"), cut),
    user_id: fitText("user_id", userId(record), 256, cut),
    action: fitText("action", `${service.replace(/\.amazonaws\.com$/, "")}.${name}`, 256, cut),
    resource_accessed: fitText("resource_accessed", resource(record) ?? `${service}/${name}`, 2048, cut),
    result: resultOf(record),
    service: fitText("service", service, 128, cut),
  }
  if (textAt(record, "eventType") === "AwsConsoleSignIn" || service === "signin.amazonaws.com")
    event.category = "auth"
  addIdentity(event, record, cut)
  addOrigin(event, record, cut)
  addRest(event, record, cut)
  return event
}

function required(record: JsonObject, name: string): string {
  const text = textAt(record, name)
  if (text !== undefined) return text
  throw new EventError("EVENT_UNMAPPABLE", `the CloudTrail record has no ${name}`)
}

function userId(record: JsonObject): string {
  const identity = record.userIdentity
  const names = ["arn", "principalId", "invokedBy", "accountId"]
  return names.map((name) => textAt(identity, name)).find((text) => text !== undefined) ?? "unknown"
}

function resource(record: JsonObject): string | undefined {
  const resources = Array.isArray(record.resources) ? record.resources : []
  const named = resources.map((each) => textAt(each, "ARN")).find((arn) => arn !== undefined)
  if (named !== undefined) return named
  const parameters = isJsonObject(record.requestParameters) ? Object.values(record.requestParameters) : []
  return parameters.find((value): value is string => typeof value === "string" && value.startsWith("arn:"))
}

/** A refusal for want of permission is told from one for any other reason; a fault of AWS from both. */
function resultOf(record: JsonObject): AccessEvent["result"] {
  const code = textAt(record, "errorCode")
  if (code === undefined) {
    const signIn = textAt(record, "responseElements", "ConsoleLogin")
    return signIn === "Failure" ? "failure" : "success"
  }
  if (/AccessDenied|Unauthorized|Forbidden/.test(code)) return "denied"
  return /^(?:Server\.|Internal|ServiceUnavailable)/.test(code) ? "error" : "failure"
}

const USER_TYPES: ReadonlyMap<string, NonNullable<AccessEvent["user_type"]>> = new Map([
  ["IAMUser", "user"],
  ["Root", "user"],
  ["IdentityCenterUser", "user"],
  ["SAMLUser", "user"],
  ["WebIdentityUser", "user"],
  ["FederatedUser", "user"],
  ["AWSService", "service"],
  // An assumed role may be a person or a program: nothing is said about it.
])

function addIdentity(event: EventDraft, record: JsonObject, cut: string[]): void {
  const identity = record.userIdentity
  const userName = textAt(identity, "userName")
  if (userName !== undefined) event.user_name = fitText("user_name", userName, 256, cut)
  const issuer = textAt(identity, "sessionContext", "sessionIssuer", "arn")
  if (issuer !== undefined) event.on_behalf_of = fitText("on_behalf_of", issuer, 256, cut)
  const userType = USER_TYPES.get(textAt(identity, "type") ?? "")
  if (userType !== undefined) event.user_type = userType
  const mfa =
    textAt(identity, "sessionContext", "attributes", "mfaAuthenticated") ??
    textAt(record, "additionalEventData", "MFAUsed")
  if (mfa === "true" || mfa === "Yes") event.mfa = true
  if (mfa === "false" || mfa === "No") event.mfa = false
}

function addOrigin(event: EventDraft, record: JsonObject, cut: string[]): void {
  const source = textAt(record, "sourceIPAddress")
  if (source !== undefined && normalizeIpAddress(source) !== undefined) event.ip_address = source
  else if (source !== undefined) event.source_address = fitText("source_address", source, 255, cut)
  const agent = textAt(record, "userAgent")
  if (agent !== undefined) event.user_agent = fitText("user_agent", agent, 8192, cut)
  const requestId = textAt(record, "requestID")
  if (requestId !== undefined) event.request_id = fitText("request_id", requestId, 128, cut)
  const region = textAt(record, "awsRegion")
  if (region !== undefined) event.region = fitText("region", region, 128, cut)
}

function addRest(event: EventDraft, record: JsonObject, cut: string[]): void {
  const code = textAt(record, "errorCode")
  if (code !== undefined) event.error_code = fitText("error_code", code, 128, cut)
  const message = textAt(record, "errorMessage")
  if (message !== undefined) event.reason = fitText("reason", message, 1024, cut)
  const type = Array.isArray(record.resources) ? textAt(record.resources[0], "type") : undefined
  if (type !== undefined) event.resource_type = fitText("resource_type", type, 128, cut)
  fitTogether(event, cut)
  const identity = record.userIdentity
  const members = {
    ...(without(record, ...takenWhole(record, TAKEN, cut)) as JsonObject | undefined),
    userIdentity: without(identity, ...takenWhole(identity, TAKEN_OF_IDENTITY, cut)),
  }
  const attributes = fitAttributes(members, cut, () => jsonText(record))
  if (attributes !== undefined) event.attributes = attributes
}

/** Members that fields hold word for word, and the fields. */
const TAKEN = {
  eventTime: ["timestamp"],
  eventID: ["event_id"],
  eventSource: ["service"],
  eventName: ["action"],
  sourceIPAddress: ["source_address"],
  userAgent: ["user_agent"],
  requestID: ["request_id"],
  awsRegion: ["region"],
  errorCode: ["error_code"],
  errorMessage: ["reason"],
}

const TAKEN_OF_IDENTITY = { arn: ["user_id"], userName: ["user_name"] }
