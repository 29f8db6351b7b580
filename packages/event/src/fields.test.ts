import { describe, expect, test } from "vitest"
import { FIELD_MEANINGS, FIELD_WORDS, FIELDS } from "./fields.js"
import { AccessEventSchema } from "./schema.js"

type Property = { readonly description?: string; readonly enum?: unknown }

const PROPERTIES = AccessEventSchema.properties as unknown as Readonly<Record<string, Property>>

describe("what is said of fields apart from the schema", () => {
  test("has every name that a producer may use, in the order of the schema", () => {
    const names = FIELDS.filter(({ setBy }) => setBy === "producer").map(({ name }) => name)
    expect(names).toEqual(Object.keys(PROPERTIES))
  })

  test.each(Object.entries(FIELD_MEANINGS))("is what the schema says of %s", (name, meaning) => {
    expect(PROPERTIES[name]?.description).toBe(meaning)
  })

  test("has the words of exactly those fields that are one of few", () => {
    const words = Object.entries(PROPERTIES).flatMap(([name, { enum: all }]) => (all ? [[name, all]] : []))
    expect(Object.fromEntries(words)).toEqual(FIELD_WORDS)
  })
})
