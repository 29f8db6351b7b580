/** The outbox with time, chance, storage and sinks that are given: what it promises, whenever it dies. */

import type { Notification } from "@prooflog/alerts/notification"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { alert, NOON, notification } from "../../../../test/alerts/made-alerts.js"
import { Circuit, FAILURES, growing, jittered } from "./circuit.js"
import type { DeliveryAttempt, OutboxClock, Outcome, Sink } from "./delivery.js"
import { Outbox, type OutboxLimits } from "./outbox.js"
import type { OutboxStep, OutboxStore } from "./outbox-store.js"

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

class FakeClock implements OutboxClock {
  #nowMs = NOON
  #timers: { readonly atMs: number; readonly call: () => void }[] = []

  nowMs(): number {
    return this.#nowMs
  }

  random(): number {
    return 0.5
  }

  after(ms: number, call: () => void): () => void {
    const timer = { atMs: this.#nowMs + ms, call }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((each) => each !== timer)
    }
  }

  /** Lets time pass, and all that is due happen in its order. */
  async pass(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms
    await settled()
    for (;;) {
      const [next] = this.#timers.sort((a, b) => a.atMs - b.atMs)
      if (next === undefined || next.atMs > endMs) break
      this.#timers.shift()
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      next.call()
      await settled()
    }
    this.#nowMs = endMs
  }

  /** As when somebody sets it right: timers do not care. */
  setBack(ms: number): void {
    this.#nowMs -= ms
    this.#timers = this.#timers.map(({ atMs, call }) => ({ atMs: atMs - ms, call }))
  }

  /** As when a process dies: nothing that waited happens. */
  forget(): void {
    this.#timers = []
  }
}

/** Everything that needs no time has happened. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Rows in memory, and all that was kept with them. */
class MemoryStore implements OutboxStore {
  readonly kept = new Map<string, string>()
  readonly attempts: DeliveryAttempt[] = []
  /** What becomes of the next step, and of all after it. */
  fate: "kept" | "fails, not kept" | "fails, but kept" = "kept"
  #dead = false

  async *rows(): AsyncGenerator<readonly [string, string]> {
    // Not in their order.
    yield* [...this.kept].reverse()
  }

  async keep({ put, remove, attempts }: OutboxStep): Promise<void> {
    await Promise.resolve()
    if (this.#dead) throw new Error("the process is dead")
    const { fate } = this
    if (fate !== "kept") this.#dead = true
    if (fate !== "fails, not kept") {
      for (const [key, value] of put) this.kept.set(key, value)
      for (const key of remove) this.kept.delete(key)
      this.attempts.push(...attempts)
    }
    if (fate !== "kept") throw new Error("nobody knows what was kept")
  }

  /** A new process finds what is there. */
  revive(): void {
    this.#dead = false
    this.fate = "kept"
  }
}

interface FakeSink extends Sink {
  /** Every attempt, in order. */
  readonly tried: string[]
  answer: (notification: Notification, attempt: number) => Outcome | Promise<Outcome>
}

const TAKES: Outcome = { kind: "delivered", why: "200" }
const FAILS: Outcome = { kind: "later", why: "500" }
const REFUSES: Outcome = { kind: "refused", why: "400" }

function fakeSink(name = "a", answer: FakeSink["answer"] = () => TAKES): FakeSink {
  const tried: string[] = []
  return {
    name,
    type: "webhook",
    tried,
    answer,
    hears: ({ status }) => status !== "acknowledged",
    async deliver(given) {
      tried.push(given.id)
      return this.answer(given, tried.length)
    },
  }
}

/** An answer that is given later. */
function gated(): { readonly promise: Promise<Outcome>; readonly resolve: (outcome: Outcome) => void } {
  let resolve = (_: Outcome) => {}
  const promise = new Promise<Outcome>((given) => {
    resolve = given
  })
  return { promise, resolve }
}

class Box {
  readonly clock = new FakeClock()
  readonly store = new MemoryStore()
  readonly broken: unknown[] = []
  outbox!: Outbox
  readonly #limits: Partial<OutboxLimits>
  #processes = 0

  constructor(limits: Partial<OutboxLimits> = {}) {
    this.#limits = limits
  }

  /** Opens what is kept, as a new process: the one before is dead. */
  async open(...sinks: readonly Sink[]): Promise<this> {
    const { clock } = this
    await this.kill()
    const process = this.#processes
    const store: OutboxStore = {
      rows: () => this.store.rows(),
      keep: (step) => (process === this.#processes ? this.store.keep(step) : new Promise(() => {})),
    }
    const onBroken = (error: unknown) => void this.broken.push(error)
    this.outbox = await Outbox.open({ store, sinks, clock, onBroken, limits: this.#limits })
    return this
  }

  /** The process dies. What it was keeping is kept by then, or not. */
  async kill(): Promise<void> {
    this.#processes++
    await settled()
  }

  /** Stages, keeps and releases. */
  async send(...notifications: readonly Notification[]): Promise<void> {
    const { put, remove, release } = this.outbox.stage(notifications)
    await this.store.keep({ put, remove, attempts: [] })
    release()
    await settled()
  }

  status(name = "a") {
    const status = this.outbox.status().find((each) => each.name === name)
    if (status === undefined) throw new Error("no sink")
    return status
  }
}

function of(group: string, given: Partial<Notification> = {}): Notification {
  return notification({ sink: "a", groupKey: group, ...given })
}

function ids(notifications: readonly Notification[]): string[] {
  return notifications.map(({ id }) => id)
}

describe("a notification", () => {
  it("is kept before it is tried, and goes when it is delivered", async () => {
    const sink = fakeSink()
    const { outbox, store } = await new Box().open(sink)
    const one = of("g")
    const { put, release } = outbox.stage([one])
    await settled()
    expect(sink.tried).toEqual([])
    await store.keep({ put, remove: [], attempts: [] })
    release()
    await settled()
    expect(sink.tried).toEqual([one.id])
    expect([...store.kept]).toEqual([])
    expect(store.attempts).toMatchObject([
      {
        sink: "a",
        id: one.id,
        dedupKey: one.dedupKey,
        number: 1,
        outcome: "delivered",
        why: "200",
        alerts: [one.alerts[0]?.id],
      },
    ])
  })

  it("that its sink does not hear is not queued", async () => {
    const sink = fakeSink()
    const box = await new Box().open(sink)
    await box.send(of("g", { status: "acknowledged" }))
    expect(sink.tried).toEqual([])
    expect(box.store.kept.size).toBe(0)
  })

  it("that fails is tried again after pauses that grow to an hour, for three days, and is then dead", async () => {
    const sink = fakeSink("a", () => FAILS)
    const box = await new Box().open(sink)
    const times: number[] = []
    sink.answer = () => {
      times.push(box.clock.nowMs() - NOON)
      return FAILS
    }
    await box.send(of("g"))
    await box.clock.pass(4 * DAY)
    const pauses = times.slice(1).map((ms, i) => ms - (times[i] as number))
    expect(pauses.slice(0, 4)).toEqual([750, 1_500, 3_000, 6_000])
    expect(Math.max(...pauses)).toBe(0.75 * HOUR)
    expect(times.at(-1)).toBeGreaterThanOrEqual(3 * DAY)
    expect(times.at(-1)).toBeLessThan(3 * DAY + HOUR)
    expect(box.status()).toMatchObject({
      waiting: 0,
      dead: [{ attempts: times.length, error: "500", sinceMs: NOON }],
    })
    expect(box.store.attempts.map(({ number }) => number)).toEqual(times.map((_, i) => i + 1))
    expect(box.store.attempts.at(-1)?.outcome).toBe("dead")
  })

  it("that is refused is dead at once, is kept, and can be sent again", async () => {
    const sink = fakeSink("a", () => REFUSES)
    const box = await new Box().open(sink)
    const [first, second] = [of("g"), of("g")]
    await box.send(first, second)
    expect(box.status().dead.map(({ id, error }) => [id, error])).toEqual([
      [first.id, "400"],
      [second.id, "400"],
    ])
    await box.open(sink)
    expect(box.status().dead).toHaveLength(2)
    sink.answer = () => TAKES
    expect(await box.outbox.resend("a")).toBe(2)
    await settled()
    expect(sink.tried).toEqual([first.id, second.id, first.id, second.id])
    expect(box.status()).toMatchObject({ dead: [], waiting: 0 })
    expect(box.store.kept.size).toBe(0)
    expect(await box.outbox.resend("other")).toBeUndefined()
  })

  it("that makes its sink throw is dead, and takes nothing else with it", async () => {
    const sink = fakeSink("a", ({ groupKey }) => {
      if (groupKey === "bad") throw new TypeError("secret words")
      return TAKES
    })
    const box = await new Box().open(sink)
    await box.send(of("bad"), of("good"))
    expect(box.status().dead).toMatchObject([{ error: "bug: TypeError while it was written" }])
    expect(box.store.attempts.map(({ outcome }) => outcome).sort()).toEqual(["dead", "delivered"])
  })

  it("sent again counts its attempts on, and has its days again", async () => {
    const sink = fakeSink("a", () => REFUSES)
    const box = await new Box().open(sink)
    await box.send(of("g"))
    await box.clock.pass(10 * DAY)
    sink.answer = () => FAILS
    await box.outbox.resend("a")
    await box.clock.pass(2 * DAY)
    expect(box.status()).toMatchObject({ waiting: 1, dead: [] })
    const numbers = box.store.attempts.map(({ number }) => number)
    expect(numbers).toEqual(numbers.map((_, i) => i + 1))
  })
})

describe("a group", () => {
  it("is told in order: the next when the one before is delivered or dead, and other groups do not wait", async () => {
    const gate = gated()
    const [slow, after, other] = [of("g"), of("g"), of("h")]
    const sink = fakeSink("a", ({ id }) => (id === slow.id ? gate.promise : TAKES))
    const box = await new Box().open(sink)
    await box.send(slow, after, other)
    expect(sink.tried).toEqual([slow.id, other.id])
    gate.resolve(REFUSES)
    await settled()
    expect(sink.tried).toEqual([slow.id, other.id, after.id])
  })

  it("goes on only when it is kept that the one before is delivered", async () => {
    const sink = fakeSink()
    const box = await new Box().open(sink)
    box.store.fate = "kept"
    const [first, second] = [of("g"), of("g")]
    const { put, release } = box.outbox.stage([first, second])
    await box.store.keep({ put, remove: [], attempts: [] })
    box.store.fate = "fails, not kept"
    release()
    await box.clock.pass(DAY)
    expect(sink.tried).toEqual([first.id])
    expect(box.broken).toHaveLength(1)
  })

  it("that is sent again from the dead is put where it was", async () => {
    const sink = fakeSink("a", (_, attempt) => (attempt === 1 ? REFUSES : FAILS))
    const box = await new Box().open(sink)
    const [first, second, third] = [of("g"), of("g"), of("g")]
    await box.send(first, second, third)
    expect(sink.tried).toEqual([first.id, second.id])
    sink.answer = () => TAKES
    await box.outbox.resend("a")
    await settled()
    expect(sink.tried).toEqual([first.id, second.id, first.id])
    await box.clock.pass(HOUR)
    expect(sink.tried).toEqual([first.id, second.id, first.id, second.id, third.id])
  })
})

describe("a sink", () => {
  it("is told four things at once, and no more", async () => {
    const gates: ((outcome: Outcome) => void)[] = []
    const sink = fakeSink("a", () => new Promise((resolve) => gates.push(resolve)))
    const box = await new Box().open(sink)
    await box.send(...Array.from({ length: 10 }, (_, i) => of(`g${i}`)))
    expect(sink.tried).toHaveLength(4)
    gates[2]?.(TAKES)
    await settled()
    expect(sink.tried).toHaveLength(5)
  })

  it("that asks for patience is left alone for so long, whatever waits", async () => {
    const sink = fakeSink("a", () => ({ kind: "later", why: "429", retryAfterMs: 2 * MINUTE }))
    const box = await new Box().open(sink)
    await box.send(of("g"))
    sink.answer = () => TAKES
    await box.send(of("h"), of("i"))
    await box.clock.pass(2 * MINUTE - 1)
    expect(sink.tried).toHaveLength(1)
    expect(box.status()).toMatchObject({ circuit: "closed", untilMs: NOON + 2 * MINUTE, lastError: "429" })
    await box.clock.pass(1)
    expect(sink.tried).toHaveLength(4)
    expect(box.status()).toMatchObject({ waiting: 0, lastDeliveredMs: NOON + 2 * MINUTE })
  })

  it("that asks for years of patience is asked again after a day", async () => {
    const sink = fakeSink("a", () => ({ kind: "later", why: "503", retryAfterMs: 10 ** 12 }))
    const box = await new Box().open(sink)
    await box.send(of("g"))
    await box.clock.pass(DAY)
    expect(sink.tried).toHaveLength(2)
  })

  it("that fails five times in a row is tried with one notification, and told all when it is back", async () => {
    const sink = fakeSink("a", () => FAILS)
    const box = await new Box().open(sink)
    const notifications = Array.from({ length: 20 }, (_, i) => of(`g${i}`))
    await box.send(...notifications)
    await box.clock.pass(5_000)
    expect(box.status()).toMatchObject({ circuit: "open", waiting: 20 })
    const before = sink.tried.length
    expect(before).toBeLessThanOrEqual(2 * 4)
    await box.clock.pass(HOUR)
    expect(box.status().circuit).toBe("open")
    // The pauses are 30 s, a minute … ten minutes, each three quarters of it.
    expect(sink.tried.length - before).toBeLessThan(15)
    expect(new Set(sink.tried.slice(before))).toEqual(new Set([notifications[0]?.id]))
    sink.answer = () => TAKES
    await box.clock.pass(10 * MINUTE)
    expect(box.status()).toMatchObject({ circuit: "closed", waiting: 0 })
    expect(new Set(sink.tried)).toEqual(new Set(ids(notifications)))
  })

  it("that refuses lives: its circuit stays closed", async () => {
    const sink = fakeSink("a", () => REFUSES)
    const box = await new Box().open(sink)
    await box.send(...Array.from({ length: 10 }, () => of("g")))
    expect(box.status()).toMatchObject({ circuit: "closed" })
    expect(sink.tried).toHaveLength(10)
  })

  it("that fails does not keep another one from being told", async () => {
    const [bad, good] = [fakeSink("a", () => FAILS), fakeSink("b")]
    const box = await new Box().open(bad, good)
    await box.send(of("g"), of("g", { sink: "b" }))
    expect(good.tried).toHaveLength(1)
  })

  it("that is gone from the settings is told when it is there again", async () => {
    const sink = fakeSink("a", () => FAILS)
    const box = await new Box().open(sink)
    const one = of("g")
    await box.send(one)
    box.outbox.setSinks([])
    await box.send(of("h"))
    await box.clock.pass(HOUR)
    expect(sink.tried).toHaveLength(1)
    expect(box.status()).toMatchObject({ kind: "gone", waiting: 2 })
    const mended = fakeSink()
    box.outbox.setSinks([mended])
    await settled()
    expect(mended.tried).toHaveLength(2)
    box.outbox.setSinks([])
    expect(box.outbox.status()).toEqual([])
  })

  it("with other settings is tried at once, whatever the one before has asked for", async () => {
    const sink = fakeSink("a", () => FAILS)
    const box = await new Box().open(sink)
    await box.send(of("g"))
    await box.clock.pass(HOUR)
    expect(box.status().circuit).toBe("open")
    const patient = fakeSink("a", () => ({ kind: "later", why: "429", retryAfterMs: HOUR }))
    box.outbox.setSinks([patient])
    await settled()
    expect(patient.tried).toHaveLength(1)
    const mended = fakeSink()
    box.outbox.setSinks([mended])
    await settled()
    expect(mended.tried).toHaveLength(1)
    expect(box.status()).toMatchObject({ waiting: 0, circuit: "closed" })
  })

  it.each(["the same process", "the next one"])(
    "that failed by a clock which was ahead is tried soon after that is set right, by %s",
    async (process) => {
      const sink = fakeSink("a", () => FAILS)
      const box = await new Box().open(sink)
      await box.send(of("g"))
      await box.clock.pass(30 * MINUTE)
      expect(box.status()).toMatchObject({ waiting: 1, circuit: expect.not.stringMatching("closed") })
      box.clock.setBack(10 * DAY)
      if (process === "the next one") await box.open(sink)
      sink.answer = () => TAKES
      await box.clock.pass(HOUR)
      expect(box.status().waiting).toBe(0)
    },
  )

  it("can be tried by a person, once, and that is kept like any attempt", async () => {
    const sink = fakeSink("a", () => FAILS)
    const box = await new Box().open(sink)
    expect(await box.outbox.try(of("t"))).toEqual(FAILS)
    expect(await box.outbox.try(of("t", { sink: "other" }))).toBeUndefined()
    await box.clock.pass(DAY)
    expect(sink.tried).toHaveLength(1)
    expect(box.store.attempts).toMatchObject([{ outcome: "dead", why: "500", number: 1 }])
    expect(box.status()).toMatchObject({ waiting: 0, dead: [] })
  })
})

describe("bounds", () => {
  it("make what is too much for a sink dead at once, told and kept", async () => {
    const sink = fakeSink("a", () => FAILS)
    const box = await new Box({ waiting: 3 }).open(sink)
    const notifications = Array.from({ length: 5 }, (_, i) => of(`g${i}`))
    await box.send(...notifications)
    expect(box.status()).toMatchObject({ waiting: 3 })
    expect(box.status().dead.map(({ id }) => id)).toEqual(ids(notifications.slice(3)))
    expect(box.status().dead[0]?.error).toBe("too much waits for this sink already")
    await box.open(sink)
    expect(box.status()).toMatchObject({ waiting: 3 })
    expect(box.status().dead).toHaveLength(2)
  })

  it("hold for bytes, too", async () => {
    const box = await new Box({ bytes: 5_000 }).open(fakeSink("a", () => FAILS))
    const large = alert({ labels: { a: "x".repeat(2_000) } })
    await box.send(...Array.from({ length: 4 }, (_, i) => of(`g${i}`, { alerts: [large] })))
    expect(box.status().bytes).toBeLessThanOrEqual(5_000)
    expect(box.status().waiting + box.status().dead.length).toBe(4)
    expect(box.status().waiting).toBe(1)
  })

  it("let the oldest dead letters go, and count them", async () => {
    const box = await new Box({ dead: 2 }).open(fakeSink("a", () => REFUSES))
    const notifications = Array.from({ length: 5 }, (_, i) => of(`g${i}`))
    for (const each of notifications) await box.send(each)
    expect(box.status().dead.map(({ id }) => id)).toEqual(ids(notifications.slice(3)))
    expect(box.status().dropped).toBe(3)
    expect(box.store.kept.size).toBe(2)
  })

  it("hold when the dead are sent again", async () => {
    const sink = fakeSink("a", () => REFUSES)
    const box = await new Box({ waiting: 3 }).open(sink)
    const notifications = Array.from({ length: 5 }, (_, i) => of(`g${i}`))
    for (const each of notifications) await box.send(each)
    await box.open(sink)
    sink.answer = () => FAILS
    expect(await box.outbox.resend("a")).toBe(3)
    expect(box.status()).toMatchObject({ waiting: 3 })
    expect(
      box
        .status()
        .dead.map(({ id }) => id)
        .sort(),
    ).toEqual(ids(notifications.slice(3)).sort())
  })
})

describe("an erasure", () => {
  const without = (address: string) => (given: Notification) => {
    const alerts = given.alerts.filter(({ labels }) => labels.ip_address !== address)
    if (alerts.length === given.alerts.length) return given
    return alerts.length === 0 ? undefined : { ...given, alerts }
  }
  const about = (address: string) => alert({ labels: { ip_address: address } })

  it("changes what waits and what is dead, and takes out what is about nothing else", async () => {
    const sink = fakeSink("a", ({ groupKey }) => (groupKey === "dead" ? REFUSES : FAILS))
    const box = await new Box().open(sink)
    await box.send(
      of("g", { alerts: [about("x"), about("y")] }),
      of("h", { alerts: [about("x")] }),
      of("dead", { alerts: [about("x")] }),
      of("dead", { alerts: [about("y"), about("x")] }),
    )
    await box.outbox.rewrite(without("x"))
    expect([...box.store.kept.values()].join()).not.toContain('"x"')
    expect(box.status()).toMatchObject({ waiting: 1, dead: [{ alerts: [expect.any(String)] }] })
    await box.open(sink)
    expect(box.status()).toMatchObject({ waiting: 1, dead: [{ alerts: [expect.any(String)] }] })
  })

  it("is not undone by an attempt that was under way", async () => {
    for (const outcome of [FAILS, TAKES, REFUSES]) {
      const gate = gated()
      const box = await new Box().open(fakeSink("a", () => gate.promise))
      await box.send(of("g", { alerts: [about("x")] }), of("h", { alerts: [about("x"), about("y")] }))
      await box.outbox.rewrite(without("x"))
      gate.resolve(outcome)
      await settled()
      expect([...box.store.kept.values()].join()).not.toContain('"x"')
      const { waiting, dead } = box.status()
      expect([waiting, dead.length]).toEqual(outcome === FAILS ? [1, 0] : outcome === TAKES ? [0, 0] : [0, 1])
      expect(box.store.attempts).toHaveLength(2)
    }
  })
})

describe("when it closes", () => {
  it("what is under way may end, and nothing more is begun", async () => {
    const gate = gated()
    const sink = fakeSink("a", () => gate.promise)
    const box = await new Box().open(sink)
    await box.send(of("g"), of("g"))
    const closed = box.outbox.close(1_000)
    gate.resolve(TAKES)
    await closed
    await box.clock.pass(DAY)
    expect(sink.tried).toHaveLength(1)
    expect(box.store.kept.size).toBe(1)
  })

  it("what takes too long is called off, does not count, and is tried at the next start", async () => {
    const one = of("g")
    const sink: Sink = {
      ...fakeSink(),
      deliver: (_, { signal }) =>
        new Promise((resolve) => signal.addEventListener("abort", () => resolve(FAILS))),
    }
    const box = await new Box().open(sink)
    await box.send(one)
    const closed = box.outbox.close(1_000)
    await box.clock.pass(1_000)
    await closed
    expect(box.store.attempts).toEqual([])
    const next = fakeSink()
    await box.open(next)
    await settled()
    expect(next.tried).toEqual([one.id])
  })
})

it.each([
  ["000000000000", "{"],
  ["000000000000", "{}"],
  ["key", JSON.stringify({ notification: notification(), queuedMs: 0, attempts: 0, nextMs: 0 })],
])("a row %s that is none is refused", async (key, value) => {
  const box = new Box()
  box.store.kept.set(key, value)
  await expect(box.open()).rejects.toMatchObject({ code: "ALERTS_BAD_STATE" })
})

type Step =
  | { readonly do: "send"; readonly groups: readonly string[] }
  | { readonly do: "pass"; readonly ms: number }
  | { readonly do: "crash"; readonly fate: MemoryStore["fate"]; readonly released: boolean }
  | { readonly do: "resend" }

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("send" as const),
      groups: fc.array(fc.constantFrom("g", "h", "i"), { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("pass" as const),
      ms: fc.constantFrom(1, 100, 1_000, MINUTE, HOUR, DAY),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("crash" as const),
      fate: fc.constantFrom<MemoryStore["fate"]>("kept", "fails, not kept", "fails, but kept"),
      released: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("resend" as const) }) },
)

/** What a sink does with one attempt: whether it takes it, what it answers, and how long that takes. */
const anyAnswer = fc.record({
  takes: fc.boolean(),
  answer: fc.constantFrom<Outcome>(TAKES, TAKES, FAILS, REFUSES, {
    kind: "later",
    why: "429",
    retryAfterMs: 5_000,
  }),
  ms: fc.constantFrom(0, 0, 50, 2_000),
})

it("loses nothing, sends nothing again that was confirmed and kept, and keeps the order, wherever it dies", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyStep, { maxLength: 25 }),
      fc.array(anyAnswer, { minLength: 1, maxLength: 20 }),
      async (steps, answers) => {
        const box = new Box()
        const { clock, store } = box
        const taken: Notification[] = []
        const underWay = new Map<string, number>()
        let attempts = 0
        let isMended = false
        const sink: Sink = {
          name: "a",
          type: "webhook",
          hears: () => true,
          async deliver(given) {
            const { groupKey } = given
            underWay.set(groupKey, (underWay.get(groupKey) ?? 0) + 1)
            expect(underWay.get(groupKey)).toBe(1)
            const { takes, answer, ms } = answers[attempts++ % answers.length] as (typeof answers)[number]
            if (isMended || (takes && answer.kind !== "refused") || answer.kind === "delivered")
              taken.push(given)
            if (ms > 0 && !isMended) await new Promise<void>((resolve) => clock.after(ms, resolve))
            underWay.set(groupKey, 0)
            return isMended ? TAKES : answer
          },
        }
        const restart = async () => {
          clock.forget()
          await box.kill()
          underWay.clear()
          store.revive()
          await box.open(sink)
          await settled()
        }
        await box.open(sink)
        const kept: Notification[] = []
        const send = async (notifications: readonly Notification[], isReleased: boolean) => {
          const { put, remove, release } = box.outbox.stage(notifications)
          try {
            await store.keep({ put, remove, attempts: [] })
          } catch {
            // Staged by a process that is dead: whether it was kept, the rows say.
          }
          const inRows = [...store.kept.values()].join()
          kept.push(...notifications.filter(({ id }) => inRows.includes(id)))
          if (isReleased) release()
          await settled()
        }
        for (const step of steps) {
          if (step.do === "send")
            await send(
              step.groups.map((group) => of(group)),
              true,
            )
          if (step.do === "pass") await clock.pass(step.ms)
          if (step.do === "resend") await box.outbox.resend("a").catch(() => {})
          if (step.do === "crash") {
            store.fate = step.fate
            await send([of("g"), of("h")], step.released)
            await clock.pass(100)
            await restart()
          }
          if (box.broken.splice(0).length > 0) await restart()
        }

        isMended = true
        await restart()
        await clock.pass(2 * DAY)
        const status = box.outbox.status()[0]
        const dead = new Set(status?.dead.map(({ id }) => id))
        const takenIds = new Set(ids(taken))
        // Nothing is lost.
        expect(status?.waiting).toBe(0)
        for (const { id } of kept) expect(takenIds.has(id) || dead.has(id), id).toBe(true)
        // What was confirmed, and kept to be, is not tried again.
        for (const { id } of kept) {
          const told = store.attempts.filter((each) => each.id === id)
          expect(told.map(({ number }) => number)).toEqual(told.map((_, i) => i + 1))
          expect(told.slice(0, -1).map(({ outcome }) => outcome)).not.toContain("delivered")
        }
        // Of each group, what was never dead was taken for the first time in the order in which it was sent.
        const everDead = new Set(
          store.attempts.filter(({ outcome }) => outcome === "dead").map(({ id }) => id),
        )
        for (const group of ["g", "h", "i"]) {
          const order = kept.filter(({ groupKey, id }) => groupKey === group && !everDead.has(id))
          const firsts = [...new Set(ids(taken))].filter((id) => order.some((each) => each.id === id))
          expect(firsts).toEqual(ids(order))
        }
      },
    ),
    { numRuns: 400 },
  )
}, 60_000)

describe("the circuit", () => {
  it("opens at the fifth failure in a row, for longer each time, and at most for ten minutes", () => {
    const circuit = new Circuit()
    for (let i = 1; i < FAILURES; i++) circuit.failed(NOON, 0)
    expect(circuit.state(NOON)).toBe("closed")
    circuit.succeeded()
    for (let i = 1; i < FAILURES; i++) circuit.failed(NOON, 0)
    expect(circuit.state(NOON)).toBe("closed")
    circuit.succeeded()
    for (let i = 0; i < FAILURES; i++) circuit.failed(NOON, 1)
    expect(circuit.openUntilMs).toBe(NOON + 30_000)
    expect([circuit.state(NOON + 29_999), circuit.state(NOON + 30_000)]).toEqual(["open", "half open"])
    circuit.failed(NOON + 30_000, 1)
    expect(circuit.openUntilMs).toBe(NOON + 90_000)
    for (let i = 0; i < 100; i++) circuit.failed(NOON, 1)
    expect(circuit.openUntilMs).toBe(NOON + 10 * MINUTE)
    circuit.succeeded()
    expect(circuit.state(NOON)).toBe("closed")
  })

  it("pauses between half and all of what they are", () => {
    expect([jittered(1_000, 0), jittered(1_000, 0.5), jittered(1_000, 1)]).toEqual([500, 750, 1_000])
    expect([growing(5, 0, 100), growing(5, 2, 100), growing(5, 9, 100), growing(5, 1e9, 100)]).toEqual([
      5, 20, 100, 100,
    ])
  })
})
