import { describe, expect, it } from "vitest"
import { formatHolds, type Hold, type HoldScope, isInForce, parseHolds } from "./hold-file.js"
import { type HoldPorts, Holds } from "./holds.js"

class Crash extends Error {}

/** What survives a crash. */
class World {
  text: string | undefined
  readonly notices: string[] = []
  readonly events = new Map<string, number>()
  left = Number.POSITIVE_INFINITY
  after = false
  effects = 0
  answers = true
  ids = 0

  async effect<T>(effect: () => T): Promise<T> {
    this.effects++
    if (--this.left === 0 && !this.after) throw new Crash()
    const done = effect()
    if (this.left === 0) throw new Crash()
    return done
  }

  ports(): HoldPorts {
    return {
      read: async () => parseHolds(this.text),
      write: (holds) =>
        this.effect(() => {
          this.text = formatHolds(holds)
        }),
      newId: () => (++this.ids).toString(16).padStart(16, "0"),
      seal: (action, { id }) => ({
        record: Buffer.from(`record of ${action} ${id}`),
        commitment: new Uint8Array(32).fill(action === "log.hold.place" ? 1 : 2),
      }),
      treeSize: () => 100 + this.notices.length,
      announce: ({ root }) =>
        this.effect(() => {
          if (!this.notices.includes(root)) this.notices.push(root)
          return 100 + this.notices.indexOf(root)
        }),
      say: (action, id) =>
        this.effect(() => {
          const said = `${id} ${action}`
          if (!this.events.has(said)) this.events.set(said, 1_000 + this.events.size)
          return this.events.get(said) as number
        }),
      taken: async (scope, leaves) => {
        if (!this.answers) throw new Error("the rows are away")
        return leaves.filter((leaf) => ("user_id" in scope ? leaf % 2 === 0 : leaf > 5))
      },
    }
  }

  open(): Promise<Holds> {
    return Holds.open(this.ports())
  }
}

const order = (scope: HoldScope) => ({ scope, why: "case 4711", by: "0badcafe", timeMs: 1_800_000_000_000 })

describe("holds", () => {
  it("take leaves from the moment they are placed until they are lifted", async () => {
    const world = new World()
    const holds = await world.open()
    const a = await holds.place(order({ user_id: "U1" }))
    const b = await holds.place(order({ filter: "result=denied" }))
    expect([...(await holds.heldAmong([3, 4, 6, 7]))]).toEqual([
      [4, [a.id]],
      [6, [a.id, b.id]],
      [7, [b.id]],
    ])
    await holds.release(a.id, { why: "settled", by: "0badcafe", timeMs: 1_800_000_001_000 })
    expect([...(await (await world.open()).heldAmong([3, 4, 6, 7])).keys()]).toEqual([6, 7])
    expect(holds.get(a.id)).toMatchObject({ placed: { notice: { leaf: 100 } }, released: { why: "settled" } })
  })

  it("are lifted once: again changes nothing", async () => {
    const world = new World()
    const holds = await world.open()
    const { id } = await holds.place(order({ user_id: "U1" }))
    const end = { why: "settled", by: "0badcafe", timeMs: 1_800_000_001_000 }
    const first = await holds.release(id, end)
    expect(await holds.release(id, { ...end, why: "other" })).toEqual(first)
    await expect(holds.release("hold_0000000000000009", end)).rejects.toMatchObject({
      code: "SERVER_NOT_FOUND",
    })
  })

  it("that cannot be asked are an error, and not nothing", async () => {
    const world = new World()
    const holds = await world.open()
    await holds.place(order({ user_id: "U1" }))
    world.answers = false
    await expect(holds.heldAmong([1])).rejects.toMatchObject({ code: "SERVER_HOLD_UNDECIDED" })
  })

  it("wait to be placed while something is destroyed", async () => {
    const holds = await new World().open()
    const said: string[] = []
    let end = () => {}
    const destroying = holds.whileTheyStay(async () => {
      await new Promise<void>((resolve) => {
        end = resolve
      })
      said.push("destroyed")
    })
    const placing = holds.place(order({ user_id: "U1" })).then(() => said.push("placed"))
    await new Promise((resolve) => setImmediate(resolve))
    expect(holds.all).toHaveLength(0)
    end()
    await Promise.all([destroying, placing])
    expect(said).toEqual(["destroyed", "placed"])
  })

  it("that are lifted forget a person; those in force do not", async () => {
    const world = new World()
    const holds = await world.open()
    const ids: string[] = []
    const other = (await holds.place(order({ user_id: "U12" }))).id
    await holds.release(other, { why: "settled", by: "b", timeMs: 1_800_000_001_000 })
    for (const scope of [{ user_id: "U1" }, { filter: "user_id=U1" }, { sql: "SELECT 1 -- U2" }]) {
      ids.push((await holds.place(order(scope as HoldScope))).id)
    }
    for (const id of [ids[0], ids[2]]) {
      await holds.release(id as string, { why: "settled", by: "b", timeMs: 1_800_000_001_000 })
    }
    await holds.forget(["U1"], [])
    expect((await world.open()).all.map(({ scope }) => scope)).toEqual([
      { user_id: "U12" },
      undefined,
      { filter: "user_id=U1" },
      { sql: "SELECT 1 -- U2" },
    ])
    await holds.forget([], [ids[2] as string])
    expect((await world.open()).all[3]).toEqual({
      id: ids[2],
      placed: {
        at: expect.any(String),
        by: "0badcafe",
        notice: expect.any(Object),
        event: expect.any(Number),
      },
      released: { at: expect.any(String), by: "b", notice: expect.any(Object), event: expect.any(Number) },
    })
  })

  it.each([
    ["no JSON", "{"],
    ["another format", '{"format":"prooflog-holds/2","holds":[]}'],
    [
      "a hold in force that does not say what it holds",
      formatHolds([
        {
          id: "hold_0000000000000001",
          placed: { at: "", by: "", notice: { kind: 16, count: 0, root: "", from: 0 } },
        },
      ]),
    ],
  ])("are not read out of %s", (_, text) => {
    expect(() => parseHolds(text)).toThrow(expect.objectContaining({ code: "SERVER_MALFORMED_FOLDER" }))
  })

  it("are placed and lifted whole, wherever it crashes: kept is in force, and no notice is there twice", async () => {
    const place = (holds: Holds) => holds.place(order({ user_id: "U1" }))
    const lift = (holds: Holds) =>
      holds.release(holds.all[0]?.id as string, { why: "settled", by: "b", timeMs: 1_800_000_001_000 })
    for (const after of [false, true]) {
      for (let left = 1; left <= 10; left++) {
        const world = new World()
        world.left = left
        world.after = after
        const placed = await place(await world.open()).catch(crashed)
        if (placed === undefined && world.text === undefined) continue
        world.left = Number.POSITIVE_INFINITY
        const holds = await world.open()
        expect((await holds.heldAmong([2])).size, `${left}`).toBe(1)
        await holds.settle()
        expect(world.notices).toHaveLength(1)
        expect(world.events.size).toBe(1)

        world.left = left
        await lift(await world.open()).catch(crashed)
        world.left = Number.POSITIVE_INFINITY
        const again = await world.open()
        const [hold] = again.all as [Hold]
        if (hold.released === undefined) continue
        // Not announced, it holds on.
        const isLifted = hold.released.notice.leaf !== undefined
        expect(isInForce(hold)).toBe(!isLifted)
        expect((await again.heldAmong([2])).size).toBe(isLifted ? 0 : 1)
        await again.settle()
        expect(isInForce(again.all[0] as Hold)).toBe(false)
        expect(world.notices).toHaveLength(2)
        expect(world.events.size).toBe(2)
      }
    }
  })
})

function crashed(error: unknown): undefined {
  if (!(error instanceof Crash)) throw error
}
