/**
 * What a restored log says in public of the records that are lost: a notice of kind 3, its very next entry.
 *
 * The items of the notice are kept in `DIR/retention/lost/<leaf>.json`, as long as the longest schedule: with all of them it can
 * be shown of one leaf that the notice names it.
 */

import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { encodeNotice, entryTimeMs, NOTICE_KINDS, stampEntryTime } from "@prooflog/event/entry"
import { openLedger } from "@prooflog/ledger"
import { signedHeadFile } from "@prooflog/ledger/signed-head"
import { checkRecord } from "@prooflog/server/check-record"
import { openLevelStorage } from "@prooflog/storage-level"
import { decodeHex, encodeHex } from "@prooflog/tlog/base64"
import { formatBundle } from "@prooflog/tlog/bundle"
import type { SignerKey } from "@prooflog/tlog/key"
import { parsePolicy } from "@prooflog/tlog/policy"
import { type NoticeItem, NoticeTree } from "@prooflog/verifier/notice"
import { CliError } from "../error.js"

export interface LostNotice {
  /** Where it will stand. */
  readonly leaf: number
  readonly count: number
  /** 32 bytes in hex. */
  readonly root: string
}

/** @returns nothing if there is nothing to say */
export function noticeOf(items: readonly NoticeItem[], leaf: number): LostNotice | undefined {
  if (items.length === 0) return undefined
  return { leaf, count: items.length, root: encodeHex(new NoticeTree(items).root) }
}

/** Text of the file that keeps the items of a notice. */
export function formatLost(notice: LostNotice, items: readonly NoticeItem[]): string {
  const said = items.map(({ leafIndex, salt }) => [leafIndex, encodeHex(salt)])
  return `${JSON.stringify({ format: "prooflog-lost/1", kind: NOTICE_KINDS.lost, ...notice, items: said })}\n`
}

/** Commits the notice as the very next entry, unless that was done before a crash; it is signed when this resolves. */
export async function announceLost(
  root: string,
  { leaf, count, root: itemsRoot }: LostNotice,
  signerKeyPath: string,
  signerKey: SignerKey,
  adoptHead: boolean,
): Promise<void> {
  const policy = parsePolicy(await readFile(join(root, "policy")))
  const ledger = await openLedger({
    storage: await openLevelStorage(join(root, "data", "log")),
    signerKey,
    signedHead: signedHeadFile(`${signerKeyPath}.signed`),
    genesis: () => {
      throw new Error("bug: a restored log is not empty")
    },
    stamp: stampEntryTime,
    entryTime: entryTimeMs,
    checkRecord,
    adoptHead,
    patrolLeavesPerSecond: 0,
    ...(policy.quorum !== "none" && { witnessing: { policy } }),
  })
  try {
    const bytes = { kind: NOTICE_KINDS.lost, count, root: decodeHex(itemsRoot) as Uint8Array }
    if (ledger.treeSize === leaf) {
      const entries = formatBundle([encodeNotice(bytes)])
      await ledger.submit({ entries, records: formatBundle([NO_BYTES]), count: 1 })
    }
    if (ledger.treeSize !== leaf + 1)
      throw new CliError("CLI_FILE", `${root} was written to by another process while it was restored`)
  } finally {
    await ledger.close()
  }
}

const NO_BYTES = new Uint8Array(0)
