import { mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseEvidence } from "@prooflog/verifier/evidence"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { ProvenBatch } from "./evidence-batches.js"
import { EvidenceFile } from "./evidence-file.js"

let dir: string

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "prooflog-evidence-"))
})
afterAll(() => rm(dir, { recursive: true, force: true }))

/** Only what a file needs: nothing in it is verified here. */
function batch(...leaves: number[]): ProvenBatch {
  const items = leaves.map((leafIndex) => ({
    leafIndex,
    path: [new Uint8Array(32).fill(leafIndex)],
    entry: Uint8Array.of(1),
    disclosure: {
      core: [new Uint8Array(16), { result: "success" }] as const,
      fields: [["user_id", new Uint8Array(16), `U${leafIndex} "events":[`] as const],
    },
  }))
  return { checkpoint: { note: 'origin "events":[\n1\n' }, items, events: [] } as unknown as ProvenBatch
}

describe("an evidence file", () => {
  it("has the items of all its batches, in their order, and is there only when it is finished", async () => {
    const path = join(dir, "e.json")
    const file = new EvidenceFile(path, [])
    await file.begin()
    await file.take(batch(1, 2))
    await file.take(batch(5))
    expect(await readdir(dir)).not.toContain("e.json")
    await file.finish()
    await file.drop()
    const { checkpoint, items } = parseEvidence(await readFile(path, "utf8"))
    expect(checkpoint).toBe('origin "events":[\n1\n')
    expect(items.map(({ leafIndex }) => leafIndex)).toEqual([1, 2, 5])
    expect(items[2]).toEqual(batch(5).items[0])
    expect(await readdir(dir)).toEqual(["e.json"])
  })

  it("begins anew with nothing of what came before, and closes what is withheld", async () => {
    const path = join(dir, "f.json")
    const file = new EvidenceFile(path, ["user_id"])
    await file.begin()
    await file.take(batch(1))
    await file.begin()
    await file.take(batch(7))
    await file.finish()
    const text = await readFile(path, "utf8")
    expect(parseEvidence(text).items.map(({ leafIndex }) => leafIndex)).toEqual([7])
    expect(text).not.toContain("U7")
  })

  it("that is dropped was never there", async () => {
    const file = new EvidenceFile(join(dir, "g.json"), [])
    await file.begin()
    await file.take(batch(1))
    await file.drop()
    expect((await readdir(dir)).filter((name) => name.startsWith("g"))).toEqual([])
  })

  it("that cannot be written is said in words", async () => {
    const file = new EvidenceFile(join(dir, "no", "h.json"), [])
    await expect(file.begin()).rejects.toMatchObject({
      code: "CLI_FILE",
      message: expect.stringContaining("there is no such folder"),
    })
    await file.drop()
  })
})
