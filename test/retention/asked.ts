/** A log with events of several people in a folder, and what may be asked of its holds and erasures. */

import { execFile } from "node:child_process"
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"
import { expect } from "vitest"
import { PROOFLOG, post } from "../running-log.js"

const run = promisify(execFile)

export interface Asked {
  readonly url: string
  readonly adminKey: string
}

export type Json = Record<string, unknown>

export async function get(log: Asked, path: string): Promise<{ status: number; body: Json }> {
  const response = await fetch(`${log.url}${path}`, { headers: { authorization: `Bearer ${log.adminKey}` } })
  const text = await response.text()
  const isJson = /json/.test(response.headers.get("content-type") ?? "")
  return { status: response.status, body: isJson ? (JSON.parse(text) as Json) : { text } }
}

export function tell(log: Asked, path: string, body: unknown = {}) {
  return post(`${log.url}${path}`, log.adminKey, body)
}

/** Logs events of a user, each with a text that is found again wherever it lies; returns their leaves. */
export async function logFor(
  { url, writerKey }: { readonly url: string; readonly writerKey: string },
  userId: string,
  count: number,
  more: (n: number) => Json = () => ({}),
): Promise<number[]> {
  const events = Array.from({ length: count }, (_, n) => ({
    timestamp: new Date(1_697_902_320_000 + n * 1_000).toISOString(),
    user_id: userId,
    resource_accessed: `/secure-data/${n}`,
    result: "success",
    event_id: `${more(n).event_id ?? `e-${Math.random().toString(36).slice(2)}`}`,
    ...more(n),
  }))
  const { status, body } = await post(`${url}v1/events`, writerKey, events)
  expect(status).toBe(200)
  return (body.results as { leaf_index: number }[]).map(({ leaf_index }) => leaf_index)
}

/** Has the daily run begin, and waits until it has ended; returns what it said. */
export async function runNow(log: Asked): Promise<Json> {
  expect((await tell(log, "v1/erasures/run")).status).toBe(202)
  return untilIdle(log)
}

export async function untilIdle(log: Asked): Promise<Json> {
  return eventually(async () => {
    const { body } = await get(log, "v1/erasures")
    return body.running === false && body.last_run !== undefined ? body : undefined
  })
}

export async function eventually<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (let tries = 0; tries < 600; tries++) {
    const found = await look()
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error("it did not come to pass")
}

/** Resolves when answers see all that was logged before. */
export async function followed(log: Asked): Promise<void> {
  await eventually(async () => {
    const { body } = await get(log, "v1/reading")
    return body.state === "following" && body.lag_leaves === 0 ? true : undefined
  })
}

export async function rowsOf(log: Asked, sql: string): Promise<unknown[][]> {
  const { status, body } = await tell(log, "v1/query", { sql })
  expect([status, body.code]).toEqual([200, undefined])
  return body.rows as unknown[][]
}

/** Files below a folder in which a text stands, as it is or in UTF-16, LevelDB's and DuckDB's among them. */
export async function filesWith(folder: string, needle: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const found: string[] = []
  for (const entry of entries) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    // What is written meanwhile may be gone already.
    const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return Buffer.alloc(0)
      throw error
    })
    if (bytes.includes(needle) || bytes.includes(Buffer.from(needle).toString("base64").slice(0, -4)))
      found.push(path)
  }
  return found
}

/** Runs `prooflog` and returns its exit code and what it said. */
export async function prooflog(
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
) {
  try {
    const { stdout, stderr } = await run(process.execPath, [PROOFLOG, ...args], {
      ...options,
      env: { ...process.env, ...options.env },
    })
    return { code: 0, stdout, stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
    return { code, stdout, stderr }
  }
}
