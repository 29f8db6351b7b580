import { describe, it } from "vitest"
import { MemoryDisk, openMemoryStorage } from "./memory.js"
import { type StorageUnderTest, storageSuite } from "./storage-suite.js"

class MemoryUnderTest implements StorageUnderTest {
  readonly #disk = new MemoryDisk()

  open() {
    return openMemoryStorage(this.#disk)
  }

  async crash() {
    this.#disk.pullPlug()
  }

  failNextWrite(outcome: "kept" | "not kept") {
    this.#disk.nextWriteFails = outcome
  }

  /** As a journal with checksums does: the step that does not fit is dropped. */
  async damageJournal(step: "middle" | "last") {
    const { journal } = this.#disk
    journal.splice(step === "last" ? journal.length - 1 : journal.length >> 1, 1)
  }

  async damageBytes(bytes: Uint8Array) {
    let found = false
    for (const rows of this.#byteRows()) {
      for (const [key, value] of rows) {
        const at = Buffer.from(value).indexOf(Buffer.from(bytes))
        if (at < 0) continue
        const damaged = value.slice()
        damaged[at] = (damaged[at] as number) ^ 1
        rows.set(key, damaged)
        found = true
      }
    }
    if (!found) throw new Error("these bytes are not kept")
  }

  async held(needles: readonly Uint8Array[]) {
    const kept = Buffer.concat(this.#kept())
    return needles.filter((needle) => kept.includes(Buffer.from(needle)))
  }

  async bytes() {
    return this.#kept().reduce((sum, { length }) => sum + length, 0)
  }

  async destroy() {}

  #kept(): Uint8Array[] {
    const rows = this.#byteRows().flatMap((map) => [...map.values()])
    return [...rows, ...this.#disk.journal.map(({ records }) => records)]
  }

  #byteRows(): Map<unknown, Uint8Array>[] {
    const { tiles, bundles, records } = this.#disk.tables
    return [tiles, bundles, records]
  }
}

storageSuite("memory", { describe, it }, async () => new MemoryUnderTest())
