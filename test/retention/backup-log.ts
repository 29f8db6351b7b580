/** A real log that is backed up, lost and restored: its server in this process, its folder and its key where they can be copied. */

import { cp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { type RunningServer, startServer } from "@prooflog/server"
import { formatVerifierKey, parseSignerKey, type SignerKey, verifierKeyOf } from "@prooflog/tlog/key"
import { parsePolicy } from "@prooflog/tlog/policy"
import { httpSource } from "@prooflog/verifier/source-http"
import { verifyLog } from "@prooflog/verifier/verify-log"
import { expect } from "vitest"
import { prooflogHere, type RunHere } from "../cli/prooflog.js"
import { post, published, sampleEvent, temporaryFolder } from "../running-log.js"

export interface BackedUpLog {
  /** Everything of it lies here. */
  readonly path: string
  readonly dir: string
  /** Lies apart, as in production, its heads beside it. */
  readonly signerKey: string
  readonly policyFile: string
  readonly adminKey: string
  readonly writerKey: string
  readonly url: string
  stop(): Promise<void>
  remove(): Promise<void>
}

interface LogOptions {
  /** Whether it can be asked for events. */
  readonly follow?: boolean
  /** A line of its policy, once its key is there; it must cosign then. */
  readonly witness?: (signerKey: SignerKey) => Promise<string>
}

/** A new log with so many events. */
export async function logWith(
  events: number,
  { follow = false, witness }: LogOptions = {},
): Promise<BackedUpLog> {
  const folder = await temporaryFolder()
  const dir = join(folder.path, "log")
  const signerKey = join(folder.path, "secret", "signer.key")
  expect((await prooflogHere(["init", dir, "--key", signerKey], {})).verdict).toBe(0)
  const policyFile = join(dir, "policy")
  if (witness !== undefined) {
    const key = parseSignerKey((await readFile(signerKey, "utf8")).trim())
    const line = await witness(key)
    await writeFile(policyFile, `log ${formatVerifierKey(verifierKeyOf(key))}\n${line}\nquorum w1\n`)
  }
  // Each backup waits until the event that tells of it is published.
  const server = await startServer({ dir, port: 0, follow, logger: false, publishEveryMs: 50 })
  const key = (role: "admin" | "writer") =>
    server.firstKeys?.find(({ apiKey }) => apiKey.roles.includes(role))?.key ?? "no such key"
  const log = {
    path: folder.path,
    dir,
    signerKey,
    policyFile,
    adminKey: key("admin"),
    writerKey: key("writer"),
    url: server.url,
    stop: () => server.close(),
    async remove() {
      await server.close()
      await folder.remove()
    },
  }
  await addEvents(log, 0, events)
  return log
}

/** Events `[from, from + count)` of the samples, each with an id; resolves when all may see them. */
export async function addEvents(
  { url, writerKey }: Pick<BackedUpLog, "url" | "writerKey">,
  from: number,
  count: number,
): Promise<readonly number[]> {
  const leaves: number[] = []
  for (let at = from; at < from + count; at += 10_000) {
    const batch = Array.from({ length: Math.min(10_000, from + count - at) }, (_, i) =>
      sampleEvent(at + i, `event-${at + i}`),
    )
    const { status, body } = await post(`${url}v1/events`, writerKey, batch)
    expect(status).toBe(200)
    leaves.push(...(body.results as { leaf_index: number }[]).map(({ leaf_index }) => leaf_index))
  }
  if (leaves.length > 0) await published(url, (leaves.at(-1) as number) + 1)
  return leaves
}

export function runBackup(
  { url, adminKey }: Pick<BackedUpLog, "url" | "adminKey">,
  to: string,
  ...more: string[]
) {
  return prooflogHere(["backup", to, "--url", url, ...more], { PROOFLOG_KEY: adminKey })
}

/** Backs up, and returns what was said of it. */
export async function backedUp(
  log: Pick<BackedUpLog, "url" | "adminKey">,
  to: string,
): Promise<Record<string, number>> {
  const { verdict, out, thrown } = await runBackup(log, to, "--json")
  expect([thrown, verdict]).toEqual([undefined, 0])
  return JSON.parse(out)
}

export function runRestore(
  backup: string,
  to: string,
  signerKey: string,
  ...more: string[]
): Promise<RunHere> {
  return prooflogHere(["restore", backup, to, "--signer-key", signerKey, ...more], {})
}

export async function restored(backup: string, to: string, signerKey: string, ...more: string[]) {
  const { verdict, out, thrown } = await runRestore(backup, to, signerKey, "--json", ...more)
  expect([thrown, verdict]).toEqual([undefined, 0])
  return JSON.parse(out) as { origin: string; tree_size: number; lost?: number; lost_notice?: number }
}

/** Serves a folder for as long as something is asked of it. */
export async function whileServed<T>(
  dir: string,
  ask: (server: RunningServer) => Promise<T>,
  config: { follow?: boolean; adoptHead?: boolean } = {},
): Promise<T> {
  const server = await startServer({ dir, port: 0, follow: false, logger: false, ...config })
  try {
    return await ask(server)
  } finally {
    await server.close()
  }
}

export async function bytesAt(url: string, key: string): Promise<Buffer> {
  const response = await fetch(url, { headers: { authorization: `Bearer ${key}` } })
  expect([response.status, url]).toEqual([200, url])
  return Buffer.from(await response.arrayBuffer())
}

export async function statusAt(url: string, key: string): Promise<number> {
  return (await fetch(url, { headers: { authorization: `Bearer ${key}` } })).status
}

/** Derives all of it again, rules and all. */
export async function auditOf(url: string, policyFile: string) {
  return verifyLog(httpSource(url), parsePolicy(await readFile(policyFile)))
}

/** Files below a folder, from there. */
export async function filesIn(folder: string): Promise<readonly string[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true })
  return found
    .filter((each) => each.isFile())
    .map((each) => join(each.parentPath, each.name).slice(folder.length + 1))
}

/** A copy beside a folder, in place of the one that a test before it made. */
export async function copyOf(folder: string, name: string): Promise<string> {
  const copy = join(folder, "..", name)
  await rm(copy, { recursive: true, force: true })
  await cp(folder, copy, { recursive: true })
  return copy
}

export async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

/** The words of a refusal, with what stands below them. */
export function wordsIn({ thrown }: RunHere): string {
  const {
    message = "nothing was thrown",
    details = [],
    code,
  } = (thrown ?? {}) as {
    message?: string
    details?: readonly string[]
    code?: string
  }
  return [code, message, ...details].join("\n")
}
