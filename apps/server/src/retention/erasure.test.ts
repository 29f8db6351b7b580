import { decodeTombstone, TOMBSTONE_REASONS } from "@prooflog/event/tombstone"
import { encodeHex } from "@prooflog/tlog/base64"
import { NoticeTree } from "@prooflog/verifier/notice"
import { describe, expect, it } from "vitest"
import {
  type CaseScope,
  type EraseCase,
  formatCase,
  itemsOf,
  type NoticeFile,
  parseCase,
} from "./case-file.js"
import { DAY_MS, type ErasePorts, isRunDue, runErasures, type Standing } from "./erasure.js"
import type { Announcement } from "./notices.js"

class Crash extends Error {}

/** What survives a crash, and the effects on it; each may be the last before one. */
class World {
  readonly users: string[]
  readonly tombstones = new Map<number, Uint8Array>()
  readonly moved = new Map<number, string>()
  readonly rows = new Set<number>()
  readonly onDisk = new Set<number>()
  readonly cases = new Map<string, string>()
  readonly notices = new Map<string, string>()
  readonly log: Announcement[] = []
  readonly events = new Map<string, number>()
  readonly published = new Set<number>()
  readonly certified = new Map<string, readonly number[]>()
  readonly forgottenAlerts: (string | number)[] = []
  readonly forgottenHolds: string[] = []
  /** Leaves that are held, by hold. */
  readonly holds = new Map<string, (leaf: number) => boolean>()
  nowMs = Date.parse("2026-03-01T12:00:00Z")
  publishes = true
  holdsAnswer = true
  ids = 0
  /** Effects until the crash; whether it comes before the effect or after it. */
  left = Number.POSITIVE_INFINITY
  after = false
  effects = 0
  destroyedSegments: string[] = []
  onEffect = (_name: string) => {}

  constructor(users: readonly string[]) {
    this.users = [...users]
    for (const leaf of users.keys()) {
      this.rows.add(leaf)
      this.onDisk.add(leaf)
    }
  }

  queue(id: string, scope: CaseScope, kind: 1 | 2 = 1): void {
    const asked = { at: new Date(this.nowMs).toISOString(), by: "0badcafe" }
    const one: EraseCase = {
      id: `case_${id.padEnd(16, "0")}`,
      kind,
      scope,
      why: "request",
      state: "queued",
      asked,
    }
    this.cases.set(one.id, formatCase(one))
  }

  all(): EraseCase[] {
    return [...this.cases.values()].map(parseCase)
  }

  async effect<T>(name: string, effect: () => T): Promise<T> {
    this.effects++
    this.onEffect(name)
    if (--this.left === 0 && !this.after) throw new Crash(name)
    const done = effect()
    if (this.left === 0) throw new Crash(name)
    return done
  }

  ports(): ErasePorts {
    const leafAfter = () => this.users.length + this.log.length
    return {
      cases: async () => this.all(),
      writeCase: (one) => this.effect("writeCase", () => void this.cases.set(one.id, formatCase(one))),
      notices: async () => [...this.notices.values()].map((text) => JSON.parse(text) as NoticeFile),
      writeNotice: (one) =>
        this.effect("writeNotice", () => void this.notices.set(one.id, JSON.stringify(one))),
      nowMs: () => this.nowMs,
      newId: () => (++this.ids).toString(16).padStart(16, "0"),
      fill: (bytes) => bytes.set(bytes.map((_, i) => (this.ids * 37 + i * 11) & 0xff)),
      treeSize: leafAfter,
      find: async (scope) => {
        if ("leaves" in scope) return scope.leaves
        if ("filter" in scope) return [...this.rows].sort((a, b) => a - b)
        return [...this.rows].filter((leaf) => this.users[leaf] === scope.user_id).sort((a, b) => a - b)
      },
      standing: async (leaves) =>
        leaves.map((leaf): Standing => {
          if (this.tombstones.has(leaf)) return "destroyed"
          const segment = this.moved.get(leaf)
          return segment === undefined ? "record" : { segment }
        }),
      heldAmong: async (leaves) => {
        if (!this.holdsAnswer) throw new Error("rows are away")
        const held = new Map<number, string[]>()
        for (const leaf of leaves) {
          const by = [...this.holds].filter(([, takes]) => takes(leaf)).map(([id]) => id)
          if (by.length > 0) held.set(leaf, by)
        }
        return held
      },
      whileHoldsStay: (task) => task(),
      announce: (announcement) =>
        this.effect("announce", () => {
          const at = this.log.findIndex(({ root }) => root === announcement.root)
          if (at >= 0) return this.users.length + at
          this.log.push(announcement)
          return leafAfter() - 1
        }),
      isPublished: (leaf) =>
        this.effect("publish", () => {
          if (this.publishes) this.published.add(leaf)
          return this.publishes
        }),
      withdraw: (tombstones) =>
        this.effect("withdraw", () => {
          for (const { leafIndex, bytes } of tombstones) {
            const { reference, reason } = decodeTombstone(bytes) as { reference: number; reason: number }
            // The rule of the whole: announced in a published head, and not held.
            if (!this.published.has(reference)) throw new Error("destroyed before it was announced")
            for (const [id, takes] of this.holds)
              if (takes(leafIndex)) throw new Error(`destroyed under ${id}`)
            expect(reason).toBe(this.log[reference - this.users.length]?.kind)
            const there = this.tombstones.get(leafIndex)
            if (there !== undefined && Buffer.compare(there, bytes) !== 0) throw new Error("destroyed twice")
            this.tombstones.set(leafIndex, bytes)
          }
        }),
      forgetAlerts: (persons, leaves) =>
        this.effect("forgetAlerts", () => void this.forgottenAlerts.push(...persons, ...leaves)),
      forgetRows: (leaves) =>
        this.effect("forgetRows", () => {
          for (const leaf of leaves) this.rows.delete(leaf)
        }),
      destroy: (leaves, segments) =>
        this.effect("destroy", () => {
          for (const leaf of leaves) if (this.tombstones.has(leaf)) this.onDisk.delete(leaf)
          this.destroyedSegments.push(...segments)
        }),
      certify: (one, notice, items) =>
        this.effect("certify", () => {
          expect(encodeHex(new NoticeTree(items).root)).toBe(notice.root)
          this.certified.set(
            one.id,
            (one.items ?? []).map(([leaf]) => leaf),
          )
          return 1
        }),
      forgetHolds: (persons, ids) =>
        this.effect("forgetHolds", () => void this.forgottenHolds.push(...persons, ...ids)),
      say: (action, { id }) =>
        this.effect("say", () => {
          const said = `${id} ${action}`
          if (!this.events.has(said)) this.events.set(said, this.events.size + 1_000)
          return this.events.get(said) as number
        }),
      backupMs: 30 * 86_400_000,
    }
  }

  async run(): Promise<void> {
    await runErasures(this.ports())
  }

  /** Runs, crashing at the effect that is to be the last, and once more after it. */
  async crashAndRun(left: number, after: boolean): Promise<boolean> {
    this.left = left
    this.after = after
    const crashed = await this.run().then(
      () => false,
      (error: unknown) => {
        if (error instanceof Crash) return true
        throw error
      },
    )
    this.left = Number.POSITIVE_INFINITY
    await this.run()
    return crashed
  }
}

/** Of nine leaves 1, 4, 7 are U1's, 2, 5, 8 U2's. */
function nine(): World {
  return new World(Array.from({ length: 9 }, (_, leaf) => `U${leaf % 3}`))
}

describe("an erasure", () => {
  it("destroys what is asked for after it was announced, and forgets whom it was about", async () => {
    const world = nine()
    world.queue("a", { user_id: "U1" })
    await world.run()
    const [one] = world.all()
    expect(one).toMatchObject({ state: "gone", certificates: 1, why: "request" })
    expect(one?.scope).toBeUndefined()
    expect(one?.items?.map(([leaf]) => leaf)).toEqual([1, 4, 7])
    expect([...world.tombstones.keys()]).toEqual([1, 4, 7])
    for (const [leaf, bytes] of world.tombstones) {
      const salt = world.all()[0]?.items?.find(([each]) => each === leaf)?.[1]
      expect(decodeTombstone(bytes)).toMatchObject({
        reason: TOMBSTONE_REASONS.erasedForPerson,
        reference: 9,
      })
      expect(Buffer.from((decodeTombstone(bytes) as { salt: Uint8Array }).salt).toString("hex")).toBe(salt)
    }
    expect([...world.rows]).toEqual([0, 2, 3, 5, 6, 8])
    expect([...world.onDisk]).toEqual([0, 2, 3, 5, 6, 8])
    expect([...world.events.keys()]).toEqual([`${one?.id} log.erase.withdrawn`, `${one?.id} log.erase.gone`])
    expect(world.forgottenHolds).toEqual(["U1"])
    expect([...world.cases.values()].join()).not.toContain("U1")
  })

  it("is announced with all others of its kind of the day, and with none of the other kind", async () => {
    const world = nine()
    world.queue("a", { user_id: "U1" })
    world.queue("b", { user_id: "U2" })
    world.queue("c", { leaves: [0, 1] }, 2)
    await world.run()
    expect(world.log.map(({ kind, count }) => [kind, count])).toEqual([
      [1, 6],
      [2, 2],
    ])
    expect(world.all().map(({ state }) => state)).toEqual(["gone", "gone", "gone"])
  })

  it("of a leaf that another case has as well is certified in both", async () => {
    const world = nine()
    world.queue("a", { user_id: "U1" })
    world.queue("b", { leaves: [1, 2] })
    await world.run()
    expect(world.log.map(({ count }) => count)).toEqual([4])
    expect([...world.certified.values()]).toEqual([
      [1, 4, 7],
      [1, 2],
    ])
  })

  it("destroys nothing while its notice is not published", async () => {
    const world = nine()
    world.publishes = false
    world.queue("a", { user_id: "U1" })
    await world.run()
    await world.run()
    expect(world.tombstones.size).toBe(0)
    expect(world.log).toHaveLength(1)
    expect(world.all()[0]?.state).toBe("queued")
    world.publishes = true
    await world.run()
    expect(world.all()[0]?.state).toBe("gone")
    expect(world.log).toHaveLength(1)
  })

  it("expires when the last backup from before has", async () => {
    const world = nine()
    world.queue("a", { user_id: "U1" })
    await world.run()
    world.nowMs += 30 * 86_400_000 - 1
    await world.run()
    expect(world.all()[0]?.state).toBe("gone")
    world.nowMs += 1
    await world.run()
    expect(world.all()[0]).toMatchObject({ state: "expired", expired: { event: 1_002 } })
  })

  it("notes the segments of moved records before it withdraws them", async () => {
    const world = nine()
    world.moved.set(4, "segments/routine/2023-10/1-2-00.parquet")
    world.queue("a", { user_id: "U1" })
    await world.run()
    expect(world.destroyedSegments).toEqual(["segments/routine/2023-10/1-2-00.parquet"])
  })

  it("of what others have destroyed meanwhile ends without a notice", async () => {
    const world = nine()
    world.queue("a", { leaves: [1] })
    await world.run()
    world.queue("b", { leaves: [1] })
    await world.run()
    expect(world.log).toHaveLength(1)
    expect(world.all()[1]).toMatchObject({ state: "gone", items: [], certificates: 0 })
  })
})

describe("the daily run", () => {
  it("begins when a case has waited for a day, when one is half done, and when one expires", async () => {
    const world = nine()
    const backupMs = 30 * DAY_MS
    const isDue = () => isRunDue(world.all(), world.nowMs, backupMs)
    expect(isDue()).toBe(false)
    world.queue("a", { user_id: "U1" })
    expect(isDue()).toBe(false)
    world.nowMs += DAY_MS
    expect(isDue()).toBe(true)
    await expect(world.crashAndRun(Number.POSITIVE_INFINITY, false)).resolves.toBe(false)
    expect(isDue()).toBe(false)
    world.nowMs += backupMs
    expect(isDue()).toBe(true)
    await world.run()
    expect(isDue()).toBe(false)
    world.queue("b", { user_id: "U2" })
    world.publishes = false
    world.nowMs += DAY_MS
    await world.run()
    world.publishes = true
    world.left = 3
    await expect(world.run()).rejects.toThrow(Crash)
    expect(world.all().map(({ state }) => state)).toEqual(["expired", "noticed"])
    expect(isDue()).toBe(true)
  })
})

describe("a hold", () => {
  it("keeps what it takes, and makes a case of it that waits and goes on once it is lifted", async () => {
    const world = nine()
    world.holds.set("hold_1", (leaf) => leaf > 4)
    world.queue("a", { user_id: "U1" })
    await world.run()
    expect([...world.tombstones.keys()]).toEqual([1, 4])
    const [one, rest] = world.all()
    expect(one).toMatchObject({ state: "gone", heldBack: { count: 1, holds: ["hold_1"], case: rest?.id } })
    expect(rest).toMatchObject({ state: "queued", scope: { leaves: [7] }, continues: one?.id })
    expect([...world.cases.values()].join()).not.toContain("U1")
    await world.run()
    expect(world.all()).toHaveLength(2)
    world.holds.clear()
    await world.run()
    expect([...world.tombstones.keys()]).toEqual([1, 4, 7])
    expect(world.all().map(({ state }) => state)).toEqual(["gone", "gone"])
    expect(world.forgottenHolds).toContain("hold_1")
  })

  it("of all of it leaves the case in the queue, which says why", async () => {
    const world = nine()
    world.holds.set("hold_1", () => true)
    world.queue("a", { user_id: "U1" })
    await world.run()
    expect(world.all()).toMatchObject([{ state: "queued", heldBack: { count: 3, holds: ["hold_1"] } }])
    expect(world.log).toHaveLength(0)
    // What comes later is asked for later.
    world.users.push("U1")
    world.rows.add(9)
    world.holds.clear()
    await world.run()
    expect([...world.tombstones.keys()]).toEqual([1, 4, 7, 9])
  })

  it("that is placed when all is announced keeps it all the same", async () => {
    const world = nine()
    world.queue("a", { user_id: "U1" })
    world.onEffect = (name) => {
      if (name === "publish") world.holds.set("hold_1", (leaf) => leaf === 4)
    }
    await world.run()
    expect([...world.tombstones.keys()]).toEqual([1, 7])
    const [one, rest] = world.all()
    expect(one).toMatchObject({ state: "gone", spared: [[4, expect.any(String)]] })
    expect(itemsOf([one as EraseCase]).map(({ leafIndex }) => leafIndex)).toEqual([1, 4, 7])
    expect(rest).toMatchObject({ state: "queued", scope: { leaves: [4] } })
    expect([...world.certified.values()]).toEqual([[1, 7]])
    world.onEffect = () => {}
    world.holds.clear()
    await world.run()
    expect([...world.tombstones.keys()]).toEqual([1, 7, 4])
  })

  it("that cannot be asked lets nothing be destroyed", async () => {
    const world = nine()
    world.queue("a", { user_id: "U1" })
    world.holdsAnswer = false
    await expect(world.run()).rejects.toThrow("rows are away")
    expect(world.log).toHaveLength(0)
    world.holdsAnswer = true
    world.onEffect = (name) => {
      if (name === "publish") world.holdsAnswer = false
    }
    await expect(world.run()).rejects.toThrow("rows are away")
    expect(world.tombstones.size).toBe(0)
    world.onEffect = () => {}
    world.holdsAnswer = true
    await world.run()
    expect(world.tombstones.size).toBe(3)
  })
})

describe("a crash", () => {
  const scenes = {
    "two cases": (world: World) => {
      world.queue("a", { user_id: "U1" })
      world.queue("b", { leaves: [1, 2] }, 2)
    },
    "a hold on a part": (world: World) => {
      world.holds.set("hold_1", (leaf) => leaf === 4)
      world.queue("a", { user_id: "U1" })
    },
    "a hold that comes late": (world: World) => {
      world.queue("a", { user_id: "U1" })
      world.onEffect = (name) => {
        if (name === "publish") world.holds.set("hold_1", (leaf) => leaf === 4)
      }
    },
  }

  it.each(Object.entries(scenes))(
    "between any two steps of %s changes nothing of how it ends",
    async (_, stage) => {
      const calm = nine()
      stage(calm)
      await calm.run()
      const steps = calm.effects
      expect(steps).toBeGreaterThan(8)
      for (const after of [false, true]) {
        for (let left = 1; left <= steps; left++) {
          const world = nine()
          stage(world)
          const where = `effect ${left}, ${after ? "after" : "before"}`
          expect(await world.crashAndRun(left, after), where).toBe(true)
          expect([...world.tombstones.keys()].sort(), where).toEqual([...calm.tombstones.keys()].sort())
          expect(world.log.map(({ kind, count }) => [kind, count]).sort(), where).toEqual(
            calm.log.map(({ kind, count }) => [kind, count]).sort(),
          )
          expect([...world.rows], where).toEqual([...calm.rows])
          expect([...world.onDisk], where).toEqual([...calm.onDisk])
          expect([...world.certified.values()], where).toEqual([...calm.certified.values()])
          expect(
            world.all().map(({ id, state }) => [id, state]),
            where,
          ).toEqual(calm.all().map(({ id, state }) => [id, state]))
          expect([...world.events.keys()].sort(), where).toEqual([...calm.events.keys()].sort())
        }
      }
    },
  )
})
