/**
 * Published heads that evidence was made at lately: so that what is asked for in several requests makes one file,
 * under one checkpoint.
 */

import type { Head } from "@prooflog/ledger"
import { ServerError } from "./error.js"
import { Lru } from "./lru.js"

/** A thousand requests for one file take some seconds; a head is published once a second. */
const MAX_HEADS = 64

export class RecentHeads {
  /** Each counts one. */
  readonly #heads = new Lru<Head>(MAX_HEADS)
  readonly #published: () => Head

  constructor(published: () => Head) {
    this.#published = published
  }

  /**
   * Returns the published head, or that of a tree size that was used lately.
   *
   * @throws {@link ServerError} `SERVER_NOT_PUBLISHED` for any other tree size
   */
  at(treeSize: number | undefined): Head {
    const published = this.#published()
    const head =
      treeSize === undefined || treeSize === published.treeSize
        ? published
        : this.#heads.get(String(treeSize))
    if (head === undefined) {
      const message = `no head of tree size ${treeSize} was used for evidence lately; leave tree_size out`
      throw new ServerError("SERVER_NOT_PUBLISHED", message, { parameter: "tree_size" })
    }
    this.#heads.set(String(head.treeSize), head, 1)
    return head
  }
}
