/** Heads that others were shown and we are not: withheld, unless no one can have been shown them by right. */

import { createSignerKey, type VerifierKey } from "@prooflog/tlog/key"
import { formatAddCheckpoint } from "@prooflog/tlog/witness-request"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import {
  defined,
  logOf,
  ORIGIN,
  opaqueEntries,
  START_MS,
  WITNESSED_POLICY,
} from "../../../packages/verifier/fixtures/small-log.js"
import { configOf, ServedLog, temporaryFolder } from "../fixtures/served-log.js"
import { type RunningMonitor, startMonitor } from "./main.js"

const NOW_MS = START_MS + 60_000
const QUORUM = [NOW_MS / 1_000]

/** Longer than any look may take to be shown what others were. */
const LONG_MS = 100_000

describe("a head that a log sent to our witness while its quorum was away", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  let log: ServedLog
  let monitor: RunningMonitor
  let nowMs = NOW_MS

  beforeEach(async () => {
    nowMs = NOW_MS
    folder = await temporaryFolder()
    log = await ServedLog.start(logOf(opaqueEntries(300), QUORUM))
    const keys = WITNESSED_POLICY.logs.map(({ key }) => key as VerifierKey)
    const signerKey = createSignerKey("own.example", new Uint8Array(32).fill(5), 0x04)
    const witness = { signerKey, logs: [{ origin: ORIGIN, keys }] }
    const more = { policy: WITNESSED_POLICY, witness, log: { pollMs: 30_000 } }
    const config = configOf(folder.path, log.url, more)
    monitor = await startMonitor(config, { logger: false, clock: () => nowMs })
    await monitor.pollNow()
    const checkpoint = logOf(opaqueEntries(310)).checkpoint
    const body = formatAddCheckpoint({ oldSize: 0, proof: [], checkpoint })
    const cosigned = await fetch(`${monitor.url}add-checkpoint`, { method: "POST", body })
    expect([cosigned.status, (await cosigned.text()).startsWith("— own.example ")]).toEqual([200, true])
  })

  afterEach(async () => {
    await monitor.close()
    await log.close()
    await folder.remove()
  })

  async function lookAfter(ms: number): Promise<void> {
    nowMs += ms
    await monitor.pollNow()
  }

  async function show(size: number, cosignedAt: readonly number[] = QUORUM): Promise<void> {
    const { checkpoint } = logOf(opaqueEntries(size), cosignedAt)
    const response = await fetch(`${monitor.url}v1/checkpoints`, { method: "POST", body: checkpoint })
    expect([200, 429]).toContain(response.status)
    await response.arrayBuffer()
  }

  const found = () => [...defined(monitor.report().findings.get(ORIGIN))]

  it("accuses nobody, and is told of in words, for as long as it lacks the quorum", async () => {
    await lookAfter(0)
    expect(found()).toEqual([])
    for (let looks = 0; looks < 2; looks++) {
      await lookAfter(LONG_MS)
      expect(found()).toMatchObject([
        {
          kind: "unchecked",
          by: "gossip",
          message: expect.stringMatching(
            /^our witness was shown a signed head of 310 leaves, this monitor one of 300; .* lacks its quorum/,
          ),
        },
      ])
      expect(monitor.report().exitCode).toBe(2)
    }
    log.show(logOf(opaqueEntries(310), QUORUM))
    await lookAfter(0)
    expect([found(), monitor.report().exitCode]).toEqual([[], 0])
  })

  it("is withheld once the quorum has cosigned it, and the log has had time to show it", async () => {
    await lookAfter(LONG_MS)
    await show(310)
    await lookAfter(0)
    expect(found()).toEqual([])
    await lookAfter(LONG_MS)
    expect(found()).toMatchObject([
      {
        kind: "withheld",
        by: "gossip",
        heads: [expect.any(String), logOf(opaqueEntries(310), QUORUM).checkpoint],
      },
    ])
    expect(monitor.report().exitCode).toBe(1)
  })

  it("is withheld if others were shown a larger head with the quorum", async () => {
    await show(320)
    await lookAfter(LONG_MS)
    expect(found()).toMatchObject([{ kind: "withheld", message: expect.stringContaining("of 320 leaves") }])
    log.show(logOf(opaqueEntries(320), QUORUM))
    await lookAfter(0)
    expect(found()).toEqual([])
  })

  it("is withheld if the log shows a larger one, and not the hashes that tell whether that extends it", async () => {
    log.show(logOf(opaqueEntries(600), QUORUM))
    await lookAfter(0)
    expect(monitor.report().logs[0]).toMatchObject({ openHeads: [], findings: [] })
    log.files.delete("tile/0/002.p/88")
    await show(590, [])
    await lookAfter(LONG_MS)
    expect(found()).toMatchObject([{ kind: "withheld", message: expect.stringContaining("the hashes that") }])
  })

  it("is one of more than are kept: no alarm, and not told anew at each look", async () => {
    const told: string[] = []
    let size = 310
    for (let looks = 0; looks < 3; looks++) {
      for (let heads = 0; heads < 40; heads++, nowMs += 1_000) await show(++size, [])
      await lookAfter(0)
      const crowd = found().filter(({ by }) => by === "crowd")
      told.push(crowd.map(({ kind, sinceMs }) => `${kind} ${sinceMs - NOW_MS}`).join())
    }
    expect(told).toEqual(["", "unchecked 64000", "unchecked 64000"])
    expect(monitor.report().exitCode).toBe(2)
    log.show(logOf(opaqueEntries(size), QUORUM))
    await lookAfter(0)
    expect([found(), monitor.report().exitCode]).toEqual([[], 0])
  })

  it.each([
    ["of those that are kept", 320],
    ["for which there was no room", 379],
  ])("is one of more than are kept: an alarm if one %s has the quorum", async (_, cosigned) => {
    for (let size = 311; size < 380; size++, nowMs += 1_000) await show(size, size === cosigned ? QUORUM : [])
    await lookAfter(0)
    expect(found()).toMatchObject([{ kind: "crowded", by: "crowd" }])
  })
})
