/**
 * What a line of a selection looks at: one field, or, for keywords, everything an event says.
 *
 * Pure.
 */

import type { EventTest } from "./event-test.js"
import type { FieldValue, SeenEvent } from "./seen-event.js"
import type { TextTest } from "./text-pattern.js"

/** One text, or several of which one is enough. */
export type Texts = string | readonly string[] | undefined

export interface Subject {
  /** As they are. */
  readonly texts: (event: SeenEvent) => Texts
  readonly folded: (event: SeenEvent) => Texts
  /** By how much its tests cost more than those of a field. */
  readonly weight: number
}

/** What of everything an event says: a record has some twenty texts. */
const KEYWORDS_WEIGHT = 20

export const KEYWORDS: Subject = {
  texts: (event) => event.texts(),
  folded: (event) => event.foldedTexts(),
  weight: KEYWORDS_WEIGHT,
}

export function fieldSubject(slot: number): Subject {
  return {
    texts: (event) => textsOf(event.value(slot)),
    folded: (event) => event.folded(slot),
    weight: 1,
  }
}

/** Returns the test that one of the texts passes a test; what has none does not. */
export function testOfTexts(texts: Subject["texts"], test: TextTest, cost: number): EventTest {
  const matches = (event: SeenEvent) => {
    const found = texts(event)
    if (found === undefined) return false
    return typeof found === "string" ? test(found) : found.some(test)
  }
  return { matches, cost }
}

function textsOf(value: FieldValue | undefined): Texts {
  return value === undefined || typeof value === "object" ? value : String(value)
}
