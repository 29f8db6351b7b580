import { existsSync } from "node:fs"
import { readdir, readFile, utimes, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { temporaryFolder } from "../fixtures/served-log.js"
import { type LockTimes, lockFolder } from "./folder-lock.js"

const inUse = expect.objectContaining({ code: "MONITOR_FOLDER_IN_USE" })

/** Patient with strangers who are alive, and not with those who are not. */
const PATIENT: LockTimes = { touchMs: 10, watchMs: 60_000, deadAfterMs: 3_600_000 }
const HASTY: LockTimes = { touchMs: 10, watchMs: 20, deadAfterMs: 3_600_000 }

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let path: string

beforeEach(async () => {
  folder = await temporaryFolder()
  path = join(folder.path, "lock")
})

afterEach(() => folder.remove())

/** Our own lock, as another would have written it. */
async function lockOf(other: Record<string, unknown>): Promise<string> {
  const unlock = await lockFolder(folder.path)
  const own = JSON.parse(await readFile(path, "utf8")) as object
  await unlock()
  return JSON.stringify({ ...own, ...other })
}

describe("the lock of a folder", () => {
  it("is had by one, given back, and had by the next", async () => {
    const unlock = await lockFolder(folder.path)
    await expect(lockFolder(folder.path)).rejects.toThrow(inUse)
    await unlock()
    expect(await readdir(folder.path)).toEqual([])
    await (await lockFolder(folder.path))()
  })

  it.skipIf(!existsSync("/proc/self/stat"))("is taken at once from a process that died here", async () => {
    for (const dead of [{ pid: 4_194_305 }, { started: "1" }]) {
      await writeFile(path, await lockOf(dead))
      await (await lockFolder(folder.path, PATIENT))()
    }
  })

  // What the number means there, nobody here can ask: it may well be ours.
  it.each([{ space: "pid:[1]" }, { boot: "another" }])(
    "is held by a stranger who touches it: %j",
    async (elsewhere) => {
      await writeFile(path, await lockOf(elsewhere))
      let seconds = Date.now() / 1_000
      const touching = setInterval(() => {
        seconds += 1
        void utimes(path, seconds, seconds)
      }, 20)
      try {
        await expect(lockFolder(folder.path, PATIENT)).rejects.toThrow(inUse)
      } finally {
        clearInterval(touching)
      }
    },
  )

  it.each([{ space: "pid:[1]" }, { boot: "another" }])(
    "is taken from a stranger who touches it no more: %j",
    async (elsewhere) => {
      const text = await lockOf(elsewhere)
      await writeFile(path, text)
      await (await lockFolder(folder.path, HASTY))()
      await writeFile(path, text)
      const seconds = Date.now() / 1_000 - 7_200
      await utimes(path, seconds, seconds)
      await (await lockFolder(folder.path, PATIENT))()
    },
  )

  it("is touched while it is held, so that strangers see that", async () => {
    const unlock = await lockFolder(folder.path, HASTY)
    await writeFile(path, (await readFile(path, "utf8")).replace('"space":"', '"space":"elsewhere '))
    await expect(lockFolder(folder.path, PATIENT)).rejects.toThrow(inUse)
    await unlock()
    // It is another's by its words, and left to it.
    expect(await readdir(folder.path)).toEqual(["lock"])
  })
})
