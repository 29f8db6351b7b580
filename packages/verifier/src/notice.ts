/**
 * What a notice names, without saying it: salted leaf indices under one root.
 *
 *            root, in the public notice         item = CBOR([leaf_index, salt])
 *           /    \                              leaf = SHA-256(00 ‖ item), node = SHA-256(01 ‖ left ‖ right)
 *         •        item 2
 *        / \                                    ascending by leaf index, none twice
 *   item 0  item 1
 *
 * The salts keep anyone from trying leaf indices against the root. Whoever is given one item and its path knows that
 * the notice names that leaf, and of the others no more than how many come before and after it.
 *
 * A path has the length that the notice's count gives it, so a notice can never be shown to name more than it counts.
 *
 * Spec: docs/spec/entry.md, "Notice"; RFC 6962, section 2.1.
 * Pure: no I/O, no clock; randomness is given.
 */

import { encodeCbor } from "@prooflog/event/cbor"
import type { NoticeEntry } from "@prooflog/event/entry"
import { HASH_SIZE, leafHash, leafHashInto, nodeHashInto } from "@prooflog/tlog/hash"
import { checkInclusion } from "@prooflog/tlog/inclusion"
import type { OpenedCheckpoint } from "@prooflog/tlog/policy"
import { refusalBy, VerifierError } from "./error.js"
import type { ShownLeaf } from "./evidence-members.js"
import { checkInTree, openEntry } from "./verify-evidence.js"

/** Bytes in the salt of an item. */
export const ITEM_SALT_SIZE = 16

/** One leaf that a notice names. Private. */
export interface NoticeItem {
  /** 0 … 2⁵³ − 1. */
  readonly leafIndex: number
  /** 16 random bytes, used for no other item. */
  readonly salt: Uint8Array
}

/** That an item is one of a notice's. */
export interface ItemProof extends NoticeItem {
  /** Which one it is, counted from 0 in the order of their leaf indices. */
  readonly position: number
  /** 32 bytes each, from the item's sibling up. */
  readonly noticePath: readonly Uint8Array[]
}

/** Bytes that a source of randomness such as `crypto.getRandomValues` gives at once. */
const MAX_FILL = 65_536

/**
 * Returns an item for each leaf, with fresh salts.
 *
 * @param leafIndices - strictly ascending, or RangeError
 * @param fill - fills its argument, of at most 65,536 bytes, with random bytes
 */
export function makeItems(
  leafIndices: readonly number[],
  fill: (bytes: Uint8Array<ArrayBuffer>) => void,
): NoticeItem[] {
  const salts = new Uint8Array(leafIndices.length * ITEM_SALT_SIZE)
  for (let at = 0; at < salts.length; at += MAX_FILL) fill(salts.subarray(at, at + MAX_FILL))
  const items = leafIndices.map((leafIndex, i) => ({
    leafIndex,
    salt: salts.slice(i * ITEM_SALT_SIZE, (i + 1) * ITEM_SALT_SIZE),
  }))
  requireAscending(items)
  return items
}

/** Returns the bytes of an item. @throws RangeError if its leaf index or its salt is none */
export function encodeItem({ leafIndex, salt }: NoticeItem): Uint8Array {
  if (!Number.isSafeInteger(leafIndex) || leafIndex < 0) {
    throw new RangeError(`leafIndex: expected an integer of 0 ... 2^53-1, got ${leafIndex}`)
  }
  if (salt.length !== ITEM_SALT_SIZE) throw new RangeError(`salt: expected 16 bytes, got ${salt.length}`)
  return encodeCbor([leafIndex, salt])
}

/** The tree over the items of one notice: 64 bytes for each of them. */
export class NoticeTree {
  readonly items: readonly NoticeItem[]
  /** Packed hashes: those of the items, then of each row above; one left over at the end of a row is carried up. */
  readonly #rows: readonly Uint8Array[]

  /** @param items - one or more, strictly ascending by leaf index, or RangeError */
  constructor(items: readonly NoticeItem[]) {
    if (items.length === 0) throw new RangeError("items: expected at least one")
    requireAscending(items)
    const hashes = new Uint8Array(items.length * HASH_SIZE)
    for (const [i, item] of items.entries()) leafHashInto(encodeItem(item), hashes, i * HASH_SIZE)
    const rows: Uint8Array[] = [hashes]
    for (let row: Uint8Array = hashes; row.length > HASH_SIZE; rows.push(row)) row = rowAbove(row)
    this.items = items
    this.#rows = rows
  }

  /** What the notice shows of them: 32 bytes. */
  get root(): Uint8Array {
    return (this.#rows.at(-1) as Uint8Array).slice()
  }

  /** Returns the proof of one item. @throws RangeError if there is none at `position` */
  prove(position: number): ItemProof {
    const item = this.items[position]
    if (item === undefined) throw new RangeError(`no item ${position} of ${this.items.length}`)
    const noticePath: Uint8Array[] = []
    let at = position
    for (const row of this.#rows) {
      const sibling = (at % 2 === 0 ? at + 1 : at - 1) * HASH_SIZE
      if (sibling < row.length) noticePath.push(row.slice(sibling, sibling + HASH_SIZE))
      at = Math.floor(at / 2)
    }
    return { ...item, position, noticePath }
  }
}

/**
 * Returns the notice that stands at a leaf.
 *
 * @param leaf - suspect
 * @throws {@link VerifierError} `VERIFIER_NOT_IN_TREE`, `VERIFIER_ENTRY_REFUSED`
 */
export function openNotice({ leafIndex, entry, path }: ShownLeaf, head: OpenedCheckpoint): NoticeEntry {
  checkInTree(leafIndex, entry, path, head)
  const opened = openEntry(leafIndex, entry)
  if (opened.type === "notice") return opened
  throw new VerifierError("VERIFIER_ENTRY_REFUSED", `leaf ${leafIndex} is not a notice`, { leafIndex })
}

/**
 * Checks that an item is one of those that a notice counts.
 *
 * @param proof - suspect, its leaf index an integer of 0 … 2⁵³ − 1, its salt of 16 bytes
 * @param notice - an entry that is in the log
 * @throws {@link VerifierError} `VERIFIER_NOT_IN_TREE`
 */
export function checkItem(
  proof: ItemProof,
  { count, root }: { readonly count: number; readonly root: Uint8Array },
): void {
  const { leafIndex, position, noticePath } = proof
  const itemHash = leafHash(encodeItem(proof))
  try {
    checkInclusion({
      leafIndex: position,
      treeSize: count,
      leafHash: itemHash,
      path: noticePath,
      rootHash: root,
    })
  } catch (cause) {
    const what = `leaf ${leafIndex} is not among those that the notice names`
    throw refusalBy(cause, "VERIFIER_NOT_IN_TREE", what, { leafIndex })
  }
}

function rowAbove(row: Uint8Array): Uint8Array {
  const count = row.length / HASH_SIZE
  const above = new Uint8Array(Math.ceil(count / 2) * HASH_SIZE)
  for (let i = 0; i + 1 < count; i += 2) {
    nodeHashInto(row, i * HASH_SIZE, row, (i + 1) * HASH_SIZE, above, (i / 2) * HASH_SIZE)
  }
  if (count % 2 === 1) above.set(row.subarray(row.length - HASH_SIZE), above.length - HASH_SIZE)
  return above
}

function requireAscending(items: readonly NoticeItem[]): void {
  let before = -1
  for (const { leafIndex } of items) {
    if (!(leafIndex > before)) throw new RangeError(`leaf indices must ascend: ${leafIndex} after ${before}`)
    before = leafIndex
  }
}
