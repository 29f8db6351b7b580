/**
 * From one Kubernetes audit event (audit.k8s.io/v1) to an access event.
 *
 *     { "kind": "Event", "auditID", "stage", "verb", "requestURI", "user": { "username", … },
 *       "sourceIPs": [ … ], "objectRef": { "resource", "namespace", "name", … }, "responseStatus": { "code" } }
 *
 * One request makes one event for each stage, all with its `auditID`; so `event_id` is
 * `auditID:stage`. A client may set the `auditID` of its own request, to whatever it likes.
 * Webhooks post many in an `EventList`.
 *
 * What no field takes goes into `attributes` under the audit event's own names. `raw` stays
 * empty: nothing is lost without it, and a copy would undo every withheld field.
 *
 * Spec: kubernetes.io/docs/reference/config-api/apiserver-audit.v1, "Event".
 * Pure: no I/O, no clock, no randomness.
 */

import { EventError } from "../error.js"
import { normalizeIpAddress } from "../ip-address.js"
import type { AccessEvent } from "../schema.js"
import { parseTimestamp } from "../timestamp.js"
import { fitAttributes, isCut, jsonText, takenWhole } from "./fit-attributes.js"
import { type EventDraft, fitEventId, fitText, fitTogether } from "./fit-text.js"
import { isJsonObject, type JsonObject, memberAt, textAt, without } from "./member.js"
import { httpResult, isHttpStatus } from "./result.js"

/** Returns the audit events of a line or a webhook's body: those of an `EventList`, else the value itself. */
export function kubernetesAuditEvents(value: unknown): readonly unknown[] {
  const items = memberAt(value, "items")
  return textAt(value, "kind") === "EventList" && Array.isArray(items) ? items : [value]
}

/**
 * Returns the event that a Kubernetes audit event tells.
 *
 * `timestamp` is the stage's, else the request's; clusters of 2017 wrote one `timestamp`.
 * `ip_address` is the *last* of `sourceIPs`: the client can set all the others.
 *
 * @param audit - the parsed audit event, suspect
 * @throws {@link EventError} `EVENT_UNMAPPABLE` if it lacks auditID, stage, verb, a time, a user, or a thing accessed
 */
export function parseKubernetesAudit(audit: unknown): AccessEvent {
  if (!isJsonObject(audit))
    throw new EventError("EVENT_UNMAPPABLE", "a Kubernetes audit event is a JSON object")
  const cut: string[] = []
  const auditId = required("auditID", textAt(audit, "auditID"))
  const stage = required("stage", textAt(audit, "stage"))
  const verb = required("verb", textAt(audit, "verb"))
  const user = textAt(audit, "user", "uid") ?? textAt(audit, "user", "username")
  const resource = resourceOf(audit)
  const event: EventDraft = {
    timestamp: required("time", textAt(audit, timeName(audit))),
    event_id: fitEventId(`${auditId}:${stage}`, cut),
    user_id: fitText("user_id", required("user", user), 256, cut),
    action: fitText("action", actionOf(audit, verb), 256, cut),
    resource_accessed: fitText(
      "resource_accessed",
      required("objectRef and no requestURI", resource),
      2048,
      cut,
    ),
    result: resultOf(audit, stage),
    request_id: fitText("request_id", auditId, 128, cut),
  }
  addUser(event, audit, cut)
  addOrigin(event, audit, cut)
  addRequest(event, audit, verb, cut)
  addRest(event, audit, cut)
  return event
}

function required(what: string, text: string | undefined): string {
  if (text !== undefined) return text
  throw new EventError("EVENT_UNMAPPABLE", `the Kubernetes audit event has no ${what}`)
}

/** Returns the name of the member that tells when it happened. */
function timeName(audit: JsonObject): string {
  const names = ["stageTimestamp", "requestReceivedTimestamp", "timestamp"]
  return names.find((name) => textAt(audit, name) !== undefined) ?? "timestamp"
}

/** `k8s.pods.list`, `k8s.pods.exec/create`; `k8s.get` for a path that is no resource. */
function actionOf(audit: JsonObject, verb: string): string {
  const resource = textAt(audit, "objectRef", "resource")
  const subresource = textAt(audit, "objectRef", "subresource")
  if (resource === undefined) return `k8s.${verb}`
  return subresource === undefined ? `k8s.${resource}.${verb}` : `k8s.${resource}.${subresource}/${verb}`
}

/** `pods/default/web-1`, `pods/default` for a list in a namespace, `nodes/n1` without one; else the path asked for. */
function resourceOf(audit: JsonObject): string | undefined {
  const reference = audit.objectRef
  const resource = textAt(reference, "resource")
  if (resource === undefined) return pathOf(textAt(audit, "requestURI"))
  const parts = [
    resource,
    textAt(reference, "namespace"),
    textAt(reference, "name"),
    textAt(reference, "subresource"),
  ]
  return parts.filter((part) => part !== undefined).join("/")
}

/** Returns a URI without its query; all of it, if it is nothing else. */
function pathOf(uri: string | undefined): string | undefined {
  return uri?.split("?", 1)[0] || uri
}

function resultOf(audit: JsonObject, stage: string): AccessEvent["result"] {
  const decision = textAt(audit, "annotations", "authorization.k8s.io/decision")
  if (decision === "forbid") return "denied"
  if (stage === "Panic") return "error"
  const code = memberAt(audit, "responseStatus", "code")
  if (typeof code === "number") return httpResult(code)
  return textAt(audit, "responseStatus", "status") === "Failure" ? "failure" : "unknown"
}

function addUser(event: EventDraft, audit: JsonObject, cut: string[]): void {
  const name = textAt(audit, "user", "username")
  if (name !== undefined) event.user_name = fitText("user_name", name, 256, cut)
  if (name === "system:anonymous") event.user_type = "anonymous"
  else if (name?.startsWith("system:serviceaccount:")) event.user_type = "service"
  else if (name?.startsWith("system:")) event.user_type = "system"
  const impersonated = textAt(audit, "impersonatedUser", "username")
  if (impersonated !== undefined) event.on_behalf_of = fitText("on_behalf_of", impersonated, 256, cut)
}

function addOrigin(event: EventDraft, audit: JsonObject, cut: string[]): void {
  const chain = sourceIps(audit)
  const last = chain.at(-1)
  if (last !== undefined && normalizeIpAddress(last) !== undefined) event.ip_address = last
  else if (last !== undefined) event.source_address = fitText("source_address", last, 255, cut)
  if (chain.length > 1) {
    if (chain.length > 16) cut.push("ip_chain")
    event.ip_chain = chain.slice(-16).map((ip) => fitText("ip_chain", ip, 255, cut))
  }
  const agent = textAt(audit, "userAgent")
  if (agent !== undefined) event.user_agent = fitText("user_agent", agent, 8192, cut)
}

function sourceIps(audit: JsonObject): readonly string[] {
  const ips = Array.isArray(audit.sourceIPs) ? audit.sourceIPs : []
  return ips.filter((ip): ip is string => typeof ip === "string" && ip !== "")
}

function addRequest(event: EventDraft, audit: JsonObject, verb: string, cut: string[]): void {
  const uri = textAt(audit, "requestURI") ?? ""
  const query = uri.indexOf("?")
  const path = query < 0 ? uri : uri.slice(0, query)
  if (path !== "") event.http_path = fitText("http_path", path, 4096, cut)
  if (query >= 0) event.http_query = fitText("http_query", uri.slice(query + 1), 8192, cut)
  const method = audit.objectRef === undefined ? verb.toUpperCase() : METHODS.get(verb)
  if (method !== undefined) event.http_method = fitText("http_method", method, 16, cut)
  const code = memberAt(audit, "responseStatus", "code")
  if (typeof code === "number" && isHttpStatus(code)) event.http_status = code
  const duration = durationMs(audit)
  if (duration !== undefined) event.duration_ms = duration
}

/** Verbs with one method each; `get` and `list` may have been GET or HEAD, so nothing is said of them. */
const METHODS: ReadonlyMap<string, string> = new Map([
  ["create", "POST"],
  ["update", "PUT"],
  ["patch", "PATCH"],
  ["delete", "DELETE"],
  ["deletecollection", "DELETE"],
])

/** From the request to this stage, in milliseconds with the microseconds that both times carry. */
function durationMs(audit: JsonObject): number | undefined {
  const received = parseTimestamp(textAt(audit, "requestReceivedTimestamp") ?? "")
  const staged = parseTimestamp(textAt(audit, "stageTimestamp") ?? "")
  if (received === undefined || staged === undefined || staged < received) return undefined
  return (staged - received) / 1000
}

function addRest(event: EventDraft, audit: JsonObject, cut: string[]): void {
  const code = textAt(audit, "responseStatus", "reason")
  if (code !== undefined) event.error_code = fitText("error_code", code, 128, cut)
  const message = textAt(audit, "responseStatus", "message")
  if (message !== undefined) event.reason = fitText("reason", message, 1024, cut)
  const type = textAt(audit, "objectRef", "resource")
  if (type !== undefined) event.resource_type = fitText("resource_type", type, 128, cut)
  const id = textAt(audit, "objectRef", "uid")
  if (id !== undefined) event.resource_id = fitText("resource_id", id, 1024, cut)
  const name = textAt(audit, "objectRef", "name")
  if (name !== undefined) event.resource_name = fitText("resource_name", name, 512, cut)
  fitTogether(event, cut)
  const rest = restOf(audit, event.http_status !== undefined, cut)
  const attributes = fitAttributes(rest, cut, () => jsonText(audit))
  if (attributes !== undefined) event.attributes = attributes
}

/** The members that no field holds word for word. */
function restOf(audit: JsonObject, hasStatus: boolean, cut: readonly string[]): JsonObject {
  const rest = (value: unknown, taken: Readonly<Record<string, readonly string[]>>, ...others: string[]) =>
    without(value, ...takenWhole(value, taken, cut), ...others)
  return {
    ...(rest(audit, { ...TAKEN, [timeName(audit)]: ["timestamp"] }, ...passedOver(audit, cut)) as JsonObject),
    user: rest(audit.user, { uid: ["user_id"], username: ["user_name"] }),
    impersonatedUser: rest(audit.impersonatedUser, { username: ["on_behalf_of"] }),
    objectRef: rest(audit.objectRef, {
      resource: ["resource_type"],
      name: ["resource_name"],
      uid: ["resource_id"],
    }),
    responseStatus: rest(
      audit.responseStatus,
      { reason: ["error_code"], message: ["reason"] },
      ...(hasStatus ? ["code"] : []),
    ),
  }
}

/** Members that are no text, but say no more than the event does. */
function passedOver(audit: JsonObject, cut: readonly string[]): readonly string[] {
  const { kind, sourceIPs } = audit
  const isWhole = Array.isArray(sourceIPs) && sourceIps(audit).length === sourceIPs.length
  return [
    ...(kind === "Event" ? ["kind"] : []),
    ...(isWhole && !isCut(["ip_chain", "source_address"], cut) ? ["sourceIPs"] : []),
  ]
}

/** Members that fields hold word for word, and the fields. */
const TAKEN = {
  auditID: ["request_id"],
  verb: ["action"],
  requestURI: ["http_path", "http_query"],
  userAgent: ["user_agent"],
}
