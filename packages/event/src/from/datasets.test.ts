/**
 * The mappings over real logs, whose counts are known. The logs stay outside the repository: where they
 * are absent, nothing is claimed and the reason is printed.
 */

import { existsSync, readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { gunzipSync } from "node:zlib"
import { describe, expect, it } from "vitest"
import type { AccessEvent } from "../schema.js"
import { checkEvent } from "../validate.js"
import { cloudTrailRecords, parseCloudTrail } from "./cloudtrail.js"
import { parseCombined } from "./combined.js"
import { parseKubernetesAudit } from "./k8s.js"

const DATASETS = fileURLToPath(new URL("../../../../../shared/datasets/", import.meta.url))
const isPresent = existsSync(DATASETS)
if (!isPresent) console.log(`skipped: the real logs are not at ${DATASETS}`)

const NOW = Date.UTC(2026, 0, 1)

function linesOf(bytes: Buffer): string[] {
  return bytes.toString("utf8").split("\n").slice(0, -1)
}

function count<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, number> {
  const counts = new Map<K, number>()
  for (const item of items) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1)
  return counts
}

function expectValid(events: readonly AccessEvent[]): void {
  const refused = events.flatMap((event) => checkEvent(event, NOW))
  expect(refused.slice(0, 3)).toEqual([])
}

describe.skipIf(!isPresent)("the combined log of a blog", () => {
  const lines = isPresent ? linesOf(gunzipSync(readFileSync(`${DATASETS}http-blog-2016/access.log.gz`))) : []
  const events: AccessEvent[] = []

  it("maps whole: 206,860 of 206,860 lines, all of them valid", () => {
    for (const line of lines) events.push(parseCombined(line))
    expect(events.length).toBe(206_860)
    expectValid(events)
  })

  it("has the clients, users and results that are known of it", () => {
    expect(count(events, (event) => event.ip_address).size).toBe(8_799)
    expect(count(events, (event) => event.ip_address).get("192.0.101.226")).toBe(37_506)
    expect(count(events, (event) => event.user_id)).toEqual(
      new Map([
        ["anonymous", 206_854],
        ["springxdninja", 6],
      ]),
    )
    const classes = count(events, (event) => Math.floor((event.http_status ?? 0) / 100))
    expect([2, 3, 4, 5].map((each) => classes.get(each))).toEqual([170_217, 7_695, 27_842, 1_106])
    expect(count(events, (event) => event.result).get("error")).toBe(1_106)
  })

  it("keeps the longest user agents whole", () => {
    expect(events.reduce((most, event) => Math.max(most, event.user_agent?.length ?? 0), 0)).toBe(4_229)
    expect(events.filter((event) => event.attributes !== undefined)).toEqual([])
  })

  it("can be written again from its events, but for the zone: a raw copy would add nothing", () => {
    const differ = lines.filter((line, i) => withoutTime(line) !== rebuilt(events[i] as AccessEvent))
    expect(differ.length).toBe(0)
  })
})

function withoutTime(line: string): string {
  return line.replace(/ \[.*?\] "/, ' "')
}

function rebuilt(event: AccessEvent): string {
  const {
    ip_address,
    user_id,
    http_method,
    http_path,
    http_query,
    http_protocol,
    http_status,
    response_bytes,
  } = event
  const target = http_query === undefined ? http_path : `${http_path}?${http_query}`
  const who = `${ip_address} - ${user_id === "anonymous" ? "-" : user_id}`
  const what = `"${http_method} ${target} ${http_protocol}" ${http_status} ${response_bytes ?? "-"}`
  return `${who} ${what} "${event.http_referrer ?? "-"}" "${event.user_agent ?? "-"}"`
}

describe.skipIf(!isPresent)("the Apache log with a broken line", () => {
  it("maps 9,999 lines, and says where line 8,899 breaks", () => {
    const lines = linesOf(readFileSync(`${DATASETS}elastic-examples/apache_logs.log`))
    const events: AccessEvent[] = []
    const refused: [number, string][] = []
    lines.forEach((line, i) => {
      try {
        events.push(parseCombined(line))
      } catch (error) {
        refused.push([i + 1, (error as Error).message])
      }
    })
    expect(events.length).toBe(9_999)
    expectValid(events)
    expect(refused).toEqual([[8_899, "column 111: expected a user agent in quotes"]])
  })
})

describe.skipIf(!isPresent)("the CloudTrail of an attack simulation", () => {
  const folder = `${DATASETS}cloudtrail-stratus/CloudTrail/`
  const records = isPresent
    ? readdirSync(folder).flatMap((file) =>
        cloudTrailRecords(JSON.parse(readFileSync(folder + file, "utf8"))),
      )
    : []
  const events: AccessEvent[] = []

  it("maps whole: 2,900 of 2,900 records, all of them valid", () => {
    for (const record of records) events.push(parseCloudTrail(record))
    expect(events.length).toBe(2_900)
    expectValid(events)
    expect(new Set(events.map((event) => event.event_id)).size).toBe(2_900)
  })

  it("cuts nothing but 40 request ids, and keeps those whole as an attribute", () => {
    const cut = events.filter((event) => event.attributes?.truncated === true)
    expect(count(cut, (event) => String(event.attributes?.truncated_names))).toEqual(
      new Map([["request_id", 40]]),
    )
    for (const event of cut) expect(event.attributes?.requestID).toMatch(new RegExp(`^${event.request_id}.`))
  })

  it("keeps origins that are no addresses", () => {
    const sources = count(events, (event) => event.source_address)
    expect(sources.get(undefined)).toBe(2_547)
    expect(sources.get("AWS Internal")).toBe(170)
    expect(sources.get("secretsmanager.amazonaws.com")).toBe(116)
    expect(events.filter((event) => event.ip_address !== undefined).length).toBe(2_547)
  })

  it("names as user of the 42 records without a type, and the 34 of services, who invoked them", () => {
    const byService = events.filter((event) => /^[a-z0-9-]+\.amazonaws\.com$/.test(event.user_id))
    expect(byService.length).toBe(76)
    expect(count(events, (event) => event.user_id).get("unknown")).toBeUndefined()
  })

  it("tells denials from failures", () => {
    const results = count(events, (event) => event.result)
    expect(Object.fromEntries(results)).toEqual({ success: 2_600, denied: 60, failure: 240 })
    expect(events.filter((event) => event.error_code !== undefined).length).toBe(300)
  })
})

describe.skipIf(!isPresent)("the audit log of a Kubernetes cluster of 2017", () => {
  it("maps whole: 37 of 37 events, all of them valid", () => {
    const lines = linesOf(readFileSync(`${DATASETS}k8s-audit-raw/audit2rbac-demo.ndjson`))
    const events = lines.map((line) => parseKubernetesAudit(JSON.parse(line)))
    expect(events.length).toBe(37)
    expectValid(events)
    expect(count(events, (event) => event.result)).toEqual(
      new Map([
        ["denied", 11],
        ["success", 26],
      ]),
    )
    expect(count(events, (event) => event.on_behalf_of).size).toBeGreaterThan(0)
    expect(count(events, (event) => event.ip_address)).toEqual(new Map([["::1", 37]]))
  })
})
