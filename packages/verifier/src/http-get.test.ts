import { describe, expect, it } from "vitest"
import { type GetOptions, type HttpAnswer, type HttpGet, withRoom } from "./http-get.js"

const OPTIONS: GetOptions = { headers: {}, limit: 1_000, timeoutMs: 1_000, signal: undefined }

const answerOf = (url: string): HttpAnswer => ({
  status: 200,
  retryAfter: undefined,
  location: undefined,
  body: new TextEncoder().encode(url),
})

/** GETs of 40 bytes each that end, or fail, when the test says so. */
class Gets {
  /** Those begun, in order; with a `+` the ones that nothing is counted of. */
  readonly begun: string[] = []
  readonly #ends = new Map<string, { resolve: (answer: HttpAnswer) => void; reject: (why: Error) => void }>()

  readonly get: HttpGet = async (url, { take }) => {
    this.begun.push(take === undefined ? `${url}+` : url)
    take?.(40)
    return await new Promise((resolve, reject) => {
      this.#ends.set(url, { resolve, reject })
    })
  }

  async end(url: string): Promise<void> {
    this.#ends.get(url)?.resolve(answerOf(url))
    await settled()
  }

  async fail(url: string): Promise<void> {
    this.#ends.get(url)?.reject(new Error(`no ${url}`))
    await settled()
  }
}

const settled = () => new Promise((resolve) => setImmediate(resolve))

describe("GETs with room for so many bytes", () => {
  it("gather no more than that at a time, and one body on top, until all are there", async () => {
    const gets = new Gets()
    const get = withRoom(gets.get, 100)
    const answers = ["a", "b", "c", "d", "e"].map((url) => get(url, OPTIONS))
    await settled()
    expect(gets.begun).toEqual(["a", "b", "c", "d", "e", "c+"])
    // Room is for those that come now; the others wait for the one on top.
    await gets.end("a")
    answers.push(get("f", OPTIONS))
    await settled()
    expect(gets.begun.slice(6)).toEqual(["f"])
    await gets.end("c")
    expect(gets.begun.slice(7)).toEqual(["d+"])
    // One that fails keeps nobody waiting, and its room is given back.
    const failed = expect(answers[3]).rejects.toThrow("no d")
    await gets.fail("d")
    await failed
    expect(gets.begun.slice(8)).toEqual(["e+"])
    const lost = expect(answers[1]).rejects.toThrow("no b")
    await gets.fail("b")
    await lost
    answers.push(get("g", OPTIONS))
    await settled()
    expect(gets.begun.slice(9)).toEqual(["g"])
    for (const url of ["e", "f", "g"]) await gets.end(url)
    expect(gets.begun.filter((url) => url.endsWith("+"))).toEqual(["c+", "d+", "e+"])
    const [a, , c, , e, f, g] = await Promise.allSettled(answers)
    expect([a, c, e, f, g]).toEqual(
      ["a", "c", "e", "f", "g"].map((url) => ({ status: "fulfilled", value: answerOf(url) })),
    )
  })
})
