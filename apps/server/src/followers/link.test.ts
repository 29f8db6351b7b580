import { LedgerError } from "@prooflog/ledger/error"
import { QueryError } from "@prooflog/query/error"
import { VerifierError } from "@prooflog/verifier/error"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type Channel, Gone, type Handlers, openLink } from "./link.js"

interface Calls {
  double(n: number): number
  bytes(bytes: Uint8Array): Uint8Array
  fail(kind: string): never
  wait(value: undefined): string
  note(text: string): void
}

interface Nothing {
  nothing(value: undefined): void
}

/** Two ends of one pipe, which clones what goes through it, later, in order. */
function pipe() {
  const listeners: ((message: unknown) => void)[][] = [[], []]
  const ends: (() => void)[] = []
  const channel = (own: number): Channel => ({
    send(message, sent) {
      const copy = structuredClone(message)
      setImmediate(() => {
        for (const listener of listeners[1 - own] ?? []) listener(copy)
        sent(null)
      })
    },
    onMessage: (listener) => void listeners[own]?.push(listener),
    onEnd: (listener) => void ends.push(listener),
  })
  const end = () => {
    for (const listener of ends) listener()
  }
  return { near: channel(0), far: channel(1), end }
}

function linked(change: Partial<Handlers<Calls>> = {}) {
  const { near, far, end } = pipe()
  const noted: string[] = []
  const faults: unknown[] = []
  openLink<Calls, Nothing>(
    far,
    {
      double: (n) => n * 2,
      bytes: async (bytes) => bytes.map((byte) => byte ^ 0xff),
      fail(kind): never {
        if (kind === "query")
          throw new QueryError("QUERY_SYNTAX", "no", { line: 2, column: 7, hint: "SELECT" })
        if (kind === "verifier")
          throw new VerifierError("VERIFIER_MISSING", "not there", { path: "tile/0/000" })
        if (kind === "ledger") throw new LedgerError("LEDGER_MISSING_RECORD", "leaf 7", { leafIndex: 7 })
        throw new Error("just so", { cause: new Error("because") })
      },
      wait: (_, signal) =>
        new Promise((resolve) => signal.addEventListener("abort", () => resolve("no longer wanted"))),
      note: (text) => {
        if (text === "bad") throw new Error("what a note")
        noted.push(text)
      },
      ...change,
    },
    (error) => void faults.push(error),
  )
  const link = openLink<Nothing, Calls>(near, { nothing: () => {} }, () => {})
  return { link, end, noted, faults }
}

describe("a link", () => {
  it("answers each question with its own answer, whatever the order", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.integer(), fc.nat(3)), { maxLength: 20 }), async (asked) => {
        const turns = asked.map(([, turns]) => turns)
        const { link } = linked({
          double: async (n) => {
            for (let left = turns.shift() ?? 0; left > 0; left--) await new Promise(setImmediate)
            return n * 2
          },
        })
        const answers = await Promise.all(asked.map(([n]) => link.ask("double", n)))
        expect(answers).toEqual(asked.map(([n]) => n * 2))
      }),
      { numRuns: 20 },
    )
  })

  it("carries bytes", async () => {
    const { link } = linked()
    expect(await link.ask("bytes", Uint8Array.of(0, 255, 1))).toEqual(Uint8Array.of(255, 0, 254))
  })

  it.each([
    ["query", QueryError, { code: "QUERY_SYNTAX", message: "no", line: 2, column: 7, hint: "SELECT" }],
    ["verifier", VerifierError, { code: "VERIFIER_MISSING", message: "not there", path: "tile/0/000" }],
    ["ledger", LedgerError, { code: "LEDGER_MISSING_RECORD", message: "leaf 7", leafIndex: 7 }],
    ["other", Error, { message: "Error: just so: because" }],
  ])("throws here what a %s error was there", async (kind, kindHere, members) => {
    const error = await linked()
      .link.ask("fail", kind)
      .catch((error: unknown) => error)
    expect(error).toBeInstanceOf(kindHere)
    expect(error).toMatchObject(members)
  })

  it("lets the other side know that an answer is no longer wanted, and waits for it", async () => {
    const { link } = linked()
    const controller = new AbortController()
    const answer = link.ask("wait", undefined, controller.signal)
    controller.abort()
    expect(await answer).toBe("no longer wanted")
    expect(await link.ask("wait", undefined, AbortSignal.abort())).toBe("no longer wanted")
  })

  it("fails all that wait, and all that comes, when the other side is gone", async () => {
    const { link, end } = linked()
    const waiting = [link.ask("wait", undefined), link.ask("wait", undefined)]
    end()
    for (const answer of waiting) await expect(answer).rejects.toBeInstanceOf(Gone)
    await expect(link.ask("double", 1)).rejects.toBeInstanceOf(Gone)
    await new Promise<void>((resolve) => link.tell("note", "to nobody", resolve))
  })

  it("ends what is asked of this side when the one who asked is gone", async () => {
    let ended = false
    const { link, end } = linked({
      wait: (_, signal) =>
        new Promise((resolve) => {
          signal.addEventListener("abort", () => {
            ended = true
            resolve("")
          })
        }),
    })
    const waiting = link.ask("wait", undefined)
    await link.ask("double", 1)
    end()
    await expect(waiting).rejects.toBeInstanceOf(Gone)
    expect(ended).toBe(true)
  })

  it("tells without an answer; what goes wrong then is told on this side", async () => {
    const { link, noted, faults } = linked()
    link.tell("note", "one")
    link.tell("note", "bad")
    link.tell("note", "two")
    await link.ask("double", 1)
    expect(noted).toEqual(["one", "two"])
    expect(faults).toEqual([new Error("what a note")])
  })

  it("answers what it is not to be asked with an error, and nothing that objects inherit", async () => {
    const { link } = linked()
    for (const name of ["constructor", "toString", "unheard_of"]) {
      await expect(link.ask(name as "double", 1)).rejects.toThrow(`nobody answers "${name}"`)
    }
  })

  it("answers with an error what cannot be cloned", async () => {
    const { link } = linked({ double: (() => () => 2) as never })
    await expect(link.ask("double", 1)).rejects.toThrow("could not be cloned")
  })
})
