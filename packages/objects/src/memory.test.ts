/**
 * A store never holds a whole object: 64 MiB go through a process of its own, which counts the bytes of all buffers that
 * are alive. The collector runs before each count, so that nothing depends on when it would have.
 */

import { execFile } from "node:child_process"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { expect, it } from "vitest"
import { StandInBucket } from "./stand-in-bucket.js"

const run = promisify(execFile)
const DIST = fileURLToPath(new URL("../dist/", import.meta.url))
const MIB = 1024 * 1024
const CHUNKS = 64

/** Puts and gets 64 chunks of 1 MiB; prints the most that was alive during each, beyond what was alive before. */
const CHILD = `
import { createHash } from "node:crypto"
const [module, open, options] = JSON.parse(process.argv[1])
const store = await (await import(module))[open](options)
const chunk = (i) => Buffer.alloc(${MIB}, "chunk " + i + " ")
const hash = createHash("sha256")
for (let i = 0; i < ${CHUNKS}; i++) hash.update(chunk(i))
const digest = { bytes: ${CHUNKS * MIB}, sha256: hash.digest() }
function alive() {
  globalThis.gc()
  return process.memoryUsage().arrayBuffers
}
const before = alive()
let put = 0
async function* source() {
  for (let i = 0; i < ${CHUNKS}; i++) {
    yield chunk(i)
    put = Math.max(put, alive() - before)
  }
}
await store.put("a", source(), digest)
let get = 0
let counted = 0
let seen = 0
for await (const bytes of store.get("a", digest)) {
  seen += bytes.length
  if (seen - counted < ${MIB}) continue
  counted = seen
  get = Math.max(get, alive() - before)
}
console.log(JSON.stringify({ put, get, seen }))
`

async function most(module: string, open: string, options: unknown): Promise<{ put: number; get: number }> {
  const settings = JSON.stringify([join(DIST, module), open, options])
  const { stdout } = await run(
    process.execPath,
    ["--expose-gc", "--no-warnings", "--input-type=module", "--eval", CHILD, settings],
    { cwd: join(DIST, "..") },
  )
  const { put, get, seen } = JSON.parse(stdout) as { put: number; get: number; seen: number }
  expect(seen).toBe(CHUNKS * MIB)
  return { put, get }
}

it("a folder holds a chunk or two of an object of 64 MiB", async () => {
  const folder = await mkdtemp(join(tmpdir(), "objects-memory-"))
  try {
    const { put, get } = await most("directory.js", "openDirectory", folder)
    expect(put).toBeLessThan(4 * MIB)
    expect(get).toBeLessThan(4 * MIB)
  } finally {
    await rm(folder, { recursive: true })
  }
})

it("a bucket holds a part of 8 MiB, and little more, of an object of 64 MiB", async () => {
  const bucket = await StandInBucket.start()
  try {
    const { put, get } = await most("s3.js", "openS3", bucket.options)
    expect(put).toBeLessThan(12 * MIB)
    expect(get).toBeLessThan(8 * MIB)
  } finally {
    await bucket.stop()
  }
})
