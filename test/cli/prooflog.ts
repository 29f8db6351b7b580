/**
 * Runs the built command as a shell would.
 */

import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
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

export async function prooflog(
  args: readonly string[],
  { env, cwd, input, during }: RunOptions = {},
): Promise<Run> {
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
