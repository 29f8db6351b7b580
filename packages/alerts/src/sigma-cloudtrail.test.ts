/**
 * Rules of our own over the CloudTrail of an attack simulation, whose times are known. The log stays outside the
 * repository: where it is absent, nothing is claimed and the reason is printed.
 */

import { existsSync, readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { normalizeEvent } from "@prooflog/event/event"
import { cloudTrailRecords, parseCloudTrail } from "@prooflog/event/from/cloudtrail"
import { describe, expect, it } from "vitest"
import { EventReader } from "./event-reader.js"
import type { Firing } from "./firing.js"
import { pageOf } from "./stand-in-events.js"
import { compiledSigma } from "./stand-in-sigma.js"

const FOLDER = fileURLToPath(
  new URL("../../../../shared/datasets/cloudtrail-stratus/CloudTrail/", import.meta.url),
)
const isPresent = existsSync(FOLDER)
if (!isPresent) console.log(`skipped: the CloudTrail of an attack simulation is not at ${FOLDER}`)

const rule = (name: string, selection: string, more = "") => `
title: ${name}
name: ${name}
logsource: { product: aws, service: cloudtrail }
detection:
  selection: { ${selection} }
  condition: selection
${more}`

const correlation = (name: string, lines: string) => `
title: ${name}
correlation:
${lines}`

const RULES = [
  rule("trail_deleted", "eventSource: cloudtrail.amazonaws.com, eventName: DeleteTrail, errorCode: null"),
  rule("trail_deletion_tried", "eventSource: cloudtrail.amazonaws.com, eventName: DeleteTrail"),
  rule("logging_stopped", "eventSource: cloudtrail.amazonaws.com, eventName: StopLogging"),
  rule("trail_blinded", "eventSource: cloudtrail.amazonaws.com, eventName: PutEventSelectors"),
  rule("key_created", "eventSource: iam.amazonaws.com, eventName: CreateAccessKey"),
  rule(
    "key_for_another",
    "eventName: CreateAccessKey, requestParameters.userName|fieldref|neq: userIdentity.userName",
  ),
  rule("user_created", "eventSource: iam.amazonaws.com, eventName: CreateUser, errorCode: null"),
  rule("console_login", "eventName: ConsoleLogin, responseElements.ConsoleLogin: Success"),
  correlation(
    "new_user_logs_in",
    `  type: temporal_ordered
  rules: [user_created, console_login]
  aliases:
    who: { user_created: requestParameters.userName, console_login: userIdentity.userName }
  group-by: [who]
  timespan: 10m`,
  ),
  correlation(
    "three_users_created",
    `  type: value_count
  rules: [user_created]
  group-by: [userIdentity.arn]
  timespan: 2m
  condition: { field: requestParameters.userName, gte: 3 }`,
  ),
  correlation(
    "two_keys_created",
    `  type: event_count
  generate: true
  rules: [key_created]
  group-by: [userIdentity.arn]
  timespan: 1m
  condition: { gt: 1 }`,
  ),
].join("\n---\n")

describe.skipIf(!isPresent)("CloudTrail of an attack simulation", () => {
  const { rules, refused, slots } = compiledSigma(RULES)
  const events = (isPresent ? readdirSync(FOLDER) : [])
    .flatMap((file) => cloudTrailRecords(JSON.parse(readFileSync(FOLDER + file, "utf8"))))
    .map((record) => normalizeEvent(parseCloudTrail(record), { source: "cloudtrail", source_key_id: "key1" }))
    .map((event) => ({ event, receivedMs: Number(Object.fromEntries(event.core).timestamp) / 1000 }))
    .sort((one, other) => one.receivedMs - other.receivedMs)
  const reader = new EventReader(slots)
  const firings: Firing[] = []
  for (let first = 0; first < events.length; first += 1_000) {
    for (const event of reader.eventsOf(pageOf(events.slice(first, first + 1_000), first))) {
      for (const each of rules) each.take(event, (firing) => firings.push(firing))
    }
  }

  it("has 2,900 events, and every rule is one", () => {
    expect(events.length).toBe(2_900)
    expect(refused).toEqual([])
  })

  it.each([
    ["trail_deletion_tried", ["11:59:02", "12:08:04", "12:08:04"]],
    ["trail_deleted", ["12:08:04", "12:08:04"]],
    ["logging_stopped", ["12:00:42", "12:01:23", "12:01:27"]],
    ["trail_blinded", ["12:00:08", "12:07:49"]],
    ["key_created", ["12:24:29", "12:24:50"]],
    ["key_for_another", ["12:24:29", "12:24:50"]],
    // They are asked for by correlations, and are nothing by themselves.
    ["user_created", []],
    ["console_login", []],
    ["new-user-logs-in", ["12:23:15"]],
    ["three-users-created", ["12:24:49"]],
    ["two-keys-created", ["12:24:50"]],
  ])("%s fires at %s", (id, times) => {
    const fired = firings.filter((firing) => firing.rule.id === id && firing.kind === "fires")
    expect(fired.map(({ timestampMs }) => new Date(timestampMs).toISOString().slice(11, 19))).toEqual(times)
  })

  it("names the events: the user that was created is the one that logs in", () => {
    const [login] = firings.filter(({ rule: { id } }) => id === "new-user-logs-in")
    expect(login?.labels).toEqual({ who: expect.stringMatching(/^stratus-red-team-/) })
    expect(login?.leaves.length).toBe(2)
    const [first, second] = (login?.leaves ?? []).map((leaf) => events[leaf])
    expect([first, second].map((event) => Object.fromEntries(event?.event.core ?? []).action)).toEqual([
      "iam.CreateUser",
      "signin.ConsoleLogin",
    ])
  })
})
