/**
 * Three witnesses, of which any may be dead, slow, forgetful or a liar at any time, and a quorum of two.
 *
 * Whatever they do: each head that is shown bears a quorum, no size is taken back, what honest ones cosign is one
 * history, and once two of them are well again the newest tree is published, by itself.
 */

import { sha256 } from "@prooflog/tlog/hash"
import { createSignerKey, verifierKeyOf } from "@prooflog/tlog/key"
import { openCheckpoint } from "@prooflog/tlog/policy"
import fc from "fast-check"
import { expect, it } from "vitest"
import { policyOf, StandInWitness } from "./stand-in-witness.js"
import { readEntries, rootOf, submissionOf, Trial, until } from "./trial.js"

const LOG_KEY = verifierKeyOf(createSignerKey("trial.example/log", sha256(new Uint8Array(1)), 1))

const MOODS = [
  "well",
  "dead",
  "slow",
  "silent",
  "ahead",
  "same",
  "garbled",
  "broken",
  "forgets the answer",
] as const

type Mood = (typeof MOODS)[number]

function setMood(witness: StandInWitness, mood: Mood): Promise<unknown> | undefined {
  if (mood === "dead") return witness.stop()
  witness.misbehaves = async (body) => {
    if (mood === "slow") await new Promise((resolve) => setTimeout(resolve, 15))
    if (mood === "silent") return "it answered"
    if (mood === "ahead") return { status: 409, body: "900000\n" }
    if (mood === "same") return { status: 409, body: body.slice("old ".length, body.indexOf("\n") + 1) }
    if (mood === "garbled") return { status: 200, body: "— no base64\n" }
    if (mood === "broken") return { status: 500 }
    if (mood === "forgets the answer") return { ...witness.add(body), status: 500 }
    return undefined
  }
  return witness.start()
}

const step = fc.record({
  events: fc.integer({ min: 0, max: 3 }),
  moods: fc.tuple(fc.constantFrom(...MOODS), fc.constantFrom(...MOODS), fc.constantFrom(...MOODS)),
  waitMs: fc.integer({ min: 0, max: 40 }),
})

it("shows one history, each head of it with a quorum, and recovers", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 6 }),
      fc.integer({ min: 0, max: 2 }),
      async (steps, last) => {
        const standIns = [10, 11, 12].map((seed, i) => new StandInWitness(`w${i + 1}`, seed, LOG_KEY))
        for (const witness of standIns) await witness.start()
        const policy = policyOf(standIns, 2)
        const readers = { ...policy, logs: [{ key: LOG_KEY }] }
        const trial = new Trial()
        const witnessing = { policy, timeoutMs: 100 }
        const ledger = await trial.open({ signEveryMs: 0, publishEveryMs: 3, witnessing })
        try {
          await ledger.published(1, 5_000)
          let shown = 1
          const heads = new Map<number, Uint8Array>()
          const look = () => {
            const { checkpoint } = openCheckpoint(ledger.publishedHead.note, readers)
            expect(checkpoint.treeSize).toBeGreaterThanOrEqual(shown)
            expect(ledger.signedHead.treeSize).toBeGreaterThanOrEqual(checkpoint.treeSize)
            shown = checkpoint.treeSize
            heads.set(shown, checkpoint.rootHash)
          }
          for (const { events, moods, waitMs } of steps) {
            await Promise.all(
              standIns.map(async (witness, i) => {
                await witness.stop()
                await setMood(witness, moods[i] as Mood)
              }),
            )
            for (let n = 0; n < events; n++) await ledger.submit(submissionOf([n]))
            await until(() => ledger.signedHead.treeSize === ledger.treeSize)
            await new Promise((resolve) => setTimeout(resolve, waitMs))
            look()
          }
          for (const [i, witness] of standIns.entries()) {
            await witness.stop()
            if (i === last) continue
            await setMood(witness, "well")
          }
          await ledger.submit(submissionOf([99]))
          expect((await ledger.published(ledger.treeSize, 10_000))?.treeSize).toBe(ledger.treeSize)
          look()
          expect(ledger.status().quorum).toBe("met")
          const entries = await readEntries(ledger.storage)
          for (const [size, rootHash] of heads) expect(rootHash).toEqual(rootOf(entries, size))
          for (const { size, root } of standIns) if (size > 0) expect(root).toEqual(rootOf(entries, size))
        } finally {
          await ledger.close()
          for (const witness of standIns) await witness.stop()
        }
      },
    ),
    { numRuns: 15 },
  )
})
