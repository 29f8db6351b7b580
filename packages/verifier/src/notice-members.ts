/**
 * The proof of a notice's item as members of a file.
 *
 *     "salt": "<base64, 16 bytes>", "position": 2, "notice_path": ["<base64, 32 bytes>", …]
 *
 * They stand beside the leaf that the item names, whose index is not said again.
 *
 * Spec: docs/spec/certificate.md, docs/spec/challenge.md.
 * Pure: no I/O, no clock, no randomness.
 */

import { encodeBase64 } from "@prooflog/tlog/base64"
import { bytesOf, indexOf, pathOf } from "./evidence-members.js"
import { ITEM_SALT_SIZE, type ItemProof } from "./notice.js"

export const ITEM_PROOF_MEMBERS = ["salt", "position", "notice_path"] as const

/** @throws {@link VerifierError} `VERIFIER_MALFORMED_EVIDENCE` */
export function itemProofOf(
  members: Readonly<Record<string, unknown>>,
  where: string,
): Omit<ItemProof, "leafIndex"> {
  return {
    salt: bytesOf(members.salt, `${where}.salt`, ITEM_SALT_SIZE),
    position: indexOf(members.position, `${where}.position`),
    noticePath: pathOf(members.notice_path, `${where}.notice_path`),
  }
}

export function itemProofToJson({
  salt,
  position,
  noticePath,
}: Omit<ItemProof, "leafIndex">): Record<string, unknown> {
  return { salt: encodeBase64(salt), position, notice_path: noticePath.map(encodeBase64) }
}
