/**
 * Events and rules in few words, for tests only. Not part of the package.
 */

import { encodeEventEntry, encodeIndex, stampEntryTime } from "@prooflog/event/entry"
import { type Added, type NormalEvent, normalizeEvent } from "@prooflog/event/event"
import { sealRecord } from "@prooflog/event/record"
import type { AccessEvent } from "@prooflog/event/schema"
import { parseYaml } from "@prooflog/settings/parse-yaml"
import type { Leaves } from "./event-reader.js"
import type { EventTest } from "./event-test.js"
import { OwnNames } from "./own-names.js"
import { type PlainEventOptions, PlainEvents } from "./plain-event.js"
import { FieldSlots, type SeenEvent } from "./seen-event.js"
import { compileWhere } from "./selection.js"

const ADDED: Added = { source: "test", source_key_id: "key1", event_id: "event1" }

/** Returns an event of these fields, and of others that every event has. */
export function normalEventOf(fields: Readonly<Record<string, unknown>>): NormalEvent {
  const event = {
    timestamp: "2026-03-01T12:00:00Z",
    user_id: "ada",
    action: "document.read",
    resource_accessed: "/documents/1",
    result: "success",
    ...fields,
  }
  return normalizeEvent(event as unknown as AccessEvent, ADDED)
}

/** Returns what rules with these slots see of such an event. */
export function seenEvent(
  fields: Readonly<Record<string, unknown>>,
  slots: FieldSlots,
  options: PlainEventOptions = {},
): SeenEvent {
  return new PlainEvents(slots).seenEventOf(normalEventOf(fields), options)
}

/** Returns the test of a selection in YAML, and its slots. @throws SettingsError if it is none */
export function whereOf(yaml: string): { readonly test: EventTest; readonly slots: FieldSlots } {
  const slots = new FieldSlots()
  return { test: compileWhere(parseYaml(yaml, "rules.yaml"), new OwnNames(slots)), slots }
}

/** Whether a selection in YAML matches an event of these fields. */
export function isMatch(yaml: string, fields: Readonly<Record<string, unknown>>): boolean {
  const { test, slots } = whereOf(yaml)
  return test.matches(seenEvent(fields, slots))
}

/** One leaf of a page: an event, or what is none. */
export interface StandInLeaf {
  /** `undefined`: no event; `null`: an event whose record was destroyed. */
  readonly event: NormalEvent | null | undefined
  readonly receivedMs: number
  readonly className?: string
}

/** Returns leaves as followers get them. */
export function pageOf(leaves: readonly StandInLeaf[], firstLeaf = 0): Leaves {
  const sealed = leaves.map(({ event, receivedMs, className = "routine" }, index) => {
    if (event === undefined) {
      return { entry: encodeIndex(0, new Uint8Array(32), receivedMs), record: new Uint8Array(0) }
    }
    const seed = new Uint8Array(32).fill(index + 1)
    const { record, commitment } = sealRecord(event ?? normalEventOf({}), seed)
    const entry = encodeEventEntry(className, commitment)
    stampEntryTime(entry, 0, receivedMs)
    return { entry, record: event === null ? new Uint8Array(0) : record }
  })
  return {
    firstLeaf,
    count: leaves.length,
    entries: packed(sealed.map(({ entry }) => entry)),
    records: packed(sealed.map(({ record }) => record)),
  }
}

function packed(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(parts.flatMap((part) => [part.length >> 8, part.length & 255, ...part]))
}
