import { describe, expect, it } from "vitest"
import { defined } from "../../../packages/verifier/fixtures/small-log.js"
import { configOf } from "../fixtures/served-log.js"
import type { Reading } from "./audit.js"
import { unhealthy, type WatchHealth } from "./health.js"

const STARTED_MS = 1_000_000
const MINUTE_MS = 60_000

function watched(
  { triedMs, pollMs = 10_000 }: { readonly triedMs?: number; readonly pollMs?: number },
  ...readings: readonly Reading[]
): WatchHealth {
  const log = { ...defined(configOf("", "").logs[0]), origin: "log.example", pollMs }
  const status = {
    log,
    latest: undefined,
    audited: undefined,
    readings,
    commitmentsFrom: undefined,
    lookedMs: undefined,
    triedMs,
    looks: 0,
    rereadMs: 0,
    openHeads: [],
    findings: [],
  }
  return { status, isStopped: false }
}

const reading = (what: Reading["what"], movedMs: number): Reading => {
  return { what, leaves: 7, treeSize: 9, movedMs }
}

describe("a monitor is healthy", () => {
  const at = (minutes: number) => STARTED_MS + minutes * MINUTE_MS
  const look = { triedMs: at(60) }

  it.each([
    ["it began to look a moment ago", [watched({})], 5, undefined],
    ["not if no first look ever ends", [watched({})], 6, "not looked at"],
    ["it looked a moment ago", [watched(look)], 65, undefined],
    ["not if no other look ends", [watched(look)], 66, "not looked at"],
    ["the next look is in an hour", [watched({ ...look, pollMs: 60 * MINUTE_MS })], 300, undefined],
    [
      "it looks while it reads, also where that gets no further",
      [watched(look, reading("audit", at(1)))],
      61,
      undefined,
    ],
    ["not if it reads and does not look", [watched(look, reading("audit", at(66)))], 66, "not looked at"],
    ["not if one of two logs is left", [watched({ triedMs: at(70) }), watched(look)], 70, "not looked at"],
    ["not if a watch ended", [{ ...watched(look), isStopped: true }], 60, "not looked at"],
  ] as const)("if %s", (_, watches, minutes, words) => {
    const why = unhealthy(watches, { startedMs: STARTED_MS, nowMs: at(minutes) })
    expect(why).toEqual(words === undefined ? undefined : expect.stringContaining(words))
  })
})
