/**
 * A witness in a process of its own is killed on every line between a good request and its answer, and at random
 * under load: what it answered is on disk, and what is on disk never goes back, nor to the side.
 *
 * SIGKILL keeps what the kernel was given. That the device has it too before the answer leaves is shown by the order
 * of the calls themselves.
 */

import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { parseCheckpoint } from "@prooflog/tlog/checkpoint"
import { formatSignerKey, formatVerifierKey, verifierKeyOf } from "@prooflog/tlog/key"
import { openNote, parseNote } from "@prooflog/tlog/note"
import { originHash, parseSizeConflict } from "@prooflog/tlog/witness-request"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { type Branch, LOG, logKey, TWO_BRANCHES, witnessKey } from "./witness-branches.js"

const DIST = fileURLToPath(new URL("../dist/", import.meta.url))
const HASH = originHash(LOG.origin)
const [left] = TWO_BRANCHES

/** Counts its own calls from the first request on, prints each, and dies before the one it was told to die before. */
const CHILD = `
import fs from "node:fs/promises"
import { createServer, ServerResponse } from "node:http"
import { syncBuiltinESMExports } from "node:module"
import { writeSync } from "node:fs"
const { folder, signer, origin, vkey, dieBefore } = JSON.parse(process.argv[1])
let counted = -1
function step(name) {
  if (counted < 0) return
  counted++
  writeSync(1, "step " + name + "\\n")
  if (counted === dieBefore) process.kill(process.pid, "SIGKILL")
}
function watch(object, name, say) {
  const real = object[name]
  object[name] = function (...args) {
    step(say(...args))
    return real.apply(this, args)
  }
}
const probe = await fs.open(folder, "r")
const handle = Object.getPrototypeOf(probe)
await probe.close()
const kind = (path) => {
  if (String(path) === folder) return "folder"
  return String(path).endsWith(".new") ? "draft" : String(path).includes(".after-") ? "claim" : "file"
}
const open = fs.open
fs.open = async (path, ...args) => {
  step("open " + kind(path))
  const file = await open(path, ...args)
  for (const name of ["writeFile", "sync", "close"]) watch(file, name, () => name + " " + kind(path))
  return file
}
watch(fs, "readFile", (path) => "read " + kind(path))
watch(fs, "link", () => "link")
watch(fs, "rename", () => "rename")
watch(fs, "rm", (path) => "rm " + kind(path))
watch(ServerResponse.prototype, "writeHead", (status) => "answer " + status)
syncBuiltinESMExports()
const { openWitness } = await import(${JSON.stringify(`${DIST}witness.js`)})
const { witnessDoor } = await import(${JSON.stringify(`${DIST}witness-door.js`)})
const { parseSignerKey, parseVerifierKey } = await import("@prooflog/tlog/key")
const witness = await openWitness({
  folder, signerKey: parseSignerKey(signer), logs: [{ origin, keys: [parseVerifierKey(vkey)] }],
})
const door = witnessDoor({ witness, onError: (error) => { throw error } })
const server = createServer((req, res) => void door(req, res))
server.listen(0, "127.0.0.1", () => {
  if (dieBefore >= 0) counted = 0
  writeSync(1, "port " + server.address().port + "\\n")
})
`

interface RunningWitness {
  readonly child: ChildProcess
  readonly url: string
  /** What it called between request and answer, where it was asked to count. */
  readonly steps: string[]
  readonly died: Promise<void>
}

let folder: string
const children: ChildProcess[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "witness-kill-"))
})

afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL")
  await rm(folder, { recursive: true, force: true })
})

/** @param dieBefore - -1: count nothing; 0: count and live; n: die before the nth call */
async function start(dieBefore: number): Promise<RunningWitness> {
  const settings = JSON.stringify({
    folder,
    signer: formatSignerKey(witnessKey),
    origin: LOG.origin,
    vkey: LOG.keys.map(formatVerifierKey)[0],
    dieBefore,
  })
  const child = spawn(process.execPath, ["--input-type=module", "--eval", CHILD, settings], {
    cwd: join(DIST, ".."),
    stdio: ["ignore", "pipe", "inherit"],
  })
  children.push(child)
  const lines = createInterface({ input: child.stdout })
  const steps: string[] = []
  // Its output is read to the end before it counts as dead.
  const died = Promise.all([once(child, "exit"), once(lines, "close")]).then(() => {})
  const port = await new Promise<string>((resolve, reject) => {
    lines.on("line", (line) => {
      const [word, ...rest] = line.split(" ")
      if (word === "port") resolve(rest.join(" "))
      else steps.push(rest.join(" "))
    })
    void died.then(() => reject(new Error("it died before it listened")))
  })
  return { child, url: `http://127.0.0.1:${port}/`, steps, died }
}

async function stop({ child, died }: RunningWitness): Promise<void> {
  child.kill("SIGKILL")
  await died
}

/** The status, `undefined` if the connection died with the witness. */
async function ask(url: string, body: string): Promise<{ status: number; text: string } | undefined> {
  try {
    const response = await fetch(`${url}add-checkpoint`, { method: "POST", body })
    return { status: response.status, text: await response.text() }
  } catch {
    return undefined
  }
}

/** What the disk holds, with good signatures of log and witness; size 0 if nothing. */
async function onDisk(): Promise<{ size: number; root: Uint8Array }> {
  let text: string
  try {
    text = await readFile(join(folder, HASH), "utf8")
  } catch {
    return { size: 0, root: left.root(0) }
  }
  const note = parseNote(text)
  expect(openNote(note, [...LOG.keys, verifierKeyOf(witnessKey)]).verified).toHaveLength(2)
  const { treeSize, rootHash, origin } = parseCheckpoint(note.text)
  expect(origin).toBe(logKey.name)
  return { size: treeSize, root: rootHash }
}

/** In this order, or a power cut could take back what was answered. */
const CALLS = [
  "read file",
  "open draft",
  "writeFile draft",
  "sync draft",
  "close draft",
  "link",
  "read file",
  "rename",
  "rm claim",
  "open folder",
  "sync folder",
  "close folder",
  "rm draft",
  "answer 200",
]

describe("a witness killed with SIGKILL", () => {
  it("on each line between request and answer, keeps the old checkpoint or has the new one, and goes on", async () => {
    const whole = await start(0)
    expect(await ask(whole.url, await left.request(0, 1))).toMatchObject({ status: 200 })
    await stop(whole)
    expect(whole.steps).toEqual(CALLS)
    let size = 1
    for (const [i, call] of CALLS.entries()) {
      const doomed = await start(i + 1)
      expect(await ask(doomed.url, await left.request(size, size + 1)), call).toBeUndefined()
      await doomed.died
      expect(doomed.steps, call).toEqual(CALLS.slice(0, i + 1))
      expect((await onDisk()).size, call).toBe(i > CALLS.indexOf("rename") ? size + 1 : size)

      const next = await start(-1)
      // What was claimed is followed to its end, and nothing is left lying about.
      const isKept = i > CALLS.indexOf("link")
      expect((await onDisk()).size, call).toBe(isKept ? size + 1 : size)
      expect(await readdir(folder), call).toEqual([HASH])
      // What the log knows is what it was answered: it asks from there, and is told where the witness is.
      const answer = await ask(next.url, await left.request(size, size + 1))
      expect(answer, call).toMatchObject(isKept ? { status: 409, text: `${size + 1}\n` } : { status: 200 })
      const again = await ask(next.url, await left.request(size + 1, size + 2))
      expect(again, call).toMatchObject({ status: 200 })
      await stop(next)
      size += 2
    }
  })

  it("under load on two histories, again and again, has what it answered and never goes back or aside", async () => {
    const ROUNDS = 8
    const SENDERS = 8
    let answered = { size: 0, branch: left }
    let before = await onDisk()
    let cosigned = 0
    for (let round = 0; round < ROUNDS; round++) {
      const witness = await start(-1)
      const shown = answered.size
      let cosignedNow = 0
      let enough = () => {}
      const isEnough = new Promise<void>((resolve) => {
        enough = resolve
      })
      const send = async (branch: Branch) => {
        let old = shown
        for (;;) {
          const size = old + 1
          const answer = await ask(witness.url, await branch.request(old, size))
          if (answer === undefined) return
          expect([200, 409, 422]).toContain(answer.status)
          if (answer.status === 200) {
            cosigned++
            if (++cosignedNow === 2 + round) enough()
            if (size >= answered.size) answered = { size, branch }
          }
          if (answer.status === 409) old = parseSizeConflict(answer.text) as number
          else if (answer.status === 200) old = size
          else await new Promise((resolve) => setTimeout(resolve, 5))
        }
      }
      const senders = Array.from({ length: SENDERS }, (_, i) => send(TWO_BRANCHES[i % 2 === 0 ? 0 : 1]))
      await isEnough
      await stop(witness)
      await Promise.all(senders)

      const after = await onDisk()
      expect(after.size).toBeGreaterThanOrEqual(answered.size)
      expect(after.size).toBeGreaterThanOrEqual(before.size)
      // One of the two histories, and the one that was answered, and the one that was there.
      const branch = TWO_BRANCHES.find((branch) => Buffer.from(branch.root(after.size)).equals(after.root))
      expect(branch?.root(answered.size)).toEqual(answered.branch.root(answered.size))
      expect(branch?.root(before.size)).toEqual(before.root)
      before = after
    }
    expect(cosigned).toBeGreaterThan(ROUNDS)
  })
})
