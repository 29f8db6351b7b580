import { QueryError } from "@prooflog/query/error"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import type { Question } from "./calls.js"
import { type Asks, Questions, TOO_MUCH_MEMORY_SIGNAL } from "./questions.js"
import type { Death } from "./supervisor.js"

const CRASH: Death = { exitCode: 139, signal: null, killed: false }
const OF_MEMORY: Death = { exitCode: null, signal: TOO_MUCH_MEMORY_SIGNAL, killed: false }

/** A child that is only told of: it answers when the test says so. */
class StandIn {
  readonly questions: Questions
  /** What is under way in it, by SQL. */
  readonly underWay = new Map<
    string,
    { answer: (value: unknown) => void; fail: (error: Error) => void; signal: AbortSignal }
  >()
  kills = 0

  constructor() {
    this.questions = new Questions({
      timeoutMs: 1_000,
      exportTimeoutMs: 10_000,
      graceMs: 100,
      kill: () => {
        this.kills++
        this.die({ exitCode: null, signal: "SIGKILL", killed: true })
      },
    })
  }

  up(): void {
    const asks = (question: Question, signal: AbortSignal) =>
      new Promise((resolve, reject) =>
        this.underWay.set(nameOf(question), { answer: resolve, fail: reject, signal }),
      )
    this.questions.up(asks as Asks)
  }

  die(death: Death): void {
    this.underWay.clear()
    this.questions.down(death)
  }

  /** Resolves with its answer, or the code of its error. */
  ask(name: string, signal = new AbortController().signal): Promise<unknown> {
    return this.questions.ask(questionOf(name), signal).catch((error: QueryError) => error.code)
  }

  /** The same, of the key before the slash: `k1/bomb`. */
  askBy(...names: readonly string[]): Promise<unknown>[] {
    return names.map((name) => this.ask(name))
  }

  async answer(...names: readonly string[]): Promise<void> {
    for (const name of names) {
      const found = this.underWay.get(name)
      if (found === undefined) throw new Error(`${name} is not under way`)
      this.underWay.delete(name)
      found.answer(`${name}!`)
      await settled()
    }
  }

  async failOfMemory(name: string): Promise<void> {
    const found = this.underWay.get(name)
    this.underWay.delete(name)
    found?.fail(new QueryError("QUERY_TOO_MUCH_MEMORY", "too much"))
    await settled()
  }

  get names(): string[] {
    return [...this.underWay.keys()]
  }
}

function questionOf(name: string): Question {
  if (name.startsWith("export")) return { kind: "export", job: { path: name } as never }
  const [asker, ...others] = name.split("/")
  return {
    kind: "sql",
    asked: { sql: name, withheld: [], limit: 1, ...(others.length > 0 && { asker }) },
  }
}

function nameOf(question: Question): string {
  if (question.kind === "sql") return question.asked.sql
  return question.kind === "export" ? question.job.path : question.kind
}

async function settled(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve()
}

describe("questions to a child that they may kill", () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it("that find no memory beside others are asked again alone, and then believed", async () => {
    const child = new StandIn()
    child.up()
    const [big, light, late] = [child.ask("big"), child.ask("light"), child.ask("late")]
    await child.failOfMemory("light")
    expect(child.names).toEqual(["big", "late"])
    await child.failOfMemory("big")
    await child.answer("late")
    // One alone, then the other.
    expect(child.names).toEqual(["big"])
    await child.failOfMemory("big")
    expect(await big).toBe("QUERY_TOO_MUCH_MEMORY")
    expect(child.names).toEqual(["light"])
    await child.answer("light")
    expect([await light, await late]).toEqual(["light!", "late!"])
  })

  it("go four at a time, in order, and wait for a child", async () => {
    const child = new StandIn()
    const answers = Promise.all(["a", "b", "c", "d", "e", "f"].map((name) => child.ask(name)))
    expect(child.names).toEqual([])
    child.up()
    expect(child.names).toEqual(["a", "b", "c", "d"])
    await child.answer("b")
    expect(child.names).toEqual(["a", "c", "d", "e"])
    await child.answer("a", "c", "d", "e", "f")
    expect(await answers).toEqual(["a!", "b!", "c!", "d!", "e!", "f!"])
  })

  it("are refused when 64 wait", async () => {
    const child = new StandIn()
    child.up()
    const asked = Array.from({ length: 68 }, (_, i) => child.ask(`q${i}`))
    expect(await child.ask("one more")).toBe("QUERY_BUSY")
    child.questions.close()
    child.die(CRASH)
    expect(new Set(await Promise.all(asked))).toEqual(new Set(["QUERY_UNAVAILABLE"]))
  })

  it("wait no longer than they may take, for others or for a child", async () => {
    const child = new StandIn()
    const lonely = child.ask("lonely")
    await vi.advanceTimersByTimeAsync(10_000)
    expect(await lonely).toBe("QUERY_UNAVAILABLE")
    child.up()
    for (const name of ["a", "b", "c", "d"]) void child.ask(name)
    const late = child.ask("late")
    await vi.advanceTimersByTimeAsync(999)
    await child.answer("a")
    expect(child.names).toContain("late")
    await child.answer("late")
    expect(await late).toBe("late!")
  })

  it("past their deadline are interrupted, and a child that minds it lives", async () => {
    const child = new StandIn()
    child.up()
    const asked = child.ask("slow")
    await vi.advanceTimersByTimeAsync(999)
    expect(child.underWay.get("slow")?.signal.aborted).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(child.underWay.get("slow")?.signal.aborted).toBe(true)
    child.underWay.get("slow")?.answer(Promise.reject(new QueryError("QUERY_INTERRUPTED", "interrupted")))
    expect(await asked).toBe("QUERY_TIMEOUT")
    await vi.advanceTimersByTimeAsync(1_000)
    expect(child.kills).toBe(0)
  })

  it("that do not stop cost the child its life; bystanders are asked again, side by side", async () => {
    const child = new StandIn()
    child.up()
    const runaway = child.ask("runaway")
    await vi.advanceTimersByTimeAsync(500)
    const bystanders = [child.ask("a"), child.ask("b")]
    await vi.advanceTimersByTimeAsync(599)
    expect(child.kills).toBe(0)
    await vi.advanceTimersByTimeAsync(1)
    expect(child.kills).toBe(1)
    expect(await runaway).toBe("QUERY_TIMEOUT")
    expect(child.names).toEqual([])
    child.up()
    expect(child.names).toEqual(["a", "b"])
    await child.answer("b", "a")
    expect(await Promise.all(bystanders)).toEqual(["a!", "b!"])
  })

  it("are asked again one by one, before all others, if nobody knows which of them killed the child", async () => {
    const child = new StandIn()
    child.up()
    const asked = ["a", "bomb", "c"].map((name) => child.ask(name))
    child.die(OF_MEMORY)
    const later = child.ask("later")
    child.up()
    expect(child.names).toEqual(["a"])
    await child.answer("a")
    expect(child.names).toEqual(["bomb"])
    child.die(OF_MEMORY)
    child.up()
    expect(child.names).toEqual(["c"])
    await child.answer("c")
    expect(child.names).toEqual(["later"])
    await child.answer("later")
    expect(await Promise.all([...asked, later])).toEqual(["a!", "QUERY_TOO_MUCH_MEMORY", "c!", "later!"])
  })

  it("that killed the child alone are not asked again when it was for its memory", async () => {
    const child = new StandIn()
    child.up()
    const bomb = child.ask("bomb")
    child.die(OF_MEMORY)
    expect(await bomb).toBe("QUERY_TOO_MUCH_MEMORY")
  })

  it("alone in a child that crashed are asked once more", async () => {
    const child = new StandIn()
    child.up()
    const asked = [child.ask("unlucky")]
    child.die(CRASH)
    child.up()
    await child.answer("unlucky")
    asked.push(child.ask("crash"))
    child.die(CRASH)
    child.up()
    child.die(CRASH)
    expect(await Promise.all(asked)).toEqual(["unlucky!", "QUERY_RESTARTED"])
  })

  it("are not blamed for a death that was not for their sake", async () => {
    const child = new StandIn()
    child.up()
    const asked = child.ask("lucky")
    child.die(CRASH)
    child.up()
    // Alone, and killed because a page was not taken.
    child.die({ exitCode: null, signal: "SIGKILL", killed: true })
    child.up()
    await child.answer("lucky")
    expect(await asked).toBe("lucky!")
  })

  it("are never asked more than three times, whoever is to blame", async () => {
    const child = new StandIn()
    child.up()
    const asked = child.ask("bystander")
    for (const runaway of ["first", "second"]) {
      const controller = new AbortController()
      expect(child.names).toEqual(["bystander"])
      void child.ask(runaway, controller.signal)
      controller.abort()
      await vi.advanceTimersByTimeAsync(100)
      child.up()
    }
    expect(child.kills).toBe(2)
    // Twice it was another's fault. The third time it is asked alone, and whatever happens is its own.
    expect(child.names).toEqual(["bystander"])
    child.die(CRASH)
    expect(await asked).toBe("QUERY_RESTARTED")
  })

  it("of one who went away end: in line at once, under way by an interrupt and a kill", async () => {
    const child = new StandIn()
    child.up()
    const controller = new AbortController()
    const running = child.ask("running", controller.signal)
    for (const name of ["b", "c", "d"]) void child.ask(name)
    const waiting = child.ask("waiting", controller.signal)
    controller.abort()
    expect(await waiting).toBe("QUERY_INTERRUPTED")
    expect(child.underWay.get("running")?.signal.aborted).toBe(true)
    await vi.advanceTimersByTimeAsync(100)
    expect(child.kills).toBe(1)
    expect(await running).toBe("QUERY_INTERRUPTED")
    expect(await child.ask("gone before", AbortSignal.abort())).toBe("QUERY_INTERRUPTED")
  })

  it("of an export goes beside four others, wherever it stands in line, and is begun anew once", async () => {
    const child = new StandIn()
    child.up()
    const others = ["a", "b", "c", "d", "e"].map((name) => child.ask(name))
    const first = child.ask("export 1")
    expect(child.names).toEqual(["a", "b", "c", "d", "export 1"])
    child.die(CRASH)
    child.up()
    for (const name of ["a", "b", "c", "d"]) {
      expect(child.names).toEqual([name])
      await child.answer(name)
    }
    expect(child.names.sort()).toEqual(["e", "export 1"])
    await child.answer("e")
    child.die(CRASH)
    expect(await first).toBe("QUERY_RESTARTED")
    const second = child.ask("export 2")
    child.up()
    await child.answer("export 2")
    expect(await second).toBe("export 2!")
    expect(await Promise.all(others)).toEqual(["a!", "b!", "c!", "d!", "e!"])
  })
})

describe("questions of one key that kill the child again and again", () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  /** A child that has died of a question of `k1`. */
  async function bombed(): Promise<StandIn> {
    const child = new StandIn()
    child.up()
    const bomb = child.ask("k1/bomb")
    child.die(OF_MEMORY)
    expect(await bomb).toBe("QUERY_TOO_MUCH_MEMORY")
    child.up()
    return child
  }

  it("wait for a pause, and then behind all others, one at a time", async () => {
    const child = await bombed()
    await vi.advanceTimersByTimeAsync(1_900)
    const theirs = child.askBy("k1/second", "k1/third")
    const others = child.askBy("a", "k2/b", "c", "d", "e")
    expect(child.names).toEqual(["a", "k2/b", "c", "d"])
    await child.answer("a")
    await vi.advanceTimersByTimeAsync(200)
    expect(child.names).toEqual(["k2/b", "c", "d", "e"])
    await child.answer("k2/b")
    expect(child.names).toEqual(["c", "d", "e", "k1/second"])
    await child.answer("c")
    expect(child.names).toEqual(["d", "e", "k1/second"])
    await child.answer("k1/second")
    expect(child.names).toEqual(["d", "e", "k1/third"])
    await child.answer("d", "e", "k1/third")
    expect(await Promise.all(theirs)).toEqual(["k1/second!", "k1/third!"])
    expect(await Promise.all(others)).toEqual(["a!", "k2/b!", "c!", "d!", "e!"])
  })

  it("begin by themselves when the pause is over", async () => {
    const child = await bombed()
    await vi.advanceTimersByTimeAsync(1_500)
    const [second] = child.askBy("k1/second")
    await vi.advanceTimersByTimeAsync(499)
    expect(child.names).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(child.names).toEqual(["k1/second"])
    await child.answer("k1/second")
    expect(await second).toBe("k1/second!")
  })

  it("are to blame for the next death too: others are asked again beside each other, at once", async () => {
    const child = await bombed()
    await vi.advanceTimersByTimeAsync(2_000)
    const asked = child.askBy("k1/bomb", "a", "k2/b")
    expect(child.names).toEqual(["k1/bomb", "a", "k2/b"])
    child.die(OF_MEMORY)
    expect(await asked[0]).toBe("QUERY_TOO_MUCH_MEMORY")
    child.up()
    expect(child.names).toEqual(["a", "k2/b"])
    // Now twice as long.
    const [third] = child.askBy("k1/third")
    await vi.advanceTimersByTimeAsync(999)
    await child.answer("a", "k2/b")
    expect(child.names).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(await third).toBe("QUERY_BUSY")
    await vi.advanceTimersByTimeAsync(3_000)
    void child.askBy("k1/fourth")
    expect(child.names).toEqual(["k1/fourth"])
    expect(await Promise.all(asked.slice(1))).toEqual(["a!", "k2/b!"])
  })

  it("are known by their key where all that ran were of it", async () => {
    const child = new StandIn()
    child.up()
    const bombs = child.askBy("k1/1", "k1/2", "k1/3", "k1/4", "k1/5")
    const [other] = child.askBy("k2/other")
    child.die(OF_MEMORY)
    child.up()
    expect(child.names).toEqual(["k2/other"])
    await child.answer("k2/other")
    expect(await other).toBe("k2/other!")
    await vi.advanceTimersByTimeAsync(2_000)
    expect(child.names).toHaveLength(1)
    child.die(OF_MEMORY)
    child.up()
    expect(child.names).toEqual([])
    child.questions.close()
    expect(new Set(await Promise.all(bombs))).toContain("QUERY_TOO_MUCH_MEMORY")
  })

  it("are known where they did not stop, also for who has gone away", async () => {
    const child = new StandIn()
    child.up()
    const controller = new AbortController()
    const runaway = child.ask("k1/runaway", controller.signal)
    const [bystander] = child.askBy("k2/bystander")
    controller.abort()
    await vi.advanceTimersByTimeAsync(100)
    expect(await runaway).toBe("QUERY_INTERRUPTED")
    child.up()
    void child.askBy("k1/next")
    expect(child.names).toEqual(["k2/bystander"])
    await child.answer("k2/bystander")
    expect(await bystander).toBe("k2/bystander!")
    expect(child.names).toEqual([])
  })

  it("are few that wait", async () => {
    const child = await bombed()
    void child.askBy("k1/1", "k1/2", "k1/3", "k1/4")
    expect(await child.ask("k1/5")).toBe("QUERY_BUSY")
    void child.ask("k2/1")
    expect(child.names).toEqual(["k2/1"])
  })

  it("are held against nobody for ever", async () => {
    const child = await bombed()
    await vi.advanceTimersByTimeAsync(602_000)
    void child.askBy("k1/1", "k1/2")
    expect(child.names).toEqual(["k1/1", "k1/2"])
  })
})

describe("patience", () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it("stands still while there is no child, which is waited for on its own", async () => {
    const child = new StandIn()
    child.up()
    void child.askBy("a", "b", "c", "d")
    await vi.advanceTimersByTimeAsync(500)
    const late = child.ask("late")
    await vi.advanceTimersByTimeAsync(300)
    child.die(CRASH)
    await vi.advanceTimersByTimeAsync(9_000)
    // Another that dies at once begins no new time of waiting for one.
    child.die(CRASH)
    child.up()
    // The four are asked one by one first.
    expect(child.names).toEqual(["a"])
    await vi.advanceTimersByTimeAsync(699)
    await child.answer("a", "b", "c", "d")
    expect(child.names).toEqual(["late"])
    await child.answer("late")
    expect(await late).toBe("late!")
    child.die(CRASH)
    const lost = child.ask("lost")
    await vi.advanceTimersByTimeAsync(6_000)
    child.die(CRASH)
    await vi.advanceTimersByTimeAsync(4_000)
    expect(await lost).toBe("QUERY_UNAVAILABLE")
  })
})

describe("a child that is to rest", () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it("does so when what is under way has ended, and is asked what came meanwhile when it is up again", async () => {
    const child = new StandIn()
    child.up()
    const [before, exporting] = [child.ask("before"), child.ask("export")]
    let isResting = false
    const resting = child.questions.rest().then(() => {
      isResting = true
    })
    const meanwhile = child.ask("meanwhile")
    await child.answer("before")
    expect([await before, child.names, isResting]).toEqual(["before!", ["export"], false])
    await child.answer("export")
    await resting
    expect([await exporting, child.names]).toEqual(["export!", []])
    // Its time stands still, as without a child.
    vi.advanceTimersByTime(5_000)
    child.up()
    await child.answer("meanwhile")
    expect(await meanwhile).toBe("meanwhile!")
  })

  it("does so at once when nothing is under way, and when it dies", async () => {
    const child = new StandIn()
    child.up()
    await child.questions.rest()
    child.up()
    const asked = child.ask("deadly")
    const resting = child.questions.rest()
    child.die(CRASH)
    await resting
    child.up()
    await child.answer("deadly")
    expect(await asked).toBe("deadly!")
  })
})
