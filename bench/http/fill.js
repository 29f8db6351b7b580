/** Fills a log over HTTP, by NDJSON requests of 1,000 events, four at a time; as fast as it goes, or at a pace. */

import { setTimeout as sleep } from "node:timers/promises"

import { sampleEvent, sampleNdjson } from "./events.js"

const BATCH = 1_000
const LANES = 4

/** The same sixteen bodies again and again: making them costs nothing while it is measured. @returns events a second */
export async function fill(server, count) {
  const bodies = Array.from({ length: 16 }, () => sampleNdjson(BATCH))
  return send(server, count, (batch) => bodies[batch & 15])
}

/** Every event its own: event `i` is `sampleEvent(i)`, `first` ≤ i < `first` + count. @returns events a second */
export async function fillDistinct(server, first, count) {
  return send(server, count, (batch) => {
    const start = first + batch * BATCH
    return Array.from({ length: BATCH }, (_, i) => JSON.stringify(sampleEvent(start + i))).join("\n")
  })
}

/** As {@link fill}, at most so many events a second. @returns events a second that it came to */
export async function fillPaced(server, count, perSecond) {
  const bodies = Array.from({ length: 16 }, () => sampleNdjson(BATCH))
  const began = performance.now()
  return send(server, count, async (batch) => {
    await sleep(Math.max(0, began + (batch * BATCH * 1_000) / perSecond - performance.now()))
    return bodies[batch & 15]
  })
}

async function send({ port, writer }, count, bodyOf) {
  const batches = Math.ceil(count / BATCH)
  let next = 0
  const lane = async () => {
    while (next < batches) {
      const response = await fetch(`http://127.0.0.1:${port}/v1/events`, {
        method: "POST",
        headers: { authorization: `Bearer ${writer}`, "content-type": "application/x-ndjson" },
        body: await bodyOf(next++),
      })
      if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`)
      await response.arrayBuffer()
    }
  }
  const began = performance.now()
  await Promise.all(Array.from({ length: LANES }, lane))
  return (count / (performance.now() - began)) * 1_000
}
