/**
 * A process that puts is killed on every line between the first and the last: the object is there whole, or not at all,
 * and what is left of it goes with the next opening.
 *
 * SIGKILL keeps what the kernel was given. That the device has it too before the put resolves is shown by the order of
 * the calls themselves.
 */

import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterEach, beforeEach, expect, it } from "vitest"
import { openDirectory } from "./directory.js"
import { digestOf, filesOf, read } from "./store-under-test.js"

const DIST = fileURLToPath(new URL("../dist/", import.meta.url))
const BYTES = Buffer.alloc(1_000_000, "the bytes of an object ")
const KEY = "segments/a.parquet"

/** Puts one object; counts its own calls, prints each, and dies before the one it was told to die before. */
const CHILD = `
import fs from "node:fs/promises"
import { createHash } from "node:crypto"
import { syncBuiltinESMExports } from "node:module"
import { writeSync } from "node:fs"
const { folder, dieBefore, key, text, size } = JSON.parse(process.argv[1])
let counted = -1
function step(name) {
  if (counted < 0) return
  counted++
  writeSync(1, name + "\\n")
  if (counted === dieBefore) process.kill(process.pid, "SIGKILL")
}
const kind = (path) => {
  if (path === folder) return "top"
  if (String(path).includes("/.drafts/")) return "draft"
  return String(path).endsWith(".parquet") ? "object" : "folder"
}
const open = fs.open
fs.open = async (path, ...args) => {
  step("open " + kind(path))
  const file = await open(path, ...args)
  for (const name of ["appendFile", "sync"]) {
    const real = file[name]
    file[name] = function (...args) {
      step(name + " " + kind(path))
      return real.apply(file, args)
    }
  }
  return file
}
for (const name of ["mkdir", "link", "rename", "rm"]) {
  const real = fs[name]
  fs[name] = (path, ...args) => {
    step(name + " " + kind(path))
    return real(path, ...args)
  }
}
syncBuiltinESMExports()
const { openDirectory } = await import(${JSON.stringify(`${DIST}directory.js`)})
const store = await openDirectory(folder)
const bytes = Buffer.alloc(size, text)
async function* source() {
  yield bytes.subarray(0, size >> 1)
  yield bytes.subarray(size >> 1)
}
counted = 0
await store.put(key, source(), { bytes: size, sha256: createHash("sha256").update(bytes).digest() })
step("acknowledged")
`

/** In this order, or a power cut could take back what was acknowledged, or show what is not whole. */
const CALLS = [
  "mkdir folder",
  "open top",
  "sync top",
  "open draft",
  "appendFile draft",
  "appendFile draft",
  "sync draft",
  "link draft",
  "open folder",
  "sync folder",
  "rm draft",
  "acknowledged",
]

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "objects-kill-"))
})

afterEach(() => rm(folder, { recursive: true, force: true }))

/** @param dieBefore - 0: count and live; n: die before the nth call */
async function put(dieBefore: number): Promise<string[]> {
  const settings = JSON.stringify({
    folder,
    dieBefore,
    key: KEY,
    text: "the bytes of an object ",
    size: BYTES.length,
  })
  const child = spawn(process.execPath, ["--input-type=module", "--eval", CHILD, settings], {
    cwd: join(DIST, ".."),
    stdio: ["ignore", "pipe", "inherit"],
  })
  let said = ""
  child.stdout.on("data", (chunk) => {
    said += chunk
  })
  const [code, signal] = await once(child, "close")
  expect(dieBefore === 0 ? code : signal).toBe(dieBefore === 0 ? 0 : "SIGKILL")
  return said.split("\n").slice(0, -1)
}

it("a put syncs before it shows, and shows before it resolves", async () => {
  expect(await put(0)).toEqual(CALLS)
  expect(await filesOf(folder)).toEqual([join(folder, KEY)])
})

it("a put that is killed on any line leaves the whole object or none, and no draft past the next opening", async () => {
  const left: number[] = []
  for (const [i, call] of CALLS.entries()) {
    expect(await put(i + 1), call).toEqual(CALLS.slice(0, i + 1))
    left.push((await readdir(join(folder, ".drafts"))).length)
    const store = await openDirectory(folder)
    expect(await readdir(join(folder, ".drafts")), call).toEqual([])
    const isThere = i > CALLS.indexOf("link draft")
    expect(await store.size(KEY), call).toBe(isThere ? BYTES.length : undefined)
    expect(await filesOf(folder), call).toEqual(isThere ? [join(folder, KEY)] : [])
    if (isThere) expect((await read(store, KEY, digestOf(BYTES))).equals(BYTES), call).toBe(true)
    // Whoever asks again gets what it asked for.
    await store.put(KEY, BYTES, digestOf(BYTES))
    expect((await readFile(join(folder, KEY))).equals(BYTES), call).toBe(true)
    await rm(folder, { recursive: true })
  }
  // Killed with a draft in the folder, on each of the lines where there is one.
  expect(left).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 0])
})
