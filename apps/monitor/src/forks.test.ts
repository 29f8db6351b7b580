/** Witnesses that cosigned both sides of a fork are accused whenever their cosignatures are seen. */

import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { type Accusation, parseAccusation, verifyAccusation } from "@prooflog/verifier/accusation"
import { VerifierError } from "@prooflog/verifier/error"
import { pino } from "pino"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import {
  defined,
  logOf,
  opaqueEntries,
  opaqueEvent,
  START_MS,
  WITNESSED_POLICY,
} from "../../../packages/verifier/fixtures/small-log.js"
import { configOf, ServedLog, temporaryFolder } from "../fixtures/served-log.js"
import { Forks } from "./forks.js"
import { openShownHead } from "./head.js"
import { HeadStore } from "./head-store.js"
import { LogFindings } from "./log-findings.js"
import { type RunningMonitor, startMonitor } from "./main.js"

const NOW_SECONDS = START_MS / 1_000 + 60
const W0 = [NOW_SECONDS]
const BOTH = [NOW_SECONDS, NOW_SECONDS]

/** The log shows heads before anybody has cosigned them. */
const POLICY = { ...WITNESSED_POLICY, quorum: "none" }

const honest = (size: number, cosignedAt: readonly number[] = []) => logOf(opaqueEntries(size), cosignedAt)

/** Of the same beginning, up to the last two leaves. */
const forkOf = (size: number, cosignedAt: readonly number[] = []) =>
  logOf([...opaqueEntries(size - 2), opaqueEvent(9_000), opaqueEvent(9_001)], cosignedAt)

describe("a fork that is seen bare first", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  let log: ServedLog
  let monitor: RunningMonitor

  beforeEach(async () => {
    folder = await temporaryFolder()
    log = await ServedLog.start(honest(300))
    await start()
  })

  afterEach(async () => {
    await monitor.close()
    await log.close()
    await folder.remove()
  })

  async function start(): Promise<void> {
    const config = configOf(folder.path, log.url, { policy: POLICY })
    monitor = await startMonitor(config, { logger: false, clock: () => NOW_SECONDS * 1_000 })
    await monitor.pollNow()
  }

  async function post({ checkpoint }: ReturnType<typeof logOf>): Promise<void> {
    const response = await fetch(`${monitor.url}v1/checkpoints`, { method: "POST", body: checkpoint })
    expect(response.status).toBe(200)
    await response.arrayBuffer()
  }

  async function show(shown: ReturnType<typeof logOf>): Promise<void> {
    await post(shown)
    await monitor.pollNow()
  }

  /** Witnesses of the policy that the files convict. */
  async function convicted(): Promise<string[]> {
    const files = await readdir(monitor.accusationsFolder)
    const texts = await Promise.all(files.map((file) => readFile(join(monitor.accusationsFolder, file))))
    const accused = texts.map((text) => verifyAccusation(parseAccusation(text), POLICY).accused)
    const nameOf = (keyName: string) => POLICY.witnesses.find(({ key }) => key.name === keyName)?.name
    return accused.map(nameOf).filter((name) => name !== undefined)
  }

  it("convicts its witnesses once the cosignatures of both sides have come, each once", async () => {
    await show(forkOf(300))
    await show(forkOf(300, W0))
    expect(await convicted()).toEqual([])
    // Without waiting for the next look.
    await post(honest(300, W0))
    await expect.poll(convicted).toEqual(["w0"])
    await show(honest(300, BOTH))
    await show(forkOf(300, BOTH))
    expect((await convicted()).sort()).toEqual(["w0", "w1"])
    const files = await readdir(monitor.accusationsFolder)
    await show(honest(300, BOTH))
    log.show(honest(310, BOTH))
    await monitor.pollNow()
    expect(await readdir(monitor.accusationsFolder)).toEqual(files)
  })

  it.each([
    ["what was shown first is of the fork", true],
    ["what was shown first is of the log", false],
  ])("convicts them after a start in between, where %s", async (_, isForkFirst) => {
    await show(forkOf(300))
    const [first, last] = [forkOf(300, W0), honest(300, W0)]
    await show(isForkFirst ? first : last)
    await monitor.close()
    await start()
    expect(await convicted()).toEqual([])
    await show(isForkFirst ? last : first)
    expect(await convicted()).toEqual(["w0"])
    await monitor.close()
    await start()
    expect(await convicted()).toEqual(["w0"])
  })

  it("convicts a witness of what it cosigns later, by the tiles of the larger head", async () => {
    await show(forkOf(290))
    await show(forkOf(290, W0))
    expect(await convicted()).toEqual([])
    log.show(honest(310, W0))
    await monitor.pollNow()
    expect(await convicted()).toEqual(["w0"])
    // And of no more, though it goes on cosigning, also for a monitor that was started again.
    log.show(honest(320, W0))
    await monitor.pollNow()
    await monitor.close()
    log.show(honest(330, W0))
    await start()
    expect(await convicted()).toEqual(["w0"])
  })

  it("convicts a witness by tiles that were not served when it was tried first", async () => {
    await show(forkOf(290))
    log.show(honest(310, W0))
    await monitor.pollNow()
    const { files } = log
    log.files = new Map([...files].filter(([path]) => !path.startsWith("tile/0/")))
    await show(forkOf(290, W0))
    expect(await convicted()).toEqual([])
    log.files = files
    await monitor.pollNow()
    expect(await convicted()).toEqual(["w0"])
  })

  it("convicts no witness that cosigned one side only, or no fork", async () => {
    await show(forkOf(300, W0))
    await show(forkOf(290))
    await show(honest(280, BOTH))
    log.show(honest(320))
    await monitor.pollNow()
    // w0 cosigned the fork of 300 leaves and the log's 280, which is the beginning of both.
    expect(await convicted()).toEqual([])
  })
})

it("a fork whose tiles are withheld holds up no accusation that needs none", async () => {
  const written: string[] = []
  const logger = pino({ enabled: false })
  const { signal } = new AbortController()
  const withheld = {
    read: async (path: string) => {
      throw new VerifierError("VERIFIER_MISSING", "withheld", { path })
    },
  }
  const options = {
    log: defined(configOf("", "http://log.example/", { policy: POLICY }).logs[0]),
    entries: withheld,
    looks: withheld,
    path: "",
    accusations: { folder: "", keep: async ({ kind }: Accusation) => String(written.push(kind)) },
    listener: { raised: () => {}, settled: () => {} },
    clock: () => START_MS,
    logger,
    signal,
  }
  const heads = new HeadStore()
  const shown = ({ checkpoint }: ReturnType<typeof logOf>) => defined(openShownHead(checkpoint, POLICY))
  for (const size of [280, 310]) heads.addChecked(shown(honest(size, W0)))
  for (const size of [290, 280]) heads.condemn(shown(forkOf(size, W0)))
  const findings = new LogFindings(options, [], () => {})
  const forks = new Forks(options, { heads, findings, accused: [], onChange: () => {} })
  // No more than one at a time.
  await forks.accuseWitnesses(Number.NEGATIVE_INFINITY)
  expect(written).toEqual([])
  await forks.accuseWitnesses(Number.NEGATIVE_INFINITY)
  expect(written).toEqual(["witness-equivocation"])
})
