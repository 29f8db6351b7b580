/** The events about the log itself, read from its storage: what was asked of it, and by whom. */

import { decodeEntry } from "@prooflog/event/entry"
import { openRecord } from "@prooflog/event/record"
import { bundlePath, parseBundle } from "@prooflog/tlog/bundle"
import type { Served } from "./served.js"

export interface OwnEvent {
  readonly leafIndex: number
  readonly className: string
  readonly core: Readonly<Record<string, unknown>>
  readonly fields: Readonly<Record<string, unknown>>
}

/** Every event of source `prooflog`, oldest first. */
export async function ownEvents({ storage }: Pick<Served, "storage">): Promise<readonly OwnEvent[]> {
  const treeSize = await storage.treeSize()
  const entries: Uint8Array[] = []
  for (let start = 0; start < treeSize; start += 256) {
    const width = Math.min(256, treeSize - start)
    const bundle = (await storage.read(bundlePath(start / 256, width))) as Uint8Array
    entries.push(...parseBundle(bundle, width))
  }
  const events: OwnEvent[] = []
  for (const { kind, leafIndex, bytes } of await storage.records(0, treeSize)) {
    const entry = decodeEntry(entries[leafIndex] as Uint8Array)
    if (kind === "tombstone" || entry.type !== "event") continue
    const { core, fields } = openRecord(bytes)
    if (!core.some(([name, value]) => name === "source" && value === "prooflog")) continue
    events.push({
      leafIndex,
      className: entry.className,
      core: Object.fromEntries(core),
      fields: Object.fromEntries(fields),
    })
  }
  return events
}
