/**
 * Made-up accesses to a made-up clinic, the same ones each time.
 *
 * Names, addresses and records are invented; the addresses are those kept for documentation (RFC 5737).
 */

import type { AccessEvent } from "@prooflog/event/schema"

const STAFF = [
  "dr.okafor",
  "dr.lindqvist",
  "nurse.haddad",
  "nurse.moreau",
  "billing.tanaka",
  "reception.silva",
]
const THINGS = ["chart", "labs", "medication", "invoice", "imaging", "contact"]
const ACTIONS = ["patient.read", "patient.read", "patient.read", "patient.update", "patient.export"]
const NETWORKS = ["192.0.2", "198.51.100", "203.0.113"]

/** Between one access and the next, in milliseconds, at most. */
const MAX_GAP_MS = 4000

/**
 * Yields `count` accesses that end shortly before `untilMs`.
 *
 * @param firstNumber - of the first one, so that later traffic has other event ids
 */
export function* traffic(count: number, untilMs: number, firstNumber = 0): Generator<AccessEvent> {
  const random = numbersFrom(20_231_021 + firstNumber)
  let timeMs = untilMs - count * MAX_GAP_MS
  for (let i = 0; i < count; i++) {
    timeMs += 1 + Math.floor(random() * (MAX_GAP_MS - 1))
    yield access(firstNumber + i, timeMs, random)
  }
}

function access(number: number, timeMs: number, random: () => number): AccessEvent {
  const pick = <T>(from: readonly T[]) => from[Math.floor(random() * from.length)] as T
  const action = pick(ACTIONS)
  const denied = action === "patient.export" ? random() < 0.5 : random() < 0.02
  return {
    timestamp: timeMs,
    event_id: `demo-${number}`,
    user_id: pick(STAFF),
    action,
    resource_accessed: `/patients/${1000 + Math.floor(random() * 9000)}/${pick(THINGS)}`,
    result: denied ? "denied" : "success",
    ip_address: `${pick(NETWORKS)}.${1 + Math.floor(random() * 254)}`,
    service: "clinic",
    duration_ms: Math.floor(random() * 2000) / 10,
  }
}

/** Uniform in [0, 1), determined by the seed (mulberry32): good enough to look like traffic, and for nothing else. */
function numbersFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
