import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { GroupKey, labelOf, MAX_LABEL } from "./group-key.js"
import { FieldSlots, type FieldValue, type SeenEvent } from "./seen-event.js"

function grouped(names: readonly string[]) {
  const slots = new FieldSlots()
  const group = new GroupKey(names, slots)
  const keyOf = (fields: Readonly<Record<string, FieldValue>>) => {
    const value = (slot: number) => fields[slots.names()[slot] as string]
    return group.keyOf({ value } as SeenEvent)
  }
  return { group, keyOf }
}

describe("a group", () => {
  it("is of everything if there is nothing to tell apart", () => {
    const { group, keyOf } = grouped([])
    expect(keyOf({ a: "x" })).toBe("")
    expect(group.labelsOf("")).toEqual({})
  })

  it("has no event that lacks a field, or has it empty", () => {
    const { keyOf } = grouped(["a", "b"])
    expect(keyOf({ a: "x" })).toBeUndefined()
    expect(keyOf({ a: "x", b: "" })).toBeUndefined()
    expect(grouped(["a"]).keyOf({})).toBeUndefined()
  })

  it("has events that lack a field which they need not have, and no label of it", () => {
    const { group, keyOf } = grouped(["a", "b?"])
    const key = keyOf({ a: "x" }) as string
    expect(group.labelsOf(key)).toEqual({ a: "x" })
    expect(grouped(["b?"]).keyOf({})).toBe("")
  })

  it("is the same for a value and its text, and for the same list", () => {
    const { group, keyOf } = grouped(["a"])
    expect(group.labelsOf(keyOf({ a: 404 }) as string)).toEqual({ a: "404" })
    expect(keyOf({ a: true })).toBe("true")
    expect(keyOf({ a: ["x", "y"] })).toBe('["x","y"]')
  })

  it("is another one for other values, and tells them", () => {
    const text = fc.string({
      unit: fc.constantFrom("1", ":", "a", "0", "\u0000"),
      minLength: 1,
      maxLength: 6,
    })
    const { group, keyOf } = grouped(["a", "b", "c?"])
    fc.assert(
      fc.property(fc.tuple(text, text, text), fc.tuple(text, text, text), ([a, b, c], [d, e, f]) => {
        const key = keyOf({ a, b, c }) as string
        expect(group.labelsOf(key)).toEqual({ a, b, c })
        expect(keyOf({ a: d, b: e, c: f }) === key).toBe(a === d && b === e && c === f)
      }),
    )
  })

  it("is found by the values of a field", () => {
    const { group, keyOf } = grouped(["a", "b"])
    const isTheirs = group.holding("b", new Set(["y", "z"]))
    expect(isTheirs?.(keyOf({ a: "y", b: "x" }) as string)).toBe(false)
    expect(isTheirs?.(keyOf({ a: "x", b: "z" }) as string)).toBe(true)
    expect(group.holding("c", new Set(["y"]))).toBeUndefined()
  })

  it("is found by a name within its value, as of a path or a list", () => {
    const { group, keyOf } = grouped(["a"])
    const isTheirs = group.holding("a", new Set(["ada"]))
    expect(isTheirs?.(keyOf({ a: "/homes/ada/x" }) as string)).toBe(true)
    expect(isTheirs?.(keyOf({ a: ["bob", "ada"] }) as string)).toBe(true)
    expect(isTheirs?.(keyOf({ a: "/homes/adam/x" }) as string)).toBe(false)
  })

  it("of a long value is found by it, too", () => {
    const { group, keyOf } = grouped(["a"])
    const long = "x".repeat(5_000)
    expect(group.holding("a", new Set([long]))?.(keyOf({ a: long }) as string)).toBe(true)
  })
})

describe("a long value", () => {
  it("is short, unlike others that begin as it does, and cuts no character in two", () => {
    const long = `${"x".repeat(199)}😀${"y".repeat(100)}`
    expect(labelOf(long)).toMatch(/^x{199}…[0-9a-f]{16}$/)
    expect(labelOf(`${long}z`)).not.toBe(labelOf(long))
    expect(labelOf("x".repeat(MAX_LABEL))).toBe("x".repeat(MAX_LABEL))
    expect(labelOf("x".repeat(MAX_LABEL + 1)).length).toBeLessThan(MAX_LABEL)
  })
})
