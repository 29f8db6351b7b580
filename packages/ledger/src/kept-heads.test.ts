/** Witnesses are given to a log that others have seen, and taken from it: what was shown is never taken back. */

import { sha256 } from "@prooflog/tlog/hash"
import { createSignerKey, verifierKeyOf } from "@prooflog/tlog/key"
import { openCheckpoint } from "@prooflog/tlog/policy"
import fc from "fast-check"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import type { Ledger } from "./ledger.js"
import { type ShownHeadStore, type SignedHeadStore, signedHeadInMemory } from "./signed-head.js"
import { policyOf, StandInWitness } from "./stand-in-witness.js"
import { copyDisk, readEntries, rootOf, submissionOf, Trial, until } from "./trial.js"

const LOG_KEY = verifierKeyOf(createSignerKey("trial.example/log", sha256(new Uint8Array(1)), 1))

let witness: StandInWitness
let trial: Trial
let ledger: Ledger | undefined

beforeEach(async () => {
  witness = await new StandInWitness("w1", 10, LOG_KEY).start()
  trial = new Trial()
})

afterEach(async () => {
  await ledger?.close().catch(() => {})
  await witness.stop()
})

/** Closes the log, if it is open, and opens it. */
async function reopen(witnessed: boolean, signedHead = trial.signedHead): Promise<Ledger> {
  await ledger?.close()
  const witnessing = { policy: policyOf([witness], 1), timeoutMs: 2_000 }
  ledger = await trial.open({
    signedHead,
    signEveryMs: 0,
    publishEveryMs: 10,
    ...(witnessed ? { witnessing } : {}),
  })
  return ledger
}

async function grow(ledger: Ledger, treeSize: number): Promise<void> {
  while (ledger.treeSize < treeSize) await ledger.submit(submissionOf([ledger.treeSize]))
  await until(() => ledger.signedHead.treeSize === treeSize)
}

async function published(treeSize: number): Promise<void> {
  expect((await ledger?.published(treeSize, 5_000))?.treeSize).toBe(treeSize)
}

function isCosigned({ note }: { note: string }): boolean {
  const policy = { ...policyOf([witness], 1), logs: [{ key: LOG_KEY }], quorum: "none" }
  return openCheckpoint(note, policy).cosignatures.length > 0
}

describe("a log that is given its first witnesses", () => {
  beforeEach(async () => {
    await grow(await reopen(false), 11)
    await published(11)
    await witness.stop()
  })

  it("shows what it had shown until their quorum has answered", async () => {
    const log = await reopen(true)
    expect(log.publishedHead.treeSize).toBe(11)
    expect(isCosigned(log.publishedHead)).toBe(false)
    expect(log.status()).toMatchObject({ quorum: "missing", quorumMissingSince: trial.nowMs })
    await witness.start()
    await until(() => isCosigned(log.publishedHead))
    expect(log.publishedHead.treeSize).toBe(11)
    expect(log.status().quorum).toBe("met")
  })

  it("shows nothing newer without them, through another start, too", async () => {
    await grow(await reopen(true), 14)
    expect(ledger?.publishedHead.treeSize).toBe(11)
    const log = await reopen(true)
    expect(log.signedHead.treeSize).toBe(14)
    expect(log.publishedHead.treeSize).toBe(11)
    await witness.start()
    await published(14)
    expect(isCosigned(log.publishedHead)).toBe(true)
  })
})

describe("a log whose witnesses are taken away", () => {
  it("shows what is signed, and that again when it is given witnesses anew", async () => {
    await grow(await reopen(true), 3)
    await published(3)
    await witness.stop()
    await grow(await reopen(true), 5)
    expect(ledger?.publishedHead.treeSize).toBe(3)
    expect((await reopen(false)).publishedHead.treeSize).toBe(5)
    expect(await trial.signedHead.published?.read()).toBeUndefined()
    await grow(ledger as Ledger, 9)
    await published(9)
    expect((await reopen(true)).publishedHead.treeSize).toBe(9)
  })

  it("counts what it showed as signed, should the signed head be lost", async () => {
    await grow(await reopen(true), 3)
    await published(3)
    await ledger?.close()
    const { published: shown } = trial.signedHead
    trial.signedHead = { ...signedHeadInMemory(), ...(shown && { published: shown }) }
    trial.disk = new Trial().disk
    await expect(reopen(false)).rejects.toMatchObject({ code: "LEDGER_BEHIND_SIGNED_HEAD" })
  })
})

describe("a new log with witnesses", () => {
  it("notes that it has shown nothing before it signs anything", async () => {
    await witness.stop()
    const kept: string[] = []
    const { published, ...signed } = trial.signedHead as SignedHeadStore & { published: ShownHeadStore }
    const telling = (name: string, write: (note: string) => Promise<void>) => async (note: string) => {
      kept.push(`${name} ${note.split("\n")[1]}`)
      await write(note)
    }
    await reopen(true, {
      read: signed.read,
      write: telling("signed", signed.write),
      published: { ...published, write: telling("published", published.write) },
    })
    expect(kept).toEqual(["published 0", "signed 0", "signed 1"])
    expect((await reopen(true)).publishedHead.treeSize).toBe(0)
  })
})

it("says so if a head cannot be kept, and shows nothing", async () => {
  const full = async () => {
    throw new Error("no space left on device")
  }
  const { published, ...signed } = trial.signedHead as SignedHeadStore & { published: ShownHeadStore }
  const failing = expect.objectContaining({ code: "LEDGER_NOT_PUBLISHING" })
  await expect(reopen(true, { ...signed, published: { ...published, write: full } })).rejects.toEqual(failing)
  await expect(reopen(false, { ...signed, published: { ...published, remove: full } })).rejects.toEqual(
    failing,
  )
})

/** One life of a log: who cosigns, how much it grows, and after how many writes of heads it dies. */
const life = fc.record({
  witnessed: fc.boolean(),
  alive: fc.boolean(),
  events: fc.integer({ min: 0, max: 2 }),
  writes: fc.oneof(fc.integer({ min: 0, max: 6 }), fc.constant(Number.POSITIVE_INFINITY)),
  isLastKept: fc.boolean(),
})

it("takes nothing back and shows nothing new without its quorum, whoever comes, goes and dies", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(life, { minLength: 2, maxLength: 6 }), async (lives) => {
      const standIn = new StandInWitness("w1", 10, LOG_KEY)
      const trial = new Trial()
      const policy = policyOf([standIn], 1)
      let [shown, allowed] = [0, 0]
      const heads: { treeSize: number; rootHash: Uint8Array }[] = []
      for (const { witnessed, alive, events, writes, isLastKept } of lives) {
        if (alive) await standIn.start()
        const signedHead = dying(trial.signedHead, writes, isLastKept)
        const options = { signedHead, signEveryMs: 0, publishEveryMs: 1 }
        const witnessing = { policy: policyOf([standIn], 1), timeoutMs: 2_000 }
        const opening = trial.open({ ...options, ...(witnessed ? { witnessing } : {}) })
        const ledger = await opening.catch(() => undefined)
        const look = () => {
          const { publishedHead: head, signedHead: signed } = ledger as Ledger
          heads.push(head, signed)
          expect(head.treeSize).toBeGreaterThanOrEqual(shown)
          if (!witnessed) allowed = Math.max(allowed, signed.treeSize)
          const all = { ...policy, logs: [{ key: LOG_KEY }], quorum: "none" }
          const { cosignatures } = openCheckpoint(head.note, all)
          expect(head.treeSize <= allowed || cosignatures.length === 1).toBe(true)
          shown = head.treeSize
        }
        // What a life without witnesses signed is as good as shown, be it that it died before.
        if (!witnessed) allowed = Math.max(allowed, await sizeOf(trial.signedHead))
        if (ledger !== undefined) {
          look()
          for (let n = 0; n < events; n++) await ledger.submit(submissionOf([n]))
          if (alive && writes === Number.POSITIVE_INFINITY) await ledger.published(ledger.treeSize, 5_000)
          look()
          trial.disk.pullPlug()
          await ledger.close().catch(() => {})
          if (!witnessed) allowed = Math.max(allowed, await sizeOf(trial.signedHead))
          look()
        }
        trial.disk = copyDisk(trial.disk)
        await standIn.stop()
      }
      const ledger = await trial.open()
      const entries = await readEntries(ledger.storage)
      for (const { treeSize, rootHash } of heads) expect(rootHash).toEqual(rootOf(entries, treeSize))
      await ledger.close()
    }),
    { numRuns: 40 },
  )
})

async function sizeOf(store: SignedHeadStore): Promise<number> {
  return Number((await store.read())?.note.split("\n")[1] ?? 0)
}

/** Stores that work for so many changes; of the one after, only the first part may have been done. */
function dying(kept: SignedHeadStore, writes: number, isLastKept: boolean): SignedHeadStore {
  const published = kept.published as ShownHeadStore
  let left = writes
  const change = async (work: () => Promise<void>) => {
    if (left-- > 0) return work()
    if (left === -1 && isLastKept) await work()
    throw new Error("the process has died")
  }
  return {
    read: kept.read,
    write: (note) => change(() => kept.write(note)),
    published: {
      read: published.read,
      write: (note) => change(() => published.write(note)),
      remove: () => change(() => published.remove()),
    },
  }
}
