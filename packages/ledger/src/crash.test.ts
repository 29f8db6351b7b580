/** The process dies between two steps; what a new one finds, and what it signs then. */

import { parseCheckpoint } from "@prooflog/tlog/checkpoint"
import { sha256 } from "@prooflog/tlog/hash"
import { createSignerKey, verifierKeyOf } from "@prooflog/tlog/key"
import { openNote, parseNote } from "@prooflog/tlog/note"
import { describe, expect, it } from "vitest"
import type { Ledger } from "./ledger.js"
import { openMemoryStorage } from "./memory.js"
import type { SignedHeadStore, StoredHead } from "./signed-head.js"
import type { LogStorage } from "./storage.js"
import { copyDisk, entryNumber, readEntries, rootOf, submissionOf, Trial, until } from "./trial.js"

const never = new Promise<never>(() => {})

const WINDOWS = [
  "before commit",
  "commit → sign",
  "sign → persist",
  "persist → publish",
  "published",
] as const

type Window = (typeof WINDOWS)[number]

/** A ledger that stands still for ever in the given window, once `armed`. */
class Doomed {
  readonly trial: Trial
  armed: Window | undefined
  reached = false
  /** Every head that anyone outside could have seen. */
  readonly seen = new Map<number, string>()

  constructor(trial: Trial) {
    this.trial = trial
  }

  async open(): Promise<Ledger> {
    const kept = this.trial.signedHead
    const ledger = await this.trial.open({
      storage: this.#storage(await openMemoryStorage(this.trial.disk)),
      signedHead: this.#store(kept),
      signEveryMs: 0,
      publishEveryMs: 0,
    })
    return ledger
  }

  look(ledger: Ledger): void {
    for (const { treeSize, note } of [ledger.signedHead, ledger.publishedHead]) this.seen.set(treeSize, note)
  }

  #storage(storage: LogStorage): LogStorage {
    const commit = storage.commit.bind(storage)
    storage.commit = async (one) => {
      if (this.#dies("before commit")) return await never
      await commit(one)
    }
    return storage
  }

  #store(kept: SignedHeadStore): SignedHeadStore {
    return {
      read: () => kept.read(),
      write: async (note) => {
        if (this.#dies("commit → sign") || this.#dies("sign → persist")) return await never
        await kept.write(note)
        if (this.#dies("persist → publish")) return await never
      },
    }
  }

  #dies(window: Window): boolean {
    if (this.armed !== window) return false
    this.reached = true
    return true
  }
}

describe("a crash", () => {
  it.each(WINDOWS)(
    "%s: every acknowledged event is there, and all heads are of one history",
    async (window) => {
      const trial = new Trial()
      const acknowledged: number[] = []
      const seen = new Map<number, string>()
      for (let life = 0; life < 5; life++) {
        const doomed = new Doomed(trial)
        const ledger = await doomed.open()
        expect(ledger.signedHead.treeSize).toBe(ledger.treeSize)
        for (let i = 0; i < 6; i++) {
          const n = life * 100 + i
          doomed.armed = i === 5 ? window : undefined
          if (i === 5 && window === "before commit") void ledger.submit(submissionOf([n]))
          else {
            await ledger.submit(submissionOf([n]))
            acknowledged.push(n)
          }
          doomed.look(ledger)
        }
        if (window === "published") await ledger.published(ledger.treeSize, 1_000)
        else await until(() => doomed.reached)
        doomed.look(ledger)
        for (const [size, note] of doomed.seen) {
          expect(seen.get(size) ?? note).toBe(note)
          seen.set(size, note)
        }
        trial.disk.pullPlug()
        trial.disk = copyDisk(trial.disk)
      }
      const ledger = await trial.open()
      const entries = await readEntries(ledger.storage)
      expect(entries.slice(1).map(entryNumber)).toEqual(acknowledged)
      for (const note of seen.values()) requireOf(entries, note)
      requireOf(entries, ledger.signedHead.note)
      await ledger.close()
    },
  )

  it("between the first commit and the first signature leaves a log that can be opened", async () => {
    const trial = new Trial()
    let writes = 0
    const kept = trial.signedHead
    const store = {
      read: () => kept.read(),
      write: async (note: string) => {
        if (++writes === 2) throw new Error("died here")
        await kept.write(note)
      },
    }
    await expect(trial.open({ signedHead: store })).rejects.toMatchObject({ code: "LEDGER_NOT_PUBLISHING" })
    const genesis = () => {
      throw new Error("called twice")
    }
    const ledger = await trial.open({ genesis })
    expect(ledger.signedHead.treeSize).toBe(1)
    await ledger.close()
  })

  it("before the first commit leaves a log that can be begun", async () => {
    const trial = new Trial()
    trial.disk.nextWriteFails = "not kept"
    await expect(trial.open()).rejects.toMatchObject({ code: "LEDGER_POISONED" })
    const ledger = await trial.open()
    expect(ledger.treeSize).toBe(1)
    await ledger.close()
  })
})

describe("a head that cannot be kept", () => {
  it("is not shown; the next one is signed when the store works again", async () => {
    const trial = new Trial()
    let broken = false
    const kept = trial.signedHead
    const store = {
      read: () => kept.read(),
      write: async (note: string) => {
        if (broken) throw new Error("read-only file system")
        await kept.write(note)
      },
    }
    const ledger = await trial.open({ signedHead: store, signEveryMs: 0, publishEveryMs: 0 })
    broken = true
    await ledger.submit(submissionOf([1]))
    await until(() => trial.alarms.length > 0)
    expect(trial.alarms[0]).toMatchObject({ code: "LEDGER_NOT_PUBLISHING" })
    expect(ledger.signedHead.treeSize).toBe(1)
    expect(ledger.status().accepting).toBe(true)
    broken = false
    await ledger.submit(submissionOf([2]))
    expect((await ledger.published(3, 5_000))?.treeSize).toBe(3)
    await ledger.close()
  })
})

/** The note is signed by the log, and its root is that of the entries. */
function requireOf(entries: readonly Uint8Array[], note: StoredHead["note"]): void {
  const key = createSignerKey("trial.example/log", sha256(new Uint8Array(1)), 1)
  const { text } = openNote(parseNote(note), [verifierKeyOf(key)]).note
  const { treeSize, rootHash } = parseCheckpoint(text)
  expect(rootHash).toEqual(rootOf(entries, treeSize))
}
