/**
 * Cases, notices and certificates on disk, and in memory as they are there.
 */

import { join } from "node:path"
import { readText } from "../durable-file.js"
import {
  type EraseCase,
  formatCase,
  formatNoticeFile,
  type NoticeFile,
  parseCase,
  parseNoticeFile,
} from "./case-file.js"
import { openStateFolders, readStates, writeState } from "./case-folder.js"

export class CaseStore {
  readonly #cases: string
  readonly #notices: string
  readonly #known = new Map<string, EraseCase>()
  readonly #knownNotices = new Map<string, NoticeFile>()

  private constructor(root: string) {
    this.#cases = join(root, "cases")
    this.#notices = join(root, "notices")
  }

  /**
   * @param root - folder, made if it is not there
   * @throws ServerError `SERVER_MALFORMED_FOLDER` if a file is damaged: nobody knows then what was announced
   */
  static async open(root: string): Promise<CaseStore> {
    const store = new CaseStore(root)
    await openStateFolders([store.#cases, store.#notices])
    for (const text of await readStates(store.#cases, ".json")) {
      const one = parseCase(text)
      store.#known.set(one.id, one)
    }
    for (const text of await readStates(store.#notices, ".json")) {
      const one = parseNoticeFile(text)
      store.#knownNotices.set(one.id, one)
    }
    return store
  }

  /** In the order in which they were asked for. */
  cases(): readonly EraseCase[] {
    const byTime = (a: EraseCase, b: EraseCase) =>
      a.asked.at < b.asked.at ? -1 : a.asked.at > b.asked.at ? 1 : 0
    return [...this.#known.values()].sort(byTime)
  }

  get(id: string): EraseCase | undefined {
    return this.#known.get(id)
  }

  notices(): readonly NoticeFile[] {
    return [...this.#knownNotices.values()]
  }

  /** Durable when it resolves. */
  async write(one: EraseCase): Promise<void> {
    await writeState(join(this.#cases, `${one.id}.json`), formatCase(one))
    this.#known.set(one.id, one)
  }

  /** Durable when it resolves. */
  async writeNotice(one: NoticeFile): Promise<void> {
    await writeState(join(this.#notices, `${one.id}.json`), formatNoticeFile(one))
    this.#knownNotices.set(one.id, one)
  }

  /** Durable when it resolves. @param part - from 1 on */
  writeCertificate(id: string, part: number, text: string): Promise<void> {
    return writeState(this.#certificatePath(id, part), text)
  }

  certificate(id: string, part: number): Promise<string | undefined> {
    return readText(this.#certificatePath(id, part))
  }

  #certificatePath(id: string, part: number): string {
    return join(this.#cases, `${id}.${part}.cert`)
  }
}
