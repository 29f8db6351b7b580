import { beforeEach, describe, expect, it } from "vitest"
import { Turns } from "../turns.js"
import { HoldsLock } from "./holds-lock.js"

describe("the lock of holds", () => {
  let turns: Turns
  let lock: HoldsLock
  const there = new AbortController().signal
  beforeEach(() => {
    turns = new Turns(1)
    lock = new HoldsLock({ whileTheyStay: (task) => turns.take(task) })
  })

  /** Whether a hold can be placed now. */
  async function isFree(): Promise<boolean> {
    let placed = false
    void turns.take(async () => {
      placed = true
    })
    await new Promise((resolve) => setImmediate(resolve))
    return placed
  }

  it("lets no hold be placed until it is freed, however often", async () => {
    await lock.take(there)
    expect(await isFree()).toBe(false)
    await lock.free()
    await lock.free()
    expect(await isFree()).toBe(true)
    await lock.take(there)
    expect(await isFree()).toBe(false)
    await lock.free()
  })

  it("is kept until what was begun under it is done", async () => {
    await lock.take(there)
    let end = () => {}
    const working = lock.during(
      () =>
        new Promise<void>((resolve) => {
          end = resolve
        }),
    )
    const freed = lock.free()
    expect(await isFree()).toBe(false)
    end()
    await Promise.all([working, freed])
    expect(await isFree()).toBe(true)
    await expect(lock.during(() => Promise.reject(new Error("no")))).rejects.toThrow("no")
  })

  it("is not taken by one who died while it waited", async () => {
    let leave = () => {}
    const placing = turns.take(
      () =>
        new Promise<void>((resolve) => {
          leave = resolve
        }),
    )
    const dying = new AbortController()
    void lock.take(dying.signal)
    dying.abort()
    await lock.free()
    leave()
    await placing
    expect(await isFree()).toBe(true)
  })

  it("says why it cannot be taken", async () => {
    const broken = new HoldsLock({ whileTheyStay: () => Promise.reject(new Error("no holds")) })
    await expect(broken.take(there)).rejects.toThrow("no holds")
  })
})
