/** A log is backed up while it runs, and made anew from that: the same tree, the same records, and nothing that was destroyed. */

import { mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { encodeTombstone } from "@prooflog/event/tombstone"
import type { LogStorage } from "@prooflog/ledger/storage"
import { lockAt } from "@prooflog/monitor/folder-lock"
import {
  type BackupFrame,
  type BackupHead,
  encodeHead,
  encodeLeaf,
  encodeThrough,
  type LeafFrame,
  readFrames,
} from "@prooflog/server/backup-frames"
import { openLevelStorage } from "@prooflog/storage-level"
import { parsePolicy } from "@prooflog/tlog/policy"
import type { LogSource } from "@prooflog/verifier/source"
import { folderSource } from "@prooflog/verifier/source-folder"
import { httpSource } from "@prooflog/verifier/source-http"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { backUp } from "../../apps/cli/dist/backup/back-up.js"
import { BackupFolder } from "../../apps/cli/dist/backup/backup-folder.js"
import { prooflogHere } from "../cli/prooflog.js"
import { post, sampleEvent } from "../running-log.js"
import { filesWith, followed, logFor, runNow, tell } from "./asked.js"
import {
  addEvents,
  auditOf,
  type BackedUpLog,
  backedUp,
  bytesAt,
  copyOf,
  filesIn,
  isThere,
  logWith,
  restored,
  runBackup,
  runRestore,
  statusAt,
  whileServed,
  wordsIn,
} from "./backup-log.js"

describe("a backup of a running log", () => {
  let log: BackedUpLog
  let backup: string

  beforeAll(async () => {
    log = await logWith(700)
    backup = join(log.path, "backup")
    await backedUp(log, backup)
  })
  afterAll(() => log.remove())

  it("is a mirror that can be audited where it lies, without the log", async () => {
    const { verdict, out } = await prooflogHere(["audit", backup, "--policy", log.policyFile], {})
    expect([verdict, out]).toEqual([0, expect.stringContaining("All 702 entries")])
  })

  it("tells of itself in the log, and holds the entry that does", async () => {
    const { tree_size } = JSON.parse(await readFile(join(backup, "prooflog-backup.json"), "utf8"))
    const response = await fetch(`${log.url}v1/events/${tree_size - 1}`, {
      headers: { authorization: `Bearer ${log.adminKey}` },
    })
    const { event } = (await response.json()) as { event: Record<string, unknown> }
    expect(event).toMatchObject({ action: "log.backup", source: "prooflog", result: "success" })
  })

  it("is its owner's alone", async () => {
    for (const each of await readdir(backup, { recursive: true, withFileTypes: true })) {
      const { mode } = await stat(join(each.parentPath, each.name))
      expect([each.name, mode & 0o777]).toEqual([each.name, each.isDirectory() ? 0o700 : 0o600])
    }
  })

  it("holds neither the signer key nor the heads that lie beside it", async () => {
    expect(await filesWith(backup, "PRIVATE+KEY")).toEqual([])
    const secret = (await readFile(log.signerKey, "utf8")).trim()
    expect(await filesWith(backup, secret)).toEqual([])
    expect((await filesIn(backup)).filter((name) => /signed|published|signer/.test(name))).toEqual([])
  })

  it("is refused to whoever is no admin", async () => {
    const { thrown } = await runBackup({ ...log, adminKey: log.writerKey }, join(log.path, "not mine"))
    expect(wordsIn({ thrown } as never)).toContain("SERVER_WRONG_ROLE")
  })

  it("is not written into a folder with other things, nor over the backup of another log", async () => {
    expect(wordsIn(await runBackup(log, log.dir))).toMatch(/^CLI_FILE\n.*is no backup, and not empty/)
    const other = await logWith(1)
    try {
      expect(wordsIn(await runBackup(other, backup))).toMatch(
        /^CLI_FILE\nthe folder holds a backup of prooflog.local/,
      )
    } finally {
      await other.remove()
    }
  })

  it("is made by one run at a time, and by the next one if a run was killed", async () => {
    const copy = await copyOf(backup, "locked")
    const unlock = await lockAt(join(copy, "backup.lock"))
    expect(wordsIn(await runBackup(log, copy))).toMatch(/^CLI_FILE\n.*another process has the folder/)
    const ofKilled = await readFile(join(copy, "backup.lock"), "utf8")
    await unlock()
    await writeFile(join(copy, "backup.lock"), ofKilled.replace(/"pid":\d+/, '"pid":999999999'))
    await backedUp(log, copy)
    expect((await readdir(copy)).filter((name) => /lock/.test(name))).toEqual([])
  })

  it("does not write, nor remove, where links in its folder lead", async () => {
    const copy = await copyOf(backup, "linked")
    const elsewhere = join(log.path, "elsewhere")
    await mkdir(elsewhere)
    await writeFile(join(elsewhere, "precious"), "precious")
    await rename(join(copy, "records"), join(copy, "..", "records aside"))
    await symlink(elsewhere, join(copy, "records"))
    expect(wordsIn(await runBackup(log, copy))).toMatch(/^CLI_FILE\n.*records is a link/)
    expect(await readdir(elsewhere)).toEqual(["precious"])
    await rm(join(copy, "records"))
    await rename(join(copy, "..", "records aside"), join(copy, "records"))
    // A draft lies one folder down.
    const { files } = JSON.parse(await readFile(join(copy, "prooflog-backup.json"), "utf8"))
    const state = join(copy, "state", files[0].sha256.slice(0, 32))
    await rm(state)
    await symlink(join(elsewhere, "precious"), `${state}.draft`)
    await backedUp(log, copy)
    expect(await readFile(join(elsewhere, "precious"), "utf8")).toBe("precious")
  })

  it("refuses a log that went back behind it, with both heads", async () => {
    const copy = await copyOf(backup, "ahead")
    const path = join(copy, "prooflog-backup.json")
    await addEvents(log, 700, 5)
    await backedUp(log, copy)
    const ahead = await readFile(path, "utf8")
    // The same answer as before, to a backup that knows more.
    const old = JSON.parse(await readFile(join(backup, "prooflog-backup.json"), "utf8"))
    const head = { origin: old.origin, logId: old.log_id, checkpoint: old.checkpoint, files: [] }
    const run = backUpFrom(copy, [{ kind: "head", head }], folderSource(backup))
    await expect(run).rejects.toMatchObject({ code: "VERIFIER_WENT_BACK" })
    expect(await readFile(path, "utf8")).toBe(ahead)
  })

  describe("believes nothing that it is sent", () => {
    /** What the server says to a first run. */
    let frames: BackupFrame[]

    beforeAll(async () => {
      const answer = await bytesAt(`${log.url}v1/backup`, log.adminKey)
      frames = []
      for await (const frame of readFrames(piecesOf(answer))) frames.push(frame)
    })

    /** Frame of a leaf, changed. */
    function but(leaf: number, change: (frame: LeafFrame) => readonly BackupFrame[]): readonly BackupFrame[] {
      return frames.flatMap((frame) => {
        const isIt = (frame.kind === "record" || frame.kind === "tombstone") && frame.leafIndex === leaf
        return isIt ? change(frame) : [frame]
      })
    }

    const flipped = (frame: LeafFrame): LeafFrame => {
      const bytes = frame.bytes.slice()
      bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) ^ 1
      return { ...frame, bytes }
    }

    it.each<[string, () => readonly BackupFrame[], RegExp]>([
      ["a record with a flipped bit", () => but(9, (one) => [flipped(one)]), /leaf 9/],
      ["the record of another leaf", () => but(9, (one) => [{ ...one, leafIndex: 10 }]), /leaf 9|leaf 10/],
      ["no record of a leaf", () => but(9, () => []), /leaf 9/],
      [
        "a tombstone of the genesis",
        () => but(0, (one) => [{ ...one, kind: "tombstone", bytes: BURIED }]),
        /leaf 0/,
      ],
      ["a tombstone that is none", () => but(9, (one) => [{ ...one, kind: "tombstone" }]), /leaf 9/],
      ["an end before the end", () => frames.slice(0, -1), /run it again/],
      [
        "leaves past the head",
        () => [...frames, { kind: "record", leafIndex: 9_999, bytes: BURIED }],
        /past the head/,
      ],
      ["leaves out of order", () => [...frames, { kind: "through", leafIndex: 1 }], /out of order/],
      ["a leaf twice", () => but(9, (one) => [one, one]), /out of order/],
      [
        "the same again and again",
        () => [
          ...frames.slice(0, -1),
          ...frames.filter(({ kind }) => kind === "through").slice(-1),
          ...frames.slice(-1),
        ],
        /out of order/,
      ],
      ["no head", () => frames.slice(1), /no head/],
      [
        "a file that belongs elsewhere",
        () =>
          frames.map((frame) => (frame.kind === "head" ? withFile(frame.head, "keys/signer.key") : frame)),
        /signer.key/,
      ],
    ])("%s", async (_, sent, words) => {
      const to = join(log.path, "lied to")
      await rm(to, { recursive: true, force: true })
      const error = await backUpFrom(to, sent(), httpSource(log.url)).catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ code: "CLI_UNEXPECTED_ANSWER", message: expect.stringMatching(words) })
      expect(await isThere(join(to, "prooflog-backup.json"))).toBe(false)
    })

    it.each([
      ["an entry", /^tile\/entries\/001$/, "VERIFIER_BUNDLE_REFUSED"],
      ["a tile", /^tile\/0\/001$/, "VERIFIER_TILE_REFUSED"],
      ["the edge", /^tile\/1\//, "VERIFIER_ROOT_REFUSED"],
    ])("%s with a flipped bit", async (_, path, code) => {
      const to = join(log.path, "lied to")
      await rm(to, { recursive: true, force: true })
      const honest = httpSource(log.url)
      const source: LogSource = {
        async read(asked) {
          const bytes = (await honest.read(asked))?.slice()
          if (bytes !== undefined && path.test(asked)) bytes[40] = (bytes[40] as number) ^ 1
          return bytes
        },
      }
      await expect(backUpFrom(to, frames, source)).rejects.toMatchObject({ code })
    })

    it("and what it was sent before all of that is a backup", async () => {
      const to = join(log.path, "lied to")
      await rm(to, { recursive: true, force: true })
      const done = await backUpFrom(to, frames, httpSource(log.url))
      expect(done.manifest.treeSize).toBeGreaterThan(700)
    })
  })

  async function backUpFrom(to: string, frames: readonly BackupFrame[], source: LogSource) {
    const policy = parsePolicy(await readFile(log.policyFile))
    const folder = await BackupFolder.open(to)
    const ask = async () => piecesOf(Buffer.concat(frames.map(encodeFrame)))
    const options = { folder, log: source, ask, policy: () => policy, nowMs: 0, onProgress: () => {} }
    return backUp(options).finally(() => folder.close())
  }
})

const BURIED = Uint8Array.of(0x83, 0, 0, 0)

function encodeFrame(frame: BackupFrame): Uint8Array {
  if (frame.kind === "head") return encodeHead(frame.head)
  return frame.kind === "through" ? encodeThrough(frame.leafIndex) : encodeLeaf(frame)
}

function withFile(head: BackupHead, name: string): BackupFrame {
  return { kind: "head", head: { ...head, files: [...head.files, { name, bytes: BURIED }] } }
}

async function* piecesOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 10_000) yield bytes.subarray(at, at + 10_000)
}

describe("a log restored from a backup that reaches the signed head", () => {
  let log: BackedUpLog
  let backup: string
  let dir: string
  let records: Buffer

  beforeAll(async () => {
    log = await logWith(700)
    backup = join(log.path, "backup")
    dir = join(log.path, "restored")
    records = await bytesAt(`${log.url}v1/records?start=0&end=701`, log.adminKey)
    await backedUp(log, backup)
    await log.stop()
  })
  afterAll(() => log.remove())

  it("is the same log, and goes on", async () => {
    // Genesis, events, that its records were read, that it was backed up.
    expect(await restored(backup, dir, log.signerKey)).toEqual({ origin: expect.any(String), tree_size: 703 })
    await whileServed(dir, async ({ url }) => {
      expect(await bytesAt(`${url}v1/records?start=0&end=701`, log.adminKey)).toEqual(records)
      const again = await post(`${url}v1/events`, log.writerKey, sampleEvent(3, "event-3"))
      expect([again.status, again.body]).toEqual([
        200,
        expect.objectContaining({ duplicate: true, leaf_index: 4 }),
      ])
      const fresh = await post(`${url}v1/events`, log.writerKey, sampleEvent(9_000, "event-9000"))
      expect(fresh.status).toBe(201)
      await expect
        .poll(async () => (await auditOf(url, log.policyFile)).treeSize, { timeout: 20_000 })
        .toBe(705)
    })
  })

  it("has its small files again, and its key where it lies", async () => {
    const names = ["policy", "schedule.yaml", "keys/api-keys.json", "keys/label.key"]
    for (const name of names)
      expect(await readFile(join(dir, name))).toEqual(await readFile(join(log.dir, name)))
    const config = JSON.parse(await readFile(join(dir, "prooflog.json"), "utf8"))
    expect(config.signer_key).toBe(log.signerKey)
    expect(await filesIn(join(dir, "keys"))).toEqual(expect.not.arrayContaining(["signer.key"]))
    expect((await stat(join(dir, "keys/label.key"))).mode & 0o777).toBe(0o600)
  })

  it("is not restored over anything, nor into a folder that another run has", async () => {
    expect(wordsIn(await runRestore(backup, dir, log.signerKey))).toMatch(/^CLI_FILE\n.*is not empty/)
    const other = join(log.path, "being restored")
    await mkdir(other)
    const unlock = await lockAt(join(other, "restore.lock"))
    expect(wordsIn(await runRestore(backup, other, log.signerKey))).toContain(
      "another process has the folder",
    )
    expect(await readdir(other)).toEqual(["restore.lock"])
    const ofKilled = await readFile(join(other, "restore.lock"), "utf8")
    await unlock()
    await writeFile(join(other, "restore.lock"), ofKilled.replace(/"pid":\d+/, '"pid":999999999'))
    expect(wordsIn(await runRestore(backup, other, log.signerKey))).toContain("leaves are missing")
    expect(await readdir(other)).toEqual([])
  })
})

describe("a second run", () => {
  it("fetches no full range again, and the records that are new", async () => {
    const log = await logWith(17_000)
    try {
      const backup = join(log.path, "backup")
      expect(await backedUp(log, backup)).toMatchObject({
        before: 0,
        tree_size: 17_002,
        record_files_written: 2,
      })
      const full = (await readdir(join(backup, "records"))).find((name) =>
        name.startsWith("0000000000000000-"),
      )
      const before = await stat(join(backup, "records", full as string))
      const tile = await stat(join(backup, "tile/0/003"))
      await addEvents(log, 17_000, 300)
      const second = await backedUp(log, backup)
      expect(second).toMatchObject({
        before: 17_002,
        tree_size: 17_303,
        record_files_written: 1,
        forgotten: 0,
      })
      expect((await stat(join(backup, "records", full as string))).ino).toBe(before.ino)
      expect((await stat(join(backup, "tile/0/003"))).ino).toBe(tile.ino)
      expect((await readdir(join(backup, "records"))).length).toBe(2)
      // What only the former head needed is gone.
      expect((await filesIn(backup)).filter((name) => /tile\/0\/066\.p/.test(name)).length).toBe(0)
      const { verdict } = await prooflogHere(["audit", backup, "--policy", log.policyFile], {})
      expect(verdict).toBe(0)

      // A range that rotted is fetched again, with all behind it.
      await writeFile(join(backup, "records", full as string), "rotten")
      expect(await backedUp(log, backup)).toMatchObject({ record_files_written: 2 })
      await log.stop()
      expect(await restored(backup, join(log.path, "restored"), log.signerKey)).toMatchObject({
        tree_size: 17_304,
      })
    } finally {
      await log.remove()
    }
  })
})

describe("records that were moved to the archive", () => {
  it("are in a backup as records: without their segment there is no new one, and one that has them needs none", async () => {
    const log = await logWith(300)
    try {
      const backup = join(log.path, "backup")
      await backedUp(log, backup)
      await log.stop()
      const moved = encodeTombstone({ state: "moved", segment: "segments/routine/2026-03/1-40.parquet" })
      const kept = await onStorage(log.dir, async (storage) => {
        const records = await storage.records(1, 41)
        await storage.withdraw(
          records.map(({ leafIndex }) => ({ kind: "tombstone", leafIndex, bytes: moved })),
        )
        return records
      })
      await whileServed(log.dir, async ({ url }) => {
        const { verdict, thrown } = await runBackup({ ...log, url }, join(log.path, "other"), "--json")
        expect([verdict, thrown]).not.toEqual([0, undefined])
        expect(await backedUp({ ...log, url }, backup)).toMatchObject({ forgotten: 0 })
      })
      const back = join(log.path, "back")
      await restored(backup, back, await keyCopy(log, "keys 1"))
      expect(await onStorage(back, (storage) => storage.records(1, 41))).toEqual(kept)
    } finally {
      await log.remove()
    }
  })

  async function onStorage<T>(dir: string, work: (storage: LogStorage) => Promise<T>): Promise<T> {
    const storage = await openLevelStorage(join(dir, "data", "log"))
    try {
      return await work(storage)
    } finally {
      await storage.close()
    }
  }

  async function keyCopy({ path }: BackedUpLog, name: string): Promise<string> {
    return join(await copyOf(join(path, "secret"), name), "signer.key")
  }
})

describe("a person who is erased", () => {
  const NEEDLE = "needle-of-one-person"
  let log: BackedUpLog
  /** Made before, and not brought up to date. */
  let old: string
  let backup: string
  let leaves: readonly number[]
  let notice: number

  beforeAll(async () => {
    log = await logWith(400, { follow: true })
    leaves = await logFor(log, NEEDLE, 5, (n) => ({ event_id: `${n}-of-the-person`, user_agent: NEEDLE }))
    await followed(log)
    backup = join(log.path, "backup")
    await backedUp(log, backup)
    old = await copyOf(backup, "old")
    const { body } = await tell(log, "v1/erasures", { user_id: NEEDLE, why: "request 17" })
    expect(body).toMatchObject({ id: expect.stringMatching(/^case_/) })
    await runNow(log)
    expect(await statusAt(`${log.url}v1/events/${leaves[0]}`, log.adminKey)).toBe(410)
  })
  afterAll(() => log.remove())

  it("is gone from the backup when its next run ends", async () => {
    expect((await filesWith(backup, NEEDLE)).length).toBeGreaterThan(0)
    expect(await backedUp(log, backup)).toMatchObject({ forgotten: 5 })
    expect(await filesWith(backup, NEEDLE)).toEqual([])
  })

  it("does not come back with a log that is restored from it, nor by being sent again", async () => {
    await log.stop()
    const keys = await copyOf(join(log.path, "secret"), "keys 1")
    const dir = join(log.path, "restored")
    await restored(backup, dir, join(keys, "signer.key"))
    expect(await filesWith(dir, NEEDLE)).toEqual([])
    await whileServed(dir, async ({ url }) => {
      for (const leaf of leaves) expect(await statusAt(`${url}v1/events/${leaf}`, log.adminKey)).toBe(410)
      const event = { ...sampleEvent(1, "0-of-the-person"), user_id: NEEDLE }
      const { status, body } = await post(`${url}v1/events`, log.writerKey, event)
      expect([status, body]).toEqual([
        200,
        expect.objectContaining({ duplicate: true, leaf_index: leaves[0] }),
      ])
    })
  })

  it("is not brought back by an older backup: without the case it is refused, leaf by leaf", async () => {
    const keys = await copyOf(join(log.path, "secret"), "keys 2")
    const dir = join(log.path, "from old")
    const refused = await runRestore(old, dir, join(keys, "signer.key"), "--mirror", backup)
    expect(wordsIn(refused)).toMatch(/^CLI_RESTORE_REFUSED\nrecords were erased, and nobody can tell which/)
    const [, leaf = "0"] = /the notice at leaf (\d+) is of no case in the backup/.exec(wordsIn(refused)) ?? []
    notice = Number(leaf)
    expect(notice).toBeGreaterThan(leaves.at(-1) as number)
    expect(await isThere(dir)).toBe(false)
  })

  it("is forgotten by an older backup that is told of the case", async () => {
    const keys = await copyOf(join(log.path, "secret"), "keys 3")
    const dir = join(log.path, "from old")
    const cases = join(log.dir, "retention")
    await restored(old, dir, join(keys, "signer.key"), "--mirror", backup, "--cases", cases)
    expect(await filesWith(dir, NEEDLE)).toEqual([])
    await whileServed(dir, async ({ url }) => {
      const response = await fetch(`${url}v1/events/${leaves[2]}`, {
        headers: { authorization: `Bearer ${log.adminKey}` },
      })
      const body = (await response.json()) as Record<string, unknown>
      expect([response.status, body.code, body.notice_leaf]).toEqual([410, "SERVER_DESTROYED", notice])
      await auditOf(url, log.policyFile)
    })
  })
})
