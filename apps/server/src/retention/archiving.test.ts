import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseScheduleFile, publicSchedule } from "@prooflog/archive/schedule-file"
import { SCHEDULE_TEMPLATE } from "@prooflog/archive/schedule-template"
import { encodeEventEntry } from "@prooflog/event/entry"
import { ObjectsError } from "@prooflog/objects/error"
import type { Logger } from "pino"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import type { DailyAsked, DailyDone, Watching } from "../followers/archive-process.js"
import type { ServedLog } from "../served-log.js"
import { Turns } from "../turns.js"
import { type Archiving, openArchiving } from "./archiving.js"
import { formatDaily, type LastRun, parseDaily } from "./daily-file.js"
import type { Erasing } from "./erase-run.js"

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const LOOK_MS = 60_000
const BEGIN_MS = Date.parse("2026-03-01T12:00:00Z")

const file = parseScheduleFile(SCHEDULE_TEMPLATE)

const DONE: DailyDone = {
  archived: { segments: 1, records: 7 },
  destroyed: { withdrawn: 3, heldBack: 2 },
  verified: { segments: 1, rows: 7, faults: [] },
  failed: [],
}

/** A log whose one leaf is so old, and an archive that does what it is told to. */
class World {
  readonly told: string[] = []
  readonly asked: DailyAsked[] = []
  nowMs = BEGIN_MS + 200 * DAY_MS
  erasures = 0
  areErasuresDue = false
  /** Why the log takes nothing. */
  refusal: string | undefined
  answer: (watching: Watching | undefined) => Promise<DailyDone> = async () => DONE
  readonly dir: string
  readonly stopping = new AbortController()
  readonly turns = new Turns(1)
  archiving: Archiving | undefined

  constructor(dir: string) {
    this.dir = dir
  }

  async open(): Promise<Archiving> {
    const entry = encodeEventEntry("routine", new Uint8Array(32))
    new DataView(entry.buffer, entry.byteOffset).setBigUint64(3, BigInt(BEGIN_MS))
    const log = {
      folder: {
        dir: this.dir,
        archiveStatePath: join(this.dir, "retention/archive.json"),
        serving: { backupDays: 30 },
      },
      ledger: {
        publishedHead: { treeSize: 2 },
        signedHead: { treeSize: 2 },
        status: () => ({ accepting: this.refusal === undefined, reason: this.refusal }),
      },
      reader: { entry: async () => entry },
      reading: { status: () => ({ state: "following", through: 2 }) },
      schedule: { read: { file }, promises: [[0, publicSchedule(file)]] },
      archive: {
        daily: (asked: DailyAsked, watching?: Watching) => {
          this.asked.push(asked)
          return this.answer(watching)
        },
        verify: async () => ({ segments: 2, rows: 9, faults: [FAULT] }),
      },
    } as unknown as ServedLog
    const erasing = {
      isDue: () => this.areErasuresDue,
      carry: async () => void this.erasures++,
    } as unknown as Erasing
    const tell = (details: { code?: string } | string, message = "") =>
      void this.told.push(typeof details === "string" ? details : `${details.code} ${message}`)
    this.archiving = await openArchiving({
      log,
      erasing,
      turns: this.turns,
      clock: () => this.nowMs,
      logger: { error: tell, warn: tell } as unknown as Logger,
      stopping: this.stopping.signal,
    })
    return this.archiving
  }

  async kept() {
    return parseDaily(await readFile(join(this.dir, "retention/daily.json"), "utf8").catch(() => undefined))
  }
}

const FAULT = {
  key: "segments/routine/2026-01/1-9-00.parquet",
  code: "ARCHIVE_SEGMENT_REFUSED",
  message: "leaf 3",
}

describe("the daily run", () => {
  let world: World
  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] })
    world = new World(await mkdtemp(join(tmpdir(), "prooflog-archiving-")))
  })
  afterEach(async () => {
    await world.archiving?.close()
    vi.useRealTimers()
    await rm(world.dir, { recursive: true })
  })

  /** Lets time pass, and what begins then come to its end. */
  async function after(ms: number): Promise<void> {
    world.nowMs += ms
    vi.advanceTimersByTime(LOOK_MS)
    await ended()
  }

  function ended(): Promise<void> {
    return vi.waitFor(() => expect(world.archiving?.job?.state).not.toBe("running"))
  }

  it("begins by itself when a day is over, and remembers up to when segments are verified", async () => {
    const { daily } = await world.open()
    expect(daily).toEqual({ faults: [] })
    await after(0)
    await after(DAY_MS - 1)
    expect(world.asked).toHaveLength(1)
    await after(1)
    const firstMs = BEGIN_MS + 200 * DAY_MS
    expect(world.asked.map(({ nowMs, verifiedMs }) => [nowMs, verifiedMs])).toEqual([
      [firstMs, undefined],
      [firstMs + DAY_MS, firstMs],
    ])
    const last: LastRun = {
      begunMs: firstMs + DAY_MS,
      endedMs: firstMs + DAY_MS,
      archived: 7,
      withdrawn: 3,
      heldBack: 2,
      failed: [],
    }
    expect(await world.kept()).toEqual({ verifiedMs: firstMs + DAY_MS, last, faults: [] })
    expect(world.told).toEqual([])
  })

  it("asks nothing of the archive of a log in which nothing is old", async () => {
    world.nowMs = BEGIN_MS + 100 * DAY_MS
    await world.open()
    await after(0)
    expect(world.archiving?.job).toMatchObject({ kind: "run", state: "done" })
    expect(world.asked).toEqual([])
    expect((await world.kept()).last).toMatchObject({ archived: 0, withdrawn: 0 })
  })

  it("erases first: what is due by itself, everything if it is asked for", async () => {
    await world.open()
    await after(0)
    expect(world.erasures).toBe(0)
    world.archiving?.run()
    await ended()
    expect(world.erasures).toBe(1)
    world.areErasuresDue = true
    await after(DAY_MS)
    expect(world.erasures).toBe(2)
  })

  it("tells of a step that fails, remembers it, and tries again in an hour", async () => {
    await world.open()
    const error = new ObjectsError("OBJECTS_BAD_CREDENTIALS", "the key is not known", { key: "segments/x" })
    const { archived: _, ...others } = DONE
    world.answer = async () => ({ ...others, failed: [{ step: "archive", error }] })
    await after(0)
    const failed = {
      step: "archive",
      code: "OBJECTS_BAD_CREDENTIALS",
      message: "segments/x: the key is not known",
    }
    expect(world.archiving?.job).toMatchObject({ state: "failed", error: failed })
    expect(world.archiving?.daily.last).toMatchObject({ archived: 0, withdrawn: 3, failed: [failed] })
    expect(world.told).toEqual([expect.stringMatching(/^OBJECTS_BAD_CREDENTIALS alarm of retention/)])
    world.answer = async () => DONE
    await after(HOUR_MS - 1)
    expect(world.asked).toHaveLength(1)
    await after(1)
    expect(world.asked).toHaveLength(2)
    expect(world.archiving?.daily.last?.failed).toEqual([])
  })

  it("moves and destroys nothing by a clock that has leapt ahead, and goes on when it is right again", async () => {
    await world.open()
    await after(0)
    world.refusal = "LEDGER_CLOCK_JUMPED"
    world.areErasuresDue = true
    await after(10_000 * DAY_MS)
    await after(HOUR_MS)
    expect([world.asked.length, world.erasures]).toEqual([1, 0])
    expect(world.archiving?.job).toMatchObject({ state: "failed", error: { code: world.refusal } })
    expect(world.told).toEqual(
      [1, 2].map(() => expect.stringMatching(/^LEDGER_CLOCK_JUMPED alarm of retention/)),
    )
    world.refusal = undefined
    await after(-10_000 * DAY_MS)
    const firstMs = BEGIN_MS + 200 * DAY_MS
    const again = { nowMs: firstMs + HOUR_MS, verifiedMs: firstMs }
    expect(world.asked.at(-1)).toMatchObject(again)
    expect([world.asked.length, world.erasures]).toEqual([2, 1])
  })

  it("tells of damaged segments, and remembers them until they are found whole", async () => {
    await world.open()
    world.answer = async () => ({ ...DONE, verified: { segments: 1, rows: 0, faults: [FAULT] } })
    await after(0)
    expect(world.archiving?.job?.state).toBe("done")
    world.answer = async () => DONE
    await after(DAY_MS)
    expect(world.archiving?.daily.faults).toEqual([{ ...FAULT, atMs: BEGIN_MS + 200 * DAY_MS }])
    expect(world.told).toEqual([
      "ARCHIVE_SEGMENT_REFUSED alarm of the archive: a segment is damaged, or cannot be read: leaf 3",
    ])
    world.archiving?.verify()
    await ended()
    expect(world.archiving?.daily).toMatchObject({ faults: [FAULT], verifiedMs: world.nowMs })
  })

  it("goes on at the next start if it was cut off", async () => {
    await world.open()
    let began = () => {}
    const begun = new Promise<void>((resolve) => {
      began = resolve
    })
    world.answer = (watching) =>
      new Promise((_, reject) => {
        watching?.signal?.addEventListener("abort", () => reject(watching.signal?.reason))
        began()
      })
    world.archiving?.run()
    await begun
    expect(world.archiving?.job?.state).toBe("running")
    world.stopping.abort()
    await world.archiving?.close()
    expect(world.told).toEqual([])
    expect(await world.kept()).toEqual({ openMs: world.nowMs, faults: [] })

    const next = new World(world.dir)
    await next.open()
    world = next
    await ended()
    expect(next.asked).toHaveLength(1)
    expect(await next.kept()).toMatchObject({ last: { archived: 7 } })
    expect(await next.kept()).not.toHaveProperty("openMs")
  })

  it("waits while something is erased, and refuses a second job meanwhile, naming the first", async () => {
    const archiving = await world.open()
    let free = () => {}
    void world.turns.take(
      () =>
        new Promise<void>((resolve) => {
          free = resolve
        }),
    )
    const { id } = archiving.run()
    await Promise.resolve()
    expect(archiving.job).toMatchObject({ id, state: "running", progress: { step: "wait" } })
    expect(() => archiving.verify()).toThrow(
      expect.objectContaining({ code: "SERVER_ARCHIVE_BUSY", message: expect.stringContaining(id) }),
    )
    expect(world.asked).toEqual([])
    free()
    await ended()
    expect(world.asked).toHaveLength(1)
  })

  it("begins anew, and says so, if what was kept of it is damaged", async () => {
    await world.open()
    await after(0)
    await writeFile(join(world.dir, "retention/daily.json"), formatDaily({ faults: [] }).slice(3))
    world = new World(world.dir)
    expect((await world.open()).daily).toEqual({ faults: [] })
    expect(world.told).toEqual([
      expect.stringMatching(/^SERVER_MALFORMED_FOLDER .* is damaged, and begun anew$/),
    ])
  })
})
