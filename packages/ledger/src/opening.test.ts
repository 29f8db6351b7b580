import { sha256 } from "@prooflog/tlog/hash"
import { createSignerKey } from "@prooflog/tlog/key"
import { describe, expect, it } from "vitest"
import { readRoot } from "./check.js"
import type { LedgerError } from "./error.js"
import { openMemoryStorage } from "./memory.js"
import { signedHeadInMemory } from "./signed-head.js"
import { copyDisk, readEntries, rootOf, submissionOf, Trial } from "./trial.js"

/** A log of `count` events, one commit each, closed or killed. */
async function logOf(count: number, end: "closed" | "killed"): Promise<Trial> {
  const trial = new Trial()
  const ledger = await trial.open({ signEveryMs: 0 })
  for (let i = 0; i < count; i++) await ledger.submit(submissionOf([i]))
  await ledger.published(1, 0)
  while (ledger.signedHead.treeSize <= count) await new Promise((resolve) => setTimeout(resolve, 1))
  if (end === "closed") await ledger.close()
  else trial.disk.pullPlug()
  return trial
}

async function failure(trial: Trial, options: Parameters<Trial["open"]>[0] = {}): Promise<LedgerError> {
  const before = await trial.signedHead.read()
  const error = await trial.open(options).then(
    () => undefined,
    (error: LedgerError) => error,
  )
  expect(await trial.signedHead.read()).toEqual(before)
  if (error === undefined) throw new Error("it opened")
  return error
}

describe("opening a sound log", () => {
  it.each(["closed", "killed"] as const)("that was %s goes on where it stopped", async (end) => {
    const trial = await logOf(300, end)
    const ledger = await trial.open()
    expect(ledger.treeSize).toBe(301)
    expect(ledger.signedHead.rootHash).toEqual(rootOf(await readEntries(ledger.storage)))
    expect((await ledger.submit(submissionOf([7])))[0]?.leafIndex).toBe(301)
    await ledger.close()
  })

  it("signs at once what was committed and not signed", async () => {
    const trial = new Trial()
    const ledger = await trial.open({ signEveryMs: 1_000_000, monotonic: () => 0 })
    await ledger.submit(submissionOf([1, 2, 3]))
    trial.disk.pullPlug()
    const reopened = await trial.open()
    expect(reopened.signedHead.treeSize).toBe(4)
    expect(reopened.publishedHead.treeSize).toBe(4)
    await reopened.close()
  })

  it("re-reads only the last bundle of what was settled", async () => {
    const trial = await logOf(700, "closed")
    const checked: number[] = []
    const ledger = await trial.open({
      checkRecord: (entry) => {
        checked.push(new DataView(entry.buffer, entry.byteOffset).getUint32(12))
      },
    })
    expect(checked).toHaveLength(701 - 512)
    await ledger.close()
  })
})

describe("a restored backup", () => {
  it("under a newer key file never signs", async () => {
    const trial = await logOf(10, "closed")
    const backup = copyDisk(trial.disk)
    const ledger = await trial.open()
    await ledger.submit(submissionOf([10, 11]))
    await ledger.close()
    trial.disk = backup
    const error = await failure(trial)
    expect(error).toMatchObject({ code: "LEDGER_BEHIND_SIGNED_HEAD" })
    expect(error.heads).toMatchObject({ signed: { treeSize: 13 }, stored: { treeSize: 11 } })
    expect(error.heads?.stored.rootHash).toHaveLength(32)
    expect(await failure(trial, { adoptHead: true })).toMatchObject({ code: "LEDGER_BEHIND_SIGNED_HEAD" })
  })

  it("that has grown another way never signs", async () => {
    const trial = await logOf(10, "closed")
    const fork = new Trial()
    fork.disk = copyDisk(trial.disk)
    fork.signedHead = signedHeadInMemory()
    await fork.signedHead.write((await trial.signedHead.read())?.note as string)
    for (const [one, numbers] of [
      [trial, [1, 2]],
      [fork, [3, 4, 5]],
    ] as const) {
      const ledger = await one.open()
      await ledger.submit(submissionOf(numbers))
      await ledger.close()
    }
    trial.disk = fork.disk
    const error = await failure(trial)
    expect(error).toMatchObject({ code: "LEDGER_SIGNED_HEAD_MISMATCH" })
    expect(error.heads?.signed.treeSize).toBe(13)
    expect(error.heads?.stored.rootHash).not.toEqual(error.heads?.signed.rootHash)
  })

  it("without a key file is refused, unless an administrator adopts it; then it was re-read from the first leaf", async () => {
    const trial = await logOf(300, "closed")
    trial.signedHead = signedHeadInMemory()
    expect(await failure(trial)).toMatchObject({ code: "LEDGER_NO_SIGNED_HEAD" })
    let checked = 0
    const ledger = await trial.open({ adoptHead: true, checkRecord: () => checked++ })
    expect(checked).toBe(301)
    expect(ledger.signedHead.treeSize).toBe(301)
    await ledger.close()
    await (await trial.open()).close()
  })

  it("that is empty is refused", async () => {
    const trial = await logOf(3, "closed")
    trial.disk = new Trial().disk
    expect(await failure(trial)).toMatchObject({ code: "LEDGER_BEHIND_SIGNED_HEAD" })
  })
})

describe("the head beside the key", () => {
  it.each([
    ["of another key", () => createSignerKey("trial.example/log", sha256(new Uint8Array(2)), 1)],
    ["of another origin", () => createSignerKey("other.example/log", sha256(new Uint8Array(1)), 1)],
  ])("%s is refused", async (_, signerKey) => {
    const trial = await logOf(3, "closed")
    expect(await failure(trial, { signerKey: signerKey() })).toMatchObject({ code: "LEDGER_BAD_SIGNED_HEAD" })
  })

  it("with a changed byte is refused, whichever it is", async () => {
    const trial = await logOf(3, "closed")
    const note = (await trial.signedHead.read())?.note as string
    for (let at = 0; at < note.length; at += 7) {
      const changed = String.fromCharCode(note.charCodeAt(at) ^ 1)
      await trial.signedHead.write(note.slice(0, at) + changed + note.slice(at + 1))
      expect(await failure(trial), note.slice(0, at)).toMatchObject({ code: "LEDGER_BAD_SIGNED_HEAD" })
    }
  })
})

describe("a damaged storage", () => {
  it.each([
    ["the first step", 0, 0],
    ["a step in the middle", 60, 60],
    ["the last but one step", 99, 99],
  ])("that lost %s is refused, with the first lost leaf", async (_, step, leafIndex) => {
    const trial = await logOf(100, "killed")
    trial.disk.journal.splice(step, 1)
    expect(await failure(trial)).toMatchObject({ code: "LEDGER_CORRUPT", leafIndex })
  })

  it("that lost its last step is refused, as more was signed", async () => {
    const trial = await logOf(100, "killed")
    trial.disk.journal.pop()
    expect(await failure(trial)).toMatchObject({ code: "LEDGER_BEHIND_SIGNED_HEAD" })
  })

  it("is refused if a bit of the right edge, of an entry or of a record of the last bundle is flipped", async () => {
    for (const rows of ["tiles", "bundles", "records"] as const) {
      const trial = await logOf(700, "closed")
      const map = trial.disk.tables[rows] as Map<unknown, Uint8Array>
      const [key, bytes] = [...map].at(-1) as [unknown, Uint8Array]
      map.set(key, flipped(bytes, bytes.length - 1))
      const error = await failure(trial)
      expect(error, rows).toMatchObject({ code: "LEDGER_CORRUPT" })
      expect(error.leafIndex, rows).toBeGreaterThanOrEqual(rows === "tiles" ? 0 : 512)
    }
  })

  it("is refused if what is not settled is damaged anywhere", async () => {
    for (const leaf of [0, 1, 255, 256, 300, 512, 600]) {
      const trial = await logOf(600, "killed")
      for (const step of trial.disk.journal.splice(0)) step.apply(trial.disk.tables)
      const { records } = trial.disk.tables
      if (leaf === 0) records.set(0, new Uint8Array([1]))
      else records.set(leaf, flipped(records.get(leaf) as Uint8Array, 5))
      expect(await failure(trial), String(leaf)).toMatchObject({ code: "LEDGER_CORRUPT", leafIndex: leaf })
    }
  })

  it("is refused if a record is missing", async () => {
    const trial = await logOf(20, "killed")
    for (const step of trial.disk.journal.splice(0)) step.apply(trial.disk.tables)
    trial.disk.tables.records.delete(13)
    expect(await failure(trial)).toMatchObject({ code: "LEDGER_CORRUPT", leafIndex: 13 })
  })

  it("is refused if the root of its last commit is not that of its tiles", async () => {
    const trial = await logOf(20, "closed")
    const { commits } = trial.disk.tables
    const [firstLeaf, row] = [...commits].at(-1) as [
      number,
      { firstLeaf: number; count: number; rootHash: Uint8Array },
    ]
    commits.set(firstLeaf, { ...row, rootHash: flipped(row.rootHash, 0) })
    expect(await failure(trial)).toMatchObject({ code: "LEDGER_CORRUPT", leafIndex: 20 })
  })

  it("is told from a fork where the tiles at the signed size are damaged", async () => {
    const trial = new Trial()
    const ledger = await trial.open({ signEveryMs: 1_000_000, monotonic: () => 0 })
    await ledger.submit(submissionOf(Array.from({ length: 600 }, (_, i) => i)))
    await ledger.storage.settle()
    trial.disk.pullPlug()
    const { tiles } = trial.disk.tables
    tiles.set("0/0", flipped(tiles.get("0/0") as Uint8Array, 0))
    expect(await failure(trial)).toMatchObject({ code: "LEDGER_CORRUPT", leafIndex: 0 })
  })
})

describe("a storage that was settled before it was signed", () => {
  it("is refused if its edge does not rest on its leaves, though its last commit has the same root", async () => {
    const trial = new Trial()
    const ledger = await trial.open({ signEveryMs: 1_000_000, monotonic: () => 0 })
    await ledger.submit(submissionOf(Array.from({ length: 600 }, (_, i) => i)))
    await ledger.storage.settle()
    trial.disk.pullPlug()
    const { tiles, commits } = trial.disk.tables
    tiles.set("1/0", flipped(tiles.get("1/0") as Uint8Array, 40))
    const storage = await openMemoryStorage(trial.disk)
    const rootHash = await readRoot(storage, 601)
    await storage.close()
    commits.set(1, { firstLeaf: 1, count: 600, rootHash })
    expect(await failure(trial)).toMatchObject({ code: "LEDGER_CORRUPT", leafIndex: 256 })
  })
})

describe("ids of old generations", () => {
  it("that cannot be dropped are no reason not to open", async () => {
    const trial = await logOf(3, "closed")
    const storage = await openMemoryStorage(trial.disk)
    storage.dropGenerationsBefore = async () => {
      throw new Error("no space left on device")
    }
    const ledger = await trial.open({ storage })
    expect(await ledger.submit(submissionOf([4]))).toMatchObject([{ leafIndex: 4 }])
    await ledger.close()
  })
})

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice()
  copy[at] = (copy[at] as number) ^ 4
  return copy
}
