/**
 * Whom a restored log must forget: what public notices name, without saying it, and who knows what they named.
 *
 *     notice of kind 1 or 2 in the log ◄──root── items ◄── cases of the backup, cases given beside it, or its tombstones
 *
 * A notice whose items nobody has is a person whom nobody can forget: then the log is not restored.
 *
 * Holds beat erasure. What they hold is a question that only a running log can answer; so where one was placed after a
 * notice, its cases that had destroyed nothing yet are left to the server, which asks the holds and goes on with them when
 * it starts.
 *
 * Effects: reads the folder of cases that is given.
 */

import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import type { NoticeEntry } from "@prooflog/event/entry"
import { type NoticedTombstone, TOMBSTONE_REASONS } from "@prooflog/event/tombstone"
import { CASE_STATES, type EraseCase, itemsOf, parseCase } from "@prooflog/server/case-file"
import { isInForce, parseHolds } from "@prooflog/server/hold-file"
import { encodeHex } from "@prooflog/tlog/base64"
import { type NoticeItem, NoticeTree } from "@prooflog/verifier/notice"
import { CliError, reasonOf, wordsOf } from "../error.js"

/** A notice, and where it stands. */
export interface PlacedNotice {
  readonly leafIndex: number
  readonly notice: Pick<NoticeEntry, "kind" | "count" | "root" | "timeMs">
}

const CASE_PATH = /^retention\/cases\/case_[^/]*\.json$/

/**
 * Adds the cases of a folder to the small files of a backup: of one that both have, the one that came further.
 *
 * @param folder - a copy of `DIR/retention`, or of `DIR/retention/cases`
 * @throws {@link CliError} `CLI_FILE` if there are no cases in it
 */
export async function withCases(
  files: ReadonlyMap<string, Uint8Array>,
  folder: string,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const merged = new Map(files)
  let cases = 0
  for (const [name, bytes] of await filesIn(folder)) {
    const isCase = CASE_PATH.test(name)
    if (isCase) cases++
    const before = isCase ? merged.get(name) : undefined
    if (before === undefined || progressOf(name, bytes) >= progressOf(name, before)) merged.set(name, bytes)
  }
  if (cases === 0) throw new CliError("CLI_FILE", `there are no cases in ${folder}`)
  return merged
}

async function filesIn(folder: string): Promise<ReadonlyMap<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>()
  try {
    for (const each of await readdir(folder, { withFileTypes: true, recursive: true })) {
      if (!each.isFile() || !/\.(?:json|cert)$/.test(each.name)) continue
      const kind = each.name.startsWith("notice_")
        ? "notices/"
        : each.name.startsWith("case_")
          ? "cases/"
          : ""
      if (kind === "" && each.name !== "holds.json") continue
      found.set(`retention/${kind}${each.name}`, await readFile(join(each.parentPath, each.name)))
    }
  } catch (cause) {
    throw new CliError("CLI_FILE", `cannot use the folder ${folder}: ${reasonOf(cause)}`, { cause })
  }
  return found
}

function progressOf(name: string, bytes: Uint8Array): number {
  return CASE_STATES.indexOf(caseOf(name, bytes).state)
}

function caseOf(name: string, bytes: Uint8Array): EraseCase {
  try {
    return parseCase(new TextDecoder().decode(bytes))
  } catch (cause) {
    throw new CliError("CLI_DAMAGED_BACKUP", `${name}: ${wordsOf(cause)}`, { cause })
  }
}

/**
 * Returns the tombstone of every leaf that a notice of the log names and a case erases.
 *
 * @param notices - all of the log, of whatever kind
 * @param files - of the log's folder, its cases among them
 * @param buried - by leaf of their notice, what the tombstones of the backup say
 * @throws {@link CliError} `CLI_RESTORE_REFUSED`, leaf by leaf, if there are notices of which nobody knows what they name
 */
export function noticedLeaves(
  notices: readonly PlacedNotice[],
  files: ReadonlyMap<string, Uint8Array>,
  buried: ReadonlyMap<number, readonly NoticeItem[]>,
): ReadonlyMap<number, NoticedTombstone> {
  const together = casesByNotice(files)
  const holds = placedHolds(files)
  const tombstones = new Map<number, NoticedTombstone>()
  const unknown: number[] = []
  for (const { leafIndex, notice } of notices) {
    const { kind } = notice
    if (kind !== TOMBSTONE_REASONS.erasedForPerson && kind !== TOMBSTONE_REASONS.erasedOtherwise) continue
    const root = encodeHex(notice.root)
    const cases = together.get(root)
    if (cases === undefined && rootOf(buried.get(leafIndex) ?? []) !== root) unknown.push(leafIndex)
    const mayBeHeld = holds.some((placedMs) => placedMs >= notice.timeMs)
    const ready = cases?.filter((one) => hasDestroyed(one) || !mayBeHeld) ?? []
    // What one case spares another of the same day may erase.
    const erased = new Set(ready.flatMap(({ items = [] }) => items.map(([leaf]) => leaf)))
    for (const item of itemsOf(ready)) {
      if (!erased.has(item.leafIndex)) continue
      tombstones.set(item.leafIndex, {
        state: "destroyed",
        reason: kind,
        reference: leafIndex,
        salt: item.salt,
      })
    }
  }
  if (unknown.length === 0) return tombstones
  throw new CliError(
    "CLI_RESTORE_REFUSED",
    "records were erased, and nobody can tell which: the restored log would bring them back",
    {
      details: [
        ...unknown.map((leaf) => `the notice at leaf ${leaf} is of no case in the backup`),
        "Name a later copy of the log's folder `retention` with --cases FOLDER.",
      ],
    },
  )
}

function hasDestroyed({ state }: EraseCase): boolean {
  return CASE_STATES.indexOf(state) >= CASE_STATES.indexOf("withdrawn")
}

/** When the holds that are in force were placed, ms since 1970. */
function placedHolds(files: ReadonlyMap<string, Uint8Array>): readonly number[] {
  const bytes = files.get("retention/holds.json")
  try {
    return parseHolds(bytes && new TextDecoder().decode(bytes))
      .filter(isInForce)
      .map(({ placed }) => Date.parse(placed.at))
  } catch (cause) {
    throw new CliError("CLI_DAMAGED_BACKUP", `retention/holds.json: ${wordsOf(cause)}`, { cause })
  }
}

/** Cases that were announced together, by the root of their notice. */
function casesByNotice(files: ReadonlyMap<string, Uint8Array>): ReadonlyMap<string, readonly EraseCase[]> {
  const groups = new Map<string, EraseCase[]>()
  for (const [name, bytes] of files) {
    if (!CASE_PATH.test(name)) continue
    const one = caseOf(name, bytes)
    if (one.notice !== undefined) groups.set(one.notice, [...(groups.get(one.notice) ?? []), one])
  }
  return new Map([...groups.values()].map((cases) => [rootOf(itemsOf(cases)), cases]))
}

function rootOf(items: readonly NoticeItem[]): string {
  if (items.length === 0) return ""
  const ascending = [...items].sort((one, other) => one.leafIndex - other.leafIndex)
  return encodeHex(new NoticeTree(ascending).root)
}
