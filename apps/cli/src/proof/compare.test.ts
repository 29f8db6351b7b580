import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Row } from "../sql-answer.js"
import { differenceOf, isExact, isSame } from "./compare.js"

const NONE: ReadonlySet<number> = new Set()

describe("values", () => {
  it.each([
    ["the same text", "a", "a", true],
    ["another text", "a", "b", false],
    ["a text and its number", "1", 1, false],
    ["NULL and an empty text", null, "", false],
    ["integers that differ by one", 9007199254740990, 9007199254740991, false],
    ["fractions that differ by rounding", 0.1 + 0.2, 0.3, true],
    ["an average and its last digit", 812.3333333333333, 812.3333333333335, true],
    ["fractions that differ", 0.3, 0.3001, false],
    ["an integer, and a fraction that is no rounding of it", 3, 3.001, false],
    ["objects with members in another order", { a: 1, b: [2] }, { b: [2], a: 1 }, true],
    ["lists in another order", [1, 2], [2, 1], false],
  ])("%s", (_, one, other, same) => {
    expect(isSame(one, other)).toBe(same)
    expect(isSame(other, one)).toBe(same)
  })

  it.each([
    ["the same fraction", 12.25, 12.25, true],
    ["a fraction and its rounding", 12.25, 12.25 * (1 + 9e-10), false],
    ["a list of fractions, one of them rounded", [0.3], [0.1 + 0.2], false],
    ["objects with members in another order", { a: 1, b: [2] }, { b: [2], a: 1 }, true],
    ["no value at all", null, null, true],
  ])("to the last digit: %s", (_, one, other, same) => {
    expect(isExact(one, other)).toBe(same)
  })
})

describe("answers as multisets", () => {
  const row = fc.tuple(
    fc.constantFrom("a", "b", null),
    fc.constantFrom(1, 2, 0.5),
    fc.constantFrom({ x: 1, y: 2 }, [1]),
  )

  it("are the same in any order", () => {
    fc.assert(
      fc.property(fc.array(row), fc.infiniteStream(fc.nat()), (rows, random) => {
        const shuffled = rows
          .map((each) => ({ each, key: random.next().value as number }))
          .sort((a, b) => a.key - b.key)
          .map(({ each }) => each)
        expect(differenceOf(rows, shuffled, NONE)).toEqual({ onlyOurs: [], onlyTheirs: [] })
      }),
    )
  })

  it("differ by what counting finds", () => {
    fc.assert(
      fc.property(fc.array(row), fc.array(row), (ours, theirs) => {
        const left = (from: readonly Row[], less: readonly Row[]) => {
          const rest = less.map((each) => JSON.stringify(each))
          return from.filter((each) => {
            const at = rest.indexOf(JSON.stringify(each))
            if (at >= 0) rest.splice(at, 1)
            return at < 0
          })
        }
        const { onlyOurs, onlyTheirs } = differenceOf(ours, theirs, NONE)
        expect(onlyOurs.map((each) => JSON.stringify(each)).sort()).toEqual(
          left(ours, theirs)
            .map((each) => JSON.stringify(each))
            .sort(),
        )
        expect(onlyTheirs).toHaveLength(left(theirs, ours).length)
      }),
    )
  })

  it("are the same if sums differ by rounding, and positions that are skipped by anything", () => {
    expect(differenceOf([["a", 0.1 + 0.2, "x"]], [["a", 0.3, "y"]], new Set([2])).onlyTheirs).toEqual([])
    expect(differenceOf([["a", 1, "x"]], [["a", 1, "y"]], NONE)).toEqual({
      onlyOurs: [["a", 1, "x"]],
      onlyTheirs: [["a", 1, "y"]],
    })
  })
})
