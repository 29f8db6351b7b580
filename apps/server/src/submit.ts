/**
 * `POST v1/events`: events in, their places in the log out.
 *
 *     body ─► events ─► prepare ─► ledger.submit ─► durable ─► results ─► answer
 *                                                      │
 *                                 ?wait=receipt        └─► published ─► evidence
 *
 * Knows no framework: it takes a call that has passed the gate and gives an answer. Nothing is acknowledged
 * before it is durable; if the process dies before that, whoever sent the events asks again, and those with an
 * `event_id` are not logged twice.
 */

import type { Placement } from "@prooflog/ledger"
import { type Answer, problemOf, withHeaders } from "./answer.js"
import { withBody } from "./body.js"
import { ServerError } from "./error.js"
import { evidenceOf } from "./evidence.js"
import { type Call, requireRole } from "./gate.js"
import type { LogReader } from "./log-reader.js"
import { EVENTS_BODY, MANY_EVENTS_ANSWER, ONE_EVENT_ANSWER } from "./openapi.js"
import { unpack } from "./packed.js"
import { type Body, type Prepared, prepare, type Unreadable } from "./prepare.js"
import { malformed } from "./query.js"
import type { Refusal } from "./refusal.js"
import type { Report } from "./report.js"
import type { StoredLeaf } from "./retention/moved-records.js"
import type { Route } from "./route.js"
import { saysTheSame } from "./same-content.js"
import type { ServedLog } from "./served-log.js"
import { timeText } from "./time-text.js"

/** Events whose evidence one answer may hold. */
const MAX_EVIDENCE = 1_000

/** Bytes of a body that is prepared at once, in less than a millisecond; a larger one goes to the worker. */
const SMALL_BODY = 16 * 1024

/** Repeats whose originals are read together: at most 4 MiB, compared in less than a few milliseconds. */
const REPEATS_AT_ONCE = 64

/** No cache keeps the answer to a POST, and no browser shows it: it needs no more. */
const HEADERS = ["Content-Type", "application/json"]

const NOTHING_WITHHELD: ReadonlySet<string> = new Set()

/** What became of one event. */
type Outcome =
  | { readonly kind: "logged" | "repeated"; readonly eventId: string; readonly placement: Placement }
  /** A repeat whose original is destroyed, or cannot be read now: nobody can say whether it was the same. */
  | { readonly kind: "unchecked"; readonly eventId: string; readonly placement: Placement }
  | { readonly kind: "refused"; readonly refusal: Refusal }

export type Submit = (call: Call) => Promise<Answer>

export function openSubmit(log: ServedLog): Submit {
  // When to ask again for evidence that was not ready: with the next published head.
  const evidenceRetry = ["Retry-After", String(Math.ceil(log.publishEveryMs / 1_000))]
  return async (call) => {
    const caller = requireRole(call, ["writer"])
    const waits = waitsForReceipt(call.query)
    return withBody(call, log.budget, async (bytes) => {
      const prepared = await prepareBody(log, {
        bytes,
        mediaType: call.req.headers["content-type"],
        source: caller.source,
        keyId: caller.keyId,
        nowMs: call.timeMs,
      })
      if ("refused" in prepared) return problemOf(prepared.refused)
      if (waits && prepared.count > MAX_EVIDENCE) throw tooManyToWaitFor()
      const outcomes = await logAll(log, prepared)
      for (const { kind } of outcomes) log.tally.countEvent(kind)
      const evidence = waits ? await evidenceFor(log, outcomes) : undefined
      const answer = prepared.many
        ? answerMany(outcomes, evidence)
        : answerOne(outcomes[0] as Outcome, evidence)
      return evidence === "null" && answer.status < 300 ? withHeaders(answer, evidenceRetry) : answer
    })
  }
}

/** What is small is done before a thread could have been told of it. */
function prepareBody(log: ServedLog, body: Body): Promise<Prepared | Unreadable> | Prepared | Unreadable {
  return body.bytes.length > SMALL_BODY ? log.elsewhere.prepare(body) : prepare(body, log)
}

/** The same as one of Express's routes: what the OpenAPI document shows, and what tests compare with the door. */
export function submitRoute(submit: Submit): Route {
  return {
    method: "POST",
    path: "v1/events",
    access: ["writer"],
    summary: "Log events; answered when they are durable",
    parameters: [
      {
        name: "wait",
        in: "query",
        description: "Wait for the head to be published, and answer with evidence",
        schema: { const: "receipt" },
      },
    ],
    requestBody: EVENTS_BODY,
    answers: {
      201: { description: "One event, logged", mediaType: "application/json", schema: ONE_EVENT_ANSWER },
      200: {
        description: "One event that was logged before, or a result for each of many",
        mediaType: "application/json",
        schema: { oneOf: [ONE_EVENT_ANSWER, MANY_EVENTS_ANSWER] },
      },
    },
    handle: submit,
  }
}

/** Gives the prepared events to the ledger; resolves when all of them are durable. */
async function logAll(
  log: ServedLog,
  { entries, records, count, ids, results }: Prepared,
): Promise<readonly Outcome[]> {
  const placements = count === 0 ? [] : await log.ledger.submit({ entries, records, count, ids })
  const likenesses = await compareRepeats(log, placements, records)
  let place = 0
  return results.map((result): Outcome => {
    if (typeof result !== "string") return { kind: "refused", refusal: result }
    const placement = placements[place] as Placement
    const likeness = likenesses.get(place++)
    return likeness === undefined
      ? { kind: "logged", eventId: result, placement }
      : outcomeOfRepeat(result, placement, likeness)
  })
}

/** What a repeat says beside the event that was logged with its id; nobody can tell if that is not there. */
type Likeness = "same" | "other" | "unknown"

/**
 * Compares each repeat with its original, many at a time: most often a whole request is sent again.
 *
 * @param records - of all the placed events, packed; only where one is a repeat they are taken apart again
 * @returns by place in `placements`; those that are no repeats are not in it
 */
async function compareRepeats(
  { reader, report }: Pick<ServedLog, "reader" | "report">,
  placements: readonly Placement[],
  records: Uint8Array,
): Promise<ReadonlyMap<number, Likeness>> {
  const likenesses = new Map<number, Likeness>()
  const repeats = [...placements.entries()].filter(([, { duplicate }]) => duplicate)
  const sent = repeats.length > 0 ? unpack(records) : []
  for (let first = 0; first < repeats.length; first += REPEATS_AT_ONCE) {
    const some = repeats.slice(first, first + REPEATS_AT_ONCE)
    const originals = await originalsAt(
      reader,
      report,
      some.map(([, { leafIndex }]) => leafIndex),
    )
    for (const [i, [place]] of some.entries()) {
      likenesses.set(place, likenessOf(originals[i], sent[place] as Uint8Array))
    }
  }
  return likenesses
}

/** Of those in the archive, while it cannot be read, nothing: what was sent beside them is durable, and is answered. */
async function originalsAt(
  reader: LogReader,
  report: Report,
  leafIndices: readonly number[],
): Promise<readonly (StoredLeaf | undefined)[]> {
  try {
    return await reader.storedRecords(leafIndices)
  } catch (error) {
    if (!isOfArchive(error)) throw error
    report(error)
  }
  return Promise.all(
    leafIndices.map((leafIndex) =>
      reader.storedRecord(leafIndex).catch((error: unknown) => {
        if (isOfArchive(error)) return undefined
        throw error
      }),
    ),
  )
}

function isOfArchive(error: unknown): boolean {
  const codes: readonly string[] = ["SERVER_ARCHIVE_UNAVAILABLE", "SERVER_ARCHIVE_DAMAGED"]
  return error instanceof ServerError && codes.includes(error.code)
}

function likenessOf(original: StoredLeaf | undefined, sent: Uint8Array): Likeness {
  if (original === undefined || original.kind === "tombstone") return "unknown"
  return saysTheSame(original.bytes, sent) ? "same" : "other"
}

function outcomeOfRepeat(eventId: string, placement: Placement, likeness: Likeness): Outcome {
  if (likeness === "unknown") return { kind: "unchecked", eventId, placement }
  if (likeness === "same") return { kind: "repeated", eventId, placement }
  const { leafIndex } = placement
  const message = `leaf ${leafIndex} holds an event with this event_id and other content`
  return { kind: "refused", refusal: { code: "SERVER_CONFLICT", message, leaf_index: leafIndex } }
}

/**
 * Returns the evidence file of the events that were logged now or before, once their head is published;
 * `"null"` if that takes too long, or there are none.
 */
async function evidenceFor(log: ServedLog, outcomes: readonly Outcome[]): Promise<string> {
  const leaves = new Set<number>()
  for (const outcome of outcomes) {
    if (outcome.kind === "logged" || outcome.kind === "repeated") leaves.add(outcome.placement.leafIndex)
  }
  if (leaves.size === 0) return "null"
  const leafIndices = [...leaves].sort((a, b) => a - b)
  try {
    const head = await log.ledger.published((leafIndices.at(-1) as number) + 1, log.receiptWaitMs)
    // Those who wrote the events are shown all of them.
    return head === undefined ? "null" : await evidenceOf(log, head, leafIndices, () => NOTHING_WITHHELD)
  } catch (error) {
    // The events are durable, whatever comes after: to say no now would be a lie.
    log.report(error)
    return "null"
  }
}

function answerOne(outcome: Outcome, evidence: string | undefined): Answer {
  if (outcome.kind === "refused") return problemOf(outcome.refusal)
  return withEvidence(outcome.kind === "logged" ? 201 : 200, resultText(outcome), evidence)
}

function answerMany(outcomes: readonly Outcome[], evidence: string | undefined): Answer {
  return withEvidence(200, `{"results":[${outcomes.map(resultText).join(",")}]}`, evidence)
}

/** @param text - a JSON object with at least one member */
function withEvidence(status: number, text: string, evidence: string | undefined): Answer {
  if (evidence === undefined) return { status, headers: HEADERS, body: text }
  return { status, headers: HEADERS, body: `${text.slice(0, -1)},"evidence":${evidence.trimEnd()}}` }
}

/** Written by hand: an event_id needs no escaping, and this is every answer of the busiest path. */
function resultText(outcome: Outcome): string {
  if (outcome.kind === "refused") return JSON.stringify(outcome.refusal)
  const { eventId, placement, kind } = outcome
  const place = `{"event_id":"${eventId}","leaf_index":${placement.leafIndex},"received_at":"${timeText(placement.timeMs)}"`
  switch (kind) {
    case "logged":
      return `${place}}`
    case "repeated":
      return `${place},"duplicate":true}`
    case "unchecked":
      return `${place},"duplicate":true,"unchecked":true}`
  }
}

function waitsForReceipt(query: string): boolean {
  if (query === "") return false
  const wait = new URLSearchParams(query).get("wait")
  if (wait !== null && wait !== "receipt") throw malformed("wait", "can only be receipt")
  return wait !== null
}

function tooManyToWaitFor(): ServerError {
  return new ServerError(
    "SERVER_TOO_MANY_EVENTS",
    `evidence is given for at most ${MAX_EVIDENCE} events of one request`,
  )
}
