/**
 * Runs the built command as a shell would.
 *
 * Tests that do not depend on each other run at once; so many processes of them, and the others wait for a place.
 */

import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createProgram } from "../../apps/cli/dist/program.js"
import type { Surroundings } from "../../apps/cli/dist/verb.js"
import { PROOFLOG } from "../running-log.js"

export interface Run {
  /** The exit code; `null` if a signal ended it. */
  readonly code: number | null
  readonly out: string
  readonly err: string
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** For its stdin; nothing unless set. */
  readonly input?: string
  /** Given the child as soon as it runs. */
  readonly during?: (child: ChildProcess) => void
}

/** More would only make each of them slower. */
const AT_ONCE = 2

let running = 0
const waiting: (() => void)[] = []

/** Resolves when one more process may run; whoever took a place gives it back. */
async function place(): Promise<void> {
  if (running < AT_ONCE) running += 1
  else await new Promise<void>((resolve) => waiting.push(resolve))
}

function giveBack(): void {
  const next = waiting.shift()
  if (next === undefined) running -= 1
  else next()
}

export async function prooflog(args: readonly string[], options: RunOptions = {}): Promise<Run> {
  await place()
  try {
    return await run(args, options)
  } finally {
    giveBack()
  }
}

async function run(args: readonly string[], { env, cwd, input, during }: RunOptions): Promise<Run> {
  const child = spawn(process.execPath, [PROOFLOG, ...args], {
    env: { PATH: process.env.PATH, NO_COLOR: "1", ...env },
    cwd,
    stdio: ["pipe", "pipe", "pipe"],
  })
  child.stdin.end(input)
  let out = ""
  let err = ""
  child.stdout.on("data", (chunk) => {
    out += chunk
  })
  child.stderr.on("data", (chunk) => {
    err += chunk
  })
  during?.(child)
  const [code] = (await once(child, "close")) as [number | null]
  return { code, out, err }
}

export interface RunHere {
  /** Nothing if the verb never came to one: then the exit code is 2. */
  readonly verdict: Surroundings["verdict"]
  readonly out: string
  /** Remarks; what commander says of a wrong flag goes to stderr itself. */
  readonly err: string
  readonly thrown: unknown
}

/** Runs a verb in this process: all of the command but what sets the exit code, and without the time to start one. */
export async function prooflogHere(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<RunHere> {
  let out = ""
  const print = (text: string) => {
    out += `${text}\n`
  }
  let err = ""
  const say = (text: string) => {
    err += `${text}\n`
  }
  const terminal = { print, say, paint: (_: unknown, text: string) => text, isLive: false }
  const surroundings: Surroundings = { terminal, environment, verdict: undefined }
  const program = await createProgram(args, surroundings, "0")
  const thrown = await program.parseAsync([...args], { from: "user" }).then(
    () => undefined,
    (error: unknown) => error,
  )
  return { verdict: surroundings.verdict, out, err, thrown }
}
