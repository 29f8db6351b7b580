/**
 * What a monitor keeps of one log, in one file: enough to go on where it was.
 *
 *     <folder>/logs/<hex sha256(origin)>.json
 *
 *     audited    the end of the last audit: head, time of the last leaf, schedule in force, counts
 *     latest     the newest head that extends it, perhaps not audited yet
 *     heads      seen elsewhere and here; open ones with who showed them
 *     accused    witnesses that cosigned both sides of a fork
 *     findings
 *
 * Not kept: the commitments that were seen. A file of them would be 32 bytes a leaf that have to be believed; reading
 * the log again after a start costs 3 µs a leaf, and finds besides whether what was right once is still served.
 * Until that is done repeats are looked for among the new leaves only.
 *
 * What is read back is checked: heads by their signatures, the rest by its form. Crash on any line: the file is the
 * old one or the new one.
 */

import { basename, dirname } from "node:path"
import { EventError } from "@prooflog/event/error"
import { parseStrictJson } from "@prooflog/event/json"
import type { OpenedCheckpoint, Policy } from "@prooflog/tlog/policy"
import { formatFollowCursor, parseFollowCursor } from "@prooflog/verifier/follow"
import type { AuditedHead, EntryCounts } from "@prooflog/verifier/verify-log"
import { readIfThere, removeDrafts, writeDurably } from "./durable-file.js"
import { MonitorError } from "./error.js"
import { type Finding, isFindingKind } from "./finding.js"
import type { AccusedWitness } from "./forks.js"
import { openShownHead } from "./head.js"
import { HeadStore } from "./head-store.js"

const FORMAT = "prooflog-monitor-log/1"

export interface Audited {
  readonly end: AuditedHead
  /** Of all leaves up to there. */
  readonly counts: EntryCounts
}

export interface LogState {
  readonly audited: Audited | undefined
  readonly latest: OpenedCheckpoint | undefined
  readonly heads: HeadStore
  readonly accused: readonly AccusedWitness[]
  /** When leaves beyond `audited` were last not shown. */
  readonly unseenSinceMs: number | undefined
  /** When the whole log was last read; 0 for never. */
  readonly rereadMs: number
  readonly findings: readonly Finding[]
}

export const NO_COUNTS: EntryCounts = { events: 0, schedules: 0, notices: 0, indexes: 0, unknown: 0 }

/**
 * Reads the state of a log; a new one if there is no file.
 *
 * @throws {@link MonitorError} `MONITOR_BAD_STATE` if the file is damaged, or of another log or key
 */
export async function readState(path: string, origin: string, policy: Policy): Promise<LogState> {
  await removeDrafts(dirname(path), `${basename(path)}.`)
  const text = await readIfThere(path)
  if (text === undefined) {
    return {
      audited: undefined,
      latest: undefined,
      heads: new HeadStore(),
      accused: [],
      unseenSinceMs: undefined,
      rereadMs: 0,
      findings: [],
    }
  }
  try {
    return parseState(text, origin, policy)
  } catch (cause) {
    if (!(cause instanceof RangeError || cause instanceof EventError)) throw cause
    const message = `${path} is not the state of ${JSON.stringify(origin)} under this policy: ${cause.message}`
    throw new MonitorError("MONITOR_BAD_STATE", message, { cause })
  }
}

export async function writeState(path: string, origin: string, state: LogState): Promise<void> {
  await writeDurably(path, formatState(origin, state))
}

export function formatState(origin: string, state: LogState): string {
  const { audited, latest, heads, accused, unseenSinceMs, rereadMs, findings } = state
  const members = {
    format: FORMAT,
    origin,
    audited: audited && formatAudited(audited),
    latest: latest?.note,
    unseen_since_ms: unseenSinceMs,
    reread_ms: rereadMs,
    heads: heads.checked.map(({ note }) => note),
    open_heads: heads.open.map(({ head, by, from, sinceMs }) => {
      return { note: head.note, by, from, since_ms: sinceMs }
    }),
    condemned_heads: heads.condemned.map(({ note }) => note),
    accused_witnesses: accused,
    findings: findings.map(({ sinceMs, seenMs, isTold, ...rest }) => {
      return { ...rest, since_ms: sinceMs, seen_ms: seenMs, is_told: isTold }
    }),
  }
  return `${JSON.stringify(members, null, 1)}\n`
}

function formatAudited({ end, counts }: Audited): object {
  const { checkpoint, lastTimeMs, schedule } = end
  const nextLeaf = checkpoint.checkpoint.treeSize
  const cursor = formatFollowCursor({ nextLeaf, checkpoint: checkpoint.note, lastTimeMs, schedule })
  return { cursor, counts }
}

/** @throws RangeError, EventError */
export function parseState(text: string, origin: string, policy: Policy): LogState {
  const state = mapOf(parseStrictJson(text, { maxDepth: 6 }))
  if (state.format !== FORMAT) throw new RangeError("it has another format")
  if (state.origin !== origin) throw new RangeError("it is of another origin")
  const open = (note: unknown) => {
    const head = typeof note === "string" ? openShownHead(note, policy) : undefined
    if (head === undefined) throw new RangeError("a head in it is not signed by the log")
    return head
  }
  const heads = new HeadStore()
  for (const note of listOf(state.heads)) heads.addChecked(open(note))
  for (const note of listOf(state.condemned_heads)) heads.condemn(open(note))
  for (const each of listOf(state.open_heads).map(mapOf)) {
    const by = textOf(each.by)
    const from = each.from === undefined ? by : textOf(each.from)
    heads.addOpen({ head: open(each.note), by, from, sinceMs: timeOf(each.since_ms) })
  }
  return {
    audited: state.audited === undefined ? undefined : readAudited(mapOf(state.audited), open),
    latest: state.latest === undefined ? undefined : open(state.latest),
    heads,
    accused: listOf(state.accused_witnesses ?? []).map((each) => readAccused(mapOf(each))),
    unseenSinceMs: state.unseen_since_ms === undefined ? undefined : timeOf(state.unseen_since_ms),
    rereadMs: timeOf(state.reread_ms),
    findings: listOf(state.findings).map((each) => readFinding(mapOf(each))),
  }
}

function readAccused({ witness, head }: Record<string, unknown>): AccusedWitness {
  return { witness: textOf(witness), head: textOf(head) }
}

function readAudited(
  { cursor, counts }: Record<string, unknown>,
  open: (note: unknown) => OpenedCheckpoint,
): Audited {
  const { nextLeaf, checkpoint: note, lastTimeMs, schedule } = parseFollowCursor(textOf(cursor))
  const checkpoint = open(note)
  if (checkpoint.checkpoint.treeSize !== nextLeaf) throw new RangeError("the audit did not end at its head")
  const { events, schedules, notices, indexes, unknown } = mapOf(counts)
  return {
    end: { checkpoint, lastTimeMs, schedule, commitmentsFrom: nextLeaf },
    counts: {
      events: timeOf(events),
      schedules: timeOf(schedules),
      notices: timeOf(notices),
      indexes: timeOf(indexes),
      unknown: timeOf(unknown),
    },
  }
}

const ACTIVITIES: readonly Finding["by"][] = [
  "head",
  "freshness",
  "growth",
  "audit",
  "clock",
  "re-read",
  "gossip",
  "crowd",
]

function readFinding(members: Record<string, unknown>): Finding {
  const kind = textOf(members.kind)
  const by = ACTIVITIES.find((each) => each === members.by)
  if (!isFindingKind(kind) || by === undefined) throw new RangeError("a finding in it is of no known kind")
  const [one, other] = members.heads === undefined ? [] : listOf(members.heads).map(textOf)
  return {
    kind,
    by,
    message: textOf(members.message),
    sinceMs: timeOf(members.since_ms),
    seenMs: timeOf(members.seen_ms),
    isTold: members.is_told === true,
    ...(one !== undefined && other !== undefined && { heads: [one, other] as const }),
    ...(members.accusation !== undefined && { accusation: textOf(members.accusation) }),
  }
}

function mapOf(value: unknown): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>
  throw new RangeError("something in it is no object")
}

function listOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value
  throw new RangeError("something in it is no list")
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value
  throw new RangeError("something in it is no text")
}

function timeOf(value: unknown): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value
  throw new RangeError("something in it is no number")
}
