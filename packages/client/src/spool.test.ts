import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import type { CapturedEvent } from "./captured-event.js"
import { Spool, type SpoolOptions } from "./spool.js"
import { formatSpoolLines } from "./spool-line.js"
import { Segment } from "./spool-segment.js"
import { HEARTBEAT_MS, SpoolSession } from "./spool-session.js"

const MANY = { events: 1000, bytes: 1 << 20 }
const event = (name: string): CapturedEvent => {
  const text = JSON.stringify({ event_id: name })
  return { text, bytes: Buffer.byteLength(text) }
}
const names = (events: readonly CapturedEvent[]) =>
  events.map(({ text }) => (JSON.parse(text) as { event_id: string }).event_id)

/** Sessions are named by UUIDs; the number tells them apart, and orders them. */
const session = (number: number) => `00000000-0000-7000-8000-${String(number).padStart(12, "0")}`

let folder: string
let opened: Spool[]
let nextId: number

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "prooflog-spool-"))
  opened = []
  nextId = 0
})
afterEach(async () => {
  for (const spool of opened) await spool.close()
  rmSync(folder, { recursive: true, force: true })
})

function openSpool(more: Partial<SpoolOptions> = {}) {
  const told = {
    written: 0,
    recovered: 0,
    waiting: 0,
    spilled: [] as string[],
    damaged: 0,
    failed: [] as string[],
  }
  const options = {
    folder,
    bytes: 1 << 30,
    buffer: { events: 10_000, bytes: 16 << 20 },
    fsyncEveryMs: 1000,
    clock: Date.now,
    monotonic: () => performance.now(),
    newId: () => session(100 + ++nextId),
    ...more,
  }
  const spool = new Spool(options, {
    written: (count) => {
      told.written += count
    },
    waiting: () => {
      told.waiting += 1
    },
    recovered: (count) => {
      told.recovered += count
    },
    spill: (events) => told.spilled.push(...names(events)),
    damaged: (count) => {
      told.damaged += count
    },
    failed: (error) => told.failed.push(error.message),
  })
  opened.push(spool)
  return { spool, told }
}

/** Leaves a session as a process would that was killed: segments and a lock, and nobody behind it. */
function leaveBehind(number: number, bytes: Uint8Array, owner: object | undefined): void {
  const id = session(number)
  const path = join(folder, id)
  new SpoolSession(folder, id, () => 0)
  writeFileSync(join(path, `${id}-000001.spool`), bytes)
  if (owner === undefined) rmSync(`${path}.lock`)
  else writeFileSync(`${path}.lock`, JSON.stringify(owner))
}

/** An owner in this machine's process space whose pid was given to another process since. */
function reusedPid(): object {
  new SpoolSession(folder, "probe", () => 0)
  const owner = JSON.parse(readFileSync(join(folder, "probe.lock"), "utf8")) as Record<string, unknown>
  rmSync(join(folder, "probe"), { recursive: true })
  rmSync(join(folder, "probe.lock"))
  return { ...owner, started: "1" }
}

function segmentsIn(path: string): string[] {
  return readdirSync(path, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".spool"))
}

describe("Spool", () => {
  it("gives events back in order, and deletes a segment when all of its events are settled", async () => {
    const { spool, told } = openSpool()
    for (const name of ["a", "b", "c"]) expect(spool.append(event(name))).toBeUndefined()
    await spool.written()
    expect(told.written).toBe(3)
    const first = await spool.take({ events: 2, bytes: 1000 })
    const second = await spool.take(MANY)
    expect([names(first), names(second)]).toEqual([["a", "b"], ["c"]])
    await spool.settle(second)
    expect(segmentsIn(folder)).toHaveLength(1)
    await spool.settle(first)
    expect(segmentsIn(folder)).toHaveLength(0)
    expect(spool.heldEvents).toBe(0)
  })

  it("writes a burst with one write", async () => {
    const { spool, told } = openSpool()
    for (let i = 0; i < 500; i++) spool.append(event(`e${i}`))
    await spool.written()
    expect(told.written).toBe(500)
    expect(segmentsIn(folder)).toHaveLength(1)
    expect((await spool.take(MANY)).length).toBe(500)
  })

  it("begins a new segment when one is long enough, and reads across them", async () => {
    const { spool } = openSpool()
    const long = "x".repeat(400_000)
    for (let i = 0; i < 30; i++)
      spool.append({ text: JSON.stringify({ event_id: `e${i}`, long }), bytes: 400_030 })
    await spool.written()
    expect(segmentsIn(folder).length).toBeGreaterThan(2)
    const read: string[] = []
    for (;;) {
      const events = await spool.take(MANY)
      if (events.length === 0) break
      read.push(...names(events))
      await spool.settle(events)
    }
    expect(read).toEqual(Array.from({ length: 30 }, (_, i) => `e${i}`))
    expect(segmentsIn(folder)).toEqual([])
  })

  it("refuses what would exceed its bytes on disk, and takes again once something was settled", async () => {
    const { spool } = openSpool({ bytes: 100 })
    expect(spool.append(event("a".repeat(40)))).toBeUndefined()
    expect(spool.append(event("b".repeat(40)))).toBe("spool_full")
    await spool.written()
    expect(spool.append(event("b".repeat(40)))).toBe("spool_full")
    await spool.settle(await spool.take(MANY))
    expect(spool.append(event("b".repeat(40)))).toBeUndefined()
  })

  it("keeps no more in memory than allowed while the disk is slow", () => {
    const { spool } = openSpool({ buffer: { events: 2, bytes: 1000 } })
    expect([1, 2, 3].map((i) => spool.append(event(`e${i}`)))).toEqual([undefined, undefined, "queue_full"])
  })

  it("keeps unsettled events for the next process when it is closed", async () => {
    const { spool } = openSpool()
    for (const name of ["a", "b"]) spool.append(event(name))
    await spool.written()
    await spool.settle((await spool.take(MANY)).slice(0, 1))
    await spool.close()

    const next = openSpool()
    await next.spool.adopted
    expect(next.told.recovered).toBe(2)
    expect(names(await next.spool.take(MANY))).toEqual(["a", "b"])
  })

  it("leaves nothing behind when all was settled", async () => {
    const { spool } = openSpool()
    spool.append(event("a"))
    await spool.written()
    await spool.settle(await spool.take(MANY))
    await spool.close()
    expect(readdirSync(folder)).toEqual([])
  })

  it("gives events back to memory while the disk fails, and writes again when it does not", async () => {
    let nowMs = 0
    const { spool, told } = openSpool({ monotonic: () => nowMs })
    await spool.adopted
    rmSync(join(folder, session(101)), { recursive: true })
    writeFileSync(join(folder, session(101)), "in the way")
    spool.append(event("a"))
    await spool.written()
    expect(told.spilled).toEqual(["a"])
    expect(told.failed[0]).toContain("cannot write to the spool")
    expect([spool.isPaused, spool.heldEvents]).toEqual([true, 0])
    rmSync(join(folder, session(101)))
    nowMs = 2000
    expect(spool.isPaused).toBe(false)
    spool.append(event("b"))
    await spool.written()
    expect(names(await spool.take(MANY))).toEqual(["b"])
  })

  it("counts each event once, however damage splits and joins its lines", async () => {
    const { spool, told } = openSpool()
    for (const name of ["aaaaaaaaaaaaaaaaaaaaaaaa", "b", "c"]) spool.append(event(name))
    await spool.written()
    const [segment] = segmentsIn(folder)
    const path = join(folder, segment as string)
    const bytes = readFileSync(path)
    bytes[20] = 0x0a
    writeFileSync(path, bytes)
    const read: CapturedEvent[] = []
    for (let i = 0; i < 4; i++) read.push(...(await spool.take({ events: 1, bytes: 1000 })))
    await spool.settle(read as never)
    expect(names(read)).toEqual(["b", "c"])
    expect([told.damaged, spool.heldEvents, spool.waiting.events]).toEqual([1, 0, 0])
  })

  it("counts what was cut off its file by somebody else", async () => {
    const { spool, told } = openSpool()
    for (const name of ["a", "b", "c"]) spool.append(event(name))
    await spool.written()
    truncateSync(join(folder, segmentsIn(folder)[0] as string), formatSpoolLines([event("a")]).length)
    const events = [...(await spool.take(MANY)), ...(await spool.take(MANY))]
    await spool.settle(events)
    expect([names(events), told.damaged, spool.heldEvents]).toEqual([["a"], 2, 0])
  })

  it("does not take a segment for done while a write to it is under way", async () => {
    const segment = await Segment.create(join(folder, "1.spool"))
    const appended = segment.append([event("a")])
    expect(segment.isSettled).toBe(false)
    await appended
    const { events } = await segment.read(MANY)
    segment.settle(events.length)
    expect([names(events), segment.isSettled]).toEqual([["a"], true])
    await segment.remove()
  })

  it("cannot be opened on a folder that is a file", () => {
    const file = join(folder, "file")
    writeFileSync(file, "")
    expect(() => openSpool({ folder: file })).toThrow(
      expect.objectContaining({ code: "CLIENT_SPOOL_FAILED" }),
    )
  })
})

describe("a spool left behind", () => {
  const lines = formatSpoolLines([event("a"), event("b")])

  it("by a process that is gone is adopted, oldest session first", async () => {
    leaveBehind(2, formatSpoolLines([event("c")]), undefined)
    leaveBehind(1, lines, reusedPid())
    const { spool, told } = openSpool()
    await spool.adopted
    expect(told.recovered).toBe(3)
    const events = [...(await spool.take(MANY)), ...(await spool.take(MANY))]
    expect(names(events)).toEqual(["a", "b", "c"])
    await spool.settle(events)
    await spool.close()
    expect(readdirSync(folder)).toEqual([])
  })

  it("by one that adopted another's and died in the middle of it is adopted whole", async () => {
    leaveBehind(2, lines, undefined)
    const inside = join(folder, session(2), session(1))
    mkdirSync(inside)
    writeFileSync(join(inside, `${session(1)}-000001.spool`), formatSpoolLines([event("c")]))
    const { spool, told } = openSpool()
    await spool.adopted
    expect(told.recovered).toBe(3)
  })

  it("by a process that lives is not touched", async () => {
    const first = openSpool()
    first.spool.append(event("a"))
    await first.spool.written()
    const second = openSpool()
    await second.spool.adopted
    expect(second.told.recovered).toBe(0)
    expect(names(await first.spool.take(MANY))).toEqual(["a"])
  })

  it("by an owner elsewhere is adopted after a minute without a sign of life, by our own clock", async () => {
    leaveBehind(1, lines, { pid: 1, started: "1", space: "another machine" })
    let nowMs = 0
    const mine = new SpoolSession(folder, session(9), () => nowMs)
    expect(await mine.adopt()).toEqual([])
    nowMs = 59_000
    expect(await mine.adopt()).toEqual([])
    nowMs = 60_000
    expect(await mine.adopt()).toHaveLength(1)
  })

  it("by an owner elsewhere that still touches its lock is left alone", async () => {
    leaveBehind(1, lines, { pid: 1, started: "1", space: "another machine" })
    let nowMs = 0
    const mine = new SpoolSession(folder, session(9), () => nowMs)
    for (let beat = 1; beat < 20; beat++) {
      nowMs += 10_000
      utimesSync(join(folder, `${session(1)}.lock`), beat, beat)
      expect(await mine.adopt()).toEqual([])
    }
  })

  it("is adopted by one process only, however many try", async () => {
    for (let i = 0; i < 5; i++) leaveBehind(i, lines, undefined)
    const spools = Array.from({ length: 8 }, () => openSpool())
    await Promise.all(spools.map(({ spool }) => spool.adopted))
    expect(spools.reduce((sum, { told }) => sum + told.recovered, 0)).toBe(10)
    expect(spools.flatMap(({ told }) => told.failed)).toEqual([])
  })

  it("with a torn last line gives the lines before it, and counts the torn one", async () => {
    leaveBehind(1, lines.subarray(0, lines.length - 3), undefined)
    const { spool, told } = openSpool()
    await spool.adopted
    expect(told.recovered).toBe(2)
    const events = await spool.take(MANY)
    expect(names(events)).toEqual(["a"])
    expect(await spool.take(MANY)).toEqual([])
    expect(told.damaged).toBe(1)
    await spool.settle(events)
    expect([spool.heldEvents, segmentsIn(folder).length]).toEqual([0, 0])
  })

  it("with a damaged line gives the others", async () => {
    const bytes = formatSpoolLines([event("a"), event("b"), event("c")])
    bytes[bytes.indexOf('"b"') + 1] = 0x42
    leaveBehind(1, bytes, undefined)
    const { spool, told } = openSpool()
    await spool.adopted
    expect(names(await spool.take(MANY))).toEqual(["a", "c"])
    expect([told.recovered, told.damaged]).toEqual([3, 1])
  })

  it("that is noise, or empty, harms nothing", async () => {
    leaveBehind(1, Buffer.alloc(3_000_000, 0x41), undefined)
    leaveBehind(2, Buffer.alloc(0), undefined)
    leaveBehind(3, lines, undefined)
    const { spool, told } = openSpool()
    await spool.adopted
    const events = await spool.take(MANY)
    expect(names(events)).toEqual(["a", "b"])
    await spool.settle(events)
    await spool.take(MANY)
    expect([told.damaged, spool.heldEvents, segmentsIn(folder).length]).toEqual([1, 0, 0])
  })

  it("with a hole in it gives the lines after the hole too", async () => {
    leaveBehind(1, Buffer.concat([lines, Buffer.alloc(3_000_000), Buffer.from("\n"), lines]), undefined)
    const { spool, told } = openSpool()
    await spool.adopted
    const events = [...(await spool.take(MANY)), ...(await spool.take(MANY))]
    expect(names(events)).toEqual(["a", "b", "a", "b"])
    await spool.settle(events)
    expect([told.recovered, told.damaged, spool.heldEvents]).toEqual([5, 1, 0])
  })

  it("leaves alone what is not its own in the folder it was given", async () => {
    const foreign = ["src", ".git", "node_modules"]
    for (const name of foreign) {
      mkdirSync(join(folder, name))
      writeFileSync(join(folder, name, "precious"), "not a line of a spool\n")
    }
    writeFileSync(join(folder, "yarn.lock"), "")
    let nowMs = 0
    const mine = new SpoolSession(folder, session(9), () => nowMs)
    expect(await mine.adopt()).toEqual([])
    nowMs = 3_600_000
    expect(await mine.adopt()).toEqual([])
    await mine.release()
    expect(readdirSync(folder).sort()).toEqual([...foreign, "yarn.lock"].sort())
    for (const name of foreign) expect(readdirSync(join(folder, name))).toEqual(["precious"])
  })

  it("holds files that are no segments: they are neither read nor deleted", async () => {
    leaveBehind(1, lines, undefined)
    writeFileSync(join(folder, session(1), ".DS_Store"), "noise")
    const { spool, told } = openSpool()
    await spool.adopted
    expect(told.recovered).toBe(2)
    await spool.settle(await spool.take(MANY))
    expect(readdirSync(join(folder, session(101)))).toEqual([".DS_Store"])
  })

  it("that cannot be read for a while is read with a later heartbeat", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] })
    try {
      leaveBehind(1, lines, undefined)
      const { spool, told } = openSpool()
      await spool.adopted
      const path = join(folder, segmentsIn(folder)[0] as string)
      renameSync(path, `${path}.away`)
      expect(await spool.take(MANY)).toEqual([])
      expect([told.failed.length, spool.waiting.events, spool.heldEvents]).toEqual([1, 0, 2])
      renameSync(`${path}.away`, path)
      vi.advanceTimersByTime(HEARTBEAT_MS)
      await vi.waitFor(() => expect(told.waiting).toBe(1))
      expect(names(await spool.take(MANY))).toEqual(["a", "b"])
    } finally {
      vi.useRealTimers()
    }
  })

  it("is sent though one of its segments cannot be adopted", async () => {
    leaveBehind(1, lines, undefined)
    leaveBehind(2, lines, undefined)
    const broken = join(folder, session(1), `${session(1)}-000001.spool`)
    rmSync(broken)
    symlinkSync(join(folder, "nowhere"), broken)
    const { spool, told } = openSpool()
    await spool.adopted
    expect([told.recovered, told.failed.length]).toEqual([2, 1])
    expect(names(await spool.take(MANY))).toEqual(["a", "b"])
  })

  it("by a process killed with -9 holds all that was written", async () => {
    const child = spawnWriter(folder)
    const [report] = (await once(child.stdout as NodeJS.ReadableStream, "data")) as [Buffer]
    const written = Number(report.toString().trim().split("\n").at(-1))
    child.kill("SIGKILL")
    await once(child, "exit")
    const { spool, told } = openSpool()
    await spool.adopted
    expect(written).toBeGreaterThan(0)
    expect(told.recovered).toBeGreaterThanOrEqual(written)
    expect(existsSync(join(folder, `${session(50)}.lock`))).toBe(false)
  })
})

/** A process that appends without end and prints how many events were written. */
function spawnWriter(spoolFolder: string): ChildProcess {
  const code = `
    const { Spool } = await import(${JSON.stringify(new URL("../dist/spool.js", import.meta.url).href)})
    let written = 0
    const spool = new Spool(
      { folder: ${JSON.stringify(spoolFolder)}, bytes: 1e9, buffer: { events: 1e5, bytes: 1e8 }, fsyncEveryMs: 1000,
        clock: Date.now, monotonic: () => performance.now(), newId: () => ${JSON.stringify(session(50))} },
      { written: (count) => { written += count; console.log(written) }, waiting() {}, recovered() {}, spill() {}, damaged() {}, failed() {} })
    for (let i = 0; ; i++) {
      const text = JSON.stringify({ event_id: "e" + i })
      spool.append({ text, bytes: text.length })
      if (i % 50 === 0) await new Promise(setImmediate)
    }`
  return spawn(process.execPath, ["--input-type=module", "-e", code], {
    stdio: ["ignore", "pipe", "inherit"],
  })
}
