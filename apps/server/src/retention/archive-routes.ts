/**
 * The archive by HTTP, for admins: how it stands, and what is done with it by hand.
 *
 *     GET v1/archive                                                   200 {"segments":14,"records":1204882,…}
 *     POST v1/archive/run                                              202 {"id":"job_…","kind":"run","state":"running",…}
 *     POST v1/archive/verify                                           202
 *     POST v1/archive/restore {"from_leaf":0,"to_leaf":5000}           202
 *     POST v1/archive/restore {"class":"routine","from":"2023-10-01","to":"2023-11-01"}
 *
 * What was begun is found in `job` of GET v1/archive, with how far it is, until another one is begun or the server ends.
 */

import { parseTimestamp } from "@prooflog/event/timestamp"
import { type Answer, jsonAnswer } from "../answer.js"
import { withBody } from "../body.js"
import type {
  ArchiveNumbers,
  ClassNumbers,
  RestoreAsked,
  VerifiedSegments,
} from "../followers/archive-calls.js"
import type { Call } from "../gate.js"
import { logOwn, type OwnAction } from "../own-events.js"
import { membersOf, refused } from "../request-members.js"
import { INDEX_SCHEMA, type Route } from "../route.js"
import { readJson } from "../sent-events.js"
import type { ServedLog } from "../served-log.js"
import { MAX_QUESTION_BYTES } from "../sql-routes.js"
import { timeText } from "../time-text.js"
import { ARCHIVE } from "./archive-ports.js"
import type { ArchiveJob, Archiving, JobResult } from "./archiving.js"
import { type LastRun, troubleOf } from "./daily-file.js"

export function archiveRoutes(log: ServedLog, archiving: Archiving): readonly Route[] {
  /** Logs that something was asked for, and begins it. */
  async function begin(
    call: Call,
    action: OwnAction,
    said: Readonly<Record<string, string | number>>,
    start: () => ArchiveJob,
  ): Promise<Answer> {
    const doing = { action, resource: ARCHIVE, said } as const
    try {
      archiving.requireIdle()
    } catch (error) {
      await logOwn(log, call, doing, error)
      throw error
    }
    await logOwn(log, call, doing)
    return jsonAnswer(202, JSON.stringify(sayJob(start())))
  }

  return [
    {
      method: "GET",
      path: "v1/archive",
      access: ["admin"],
      summary: "What lies in the archive, how the last daily run ended, and what is done now",
      answers: { 200: { description: "The archive", mediaType: "application/json", schema: ARCHIVE_ANSWER } },
      async handle() {
        const numbers = await log.archive.numbers()
        return jsonAnswer(200, JSON.stringify(sayArchive(log, archiving, numbers)))
      },
    },
    {
      method: "POST",
      path: "v1/archive/run",
      access: ["admin"],
      summary: "Begin the daily run now: erase, archive, destroy what is due, verify a part of the archive",
      answers: { 202: JOB_BEGUN },
      handle: (call) => begin(call, "log.archive.run", {}, archiving.run),
    },
    {
      method: "POST",
      path: "v1/archive/verify",
      access: ["admin"],
      summary: "Begin to hold every segment of the archive against the log, row by row",
      answers: { 202: JOB_BEGUN },
      handle: (call) => begin(call, "log.archive.verify", {}, archiving.verify),
    },
    {
      method: "POST",
      path: "v1/archive/restore",
      access: ["admin"],
      summary: "Begin to make archived records hot again: of a range of leaves, or of a class and a time",
      requestBody: RESTORE_BODY,
      answers: { 202: JOB_BEGUN },
      async handle(call) {
        const { asked, said } = await withBody(
          call,
          log.budget,
          (bytes) => rangeIn(readJson(bytes, call.req.headers["content-type"]), log.schedule.promises),
          MAX_QUESTION_BYTES,
        )
        return begin(call, "log.archive.restore", said, () => archiving.restore(asked))
      },
    },
  ]
}

interface AskedRange {
  readonly asked: RestoreAsked
  /** As it was asked for. */
  readonly said: Readonly<Record<string, string | number>>
}

/**
 * @param body - suspect
 * @throws ServerError `SERVER_REFUSED_REQUEST`
 */
function rangeIn(body: unknown, promises: ServedLog["schedule"]["promises"]): AskedRange {
  const members = membersOf(body, ["from_leaf", "to_leaf", "class", "from", "to"])
  const { from_leaf, to_leaf, class: className, from, to } = members
  if (className === undefined && from === undefined && to === undefined) {
    if (!isLeaf(from_leaf)) throw refused("from_leaf", "must be an integer of 0 … 2^53-1")
    if (!isLeaf(to_leaf)) throw refused("to_leaf", "must be an integer of 0 … 2^53-1")
    if (to_leaf <= from_leaf) throw refused("to_leaf", "must be greater than from_leaf")
    return { asked: { from: from_leaf, to: to_leaf }, said: { from_leaf, to_leaf } }
  }
  for (const leaf of ["from_leaf", "to_leaf"] as const) {
    if (members[leaf] !== undefined) throw refused(leaf, "cannot be given beside class, from and to")
  }
  const isKnown = (name: string) => promises.some(([, { classes }]) => Object.hasOwn(classes, name))
  if (typeof className !== "string" || !isKnown(className))
    throw refused("class", "must be a class of this log")
  const [fromMs, toMs] = [timeIn("from", from), timeIn("to", to)]
  if (toMs <= fromMs) throw refused("to", "must be later than from")
  const said = { class: className, from: String(from), to: String(to) }
  return { asked: { className, fromMs, toMs }, said }
}

function isLeaf(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** Returns the first whole millisecond that is not before a date, or a time with a zone. */
function timeIn(member: string, value: unknown): number {
  const text = typeof value === "string" && /^\d{4}-\d{2}-\d{2}$/.test(value) ? `${value}T00:00:00Z` : value
  const micros = typeof text === "string" ? parseTimestamp(text) : undefined
  if (micros !== undefined && Number.isSafeInteger(micros)) return Math.ceil(micros / 1_000)
  throw refused(member, "must be a date or an RFC 3339 time with a zone, as 2023-10-21T15:32:00Z")
}

function sayArchive({ archive }: ServedLog, { daily, job }: Archiving, numbers: ArchiveNumbers): object {
  const { segments, records, bytes, classes, owed } = numbers
  const { expiring, nextExpiryMs, ...rest } = owed
  const { last } = daily
  const trouble = troubleOf(daily)
  return {
    store: archive.store,
    place: archive.place,
    ...{ segments, records, bytes },
    by_class: Object.fromEntries(Object.entries(classes).map(([name, each]) => [name, sayClass(each)])),
    owed: rest,
    expiring: {
      records: expiring,
      ...(nextExpiryMs !== undefined && { next: timeText(nextExpiryMs) }),
    },
    faults: sayFaults(daily),
    ...(last && {
      last_run: { at: timeText(last.endedMs), ...sayRun(last), ...(trouble && { error: trouble }) },
    }),
    ...(job && { job: sayJob(job) }),
  }
}

function sayClass(each: ClassNumbers): object {
  const { segments, records, bytes, firstLeaf, lastLeaf, firstTimeMs, lastTimeMs } = each
  return {
    ...{ segments, records, bytes },
    ...(firstLeaf !== undefined && { first_leaf: firstLeaf }),
    ...(lastLeaf !== undefined && { last_leaf: lastLeaf }),
    ...(firstTimeMs !== undefined && { first_time: timeText(firstTimeMs) }),
    ...(lastTimeMs !== undefined && { last_time: timeText(lastTimeMs) }),
    archived_before_leaf: each.archivedBeforeLeaf,
    destroyed_before_leaf: each.destroyedBeforeLeaf,
    held_back: each.heldBack,
  }
}

function sayRun({ archived, withdrawn, heldBack }: LastRun): object {
  return { archived, withdrawn, held_back: heldBack }
}

function sayFaults({ faults }: Pick<VerifiedSegments, "faults">): readonly object[] {
  return faults.map(({ key, code, message, leafIndex }) => ({
    ...{ key, code, message },
    ...(leafIndex !== undefined && { leaf_index: leafIndex }),
  }))
}

/** A job in the words of the wire. */
function sayJob({ id, kind, state, progress, result, error }: ArchiveJob): object {
  const { step, className, key, done, of } = progress
  return {
    ...{ id, kind, state, step },
    ...(className !== undefined && { class: className }),
    ...(key !== undefined && { key }),
    done,
    ...(of !== undefined && { of }),
    ...(result && { result: sayResult(result) }),
    ...(error && { error }),
  }
}

function sayResult(result: JobResult): object {
  if ("restored" in result) return { ...result.restored }
  const verified = result.verified && {
    segments: result.verified.segments,
    records: result.verified.rows,
    faults: sayFaults(result.verified),
  }
  if (!("run" in result)) return { ...verified }
  return { ...sayRun(result.run), failed: result.run.failed, ...(verified && { verified }) }
}

const COUNT = { type: "integer", minimum: 0 }
const TIME = { type: "string", format: "date-time" }
const FAILURE = { type: "object", properties: { code: { type: "string" }, message: { type: "string" } } }

const JOB_ANSWER = {
  type: "object",
  required: ["id", "kind", "state", "step", "done"],
  properties: {
    id: { type: "string" },
    kind: { enum: ["run", "verify", "restore"] },
    state: { enum: ["running", "done", "failed"] },
    step: { type: "string", description: "What it is at, or was last" },
    class: { type: "string" },
    key: { type: "string", description: "Of the segment it is at" },
    done: COUNT,
    of: COUNT,
    result: { type: "object", description: "What came of it" },
    error: { ...FAILURE, description: "Why it failed" },
  },
}

const JOB_BEGUN = { description: "The job, begun", mediaType: "application/json", schema: JOB_ANSWER }

const ARCHIVE_ANSWER = {
  type: "object",
  required: ["store", "place", "segments", "records", "bytes", "by_class", "owed", "expiring", "faults"],
  properties: {
    store: { enum: ["directory", "s3"] },
    place: { type: "string" },
    segments: COUNT,
    records: { ...COUNT, description: "Rows of segments; some may have been made hot again since" },
    bytes: COUNT,
    by_class: {
      type: "object",
      additionalProperties: {
        type: "object",
        properties: {
          segments: COUNT,
          records: COUNT,
          bytes: COUNT,
          first_leaf: INDEX_SCHEMA,
          last_leaf: INDEX_SCHEMA,
          first_time: TIME,
          last_time: TIME,
          archived_before_leaf: INDEX_SCHEMA,
          destroyed_before_leaf: INDEX_SCHEMA,
          held_back: { ...COUNT, description: "Records that are due, and that a hold is on" },
        },
      },
    },
    owed: {
      type: "object",
      description: "What an earlier run left to the next one; 0 or false of what it did not",
    },
    expiring: {
      type: "object",
      description: "Records that are gone, and may still be in backups",
      properties: { records: COUNT, next: TIME },
    },
    faults: { type: "array", description: "Segments that were found damaged, or could not be read" },
    last_run: {
      type: "object",
      properties: { at: TIME, archived: COUNT, withdrawn: COUNT, held_back: COUNT, error: FAILURE },
    },
    job: JOB_ANSWER,
  },
}

const RESTORE_BODY = {
  required: true,
  description: "Which records: from_leaf and to_leaf, or class, from and to.",
  content: {
    "application/json": {
      schema: {
        type: "object",
        additionalProperties: false,
        properties: {
          from_leaf: INDEX_SCHEMA,
          to_leaf: { ...INDEX_SCHEMA, description: "The leaf behind the last" },
          class: { type: "string" },
          from: { type: "string", description: "A date, or an RFC 3339 time: when the first was received" },
          to: { type: "string", description: "What was received then is not restored any more" },
        },
      },
    },
  },
}
