/**
 * Writers post events with ids of their own; the server is killed at a random moment, started again, and
 * asked about every event it ever acknowledged.
 */

import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { PROOFLOG, post, type ServingChild, sampleEvent, serve, temporaryFolder } from "../running-log.js"

const WRITERS = 8
/** A round's load lasts 20 to this many milliseconds. */
const LONGEST_ROUND_MS = 250
const PAGE = 2_000

export interface CrashOutcome {
  acknowledged: number
  /** Ids that were acknowledged and are not in the log any more. */
  missing: string[]
  /** Ids whose leaf index changed. */
  moved: string[]
  /** Leaf indices that two ids hold. */
  twice: number[]
  auditExit: number | null
}

export async function killAgainAndAgain({
  rounds,
  seed,
}: {
  rounds: number
  seed: number
}): Promise<CrashOutcome> {
  const folder = await temporaryFolder()
  const dir = join(folder.path, "log")
  const random = mulberry(seed)
  const acknowledged = new Map<string, number>()
  let server = await serve(dir)
  const key = /writer key\s+(\S+)/.exec(server.printed)?.[1] ?? "no writer key was printed"
  try {
    for (let round = 0; round < rounds; round++) {
      const stop = { now: false }
      const writers = Array.from({ length: WRITERS }, (_, writer) =>
        write(server, key, `r${round}w${writer}`, acknowledged, stop),
      )
      await new Promise((resolve) => setTimeout(resolve, 20 + random() * LONGEST_ROUND_MS))
      await server.kill()
      stop.now = true
      await Promise.all(writers)
      server = await serve(dir)
    }
    const outcome = await askAgain(server, key, acknowledged)
    outcome.auditExit = await audit(server, join(dir, "policy"))
    return outcome
  } finally {
    await server.kill()
    await folder.remove()
  }
}

/** Posts single events and small lists until the server is gone; notes what was acknowledged. */
async function write(
  server: ServingChild,
  key: string,
  name: string,
  acknowledged: Map<string, number>,
  stop: { now: boolean },
): Promise<void> {
  for (let n = 0; !stop.now; n++) {
    const events = Array.from({ length: n % 3 === 0 ? 20 : 1 }, (_, i) => sampleEvent(n, `${name}-${n}-${i}`))
    let answer: Awaited<ReturnType<typeof post>>
    try {
      answer = await post(`${server.url}v1/events`, key, events)
    } catch {
      // The connection died with the server: nothing was acknowledged.
      return
    }
    for (const result of answer.body.results as { event_id: string; leaf_index: number }[]) {
      acknowledged.set(result.event_id, result.leaf_index)
    }
  }
}

/** Sends every acknowledged event once more: each must be found where it was. */
async function askAgain(
  server: ServingChild,
  key: string,
  acknowledged: ReadonlyMap<string, number>,
): Promise<CrashOutcome> {
  const outcome: CrashOutcome = {
    acknowledged: acknowledged.size,
    missing: [],
    moved: [],
    twice: [],
    auditExit: null,
  }
  const holders = new Map<number, string>()
  const ids = [...acknowledged]
  for (let start = 0; start < ids.length; start += PAGE) {
    const page = ids.slice(start, start + PAGE)
    const events = page.map(([id]) => sampleEvent(Number(id.split("-")[1]), id))
    const { body } = await post(`${server.url}v1/events`, key, events)
    const results = body.results as { leaf_index: number; duplicate?: boolean }[]
    for (const [i, [id, leafIndex]] of page.entries()) {
      const result = results[i]
      if (result?.duplicate !== true) outcome.missing.push(id)
      else if (result.leaf_index !== leafIndex) outcome.moved.push(id)
      if (holders.has(leafIndex)) outcome.twice.push(leafIndex)
      holders.set(leafIndex, id)
    }
  }
  return outcome
}

async function audit(server: ServingChild, policy: string): Promise<number | null> {
  const child = spawn(process.execPath, [PROOFLOG, "audit", server.url, "--policy", policy], {
    stdio: "inherit",
  })
  const [code] = await once(child, "exit")
  return code as number | null
}

/** A small random generator with a seed, so that a failing run can be run again. */
function mulberry(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
