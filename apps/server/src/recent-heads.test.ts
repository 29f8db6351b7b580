import type { Head } from "@prooflog/ledger"
import { describe, expect, it } from "vitest"
import { RecentHeads } from "./recent-heads.js"

describe("heads that evidence was made at", () => {
  function at(sizes: { now: number }) {
    return new RecentHeads(() => ({ treeSize: sizes.now, note: `note of ${sizes.now}` }) as unknown as Head)
  }

  it("are found again by their tree size, the published one too", () => {
    const sizes = { now: 7 }
    const heads = at(sizes)
    expect(heads.at(undefined).treeSize).toBe(7)
    sizes.now = 9
    expect(heads.at(7).note).toBe("note of 7")
    expect(heads.at(9).note).toBe("note of 9")
  })

  it("are no others than those: not one that was published and never used", () => {
    const sizes = { now: 7 }
    const heads = at(sizes)
    sizes.now = 9
    expect(() => heads.at(7)).toThrow(expect.objectContaining({ code: "SERVER_NOT_PUBLISHED" }))
  })

  it("are the last 64, and one that is used stays", () => {
    const sizes = { now: 1 }
    const heads = at(sizes)
    for (; sizes.now <= 64; sizes.now++) heads.at(undefined)
    expect(heads.at(1).treeSize).toBe(1)
    heads.at(undefined)
    expect(heads.at(1).treeSize).toBe(1)
    expect(() => heads.at(2)).toThrow("was used for evidence lately")
  })
})
