import { getEventListeners } from "node:events"
import { describe, expect, it } from "vitest"
import { pause, untilAborted } from "./until-aborted.js"

const listeners = (signal: AbortSignal) => getEventListeners(signal, "abort").length
const turn = () => new Promise((resolve) => setImmediate(resolve))

describe("waiting until a signal", () => {
  it("gives what it waited for, and its failures", async () => {
    const wait = untilAborted(new AbortController().signal)
    expect(await wait(async () => 7)).toBe(7)
    await expect(wait(() => Promise.reject(new Error("its own")))).rejects.toThrow("its own")
    await expect(
      wait(() => {
        throw new Error("at once")
      }),
    ).rejects.toThrow("at once")
  })

  it("ends all that wait, with the signal's reason, and nobody later begins", async () => {
    const abort = new AbortController()
    const wait = untilAborted(abort.signal)
    const waiting = [1, 2, 3].map(() => wait(() => new Promise<void>(() => {})).catch((error) => error))
    abort.abort("enough")
    expect(await Promise.all(waiting)).toEqual(["enough", "enough", "enough"])
    let begun = false
    const late = wait(async () => {
      begun = true
    })
    await expect(late).rejects.toBe("enough")
    expect(begun).toBe(false)
  })

  it("listens once, and not when nobody waits", async () => {
    const { signal } = new AbortController()
    const wait = untilAborted(signal)
    const answers: (() => void)[] = []
    const waiting = [1, 2, 3].map(() => wait(() => new Promise<void>((resolve) => answers.push(resolve))))
    expect(listeners(signal)).toBe(1)
    for (const answer of answers) answer()
    await Promise.all(waiting)
    await turn()
    expect(listeners(signal)).toBe(0)
    const failing = wait(() => {
      throw new Error("at once")
    })
    await expect(failing).rejects.toThrow("at once")
    await turn()
    expect(listeners(signal)).toBe(0)
  })

  it("leaves no listener after a pause", async () => {
    const { signal } = new AbortController()
    await pause(0, signal)
    expect(listeners(signal)).toBe(0)
  })
})
