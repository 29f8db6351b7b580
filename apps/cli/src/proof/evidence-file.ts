/**
 * One evidence file from many batches: written as they come, and there only once all of them have come.
 *
 *     FILE.part    {"format":…,"checkpoint":…,"events":[ batch 0 , batch 1 , …
 *     FILE         the same, and its end
 *
 * Effects: the file.
 */

import { type FileHandle, open, rename, rm } from "node:fs/promises"
import { withhold } from "@prooflog/event/disclosure"
import { type EvidenceItem, formatEvidence } from "@prooflog/verifier/evidence"
import { writeError } from "../file.js"
import type { ProvenBatch } from "./evidence-batches.js"

const END = "]}\n"

export class EvidenceFile {
  readonly #path: string
  readonly #part: string
  readonly #withheld: ReadonlySet<string>
  #handle: FileHandle | undefined

  /** @param withheld - names of fields whose values are not to be in the file */
  constructor(path: string, withheld: readonly string[]) {
    this.#path = path
    this.#part = `${path}.${process.pid}.part`
    this.#withheld = new Set(withheld)
  }

  /**
   * Begins, or begins anew.
   *
   * @throws {@link CliError} `CLI_FILE`
   */
  async begin(): Promise<void> {
    await this.#orSay(async () => {
      await this.#handle?.close()
      this.#handle = await open(this.#part, "w")
    })
  }

  /** @throws {@link CliError} `CLI_FILE` */
  async take({ checkpoint: { note }, items }: ProvenBatch): Promise<void> {
    const handle = this.#handle
    if (handle === undefined) throw new Error("bug: the evidence file was not begun")
    const hidden = items.map((item) => this.#hide(item))
    const text = formatEvidence({ checkpoint: note, items: hidden })
    const events = text.indexOf('"events":[') + '"events":['.length
    await this.#orSay(async () => {
      const { size } = await handle.stat()
      await handle.appendFile(size === 0 ? text.slice(0, -END.length) : `,${text.slice(events, -END.length)}`)
    })
  }

  /**
   * Ends the file and gives it its name; on the disk before it has it.
   *
   * @throws {@link CliError} `CLI_FILE`
   */
  async finish(): Promise<void> {
    await this.#orSay(async () => {
      await this.#handle?.appendFile(END)
      await this.#handle?.sync()
      await this.#close()
      await rename(this.#part, this.#path)
    })
  }

  /** Leaves nothing behind; after {@link EvidenceFile.finish} there is nothing to leave. */
  async drop(): Promise<void> {
    await this.#close()
    await rm(this.#part, { force: true })
  }

  #hide(item: EvidenceItem): EvidenceItem {
    return this.#withheld.size === 0
      ? item
      : { ...item, disclosure: withhold(item.disclosure, this.#withheld) }
  }

  async #close(): Promise<void> {
    await this.#handle?.close()
    this.#handle = undefined
  }

  async #orSay(act: () => Promise<void>): Promise<void> {
    try {
      await act()
    } catch (error) {
      throw writeError(error, "the evidence file", this.#path)
    }
  }
}
