/**
 * How often one address may ask for what costs more than it looks.
 *
 *     tokens   refilled evenly up to a burst; a request takes one
 *
 * Addresses are forgotten, the longest unseen first, when there are too many of them: a flood from everywhere costs
 * bounded memory. Behind a proxy all share its address, so a limit must leave room for many.
 *
 * Pure: times are given.
 */

export interface RateLimitOptions {
  /** Requests at once: ≥ 1. */
  readonly burst: number
  readonly perSecond: number
}

const MAX_ADDRESSES = 10_000

interface Bucket {
  tokens: number
  atMs: number
}

export class RateLimit {
  readonly #options: RateLimitOptions
  readonly #buckets = new Map<string, Bucket>()

  constructor(options: RateLimitOptions) {
    this.#options = options
  }

  /** @returns whether the request may be answered; it has taken its token then */
  admits(address: string, nowMs: number): boolean {
    const { burst, perSecond } = this.#options
    const bucket = this.#buckets.get(address) ?? { tokens: burst, atMs: nowMs }
    // Anew at the end: the map's order is that of the last request.
    this.#buckets.delete(address)
    this.#buckets.set(address, bucket)
    for (const oldest of this.#buckets.keys()) {
      if (this.#buckets.size <= MAX_ADDRESSES) break
      this.#buckets.delete(oldest)
    }
    const passedMs = Math.max(0, nowMs - bucket.atMs)
    bucket.tokens = Math.min(burst, bucket.tokens + (passedMs / 1_000) * perSecond)
    bucket.atMs = nowMs
    if (bucket.tokens < 1) return false
    bucket.tokens--
    return true
  }
}
