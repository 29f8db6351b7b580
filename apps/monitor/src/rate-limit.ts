/**
 * How often each address may ask.
 *
 *     tokens   refilled evenly up to a burst; a request takes one
 *     flood    who goes on asking without any is dropped for a while
 *
 * Addresses are forgotten, the longest unseen first, when there are too many of them: a flood from everywhere costs
 * bounded memory.
 *
 * Pure: times are given.
 */

export interface RateLimitOptions {
  /** Requests at once. */
  readonly burst: number
  readonly perSecond: number
  /** Requests without a token before an address is dropped, and for how long. */
  readonly floodAfter: number
  readonly dropMs: number
}

export type Admission = "admitted" | "limited" | "dropped"

const MAX_ADDRESSES = 10_000

interface Bucket {
  tokens: number
  atMs: number
  refused: number
  droppedUntilMs: number
}

export class RateLimit {
  readonly #options: RateLimitOptions
  readonly #buckets = new Map<string, Bucket>()
  /** Addresses that were dropped, ever. */
  drops = 0

  constructor(options: RateLimitOptions) {
    this.#options = options
  }

  admit(address: string, nowMs: number): Admission {
    const { burst, perSecond, floodAfter, dropMs } = this.#options
    const bucket = this.#buckets.get(address) ?? { tokens: burst, atMs: nowMs, refused: 0, droppedUntilMs: 0 }
    // Anew at the end: the map's order is that of the last request.
    this.#buckets.delete(address)
    this.#buckets.set(address, bucket)
    this.#forget()
    const passedMs = Math.max(0, nowMs - bucket.atMs)
    bucket.tokens = Math.min(burst, bucket.tokens + (passedMs / 1000) * perSecond)
    bucket.atMs = nowMs
    if (nowMs < bucket.droppedUntilMs) return "dropped"
    if (bucket.tokens >= 1) {
      bucket.tokens--
      if (bucket.tokens > burst / 2) bucket.refused = 0
      return "admitted"
    }
    bucket.refused++
    if (bucket.refused < floodAfter) return "limited"
    bucket.refused = 0
    bucket.droppedUntilMs = nowMs + dropMs
    this.drops++
    return "dropped"
  }

  #forget(): void {
    for (const oldest of this.#buckets.keys()) {
      if (this.#buckets.size <= MAX_ADDRESSES) return
      this.#buckets.delete(oldest)
    }
  }
}
