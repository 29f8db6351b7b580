/** Events as a web service says them: 12 fields, about 370 bytes of JSON, values that vary as real ones do. */

import { randomBytes } from "node:crypto"

const RESULTS = ["success", "success", "success", "denied", "failure"]

/** @param named - with an event_id (UUIDv7) of the producer's own, by which repeats are recognised */
export function sampleEvent(i, named = false) {
  return {
    timestamp: new Date(1_790_000_000_000 + i * 37).toISOString(),
    ...(named ? { event_id: uuidV7() } : {}),
    user_id: `U${10_000 + (i % 5_000)}`,
    action: "document.read",
    resource_accessed: `/api/v2/documents/${(i * 7919) % 100_000}`,
    result: RESULTS[i % RESULTS.length],
    ip_address: `10.${i % 200}.${(i >> 3) % 250}.${(i * 3) % 250}`,
    user_agent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0",
    http_method: "GET",
    http_status: 200,
    service: "documents",
    duration_ms: (i % 400) / 4,
    request_id: randomBytes(8).toString("hex"),
  }
}

export function sampleNdjson(count, named = false) {
  return Array.from({ length: count }, (_, i) => JSON.stringify(sampleEvent(i, named))).join("\n")
}

function uuidV7() {
  const bytes = randomBytes(16)
  bytes.writeUIntBE(Date.now(), 0, 6)
  bytes[6] = (bytes[6] & 0x0f) | 0x70
  bytes[8] = (bytes[8] & 0x3f) | 0x80
  const hex = bytes.toString("hex")
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-")
}
