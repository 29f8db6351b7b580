import { describe, expect, it } from "vitest"
import { EventError } from "../error.js"
import { checkEvent } from "../validate.js"
import { kubernetesAuditEvents, parseKubernetesAudit } from "./k8s.js"

const NOW = Date.UTC(2026, 0, 1)

const AUDIT = {
  kind: "Event",
  apiVersion: "audit.k8s.io/v1",
  level: "Metadata",
  auditID: "033d17af-082d-4b24-aa22-627752e83d71",
  stage: "ResponseComplete",
  requestURI: "/api/v1/namespaces/default/pods/web-1?watch=1",
  verb: "get",
  user: { username: "ada", uid: "u-1", groups: ["system:authenticated"] },
  sourceIPs: ["198.51.100.9", "203.0.113.7"],
  userAgent: "kubectl/v1.30",
  objectRef: { resource: "pods", namespace: "default", name: "web-1", apiVersion: "v1" },
  responseStatus: { metadata: {}, code: 200 },
  requestReceivedTimestamp: "2024-05-01T10:00:00.000100Z",
  stageTimestamp: "2024-05-01T10:00:00.004350Z",
  annotations: { "authorization.k8s.io/decision": "allow" },
}

describe("a Kubernetes audit event", () => {
  it("tells who did what to which object, from where", () => {
    const event = parseKubernetesAudit(AUDIT)
    expect(event).toEqual({
      timestamp: "2024-05-01T10:00:00.004350Z",
      event_id: "033d17af-082d-4b24-aa22-627752e83d71:ResponseComplete",
      request_id: "033d17af-082d-4b24-aa22-627752e83d71",
      user_id: "u-1",
      user_name: "ada",
      action: "k8s.pods.get",
      resource_accessed: "pods/default/web-1",
      resource_type: "pods",
      resource_name: "web-1",
      result: "success",
      ip_address: "203.0.113.7",
      ip_chain: ["198.51.100.9", "203.0.113.7"],
      user_agent: "kubectl/v1.30",
      http_path: "/api/v1/namespaces/default/pods/web-1",
      http_query: "watch=1",
      http_status: 200,
      duration_ms: 4.25,
      attributes: {
        apiVersion: "audit.k8s.io/v1",
        level: "Metadata",
        stage: "ResponseComplete",
        requestReceivedTimestamp: "2024-05-01T10:00:00.000100Z",
        annotations: { "authorization.k8s.io/decision": "allow" },
        user: { groups: ["system:authenticated"] },
        objectRef: { namespace: "default", apiVersion: "v1" },
        responseStatus: { metadata: {} },
      },
    })
    expect(checkEvent(event, NOW)).toEqual([])
  })

  it("has the user's name for an id where there is none", () => {
    expect(parseKubernetesAudit({ ...AUDIT, user: { username: "ada" } }).user_id).toBe("ada")
  })

  it("names whom the user acted for, and what kind of user it is", () => {
    const impersonatedUser = { username: "bob", groups: ["g"] }
    const event = parseKubernetesAudit({ ...AUDIT, user: { username: "system:admin" }, impersonatedUser })
    expect(event).toMatchObject({ on_behalf_of: "bob", user_type: "system" })
    const kinds = ["system:serviceaccount:default:web", "system:anonymous", "ada"].map(
      (username) => parseKubernetesAudit({ ...AUDIT, user: { username } }).user_type,
    )
    expect(kinds).toEqual(["service", "anonymous", undefined])
  })

  it("took place at its stage, else at the request, else at the timestamp of 2017", () => {
    const { stageTimestamp: _, requestReceivedTimestamp, ...rest } = AUDIT
    expect(parseKubernetesAudit({ ...rest, requestReceivedTimestamp }).timestamp).toBe(
      requestReceivedTimestamp,
    )
    const old = parseKubernetesAudit({ ...rest, timestamp: "2017-09-11T19:55:05Z" })
    expect(old.timestamp).toBe("2017-09-11T19:55:05Z")
    expect(old).not.toHaveProperty("duration_ms")
  })

  it.each([
    [{ responseStatus: { code: 403 } }, "denied"],
    [{ responseStatus: { code: 404 } }, "failure"],
    [{ responseStatus: { code: 503 } }, "error"],
    [{ responseStatus: { code: 101 } }, "success"],
    [{ responseStatus: undefined }, "unknown"],
    [{ responseStatus: { status: "Failure" } }, "failure"],
    [{ stage: "Panic", responseStatus: undefined }, "error"],
    [{ annotations: { "authorization.k8s.io/decision": "forbid" } }, "denied"],
  ])("with %j has the result %s", (change, result) => {
    expect(parseKubernetesAudit({ ...AUDIT, ...change }).result).toBe(result)
  })

  it("names subresources, lists, cluster objects and plain paths", () => {
    const named = (objectRef: object | undefined, verb: string) => {
      const { action, resource_accessed, http_method } = parseKubernetesAudit({ ...AUDIT, objectRef, verb })
      return [action, resource_accessed, http_method]
    }
    const pod = { resource: "pods", namespace: "default", name: "web-1" }
    expect(named({ ...pod, subresource: "exec" }, "create")).toEqual([
      "k8s.pods.exec/create",
      "pods/default/web-1/exec",
      "POST",
    ])
    expect(named({ resource: "pods", namespace: "default" }, "list")).toEqual([
      "k8s.pods.list",
      "pods/default",
      undefined,
    ])
    expect(named({ resource: "nodes", name: "n1" }, "delete")).toEqual([
      "k8s.nodes.delete",
      "nodes/n1",
      "DELETE",
    ])
    expect(named(undefined, "get")).toEqual(["k8s.get", "/api/v1/namespaces/default/pods/web-1", "GET"])
  })

  it("is an event whatever the client took for its auditID", () => {
    const auditID = "no id\n".repeat(40)
    const event = parseKubernetesAudit({ ...AUDIT, auditID })
    expect(event.event_id).toMatch(/^h:[0-9a-f]{32}$/)
    expect(event.request_id).toBe(auditID.slice(0, 128))
    expect(event.attributes).toMatchObject({ auditID, truncated_names: ["event_id", "request_id"] })
    expect(checkEvent(event, NOW)).toEqual([])
    const received = parseKubernetesAudit({ ...AUDIT, auditID, stage: "RequestReceived" })
    expect(received.event_id).not.toBe(event.event_id)
  })

  it("keeps its whole URI where the path or the query is too long for its field", () => {
    const requestURI = `/api?${"q".repeat(9000)}`
    const event = parseKubernetesAudit({ ...AUDIT, requestURI })
    expect(event.attributes).toMatchObject({ requestURI, truncated_names: ["http_query"] })
    expect(parseKubernetesAudit({ ...AUDIT, objectRef: undefined, requestURI: "?x" })).toMatchObject({
      resource_accessed: "?x",
      http_query: "x",
    })
  })

  it("keeps as an attribute what has a name that fields take, but says something else", () => {
    const strange = { sourceIPs: ["10.0.0.1", 7], userAgent: 5, kind: "Incident", impersonatedUser: "bob" }
    const event = parseKubernetesAudit({ ...AUDIT, ...strange, timestamp: "2017-09-11T19:55:05Z" })
    expect(event.attributes).toMatchObject({ ...strange, timestamp: "2017-09-11T19:55:05Z" })
    expect(event.ip_address).toBe("10.0.0.1")
    expect(checkEvent(event, NOW)).toEqual([])
    const named = {
      ...AUDIT,
      objectRef: { resource: "pods", name: 7 },
      responseStatus: { reason: 1, code: 200 },
    }
    expect(parseKubernetesAudit(named).attributes).toMatchObject({
      objectRef: { name: 7 },
      responseStatus: { reason: 1 },
    })
  })

  it("keeps of a long chain the end, which the cluster saw itself, and the whole as an attribute", () => {
    const sourceIPs = Array.from({ length: 20 }, (_, i) => `10.0.0.${i}`)
    const event = parseKubernetesAudit({ ...AUDIT, sourceIPs })
    expect(event.ip_address).toBe("10.0.0.19")
    expect(event.ip_chain).toEqual(sourceIPs.slice(4))
    expect(event.attributes).toMatchObject({ sourceIPs, truncated_names: ["ip_chain"] })
    expect(checkEvent(event, NOW)).toEqual([])
  })

  it("fits a record with full attributes beside its texts", () => {
    const wide = "語".repeat(8192)
    const event = parseKubernetesAudit({
      ...AUDIT,
      userAgent: wide,
      requestURI: `/?${wide}`,
      requestObject: "y".repeat(14_750),
    })
    expect(event.attributes?.requestObject).toBeDefined()
    expect(checkEvent(event, NOW)).toEqual([])
  })

  it("is an event however wide its texts are", () => {
    const wide = "語".repeat(9000)
    const event = parseKubernetesAudit({
      ...AUDIT,
      requestURI: `/${wide}?${wide}`,
      userAgent: wide,
      sourceIPs: new Array(16).fill(wide),
      user: { username: wide },
      responseStatus: { reason: wide, message: wide },
      objectRef: { resource: wide, namespace: wide, name: wide, uid: wide },
      requestObject: { wide: "語".repeat(4000) },
    })
    expect(checkEvent(event, NOW)).toEqual([])
    expect(event.attributes?.truncated).toBe(true)
  })

  it("leaves out request and response objects that are too large, and says so", () => {
    const requestObject = {
      data: Array.from({ length: 500 }, (_, i) => `line ${i} of a secret configuration`),
    }
    const event = parseKubernetesAudit({ ...AUDIT, requestObject })
    expect(event.attributes).toMatchObject({
      truncated: true,
      truncated_names: ["requestObject"],
      level: "Metadata",
    })
    expect(checkEvent(event, NOW)).toEqual([])
  })

  it.each([
    ["is no object", "Event", "a Kubernetes audit event is a JSON object"],
    ["has no auditID", { ...AUDIT, auditID: undefined }, "no auditID"],
    ["has no stage", { ...AUDIT, stage: undefined }, "no stage"],
    ["has no verb", { ...AUDIT, verb: undefined }, "no verb"],
    ["has no user", { ...AUDIT, user: {} }, "no user"],
    ["has no time", { ...AUDIT, stageTimestamp: 1, requestReceivedTimestamp: null }, "no time"],
    ["has nothing accessed", { ...AUDIT, objectRef: {}, requestURI: "" }, "no objectRef and no requestURI"],
  ])("is refused: it %s", (_why, audit, message) => {
    expect(() => parseKubernetesAudit(audit)).toThrow(message)
    expect(() => parseKubernetesAudit(audit)).toThrow(EventError)
  })
})

describe("a line of audit events", () => {
  it("is one event, or a list of them as webhooks post", () => {
    expect(kubernetesAuditEvents(AUDIT)).toEqual([AUDIT])
    expect(kubernetesAuditEvents({ kind: "EventList", items: [AUDIT, AUDIT] })).toEqual([AUDIT, AUDIT])
  })
})
