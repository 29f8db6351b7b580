/**
 * Checked pages of the log, handed to the query child as fast as it takes them.
 *
 *     follow ─► page ─► page ─► page        three are on their way, the fourth is not read before the first is taken
 *                 └──────┴──────┴─► append
 */

import type { LeafPage } from "@prooflog/query/store"
import type { Policy } from "@prooflog/tlog/policy"
import {
  type CheckedLeaves,
  type FollowCursor,
  follow,
  formatFollowCursor,
  type RecordSource,
} from "@prooflog/verifier/follow"
import type { LogSource } from "@prooflog/verifier/source"

export interface FeedOptions {
  readonly source: LogSource & RecordSource
  readonly policy: Policy
  /** Where the rows end; before the first leaf unless given. */
  readonly from: FollowCursor | undefined
  readonly pollMs: number
  /** Resolves when the page is taken. */
  readonly append: (page: LeafPage) => Promise<void>
  readonly onHead: (treeSize: number) => void
  readonly signal: AbortSignal
}

/** The query child did not take a page: the log is not to blame. */
export class NotTaken extends Error {
  override readonly name = "NotTaken"
}

const PAGES_ON_THEIR_WAY = 3

/**
 * Feeds until `signal` ends it, which is the only way in which it returns.
 *
 * @throws NotTaken if a page is not taken; what `follow` throws
 */
export async function feed({
  source,
  policy,
  from,
  pollMs,
  append,
  onHead,
  signal,
}: FeedOptions): Promise<void> {
  const failed = new AbortController()
  const ended = AbortSignal.any([signal, failed.signal])
  const begin = from === undefined ? {} : { from }
  const onTheirWay: Promise<void>[] = []
  let headSize = 0
  const seen = (treeSize: number) => {
    headSize = treeSize
    onHead(treeSize)
  }
  for await (const page of follow(source, policy, { ...begin, pollMs, onHead: seen, signal: ended })) {
    const taken = append(pageOf(page, headSize))
    // Whenever it fails, and not only when its turn has come to be waited for.
    taken.catch((cause) => failed.abort(new NotTaken("a page was not taken", { cause })))
    onTheirWay.push(taken)
    if (onTheirWay.length >= PAGES_ON_THEIR_WAY) await onTheirWay.shift()?.catch(() => {})
  }
  if (failed.signal.aborted && !signal.aborted) throw failed.signal.reason
}

function pageOf({ firstLeaf, count, entries, records, cursor }: CheckedLeaves, headSize: number): LeafPage {
  const more = cursor.nextLeaf < headSize
  return { firstLeaf, count, entries, records, cursor: formatFollowCursor(cursor), more }
}
