import { mkdtemp, readFile, rm, unlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Level } from "level"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { checkJournals, findRot } from "./journal.js"
import { flipBit } from "./level-under-test.js"

const BLOCK_SIZE = 32 * 1024

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "prooflog-journal-"))
})
afterEach(() => rm(folder, { recursive: true }))

/** A journal as LevelDB writes it: steps of these sizes, each ending with a byte that is not zero. */
async function journalOf(sizes: readonly number[]): Promise<{ path: string; bytes: Buffer }> {
  const db = new Level<string, Buffer>(folder, { valueEncoding: "buffer" })
  await db.open()
  for (const [i, size] of sizes.entries()) await db.put(`key ${i}`, Buffer.alloc(size, i + 1), { sync: true })
  await db.close()
  const path = join(folder, "000003.log")
  return { path, bytes: await readFile(path) }
}

describe("a sound journal", () => {
  it.each<readonly [string, readonly number[]]>([
    ["empty", []],
    ["short", [10]],
    ["of steps over blocks", [100, 40_000, 5, 70_000, 32_700, 1]],
    // The header, the batch's own head and the key leave 1 … 8 bytes of a block, where no header fits.
    ...[1, 2, 3, 4, 5, 6, 7, 8].map(
      (left) => [`that leaves ${left} of a block`, [BLOCK_SIZE - 30 - left, 9]] as const,
    ),
  ])("%s is found sound", async (_, sizes) => {
    const { bytes } = await journalOf(sizes)
    expect(findRot(bytes)).toBeUndefined()
    await checkJournals(folder)
  })

  it("may end anywhere: a crash cuts it short", async () => {
    const { bytes } = await journalOf([100, 300, 33_000, 50])
    for (let end = 0; end < bytes.length; end += end < 600 || end > 33_300 ? 1 : 97) {
      expect(findRot(bytes.subarray(0, end)), `cut at ${end}`).toBeUndefined()
    }
  })

  it("may end in zeros that were never written", async () => {
    const { bytes } = await journalOf([100, 300, 3_000])
    for (const end of [512, 1_024, 2_048]) {
      const unwritten = Buffer.from(bytes)
      unwritten.fill(0, end)
      expect(findRot(unwritten), `zeros from ${end}`).toBeUndefined()
      expect(findRot(Buffer.concat([unwritten, Buffer.alloc(40_000)]))).toBeUndefined()
    }
    expect(findRot(Buffer.concat([bytes, Buffer.alloc(5_000)]))).toBeUndefined()
  })
})

describe("a flipped bit", () => {
  it("is found wherever it is: middle, end, length, type, checksum", async () => {
    const { bytes } = await journalOf([100, 300, 20_000, 33_000, 50])
    for (let at = 0; at < bytes.length; at += at < 500 || at > bytes.length - 200 ? 1 : 211) {
      for (const bit of [0, 3, 7]) {
        const rotten = Buffer.from(bytes)
        rotten[at] = (rotten[at] as number) ^ (1 << bit)
        expect(findRot(rotten), `byte ${at}, bit ${bit}`).toBeLessThanOrEqual(at)
      }
    }
  })

  it("is found in the journal of tables, too", async () => {
    await journalOf([100])
    await flipBit(join(folder, "MANIFEST-000002"), 12)
    await expect(checkJournals(folder)).rejects.toMatchObject({ code: "LEDGER_CORRUPT" })
  })
})

describe("a folder", () => {
  it("that is not there is sound", async () => {
    await checkJournals(join(folder, "none"))
  })

  it("that lost the name of its table journal is refused: LevelDB would begin anew and delete the rest", async () => {
    await journalOf([100])
    await unlink(join(folder, "CURRENT"))
    await expect(checkJournals(folder)).rejects.toMatchObject({ code: "LEDGER_CORRUPT" })
  })

  it("with other files is none of LevelDB's", async () => {
    await writeFile(join(folder, "notes.log.txt"), "not a journal")
    await checkJournals(folder)
  })
})
