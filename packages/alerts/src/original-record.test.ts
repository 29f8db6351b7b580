/**
 * What mappings did to a record is undone, member by member: the oracle is the record itself. The real logs stay outside
 * the repository: where they are absent, nothing is claimed of them and the reason is printed.
 */

import { existsSync, readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { isDeepStrictEqual } from "node:util"
import { cloudTrailRecords, parseCloudTrail } from "@prooflog/event/from/cloudtrail"
import { kubernetesAuditEvents, parseKubernetesAudit } from "@prooflog/event/from/k8s"
import type { AccessEvent } from "@prooflog/event/schema"
import { describe, expect, it } from "vitest"
import { fieldValueOf, jsonIn } from "./member-path.js"
import { FieldSlots } from "./seen-event.js"
import { seenEvent } from "./stand-in-events.js"

const DATASETS = fileURLToPath(new URL("../../../../shared/datasets/", import.meta.url))
const isPresent = existsSync(DATASETS)
if (!isPresent) console.log(`skipped: the real logs are not at ${DATASETS}`)

/** Paths to everything in a record that is no object, and what is there. */
function membersOf(value: unknown, path = ""): [path: string, value: unknown][] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [[path, value]]
  return Object.entries(value).flatMap(([name, each]) =>
    membersOf(each, path === "" ? name : `${path}.${name}`),
  )
}

/** Members that are not found again, or as something else. */
function lost(kind: "cloudtrail" | "kubernetes", record: unknown, event: AccessEvent): unknown[] {
  const members = membersOf(record).filter(([, value]) => value !== null)
  const slots = new FieldSlots()
  const places = members.map(([path]) => slots.slotOf(`${kind}.${path}`))
  const seen = seenEvent(event as unknown as Record<string, unknown>, slots)
  return members.flatMap(([path, value], index) => {
    const found = seen.value(places[index] as number)
    return isSame(found, fieldValueOf(value)) ? [] : [[path, value, found]]
  })
}

/** What was too deep for attributes is JSON text now; and the members of an object are in another order. */
function isSame(found: unknown, value: unknown): boolean {
  return isDeepStrictEqual(plain(found), plain(value))
}

function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).filter(([, member]) => member !== null)
    return Object.fromEntries(members.map(([name, member]) => [name, plain(member)]))
  }
  if (typeof value !== "string") return String(value)
  const json = /^[[{]/.test(value) ? jsonIn(value) : undefined
  return typeof json === "object" ? plain(json) : value
}

const CLOUDTRAIL = {
  eventVersion: "1.08",
  userIdentity: {
    type: "AssumedRole",
    principalId: "AROA:ada",
    arn: "arn:aws:sts::123456789012:assumed-role/admin/ada",
    accountId: "123456789012",
    sessionContext: {
      sessionIssuer: { type: "Role", userName: "admin" },
      attributes: { mfaAuthenticated: "false" },
    },
  },
  eventTime: "2026-03-01T12:00:00Z",
  eventSource: "iam.amazonaws.com",
  eventName: "CreateUser",
  awsRegion: "us-east-1",
  sourceIPAddress: "AWS Internal",
  userAgent: "aws-cli/2",
  errorCode: "AccessDenied",
  errorMessage: "x".repeat(2_000),
  requestParameters: { userName: "bob", tags: [{ key: "a", value: "b" }], a: { b: { c: { d: { e: 1 } } } } },
  responseElements: null,
  requestID: "r-1",
  eventID: "e-1",
  readOnly: false,
}

const KUBERNETES = {
  kind: "Event",
  apiVersion: "audit.k8s.io/v1",
  level: "Request",
  auditID: "a-1",
  stage: "ResponseComplete",
  requestURI: "/api/v1/namespaces/default/pods/web/exec?command=sh",
  verb: "create",
  user: { username: "ada", uid: "u-1", groups: ["system:authenticated"] },
  impersonatedUser: { username: "bob" },
  sourceIPs: ["192.0.2.1", "10.0.0.1"],
  userAgent: "kubectl",
  objectRef: { resource: "pods", namespace: "default", name: "web", subresource: "exec", apiVersion: "v1" },
  responseStatus: { code: 403, reason: "Forbidden", message: "no" },
  requestReceivedTimestamp: "2026-03-01T12:00:00.000001Z",
  stageTimestamp: "2026-03-01T12:00:00.500000Z",
  annotations: { "authorization.k8s.io/decision": "forbid", "authorization.k8s.io/reason": "" },
}

describe("every member is found again", () => {
  it("of a CloudTrail record", () => {
    expect(lost("cloudtrail", CLOUDTRAIL, parseCloudTrail(CLOUDTRAIL))).toEqual([])
  })

  it("of a Kubernetes audit event", () => {
    expect(lost("kubernetes", KUBERNETES, parseKubernetesAudit(KUBERNETES))).toEqual([])
    const { uid: _uid, ...user } = KUBERNETES.user
    const nameless = { ...KUBERNETES, user, sourceIPs: ["10.0.0.1"], objectRef: { resource: "nodes" } }
    expect(lost("kubernetes", nameless, parseKubernetesAudit(nameless))).toEqual([])
  })

  it("of records whose texts do not fit into fields", () => {
    const long = {
      ...CLOUDTRAIL,
      eventName: "N".repeat(300),
      requestID: "r".repeat(200),
      userAgent: "u".repeat(8_300),
    }
    expect(lost("cloudtrail", long, parseCloudTrail(long))).toEqual([])
    const resource = `${"x".repeat(200)}.${"y".repeat(200)}`
    const odd = {
      ...KUBERNETES,
      objectRef: { resource, name: "n".repeat(600) },
      requestURI: `/${"z".repeat(5_000)}?q`,
    }
    expect(lost("kubernetes", odd, parseKubernetesAudit(odd))).toEqual([])
  })

  it("of a record that was kept in raw, whatever the fields say", () => {
    const raw = { ...CLOUDTRAIL, userAgent: undefined }
    const event = { ...parseCloudTrail(CLOUDTRAIL), raw: JSON.stringify(raw) }
    expect(lost("cloudtrail", raw, event)).toEqual([])
    const slots = new FieldSlots()
    const slot = slots.slotOf("cloudtrail.userAgent")
    expect(seenEvent(event as unknown as Record<string, unknown>, slots).value(slot)).toBe(undefined)
  })

  it("and a user without an identifier has none", () => {
    const slots = new FieldSlots()
    const slot = slots.slotOf("kubernetes.user.uid")
    const uidOf = (audit: object) => {
      return seenEvent(parseKubernetesAudit(audit) as unknown as Record<string, unknown>, slots).value(slot)
    }
    expect(uidOf(KUBERNETES)).toBe("u-1")
    expect(uidOf({ ...KUBERNETES, user: { username: "ada" } })).toBe(undefined)
  })

  it("and none is found that was not there", () => {
    const slots = new FieldSlots()
    const names = [
      "userIdentity.invokedBy",
      "errorCode",
      "errorMessage",
      "userIdentity.userName",
      "requestID",
    ]
    const places = names.map((name) => slots.slotOf(`cloudtrail.${name}`))
    const { errorCode: _code, errorMessage: _message, requestID: _id, ...record } = CLOUDTRAIL
    const seen = seenEvent(parseCloudTrail(record) as unknown as Record<string, unknown>, slots)
    expect(places.map((place) => seen.value(place))).toEqual(names.map(() => undefined))
  })
})

describe.skipIf(!isPresent)("every member is found again, of real records", () => {
  it("of CloudTrail: all 2,900", () => {
    const folder = `${DATASETS}cloudtrail-stratus/CloudTrail/`
    const records = readdirSync(folder).flatMap((file) =>
      cloudTrailRecords(JSON.parse(readFileSync(folder + file, "utf8"))),
    )
    expect(records.length).toBe(2_900)
    expect(
      records.flatMap((record) => lost("cloudtrail", record, parseCloudTrail(record))).slice(0, 5),
    ).toEqual([])
  })

  it("of Kubernetes: all 37", () => {
    const folder = `${DATASETS}k8s-audit-raw/`
    const events = readdirSync(folder)
      .filter((file) => !file.endsWith(".md"))
      .flatMap((file) => readFileSync(folder + file, "utf8").split("\n"))
      .filter((line) => line.startsWith("{"))
      .flatMap((line) => kubernetesAuditEvents(JSON.parse(line)))
    expect(events.length).toBe(37)
    expect(
      events.flatMap((event) => lost("kubernetes", event, parseKubernetesAudit(event))).slice(0, 5),
    ).toEqual([])
  })
})
