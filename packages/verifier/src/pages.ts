/**
 * The pages in which a follower reads a log.
 *
 *     leaf   0 ……… 700 │ 701 … 767 │ 768 … 4863 │ 4864 … 8959 │ …
 *            read before  to a bundle's end, then whole bundles
 *
 * Few leaves at first: records may have 350 bytes or 65,535, and 4,096 of the larger are 268 MB, several times
 * over. Then as many as fill a page of the usual size.
 *
 * Pure.
 */

import { TILE_WIDTH } from "@prooflog/tlog/tile"
import { MAX_RECORDS } from "./checked-records.js"

/** Bytes of entries and records that a page should not have more of, if it can be helped. */
const USUAL_BYTES = 4 * 1024 * 1024

export interface Page {
  /** First leaf. */
  readonly start: number
  /** After the last leaf: at most 4,096 of them. */
  readonly end: number
}

export class Pages {
  #bundles = 1

  /** Told of each page that was read: `leaves` had so many bytes. */
  saw(leaves: number, bytes: number): void {
    const fitting = Math.floor((USUAL_BYTES * leaves) / Math.max(bytes, 1) / TILE_WIDTH)
    this.#bundles = Math.max(1, Math.min(fitting, MAX_RECORDS / TILE_WIDTH))
  }

  /** The pages of `[start, end)`, each as large as seems right when it is asked for. */
  *of(start: number, end: number): Generator<Page, void, undefined> {
    for (let at = start; at < end; ) {
      const pageEnd = Math.min(end, (Math.floor(at / TILE_WIDTH) + this.#bundles) * TILE_WIDTH)
      yield { start: at, end: pageEnd }
      at = pageEnd
    }
  }
}
