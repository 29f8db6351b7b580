/** What the archive's process must not do to records that were withdrawn, or that a hold is just placed on; and what it says when it has no store. */

import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import {
  type ArchivedLog,
  children,
  erase,
  filesWith,
  movedOf,
  openArchivedLog,
  othersThan,
  range,
  standingsOf,
} from "../../fixtures/archived-log.js"

describe("the archive's process", () => {
  let dir: string
  let log: ArchivedLog
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "prooflog-withdrawn-"))
    log = await openArchivedLog(dir)
  })
  afterEach(async () => {
    vi.restoreAllMocks()
    await log.close()
    await rm(dir, { recursive: true })
  })

  it("answers no record that was withdrawn while it was looked for, though its segment still has it", async () => {
    await log.submit(20)
    await log.daily(20)
    const before = await movedOf(log, range(1, 21))
    await erase(log, [7, 19])
    expect(othersThan(log, range(1, 21), await log.archive.records(before))).toEqual([7, 19])
    // One that is hot again is what it was.
    await log.archive.restore({ from: 3, to: 4 })
    expect(othersThan(log, range(1, 21), await log.archive.records(before))).toEqual([7, 19])
  })

  it("makes gone what is hot, and was put into a segment by a run that came no further", async () => {
    await log.submit(20)
    vi.spyOn(log.ledger, "withdraw").mockRejectedValue(new Error("no room"))
    expect((await log.daily(20)).failed.map(({ step }) => step)).toEqual(["archive", "destroy"])
    vi.restoreAllMocks()
    expect(await standingsOf(log, range(1, 21))).toEqual(["hot"])
    expect(await log.archive.numbers()).toMatchObject({ segments: 1, records: 20, owed: { unfinished: 1 } })
    await erase(log, [7])
    await log.archive.gone([7])
    expect(filesWith(join(dir, "data/log"), "user-7-needle")).toEqual([])
    expect(await log.archive.numbers()).toMatchObject({ segments: 1, records: 19, owed: { unfinished: 0 } })
    expect(await log.archive.verify()).toMatchObject({ rows: 19, faults: [] })
  })

  it("is killed while records are withdrawn: no hold is placed until they are", async () => {
    await log.submit(20)
    await log.daily(20)
    const withdraw = log.ledger.withdraw.bind(log.ledger)
    let isLocked = false
    vi.spyOn(log.ledger, "withdraw").mockImplementationOnce(async (tombstones) => {
      for (const pid of children()) process.kill(pid, "SIGKILL")
      await vi.waitFor(() => expect(children()).toEqual([]))
      await sleep(100)
      isLocked = log.isLocked
      await withdraw(tombstones)
    })
    await log.daily(60)
    await vi.waitFor(() => expect(log.isLocked).toBe(false))
    expect(isLocked).toBe(true)
  })

  it("says how the archive stands also while its place cannot be had", async () => {
    await log.submit(20)
    await log.daily(20)
    await log.close()
    const path = join(dir, "no-folder")
    await writeFile(path, "")
    log = await openArchivedLog(dir, { archive: { store: { kind: "directory", path } } })
    const { failed } = await log.daily(60)
    expect(failed.map(({ step }) => step)).toEqual(["archive", "destroy", "verify"])
    expect(await log.archive.numbers()).toMatchObject({ segments: 1, records: 20 })
    // Whoever may read is not told where it is, and what it said.
    const moved = await movedOf(log, [3])
    await expect(log.archive.records(moved)).rejects.toMatchObject({
      code: "SERVER_ARCHIVE_UNAVAILABLE",
      message: `${moved[0]?.key}: the segment cannot be read now`,
      cause: { message: expect.stringContaining(path) },
    })
  })
})
