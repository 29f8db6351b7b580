/**
 * What the alerts child keeps: rows under keys, and where in the log they belong, in one LevelDB of its own.
 *
 *     rows that changed ─┐
 *     alerts, groups     ├─ one synced batch ─► all of it or none, with the cursor
 *     outbox             ─┘
 *
 * It may be thrown away: rules learn again, and nobody is told of the past. But acknowledgements, silences and what waits
 * to be delivered are nowhere else.
 */

import { existsSync } from "node:fs"
import { mkdir, rename, rm } from "node:fs/promises"
import { dirname } from "node:path"
import { Level } from "level"
import { syncFolder } from "../durable-file.js"

/** What a row is of; its keys are apart from those of all others. */
export type RowSpace = "meta" | "rule" | "alert" | "history" | "outbox" | "told"

/** Changes of one commit: the last change of a key counts. */
export class StoreChanges {
  readonly #rows = new Map<string, string | undefined>()

  get isEmpty(): boolean {
    return this.#rows.size === 0
  }

  keep(space: RowSpace, key: string, value: string): void {
    this.#rows.set(rowKey(space, key), value)
  }

  remove(space: RowSpace, key: string): void {
    this.#rows.set(rowKey(space, key), undefined)
  }

  /** Adds others: they come after these. */
  add(others: StoreChanges): void {
    for (const [key, value] of others.#rows) this.#rows.set(key, value)
  }

  /** For the store alone. */
  *operations() {
    for (const [key, value] of this.#rows) {
      yield value === undefined ? ({ type: "del", key } as const) : ({ type: "put", key, value } as const)
    }
  }
}

/** Rows copied at once. */
const COPIED_AT_ONCE = 1_024

type Db = Level<string, string>

export class AlertsStore {
  readonly #path: string
  #db: Db
  /** Commits and whatever else must not meet a database that is closed, one after another. */
  #last: Promise<unknown> = Promise.resolve()
  /** Why nothing is kept any more. */
  #failure: unknown

  private constructor(path: string, db: Db) {
    this.#path = path
    this.#db = db
  }

  /** Opens a store, or makes an empty one. @throws what LevelDB says */
  static async open(path: string): Promise<AlertsStore> {
    const { fresh, old } = namesBeside(path)
    if (!existsSync(path) && existsSync(old)) await rename(fresh, path)
    for (const left of [fresh, old]) await rm(left, { recursive: true, force: true })
    return new AlertsStore(path, await openDb(path))
  }

  /** Answers the rows of a space, by key. */
  async *rows(space: RowSpace): AsyncGenerator<readonly [key: string, value: string]> {
    for await (const [key, value] of this.#db.iterator(rangeOf(space))) yield [key.slice(2), value]
  }

  async row(space: RowSpace, key: string): Promise<string | undefined> {
    return this.#inTurn(() => this.#db.get(rowKey(space, key)))
  }

  /**
   * Keeps changes, all or none of them, in the order of the calls; durable when it resolves. Once one was not kept, none
   * is: those after it would be kept without it.
   */
  commit(changes: StoreChanges): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#failure !== undefined) throw this.#failure
      try {
        await this.#db.batch([...changes.operations()], { sync: true })
      } catch (error) {
        this.giveUp(error)
        throw error
      }
    })
  }

  /** Keeps nothing any more. @param why - is what commits reject with */
  giveUp(why: unknown): void {
    this.#failure ??= why
  }

  /** Writes everything anew into other files: no byte of what was removed or replaced is left in any. */
  rewrite(): Promise<void> {
    return this.#inTurn(async () => {
      const { fresh, old } = namesBeside(this.#path)
      await rm(fresh, { recursive: true, force: true })
      const copy = await openDb(fresh)
      try {
        await copyRows(this.#db, copy)
      } finally {
        await copy.close()
      }
      await this.#db.close()
      // If we die between these two, what is there whole is found when it is opened.
      await rename(this.#path, old)
      await rename(fresh, this.#path)
      await syncFolder(dirname(this.#path))
      await rm(old, { recursive: true })
      this.#db = await openDb(this.#path)
    })
  }

  close(): Promise<void> {
    return this.#inTurn(() => this.#db.close())
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const done = this.#last.then(task)
    this.#last = done.catch(() => {})
    return done
  }
}

const LETTERS: Readonly<Record<RowSpace, string>> = {
  meta: "m",
  rule: "r",
  alert: "a",
  history: "h",
  outbox: "o",
  told: "t",
}

function rowKey(space: RowSpace, key: string): string {
  return `${LETTERS[space]}/${key}`
}

function rangeOf(space: RowSpace) {
  return { gte: `${LETTERS[space]}/`, lt: `${LETTERS[space]}0` }
}

function namesBeside(path: string) {
  return { fresh: `${path}.new`, old: `${path}.old` }
}

async function openDb(path: string): Promise<Db> {
  await mkdir(path, { recursive: true, mode: 0o700 })
  const db: Db = new Level(path, { keyEncoding: "utf8", valueEncoding: "utf8" })
  await db.open()
  return db
}

async function copyRows(from: Db, to: Db): Promise<void> {
  let batch: { readonly type: "put"; readonly key: string; readonly value: string }[] = []
  for await (const [key, value] of from.iterator()) {
    batch.push({ type: "put", key, value })
    if (batch.length < COPIED_AT_ONCE) continue
    await to.batch(batch)
    batch = []
  }
  await to.batch(batch, { sync: true })
}
