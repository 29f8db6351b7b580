/**
 * Cases: erasures that were asked for, and how far each of them is.
 *
 *     queued ─► noticed ─► withdrawn ─► gone ─► expired
 *                             │          │        └ every backup from before has passed its lifetime
 *                             │          └ out of every live file; whom it was about is forgotten here, too
 *                             └ no interface answers it any more
 *
 * What a case is about is asked when its turn comes, not when it is queued. Leaves that a hold forbids then become a
 * case of their own, which waits.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { encodeHex } from "@prooflog/tlog/base64"
import type { NoticeItem } from "@prooflog/verifier/notice"
import { stateOf } from "./case-folder.js"
import type { Announcement } from "./notices.js"

export const CASE_STATES = ["queued", "noticed", "withdrawn", "gone", "expired"] as const

export type CaseState = (typeof CASE_STATES)[number]

/** Whose events, or which. */
export type CaseScope =
  | { readonly user_id: string }
  /** As the query of `GET v1/events`. */
  | { readonly filter: string }
  | { readonly leaves: readonly number[] }

/** That a case came to a state. */
export interface CaseStep {
  /** RFC 3339. */
  readonly at: string
  /** Leaf of the event that says so; being announced is a notice, and no event. */
  readonly event?: number
}

/** Leaf index, and 16 bytes of salt in hex: an item of the notice. */
export type CaseItem = readonly [leafIndex: number, salt: string]

export interface EraseCase {
  /** `case_` and 16 hex digits; with letters behind them, what was held back of another. */
  readonly id: string
  /** That of its notice: 1 for a person, 2 otherwise. */
  readonly kind: 1 | 2
  /** Forgotten when the records are gone. */
  readonly scope?: CaseScope
  readonly why: string
  /** Of one that was held back: the case it is the rest of. */
  readonly continues?: string
  readonly state: CaseState
  readonly asked: CaseStep & { readonly by: string }
  readonly noticed?: CaseStep
  readonly withdrawn?: CaseStep
  readonly gone?: CaseStep
  readonly expired?: CaseStep
  /** Id of its notice file, from the draft on. */
  readonly notice?: string
  /** What it erases. */
  readonly items?: readonly CaseItem[]
  /** What was announced, and then held after all. */
  readonly spared?: readonly CaseItem[]
  /** What holds forbade: so many, by these holds, and the case that waits for them. */
  readonly heldBack?: HeldBack
  /** Segments of the archive that hold some of it. */
  readonly segments?: readonly string[]
  /** Certificates that were made. */
  readonly certificates?: number
}

export interface HeldBack {
  readonly count: number
  readonly holds: readonly string[]
  readonly case?: string
}

/** Cases that are announced together. */
export interface NoticeFile extends Announcement {
  /** `notice_` and 16 hex digits. */
  readonly id: string
  readonly cases: readonly string[]
  /** Whether each of its cases knows that it is published. */
  readonly done: boolean
}

const CASE_FORMAT = "prooflog-erasure-case/1"
const NOTICE_FORMAT = "prooflog-erasure-notice/1"

/** Letters tell how it was held back: n before it was announced, w before it was withdrawn. */
const CASE_ID = /^case_[0-9a-f]{16}[nw]{0,64}$/
const NOTICE_ID = /^notice_[0-9a-f]{16}$/

/** Whether a text can be the id of a case. */
export function isCaseId(text: string): boolean {
  return CASE_ID.test(text)
}

export function formatCase(one: EraseCase): string {
  return `${JSON.stringify({ format: CASE_FORMAT, ...one })}\n`
}

/** @throws ServerError `SERVER_MALFORMED_FOLDER` */
export function parseCase(text: string): EraseCase {
  return stateOf<EraseCase>(text, CASE_FORMAT, ({ id, kind, state, asked, items = [] }) => {
    const isKnown = CASE_STATES.includes(state) && (kind === 1 || kind === 2)
    return isCaseId(String(id)) && isKnown && typeof asked?.at === "string" && Array.isArray(items)
  })
}

export function formatNoticeFile(one: NoticeFile): string {
  return `${JSON.stringify({ format: NOTICE_FORMAT, ...one })}\n`
}

/** @throws ServerError `SERVER_MALFORMED_FOLDER` */
export function parseNoticeFile(text: string): NoticeFile {
  return stateOf<NoticeFile>(text, NOTICE_FORMAT, ({ id, root, from, cases }) => {
    return NOTICE_ID.test(String(id)) && /^[0-9a-f]{64}$/.test(root) && from >= 0 && Array.isArray(cases)
  })
}

/** The texts by which whoever a case is about can be found elsewhere; none if it names nobody. */
export function personsOf(scope: CaseScope | undefined): readonly string[] {
  if (scope === undefined || "leaves" in scope) return []
  if ("user_id" in scope) return [scope.user_id]
  const query = new URLSearchParams(scope.filter)
  return ["user_id", "on_behalf_of"].flatMap((name) => query.getAll(name))
}

/** Every item of a notice, ascending: several cases may share one. */
export function itemsOf(cases: readonly EraseCase[]): readonly NoticeItem[] {
  const salts = new Map(cases.flatMap(({ items = [], spared = [] }) => [...items, ...spared]))
  return [...salts]
    .sort(([a], [b]) => a - b)
    .map(([leafIndex, salt]) => ({ leafIndex, salt: new Uint8Array(Buffer.from(salt, "hex")) }))
}

export function caseItem({ leafIndex, salt }: NoticeItem): CaseItem {
  return [leafIndex, encodeHex(salt)]
}

/** An id for what is held back of a case, that none of these has. */
export function restId(id: string, how: "n" | "w", taken: (id: string) => boolean): string {
  let rest = `${id}${how}`
  while (taken(rest)) rest += how
  return rest
}
