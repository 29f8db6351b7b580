/**
 * What a public notice names, found again where whoever announced it has kept it: with all of its items it can be shown
 * of one leaf that it is among them.
 *
 *     notice of kind 1 or 2     DIR/retention/notices/ ─► the cases that were announced together ─► their items
 *     notice of kind 3          DIR/retention/lost/<leaf of the notice>.json, which a restore wrote
 *
 * What is found is believed only if it makes the notice's root.
 *
 * Effects: reads one file.
 */

import { join } from "node:path"
import { NOTICE_KINDS, type NoticeEntry } from "@prooflog/event/entry"
import { encodeHex } from "@prooflog/tlog/base64"
import { equalBytes } from "@prooflog/tlog/hash"
import { type NoticeItem, NoticeTree } from "@prooflog/verifier/notice"
import { readText } from "../durable-file.js"
import { type CaseItem, type EraseCase, itemsOf } from "./case-file.js"
import { stateOf } from "./case-folder.js"
import type { CaseStore } from "./cases.js"

const LOST_FORMAT = "prooflog-lost/1"

/** Where items are kept. */
export interface KeptItems {
  readonly cases: Pick<CaseStore, "get" | "notices">
  /** The log's folder. */
  readonly dir: string
}

/**
 * Returns the items of a notice; `undefined` if they are not kept here, or not all of them.
 *
 * @param leafIndex - of the notice
 * @throws ServerError `SERVER_MALFORMED_FOLDER` if a file is damaged
 */
export async function noticeTree(
  { cases, dir }: KeptItems,
  leafIndex: number,
  { kind, root }: Pick<NoticeEntry, "kind" | "root">,
): Promise<NoticeTree | undefined> {
  const items = kind === NOTICE_KINDS.lost ? await lostItems(dir, leafIndex) : erasedItems(cases, root)
  if (items.length === 0) return undefined
  const tree = new NoticeTree(items)
  return equalBytes(tree.root, root) ? tree : undefined
}

function erasedItems(cases: KeptItems["cases"], root: Uint8Array): readonly NoticeItem[] {
  const said = encodeHex(root)
  const ids = cases.notices().find((each) => each.root === said)?.cases ?? []
  const together = ids.map((id) => cases.get(id)).filter((one): one is EraseCase => one !== undefined)
  return itemsOf(together)
}

interface LostFile {
  /** Ascending. */
  readonly items: readonly CaseItem[]
}

async function lostItems(dir: string, leafIndex: number): Promise<readonly NoticeItem[]> {
  const text = await readText(join(dir, "retention", "lost", `${leafIndex}.json`))
  if (text === undefined) return []
  const { items } = stateOf<LostFile>(
    text,
    LOST_FORMAT,
    ({ items }) => Array.isArray(items) && areItems(items),
  )
  return items.map(([leaf, salt]) => ({ leafIndex: leaf, salt: new Uint8Array(Buffer.from(salt, "hex")) }))
}

/** Whether these are items, ascending. */
function areItems(items: readonly unknown[]): items is readonly CaseItem[] {
  let before = -1
  return items.every((item) => {
    if (!Array.isArray(item)) return false
    const [leafIndex, salt] = item
    const isNext = Number.isSafeInteger(leafIndex) && leafIndex > before && SALT.test(String(salt))
    before = leafIndex
    return isNext
  })
}

/** 16 bytes. */
const SALT = /^[0-9a-f]{32}$/
