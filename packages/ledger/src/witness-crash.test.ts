/** The process dies somewhere between a commit and the head that everyone sees; what the next one shows and asks. */

import { parseCheckpoint } from "@prooflog/tlog/checkpoint"
import { sha256 } from "@prooflog/tlog/hash"
import { createSignerKey, verifierKeyOf } from "@prooflog/tlog/key"
import { openNote, parseNote } from "@prooflog/tlog/note"
import { parseAddCheckpoint } from "@prooflog/tlog/witness-request"
import { afterEach, beforeEach, expect, it } from "vitest"
import type { ShownHeadStore, SignedHeadStore } from "./signed-head.js"
import { policyOf, StandInWitness } from "./stand-in-witness.js"
import { copyDisk, entryNumber, readEntries, rootOf, submissionOf, Trial, until } from "./trial.js"

const LOG_KEY = verifierKeyOf(createSignerKey("trial.example/log", sha256(new Uint8Array(1)), 1))

const WINDOWS = [
  "commit → sign",
  "sign → keep",
  "keep → witness",
  "witness → answer",
  "quorum → keep",
  "keep → show",
  "shown",
] as const

type Window = (typeof WINDOWS)[number]

let standIns: StandInWitness[]
const lives: { close(): Promise<void> }[] = []

beforeEach(async () => {
  standIns = [new StandInWitness("w1", 10, LOG_KEY), new StandInWitness("w2", 11, LOG_KEY)]
  for (const witness of standIns) await witness.start()
})

afterEach(async () => {
  for (const witness of standIns) await witness.stop()
  // Those that stand still for ever never close.
  for (const life of lives.splice(0)) void life.close().catch(() => {})
})

const never = new Promise<never>(() => {})

/** Where the process is to die, and whether it did. */
class Fate {
  armed: Window | undefined
  reached = false

  async meet(...windows: Window[]): Promise<void> {
    if (this.armed === undefined || !windows.includes(this.armed)) return
    this.reached = true
    await never
  }

  stores(kept: SignedHeadStore): SignedHeadStore {
    const published = kept.published as ShownHeadStore
    return {
      read: () => kept.read(),
      write: async (note) => {
        await this.meet("commit → sign", "sign → keep")
        await kept.write(note)
      },
      published: {
        read: () => published.read(),
        write: async (note) => {
          await this.meet("quorum → keep")
          await published.write(note)
          await this.meet("keep → show")
        },
        remove: () => published.remove(),
      },
    }
  }

  bewitch(witness: StandInWitness): void {
    witness.misbehaves = async (body) => {
      await this.meet("keep → witness")
      if (this.armed === "witness → answer") witness.add(body)
      await this.meet("witness → answer")
      return undefined
    }
  }
}

it.each(WINDOWS)(
  "a crash %s: one history, nothing shown is taken back, and the next life goes on",
  async (window) => {
    const trial = new Trial()
    const acknowledged: number[] = []
    const notes = new Set<string>()
    let shown = 0
    for (let life = 0; life < 4; life++) {
      const fate = new Fate()
      for (const witness of standIns) {
        witness.folder = `life${life}`
        fate.bewitch(witness)
      }
      const ledger = await trial.open({
        signedHead: fate.stores(trial.signedHead),
        signEveryMs: 0,
        publishEveryMs: 10,
        witnessing: { policy: policyOf(standIns, 2), timeoutMs: 2_000 },
      })
      lives.push(ledger)
      expect(ledger.signedHead.treeSize).toBe(ledger.treeSize)
      expect(ledger.publishedHead.treeSize).toBeGreaterThanOrEqual(shown)
      await ledger.published(ledger.treeSize, 5_000)
      expect(ledger.publishedHead.treeSize).toBe(ledger.treeSize)
      for (let i = 0; i < 4; i++) {
        const n = life * 100 + i
        if (i === 3) fate.armed = window
        await ledger.submit(submissionOf([n]))
        acknowledged.push(n)
        if (i < 3 || window === "shown") await ledger.published(ledger.treeSize, 5_000)
        notes.add(ledger.publishedHead.note)
      }
      if (window !== "shown") await until(() => fate.reached)
      notes.add(ledger.publishedHead.note).add(ledger.signedHead.note)
      shown = ledger.publishedHead.treeSize
      trial.disk.pullPlug()
      trial.disk = copyDisk(trial.disk)
    }
    for (const witness of standIns) {
      witness.folder = "last"
      witness.misbehaves = undefined
    }
    const witnessing = { policy: policyOf(standIns, 2), timeoutMs: 2_000 }
    const ledger = await trial.open({ signEveryMs: 0, publishEveryMs: 10, witnessing })
    expect((await ledger.published(ledger.treeSize, 5_000))?.treeSize).toBe(ledger.treeSize)
    const entries = await readEntries(ledger.storage)
    expect(entries.slice(1).map(entryNumber)).toEqual(acknowledged)
    for (const { bodies } of standIns)
      for (const body of bodies) notes.add(parseAddCheckpoint(body).checkpoint)
    notes.add(ledger.publishedHead.note)
    for (const note of notes) {
      const { treeSize, rootHash } = parseCheckpoint(openNote(parseNote(note), [LOG_KEY]).note.text)
      expect(rootHash).toEqual(rootOf(entries, treeSize))
    }
    for (const { size } of standIns) expect(size).toBe(ledger.treeSize)
    expect(trial.alarms).toEqual([])
    await ledger.close()
  },
)

it("a published head that cannot be kept is not shown; it is when the store works again", async () => {
  const trial = new Trial()
  const kept = trial.signedHead
  let broken = false
  const published: ShownHeadStore = {
    read: async () => kept.published?.read(),
    remove: async () => kept.published?.remove(),
    write: async (note) => {
      if (broken) throw new Error("read-only file system")
      await kept.published?.write(note)
    },
  }
  const ledger = await trial.open({
    signedHead: { ...kept, published },
    signEveryMs: 0,
    publishEveryMs: 10,
    witnessing: { policy: policyOf(standIns, 2), timeoutMs: 2_000 },
  })
  await ledger.published(1, 5_000)
  broken = true
  await ledger.submit(submissionOf([1]))
  await until(() => trial.alarms.length > 0)
  expect(trial.alarms[0]).toMatchObject({ code: "LEDGER_NOT_PUBLISHING" })
  expect(ledger.publishedHead.treeSize).toBe(1)
  expect(ledger.status().quorum).toBe("missing")
  broken = false
  expect((await ledger.published(2, 5_000))?.treeSize).toBe(2)
  expect(ledger.status().quorum).toBe("met")
  await ledger.close()
})
