/** Starters that meet at one dead lock, in the order that goes wrong where a step is not exclusive. */

import { existsSync } from "node:fs"
import { readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { temporaryFolder } from "../fixtures/served-log.js"
import { lockFolder } from "./folder-lock.js"

/** Called once, around the next rename of a lock or before the next is placed: what others do meanwhile. */
const meanwhile = vi.hoisted(() => ({
  before: async () => {},
  after: async () => {},
  beforePlacing: async () => {},
}))

vi.mock("node:fs/promises", async (importOriginal) => {
  const fs = await importOriginal<typeof import("node:fs/promises")>()
  return {
    ...fs,
    rename: async (from: string, to: string) => {
      const { before, after } = meanwhile
      meanwhile.before = meanwhile.after = async () => {}
      await before()
      await fs.rename(from, to)
      await after()
    },
    link: async (from: string, to: string) => {
      const { beforePlacing } = meanwhile
      meanwhile.beforePlacing = async () => {}
      await beforePlacing()
      await fs.link(from, to)
    },
  }
})

const inUse = expect.objectContaining({ code: "MONITOR_FOLDER_IN_USE" })

describe.skipIf(!existsSync("/proc/self/stat"))("a dead lock that several want", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  let path: string

  beforeEach(async () => {
    folder = await temporaryFolder()
    path = join(folder.path, "lock")
    const unlock = await lockFolder(folder.path)
    const own = JSON.parse(await readFile(path, "utf8")) as object
    await unlock()
    await writeFile(path, JSON.stringify({ ...own, pid: 4_194_305 }))
  })

  afterEach(() => folder.remove())

  it("is had by the first, whom the second takes for the dead one, whatever a third does in between", async () => {
    let unlockFirst = async () => {}
    // The second has seen that the lock is dead. Now the first takes it away and puts its own there.
    meanwhile.before = async () => {
      unlockFirst = await lockFolder(folder.path)
    }
    // The second has moved the first one's lock away. Now the third finds the place free.
    let third: unknown
    meanwhile.after = async () => {
      third = await lockFolder(folder.path).catch((error: unknown) => error)
    }
    await expect(lockFolder(folder.path)).rejects.toThrow(inUse)
    expect(third).toEqual(inUse)
    // It holds wherever it lies now.
    await expect(lockFolder(folder.path)).rejects.toThrow(inUse)
    await unlockFirst()
    expect(await readdir(folder.path)).toEqual([])
    await (await lockFolder(folder.path))()
  })

  it("is not had by one that saw no other before it put its own there", async () => {
    let goOn = () => {}
    const going = new Promise<void>((resolve) => {
      goOn = resolve
    })
    let third: Promise<unknown> = Promise.resolve()
    let unlockFirst = async () => {}
    // The second has seen that the lock is dead. So does the third, who removes it and is about to put its own there.
    meanwhile.before = () =>
      new Promise<void>((resolve, reject) => {
        meanwhile.beforePlacing = async () => {
          // Now the first does, and the second moves that one away, and sees what it did.
          lockFolder(folder.path).then((unlock) => {
            unlockFirst = unlock
            resolve()
          }, reject)
          await going
        }
        third = lockFolder(folder.path).catch((error: unknown) => error)
      })
    await expect(lockFolder(folder.path)).rejects.toThrow(inUse)
    expect(await readdir(folder.path)).not.toContain("lock")
    goOn()
    expect(await third).toEqual(inUse)
    await expect(lockFolder(folder.path)).rejects.toThrow(inUse)
    await unlockFirst()
    expect(await readdir(folder.path)).toEqual([])
  })

  it("is had by the next when the first has given it back meanwhile", async () => {
    meanwhile.before = async () => {
      await (await lockFolder(folder.path))()
    }
    await (await lockFolder(folder.path))()
    expect(await readdir(folder.path)).toEqual([])
  })

  it("is given back also by one whose lock is moved aside at that moment", async () => {
    const unlock = await lockFolder(folder.path)
    const aside = `${path}.0`
    // One that still looks for the dead lock moves ours, and finds that it is another.
    meanwhile.before = async () => {
      const { rename } = await vi.importActual<typeof import("node:fs/promises")>("node:fs/promises")
      await rename(path, aside)
    }
    await unlock()
    expect(await readdir(folder.path)).toEqual([])
  })

  it("is had by no more than one of many that start at once", async () => {
    for (let round = 0; round < 20; round++) {
      const starts = await Promise.allSettled(Array.from({ length: 8 }, () => lockFolder(folder.path)))
      const had = starts.filter((start) => start.status === "fulfilled")
      expect(had.length).toBeLessThanOrEqual(1)
      for (const start of starts) {
        if (start.status === "rejected") expect(start.reason).toEqual(inUse)
      }
      await had[0]?.value()
      expect(await readdir(folder.path)).toEqual([])
    }
  })
})
