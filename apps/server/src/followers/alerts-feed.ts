/**
 * Checked pages for the alerts child, which are checked once where that is possible.
 *
 *     the rows' pages ──┬─► query child
 *                       └─► alerts child      it rides along while it is where those pages are
 *     own pages ──────────► alerts child      else it is fed alone: behind, too slow, or the rows are made anew
 *
 * Pages may overlap: the child passes over leaves that it has seen. It is given no page that leaves one out.
 */

import type { LeafPage } from "@prooflog/query/store"
import { type FollowCursor, parseFollowCursor } from "@prooflog/verifier/follow"

export interface AlertsFeedOptions {
  /** Feeds from a cursor until the signal ends it; rejects if it cannot. */
  readonly alone: (
    from: FollowCursor | undefined,
    append: (page: LeafPage) => Promise<void>,
    signal: AbortSignal,
  ) => Promise<void>
  /** Is told why it is fed no further, once; `begin` and `goOn` end that. */
  readonly onFailure: (error: unknown) => void
}

/** Pages that the child may have before it, so that those who ride along need not wait for it. */
const MOST_WAITING = 8

export class AlertsFeed {
  readonly #options: AlertsFeedOptions
  #append: ((page: LeafPage) => Promise<void>) | undefined
  /** First leaf that the child was not given. */
  #next = 0
  #cursor: string | undefined
  #waiting = 0
  #own: AbortController | undefined
  #failed = false

  constructor(options: AlertsFeedOptions) {
    this.#options = options
  }

  /** Leaves that the child was given. */
  get next(): number {
    return this.#next
  }

  /**
   * A child is ready.
   *
   * @param cursor - of what it has kept; `undefined` before the first leaf
   * @param append - gives it a page; resolves when it has taken it
   */
  begin(cursor: string | undefined, append: (page: LeafPage) => Promise<void>): void {
    this.end()
    this.#append = append
    this.#cursor = cursor
    this.#next = cursor === undefined ? 0 : parseFollowCursor(cursor).nextLeaf
    this.#waiting = 0
    this.#failed = false
    this.#goAlone()
  }

  /** There is no child. */
  end(): void {
    this.#own?.abort()
    this.#own = undefined
    this.#append = undefined
  }

  /** Shows it a page that others are given. */
  offer(page: LeafPage): void {
    const end = page.firstLeaf + page.count
    if (this.#append === undefined || end < this.#next) return
    if (page.firstLeaf > this.#next || this.#waiting >= MOST_WAITING) {
      this.#goAlone()
      return
    }
    this.#own?.abort()
    this.#own = undefined
    this.#failed = false
    if (end > this.#next) void this.#give(page, this.#append)
  }

  /** Nobody is given pages to ride along with, for now. */
  offersEnd(): void {
    this.#goAlone()
  }

  /** Has records read again that were read and not given yet: meanwhile some were destroyed. */
  readAgain(): void {
    if (this.#own === undefined) return
    this.#own.abort()
    this.#own = undefined
    this.#goAlone()
  }

  /** What made it fail may be over. */
  goOn(): void {
    this.#failed = false
    this.#goAlone()
  }

  #goAlone(): void {
    const append = this.#append
    if (append === undefined || this.#own !== undefined || this.#failed) return
    const own = new AbortController()
    this.#own = own
    const from = this.#cursor === undefined ? undefined : parseFollowCursor(this.#cursor)
    const give = async (page: LeafPage) => {
      if (!own.signal.aborted) await this.#give(page, append)
    }
    this.#options.alone(from, give, own.signal).catch((error: unknown) => {
      if (own.signal.aborted) return
      this.#own = undefined
      this.#failed = true
      this.#options.onFailure(error)
    })
  }

  async #give(page: LeafPage, append: (page: LeafPage) => Promise<void>): Promise<void> {
    this.#next = page.firstLeaf + page.count
    this.#cursor = page.cursor
    this.#waiting++
    try {
      await append(page)
    } catch (error) {
      // Of a child that died, or is about to: the next one says where it is.
      if (this.#append !== append) return
      this.end()
      this.#options.onFailure(error)
    } finally {
      if (this.#append === append) this.#waiting--
    }
  }
}
