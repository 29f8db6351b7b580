/**
 * Follows a log: every leaf once, in order, checked, with its record; from where it ended last time.
 *
 *     head ──grown?──► tiles ──► entries ──the rules──► records ──► page, with the cursor after it
 *      ▲                                                              │
 *      └────────────── poll ◄── level with the head ◄─────────────────┘
 *
 * Whoever commits what it makes of a page together with the page's cursor repeats nothing and skips nothing,
 * whenever it dies. What is wrong stops it: a follower may lag; it never skips, repeats or invents.
 *
 * Not looked for: a commitment that occurs twice. That takes memory for each leaf; audits do it.
 *
 * Spec: c2sp.org/tlog-tiles; docs/spec, "Entry" and "Record and commitment".
 * Effects: those of the source; a clock and timers. Gives the event loop a turn about every 5 ms.
 */

import type { OpenedCheckpoint, Policy } from "@prooflog/tlog/policy"
import { checkGrowth, openHead } from "./advance.js"
import { type CheckedLeaves, LeafReader } from "./checked-leaves.js"
import type { RecordSource } from "./checked-records.js"
import { type FollowCursor, requireCursor, START } from "./follow-cursor.js"
import { endable, type LogSource, readCheckpoint } from "./source.js"
import { pause, untilAborted } from "./until-aborted.js"

export type { CheckedLeaves } from "./checked-leaves.js"
export type { RecordRange, RecordSource } from "./checked-records.js"
export { type FollowCursor, formatFollowCursor, parseFollowCursor } from "./follow-cursor.js"

export interface FollowOptions {
  /** After the last page that was kept. Before the first leaf unless set. */
  readonly from?: FollowCursor
  /** Milliseconds from one look at the log's head to the next. 200 unless set. */
  readonly pollMs?: number
  /** Ends it at once, whatever it waits for; what is under way in the source is left to end on its own. */
  readonly signal?: AbortSignal
  /** Told of each new head, checked, before its leaves are read. */
  readonly onHead?: (treeSize: number) => void
}

/** Milliseconds between two looks at the head. */
const POLL_MS = 200

/**
 * Yields the leaves of a log as it grows, in order, each once, in pages that end with bundles.
 *
 * It never ends by itself: it returns when `signal` ends it, and throws at the first thing that is wrong, by then
 * having yielded everything before the page in which that lies.
 *
 * The log is trusted on first use as far as the policy's signatures go; from then on its heads only grow.
 *
 * @param source - suspect
 * @throws {@link VerifierError} what `advance` throws; `VERIFIER_ROOT_REFUSED`, `VERIFIER_TILE_REFUSED`,
 * `VERIFIER_BUNDLE_REFUSED` for what was not signed so; `VERIFIER_ENTRY_REFUSED`, `VERIFIER_GENESIS_REFUSED`,
 * `VERIFIER_TIME_WENT_BACK`, `VERIFIER_UNKNOWN_CLASS`, `VERIFIER_SCHEDULE_REFUSED` for what was signed and should
 * not have been; `VERIFIER_RECORD_REFUSED`, `VERIFIER_MISSING_RECORD`; `VERIFIER_MISSING`. What the source throws
 * is thrown on. `RangeError` if `from` is no cursor.
 */
export async function* follow(
  source: LogSource & RecordSource,
  policy: Policy,
  options: FollowOptions = {},
): AsyncGenerator<CheckedLeaves, void, undefined> {
  const { signal } = options
  try {
    yield* pagesOf(source, policy, options)
  } catch (error) {
    if (signal?.aborted === true && error === signal.reason) return
    throw error
  }
}

async function* pagesOf(
  given: LogSource & RecordSource,
  policy: Policy,
  { from = START, pollMs = POLL_MS, signal, onHead }: FollowOptions,
): AsyncGenerator<CheckedLeaves, void, undefined> {
  const source = signal === undefined ? given : endableWithRecords(given, signal)
  const leaves = new LeafReader(source, from, signal)
  let known = headOf(from, policy)
  /** The head whose leaves were all handed out here. */
  let level: OpenedCheckpoint | undefined
  for (;;) {
    const lookedMs = performance.now()
    const head = await newestHead(known, source, policy)
    if (head !== level) {
      onHead?.(head.checkpoint.treeSize)
      yield* leaves.upTo(head)
      known = head
      level = head
    }
    await pause(Math.max(0, lookedMs + pollMs - performance.now()), signal)
  }
}

/** The head that a cursor stands under. */
function headOf(cursor: FollowCursor, policy: Policy): OpenedCheckpoint | undefined {
  requireCursor(cursor)
  if (cursor.checkpoint === "") return undefined
  const head = openHead(cursor.checkpoint, policy)
  const { treeSize } = head.checkpoint
  if (cursor.nextLeaf <= treeSize) return head
  throw new RangeError(
    `not a follower's cursor: leaf ${cursor.nextLeaf} is beyond its head of ${treeSize} leaves`,
  )
}

/** As `advance`, but a head that has not changed is not opened again: most looks find that one. */
async function newestHead(
  known: OpenedCheckpoint | undefined,
  source: LogSource,
  policy: Policy,
): Promise<OpenedCheckpoint> {
  const note = await readCheckpoint(source)
  if (note === known?.note) return known
  const shown = openHead(note, policy)
  if (known !== undefined) await checkGrowth(known, shown, source)
  return shown
}

function endableWithRecords(source: LogSource & RecordSource, signal: AbortSignal): LogSource & RecordSource {
  const wait = untilAborted(signal)
  return { ...endable(source, signal), records: (start, end) => wait(() => source.records(start, end)) }
}
