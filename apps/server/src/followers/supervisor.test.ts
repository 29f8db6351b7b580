import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { getPriority, tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest"
import type { Said } from "./say.js"
import { sayTo } from "./say.js"
import { type ChildCalls, type Death, Supervisor, type Timing } from "./supervisor.js"

/** Built, as a child is no test and runs no TypeScript. */
const LINK = new URL("../../dist/followers/link.js", import.meta.url).href

interface StandInCalls extends ChildCalls {
  pid(value: undefined): number
  die(how: number | string): void
  freeze(value: undefined): void
}

interface NoCalls {
  nothing(value: undefined): void
}

const STAND_IN = `
import { channelTo, openLink } from ${JSON.stringify(LINK)}
process.once("disconnect", () => process.kill(process.pid, "SIGKILL"))
openLink(channelTo(process), {
  alive: () => {},
  pid: () => process.pid,
  die(how) {
    process.stderr.write("these are my last words")
    if (typeof how === "string") process.kill(process.pid, how)
    else process.exit(how)
  },
  freeze() { for (;;); },
  close() { if (!STUBBORN) process.exit(0) },
}, () => {})
`

const QUICK: Partial<Timing> = { hungMs: 30_000, pauseMs: [10, 80], staysMs: 60_000, closeMs: 300 }

describe("a supervised child", () => {
  let folder: string
  const running: Supervisor<NoCalls, StandInCalls>[] = []
  const said: Said[] = []
  const deaths: Death[] = []

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "prooflog-supervisor-"))
    await writeFile(join(folder, "good.mjs"), STAND_IN.replace("STUBBORN", "false"))
    await writeFile(join(folder, "stubborn.mjs"), STAND_IN.replace("STUBBORN", "true"))
    await writeFile(join(folder, "broken.mjs"), "this is no JavaScript")
  })
  afterEach(async () => {
    for (const supervisor of running.splice(0)) await supervisor.close()
    said.length = 0
    deaths.length = 0
  })
  afterAll(() => rm(folder, { recursive: true }))

  function supervise(
    module: string,
    begin: () => Promise<void> = async () => {},
    timing: Partial<Timing> = {},
    isBlameless?: (death: Death) => boolean,
  ) {
    const supervisor = new Supervisor<NoCalls, StandInCalls>({
      name: "stand-in",
      module: join(folder, module),
      timing: { ...QUICK, ...timing },
      say: sayTo((what) => void said.push(what)),
      handlers: { nothing: () => {} },
      begin,
      ...(isBlameless && { isBlameless }),
      onDeath: (death) => void deaths.push(death),
    })
    running.push(supervisor)
    supervisor.start()
    return supervisor
  }

  it("is there, and less urgent than its parent", async () => {
    const supervisor = supervise("good.mjs")
    const pid = await (await linkOf(supervisor)).ask("pid", undefined)
    expect(pid).toBe(supervisor.pid)
    expect(getPriority(pid)).toBeGreaterThanOrEqual(4)
  })

  it.each([
    ["by an exit", 86, { exitCode: 86, signal: null }],
    ["by a signal of its own", "SIGUSR2", { exitCode: null, signal: "SIGUSR2" }],
  ])("that dies %s is begun anew, and its last words are told", async (_, how, death) => {
    const supervisor = supervise("good.mjs")
    const first = supervisor.pid
    const link = await linkOf(supervisor)
    await expect(link.ask("die", how)).rejects.toThrow("went away")
    await until(() => deaths.length === 1)
    expect(deaths).toEqual([{ ...death, killed: false }])
    expect(said).toContainEqual(
      expect.objectContaining({
        level: "error",
        details: expect.objectContaining({ stderr: "these are my last words" }),
      }),
    )
    expect(await (await linkOf(supervisor)).ask("pid", undefined)).not.toBe(first)
    expect(supervisor.deaths).toBe(1)
  })

  it("that dies of what was asked of it is waited for no longer each time", async () => {
    const supervisor = supervise(
      "good.mjs",
      undefined,
      { pauseMs: [10, 3_600_000] },
      ({ signal }) => signal === "SIGUSR2",
    )
    // Each pause as long as two before it, the last would end in a quarter of an hour.
    for (let i = 1; i <= 16; i++) {
      const link = await linkOf(supervisor)
      link.ask("die", "SIGUSR2").catch(() => {})
      await until(() => deaths.length === i && supervisor.pid !== undefined)
    }
    expect(supervisor.deaths).toBe(16)
  })

  describe("by the beats of its heart", () => {
    const HUNG_MS = 30_000
    // Only beats are counted, by hand: how slow the machine is decides nothing.
    beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] }))
    afterEach(() => void vi.useRealTimers())
    const beat = (times: number) => vi.advanceTimersByTime((HUNG_MS / 4) * times)

    it.each(["freezes", "is stopped"])("that %s is killed and begun anew", async (how) => {
      const supervisor = supervise("good.mjs", undefined, { hungMs: HUNG_MS })
      const link = await linkOf(supervisor)
      const first = supervisor.pid as number
      if (how === "freezes") link.ask("freeze", undefined).catch(() => {})
      else process.kill(first, "SIGSTOP")
      beat(3)
      expect(said).toEqual([])
      beat(1)
      await until(() => deaths.length > 0)
      expect(deaths).toEqual([{ exitCode: null, signal: "SIGKILL", killed: true }])
      await until(() => supervisor.pid !== undefined && supervisor.pid !== first)
    })

    it("that answers lives, however long", async () => {
      const supervisor = supervise("good.mjs", undefined, { hungMs: HUNG_MS })
      const link = await linkOf(supervisor)
      const first = supervisor.pid
      for (let i = 0; i < 5; i++) {
        beat(3)
        // Answered after the beats, as they were asked before.
        expect(await link.ask("pid", undefined)).toBe(first)
      }
      expect(deaths).toEqual([])
    })
  })

  it("that cannot be begun is begun again and again, less and less often, until it can", async () => {
    let attempts = 0
    const supervisor = supervise("good.mjs", async () => {
      if (++attempts < 3) throw new Error("not yet")
    })
    await linkOf(supervisor)
    expect(attempts).toBe(3)
    const broken = supervise("broken.mjs")
    await until(() => broken.deaths >= 3)
    expect(broken.link).toBeUndefined()
    expect(JSON.stringify(said)).toContain("SyntaxError")
  })

  it.each(["good.mjs", "stubborn.mjs"])(
    "is gone when it is closed, and no other comes (%s)",
    async (module) => {
      const supervisor = supervise(module)
      await linkOf(supervisor)
      const pid = supervisor.pid as number
      await Promise.all([supervisor.close(), supervisor.close()])
      expect(isThere(pid)).toBe(false)
      await new Promise((resolve) => setTimeout(resolve, 100))
      expect(supervisor.pid).toBeUndefined()
      expect(supervisor.deaths).toBe(0)
    },
  )

  it("is gone when it is closed while it waits to be begun anew", async () => {
    const supervisor = supervise("broken.mjs")
    await until(() => supervisor.deaths >= 3)
    await supervisor.close()
    const { deaths } = supervisor
    // Twice as long as it would have waited.
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(supervisor.deaths).toBe(deaths)
    expect(supervisor.pid).toBeUndefined()
  })
})

async function linkOf(supervisor: Supervisor<NoCalls, StandInCalls>) {
  await until(() => supervisor.link !== undefined)
  return supervisor.link as NonNullable<typeof supervisor.link>
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10))
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
