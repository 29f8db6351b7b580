/**
 * What the rules that come with the log find in a real log of sshd, whose users log in from Portugal and the USA in turn.
 *
 * It is not part of the repository: where `../shared/datasets` is absent, this is skipped.
 */

import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { SshdLines } from "@prooflog/event/from/sshd"
import type { AccessEvent } from "@prooflog/event/schema"
import { beforeAll, describe, expect, it } from "vitest"
import { firesOf, replayed } from "./replayed.js"

const FILE = fileURLToPath(new URL("../../../shared/datasets/elastic-examples/ssh_auth.log", import.meta.url))
const present = existsSync(FILE)
if (!present)
  console.log("skipped: ../shared/datasets/elastic-examples is absent, so no real log of sshd is looked at")

/** From the README beside the log. */
const TOP_SOURCES = ["24.151.103.17", "91.197.232.109", "34.204.227.175"]

describe.skipIf(!present)("of a log of sshd", () => {
  let events: readonly AccessEvent[]
  let firings: Awaited<ReturnType<typeof replayed>>

  beforeAll(async () => {
    const lines = new SshdLines({ year: 2017, zone: "Z" })
    const texts = readFileSync(FILE, "utf8").trimEnd().split("\n")
    events = texts.filter((text) => / sshd(?:\[\d+\])?: /.test(text)).map((text) => lines.parse(text))
    firings = await replayed(events)
  })

  it("every user who was at two places that nobody gets between so fast is found, each time", () => {
    const travels = firesOf(firings, "impossible-travel").filter(({ details, leaves }) => {
      const between = [details.from, details.to].sort().join("")
      return between === "PTUS" && leaves.every((leaf) => events[leaf]?.result === "success")
    })
    const impossible = travels.filter(({ details }) => details.travel === "impossible")
    expect(impossible).toHaveLength(47)
    expect(impossible.every(({ severity }) => severity === "high")).toBe(true)
    const shortest = impossible.find(({ details }) => details.time === "18s")
    expect(shortest?.labels).toEqual({ user_id: "elastic_user_9" })
    expect(shortest?.timestampMs).toBe(Date.parse("2017-03-29T15:13:21Z"))

    const possible = travels.filter(({ details }) => details.travel === "possible")
    expect(possible).toHaveLength(5)
    expect(possible.every(({ severity }) => severity === "low")).toBe(true)
    expect(possible.map(({ labels }) => labels.user_id).sort()).toEqual([
      "elastic_user_0",
      "elastic_user_2",
      "elastic_user_7",
      "elastic_user_8",
      "elastic_user_9",
    ])
  })

  it("whoever tries one name after another is found", () => {
    const found = firesOf(firings, "password-spraying").map(({ labels }) => labels.ip_address)
    expect(found).toContain("91.197.232.109")
  })

  it("whoever failed twenty times within ten minutes is found, and nobody else", () => {
    const found = new Set(firesOf(firings, "brute-force-address").map(({ labels }) => labels.ip_address))
    expect([...found].sort()).toEqual(guessers(events).sort())
    expect([...found]).toEqual(expect.arrayContaining(TOP_SOURCES))
  })

  it("nothing is told if it is imported: it is history", async () => {
    expect(await replayed(events, { receivedMs: Date.UTC(2026, 0, 1) })).toEqual([])
  })
})

/** Keeps everything, and looks at each window that ends with an event. */
function guessers(events: readonly AccessEvent[]): string[] {
  const failed = new Map<string, number[]>()
  for (const { ip_address: ip, result, timestamp } of events) {
    if ((result !== "failure" && result !== "denied") || typeof ip !== "string") continue
    failed.set(ip, [...(failed.get(ip) ?? []), Date.parse(String(timestamp))])
  }
  return [...failed].flatMap(([ip, times]) => {
    const isGuess = times.some((end) => times.filter((ms) => ms <= end && end - ms < 600_000).length >= 20)
    return isGuess ? [ip] : []
  })
}
