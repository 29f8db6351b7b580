/**
 * What is done with the log is logged in it: one event for each question, evidence file, range of records, export,
 * and for a tail that is opened and closed.
 *
 *     ask ─► answer in hand ─► own event ─► durable ─► the answer leaves
 *                                  └─ not durable: refused with the ledger's error, and no row leaves
 *
 * A question that fails is logged too, without rows. Its text stands in `attributes`, which can be withheld; in the
 * core, which everyone is shown, there is nothing of a person. What the server does by itself is said to be its own
 * doing. Followers, public paths and `?wait=receipt` make none.
 */

import type { IncomingMessage } from "node:http"
import { AUDIT_CLASS } from "@prooflog/archive/class-rules"
import { encodeEventEntry } from "@prooflog/event/entry"
import { normalizeEvent } from "@prooflog/event/event"
import { normalizeIpAddress } from "@prooflog/event/ip-address"
import { type SeedPool, sealRecord } from "@prooflog/event/record"
import { repeatId } from "@prooflog/event/repeat"
import type { AccessEvent } from "@prooflog/event/schema"
import type { Placement } from "@prooflog/ledger"
import { formatBundle } from "@prooflog/tlog/bundle"
import { v7 as uuidV7 } from "uuid"
import { type Said, sayAttributes } from "./asked-text.js"
import { type Call, requireCaller } from "./gate.js"
import { OWN_SOURCE } from "./keys.js"
import { refusalOf } from "./refusal.js"
import type { ServedLog } from "./served-log.js"
import { statusOf } from "./status.js"

/** The actions of own events, and the activity that each is. */
const ACTIVITIES = {
  "log.query": "search",
  "log.list": "search",
  "log.facets": "search",
  "log.histogram": "search",
  "log.export": "export",
  "log.evidence": "read",
  "log.records": "read",
  "log.backup": "export",
  "log.challenge": "read",
  "log.read": "read",
  "log.tail.open": "read",
  "log.tail.close": "read",
  "log.reindex": "execute",
  "log.schedule": "update",
  "log.hold.place": "create",
  "log.hold.release": "update",
  "log.erase.look": "search",
  "log.erase.ask": "create",
  "log.erase.run": "execute",
  "log.erase.withdrawn": "delete",
  "log.erase.gone": "delete",
  "log.erase.expired": "delete",
  "log.archive.run": "execute",
  "log.archive.verify": "execute",
  "log.archive.restore": "execute",
  "log.archive.archived": "update",
  "log.archive.restored": "update",
  "log.destroy.withdrawn": "delete",
  "log.destroy.gone": "delete",
  "log.destroy.expired": "delete",
  "log.alert.read": "read",
  "log.alert.acknowledge": "update",
  "log.alert.silence": "update",
  "log.alert.sink": "execute",
  "log.alert.rules": "update",
  "log.alert.fired": "create",
  "log.alert.resolved": "update",
  "log.alert.delivery": "share",
} as const satisfies Readonly<Record<string, AccessEvent["activity"]>>

export type OwnAction = keyof typeof ACTIVITIES

/** What changes the log's own ways, and reads nothing. */
const ADMINISTRATIVE: ReadonlySet<OwnAction> = new Set([
  "log.schedule",
  "log.hold.place",
  "log.hold.release",
  "log.erase.ask",
  "log.erase.run",
  "log.erase.withdrawn",
  "log.erase.gone",
  "log.erase.expired",
  "log.archive.run",
  "log.archive.verify",
  "log.archive.restore",
  "log.archive.archived",
  "log.archive.restored",
  "log.destroy.withdrawn",
  "log.destroy.gone",
  "log.destroy.expired",
  "log.alert.acknowledge",
  "log.alert.silence",
  "log.alert.sink",
  "log.alert.rules",
  "log.alert.fired",
  "log.alert.resolved",
  "log.alert.delivery",
])

/** What is asked of everything there is. */
export const WHOLE_LOG = "access_logs"

/** What is done with the log. */
export interface Doing {
  readonly action: OwnAction
  /** {@link WHOLE_LOG}, `leaf/7`, `records/0-1000`, `export/…`, `schedule`, `archive`. */
  readonly resource: string
  /** What is asked; texts are cut where they are too long. */
  readonly said: Said
}

/** Something was found: the answer, and what its event says of it beside the question. */
export interface Found<T> {
  readonly answer: T
  readonly said: Said
}

/**
 * Returns an answer once the event that tells of it is durable.
 *
 * @param ask - given a signal that fires when the client has left
 * @throws what `ask` throws, once that is logged; LedgerError if it cannot be logged
 */
export async function askLogged<T>(
  log: ServedLog,
  call: Call,
  doing: Doing,
  ask: (gone: AbortSignal) => Promise<Found<T>>,
): Promise<T> {
  const found = await whileThere(call.req, ask).catch(async (error: unknown) => {
    await logOwn(log, call, doing, error)
    throw error
  })
  await logOwn(log, call, { ...doing, said: { ...doing.said, ...found.said } })
  return found.answer
}

/**
 * Logs what was done; resolves when that is durable.
 *
 * @param error - why it failed, if it did
 * @param timeMs - when it happened, ms since 1970
 * @throws LedgerError if it cannot be made durable
 */
export async function logOwn(
  { ledger, seeds, tally }: ServedLog,
  call: Call,
  doing: Doing,
  error?: unknown,
  timeMs = call.timeMs,
): Promise<Placement> {
  const { entry, record } = sealOwn(ownEvent(call, doing, error, timeMs), timeMs, seeds)
  const [placement] = await ledger.submit({
    entries: formatBundle([entry]),
    records: formatBundle([record]),
    count: 1,
  })
  if (placement === undefined) throw new Error("bug: one event was submitted and none was placed")
  tally.countEvent("logged")
  return placement
}

/** An own event as the ledger takes it. */
export interface SealedOwn {
  /** Its time is not set yet. */
  readonly entry: Uint8Array
  readonly record: Uint8Array
  /** What the entry says of the record: 32 bytes. */
  readonly commitment: Uint8Array
}

/** @param timeMs - when it happened, ms since 1970 */
export function sealOwn(
  event: AccessEvent,
  timeMs: number,
  seeds: SeedPool,
  eventId = uuidV7({ msecs: timeMs, random: seeds.next() }),
): SealedOwn {
  const normal = normalizeEvent(event, {
    source: OWN_SOURCE,
    source_key_id: OWN_SOURCE,
    event_id: eventId,
  })
  const { record, commitment } = sealRecord(normal, seeds.next())
  return { entry: encodeEventEntry(AUDIT_CLASS, commitment), record, commitment }
}

/**
 * Logs a step of something long, once however often it is tried within 30 days; resolves with its leaf.
 *
 * @param eventId - the same for the same step
 * @param keyId - of whoever asked for it; the server did it by itself unless given
 * @throws LedgerError if it cannot be made durable
 */
export async function logStep(
  { ledger, seeds, tally }: Pick<ServedLog, "ledger" | "seeds" | "tally">,
  doing: Doing,
  { timeMs, eventId, keyId }: { readonly timeMs: number; readonly eventId: string; readonly keyId?: string },
): Promise<number> {
  const event = serverEvent(doing, timeMs)
  const by = keyId === undefined ? {} : ({ user_id: `key:${keyId}`, user_type: "api_key" } as const)
  const { entry, record } = sealOwn({ ...event, ...by }, timeMs, seeds, eventId)
  const [placement] = await ledger.submit({
    entries: formatBundle([entry]),
    records: formatBundle([record]),
    count: 1,
    ids: [repeatId(OWN_SOURCE, eventId)],
  })
  if (placement === undefined) throw new Error("bug: one event was submitted and none was placed")
  if (!placement.duplicate) tally.countEvent("logged")
  return placement.leafIndex
}

/** Returns the event; it passes `checkEvent` whatever was asked. */
export function ownEvent(call: Call, doing: Doing, error: unknown, timeMs: number): AccessEvent {
  const address = normalizeIpAddress(call.req.socket.remoteAddress ?? "")
  return {
    ...eventOf(doing, timeMs),
    user_id: `key:${requireCaller(call).keyId}`,
    user_type: "api_key",
    ...outcomeOf(error),
    ...(address !== undefined && { ip_address: address }),
  }
}

/** Returns the event of what the server did by itself, and succeeded in. */
export function serverEvent(doing: Doing, timeMs: number): AccessEvent {
  return { ...eventOf(doing, timeMs), user_id: "server", user_type: "system", result: "success" }
}

function eventOf({ action, resource, said }: Doing, timeMs: number) {
  return {
    timestamp: timeMs,
    action,
    activity: ACTIVITIES[action],
    category: ADMINISTRATIVE.has(action) ? "admin" : "data",
    resource_accessed: resource,
    attributes: sayAttributes(said),
  } as const
}

/** The code of a refusal says nothing of a person, and so may everyone see it. */
function outcomeOf(error: unknown): Pick<AccessEvent, "result" | "error_code"> {
  if (error === undefined) return { result: "success" }
  const { code } = refusalOf(error)
  const { status } = statusOf(code)
  return { result: status >= 500 ? "error" : status === 403 ? "denied" : "failure", error_code: code }
}

/** A connection that closes while its answer is made has nobody waiting at its other end. */
async function whileThere<T>(
  { socket }: IncomingMessage,
  ask: (gone: AbortSignal) => Promise<T>,
): Promise<T> {
  const gone = new AbortController()
  const leave = () => gone.abort()
  if (socket.destroyed) leave()
  socket.once("close", leave)
  try {
    return await ask(gone.signal)
  } finally {
    socket.off("close", leave)
  }
}
