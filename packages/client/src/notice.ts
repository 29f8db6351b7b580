/**
 * Notices: nothing failed and nobody was caught, but somebody should know.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import type { OpenedCheckpoint } from "@prooflog/tlog/policy"
import type { ClientErrorCode } from "./error.js"

export type NoticeCode = Extract<ClientErrorCode, "CLIENT_FIRST_USE">

export interface Notice {
  readonly code: NoticeCode
  /** What it is about, and what can be done about it. */
  readonly message: string
  /** When it was said, ms since the epoch, by this machine's clock. */
  readonly timeMs: number
  /** The signed note that is believed from now on, verbatim: what `pinnedHead` takes. */
  readonly head: string
}

/**
 * The notice that a log is trusted on first use: nothing older is known that its first head could contradict.
 *
 * @param headFile - keeps the head from now on, if there is one
 */
export function firstUse(
  { checkpoint, note }: OpenedCheckpoint,
  headFile: string | undefined,
  timeMs: number,
): Notice {
  const { origin, treeSize, rootHash } = checkpoint
  const root = Buffer.from(rootHash).toString("base64")
  const keep = headFile === undefined ? "; a headFile would keep it over a restart" : ""
  const message =
    `trusting the log ${JSON.stringify(origin)} on first use: no earlier head of it is known, so its head of ` +
    `${treeSize} leaves, root ${root}, is believed. To rely on nobody's first word, give the signed head that came ` +
    `with the policy as pinnedHead${keep}`
  return { code: "CLIENT_FIRST_USE", message, timeMs, head: note }
}
