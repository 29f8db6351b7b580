import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { KeptFields } from "./kept-fields.js"
import { PACE, Row, Rows } from "./rows.js"

class Note extends Row {
  text: string

  constructor(text: string) {
    super()
    this.text = text
  }
}

const FORM = {
  fields: ({ text }: Note) => [text],
  read: (fields: KeptFields) => new Note(fields.text()),
  bytes: ({ text }: Note) => text.length,
}

const rowsOf = (rows: number, bytes = 1e9) => new Rows<Note>(FORM, { rows, bytes })

function keysOf(rows: Rows<Note>): readonly string[] {
  return [...rows.entries()].map(([key]) => key)
}

describe("rows", () => {
  it("that were not used for longest go", () => {
    const rows = rowsOf(3)
    const gone: string[] = []
    for (const [leaf, key] of ["a", "b", "c"].entries()) rows.add(key, new Note(key), leaf)
    rows.use("a", 3)
    rows.add("d", new Note("d"), 4, (key) => gone.push(key))
    rows.add("e", new Note("e"), 5, (key) => gone.push(key))
    expect(gone).toEqual(["b", "c"])
    expect(keysOf(rows)).toEqual(["a", "d", "e"])
  })

  it("go when they take too many bytes, but for the one that does", () => {
    const rows = rowsOf(100, 1_000)
    rows.add("a", new Note("a"), 0)
    rows.add("b", new Note("b".repeat(2_000)), 1)
    expect(keysOf(rows)).toEqual(["b"])
    const note = rows.use("b", 2) as Note
    note.text = "b"
    rows.changed("b", note)
    rows.add("c", new Note("c"), 3)
    expect(rows.count).toBe(2)
    expect(rows.bytes).toBeLessThan(200)
  })

  it("that are used all the time are not written each time", () => {
    const rows = rowsOf(1_000_000)
    rows.add("a", new Note("a"), 0)
    rows.takeChanges(
      () => {},
      () => {},
    )
    let written = 0
    for (let leaf = 1; leaf <= 10 * PACE; leaf++) {
      rows.use("a", leaf)
      rows.takeChanges(
        () => written++,
        () => {},
      )
    }
    expect(written).toBe(10)
  })

  it("are handed out when they change, and when they go, once", () => {
    const rows = rowsOf(10)
    const taken = () => {
      const changes: string[] = []
      rows.takeChanges(
        (key, value) => changes.push(`${key} ${value}`),
        (key) => changes.push(key),
      )
      return changes
    }
    rows.add("a", new Note("x"), 7)
    rows.add("b", new Note("y"), 8)
    expect(taken()).toEqual(['a [7,"x"]', 'b [8,"y"]'])
    rows.delete("a")
    rows.delete("nobody")
    expect(taken()).toEqual(["a"])
    rows.delete("b")
    rows.add("b", new Note("z"), 9)
    expect(taken()).toEqual(['b [9,"z"]'])
    expect(taken()).toEqual([])
  })

  it.each([
    ["", "[]", "7", "[7]", '["x"]', '[7,"x",1]', "[7,null]", '[-1,"x"]', '[1.5,"x"]', "[7", '{"0":7}'],
  ])("are not put back from %s", (value) => {
    expect(() => rowsOf(10).restore("a", value)).toThrow(RangeError)
  })
})

describe("whatever is done to them,", () => {
  const step = fc.record({
    key: fc.constantFrom(..."abcdefghij"),
    does: fc.constantFrom("use", "use", "use", "delete"),
  })

  it("the same go as if a list was kept, and put back after any step they are the same", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), fc.nat(100), (steps, restart) => {
        let rows = rowsOf(5)
        const kept = new Map<string, string>()
        let list: string[] = []
        for (const [leaf, { key, does }] of steps.entries()) {
          if (does === "delete") rows.delete(key)
          else if (rows.use(key, leaf) === undefined) rows.add(key, new Note(key), leaf)
          list = list.filter((each) => each !== key)
          if (does === "use") list.push(key)
          if (list.length > 5) list.shift()
          if (leaf % (restart + 1) === 0) {
            rows.takeChanges(
              (key, value) => kept.set(key, value),
              (key) => kept.delete(key),
            )
            rows = rowsOf(5)
            for (const [key, value] of [...kept].sort()) rows.restore(key, value)
          }
          expect(rows.oldest()?.[0]).toBe(list[0])
        }
        expect(keysOf(rows)).toEqual(list)
      }),
    )
  })
})
