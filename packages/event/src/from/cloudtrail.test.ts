import { describe, expect, it } from "vitest"
import { EventError } from "../error.js"
import { checkEvent } from "../validate.js"
import { cloudTrailRecords, parseCloudTrail } from "./cloudtrail.js"

const NOW = Date.UTC(2026, 0, 1)

const RECORD = {
  eventVersion: "1.08",
  userIdentity: {
    type: "IAMUser",
    principalId: "AIDAEXAMPLE",
    arn: "arn:aws:iam::111122223333:user/ada",
    accountId: "111122223333",
    userName: "ada",
  },
  eventTime: "2023-07-10T11:42:36Z",
  eventSource: "s3.amazonaws.com",
  eventName: "GetObject",
  awsRegion: "us-east-1",
  sourceIPAddress: "203.0.113.7",
  userAgent: "aws-cli/2",
  requestParameters: { bucketName: "reports", key: "a.txt" },
  responseElements: null,
  requestID: "CC9X0N62",
  eventID: "293ba626-3be5-4a26-ab1b-0f4c54f49959",
  readOnly: true,
  resources: [{ type: "AWS::S3::Object", ARN: "arn:aws:s3:::reports/a.txt" }],
}

describe("a CloudTrail record", () => {
  it("tells who did what to which resource, from where", () => {
    const event = parseCloudTrail(RECORD)
    expect(event).toEqual({
      timestamp: "2023-07-10T11:42:36Z",
      event_id: "293ba626-3be5-4a26-ab1b-0f4c54f49959",
      user_id: "arn:aws:iam::111122223333:user/ada",
      user_name: "ada",
      user_type: "user",
      action: "s3.GetObject",
      resource_accessed: "arn:aws:s3:::reports/a.txt",
      resource_type: "AWS::S3::Object",
      result: "success",
      service: "s3.amazonaws.com",
      region: "us-east-1",
      ip_address: "203.0.113.7",
      user_agent: "aws-cli/2",
      request_id: "CC9X0N62",
      attributes: {
        eventVersion: "1.08",
        requestParameters: { bucketName: "reports", key: "a.txt" },
        readOnly: true,
        resources: [{ type: "AWS::S3::Object", ARN: "arn:aws:s3:::reports/a.txt" }],
        userIdentity: { type: "IAMUser", principalId: "AIDAEXAMPLE", accountId: "111122223333" },
      },
    })
    expect(checkEvent(event, NOW)).toEqual([])
  })

  it.each([
    ["the principal, without an ARN", { principalId: "AIDA", invokedBy: "x", accountId: "1" }, "AIDA"],
    [
      "the service, without a principal",
      { invokedBy: "rds.amazonaws.com", accountId: "1" },
      "rds.amazonaws.com",
    ],
    ["the account, without a service", { accountId: "111122223333" }, "111122223333"],
    ["unknown, without anything", {}, "unknown"],
    ["unknown, without a userIdentity", undefined, "unknown"],
  ])("names as its user %s", (_what, userIdentity, user) => {
    const event = parseCloudTrail({ ...RECORD, userIdentity })
    expect(event.user_id).toBe(user)
    expect(checkEvent(event, NOW)).toEqual([])
  })

  it("keeps an origin that is no address as a name", () => {
    const event = parseCloudTrail({ ...RECORD, sourceIPAddress: "AWS Internal" })
    expect(event.source_address).toBe("AWS Internal")
    expect(event).not.toHaveProperty("ip_address")
  })

  it("falls back to an ARN in its parameters, then to the name of the call", () => {
    const { resources: _, ...record } = RECORD
    const roleArn = "arn:aws:iam::111122223333:role/r"
    expect(parseCloudTrail({ ...record, requestParameters: { n: 1, roleArn } }).resource_accessed).toBe(
      roleArn,
    )
    expect(parseCloudTrail(record).resource_accessed).toBe("s3.amazonaws.com/GetObject")
  })

  it.each([
    [undefined, "success"],
    ["AccessDenied", "denied"],
    ["AccessDeniedException", "denied"],
    ["Client.UnauthorizedOperation", "denied"],
    ["NoSuchBucketPolicy", "failure"],
    ["ThrottlingException", "failure"],
    ["InternalError", "error"],
    ["Server.InternalError", "error"],
  ])("with the error code %s has the result %s", (errorCode, result) => {
    const event = parseCloudTrail({ ...RECORD, ...(errorCode && { errorCode, errorMessage: "why" }) })
    expect(event.result).toBe(result)
    expect(event.error_code).toBe(errorCode)
    expect(event.reason).toBe(errorCode && "why")
  })

  it("of a sign-in is about authentication, and failed where it says so", () => {
    const event = parseCloudTrail({
      ...RECORD,
      eventSource: "signin.amazonaws.com",
      eventName: "ConsoleLogin",
      eventType: "AwsConsoleSignIn",
      responseElements: { ConsoleLogin: "Failure" },
      additionalEventData: { MFAUsed: "No" },
    })
    expect(event).toMatchObject({
      category: "auth",
      result: "failure",
      mfa: false,
      action: "signin.ConsoleLogin",
    })
  })

  it("keeps what is nested too deeply as JSON text, and drops members that are null", () => {
    const requestParameters = {
      a: { b: { c: { d: { e: null } } } },
      n: null,
      list: [1, null],
      constructor: 1,
    }
    const { attributes } = parseCloudTrail({ ...RECORD, requestParameters: { x: requestParameters } })
    expect(attributes?.requestParameters).toEqual({ x: JSON.stringify(requestParameters) })
    const deep = parseCloudTrail({
      ...RECORD,
      requestParameters: { a: { b: { c: { d: 1 } } }, n: null, l: [1, null] },
    })
    expect(deep.attributes?.requestParameters).toEqual({ a: { b: { c: '{"d":1}' } }, l: "[1,null]" })
    expect(checkEvent(deep, NOW)).toEqual([])
  })

  it("leaves out parameters that are too large, and says so", () => {
    const record = { ...RECORD, requestParameters: { policy: "x".repeat(20_000) } }
    const event = parseCloudTrail(record)
    expect(event.attributes).not.toHaveProperty("requestParameters")
    expect(event.attributes).toMatchObject({
      readOnly: true,
      truncated: true,
      truncated_names: ["requestParameters"],
      original_bytes: JSON.stringify(record).length,
    })
    expect(checkEvent(event, NOW)).toEqual([])
  })

  it("leaves out what is nested too deep to be written, and is an event all the same", () => {
    const requestParameters = JSON.parse("[".repeat(100_000) + "]".repeat(100_000))
    const event = parseCloudTrail({ ...RECORD, requestParameters })
    expect(event.attributes).toMatchObject({
      readOnly: true,
      truncated: true,
      truncated_names: ["requestParameters"],
    })
    expect(event.attributes).not.toHaveProperty("original_sha256")
    expect(checkEvent(event, NOW)).toEqual([])
    const { attributes } = parseCloudTrail({
      ...RECORD,
      requestParameters: JSON.parse(`${"[".repeat(400)}${"]".repeat(400)}`),
    })
    expect(attributes).not.toHaveProperty("truncated")
    expect(JSON.stringify(attributes?.requestParameters)).toContain("[".repeat(300))
  })

  it("names what was left out between characters, and within what is reserved for it", () => {
    const large = "x".repeat(20_000)
    const name = `${"n".repeat(39)}😀`
    expect(parseCloudTrail({ ...RECORD, [name]: large }).attributes?.truncated_names).toEqual([
      "n".repeat(39),
    ])
    const many = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`${i}${"語".repeat(40)}`, large]))
    const kept = Array.from({ length: 30 }, (_, i) => {
      const event = parseCloudTrail({ ...RECORD, ...many, fill: "y".repeat(14_800 + 20 * i) })
      expect(checkEvent(event, NOW)).toEqual([])
      return event.attributes?.fill !== undefined
    })
    expect([kept.at(0), kept.at(-1)]).toEqual([true, false])
  })

  it("has no more names than attributes may have, its own notes counted", () => {
    for (let count = 220; count <= 260; count++) {
      const many = Object.fromEntries(Array.from({ length: count }, (_, i) => [`n${i}`, i]))
      const event = parseCloudTrail({ ...RECORD, many, large: "x".repeat(17_000) })
      expect(checkEvent(event, NOW)).toEqual([])
      expect(typeof event.attributes?.many).toMatch(count < 225 ? "object" : /object|string/)
    }
  })

  it("keeps as an attribute what has a name that fields take, but is no text", () => {
    const strange = { sourceIPAddress: 7, userAgent: ["a"], errorCode: { a: 1 }, userIdentity: "root" }
    const event = parseCloudTrail({ ...RECORD, ...strange })
    expect(event.attributes).toMatchObject(strange)
    expect(checkEvent(event, NOW)).toEqual([])
    const identity = { arn: 1, userName: { a: 1 }, principalId: "P" }
    expect(parseCloudTrail({ ...RECORD, userIdentity: identity }).attributes?.userIdentity).toEqual(identity)
  })

  it.each([["e".repeat(129)], ["a b"], ["<script>"], ["ü"]])(
    "whose id %j no event may have is known by its hash, each time the same",
    (eventID) => {
      const event = parseCloudTrail({ ...RECORD, eventID })
      expect(event.event_id).toMatch(/^h:[0-9a-f]{32}$/)
      expect(event.event_id).toBe(parseCloudTrail({ ...RECORD, eventID }).event_id)
      expect(event.event_id).not.toBe(parseCloudTrail({ ...RECORD, eventID: `${eventID}x` }).event_id)
      expect(event.attributes).toMatchObject({ eventID, truncated_names: ["event_id"] })
      expect(checkEvent(event, NOW)).toEqual([])
    },
  )

  it("stays within every limit whatever its parameters are", () => {
    const names = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`name${i}`, i]))
    const hostile = {
      ...RECORD,
      ...names(80),
      many: names(300),
      numbers: Array.from({ length: 3000 }, (_, i) => i + 0.5),
      huge: 2 ** 70,
      ["n".repeat(129)]: 1,
      lone: "a\ud800b",
      nested: JSON.parse('{"__proto__":{"prototype":1}}'),
      userAgent: "u".repeat(9000),
      errorCode: "E".repeat(300),
      errorMessage: "\udc00".repeat(900),
    }
    const event = parseCloudTrail(JSON.parse(JSON.stringify(hostile)))
    expect(checkEvent(event, NOW)).toEqual([])
    expect(event.attributes?.truncated).toBe(true)
  })
})

describe("a record that is none", () => {
  it.each([
    ["is no object", 7, "a CloudTrail record is a JSON object"],
    ["is a list", [], "a CloudTrail record is a JSON object"],
    ["has no time", { ...RECORD, eventTime: undefined }, "no eventTime"],
    ["has no id", { ...RECORD, eventID: "" }, "no eventID"],
    ["has no name", { ...RECORD, eventName: 3 }, "no eventName"],
    ["has no source", { ...RECORD, eventSource: null }, "no eventSource"],
  ])("is refused: it %s", (_why, record, message) => {
    expect(() => parseCloudTrail(record)).toThrow(message)
    expect(() => parseCloudTrail(record)).toThrow(EventError)
  })
})

describe("a CloudTrail file", () => {
  it("is an object with Records", () => {
    expect(cloudTrailRecords({ Records: [1, 2] })).toEqual([1, 2])
  })

  it.each([[null], [[]], [{}], [{ Records: {} }], ["Records"]])("is not %j", (file) => {
    expect(() => cloudTrailRecords(file)).toThrow("no array named Records")
  })
})
