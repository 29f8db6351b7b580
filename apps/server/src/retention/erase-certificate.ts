/**
 * Certificates of an erasure: what verifies anywhere, with the log's policy and nothing else.
 *
 *     items of the case ─► up to 4,096 in each ─► entries, paths, places in the notice ─► prooflog-certificate/1
 */

import type { Head } from "@prooflog/ledger"
import {
  type Certificate,
  type CertificateItem,
  formatCertificate,
  MAX_CERTIFICATE_ITEMS,
} from "@prooflog/verifier/certificate"
import { type NoticeItem, NoticeTree } from "@prooflog/verifier/notice"
import type { LogReader } from "../log-reader.js"

/** Items made before other requests have their turn. */
const TURN = 64

/**
 * Makes the certificates of some leaves, in their order, one at a time: together they may be larger than memory.
 *
 * @param head - published, with the notice in it
 * @param noticeLeaf - leaf of the notice
 * @param noticeItems - all that the notice names, ascending
 * @param leaves - of these; ascending, at least one
 */
export async function* makeCertificates(
  reader: LogReader,
  head: Head,
  noticeLeaf: number,
  noticeItems: readonly NoticeItem[],
  leaves: readonly number[],
): AsyncGenerator<string> {
  const tree = new NoticeTree(noticeItems)
  const places = new Map(noticeItems.map(({ leafIndex }, i) => [leafIndex, i]))
  const notice = await shown(noticeLeaf)
  for (let at = 0; at < leaves.length; at += MAX_CERTIFICATE_ITEMS) {
    const items: CertificateItem[] = []
    const some = leaves.slice(at, at + MAX_CERTIFICATE_ITEMS)
    for (let i = 0; i < some.length; i += TURN) {
      items.push(...(await Promise.all(some.slice(i, i + TURN).map(itemOf))))
    }
    yield formatCertificate({ checkpoint: head.note, notice, items })
  }

  async function itemOf(leafIndex: number): Promise<CertificateItem> {
    const place = places.get(leafIndex)
    if (place === undefined) throw new Error("bug: a case has a leaf that its notice does not name")
    return { ...(await shown(leafIndex)), ...tree.prove(place) }
  }

  async function shown(leafIndex: number): Promise<Certificate["notice"]> {
    const [path, entry] = await Promise.all([
      reader.inclusionPath(leafIndex, head.treeSize),
      reader.entry(leafIndex, head.treeSize),
    ])
    return { leafIndex, path, entry }
  }
}
