/** A log whose head beside the key is lost asks its witnesses before it signs anything. */

import { EMPTY_ROOT, sha256 } from "@prooflog/tlog/hash"
import { createSignerKey, verifierKeyOf } from "@prooflog/tlog/key"
import type { Policy } from "@prooflog/tlog/policy"
import { parseAddCheckpoint } from "@prooflog/tlog/witness-request"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import type { LedgerError } from "./error.js"
import type { MemoryDisk } from "./memory.js"
import { signedHeadInMemory } from "./signed-head.js"
import { policyOf, StandInWitness } from "./stand-in-witness.js"
import { copyDisk, submissionOf, Trial } from "./trial.js"

const LOG_KEY = verifierKeyOf(createSignerKey("trial.example/log", sha256(new Uint8Array(1)), 1))

type Three = [StandInWitness, StandInWitness, StandInWitness]
let standIns: Three
let policy: Policy
let trial: Trial
/** As it was at 11 leaves; the witnesses have cosigned 21. */
let backup: MemoryDisk
/** As it is at 21 leaves. */
let whole: MemoryDisk

function openIt(adoptHead: boolean, timeoutMs = 300) {
  return trial.open({ adoptHead, signEveryMs: 0, publishEveryMs: 10, witnessing: { policy, timeoutMs } })
}

beforeEach(async () => {
  standIns = [10, 11, 12].map((seed, i) => new StandInWitness(`w${i + 1}`, seed, LOG_KEY)) as Three
  for (const witness of standIns) await witness.start()
  policy = policyOf(standIns, 2)
  trial = new Trial()
  for (const size of [11, 21]) {
    const ledger = await openIt(false)
    while (ledger.treeSize < size) await ledger.submit(submissionOf([ledger.treeSize]))
    await ledger.published(size, 5_000)
    await ledger.close()
    if (size === 11) backup = copyDisk(trial.disk)
  }
  for (const witness of standIns) {
    witness.size = 21
    witness.root = standIns[0].root
    witness.note = standIns[0].note
    witness.bodies.splice(0)
  }
  whole = trial.disk
  trial.signedHead = signedHeadInMemory()
})

afterEach(async () => {
  for (const witness of standIns) await witness.stop()
})

async function refusal(adoptHead = true): Promise<LedgerError> {
  const error = await openIt(adoptHead).then(
    () => undefined,
    (error: LedgerError) => error,
  )
  if (error === undefined) throw new Error("it opened")
  expect(await trial.signedHead.read()).toBeUndefined()
  // Nothing that was signed left the process but the tree without leaves.
  for (const { bodies } of standIns) {
    for (const body of bodies) expect(parseAddCheckpoint(body).checkpoint.split("\n")[1]).toBe("0")
  }
  return error
}

describe("an old backup", () => {
  it.each([
    ["show it to monitors", true],
    ["only say so in a conflict", false],
  ])("is refused as witnesses know more, and %s", async (_, monitored) => {
    for (const witness of standIns) witness.monitored = monitored
    trial.disk = backup
    const error = await refusal()
    expect(error).toMatchObject({
      code: "LEDGER_BEHIND_WITNESS",
      heads: { signed: { treeSize: 21 }, stored: { treeSize: 11 } },
    })
    expect(error.heads?.signed.rootHash?.length).toBe(monitored ? 32 : undefined)
  })

  it("is refused as one witness knows more, although the others are dead", async () => {
    await standIns[0].stop()
    await standIns[2].stop()
    trial.disk = backup
    expect(await refusal()).toMatchObject({ code: "LEDGER_BEHIND_WITNESS" })
  })

  it("is refused as long as too many only say that there is more", async () => {
    await standIns[0].stop()
    standIns[1].monitored = false
    standIns[2].size = 11
    standIns[2].note = undefined
    trial.disk = backup
    const error = await refusal()
    expect(error).toMatchObject({ code: "LEDGER_NO_SIGNED_HEAD" })
    expect(error.message).toMatch(/or do not show it: w1, w2$/)
  })

  it("is refused as long as too many are silent to know", async () => {
    await standIns[0].stop()
    standIns[1].misbehaves = async () => "it answered"
    standIns[1].monitored = false
    standIns[2].size = 11
    standIns[2].note = undefined
    trial.disk = backup
    const error = await refusal()
    expect(error).toMatchObject({ code: "LEDGER_NO_SIGNED_HEAD" })
    expect(error.message).toMatch(/w1, w2$/)
  })

  it("of nothing at all is no new log", async () => {
    trial.disk = new Trial().disk
    expect(await refusal(false)).toMatchObject({ code: "LEDGER_BEHIND_WITNESS" })
  })

  it("without the administrator's word is refused before anyone is asked", async () => {
    trial.disk = backup
    expect(await refusal(false)).toMatchObject({ code: "LEDGER_NO_SIGNED_HEAD" })
    for (const { bodies } of standIns) expect(bodies).toEqual([])
  })

  it("is refused for what was shown, if only that file is left", async () => {
    const ledger = await (async () => {
      trial.disk = whole
      return openIt(true)
    })()
    await ledger.published(21, 5_000)
    await ledger.close()
    const { published } = trial.signedHead
    trial.signedHead = { ...signedHeadInMemory(), ...(published === undefined ? {} : { published }) }
    for (const witness of standIns) await witness.stop()
    trial.disk = backup
    const code = (adoptHead: boolean) => openIt(adoptHead).catch((error: LedgerError) => error.code)
    expect(await code(true)).toBe("LEDGER_BEHIND_SIGNED_HEAD")
    expect(await code(false)).toBe("LEDGER_NO_SIGNED_HEAD")
    trial.disk = new Trial().disk
    expect(await code(false)).toBe("LEDGER_BEHIND_SIGNED_HEAD")
    trial.disk = whole
    expect(await code(false)).toBe("LEDGER_NO_SIGNED_HEAD")
  })
})

describe("a storage that has all that witnesses know", () => {
  it("is adopted, goes on and is cosigned, although one witness is dead", async () => {
    await standIns[1].stop()
    trial.disk = whole
    const ledger = await openIt(true)
    expect(ledger.signedHead.treeSize).toBe(21)
    await ledger.submit(submissionOf([21]))
    expect((await ledger.published(22, 5_000))?.treeSize).toBe(22)
    await ledger.close()
    await (await openIt(false)).close()
  })

  it("is adopted with more than they have cosigned", async () => {
    for (const witness of standIns) {
      witness.size = 0
      witness.root = EMPTY_ROOT
      witness.note = undefined
    }
    trial.disk = whole
    const ledger = await openIt(true)
    expect((await ledger.published(21, 5_000))?.treeSize).toBe(21)
    await ledger.close()
  })

  it("but has grown another way is refused with both heads", async () => {
    trial.disk = backup
    trial.signedHead = signedHeadInMemory()
    const fork = await trial.open({ adoptHead: true })
    while (fork.treeSize < 30) await fork.submit(submissionOf([1_000 + fork.treeSize]))
    await fork.close()
    trial.signedHead = signedHeadInMemory()
    const error = await refusal()
    expect(error).toMatchObject({ code: "LEDGER_SIGNED_HEAD_MISMATCH" })
    expect(error.heads?.signed.treeSize).toBe(21)
    expect(error.heads?.stored.rootHash).not.toEqual(error.heads?.signed.rootHash)
  })

  it("is not kept from opening by what a witness made up", async () => {
    standIns[0].note = standIns[0].note?.replace(/^21$/m, "99")
    trial.disk = whole
    await (await openIt(true)).close()
  })
})

/** What it said it has cosigned, and shows nothing for. */
const says = (size: number) => async () => ({ status: 409, body: `${size}\n` })

describe("one witness's word that there is more", () => {
  it("does not keep a storage from being adopted that has all that others know", async () => {
    standIns[2].misbehaves = says(9_007_199_254_740_991)
    trial.disk = whole
    const ledger = await openIt(true)
    expect((await ledger.published(21, 5_000))?.treeSize).toBe(21)
    await ledger.close()
  })

  const forgetAll = () => {
    for (const witness of standIns) {
      witness.size = 0
      witness.root = EMPTY_ROOT
      witness.note = undefined
    }
  }

  it("does not keep a new log from beginning", async () => {
    forgetAll()
    standIns[0].misbehaves = says(3)
    trial.disk = new Trial().disk
    const ledger = await openIt(false)
    expect((await ledger.published(1, 5_000))?.treeSize).toBe(1)
    await ledger.close()
  })

  it("is believed once it is the word of a quorum", async () => {
    forgetAll()
    standIns[0].misbehaves = says(3)
    standIns[1].misbehaves = says(2)
    trial.disk = new Trial().disk
    const error = await refusal(false)
    expect(error).toMatchObject({
      code: "LEDGER_BEHIND_WITNESS",
      heads: { signed: { treeSize: 2 }, stored: { treeSize: 0 } },
    })
    expect(error.message).toMatch(/^witnesses w1, w2 say that they have cosigned 2 leaves/)
  })
})

describe("a new log", () => {
  it("begins although all witnesses are dead", async () => {
    for (const witness of standIns) await witness.stop()
    trial.disk = new Trial().disk
    const ledger = await openIt(false)
    expect(ledger.signedHead.treeSize).toBe(1)
    await ledger.close()
  })
})
