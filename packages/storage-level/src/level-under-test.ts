/** LevelDB that can be hurt, for tests: its folder is copied to crash it, its batches are made to fail. */

import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { LogStorage } from "@prooflog/ledger/storage"
import type { StorageUnderTest } from "@prooflog/ledger/storage-suite"
import { Level } from "level"
import { openLevelStorage } from "./level-storage.js"

export type Fault = "kept" | "not kept" | undefined

/** What the next synced batch of any LevelDB does instead of resolving. */
let nextFault: { readonly outcome: Fault; readonly message: string; after: number } | undefined

/** @param after - so many batches are written before one fails */
export function failNextBatch(
  outcome: Fault,
  message = "IO error: 000003.log: Input/output error",
  after = 0,
): void {
  nextFault = { outcome, message, after }
}

/** Every batch is written through this method of one prototype; wrapping it reaches below the storage. */
export async function patchBatches(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "prooflog-level-"))
  const db = new Level(folder)
  await db.open()
  const batch = db.batch()
  const prototype = Object.getPrototypeOf(Object.getPrototypeOf(batch)) as typeof batch
  await batch.close()
  await db.close()
  await rm(folder, { recursive: true })
  const write = prototype.write
  prototype.write = async function (this: typeof batch, ...args: Parameters<typeof write>) {
    if (nextFault === undefined || nextFault.after-- > 0) return await write.apply(this, args)
    const fault = nextFault
    nextFault = undefined
    if (fault.outcome === "kept") await write.apply(this, args)
    else await this.close()
    throw Object.assign(new Error(fault.message), { code: "LEVEL_IO_ERROR" })
  } as typeof write
}

export class LevelUnderTest implements StorageUnderTest {
  #folder: string
  #generation = 0
  #open: LogStorage | undefined

  private constructor(folder: string) {
    this.#folder = folder
  }

  static async make(): Promise<LevelUnderTest> {
    return new LevelUnderTest(await mkdtemp(join(tmpdir(), "prooflog-level-")))
  }

  /** Where LevelDB's files are now. */
  get folder(): string {
    return join(this.#folder, String(this.#generation))
  }

  async open(): Promise<LogStorage> {
    const storage = await openLevelStorage(this.folder)
    this.#open = storage
    return storage
  }

  /** What a killed process leaves is what the folder holds at that moment: a copy of it is opened next. */
  async crash(): Promise<void> {
    const from = this.folder
    this.#generation++
    await cp(from, this.folder, { recursive: true })
    await rm(join(this.folder, "LOCK"), { force: true })
    await this.#open?.close()
    this.#open = undefined
    await rm(from, { recursive: true })
  }

  failNextWrite(outcome: "kept" | "not kept"): void {
    failNextBatch(outcome)
  }

  async damageJournal(step: "middle" | "last"): Promise<void> {
    for (const path of await this.files(".log")) {
      const bytes = await readFile(path)
      if (bytes.length > 0) await flipBit(path, step === "last" ? bytes.length - 20 : bytes.length >> 1)
    }
  }

  async damageBytes(wanted: Uint8Array): Promise<void> {
    let found = false
    for (const path of await this.files(".ldb")) {
      const at = (await readFile(path)).indexOf(Buffer.from(wanted))
      if (at < 0) continue
      await flipBit(path, at)
      found = true
    }
    if (!found) throw new Error("these bytes are in no table")
  }

  async held(needles: readonly Uint8Array[]): Promise<Uint8Array[]> {
    const held = new Set<Uint8Array>()
    for (const path of await this.files("")) {
      const bytes = await readFile(path).catch(unlessGone)
      for (const needle of needles) if (bytes.includes(Buffer.from(needle))) held.add(needle)
    }
    return [...held]
  }

  async bytes(): Promise<number> {
    const sizes = await Promise.all((await this.files("")).map((path) => stat(path)))
    return sizes.reduce((sum, { size }) => sum + size, 0)
  }

  async destroy(): Promise<void> {
    await this.#open?.close().catch(() => {})
    await rm(this.#folder, { recursive: true, force: true })
  }

  async files(ending: string): Promise<string[]> {
    const names = await readdir(this.folder)
    return names.filter((name) => name.endsWith(ending)).map((name) => join(this.folder, name))
  }
}

/** LevelDB deletes files while it is open. */
function unlessGone(error: NodeJS.ErrnoException): Buffer {
  if (error.code === "ENOENT") return Buffer.alloc(0)
  throw error
}

export async function flipBit(path: string, at: number, bit = 0): Promise<void> {
  const bytes = await readFile(path)
  bytes[at] = (bytes[at] as number) ^ (1 << bit)
  await writeFile(path, bytes)
}
