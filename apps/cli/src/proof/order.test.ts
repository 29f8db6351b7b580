import type { JsonValue } from "@prooflog/query/store"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { isPartInOrder, isWholeInOrder, withoutKeys } from "./order.js"

const NONE: ReadonlySet<number> = new Set()

const columns = (...types: string[]) => types.map((type, i) => ({ name: `c${i}`, type }))

/** Rows of a name and a place, in the order of places; few names, so that some rows are the same. */
const ordered = fc
  .array(fc.tuple(fc.constantFrom("a", "b", "c"), fc.nat(3)), { maxLength: 6 })
  .map((pairs) => pairs.sort(([, one], [, other]) => one - other))
  .map((pairs) => ({ rows: pairs.map(([name]) => [name]), places: pairs.map(([, place]) => place) }))

/** Every order of some things. */
function* ordersOf<Thing>(things: readonly Thing[]): Generator<readonly Thing[]> {
  if (things.length === 0) yield []
  for (const [i, first] of things.entries()) {
    for (const rest of ordersOf(things.filter((_, at) => at !== i))) yield [first, ...rest]
  }
}

describe("keys behind rows", () => {
  it("make the same place of rows that tie, and go", () => {
    const rows = [
      ["x", 1, null],
      ["y", 1, null],
      ["z", 2, null],
      ["x", 2, "a"],
    ]
    expect(withoutKeys(columns("VARCHAR", "BIGINT", "VARCHAR"), rows, 2, true)).toEqual({
      rows: [["x"], ["y"], ["z"], ["x"]],
      places: [0, 0, 1, 2],
    })
    expect(withoutKeys(columns("VARCHAR", "BIGINT", "VARCHAR"), rows, 0, true)).toEqual({ rows })
  })

  it("that are sums tie if they differ by rounding, those that were logged do not", () => {
    const rows = [[0.3], [0.1 + 0.2]]
    expect(withoutKeys(columns("DOUBLE"), rows, 1, false).places).toEqual([0, 0])
    expect(withoutKeys(columns("DOUBLE"), rows, 1, true).places).toEqual([0, 1])
  })

  it.each(["INTERVAL", "TIME WITH TIME ZONE", "STRUCT(a BIGINT)", "INTERVAL[]"])(
    "of %s tell nothing: two texts may be the same value",
    (type) => {
      expect(withoutKeys(columns(type), [["30 days"], ["1 month"]], 1, true).places).toBeUndefined()
    },
  )
})

describe("rows are in order", () => {
  it("all of them, if and only if some order of those that tie is theirs", () => {
    fc.assert(
      fc.property(ordered, fc.infiniteStream(fc.nat()), (ours, random) => {
        const at = ours.rows.map((_, i) => ({ i, key: random.next().value as number }))
        const theirs = at.sort((a, b) => a.key - b.key).map(({ i }) => ours.rows[i] as JsonValue[])
        const wanted = [...ordersOf([...ours.rows.keys()])].some(
          (order) =>
            order.every((i, n) => ours.places[i] === ours.places[n]) &&
            order.every((i, n) => ours.rows[i]?.[0] === theirs[n]?.[0]),
        )
        expect(isWholeInOrder(ours, theirs, NONE)).toBe(wanted)
        expect(isPartInOrder(ours, theirs, undefined, NONE)).toBe(wanted)
      }),
    )
  })

  it("some of them, if and only if there are such rows with ascending places", () => {
    fc.assert(
      fc.property(ordered, fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 5 }), (ours, names) => {
        const findable = (from: number, after: number, taken: readonly number[]): boolean =>
          from === names.length ||
          ours.rows.some(
            ([name], i) =>
              name === names[from] &&
              !taken.includes(i) &&
              (ours.places[i] as number) >= after &&
              findable(from + 1, ours.places[i] as number, [...taken, i]),
          )
        const theirs = names.map((name) => [name])
        expect(isPartInOrder(ours, theirs, undefined, NONE)).toBe(findable(0, 0, []))
      }),
    )
  })

  it("by their leaves, whatever else they show", () => {
    const ours = {
      rows: [
        [7, "x"],
        [3, "y"],
        [9, "z"],
      ],
      places: [0, 1, 1],
    }
    const by = (...leaves: number[]) =>
      isPartInOrder(
        ours,
        leaves.map((leaf) => [leaf, "?"]),
        0,
        NONE,
      )
    expect([by(7, 9, 3), by(7, 3), by(9, 3), by()]).toEqual([true, true, true, true])
    expect([by(3, 7), by(9, 7, 3), by(8)]).toEqual([false, false, false])
  })
})
