/**
 * Tests of events, and how they are joined.
 *
 * Of several that must all hold, the cheapest is asked first: most events fail it, and the others are never asked.
 *
 * Pure.
 */

import type { SeenEvent } from "./seen-event.js"

export interface EventTest {
  /** Whether it holds for an event. Never throws. */
  readonly matches: (event: SeenEvent) => boolean
  /** About how much it takes, where a comparison of two texts takes 1. */
  readonly cost: number
}

/** Returns the test that all of these hold; of none, one that always does. */
export function allOf(tests: readonly EventTest[]): EventTest {
  const [first, second, third] = cheapestFirst(tests).map(({ matches }) => matches)
  const cost = costOf(tests)
  if (first === undefined) return { matches: () => true, cost }
  if (second === undefined) return { matches: first, cost }
  if (third === undefined) return { matches: (event) => first(event) && second(event), cost }
  const matches = cheapestFirst(tests).map((test) => test.matches)
  return { matches: (event) => matches.every((each) => each(event)), cost }
}

/** Returns the test that one of these holds; of none, one that never does. */
export function anyOf(tests: readonly EventTest[]): EventTest {
  const [first, second] = cheapestFirst(tests).map(({ matches }) => matches)
  const cost = costOf(tests)
  if (first === undefined) return { matches: () => false, cost }
  if (second === undefined) return { matches: first, cost }
  const matches = cheapestFirst(tests).map((test) => test.matches)
  return { matches: (event) => matches.some((each) => each(event)), cost }
}

/** Returns the test that this one does not hold. */
export function negationOf({ matches, cost }: EventTest): EventTest {
  return { matches: (event) => !matches(event), cost }
}

function cheapestFirst(tests: readonly EventTest[]): readonly EventTest[] {
  return [...tests].sort((a, b) => a.cost - b.cost)
}

function costOf(tests: readonly EventTest[]): number {
  return tests.reduce((sum, { cost }) => sum + cost, 0)
}
