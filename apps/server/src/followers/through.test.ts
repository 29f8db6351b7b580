import { describe, expect, it } from "vitest"
import { Through } from "./through.js"

describe("how far answers see", () => {
  it("is told to each who listens, once for each step, until it no longer does", () => {
    const through = new Through()
    const heard: number[][] = [[], []]
    const ends = heard.map((sizes) => through.listen((size) => void sizes.push(size)))
    through.reached(3)
    through.reached(3)
    ends[0]?.()
    through.reached(8)
    expect(heard).toEqual([[3], [3, 8]])
  })

  it("is waited for", async () => {
    const through = new Through()
    await through.wait(0, 10_000, undefined)
    const waiting = through.wait(5, 10_000, undefined)
    through.reached(4)
    through.reached(6)
    await waiting
    await through.wait(6, 10_000, undefined)
  })

  it("is waited for no longer than anyone has patience", async () => {
    const through = new Through()
    through.reached(4)
    await expect(through.wait(5, 10, undefined)).rejects.toMatchObject({ code: "QUERY_BEHIND" })
    const controller = new AbortController()
    const gone = through.wait(5, 10_000, controller.signal)
    controller.abort()
    await expect(gone).rejects.toMatchObject({ code: "QUERY_INTERRUPTED" })
    await expect(through.wait(5, 10_000, AbortSignal.abort())).rejects.toMatchObject({
      code: "QUERY_INTERRUPTED",
    })
    const waiting = through.wait(5, 10_000, undefined)
    through.close()
    await expect(waiting).rejects.toMatchObject({ code: "QUERY_BEHIND" })
  })
})
