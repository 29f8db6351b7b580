/**
 * Erasures, carried out: from what was asked to what is gone, each step durable before the next begins.
 *
 *     find, ask the holds, draw salts ─► case files ─► notice file ─► notice ─► published      nothing destroyed yet
 *     ask the holds again ─► tombstones ─► rows, alerts forgotten ─► event ─► withdrawn
 *     storage purged, rows rewritten, files removed ─► certificates ─► event ─► gone ─► … ─► event ─► expired
 *
 * Every step can be done again: if we crash anywhere, the next run finds in the files how far it came, and goes on. A
 * step that throws leaves the rest for the next run.
 *
 * All effects are given.
 */

import { encodeTombstone } from "@prooflog/event/tombstone"
import { encodeHex } from "@prooflog/tlog/base64"
import { ITEM_SALT_SIZE, makeItems, type NoticeItem, NoticeTree } from "@prooflog/verifier/notice"
import { timeText } from "../time-text.js"
import {
  type CaseItem,
  type CaseScope,
  type CaseState,
  type EraseCase,
  type HeldBack,
  itemsOf,
  type NoticeFile,
  personsOf,
  restId,
} from "./case-file.js"
import type { Announce } from "./notices.js"

/** What stands where a record was: it itself, what says that it is destroyed, or the segment it lies in. */
export type Standing = "record" | "destroyed" | "none" | { readonly segment: string }

export type EraseAction = "log.erase.withdrawn" | "log.erase.gone" | "log.erase.expired"

export interface ErasePorts {
  cases(): Promise<readonly EraseCase[]>
  /** Durable when it resolves; so are the others that write. */
  writeCase(one: EraseCase): Promise<void>
  notices(): Promise<readonly NoticeFile[]>
  writeNotice(one: NoticeFile): Promise<void>
  nowMs(): number
  /** 16 fresh hex digits. */
  newId(): string
  /** Fills its argument with random bytes. */
  fill(bytes: Uint8Array<ArrayBuffer>): void
  /** Leaves there are. */
  treeSize(): number
  /** Leaves that a case is about, ascending. @throws if not all there are could be seen */
  find(scope: CaseScope): Promise<readonly number[]>
  /** For each leaf, in order. */
  standing(leaves: readonly number[]): Promise<readonly Standing[]>
  /** @throws if it cannot be told of each leaf */
  heldAmong(leaves: readonly number[]): Promise<ReadonlyMap<number, readonly string[]>>
  /** Does something while no hold is placed. */
  whileHoldsStay<T>(task: () => Promise<T>): Promise<T>
  readonly announce: Announce
  /** Whether a leaf is in a published head, waiting for it for a while. */
  isPublished(leaf: number): Promise<boolean>
  /** Withdraws up to {@link MOST_AT_ONCE} records. */
  withdraw(tombstones: readonly { readonly leafIndex: number; readonly bytes: Uint8Array }[]): Promise<void>
  /** No question finds rows of these leaves any more. */
  forgetRows(leaves: readonly number[]): Promise<void>
  /** Alerts and what rules have learned say nothing of these persons and leaves, in any file. */
  forgetAlerts(persons: readonly string[], leaves: readonly number[]): Promise<void>
  /** Leaves no byte of withdrawn records in any live file. */
  destroy(leaves: readonly number[], segments: readonly string[]): Promise<void>
  /**
   * Makes and keeps the certificates of a case; returns their number.
   *
   * @param noticeItems - all of its notice's
   */
  certify(one: EraseCase, notice: NoticeFile, noticeItems: readonly NoticeItem[]): Promise<number>
  /** Forgets what lifted holds say of these persons, and what those of these ids say. */
  forgetHolds(persons: readonly string[], holds: readonly string[]): Promise<void>
  /** Logs it, once however often it is said. Returns the leaf. */
  say(action: EraseAction, one: EraseCase, count: number): Promise<number>
  /** How long a backup is kept. */
  readonly backupMs: number
}

export const DAY_MS = 86_400_000

/** Records withdrawn in one step of the storage. */
export const MOST_AT_ONCE = 4_096

/** Carries every case as far as it can go now. Not to be called again before it has ended. */
export async function runErasures(ports: ErasePorts): Promise<void> {
  await finishNotices(ports)
  for (const kind of [1, 2] as const) await announceQueued(ports, kind)
  await finishNotices(ports)
  for (const one of await inState(ports, "noticed")) await withdraw(ports, one)
  await destroyWithdrawn(ports)
  for (const one of await inState(ports, "gone")) await expire(ports, one)
}

/** Whether a run has something to do: a case that has waited for a day, one that is half done, one that expires. */
export function isRunDue(cases: readonly EraseCase[], nowMs: number, backupMs: number): boolean {
  return cases.some(({ state, asked, gone }) => {
    if (state === "expired") return false
    if (state === "queued") return Date.parse(asked.at) + DAY_MS <= nowMs
    return gone === undefined || Date.parse(gone.at) + backupMs <= nowMs
  })
}

/** Goes on with what was begun, and begins nothing. */
export async function resumeErasures(ports: ErasePorts): Promise<void> {
  await finishNotices(ports)
  for (const one of await inState(ports, "noticed")) await withdraw(ports, one)
  await destroyWithdrawn(ports)
}

async function inState(ports: ErasePorts, state: CaseState): Promise<readonly EraseCase[]> {
  return (await ports.cases()).filter((one) => one.state === state)
}

// ---- queued → noticed

/** Brings every notice that was drafted into a published head, and tells its cases. */
async function finishNotices(ports: ErasePorts): Promise<void> {
  for (const drafted of await ports.notices()) {
    if (drafted.done) continue
    let notice = drafted
    if (notice.leaf === undefined) {
      notice = { ...notice, leaf: await ports.announce(notice) }
      await ports.writeNotice(notice)
    }
    if (!(await ports.isPublished(notice.leaf as number))) continue
    const at = timeText(ports.nowMs())
    for (const one of await inState(ports, "queued")) {
      if (one.notice === notice.id) await ports.writeCase({ ...one, state: "noticed", noticed: { at } })
    }
    await ports.writeNotice({ ...notice, done: true })
  }
}

/** One notice for all that wait: one day's cases together are not one person's. */
async function announceQueued(ports: ErasePorts, kind: 1 | 2): Promise<void> {
  const drafted = new Set((await ports.notices()).map(({ id }) => id))
  const ready: { one: EraseCase; free: readonly number[]; held: ReadonlyMap<number, readonly string[]> }[] =
    []
  for (const one of await inState(ports, "queued")) {
    // A draft that was not kept was not announced either, and is made anew.
    if (one.kind !== kind || (one.notice !== undefined && drafted.has(one.notice))) continue
    const leaves = await standingOf(ports, await ports.find(one.scope as CaseScope))
    const held = await ports.heldAmong(leaves)
    const free = leaves.filter((leaf) => !held.has(leaf))
    if (free.length > 0) ready.push({ one, free, held })
    else if (held.size > 0) await waitFor(ports, one, held)
    else await endWithout(ports, one)
  }
  if (ready.length === 0) return
  const leaves = [...new Set(ready.flatMap(({ free }) => free))].sort((a, b) => a - b)
  const items = makeItems(leaves, (bytes) => ports.fill(bytes))
  const salts = new Map(items.map(({ leafIndex, salt }) => [leafIndex, encodeHex(salt)]))
  const notice = `notice_${ports.newId()}`
  for (const { one, free, held } of ready) {
    const own = free.map((leaf): CaseItem => [leaf, salts.get(leaf) as string])
    const rest = await splitOff(ports, one, "n", held)
    await ports.writeCase({ ...one, ...rest, items: own, notice })
  }
  const root = encodeHex(new NoticeTree(items).root)
  const cases = ready.map(({ one }) => one.id)
  await ports.writeNotice({
    id: notice,
    kind,
    count: items.length,
    root,
    from: ports.treeSize(),
    cases,
    done: false,
  })
}

/** Those of some leaves that have a record, wherever it lies. */
async function standingOf(ports: ErasePorts, leaves: readonly number[]): Promise<readonly number[]> {
  const standing = await ports.standing(leaves)
  return leaves.filter((_, i) => standing[i] !== "destroyed" && standing[i] !== "none")
}

/** All of it is held: it stays in the queue, and says why. */
async function waitFor(
  ports: ErasePorts,
  one: EraseCase,
  held: ReadonlyMap<number, readonly string[]>,
): Promise<void> {
  const now = heldBackOf(one, held)
  if (JSON.stringify(now) === JSON.stringify(one.heldBack)) return
  await ports.writeCase({ ...one, heldBack: now })
}

/** There is nothing to erase any more: others did. */
async function endWithout(ports: ErasePorts, one: EraseCase): Promise<void> {
  await ports.writeCase({ ...one, items: [], state: "withdrawn" })
}

function heldBackOf(one: EraseCase, held: ReadonlyMap<number, readonly string[]>, rest?: string): HeldBack {
  // Those that held it before are remembered: what they say is forgotten with the person.
  const holds = new Set([...(one.heldBack?.holds ?? []), ...[...held.values()].flat()])
  return { count: held.size, holds: [...holds].sort(), ...(rest !== undefined && { case: rest }) }
}

/** Makes a case of what is held back; durable before the case that it is the rest of lets go of it. */
async function splitOff(
  ports: ErasePorts,
  one: EraseCase,
  how: "n" | "w",
  held: ReadonlyMap<number, readonly string[]>,
): Promise<Pick<EraseCase, "heldBack"> | undefined> {
  if (held.size === 0) return undefined
  const all = await ports.cases()
  // One that was left by a crash, and has not begun, is written again.
  const hasBegun = (id: string) => all.some((each) => each.id === id && each.notice !== undefined)
  const id = restId(one.id, how, hasBegun)
  const heldBack = heldBackOf(one, held)
  const { kind, why, asked } = one
  const scope = { leaves: [...held.keys()].sort((a, b) => a - b) }
  await ports.writeCase({ id, kind, why, asked, continues: one.id, scope, state: "queued", heldBack })
  return { heldBack: { ...heldBack, case: id } }
}

// ---- noticed → withdrawn

async function withdraw(ports: ErasePorts, one: EraseCase): Promise<void> {
  const notice = (await ports.notices()).find(({ id }) => id === one.notice)
  if (notice?.leaf === undefined) throw new Error("bug: a case is announced by a notice that has no leaf")
  const reference = notice.leaf
  const now = await ports.whileHoldsStay(async () => {
    const kept = await spare(ports, one)
    const standing = await ports.standing((kept.items ?? []).map(([leaf]) => leaf))
    const left = (kept.items ?? []).filter((_, i) => standing[i] !== "destroyed")
    for (let at = 0; at < left.length; at += MOST_AT_ONCE) {
      await ports.withdraw(
        left.slice(at, at + MOST_AT_ONCE).map(([leafIndex, hex]) => {
          const salt = new Uint8Array(Buffer.from(hex, "hex"))
          if (salt.length !== ITEM_SALT_SIZE) throw new Error("bug: a case has a salt that is none")
          const bytes = encodeTombstone({ state: "destroyed", reason: one.kind, reference, salt })
          return { leafIndex, bytes }
        }),
      )
    }
    return kept
  })
  const leaves = (now.items ?? []).map(([leaf]) => leaf)
  await ports.forgetRows(leaves)
  await ports.forgetAlerts(personsOf(one.scope), leaves)
  const event = await ports.say("log.erase.withdrawn", now, leaves.length)
  await ports.writeCase({ ...now, state: "withdrawn", withdrawn: { at: timeText(ports.nowMs()), event } })
}

/** Takes out of a case what is held by now, and notes where the rest lies: kept before any of it is touched. */
async function spare(ports: ErasePorts, one: EraseCase): Promise<EraseCase> {
  const { items = [] } = one
  const leaves = items.map(([leaf]) => leaf)
  const standing = await ports.standing(leaves)
  const left = leaves.filter((_, i) => standing[i] !== "destroyed")
  const held = await ports.heldAmong(left)
  const moved = standing.flatMap((each) => (typeof each === "object" ? [each.segment] : []))
  const segments = [...new Set([...(one.segments ?? []), ...moved])].sort()
  if (held.size === 0 && segments.length === (one.segments ?? []).length) return one
  const rest = await splitOff(ports, one, "w", held)
  const now: EraseCase = {
    ...one,
    ...rest,
    items: items.filter(([leaf]) => !held.has(leaf)),
    ...(held.size > 0 && { spared: [...(one.spared ?? []), ...items.filter(([leaf]) => held.has(leaf))] }),
    ...(segments.length > 0 && { segments }),
  }
  await ports.writeCase(now)
  return now
}

// ---- withdrawn → gone → expired

async function destroyWithdrawn(ports: ErasePorts): Promise<void> {
  const withdrawn = await inState(ports, "withdrawn")
  if (withdrawn.length === 0) return
  const leaves = withdrawn.flatMap(({ items = [] }) => items.map(([leaf]) => leaf))
  const segments = new Set(withdrawn.flatMap((one) => one.segments ?? []))
  await ports.destroy(leaves, [...segments])
  const notices = await ports.notices()
  const all = await ports.cases()
  for (const one of withdrawn) {
    const { scope, ...rest } = one
    const count = one.items?.length ?? 0
    const notice = notices.find(({ id }) => id === one.notice)
    const shared = all.filter(({ id }) => notice?.cases.includes(id))
    const certificates =
      notice === undefined || count === 0 ? 0 : await ports.certify(one, notice, itemsOf(shared))
    await ports.forgetHolds(personsOf(scope), one.heldBack?.holds ?? [])
    const event = await ports.say("log.erase.gone", one, count)
    const gone = { at: timeText(ports.nowMs()), event }
    await ports.writeCase({ ...rest, state: "gone", gone, certificates })
  }
}

async function expire(ports: ErasePorts, one: EraseCase): Promise<void> {
  const nowMs = ports.nowMs()
  if (one.gone === undefined || Date.parse(one.gone.at) + ports.backupMs > nowMs) return
  const event = await ports.say("log.erase.expired", one, one.items?.length ?? 0)
  await ports.writeCase({ ...one, state: "expired", expired: { at: timeText(nowMs), event } })
}
