/**
 * Events pour in while the schedule changes: no event is given a class that the schedule before its leaf does not
 * have, and none a class by rules whose entry stands behind it.
 */

import { decodeEntry } from "@prooflog/event/entry"
import type { Schedule } from "@prooflog/event/schedule"
import { parseBundle } from "@prooflog/tlog/bundle"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { anEvent, ask, type Served } from "../http/served.js"
import { audited, makePlace, type Place, putSchedule, scheduleText } from "./schedule-texts.js"

const CHANGES = 12
const SENDERS = 6

let place: Place
let served: Served
beforeEach(async () => {
  place = await makePlace()
  served = await place.serve()
})
afterEach(async () => {
  await served.stop()
  await place.remove()
})

/** The n-th schedule: a class more than the one before, which every event has from then on. */
function scheduleNumber(n: number): string {
  const classes = Array.from({ length: n }, (_, i) => [`c${i + 1}`, `{ hot: ${i + 1}d }`])
  const rule = n === 0 ? [] : [`{ class: c${n}, user_id: "U*" }`]
  return scheduleText(Object.fromEntries(classes), rule)
}

async function entries(): Promise<readonly ReturnType<typeof decodeEntry>[]> {
  const size = await served.storage.treeSize()
  const all: ReturnType<typeof decodeEntry>[] = []
  for (let first = 0; first < size; first += 256) {
    const width = Math.min(256, size - first)
    const place = `tile/entries/${String(first / 256).padStart(3, "0")}${width < 256 ? `.p/${width}` : ""}`
    all.push(...parseBundle((await served.storage.read(place)) as Uint8Array, width).map(decodeEntry))
  }
  return all
}

describe("a schedule that changes while events pour in", () => {
  it.each([
    ["small bodies", [anEvent({ user_id: "U1" })]],
    ["large bodies", Array.from({ length: 150 }, () => anEvent({ user_id: "U1" }))],
  ])(
    "gives classes only once they are promised: %s",
    async (_, body) => {
      let isOver = false
      const senders = Array.from({ length: SENDERS }, async () => {
        let sent = 0
        while (!isOver) {
          const { status, json } = await ask(served, "v1/events", "writer", body)
          expect({ status, json }).toMatchObject({ status: 200 })
          sent += body.length
        }
        return sent
      })
      for (let n = 1; n <= CHANGES; n++) {
        const before = served.server.schedule
        expect((await putSchedule(served, scheduleNumber(n))).json).toMatchObject({ committed: true })
        expect(served.server.schedule).toEqual(before)
        // Some are logged under each of them.
        expect((await ask(served, "v1/events", "writer", body)).status).toBe(200)
      }
      isOver = true
      const sent = (await Promise.all(senders)).reduce((sum, each) => sum + each, CHANGES * body.length)

      const all = await entries()
      let inForce: Schedule | undefined
      let number = 0
      let lastClass = 0
      let events = 0
      for (const entry of all) {
        if (entry.type === "genesis") inForce = entry.schedule
        if (entry.type === "schedule") {
          inForce = entry.schedule
          number++
        }
        if (entry.type !== "event" || entry.className === "audit") continue
        events++
        expect(Object.keys((inForce as Schedule).classes)).toContain(entry.className)
        const given = entry.className === "routine" ? 0 : Number(entry.className.slice(1))
        // By the rules before at the latest behind their end, never by those to come.
        expect(given).toBeLessThanOrEqual(number)
        lastClass = Math.max(lastClass, given)
      }
      expect({ events, number, lastClass }).toEqual({ events: sent, number: CHANGES, lastClass: CHANGES })
      const { schedules, treeSize } = await audited(
        served.server.url,
        served.server.folder.policyPath,
        all.length,
      )
      expect(treeSize).toBeGreaterThanOrEqual(all.length)
      expect(schedules).toHaveLength(CHANGES + 1)
    },
    60_000,
  )
})
