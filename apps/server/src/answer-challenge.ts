/**
 * The answers to a challenge: of each leaf that was drawn the record, or why there is none.
 *
 *     leaf ─► no event?              no-event
 *          ─► its record is there    record, as much of it as the role may see; also where it is due, or held
 *          ─► a notice named it      noticed, if the notice is under the challenge's head, with the item's proof
 *          ─► its time is over       due
 *          ─► none of these          nothing: silence, which whoever asked takes as it is
 *
 * A hold keeps a record from being destroyed, so what is held is there and is shown; nothing here is answered `held`,
 * which is for holds that keep a record from being shown as well.
 *
 * Nothing is claimed that does not hold: an operator who has destroyed too early, or has lost a record, is not helped by
 * its server. A record that is damaged or missing is told to the operator, and is silence; where the log cannot be read
 * at all just now, nothing is answered.
 *
 * Leaves are looked up a few at a time, and the answers held as bytes, so many and no more. What notices have named comes
 * last, one notice after another: their items may be many.
 *
 * Spec: docs/spec/challenge.md.
 */

import { setImmediate as nextTurn } from "node:timers/promises"
import { disclose } from "@prooflog/event/disclosure"
import { decodeEntry } from "@prooflog/event/entry"
import { dueMs, promiseOf } from "@prooflog/event/promises"
import { decodeTombstone, TOMBSTONE_REASONS } from "@prooflog/event/tombstone"
import type { StoredRecord, Tombstone } from "@prooflog/ledger/storage"
import type { Challenge } from "@prooflog/verifier/challenge"
import { type Answer, formatAnswer, formatAnswers } from "@prooflog/verifier/challenge-answers"
import type { NoticeTree } from "@prooflog/verifier/notice"
import { ServerError } from "./error.js"
import type { Withhold } from "./evidence.js"
import { refusalOf } from "./refusal.js"
import { type KeptItems, noticeTree } from "./retention/notice-items.js"
import type { ServedLog } from "./served-log.js"
import { statusOf } from "./status.js"

/** Bytes of the answers to one challenge: 10,000 usual ones have less than half of it. */
export const MAX_ANSWERS_BYTES = 64 * 1024 * 1024

/** Leaves whose records are asked for at once, as those that were moved cost a segment each time; 64 MiB at most. */
const GROUP = 1_024

/** Leaves looked up before other requests have their turn; about 3 ms. */
const TURN = 64

type ShownLeaf = Pick<Answer, "leafIndex" | "path" | "entry">

export interface Asked {
  /** Its head is one of this log. */
  readonly challenge: Challenge
  /** Of that head. */
  readonly treeSize: number
  /** That it draws; ascending. */
  readonly leaves: readonly number[]
  readonly withhold: Withhold
  /** What was due then is answered so, if it is gone. */
  readonly nowMs: number
}

export interface Answered {
  /** The file of answers. */
  readonly file: Uint8Array
  /** Answers of each kind. */
  readonly counts: Readonly<Record<Answer["answer"], number>>
  /** Leaves without an answer. */
  readonly silent: number
}

/**
 * Answers a challenge.
 *
 * @throws {@link ServerError} `SERVER_CHALLENGE_TOO_LARGE`; whatever says that the log cannot be read just now
 */
export async function answerChallenge(
  { reader, schedule, report }: Pick<ServedLog, "reader" | "schedule" | "report">,
  kept: KeptItems,
  { challenge, treeSize, leaves, withhold, nowMs }: Asked,
): Promise<Answered> {
  const answers = new Answers(challenge, leaves.length)
  /** Places, among the leaves, of those that a notice has named; by the leaf of the notice. */
  const noticed = new Map<number, number[]>()
  for (let at = 0; at < leaves.length; at += GROUP) {
    const stored = await standings(leaves.slice(at, at + GROUP))
    await inTurns(stored, async (standing, i) => {
      const place = at + i
      const found = await find(leaves[place] as number, standing)
      if (found === undefined) return
      if ("noticeLeaf" in found) {
        noticed.set(found.noticeLeaf, [...(noticed.get(found.noticeLeaf) ?? []), place])
      } else answers.put(place, found)
    })
  }
  for (const [noticeLeaf, places] of noticed) await putNoticed(noticeLeaf, places)
  return answers.finish()

  /**
   * Returns what a leaf is answered; of one that a notice has named, by which.
   *
   * @param stored - what stands where its record was; nothing if that is damaged or missing
   */
  async function find(
    leafIndex: number,
    stored: StoredRecord | Tombstone | undefined,
  ): Promise<Answer | { readonly noticeLeaf: number } | undefined> {
    const leaf = await shown(leafIndex)
    const entry = decodeEntry(leaf.entry)
    if (entry.type !== "event") return { ...leaf, answer: "no-event" }
    if (stored?.kind === "record") {
      const disclosure = await unlessDamaged(() => disclose(stored.bytes, withhold(stored.bytes)))
      if (disclosure !== undefined) return { ...leaf, answer: "record", disclosure }
    }
    // A notice under a later head excuses nothing here.
    const noticeLeaf =
      stored?.kind === "tombstone" ? await unlessDamaged(() => noticeOf(stored.bytes)) : undefined
    return noticeLeaf !== undefined && noticeLeaf < treeSize ? { noticeLeaf } : dueAnswer(leaf)
  }

  async function putNoticed(noticeLeaf: number, places: readonly number[]): Promise<void> {
    const notice = await shown(noticeLeaf)
    const tree = await unlessDamaged(() => treeOf(notice))
    const positions = positionsIn(tree, new Set(places.map((place) => leaves[place] as number)))
    await inTurns(places, async (place) => {
      const leaf = await shown(leaves[place] as number)
      const position = positions.get(leaf.leafIndex)
      if (tree === undefined || position === undefined) {
        const due = dueAnswer(leaf)
        if (due !== undefined) answers.put(place, due)
        return
      }
      const { leafIndex: _, ...item } = tree.prove(position)
      answers.put(place, { ...leaf, answer: "noticed", notice, item })
    })
  }

  /** @throws {@link ServerError} `SERVER_MALFORMED_FOLDER` if nobody knows any more what the notice names */
  async function treeOf({ leafIndex, entry }: ShownLeaf): Promise<NoticeTree> {
    const notice = decodeEntry(entry)
    const tree = notice.type === "notice" ? await noticeTree(kept, leafIndex, notice) : undefined
    if (tree !== undefined) return tree
    const message = `what the notice of leaf ${leafIndex} names is not kept in the folder retention`
    throw new ServerError("SERVER_MALFORMED_FOLDER", message, { leafIndex })
  }

  function dueAnswer(leaf: ShownLeaf): Answer | undefined {
    const entry = decodeEntry(leaf.entry)
    if (entry.type !== "event") return undefined
    const promise = promiseOf(schedule.promises, leaf.leafIndex, entry.className)
    return promise !== undefined && nowMs >= dueMs(promise, entry.timeMs)
      ? { ...leaf, answer: "due" }
      : undefined
  }

  async function shown(leafIndex: number): Promise<ShownLeaf> {
    const [path, entry] = await Promise.all([
      reader.inclusionPath(leafIndex, treeSize),
      reader.entry(leafIndex, treeSize),
    ])
    return { leafIndex, path, entry }
  }

  /** What stands where records were. Those that are damaged are found by halves: the others are not to suffer. */
  async function standings(
    some: readonly number[],
  ): Promise<readonly (StoredRecord | Tombstone | undefined)[]> {
    const stored = await unlessDamaged(() => reader.storedRecords(some), some.length === 1)
    if (stored !== undefined) return stored
    if (some.length === 1) return [undefined]
    const half = some.length >> 1
    return [...(await standings(some.slice(0, half))), ...(await standings(some.slice(half)))]
  }

  /** Damage leaves a leaf without its record, and its operator is told. What may pass is thrown on. */
  async function unlessDamaged<T>(read: () => T | Promise<T>, tells = true): Promise<T | undefined> {
    try {
      return await read()
    } catch (error) {
      const { code } = refusalOf(error)
      if (code === "SERVER_BUG" || statusOf(code).status !== 500) throw error
      if (tells) report(error)
      return undefined
    }
  }
}

/** The leaf of the notice that a tombstone names; of others nothing. @throws EventError if it is none */
function noticeOf(bytes: Uint8Array): number | undefined {
  const tombstone = decodeTombstone(bytes)
  const isNoticed = tombstone.state === "destroyed" && tombstone.reason !== TOMBSTONE_REASONS.bySchedule
  return isNoticed ? tombstone.reference : undefined
}

function positionsIn(tree: NoticeTree | undefined, wanted: ReadonlySet<number>): ReadonlyMap<number, number> {
  const positions = new Map<number, number>()
  for (const [position, { leafIndex }] of tree?.items.entries() ?? []) {
    if (wanted.has(leafIndex)) positions.set(leafIndex, position)
  }
  return positions
}

async function inTurns<T>(
  list: readonly T[],
  look: (each: T, place: number) => Promise<void>,
): Promise<void> {
  for (let at = 0; at < list.length; at += TURN) {
    if (at > 0) await nextTurn()
    await Promise.all(list.slice(at, at + TURN).map((each, i) => look(each, at + i)))
  }
}

/** Answers as bytes, put where they belong in any order. */
class Answers {
  readonly #challenge: Challenge
  readonly #texts: (Uint8Array | undefined)[]
  readonly #counts: Record<Answer["answer"], number> = {
    record: 0,
    due: 0,
    noticed: 0,
    held: 0,
    "no-event": 0,
  }
  #bytes = 0

  constructor(challenge: Challenge, length: number) {
    this.#challenge = challenge
    this.#texts = new Array<Uint8Array | undefined>(length).fill(undefined)
  }

  /** @throws {@link ServerError} `SERVER_CHALLENGE_TOO_LARGE` */
  put(place: number, answer: Answer): void {
    const text = Buffer.from(formatAnswer(answer))
    this.#texts[place] = text
    this.#counts[answer.answer]++
    this.#bytes += text.length
    if (this.#bytes <= MAX_ANSWERS_BYTES) return
    const message = `the answers have more than ${MAX_ANSWERS_BYTES / 1024 / 1024} MiB: draw fewer leaves`
    throw new ServerError("SERVER_CHALLENGE_TOO_LARGE", message, { parameter: "leaves" })
  }

  finish(): Answered {
    const [before = "", behind = ""] = formatAnswers(this.#challenge, [])
    const texts = this.#texts.filter((text) => text !== undefined)
    const comma = Buffer.from(",")
    const file = Buffer.concat([
      Buffer.from(before),
      ...texts.flatMap((text, i) => (i === 0 ? [text] : [comma, text])),
      Buffer.from(behind),
    ])
    return { file, counts: this.#counts, silent: this.#texts.length - texts.length }
  }
}
