import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Told } from "@prooflog/archive/ports"
import { openRecord, SeedPool } from "@prooflog/event/record"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { openSmallLedger, type SmallLedger } from "../../fixtures/small-ledger.js"
import type { ServedLog } from "../served-log.js"
import { Tally } from "../tally.js"
import { LaterPorts, type RunPorts, runPortsOf } from "./archive-ports.js"
import type { Holds } from "./holds.js"

describe("what a run does to the log", () => {
  let base: string
  let small: SmallLedger
  let ports: RunPorts
  const done: unknown[] = []
  beforeAll(async () => {
    base = await mkdtemp(join(tmpdir(), "prooflog-archive-ports-"))
    small = await openSmallLedger(join(base, "log"))
    const log = {
      ledger: small.ledger,
      seeds: new SeedPool((bytes) => void crypto.getRandomValues(bytes)),
      tally: new Tally(),
      reading: {
        forget: async (...asked: unknown[]) => void done.push(["forget", ...asked]),
        rewrite: async () => void done.push("rewrite"),
      },
      alerts: { forget: async (forgotten: unknown) => void done.push(["alerts forget", forgotten]) },
    } as unknown as ServedLog
    const holds = {
      heldAmong: async (leaves: readonly number[]) =>
        new Map(leaves.slice(1).map((leaf) => [leaf, ["hold_1"]])),
      whileTheyStay: (task: () => unknown) => task(),
    } as unknown as Holds
    const exports = { removeAll: async () => void done.push("exports removed") }
    ports = runPortsOf(log, exports, holds, () => Date.now())
  })
  afterAll(async () => {
    await small.ledger.close()
    await rm(base, { recursive: true })
  })

  it.each<[string, Told, object]>([
    [
      "log.archive.archived",
      {
        id: "archived/k",
        what: "archived",
        class: "routine",
        key: "segments/k",
        first_leaf: 1,
        last_leaf: 9,
        count: 8,
      },
      { class: "routine", segment: "segments/k", first_leaf: 1, last_leaf: 9, records: 8 },
    ],
    ["log.archive.restored", { id: "restored/k", what: "restored", count: 2 }, { records: 2 }],
    ["log.destroy.withdrawn", { id: "withdrawn/routine/1-9", what: "withdrawn", count: 3 }, { records: 3 }],
    ["log.destroy.gone", { id: "gone/1.0", what: "gone", count: 4 }, { records: 4 }],
    ["log.destroy.expired", { id: "expired/1.0", what: "expired", count: 5 }, { records: 5 }],
  ])("is told as %s, once however often", async (action, told, attributes) => {
    const before = small.ledger.treeSize
    const leaf = await ports.tell(told)
    expect([leaf, await ports.tell(told), small.ledger.treeSize]).toEqual([before, before, before + 1])
    const [stored] = await small.ledger.storage.records(before, before + 1)
    const { core, fields } = openRecord(stored?.bytes as Uint8Array)
    expect(Object.fromEntries([...core, ...fields])).toMatchObject({
      action,
      attributes,
      event_id: told.id,
      source: "prooflog",
      user_id: "server",
      category: "admin",
    })
  })

  it("forgets rows once those that were on their way have come, and removes exports before it rewrites", async () => {
    done.length = 0
    await ports.rows.forget([3, 7])
    await ports.rows.rewrite()
    expect(done).toEqual([
      ["forget", [3, 7], 8],
      ["alerts forget", { persons: [], leaves: [3, 7] }],
      "exports removed",
      "rewrite",
    ])
    expect(await ports.holds.heldLeaves([3, 7, 9])).toEqual([7, 9])
  })

  it("waits for the server to be open", async () => {
    const later = new LaterPorts()
    expect(() => later.rows.rewrite()).toThrow(/^bug: /)
    later.open(ports)
    expect(await later.holds.heldLeaves([1, 2])).toEqual([2])
    expect(await later.holds.whileTheyStay(async () => 7)).toBe(7)
  })
})
