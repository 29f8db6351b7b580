/**
 * Compares an event as it was logged with the event as it was sent.
 *
 *     sent line ─► normalise ─► name, CBOR(value) … ─┐
 *                                                    ├─ equal byte for byte, or the log holds something else
 *     evidence  ─► opened    ─► name, CBOR(value) … ─┘
 *
 * The server may add `source` and `source_key_id`, and nothing else: `event_id` and `timestamp` were in the
 * line, and a missing `action` becomes `access`.
 *
 * Spec: docs/spec, "Event" and "Evidence file".
 * Pure: no I/O, no clock, no randomness.
 */

import { type CborValue, encodeCbor } from "@prooflog/event/cbor"
import { normalizeEvent } from "@prooflog/event/event"
import type { AccessEvent } from "@prooflog/event/schema"
import type { VerifiedEvent } from "@prooflog/verifier/verify-evidence"
import { ClientError } from "./error.js"

/** Who sent it, as far as the client knows. */
export interface Sender {
  /** The source of our API key, where the configuration names it. */
  readonly source?: string
  /** The identifier inside our API key. */
  readonly keyId?: string
}

/**
 * Checks that `logged` says what `line` said, and that we said it.
 *
 * @param line - JSON, as it was sent
 * @param logged - verified evidence of the leaf that was acknowledged for it
 * @throws {@link ClientError} `CLIENT_EVENT_CHANGED`, naming the fields that differ
 */
export function checkOwnEvent(line: string, logged: VerifiedEvent, sender: Sender): void {
  const { source, source_key_id } = logged.core
  if (typeof source !== "string" || (sender.source !== undefined && source !== sender.source)) {
    throw changed("source is not ours")
  }
  if (typeof source_key_id !== "string" || (sender.keyId !== undefined && source_key_id !== sender.keyId)) {
    throw changed("source_key_id is not ours")
  }
  const expected = expectedMembers(line, { source, source_key_id })
  const names = differences(expected, logged)
  if (names.length > 0) throw changed(`these fields are not as they were sent: ${names.join(", ")}`)
}

function expectedMembers(
  line: string,
  added: { source: string; source_key_id: string },
): ReadonlyMap<string, CborValue> {
  try {
    const { core, fields } = normalizeEvent(JSON.parse(line) as AccessEvent, added)
    return new Map([...core, ...fields])
  } catch (cause) {
    throw new ClientError("CLIENT_EVENT_CHANGED", "the log holds an event where none can have been made", {
      cause,
    })
  }
}

/** Names whose values are not the same bytes; a name on one side only, or withheld, is among them. */
function differences(
  expected: ReadonlyMap<string, CborValue>,
  { core, fields, withheld }: VerifiedEvent,
): string[] {
  const shown = new Map([...Object.entries(core), ...Object.entries(fields)])
  // A withheld name that was never sent is an addition, whatever hides behind it.
  const names = new Set([...expected.keys(), ...shown.keys(), ...withheld])
  return [...names].filter((name) => {
    const [a, b] = [expected.get(name), shown.get(name)]
    return a === undefined || b === undefined || !isSame(a, b)
  })
}

function isSame(a: CborValue, b: CborValue): boolean {
  if (typeof a === "string" || typeof b === "string") return a === b
  return Buffer.compare(encodeCbor(a), encodeCbor(b)) === 0
}

function changed(why: string): ClientError {
  return new ClientError("CLIENT_EVENT_CHANGED", `the log holds something else than was sent: ${why}`)
}
