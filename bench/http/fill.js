/** Fills a log over HTTP, by NDJSON requests of 1,000 events, four at a time. */

import { sampleNdjson } from "./events.js"

const BATCH = 1_000
const LANES = 4

/** @returns {Promise<number>} events a second */
export async function fill({ port, writer }, count) {
  const bodies = Array.from({ length: 16 }, () => sampleNdjson(BATCH))
  let left = Math.ceil(count / BATCH)
  const lane = async () => {
    while (left-- > 0) {
      const response = await fetch(`http://127.0.0.1:${port}/v1/events`, {
        method: "POST",
        headers: { authorization: `Bearer ${writer}`, "content-type": "application/x-ndjson" },
        body: bodies[left & 15],
      })
      if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`)
      await response.arrayBuffer()
    }
  }
  const began = performance.now()
  await Promise.all(Array.from({ length: LANES }, lane))
  return (count / (performance.now() - began)) * 1_000
}
