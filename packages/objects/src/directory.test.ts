import { spawn } from "node:child_process"
import { once } from "node:events"
import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { openDirectory } from "./directory.js"
import type { ObjectStore } from "./object-store.js"
import { type ObjectStoreUnderTest, objectStoreSuite } from "./object-store-suite.js"
import { digestOf, filesOf, flipBit, read } from "./store-under-test.js"

class DirectoryUnderTest implements ObjectStoreUnderTest {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  open() {
    return openDirectory(this.#folder)
  }

  async flipBit(key: string) {
    await flipBit(join(this.#folder, key))
  }

  async cutShort(key: string) {
    const path = join(this.#folder, key)
    await truncate(path, (await stat(path)).size - 1)
  }

  async holds(bytes: Uint8Array) {
    const files = await filesOf(this.#folder)
    for (const path of files) if ((await readFile(path)).includes(Buffer.from(bytes))) return true
    return false
  }

  async destroy() {
    await rm(this.#folder, { recursive: true })
  }
}

objectStoreSuite("a folder", { describe, it }, async () => {
  return new DirectoryUnderTest(await mkdtemp(join(tmpdir(), "objects-")))
})

const BYTES = Buffer.from("the bytes of an object")

let top: string
let folder: string
let store: ObjectStore

beforeEach(async () => {
  top = await mkdtemp(join(tmpdir(), "objects-"))
  folder = join(top, "new/archive")
  store = await openDirectory(folder)
})

afterEach(async () => {
  await rm(top, { recursive: true, force: true })
})

describe("a folder of objects", () => {
  it("is for its owner alone, and so is all in it", async () => {
    await store.put("a/b/c", BYTES, digestOf(BYTES))
    const modes = await Promise.all(
      [
        join(top, "new"),
        folder,
        join(folder, ".drafts"),
        join(folder, "a"),
        join(folder, "a/b"),
        join(folder, "a/b/c"),
      ].map(async (path) => ((await stat(path)).mode & 0o777).toString(8)),
    )
    expect(modes).toEqual(["700", "700", "700", "700", "700", "600"])
  })

  it("has a file for each object, with its key as its path, and nothing else", async () => {
    await store.put("a/b.json", BYTES, digestOf(BYTES))
    expect(await filesOf(folder)).toEqual([join(folder, "a/b.json")])
    expect(await readFile(join(folder, "a/b.json"))).toEqual(BYTES)
  })

  it("refuses a key that goes on where another ends", async () => {
    await store.put("a/b", BYTES, digestOf(BYTES))
    await expect(store.put("a/b/c", BYTES, digestOf(BYTES))).rejects.toMatchObject({ code: "OBJECTS_EXISTS" })
    await expect(store.put("a", BYTES, digestOf(BYTES))).rejects.toMatchObject({ code: "OBJECTS_EXISTS" })
    expect(await store.size("a/b/c")).toBeUndefined()
    expect(await store.size("a")).toBeUndefined()
    expect(await store.destroy("a")).toBe(0)
  })

  it("passes over what has no key", async () => {
    await store.put("a/b", BYTES, digestOf(BYTES))
    await writeFile(join(folder, "README.txt"), "")
    await writeFile(join(folder, "a/.hidden"), "")
    await mkdir(join(folder, "Other"))
    await writeFile(join(folder, "Other/c"), "")
    const keys = []
    for await (const { key } of store.list("")) keys.push(key)
    expect(keys).toEqual(["a/b"])
  })

  it("tells what the system says", async () => {
    const file = join(top, "file")
    await writeFile(file, "")
    await expect(openDirectory(file)).rejects.toMatchObject({
      name: "ObjectsError",
      code: "OBJECTS_FAILED",
      cause: { code: "EEXIST" },
    })
  })
})

describe("a symbolic link", () => {
  let outside: string
  beforeEach(async () => {
    outside = join(top, "outside")
    await mkdir(outside)
    await writeFile(join(outside, "object"), BYTES)
  })

  async function refuses(key: string): Promise<void> {
    const unsafe = { name: "ObjectsError", code: "OBJECTS_UNSAFE_PATH" }
    await expect(read(store, key)).rejects.toMatchObject(unsafe)
    await expect(store.size(key)).rejects.toMatchObject(unsafe)
    await expect(store.put(key, BYTES, digestOf(BYTES))).rejects.toMatchObject(unsafe)
    await expect(store.destroy(key)).rejects.toMatchObject(unsafe)
    expect(await readdir(outside)).toEqual(["object"])
    expect(await readFile(join(outside, "object"))).toEqual(BYTES)
  }

  it("in place of a folder is not followed", async () => {
    await symlink(outside, join(folder, "a"))
    await refuses("a/object")
    await refuses("a/new/object")
  })

  it("in place of an object is not followed, and no list goes on past it", async () => {
    await symlink(join(outside, "object"), join(folder, "object"))
    await refuses("object")
    await expect(async () => {
      for await (const _ of store.list("")) {
      }
    }).rejects.toMatchObject({ code: "OBJECTS_UNSAFE_PATH" })
  })

  it("in place of the drafts lets no store be opened", async () => {
    await rename(join(folder, ".drafts"), join(top, "drafts"))
    await symlink(outside, join(folder, ".drafts"))
    await expect(openDirectory(folder)).rejects.toMatchObject({ code: "OBJECTS_UNSAFE_PATH" })
  })

  it("to the folder itself is the administrator's affair", async () => {
    await symlink(folder, join(top, "link"))
    const linked = await openDirectory(join(top, "link"))
    await linked.put("a", BYTES, digestOf(BYTES))
    expect(await read(store, "a")).toEqual(BYTES)
  })
})

describe("a draft", () => {
  const drafts = () => readdir(join(folder, ".drafts"))
  const leave = (pid: number, opening: string) =>
    writeFile(join(folder, `.drafts/0123456789abcdef.${pid}.${opening}.0`), BYTES)

  /** Ends as soon as it began: its number is of nobody then. */
  async function deadProcess(): Promise<number> {
    const child = spawn(process.execPath, ["--version"], { stdio: "ignore" })
    await once(child, "exit")
    return child.pid as number
  }

  it("of a process that is gone goes when the folder is opened", async () => {
    await leave(await deadProcess(), "aaaaaaaaaaaaaaaa")
    await openDirectory(folder)
    expect(await drafts()).toEqual([])
  })

  it("of an earlier process with our number goes, too: in a container it is always the same", async () => {
    await leave(process.pid, "aaaaaaaaaaaaaaaa")
    await openDirectory(folder)
    expect(await drafts()).toEqual([])
  })

  it("of a process that is there stays, and so does one of ours", async () => {
    await leave(process.ppid, "aaaaaaaaaaaaaaaa")
    async function* source(): AsyncGenerator<Uint8Array> {
      expect(await drafts()).toHaveLength(2)
      await openDirectory(folder)
      expect(await drafts()).toHaveLength(2)
      yield BYTES
    }
    await store.put("a", source(), digestOf(BYTES))
    expect(await drafts()).toHaveLength(1)
  })

  it("of an object that is destroyed goes with it, and its put is refused", async () => {
    const others = await openDirectory(folder)
    async function* source(): AsyncGenerator<Uint8Array> {
      yield BYTES
      expect(await others.destroy("b")).toBe(0)
      expect(await drafts()).toHaveLength(1)
      expect(await others.destroy("a")).toBe(0)
      expect(await drafts()).toEqual([])
    }
    await expect(store.put("a", source(), digestOf(BYTES))).rejects.toMatchObject({
      code: "OBJECTS_UNAVAILABLE",
    })
    expect(await filesOf(folder)).toEqual([])
  })
})
