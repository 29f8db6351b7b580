import { sha256 } from "@prooflog/tlog/hash"
import { createSignerKey, verifierKeyOf } from "@prooflog/tlog/key"
import { openNote, parseNote } from "@prooflog/tlog/note"
import { openCheckpoint, type Policy } from "@prooflog/tlog/policy"
import { parseAddCheckpoint } from "@prooflog/tlog/witness-request"
import { afterEach, describe, expect, it } from "vitest"
import type { Ledger, LedgerOptions } from "./ledger.js"
import { type Misbehaviour, policyOf, StandInWitness } from "./stand-in-witness.js"
import { submissionOf, Trial, until } from "./trial.js"

const LOG_KEY = verifierKeyOf(createSignerKey("trial.example/log", sha256(new Uint8Array(1)), 1))

const opened: { close(): Promise<unknown> }[] = []
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close()
})

async function witnesses(count: number): Promise<StandInWitness[]> {
  const made = Array.from({ length: count }, (_, i) => new StandInWitness(`w${i + 1}`, i + 10, LOG_KEY))
  for (const witness of made) {
    await witness.start()
    opened.push({ close: () => witness.stop() })
  }
  return made
}

interface Opening extends Partial<LedgerOptions> {
  readonly policy: Policy
  readonly timeoutMs?: number
  readonly refreshMs?: number
}

async function openTrial({ policy, timeoutMs = 2_000, refreshMs, ...options }: Opening, trial = new Trial()) {
  const witnessing = { policy, timeoutMs, ...(refreshMs === undefined ? {} : { refreshMs }) }
  const ledger = await trial.open({ signEveryMs: 0, publishEveryMs: 20, ...options, witnessing })
  opened.push(ledger)
  return { ledger, trial }
}

/** The names of those whose cosignatures a head bears; all of them verify. */
function cosigners({ note }: { note: string }, policy: Policy): string[] {
  const all = { ...policy, logs: [{ key: LOG_KEY }], quorum: "none" }
  return openCheckpoint(note, all).cosignatures.map(({ witness }) => witness)
}

function statusOf(ledger: Ledger, name: string) {
  return ledger.status().witnesses.find((witness) => witness.name === name)
}

const hangs: Misbehaviour = async () => "it answered"

describe("a log with witnesses", () => {
  it("publishes what a quorum has cosigned, and sends its own signature alone", async () => {
    const [a, b] = (await witnesses(2)) as [StandInWitness, StandInWitness]
    const policy = policyOf([a, b], 2)
    const { ledger } = await openTrial({ policy })
    await ledger.published(1, 5_000)
    const connected = [a.sockets.size, b.sockets.size]
    for (let n = 0; n < 4; n++) {
      await ledger.submit(submissionOf([n]))
      const head = await ledger.published(ledger.treeSize, 5_000)
      expect(openCheckpoint(head?.note as string, { ...policy, logs: [{ key: LOG_KEY }] })).toBeTruthy()
      expect(cosigners(head as { note: string }, policy)).toEqual(["w1", "w2"])
    }
    expect(ledger.signedHead.note.split("\n— ")).toHaveLength(2)
    expect([a.sockets.size, b.sockets.size]).toEqual(connected)
    for (const { bodies } of [a, b]) {
      for (const body of bodies)
        expect(parseNote(parseAddCheckpoint(body).checkpoint).signatures).toHaveLength(1)
    }
    expect(ledger.status()).toMatchObject({
      quorum: "met",
      publishedSize: 5,
      witnesses: [
        { name: "w1", size: 5, timeSeconds: a.timeSeconds },
        { name: "w2", size: 5, timeSeconds: b.timeSeconds },
      ],
    })
    expect(ledger.status().quorumMissingSince).toBeUndefined()
  })

  it("goes on publishing with 2 of 3 while one is dead and one is slow; signing waits for none", async () => {
    const [fast, slow, dead] = (await witnesses(3)) as [StandInWitness, StandInWitness, StandInWitness]
    slow.misbehaves = async () => {
      await new Promise((resolve) => setTimeout(resolve, 60))
      return undefined
    }
    await dead.stop()
    const policy = policyOf([fast, slow, dead], 2)
    const { ledger } = await openTrial({ policy, timeoutMs: 2_000 })
    for (let n = 0; n < 5; n++) {
      await ledger.submit(submissionOf([n]))
      await until(() => ledger.signedHead.treeSize === n + 2)
      expect((await ledger.published(n + 2, 5_000))?.treeSize).toBe(n + 2)
      expect(cosigners(ledger.publishedHead, policy)).toEqual(["w1", "w2"])
    }
    expect(ledger.status().quorum).toBe("met")
    expect(statusOf(ledger, "w3")?.failure).toMatch(/ECONNREFUSED/)
    expect(statusOf(ledger, "w3")?.failedSince).toBeGreaterThan(0)
  })

  it("publishes nothing new while two of three are dead, says so, and recovers by itself", async () => {
    const made = (await witnesses(3)) as [StandInWitness, StandInWitness, StandInWitness]
    const policy = policyOf(made, 2)
    const { ledger, trial } = await openTrial({ policy })
    await ledger.published(1, 5_000)
    expect(ledger.status().quorum).toBe("met")
    await made[1].stop()
    await made[2].stop()
    trial.pass(5_000)
    await ledger.submit(submissionOf([1]))
    await until(() => ledger.status().quorum === "missing")
    expect(ledger.publishedHead.treeSize).toBe(1)
    expect(ledger.signedHead.treeSize).toBe(2)
    expect(ledger.status()).toMatchObject({ accepting: true, quorumMissingSince: trial.nowMs })
    const since = trial.nowMs
    trial.pass(5_000)
    await ledger.submit(submissionOf([2]))
    await until(() => made[0].cosigned.includes(3))
    expect(ledger.status().quorumMissingSince).toBe(since)
    expect(await ledger.published(2, 0)).toBeUndefined()
    // One alarm for a failure that lasts, with who and why.
    const alarms = trial.alarms.filter(({ code }) => code === "LEDGER_NOT_PUBLISHING")
    expect(alarms).toHaveLength(1)
    expect(alarms[0]?.message).toMatch(/w2: .*ECONNREFUSED.*w3: /)
    // Who has cosigned a head is not asked for it again and again.
    expect(made[0].cosigned.filter((size) => size === 3)).toHaveLength(1)
    await made[2].start()
    expect((await ledger.published(3, 5_000))?.treeSize).toBe(3)
    expect(ledger.status().quorum).toBe("met")
    expect(ledger.status().quorumMissingSince).toBeUndefined()
  })

  it("attaches an answer that comes late to the head that is still shown", async () => {
    const [fast, slow] = (await witnesses(2)) as [StandInWitness, StandInWitness]
    const policy = policyOf([fast, slow], 1)
    const { ledger } = await openTrial({ policy, timeoutMs: 20_000 })
    await until(() => cosigners(ledger.publishedHead, policy).length === 2)
    let release = () => {}
    slow.misbehaves = async () => {
      await new Promise<void>((resolve) => {
        release = resolve
      })
      return undefined
    }
    slow.bodies.splice(0)
    await ledger.submit(submissionOf([0]))
    await ledger.published(2, 5_000)
    await until(() => slow.bodies.length === 1)
    expect(cosigners(ledger.publishedHead, policy)).toEqual(["w1"])
    release()
    await until(() => cosigners(ledger.publishedHead, policy).length === 2)
    expect(ledger.publishedHead.treeSize).toBe(2)
    // Late for a head that was overtaken: the newest is what a busy witness is asked next.
    await ledger.submit(submissionOf([1]))
    await ledger.published(3, 5_000)
    await until(() => slow.bodies.length === 2)
    await ledger.submit(submissionOf([2]))
    await ledger.published(4, 5_000)
    release()
    await until(() => slow.bodies.length === 3)
    expect(slow.size).toBe(3)
    expect(cosigners(ledger.publishedHead, policy)).toEqual(["w1"])
    release()
    await until(() => cosigners(ledger.publishedHead, policy).length === 2)
  })

  it("renews the cosignatures of an idle log, without signing or growing", async () => {
    const [a, b] = (await witnesses(2)) as [StandInWitness, StandInWitness]
    const policy = policyOf([a, b], 2)
    const { ledger, trial } = await openTrial({
      policy,
      refreshMs: 80,
      beforePublish: async () => undefined,
    })
    await ledger.published(1, 5_000)
    const { note } = ledger.signedHead
    for (const time of [1, 2]) {
      a.timeSeconds += time
      b.timeSeconds += time
      await until(() =>
        ledger.status().witnesses.every(({ timeSeconds }) => (timeSeconds as number) === a.timeSeconds),
      )
      await until(() => openedTimes(ledger, policy).every((seconds) => seconds === a.timeSeconds))
    }
    expect(ledger.signedHead.note).toBe(note)
    expect(ledger.treeSize).toBe(1)
    expect(ledger.status().renewalFailingSince).toBeUndefined()
    // With one of them gone the old cosignatures stay.
    await b.stop()
    await until(() => trial.alarms.length > 0)
    expect(ledger.publishedHead.treeSize).toBe(1)
    expect(cosigners(ledger.publishedHead, policy)).toEqual(["w1", "w2"])
    expect(ledger.status().renewalFailingSince).toBe(trial.nowMs)
    await until(() => ledger.status().quorum === "stale")
    expect(ledger.publishedHead.treeSize).toBe(1)
    await b.start()
    await until(() => ledger.status().quorum === "met")
    expect(trial.alarms).toHaveLength(1)
  })

  it("says since when its cosignatures were not renewed, and after twice their time that they are stale", async () => {
    const [a, b] = (await witnesses(2)) as [StandInWitness, StandInWitness]
    const policy = policyOf([a, b], 2)
    const { ledger, trial } = await openTrial({ policy })
    await ledger.published(1, 5_000)
    await ledger.close()
    await b.stop()
    // Opened again, it asks for new ones at once.
    let aheadMs = 0
    const refreshMs = 3_600_000
    const monotonic = () => performance.now() + aheadMs
    const { ledger: idle } = await openTrial({ policy, refreshMs, monotonic }, trial)
    await until(() => idle.status().renewalFailingSince !== undefined)
    const since = trial.nowMs
    trial.pass(5_000)
    expect(idle.status()).toMatchObject({ quorum: "met", renewalFailingSince: since })
    expect(idle.status().quorumMissingSince).toBeUndefined()
    aheadMs = refreshMs
    expect(idle.status()).toMatchObject({ quorum: "stale", renewalFailingSince: since, publishedSize: 1 })
    // A head that nobody is shown is worse than one that is old.
    await idle.submit(submissionOf([1]))
    await until(() => idle.status().quorum === "missing")
    expect(idle.status()).toMatchObject({ publishedSize: 1, quorumMissingSince: trial.nowMs })
    expect(idle.status().renewalFailingSince).toBeUndefined()
    await b.start()
    await idle.published(2, 5_000)
    await until(() => idle.status().quorum === "met" && idle.status().renewalFailingSince === undefined)
  })

  it("appends once for a publication, however often no quorum answers", async () => {
    const [a] = (await witnesses(1)) as [StandInWitness]
    const policy = policyOf([a], 1)
    await a.stop()
    const asked: number[] = []
    const { ledger } = await openTrial({
      policy,
      beforePublish: async (treeSize) => {
        asked.push(treeSize)
        return submissionOf([500])
      },
    })
    await ledger.submit(submissionOf([1]))
    await until(() => asked.length === 1 && ledger.treeSize === 3)
    await new Promise((resolve) => setTimeout(resolve, 150))
    expect(asked).toEqual([2])
    await a.start()
    expect((await ledger.published(3, 5_000))?.treeSize).toBe(3)
    expect(asked).toEqual([2])
  })

  it("asks for nobody with the quorum none, and still attaches what it gets", async () => {
    const [a, dead] = (await witnesses(2)) as [StandInWitness, StandInWitness]
    await dead.stop()
    const policy: Policy = { ...policyOf([a, dead], 2), quorum: "none" }
    const { ledger } = await openTrial({ policy })
    await until(() => ledger.publishedHead.treeSize === 1)
    expect(ledger.status().quorum).toBe("none")
    await until(() => cosigners(ledger.publishedHead, policy).length === 1)
  })

  it("is refused at once if those with URLs can never be the quorum, and its storage is closed", async () => {
    const [a, b] = (await witnesses(2)) as [StandInWitness, StandInWitness]
    const { url: _, ...mute } = b.ofPolicy
    const policy: Policy = { ...policyOf([a, b], 2), witnesses: [a.ofPolicy, mute] }
    const trial = new Trial()
    await expect(openTrial({ policy }, trial)).rejects.toThrow(RangeError)
    for (const url of ["ftp://w.example/", "nothing", "http://w.example/?x"]) {
      const other: Policy = { ...policyOf([a], 1), witnesses: [{ ...a.ofPolicy, url }] }
      await expect(openTrial({ policy: other }, trial)).rejects.toThrow(/URL/)
    }
    // One that cannot be asked, or not be checked, is passed over where the others suffice.
    const opaque = {
      ...b.ofPolicy,
      key: { name: "w2.example", keyId: 1, type: 6, publicKey: new Uint8Array(1_312) },
    }
    const { ledger } = await openTrial(
      { policy: { ...policyOf([a, b], 1), witnesses: [a.ofPolicy, opaque] } },
      trial,
    )
    expect((await ledger.published(1, 5_000))?.treeSize).toBe(1)
    expect(ledger.status().witnesses.map(({ name }) => name)).toEqual(["w1"])
  })

  it("ends in time although a witness hangs", async () => {
    const [a] = (await witnesses(1)) as [StandInWitness]
    const { ledger } = await openTrial({ policy: policyOf([a], 1), timeoutMs: 600_000 })
    await ledger.published(1, 5_000)
    a.misbehaves = hangs
    const { length } = a.bodies
    await ledger.submit(submissionOf([1]))
    await until(() => a.bodies.length > length)
    const before = performance.now()
    await ledger.close()
    expect(performance.now() - before).toBeLessThan(20_000)
  })
})

describe("a log that is opened again", () => {
  it("shows at once what it showed before, although no witness answers", async () => {
    const [a, b] = (await witnesses(2)) as [StandInWitness, StandInWitness]
    const policy = policyOf([a, b], 2)
    const { ledger, trial } = await openTrial({ policy })
    await ledger.submit(submissionOf([1]))
    await ledger.published(2, 5_000)
    await b.stop()
    await ledger.submit(submissionOf([2]))
    await until(() => ledger.signedHead.treeSize === 3)
    await ledger.close()
    await a.stop()
    const { ledger: again } = await openTrial({ policy }, trial)
    expect(again.signedHead.treeSize).toBe(3)
    expect(again.publishedHead.treeSize).toBe(2)
    expect(cosigners(again.publishedHead, policy)).toEqual(["w1", "w2"])
    await a.start()
    await b.start()
    expect((await again.published(3, 5_000))?.treeSize).toBe(3)
    expect(cosigners(again.publishedHead, policy)).toEqual(["w1", "w2"])
  })

  it("shows the tree without leaves until the first quorum has answered", async () => {
    const [a] = (await witnesses(1)) as [StandInWitness]
    await a.stop()
    const { ledger } = await openTrial({ policy: policyOf([a], 1) })
    expect(ledger.signedHead.treeSize).toBe(1)
    expect(ledger.publishedHead.treeSize).toBe(0)
    expect(openNote(parseNote(ledger.publishedHead.note), [LOG_KEY]).verified).toHaveLength(1)
    expect(ledger.status().quorum).toBe("missing")
    await a.start()
    expect((await ledger.published(1, 5_000))?.treeSize).toBe(1)
  })

  it("refuses what was shown if this key did not sign it, or it is of another history", async () => {
    const [a] = (await witnesses(1)) as [StandInWitness]
    const policy = policyOf([a], 1)
    const { ledger, trial } = await openTrial({ policy })
    await ledger.published(1, 5_000)
    await ledger.submit(submissionOf([1]))
    await ledger.published(2, 5_000)
    await ledger.close()
    const published = trial.signedHead.published as NonNullable<typeof trial.signedHead.published>
    const { note } = (await published.read()) as { note: string }
    await published.write(note.replace(/^2$/m, "3"))
    await expect(openTrial({ policy }, trial)).rejects.toMatchObject({ code: "LEDGER_BAD_SIGNED_HEAD" })
    const other = new Trial()
    const fork = await other.open()
    await fork.submit(submissionOf([77]))
    await fork.close()
    await published.write(fork.signedHead.note)
    await expect(openTrial({ policy }, trial)).rejects.toMatchObject({ code: "LEDGER_SIGNED_HEAD_MISMATCH" })
    await published.write(note)
    await (await openTrial({ policy }, trial)).ledger.close()
  })
})

function openedTimes({ publishedHead }: Ledger, policy: Policy): number[] {
  const all = { ...policy, logs: [{ key: LOG_KEY }] }
  return openCheckpoint(publishedHead.note, all).cosignatures.map(({ timeSeconds }) => timeSeconds)
}
