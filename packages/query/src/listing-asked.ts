/**
 * What listings, facets and histograms ask: a store, on behalf of someone.
 *
 * Pure: types only.
 */

import type { QueryStore } from "./store.js"

/** What answers questions. */
export type Asked = Pick<QueryStore, "run" | "through">

export interface AskOptions {
  /** Committed names that are hidden from the one who asks. */
  readonly withheld?: readonly string[]
  /** Interrupts. */
  readonly signal?: AbortSignal
}
