/**
 * The text of an evidence file, cut into its events before any of it is parsed.
 *
 *     {"format":…,"checkpoint":…,"events":[  {…}  ,  {…}  ,  {…}  ]}
 *     └──────────── around ──────────────┘   one     one     one   └┘ around
 *
 * So whoever reads it holds one event at a time, and stops at the first that is false: a hostile file of
 * 250 MB, parsed whole, takes 7 GB and two minutes before its first event is looked at.
 *
 * The cuts decide nothing about what the text means. Each piece is parsed strictly by itself, and what is around
 * the events with nothing between its brackets: where all of that is JSON, so is the whole, and it says the same.
 *
 * Numbers are held to one reading here too. A parser takes 9007199254740993, and 200.00000000000000001, for the
 * nearest double; people and other programs read what stands there. So a number must be, as a decimal, the
 * shortest one of the double it stands for, in whatever spelling: 1.0 or 1e0, but no digit that is dropped.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { parseStrictJson } from "@prooflog/event/json"

/** Characters around the events: a checkpoint of a megabyte, each byte of it escaped. */
const MAX_AROUND = 8 * 1024 * 1024

/** Characters of one event: a record of 64 KiB with every byte escaped and on a line of its own. */
const MAX_EVENT = 4 * 1024 * 1024

/** Characters of one number: the largest double, spelled out. */
const MAX_NUMBER = 400

/** Arrays and objects around a value in an event (3), and the depth of a value (4), with one to spare for both to be checked where they belong. */
const MAX_EVENT_DEPTH = 8

export interface CutEvidence {
  /** The file without its events: parsed, with an empty array in their place. Suspect. */
  readonly around: unknown
  /** Each event, parsed when its turn comes. Suspect. Throws as {@link cutEvidence}. */
  readonly events: Iterable<unknown>
}

/**
 * Cuts and parses the text of an evidence file.
 *
 * The first array in it is taken for the events: in a file of the right form there is no other before.
 *
 * @param text - suspect
 * @param refuse - returns what to throw; `cause` is the EventError of the strict parser, if it refused
 */
export function cutEvidence(
  text: string,
  refuse: (where: string, why: string, cause?: unknown) => unknown,
): CutEvidence {
  const start = startOfFirstArray(text)
  let end = start
  for (const [, pieceEnd] of piecesOf(text, start)) end = pieceEnd
  if (text.length - (end - start) > MAX_AROUND) throw refuse("the file", "too much around its events")
  const around = parse(text.slice(0, start) + text.slice(end), "the file", 2, refuse)
  return { around, events: isBlank(text, start, end) ? [] : parsedPieces(text, start, refuse) }
}

function* parsedPieces(
  text: string,
  start: number,
  refuse: (where: string, why: string, cause?: unknown) => unknown,
): Generator<unknown, void, undefined> {
  let i = 0
  for (const [pieceStart, pieceEnd] of piecesOf(text, start)) {
    const where = `events[${i++}]`
    if (pieceEnd - pieceStart > MAX_EVENT) throw refuse(where, "longer than any event")
    const piece = text.slice(pieceStart, pieceEnd)
    const value = parse(piece, where, MAX_EVENT_DEPTH, refuse)
    const number = findMisreadNumber(piece)
    if (number !== undefined) throw refuse(where, `the number ${number} has digits that would be dropped`)
    yield value
  }
}

function parse(
  text: string,
  where: string,
  maxDepth: number,
  refuse: (where: string, why: string, cause?: unknown) => unknown,
): unknown {
  try {
    return parseStrictJson(text, { maxDepth, integers: "double" })
  } catch (cause) {
    throw refuse(where, cause instanceof Error ? cause.message : "", cause)
  }
}
