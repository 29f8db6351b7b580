/**
 * What the rules that come with the log find in a real access log of 37 days.
 *
 * It is not part of the repository: where `../shared/datasets` is absent, this is skipped.
 */

import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { gunzipSync } from "node:zlib"
import { parseCombined } from "@prooflog/event/from/combined"
import type { AccessEvent } from "@prooflog/event/schema"
import { beforeAll, describe, expect, it } from "vitest"
import { firesOf, replayed } from "./replayed.js"

const FILE = fileURLToPath(new URL("../../../shared/datasets/http-blog-2016/access.log.gz", import.meta.url))
const present = existsSync(FILE)
if (!present)
  console.log("skipped: ../shared/datasets/http-blog-2016 is absent, so no real access log is looked at")

describe.skipIf(!present)("of a blog's access log", () => {
  let events: readonly AccessEvent[]
  let firings: Awaited<ReturnType<typeof replayed>>

  beforeAll(async () => {
    const lines = gunzipSync(readFileSync(FILE)).toString("latin1").trimEnd().split("\n")
    events = lines.map((line) => parseCombined(line))
    firings = await replayed(events)
  }, 120_000)

  it("the error rate is told at its bursts, and not more than 30 times", () => {
    const fires = firesOf(firings, "error-rate")
    const times = fires.map(({ timestampMs }) => new Date(timestampMs).toISOString().slice(0, 15))
    // What the README beside the log, and events.md 4.3, list as visible: to the tenth minute, in UTC.
    for (const burst of ["2016-03-08T08:3", "2016-03-09T07:4", "2016-03-14T04:2", "2016-03-27T07:2"]) {
      expect(times).toContain(burst)
    }
    expect(fires.length).toBeLessThanOrEqual(30)
    expect(fires.length).toBeGreaterThanOrEqual(15)
    for (const { leaves } of fires) {
      expect(leaves.map((leaf) => events[leaf]?.result)).toEqual(leaves.map(() => "error"))
    }
  })

  it("whoever asked for thirty missing pages within ten minutes is found, and nobody else", () => {
    const found = new Set(firesOf(firings, "scan-not-found").map(({ labels }) => labels.ip_address))
    expect([...found].sort()).toEqual(scanners(events).sort())
    expect(found.size).toBeGreaterThan(20)
  })

  it("nothing else is found that would wake anyone", () => {
    const others = firings.filter(
      ({ rule }) => !["error-rate", "scan-not-found", "source-silent"].includes(rule.id),
    )
    expect(others.map(({ rule }) => rule.id)).toEqual([])
  })

  it("nothing at all is told if it is imported: it is history", async () => {
    expect(await replayed(events.slice(0, 50_000), { receivedMs: Date.UTC(2026, 0, 1) })).toEqual([])
  }, 60_000)
})

/** Keeps everything, and looks at each window that ends with an event. */
function scanners(events: readonly AccessEvent[]): string[] {
  const missing = new Map<string, { readonly ms: number; readonly path: string }[]>()
  for (const { ip_address: ip, http_status: status, http_path: path, timestamp } of events) {
    if (status !== 404 || typeof ip !== "string" || typeof path !== "string") continue
    const theirs = missing.get(ip) ?? []
    theirs.push({ ms: Date.parse(String(timestamp)), path })
    missing.set(ip, theirs)
  }
  return [...missing].flatMap(([ip, theirs]) => {
    const isScan = theirs.some(({ ms: end }) => {
      const inWindow = theirs.filter(({ ms }) => ms <= end && end - ms < 600_000)
      return new Set(inWindow.map(({ path }) => path)).size >= 30
    })
    return isScan ? [ip] : []
  })
}
